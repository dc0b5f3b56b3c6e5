//! One HTTP/1.1 connection: what it does, for how long that is of use, and how far it is read.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::mem::replace;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What is read of a connection before others have their turn. All requests in it are answered before an answer is written.
const TURN_BYTES_MAX: usize = 32 * 1024;

/// How long a connection rests that holds all that may be read ahead. The library looks again and again whether there is room,
/// which there is not before the request under way is answered.
pub(super) const FULL_REST: Duration = Duration::from_millis(1);

#[derive(Default)]
pub(super) struct Connection {
    does: Cell<Doing>,
    /// Gives it a turn.
    waker: RefCell<Option<Waker>>,
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
    /// Whether the library wanted to read in this turn, or has read all that there will ever be.
    has_room: Cell<bool>,
    has_ended: Cell<bool>,
    /// Whether what was written last found no room.
    is_blocked: Cell<bool>,
    /// Whether the server stops, as far as this connection knows; whether the last turn since read nothing; whether the one
    /// before it did so too.
    is_stopping: Cell<bool>,
    was_idle: Cell<bool>,
    is_quiet: Cell<bool>,
    /// Whether an answer told the client to send no more.
    has_said_last: Cell<bool>,
}

/// When a connection has its next turn.
pub(super) enum Next {
    WhenWoken,
    AtOnce,
    /// After the others, and after the system was asked what has arrived.
    AfterOthers,
    /// After a [`FULL_REST`], whatever wakes it.
    AfterRest,
}

#[derive(Clone, Copy, Default)]
enum Doing {
    /// A request is under way, from its head to the last piece of its answer.
    Answering,
    /// It answered since it was looked at, or began.
    #[default]
    Answered,
    /// It did nothing since.
    Nothing,
    /// Nor did it before it was looked at again.
    Useless,
}

impl Connection {
    /// Begins a turn, in which the library looks at it once.
    pub(super) fn begin_turn(&self, waker: &Waker) {
        self.waker.borrow_mut().get_or_insert_with(|| waker.clone()).clone_from(waker);
        self.was_answering.set(self.is_answering());
        self.is_fresh.set(true);
        self.unread.set(TURN_BYTES_MAX);
        self.has_room.set(self.has_ended.get());
    }

    /// Ends a turn; another may be needed, although nothing new may come.
    pub(super) fn end_turn(&self) -> Next {
        if self.is_stopping.get() && !self.is_quiet.get() {
            return self.end_turn_while_stopping();
        }
        // While it is blocked, whoever takes what was written gives it a turn.
        let is_held = !self.is_blocked.get() && self.is_held.take();
        // What was read behind a request that was under way for long, the library leaves where it is.
        let is_left = self.was_answering.get() && !self.is_answering();
        if self.awaits_look.take() || is_held || is_left {
            return Next::AtOnce;
        }
        let is_full = self.was_answering.get() && self.is_answering() && !self.has_room.get();
        if is_full { Next::AfterRest } else { Next::WhenWoken }
    }

    /// It is quiet once two turns in a row read nothing: before the first, nobody may have asked the system.
    fn end_turn_while_stopping(&self) -> Next {
        let is_idle = self.unread.get() == TURN_BYTES_MAX;
        if self.was_idle.replace(is_idle) && is_idle {
            self.is_quiet.set(true);
            return Next::AtOnce;
        }
        Next::AfterOthers
    }

    /// The server stops.
    pub(super) fn stop(&self) {
        self.is_stopping.set(true);
        self.wake();
    }

    /// Returns once the server stops and nothing is there that came before: requests that have arrived are answered, unless
    /// nobody takes the answers.
    pub(super) async fn quiet(self: Rc<Self>) {
        // The turn that finds it so is followed by another.
        poll_fn(|_| if self.is_quiet.get() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// Whether nothing was under way from one look to the next.
    pub(super) fn is_useless(&self) -> bool {
        matches!(self.does.get(), Doing::Useless)
    }

    /// A look at what it does. They come at intervals: requests then need none at the clock.
    pub(super) fn look(&self) {
        match self.does.get() {
            Doing::Answering => {}
            Doing::Answered => self.does.set(Doing::Nothing),
            Doing::Nothing | Doing::Useless => {
                self.does.set(Doing::Useless);
                self.wake();
            }
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    fn is_answering(&self) -> bool {
        matches!(self.does.get(), Doing::Answering)
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

    /// Whether its answer is the last one on this connection, as it is to say.
    pub(super) fn is_last(&self) -> bool {
        let is_last = self.connection.is_stopping.get();
        self.connection.has_said_last.set(is_last);
        is_last
    }

    /// Whether an answer before said that no more will come: RFC 9112 9.6 forbids to do what it asks for.
    pub(super) fn is_too_late(&self) -> bool {
        self.connection.has_said_last.get()
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
    /// How long a write or a flush may wait until it is taken. Over TLS a flush is of all that TLS holds back: that some of
    /// it was taken meanwhile does not count.
    taken_within: Duration,
    /// Runs while one waits.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<T> Paced<T> {
    pub(super) fn new(stream: T, connection: Rc<Connection>, taken_within: Duration) -> Self {
        Self { stream, connection, taken_within, stuck: None }
    }

    fn noted<R>(&mut self, written: Poll<io::Result<R>>, context: &mut Context<'_>) -> Poll<io::Result<R>> {
        self.connection.is_blocked.set(written.is_pending());
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(self.taken_within)));
        stuck.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.connection.has_room.set(true);
        let unread = self.connection.unread.get();
        if unread == 0 || self.connection.is_blocked.get() {
            self.connection.is_held.set(true);
            return Poll::Pending;
        }
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        let count = into.filled().len() - before;
        self.connection.unread.set(unread.saturating_sub(count));
        self.connection.has_ended.set(count == 0 && read.is_ready());
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noted(written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.noted(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
