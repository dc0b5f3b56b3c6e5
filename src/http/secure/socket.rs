//! A TLS connection's socket that is still there when the HTTP/2 library has let go of it, so that it is closed in an order
//! in which the last words reach the client.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::http::http_1::CLOSED_WITHIN;

/// What is read of a connection that is over.
const LEFT_BYTES_MAX: usize = 1024 * 1024;

#[derive(Clone)]
pub(super) struct Socket(Rc<RefCell<TlsStream<TcpStream>>>);

impl Socket {
    pub(super) fn new(stream: TlsStream<TcpStream>) -> Self {
        Self(Rc::new(RefCell::new(stream)))
    }

    /// Reads what the client still sends, unseen, until it closes its side too: a socket that is closed on unread bytes
    /// takes back what was written and not read yet.
    pub(super) async fn linger(self) {
        let mut left = LEFT_BYTES_MAX;
        let mut space = [0; 4096];
        let closed = poll_fn(|context| {
            while left > 0 {
                let mut read = ReadBuf::new(&mut space);
                let mut stream = self.0.borrow_mut();
                match Pin::new(stream.get_mut().0).poll_read(context, &mut read) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) if !read.filled().is_empty() => left = left.saturating_sub(read.filled().len()),
                    Poll::Ready(_) => break,
                }
            }
            Poll::Ready(())
        });
        // Whoever does not close in time is closed on.
        let _ = timeout(CLOSED_WITHIN, closed).await;
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(context, into)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().is_write_vectored()
    }
}
