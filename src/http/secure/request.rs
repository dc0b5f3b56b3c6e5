//! A request's way in: from the HTTP/2 library's types to those of the router.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_http::error::PayloadError;
use actix_http::{BoxedPayloadStream, Method, Payload, Request};
use actix_web::web::Bytes;
use futures_util::Stream;
use h2::RecvStream;

use crate::http::bounds::EMPTY_PIECES_MAX;

/// The request as the router takes it.
pub(super) fn of(asked: http::Request<RecvStream>, peer: Option<SocketAddr>) -> Request {
    let (head, stream) = asked.into_parts();
    // These have no content that anything reads: what is sent for it is not kept.
    let is_read = !stream.is_end_stream() && !matches!(head.method, Method::GET | Method::HEAD);
    let payload = if is_read {
        let body: BoxedPayloadStream = Box::pin(Body { stream, empty_pieces: 0 });
        Payload::Stream { payload: body }
    } else {
        Payload::None
    };
    let mut request = Request::with_payload(payload);
    let own = request.head_mut();
    own.uri = head.uri;
    own.method = head.method;
    own.version = head.version;
    own.headers = head.headers.into();
    own.peer_addr = peer;
    request
}

/// A request's body. What was read of it may be sent anew.
struct Body {
    stream: RecvStream,
    empty_pieces: u32,
}

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let broken = |error: h2::Error| PayloadError::Io(std::io::Error::other(error));
        loop {
            let Some(piece) = ready!(self.stream.poll_data(context)) else { return Poll::Ready(None) };
            let piece = piece.map_err(broken)?;
            if !piece.is_empty() {
                self.stream.flow_control().release_capacity(piece.len()).map_err(broken)?;
                return Poll::Ready(Some(Ok(piece)));
            }
            self.empty_pieces += 1;
            if self.empty_pieces > EMPTY_PIECES_MAX {
                return Poll::Ready(Some(Err(PayloadError::Overflow)));
            }
        }
    }
}
