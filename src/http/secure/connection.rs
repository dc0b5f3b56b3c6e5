//! One HTTP/2 connection: its requests go to the router, each as a task of its own, until the client goes, the server
//! stops, or nothing happens for a while. What it may have under way is in `http/bounds.rs`.
//!
//! A request that was begun is finished whatever becomes of its caller, so that what it does is counted and recorded;
//! called off, it keeps its place until then.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use actix_http::{Method, Request, Response};
use actix_service::Service;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::rt::task::JoinHandle;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::server::{Connection, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream};
use tokio::time::{Interval, interval, timeout};

use super::answer::{self, Piece};
use super::socket::Socket;
use super::{Worker, request};
use crate::http::bounds::{self, CALLED_OFF_MAX, FAIR_SHARE, REQUESTS_MAX};
use crate::http::error::overloaded;
use crate::http::http_1::{CLOSED_WITHIN, begun};

type Asked = (http::Request<RecvStream>, SendResponse<Piece>);

/// Serves a connection to its end.
pub(super) async fn serve<A, B>(socket: Socket, peer: Option<SocketAddr>, worker: Rc<Worker<A>>)
where
    A: Service<Request, Response = Response<B>, Error = Response<BoxBody>> + 'static,
    A::Future: 'static,
    B: MessageBody + 'static,
{
    let time = Duration::from_secs(worker.limits.request_head_seconds);
    let Ok(Ok(mut http)) = timeout(time, bounds::builder().handshake(socket.clone())).await else { return };
    let Some(pings) = http.ping_pong() else { return };
    let mut tick = interval(Duration::from_secs(worker.limits.keep_alive_seconds));
    // Not at once, as an interval begins.
    tick.reset();
    let stopping = Box::pin(begun(worker.stopping.clone()));
    let served = Served {
        http,
        pings,
        peer,
        worker,
        tick,
        stopping,
        under_way: FuturesUnordered::new(),
        taken: 0,
        called_off: 0,
        is_quiet: true,
        is_pinged: false,
        is_ending: false,
    };
    if served.run().await {
        socket.linger().await;
    }
}

struct Served<A> {
    http: Connection<Socket, Piece>,
    pings: PingPong,
    peer: Option<SocketAddr>,
    worker: Rc<Worker<A>>,
    /// Comes once in the time for which an idle connection is kept.
    tick: Interval,
    stopping: Pin<Box<dyn Future<Output = ()>>>,
    /// Whether each answer was taken.
    under_way: FuturesUnordered<JoinHandle<bool>>,
    taken: u64,
    called_off: u64,
    /// No request came since the last tick.
    is_quiet: bool,
    /// The answer to a ping is awaited.
    is_pinged: bool,
    /// The client was told to send no more.
    is_ending: bool,
}

impl<A, B> Served<A>
where
    A: Service<Request, Response = Response<B>, Error = Response<BoxBody>> + 'static,
    A::Future: 'static,
    B: MessageBody + 'static,
{
    /// Serves until the connection is over, and says whether it came to an end by itself.
    async fn run(mut self) -> bool {
        loop {
            let has_room = self.under_way.len() < REQUESTS_MAX as usize;
            tokio::select! {
                biased;
                Some(ended) = self.under_way.next(), if !self.under_way.is_empty() => {
                    // A panic was told where it happened.
                    self.count(ended.unwrap_or(true));
                }
                asked = next(&mut self.http, has_room) => match asked {
                    Some((request, respond)) => self.begin(request, respond),
                    None => return true,
                },
                () = &mut self.stopping, if !self.is_ending => self.end(Reason::NO_ERROR),
                pong = poll_fn(|context| self.pings.poll_pong(context)), if self.is_pinged => {
                    self.is_pinged = pong.is_err();
                }
                _ = self.tick.tick() => {
                    if !self.goes_on() {
                        return false;
                    }
                }
            }
        }
    }

    fn begin(&mut self, asked: http::Request<RecvStream>, respond: SendResponse<Piece>) {
        self.is_quiet = false;
        let Some(place) = self.worker.room.enter(self.under_way.len()) else {
            return self.refuse(&asked, respond);
        };
        let is_head = asked.method() == Method::HEAD;
        let worker = Rc::clone(&self.worker);
        let answering = worker.app.call(request::of(asked, self.peer));
        self.under_way.push(actix_web::rt::spawn(async move {
            let answered = answering.await;
            let (date, within) = (worker.date(), worker.piece_within());
            let is_taken = match answered {
                Ok(response) => answer::send(response, respond, is_head, date, within).await,
                Err(response) => answer::send(response, respond, is_head, date, within).await,
            };
            drop(place);
            is_taken
        }));
    }

    /// Refuses what finds no room on the worker: a few on each connection in words, which take room too.
    fn refuse(&self, asked: &http::Request<RecvStream>, mut respond: SendResponse<Piece>) {
        if self.under_way.len() >= FAIR_SHARE {
            return respond.send_reset(Reason::REFUSED_STREAM);
        }
        let is_head = asked.method() == Method::HEAD;
        let (refusal, date) = (overloaded(asked.uri().path()).into(), self.worker.date());
        let within = self.worker.piece_within();
        self.under_way.push(actix_web::rt::spawn(answer::send::<BoxBody>(refusal, respond, is_head, date, within)));
    }

    fn count(&mut self, is_taken: bool) {
        if is_taken {
            self.taken += 1;
            return;
        }
        self.called_off += 1;
        if !self.is_ending && self.called_off > self.taken + CALLED_OFF_MAX {
            tracing::debug!(peer = ?self.peer, "a client that calls off what it asks for is sent away");
            self.end(Reason::ENHANCE_YOUR_CALM);
        }
    }

    /// Tells the client to send no more, and gives it a moment to close. Unless it is at fault, what it has sent is
    /// answered before.
    fn end(&mut self, reason: Reason) {
        match reason {
            Reason::NO_ERROR => self.http.graceful_shutdown(),
            fault => self.http.abrupt_shutdown(fault),
        }
        self.is_ending = true;
        self.tick = interval(CLOSED_WITHIN);
        self.tick.reset();
    }

    /// Whether the connection outlives a tick: somebody must be there who has something under way, or had it lately.
    fn goes_on(&mut self) -> bool {
        let is_busy = !self.under_way.is_empty();
        if self.is_ending {
            return is_busy;
        }
        if self.is_pinged {
            return false;
        }
        if is_busy || !self.is_quiet {
            self.is_quiet = true;
            self.is_pinged = self.pings.send_ping(Ping::opaque()).is_ok();
        } else {
            self.end(Reason::NO_ERROR);
        }
        true
    }
}

/// The next request, if there is room for one; `None` when the connection is over. Either way it carries what is sent
/// and received.
async fn next(http: &mut Connection<Socket, Piece>, has_room: bool) -> Option<Asked> {
    if has_room {
        return http.accept().await?.ok();
    }
    // Its end is all that comes of it.
    let _ = poll_fn(|context| http.poll_closed(context)).await;
    None
}
