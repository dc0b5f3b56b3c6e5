//! An answer's way out: as fast as its caller takes it, and no faster. Until its last byte has gone to the socket it
//! counts as under way, so that callers who take nothing cannot pile up answers.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use actix_http::Response;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{StatusCode, Version};
use actix_web::web::{Buf, Bytes};
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::http::bounds::ANSWER_BYTES_READY;

/// RFC 9113 8.2.2: what HTTP/1.1 says of a connection.
const OF_CONNECTIONS: [HeaderName; 4] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, HeaderName::from_static("keep-alive")];

/// A part of an answer's body.
pub(super) struct Piece {
    bytes: Bytes,
    /// Falls with the piece, once it was written or will never be.
    _held: Option<oneshot::Sender<()>>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

/// The caller is gone, or called it off, or did not take it in time.
struct NotTaken;

/// Sends an answer, and says whether its caller took it: each piece of it `within` that time.
pub(super) async fn send<B: MessageBody>(
    response: Response<B>,
    mut respond: SendResponse<Piece>,
    is_head: bool,
    date: Option<HeaderValue>,
    within: Duration,
) -> bool {
    let (response, body) = response.into_parts();
    let size = body.size();
    let is_empty = is_head || size.is_eof();
    let Ok(mut stream) = respond.send_response(head(&response, size, date), is_empty) else { return false };
    if is_empty {
        return true;
    }
    match send_body(&mut stream, body, size, within).await {
        Ok(()) => poll_fn(|context| Poll::Ready(stream.poll_reset(context).is_pending())).await,
        Err(NotTaken) => {
            stream.send_reset(Reason::CANCEL);
            false
        }
    }
}

async fn send_body<B: MessageBody>(
    stream: &mut SendStream<Piece>,
    body: B,
    size: BodySize,
    within: Duration,
) -> Result<(), NotTaken> {
    let mut body = pin!(body);
    let mut sent = 0;
    while let Some(bytes) = poll_fn(|context| body.as_mut().poll_next(context)).await {
        let Ok(mut bytes) = bytes else {
            tracing::error!("the body of an answer broke off");
            return Err(NotTaken);
        };
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(ANSWER_BYTES_READY));
            sent += piece.len() as u64;
            let is_last = matches!(size, BodySize::Sized(whole) if sent >= whole);
            timeout(within, hand_over(stream, piece, is_last)).await.map_err(|_| NotTaken)??;
            if is_last {
                return Ok(());
            }
        }
    }
    // Of no size that was known before, or shorter than it said.
    stream.send_data(Piece { bytes: Bytes::new(), _held: None }, true).map_err(|_| NotTaken)
}

/// Hands a piece over as far as the caller has a window for it; the last one is waited for until it was written.
async fn hand_over(stream: &mut SendStream<Piece>, mut bytes: Bytes, is_last: bool) -> Result<(), NotTaken> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        while stream.capacity() == 0 {
            let Some(Ok(_)) = poll_fn(|context| stream.poll_capacity(context)).await else { return Err(NotTaken) };
        }
        let part = bytes.split_to(bytes.len().min(stream.capacity()));
        let is_end = is_last && bytes.is_empty();
        let (held, written) = oneshot::channel();
        let piece = Piece { bytes: part, _held: is_end.then_some(held) };
        stream.send_data(piece, is_end).map_err(|_| NotTaken)?;
        if is_end {
            // Nothing is ever sent: that it falls is the news.
            let _ = written.await;
        }
    }
    Ok(())
}

fn head(response: &Response<()>, size: BodySize, date: Option<HeaderValue>) -> http::Response<()> {
    let mut head = http::Response::new(());
    *head.status_mut() = response.status();
    *head.version_mut() = Version::HTTP_2;
    let fields = head.headers_mut();
    for (name, value) in response.headers() {
        if !OF_CONNECTIONS.contains(name) {
            fields.append(name, value.clone());
        }
    }
    // RFC 9110 8.6: these say nothing of a length.
    let has_length = !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if let BodySize::Sized(bytes) = size
        && has_length
    {
        fields.insert(header::CONTENT_LENGTH, bytes.into());
    }
    if let Some(date) = date {
        fields.entry(header::DATE).or_insert(date);
    }
    head
}
