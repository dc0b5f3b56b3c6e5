//! How a server is reached: its address as a person gives it, and a client for HTTP that goes there.
//!
//! An address is a URL, or `unix:PATH` for a socket in the file system, in the words of `--listen`.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use grantd::secret::{SecretKind, is_generated};

#[cfg(unix)]
mod socket;

use crate::cli::{Failure, Outcome, note};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What stands before the path of a socket.
const UNIX: &str = "unix:";

/// The path of the socket that an address names.
fn socket_path(server: &str) -> Option<&str> {
    server.strip_prefix(UNIX)
}

/// What paths of the server are put behind in a URL: nothing on a socket looks at the host.
pub(in crate::cli) fn base(server: &str) -> &str {
    if socket_path(server).is_some() { "http://localhost" } else { server }
}

/// An address without what does not belong to it.
pub(in crate::cli) fn trimmed(server: &str) -> &str {
    if socket_path(server).is_some() { server } else { server.trim_end_matches('/') }
}

/// The host of a URL; empty where there is none, or where it is not all that stands before the path: whatever comes
/// before an `@` is no host, and looks like one.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return "";
    }
    match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((address, port)) if port.is_empty() || port.starts_with(':') => address,
        Some(_) => "",
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

/// Whether the server is on this machine.
pub(in crate::cli) fn is_here(server: &str) -> bool {
    let host = host(server);
    socket_path(server).is_some()
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The address is one, and says so when it would carry the token for everyone on the way to read.
///
/// # Errors
/// `Usage`, with what it should look like.
pub(in crate::cli) fn check(server: &str) -> Outcome {
    match socket_path(server) {
        Some(_) if cfg!(not(unix)) => {
            return Err(Failure::Usage("--server: sockets in the file system need Unix".to_owned()));
        }
        Some("") => {
            return Err(Failure::Usage("--server: name the socket's path, like unix:/run/grantd.sock".to_owned()));
        }
        Some(_) => return Ok(()),
        None => {}
    }
    let is_plain = server.starts_with("http://");
    if !(is_plain || server.starts_with("https://")) || host(server).is_empty() {
        return Err(Failure::Usage(format!(
            "--server: {server:?} is not the URL of a server, like https://grantd.example.com, or unix:PATH"
        )));
    }
    if is_plain && !is_here(server) {
        note(&format!("warning: {server} is not https: what is secret can be read on the way there"));
    }
    Ok(())
}

/// A text that was given as an API token has the form of one, or of an access token for grantd's own API.
pub(in crate::cli) fn check_token(token: &str) -> Outcome {
    if is_generated(SecretKind::ApiToken, token) || token.split('.').count() == 3 {
        return Ok(());
    }
    Err(Failure::Usage("this is no API token: they begin with gapi_ and were copied whole or not at all".to_owned()))
}

/// A client for HTTP that goes to this server.
///
/// # Errors
/// `Failed` when `ca_file` does not hold certificates.
pub(in crate::cli) fn agent(server: &str, timeout: Duration, ca_file: Option<&Path>) -> Outcome<ureq::Agent> {
    let config = agent_config(timeout, ca_file)?;
    #[cfg(unix)]
    if let Some(path) = socket_path(server) {
        return Ok(socket::agent(config, path));
    }
    Ok(config.into())
}

/// A client for HTTP that goes wherever URLs lead.
///
/// # Errors
/// As [`agent`].
pub(in crate::cli) fn url_agent(timeout: Duration, ca_file: Option<&Path>) -> Outcome<ureq::Agent> {
    Ok(agent_config(timeout, ca_file)?.into())
}

/// It follows no redirect: a token goes where it was meant to go.
fn agent_config(timeout: Duration, ca_file: Option<&Path>) -> Outcome<ureq::config::Config> {
    // Fails only when it is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut tls = ureq::tls::TlsConfig::builder();
    if let Some(file) = ca_file {
        tls = tls.root_certs(certificates(file)?);
    }
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .timeout_connect(Some(CONNECT_TIMEOUT.min(timeout)))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("grantd/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls.build())
        .build();
    Ok(config)
}

fn certificates(file: &Path) -> Outcome<ureq::tls::RootCerts> {
    let unfit = |what: String| Failure::failed(format!("--ca-file {}: {what}", file.display()));
    let text = std::fs::read(file).map_err(|error| unfit(error.to_string()))?;
    let mut found = Vec::new();
    for item in ureq::tls::parse_pem(&text) {
        match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            // The library's words quote the file, and a private key may stand in it too.
            Err(_) => return Err(unfit("a section of it is no whole PEM: it was cut short or damaged".to_owned())),
        }
    }
    if found.is_empty() {
        return Err(unfit("there is no certificate in it (PEM)".to_owned()));
    }
    Ok(ureq::tls::RootCerts::new_with_certs(&found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_here() {
        for url in
            ["http://127.0.0.1:8420", "http://localhost", "https://[::1]:1/x", "http://LOCALHOST:1", "unix:a.sock"]
        {
            assert!(is_here(url), "{url}");
        }
        for url in ["http://localhost.example.com", "http://10.0.0.1", "http://127.0.0.1.example.com:1", "https://a"] {
            assert!(!is_here(url), "{url}");
        }
        for url in ["", "grantd.example.com", "ftp://a", "http://", "http://user@host", "unix:"] {
            assert!(check(url).is_err(), "{url}");
        }
        for url in [
            "http://localhost:x@evil.example",
            "http://localhost:1@evil.example:80/",
            "http://127.0.0.1:80:@evil.example",
            "http://[::1]@evil.example",
            "http://[::1]:1@evil.example",
            "http://[::1].evil.example",
            "http://localhost\\@evil.example",
        ] {
            assert!(!is_here(url) && check(url).is_err(), "{url}");
        }
    }
}
