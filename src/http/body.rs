//! Reading a request's body, up to a bound.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::{FutureExt, StreamExt};

use crate::error::{Error, Result};

/// How long a body may take to arrive: who sends a byte now and then must not hold a connection for ever.
const ARRIVAL_MAX: Duration = Duration::from_secs(30);

/// The whole body.
///
/// # Errors
/// `TooLarge` past `bytes_max`; `Malformed` when it ends early or takes longer than 30 seconds.
pub(super) async fn read(request: &HttpRequest, payload: Payload, bytes_max: usize) -> Result<Bytes> {
    let mut reading = std::pin::pin!(read_all(request, payload, bytes_max));
    // Most come together with their head, and need no timer.
    if let Some(read) = reading.as_mut().now_or_never() {
        return read;
    }
    let in_time = Box::pin(tokio::time::timeout(ARRIVAL_MAX, reading)).await;
    in_time.unwrap_or_else(|_| {
        Err(Error::Malformed(format!("the body did not arrive within {} seconds", ARRIVAL_MAX.as_secs())))
    })
}

async fn read_all(request: &HttpRequest, mut payload: Payload, bytes_max: usize) -> Result<Bytes> {
    let too_large = || Error::TooLarge(format!("the body is larger than {bytes_max} bytes"));
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > bytes_max as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| Error::Malformed(format!("the body ended early: {error}")))?;
        if body.len() + chunk.len() > bytes_max {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
