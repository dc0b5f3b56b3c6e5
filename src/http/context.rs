//! What every request carries along: an id, the caller's address and program. And the line it leaves in the log.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    HOST, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, USER_AGENT, X_CONTENT_TYPE_OPTIONS, X_FORWARDED_FOR,
};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, web};
use tracing::Level;

use crate::address::{Base, is_local};
use crate::app::App;
use crate::model::caller::{Caller, RequestId};
use crate::model::id::Id;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Two years. Browsers do not apply it to addresses, and hosts of this machine do not get it.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=63072000");
const REQUEST_ID_CHARS_MAX: usize = 64;
const USER_AGENT_CHARS_MAX: usize = 200;

/// The caller that [`attach`] found.
pub(super) fn caller(request: &HttpRequest) -> Caller {
    request.extensions().get::<Caller>().cloned().unwrap_or_default()
}

/// The host and port that a request was made at, as sent: its target or its `Host` names them (RFC 9112 3.2.2; over
/// HTTP/2, `:authority` comes as the target's). Headers that proxies add are not looked at.
pub(super) fn host(request: &HttpRequest) -> &str {
    let target = request.uri().authority().map(|authority| authority.as_str());
    let header = || request.headers().get(HOST).and_then(|value| value.to_str().ok());
    target.or_else(header).unwrap_or_default()
}

/// The configured URL that a request was made at.
pub(super) fn base<'a>(app: &'a App, request: &HttpRequest) -> crate::error::Result<&'a Base> {
    app.base_at(host(request))
}

/// Gives the request its context, the answer its id, and the log its line.
pub(super) async fn attach(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let Some(app) = request.app_data::<web::Data<App>>().cloned() else {
        return Err(actix_web::error::ErrorInternalServerError("no application"));
    };
    let request_id = sent_id(&request).unwrap_or_else(|| RequestId::Own(Id::new(&app.clock, app.clock.now())));
    let header = HeaderValue::from_str(request_id.as_str()).ok();
    let line = tracing::enabled!(Level::DEBUG)
        .then(|| (app.clock.stopwatch(), request.method().clone(), request.path().to_owned(), request_id.clone()));
    let caller = Caller { address: address(&app, &request), user_agent: user_agent(&request), request_id };
    request.extensions_mut().insert(caller);
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    if let Some(header) = header {
        headers.insert(REQUEST_ID, header);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if app.config.tls.is_on() && !is_local(app.public_url()) {
        headers.insert(STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    if let Some((watch, method, path, request_id)) = line {
        let micros = u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (status, request_id) = (response.status().as_u16(), request_id.as_str());
        tracing::debug!(%method, path, status, micros, request_id, "answered");
    }
    Ok(response)
}

fn user_agent(request: &ServiceRequest) -> Option<Arc<str>> {
    let text = request.headers().get(USER_AGENT)?.to_str().ok()?;
    // What a header's text holds is ASCII: any byte of it is a border.
    Some(text.get(..USER_AGENT_CHARS_MAX).unwrap_or(text).into())
}

/// Where the request comes from, also through reverse proxies that are trusted.
fn address(app: &App, request: &ServiceRequest) -> Option<IpAddr> {
    let peer = request.peer_addr().map(|address| address.ip());
    let values: Vec<Option<&str>> =
        request.headers().get_all(X_FORWARDED_FOR).map(|value| value.to_str().ok()).collect();
    app.trusted_proxies.caller(peer, values.into_iter())
}

/// The id that a proxy or a caller gave the request, if it is fit to be logged.
fn sent_id(request: &ServiceRequest) -> Option<RequestId> {
    let text = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let fits = !text.is_empty()
        && text.len() <= REQUEST_ID_CHARS_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    fits.then(|| RequestId::Sent(text.into()))
}
