//! What a server answers, and why it could not be asked, in words and exit codes.

use std::io::ErrorKind;

use grantd::Violation;
use serde_json::Value;
use ureq::http::{Response, StatusCode};

use super::reach;
use crate::cli::Failure;

/// The body of a good answer; null when it has none.
///
/// # Errors
/// 401 and 403 are `Denied`, 404 is `NotFound`, all else `Failed`; each member that does not fit is named.
pub(super) fn read(
    response: Response<ureq::Body>,
    bytes_max: u64,
    server: &str,
    token_source: &str,
) -> Result<Value, Failure> {
    let (status, body) = body(response, bytes_max, server)?;
    if status.is_success() { Ok(body) } else { Err(refusal(status, &body, server, token_source)) }
}

/// As [`read`], into a type of its own.
pub(super) fn read_as<T: serde::de::DeserializeOwned>(
    mut response: Response<ureq::Body>,
    bytes_max: u64,
    server: &str,
    token_source: &str,
) -> Result<T, Failure> {
    if !response.status().is_success() {
        let (status, body) = body(response, bytes_max, server)?;
        return Err(refusal(status, &body, server, token_source));
    }
    let bytes = response.body_mut().with_config().limit(bytes_max).read_to_vec();
    let bytes = bytes.map_err(|error| unreachable(server, &error))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::failed(format!("{server} does not answer as this grantd understands it: {error}")))
}

/// As [`read`]; but what does not fit in the document that was sent is for its sender to tell.
pub(super) fn read_document(
    response: Response<ureq::Body>,
    bytes_max: u64,
    server: &str,
    token_source: &str,
) -> Result<Result<Value, Vec<Violation>>, Failure> {
    let (status, body) = body(response, bytes_max, server)?;
    if status.is_success() {
        return Ok(Ok(body));
    }
    let violations: Vec<Violation> = validation(&body).iter().map(violation).collect();
    if status == StatusCode::BAD_REQUEST && !violations.is_empty() {
        return Ok(Err(violations));
    }
    Err(refusal(status, &body, server, token_source))
}

fn body(mut response: Response<ureq::Body>, bytes_max: u64, server: &str) -> Result<(StatusCode, Value), Failure> {
    let status = response.status();
    if status.is_redirection() {
        let target = response.headers().get("location").and_then(|value| value.to_str().ok()).unwrap_or("elsewhere");
        return Err(Failure::failed(format!("{server} sends its callers to {target}: name that server with --server")));
    }
    let text = response.body_mut().with_config().limit(bytes_max).read_to_string();
    let text = text.map_err(|error| unreachable(server, &error))?;
    if status == StatusCode::NO_CONTENT {
        return Ok((status, Value::Null));
    }
    let Ok(body) = serde_json::from_str::<Value>(&text) else {
        return Err(Failure::failed(format!(
            "{server} answers {status}, but not as grantd does: is that its URL, without a path?"
        )));
    };
    Ok((status, body))
}

fn refusal(status: StatusCode, body: &Value, server: &str, token_source: &str) -> Failure {
    let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default();
    let detail = in_flags(if text("detail").is_empty() { text("message") } else { text("detail") });
    match status {
        StatusCode::UNAUTHORIZED => Failure::Denied(format!(
            "{server} does not know this API token, or it has ended (it came from {token_source})"
        )),
        StatusCode::FORBIDDEN => Failure::Denied(format!("{detail} (the API token came from {token_source})")),
        StatusCode::NOT_FOUND => Failure::NotFound(detail),
        _ => {
            let lines: Vec<String> = validation(body).iter().map(|one| line(&violation(one))).collect();
            Failure::failed(match lines.as_slice() {
                [] if detail.is_empty() => format!("{server} answers {status} and does not say why"),
                [] => detail,
                [one] => one.clone(),
                many => format!("nothing was changed:\n  {}", many.join("\n  ")),
            })
        }
    }
}

/// What a server says to callers over HTTP, in the words of the command line.
fn in_flags(said: &str) -> String {
    said.replace("send {\"force\": true}", "add --force").replace("add ?cascade=true", "add --cascade")
}

fn validation(body: &Value) -> &[Value] {
    body.get("validation").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn violation(told: &Value) -> Violation {
    let member = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default();
    Violation::new(member("propertyPath"), told["invalidValue"].clone(), member("message"))
}

/// `member.inside "what was sent": what to change`.
fn line(violation: &Violation) -> String {
    let path = violation.property_path.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~");
    let sent = match &violation.invalid_value {
        Value::String(value) if !value.is_empty() => format!(" {value:?}"),
        Value::Number(value) => format!(" {value}"),
        _ => String::new(),
    };
    if path.is_empty() { violation.message.clone() } else { format!("{path}{sent}: {}", violation.message) }
}

/// Why there is no answer at all.
pub(super) fn unreachable(server: &str, error: &ureq::Error) -> Failure {
    let proxy = reach::proxy_of(server);
    let way_out = match error {
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => {
            "its certificate is not trusted: --ca-file names the authority that signed it"
        }
        ureq::Error::Io(error) if error.to_string().contains("certificate") => {
            "its certificate is not trusted: --ca-file names the authority that signed it"
        }
        _ if proxy.is_some() => "is that proxy the right one? NO_PROXY names the hosts that are asked without it",
        ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
            "nobody listens there: is the server running? --server names another"
        }
        ureq::Error::HostNotFound => "there is no such host: check --server",
        ureq::Error::Timeout(_) => "it took too long: is the server busy, or a firewall between?",
        _ => "is it a grantd server? --server names another",
    };
    let through = proxy.map_or_else(String::new, |proxy| format!(" through the environment's proxy {proxy}"));
    Failure::failed(format!("{server} cannot be asked{through}: {error}; {way_out}"))
}
