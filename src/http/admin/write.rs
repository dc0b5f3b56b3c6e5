//! What a write brings along, taken out of the request before its handler runs.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use serde_json::{Map, Value};
use tokio::sync::SemaphorePermit;

use super::query::{Parameters, if_match};
use crate::admin::actor::Actor;
use crate::app::App;
use crate::error::{Error, Result, Violation};
use crate::http::error::admin_response;
use crate::http::{body, context, json};
use crate::patch::Patch;
use crate::policy::trust::read_signature;
use crate::store::{Entity, Origin};

/// Largest body of an admin request.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A body up to here is worked on where it was read.
const SHORT_BYTES_MAX: usize = 16 * 1024;

/// What a module's signature comes in.
const SIGNATURE_HEADER: &str = "Grantd-Signature";

/// A write: its body (null without one), who it is from, and what its query and headers say.
pub(in crate::http) struct Write {
    pub(in crate::http) body: Value,
    pub(in crate::http) origin: Origin,
    /// From `If-Match`.
    pub(in crate::http) revision: Option<i64>,
    /// From `?cascade=`.
    pub(in crate::http) cascade: bool,
    is_short: bool,
}

impl Write {
    pub(in crate::http) async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Self> {
        let parameters = Parameters::of(request)?;
        let revision = if_match(request)?;
        let bytes = body::read(request, payload, BODY_BYTES_MAX).await?;
        Ok(Self {
            body: json::parse(&bytes)?,
            is_short: bytes.len() <= SHORT_BYTES_MAX,
            origin: parameters.explain(origin(request)?)?,
            revision,
            cascade: parameters.cascade()?,
        })
    }

    /// A turn to wait for its commit without a thread, if all that comes before takes some microseconds: less than to hand
    /// it to another thread and back. The turns leave others their room in the queue to the disk.
    pub(super) fn quick_turn<'a, E: Entity>(&self, app: &'a App) -> Option<SemaphorePermit<'a>> {
        if !(self.is_short && E::is_quick(&self.body)) || Patch::has_value_filter(&self.body) {
            return None;
        }
        app.quick_writes.try_acquire().ok()
    }

    /// The body of a write that makes or replaces something.
    pub(in crate::http) fn object(&self) -> Result<&Map<String, Value>> {
        let refused = || Violation::new("", self.body.clone(), "the body must be a JSON object");
        self.body.as_object().ok_or_else(|| Error::Invalid(vec![refused()]))
    }

    /// The body of a write in which every member may be left out.
    pub(super) fn object_or_empty(&self) -> Result<Map<String, Value>> {
        if self.body.is_null() { Ok(Map::new()) } else { self.object().cloned() }
    }
}

/// A policy module that was handed in, whatever content type it came with.
pub(super) struct Upload {
    pub(super) bytes: web::Bytes,
    /// From `Grantd-Signature`, in base64.
    pub(super) signature: Option<Vec<u8>>,
    pub(super) origin: Origin,
}

impl Upload {
    /// # Errors
    /// `TooLarge` for what is larger than any module may be.
    pub(super) async fn read(request: &HttpRequest, payload: web::Payload, module_kib: u32) -> Result<Self> {
        let origin = Parameters::of(request)?.explain(origin(request)?)?;
        let signature = request.headers().get(SIGNATURE_HEADER).map(|value| read_signature(value.as_bytes()));
        let signature =
            signature.transpose().map_err(|what| Error::Malformed(format!("{SIGNATURE_HEADER}: {what}")))?;
        let bytes = body::read(request, payload, 1024 * module_kib as usize).await.map_err(|error| match error {
            Error::TooLarge(what) => Error::TooLarge(format!("{what} (policies.module_kib)")),
            other => other,
        })?;
        Ok(Self { bytes, signature, origin })
    }
}

/// The caller that was let in, as the origin of what it writes.
pub(super) fn origin(request: &HttpRequest) -> Result<Origin> {
    let actor = request.extensions().get::<Actor>().cloned().ok_or(Error::Unauthenticated)?;
    let caller = context::caller(request);
    Ok(Origin {
        actor_id: actor.id,
        actor_name: actor.name,
        actor_type: actor.actor_type,
        role: actor.role,
        reason: None,
        correlation: None,
        request_id: caller.request_id.as_str().to_owned(),
        client_ip: caller.address_text(),
        user_agent: caller.user_agent.as_deref().map(str::to_owned),
    })
}

/// What becomes of a request before its handler runs.
type Extracted<T> = Pin<Box<dyn Future<Output = std::result::Result<T, actix_web::Error>>>>;

fn refused(request: &HttpRequest, error: &Error) -> actix_web::Error {
    InternalError::from_response("refused", admin_response(request, error)).into()
}

impl FromRequest for Write {
    type Error = actix_web::Error;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload);
        Box::pin(async move { Self::read(&request, payload.await?).await.map_err(|error| refused(&request, &error)) })
    }
}
