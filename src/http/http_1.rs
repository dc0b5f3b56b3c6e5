//! HTTP/1.1 on any stream, with a bound on how long a connection may be of no use. actix-http times a connection's first
//! head and the quiet after an answer, but no later head that stops, and not the rest of a body that nobody reads.

mod connection;
mod crowd;

use std::cell::RefCell;
use std::future::{Future, poll_fn, ready as at_once};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::{ConnectionType, HttpService, KeepAlive, Payload, Request, Response};
use actix_service::{Service, ServiceFactory, apply_fn, fn_factory};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep};

use crate::config::LimitsConfig;
use connection::{Answering, Connection, FULL_REST, Next, Paced};
use crowd::Crowd;

/// How long a client may take to close its side of a connection that is closed here.
pub(super) const CLOSED_WITHIN: Duration = Duration::from_secs(1);

/// What serves a worker's connections, each a stream and its peer.
///
/// # Errors
/// When the library cannot begin, which it has told.
pub(super) async fn service<T, A, B>(
    app: Rc<A>,
    limits: &LimitsConfig,
    stopping: watch::Receiver<bool>,
) -> Result<impl Service<(T, Option<SocketAddr>), Response = (), Error = (), Future = Served> + use<T, A, B>, ()>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    A: Service<Request, Response = Response<B>, Error = Response<BoxBody>> + 'static,
    A::Future: 'static,
    B: MessageBody + Unpin + 'static,
{
    let turn = Turn::default();
    let (whose, stops) = (Rc::clone(&turn), Rc::clone(&turn));
    let noticed = move || {
        let whose = Rc::clone(&whose);
        let app = apply_fn(Rc::clone(&app), move |mut request: Request, app: &Rc<A>| {
            let answering = Answering::begin(Rc::clone(&whose.borrow()));
            let has_body = !matches!(request.payload(), Payload::None);
            let answered = (!answering.is_too_late()).then(|| app.call(request));
            async move {
                answering.second_look(has_body).await;
                let Some(answered) = answered else { return Err(Response::new(StatusCode::SERVICE_UNAVAILABLE)) };
                let mut answer = answered.await?;
                if answering.is_last() {
                    answer.head_mut().set_connection_type(ConnectionType::Close);
                }
                Ok(answer.map_body(|_, body| Noticed { body, _answering: answering }))
            }
        });
        at_once(Ok::<_, ()>(app))
    };
    let http_1 = HttpService::build()
        .keep_alive(KeepAlive::Timeout(Duration::from_secs(limits.keep_alive_seconds)))
        .client_request_timeout(Duration::from_secs(limits.request_head_seconds))
        .client_disconnect_timeout(CLOSED_WITHIN)
        .graceful_shutdown_signal(move || Rc::clone(&stops.borrow()).quiet())
        .h1(fn_factory(noticed))
        .new_service(())
        .await?;
    let useless_max = Duration::from_secs(limits.keep_alive_seconds.saturating_add(limits.request_head_seconds));
    let crowd = Rc::<Crowd>::default();
    actix_web::rt::spawn(Rc::clone(&crowd).watch_over(stopping, useless_max));
    Ok(Connections { http_1, turn, crowd, taken_within: Duration::from_secs(limits.answer_seconds) })
}

/// Waits until the server begins to stop.
pub(super) async fn begun(mut stopping: watch::Receiver<bool>) {
    // Whoever would say so is gone: then it has.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}

type Served = LocalBoxFuture<'static, Result<(), ()>>;

/// The connection that a worker looks at, or looked at last: its requests begin while it does.
type Turn = Rc<RefCell<Rc<Connection>>>;

/// A worker's connections.
struct Connections<H> {
    http_1: H,
    turn: Turn,
    crowd: Rc<Crowd>,
    taken_within: Duration,
}

impl<H, T> Service<(T, Option<SocketAddr>)> for Connections<H>
where
    H: Service<(Paced<T>, Option<SocketAddr>), Response = ()>,
    H::Future: 'static,
{
    type Response = ();
    type Error = ();
    type Future = Served;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        self.http_1.poll_ready(context).map_err(drop)
    }

    fn call(&self, (stream, peer): (T, Option<SocketAddr>)) -> Served {
        let connection = Rc::<Connection>::default();
        let member = self.crowd.enter(Rc::clone(&connection));
        // It asks at once when it is to end.
        self.turn.replace(Rc::clone(&connection));
        let stream = Paced::new(stream, Rc::clone(&connection), self.taken_within);
        let served = self.http_1.call((stream, peer));
        let turn = Rc::clone(&self.turn);
        Box::pin(async move {
            let _member = member;
            let mut served = pin!(served);
            let mut rest: Option<Pin<Box<Sleep>>> = None;
            poll_fn(|context| {
                if let Some(rest) = &mut rest {
                    ready!(rest.as_mut().poll(context));
                }
                rest = None;
                turn.replace(Rc::clone(&connection));
                connection.begin_turn(context.waker());
                let served = served.as_mut().poll(context);
                match connection.end_turn() {
                    Next::WhenWoken => {}
                    Next::AtOnce => context.waker().wake_by_ref(),
                    // What it asks for once is to be woken after the runtime has looked for events.
                    Next::AfterOthers => drop(pin!(yield_now()).poll(context)),
                    Next::AfterRest => {
                        rest = Some(Box::pin(sleep(FULL_REST)));
                        context.waker().wake_by_ref();
                    }
                }
                if served.is_pending() && connection.is_useless() {
                    tracing::debug!("a connection ends on which nothing is answered any more");
                    return Poll::Ready(Ok(()));
                }
                served.map_err(drop)
            })
            .await
        })
    }
}

/// The body of an answer, which is under way as long as there is more of it.
struct Noticed<B> {
    body: B,
    _answering: Answering,
}

impl<B: MessageBody + Unpin> MessageBody for Noticed<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, B::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
