//! One HTTP/1.1 connection: what it does, for how long that is of use, and how far it is read.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::mem::replace;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;

/// What is read of a connection before others have their turn. All requests in it are answered before an answer is written.
const TURN_BYTES_MAX: usize = 32 * 1024;

#[derive(Default)]
pub(super) struct Connection {
    does: Cell<Doing>,
    /// Whether a request was under way as this turn began.
    was_answering: Cell<bool>,
    /// Whether no request began in this turn yet.
    is_fresh: Cell<bool>,
    /// Whether an answer waits for the library to look at it once more.
    awaits_look: Cell<bool>,
    /// Bytes that may still be read in this turn.
    unread: Cell<usize>,
    /// Whether something was not read that may be there.
    is_held: Cell<bool>,
    /// Whether what was written last found no room.
    is_blocked: Cell<bool>,
}

#[derive(Clone, Copy, Default)]
enum Doing {
    /// It did nothing since it was looked at.
    #[default]
    Nothing,
    /// A request is under way, from its head to the last piece of its answer.
    Answering,
    Answered,
}

impl Connection {
    /// Begins a turn, in which the library looks at it once.
    pub(super) fn begin_turn(&self) {
        self.was_answering.set(self.is_answering());
        self.is_fresh.set(true);
        self.unread.set(TURN_BYTES_MAX);
    }

    /// Whether it needs another turn, although nothing new may come.
    pub(super) fn end_turn(&self) -> bool {
        // While it is blocked, whoever takes what was written gives it a turn.
        let is_held = !self.is_blocked.get() && self.is_held.take();
        // What was read behind a request that was under way for long, the library leaves where it is.
        let is_left = self.was_answering.get() && !self.is_answering();
        self.awaits_look.take() || is_held || is_left
    }

    fn is_answering(&self) -> bool {
        matches!(self.does.get(), Doing::Answering)
    }

    /// Returns once nothing was under way for `long`, after twice that at most: requests then need no look at the clock.
    pub(super) async fn useless(&self, long: Duration) {
        loop {
            sleep(long).await;
            match self.does.get() {
                Doing::Nothing => return,
                Doing::Answering => {}
                Doing::Answered => self.does.set(Doing::Nothing),
            }
        }
    }
}

/// That a request is under way, until it is dropped.
pub(super) struct Answering {
    connection: Rc<Connection>,
    is_first: bool,
}

impl Answering {
    pub(super) fn begin(connection: Rc<Connection>) -> Self {
        connection.does.set(Doing::Answering);
        let is_first = connection.is_fresh.take();
        Self { connection, is_first }
    }

    /// The library looks at an answer before it hands over the body that came with the head, and in the same turn again: from
    /// then on the body is there, and who reads it waits for nothing. Should it not look again, the connection gets another turn.
    /// Two turns for every request cost 2 % of the tokens of 32 connections, and 6 % of those of 256.
    ///
    /// Requests that came together are handed over together: the bodies of all but the first are there. And what has no body
    /// is to be answered at the first look: the library frames an answer like the request that it read last.
    pub(super) async fn second_look(&self, has_body: bool) {
        let mut is_first = self.is_first && has_body;
        poll_fn(|_| {
            self.connection.awaits_look.set(is_first);
            if replace(&mut is_first, false) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.connection.does.set(Doing::Answered);
    }
}

/// A connection's stream. It is read no faster than its answers are taken: else who sends requests and reads nothing fills the
/// memory with answers.
pub(super) struct Paced<T> {
    stream: T,
    connection: Rc<Connection>,
}

impl<T> Paced<T> {
    pub(super) fn new(stream: T, connection: Rc<Connection>) -> Self {
        Self { stream, connection }
    }

    fn noted<R>(&self, written: Poll<R>) -> Poll<R> {
        self.connection.is_blocked.set(written.is_pending());
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let unread = self.connection.unread.get();
        if unread == 0 || self.connection.is_blocked.get() {
            self.connection.is_held.set(true);
            return Poll::Pending;
        }
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        self.connection.unread.set(unread.saturating_sub(into.filled().len() - before));
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noted(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.noted(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
