//! What every request carries along: an id, the caller's address and program. And the line it leaves in the log.

use std::future::{Ready, ready};
use std::net::IpAddr;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    HOST, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, USER_AGENT, X_CONTENT_TYPE_OPTIONS, X_FORWARDED_FOR,
};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};

use crate::address::{Base, is_local};
use crate::app::App;
use crate::model::id::Id;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Two years. Browsers do not apply it to addresses, and hosts of this machine do not get it.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=63072000");
const REQUEST_ID_CHARS_MAX: usize = 64;
const USER_AGENT_CHARS_MAX: usize = 200;

/// What is known of a request beside its content.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestContext {
    pub(super) request_id: String,
    /// The same, when it was made here: then nobody outside has chosen it.
    pub(super) own_id: Option<Id>,
    pub(super) remote_address: Option<String>,
    pub(super) user_agent: Option<String>,
}

impl FromRequest for RequestContext {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(of(request)))
    }
}

/// The context that [`attach`] gave the request.
pub(super) fn of(request: &HttpRequest) -> RequestContext {
    request.extensions().get::<RequestContext>().cloned().unwrap_or_default()
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
    let watch = app.clock.stopwatch();
    let (request_id, own_id) = match sent_id(&request) {
        Some(sent) => (sent, None),
        None => {
            let id = Id::new(&app.clock, app.clock.now());
            (id.to_string(), Some(id))
        }
    };
    let header = HeaderValue::from_str(&request_id).ok();
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let context = RequestContext {
        remote_address: caller(&app, &request).map(|address| address.to_string()),
        user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_CHARS_MAX).collect()),
        request_id: request_id.clone(),
        own_id,
    };
    request.extensions_mut().insert(context);
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    if let Some(header) = header {
        headers.insert(REQUEST_ID, header);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if app.config.tls.is_on() && !is_local(app.public_url()) {
        headers.insert(STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    let micros = u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(%method, path, status = response.status().as_u16(), micros, request_id, "answered");
    Ok(response)
}

/// Who made the request, also through reverse proxies that are trusted.
fn caller(app: &App, request: &ServiceRequest) -> Option<IpAddr> {
    let peer = request.peer_addr().map(|address| address.ip());
    let values: Vec<Option<&str>> =
        request.headers().get_all(X_FORWARDED_FOR).map(|value| value.to_str().ok()).collect();
    app.trusted_proxies.caller(peer, values.into_iter())
}

/// The id that a proxy or a caller gave the request, if it is fit to be logged.
fn sent_id(request: &ServiceRequest) -> Option<String> {
    let text = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let fits = !text.is_empty()
        && text.len() <= REQUEST_ID_CHARS_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    fits.then(|| text.to_owned())
}
