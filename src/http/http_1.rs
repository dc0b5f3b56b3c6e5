//! HTTP/1.1 on any stream, with a bound on how long a connection may be of no use. actix-http times a connection's first
//! head and the quiet after an answer, but no later head that stops, and not the rest of a body that nobody reads.

mod connection;

use std::cell::RefCell;
use std::future::{poll_fn, ready};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Payload, Request, Response};
use actix_service::{Service, ServiceFactory, apply_fn, fn_factory};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use futures_util::future::{Either, LocalBoxFuture, select};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::config::LimitsConfig;
use connection::{Answering, Connection, Paced};

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
    let whose = Rc::clone(&turn);
    let noticed = move || {
        let whose = Rc::clone(&whose);
        let app = apply_fn(Rc::clone(&app), move |mut request: Request, app: &Rc<A>| {
            let answering = Answering::begin(Rc::clone(&whose.borrow()));
            let has_body = !matches!(request.payload(), Payload::None);
            let answered = app.call(request);
            async move {
                answering.second_look(has_body).await;
                Ok(answered.await?.map_body(|_, body| Noticed { body, _answering: answering }))
            }
        });
        ready(Ok::<_, ()>(app))
    };
    let http_1 = HttpService::build()
        .keep_alive(KeepAlive::Timeout(Duration::from_secs(limits.keep_alive_seconds)))
        .client_request_timeout(Duration::from_secs(limits.request_head_seconds))
        .client_disconnect_timeout(CLOSED_WITHIN)
        .graceful_shutdown_signal(move || begun(stopping.clone()))
        .h1(fn_factory(noticed))
        .new_service(())
        .await?;
    let useless_max = Duration::from_secs(limits.keep_alive_seconds.saturating_add(limits.request_head_seconds));
    Ok(Connections { http_1, turn, useless_max })
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
    useless_max: Duration,
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
        let served = self.http_1.call((Paced::new(stream, Rc::clone(&connection)), peer));
        let (turn, useless_max) = (Rc::clone(&self.turn), self.useless_max);
        Box::pin(async move {
            let mut served = pin!(served);
            let served = poll_fn(|context| {
                turn.replace(Rc::clone(&connection));
                connection.begin_turn();
                let served = served.as_mut().poll(context);
                if connection.end_turn() {
                    context.waker().wake_by_ref();
                }
                served
            });
            match select(served, pin!(connection.useless(useless_max))).await {
                Either::Left((ended, _)) => ended.map_err(drop),
                Either::Right(((), _)) => {
                    tracing::debug!("a connection ends on which nothing is answered any more");
                    Ok(())
                }
            }
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
