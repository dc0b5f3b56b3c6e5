//! The server over TLS, put together from the parts that `HttpServer` is made of. By itself it would speak HTTP/2 without a
//! bound on anything: how many requests a connection has under way, how large their heads are, how long an answer waits.
//!
//! What the client chose in its handshake (ALPN) says what it speaks: HTTP/1.1 goes to the same code as without TLS,
//! HTTP/2 to `secure/connection.rs`. Both lead to one router.

mod answer;
mod connection;
mod request;
mod socket;

use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Request, Response};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_factory, map_config,
};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{AppConfig, Server};
use actix_web::http::header::HeaderValue;
use actix_web::rt::net::TcpStream;
use futures_util::future::LocalBoxFuture;
use rustls::ServerConfig;
use tokio::sync::watch;

use super::bounds::{Refusals, Room};
use super::per_address::PerAddress;
use crate::clock::Clock;
use crate::config::LimitsConfig;
use socket::Socket;

/// What a client is offered, the better first.
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];
const HTTP_2: &[u8] = b"h2";
/// How long a client may take to close its side of a connection that is closed here.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

/// How the server over TLS is served.
pub(super) struct Secure {
    pub(super) tls: ServerConfig,
    pub(super) limits: LimitsConfig,
    pub(super) workers: Option<usize>,
    /// Becomes true when the server begins to stop.
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) per_address: PerAddress,
    pub(super) refusals: Arc<Refusals>,
}

impl Secure {
    /// Serves what `app` makes, on each worker anew.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn serve<F, I, S, B>(mut self, listener: TcpListener, app: F) -> std::io::Result<Server>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig, Error = actix_web::Error> + 'static,
        S::Response: Into<Response<B>> + 'static,
        S::Service: 'static,
        <S::Service as Service<Request>>::Future: 'static,
        B: MessageBody + 'static,
    {
        self.tls.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        let mut acceptor = Acceptor::new(self.tls);
        acceptor.set_handshake_timeout(Duration::from_secs(self.limits.request_head_seconds));
        let mut server = Server::build()
            .disable_signals()
            .max_concurrent_connections(self.limits.connections)
            .shutdown_timeout(self.limits.shutdown_seconds);
        if let Some(workers) = self.workers {
            server = server.workers(workers);
        }
        let (limits, stopping, per_address, refusals) = (self.limits, self.stopping, self.per_address, self.refusals);
        let server = server.listen("grantd over TLS", listener, move || {
            let app = map_config(app(), |()| AppConfig::default())
                .map(Into::<Response<B>>::into)
                .map_err(|error: actix_web::Error| Response::from(error.error_response()))
                .map_init_err(drop);
            let connections = connections(app, limits.clone(), stopping.clone(), Arc::clone(&refusals));
            let per_address = per_address.clone();
            apply_fn_factory(acceptor.clone().map_err(drop).and_then(connections), move |socket: TcpStream, serve| {
                let let_in = per_address.enter(socket.peer_addr().ok().map(|peer| peer.ip()));
                let served = let_in.map(|let_in| (serve.call(socket), let_in));
                async move {
                    // Without a handshake: refusing is to cost nothing.
                    let Some((served, _let_in)) = served else { return Ok(()) };
                    served.await
                }
            })
        });
        Ok(server?.run())
    }
}

/// What becomes of a connection after its handshake.
fn connections<A, B>(
    app: A,
    limits: LimitsConfig,
    stopping: watch::Receiver<bool>,
    refusals: Arc<Refusals>,
) -> impl ServiceFactory<TlsStream<TcpStream>, Config = (), Response = (), Error = (), InitError = ()>
where
    A: ServiceFactory<Request, Config = (), Response = Response<B>, Error = Response<BoxBody>, InitError = ()>
        + 'static,
    A::Service: 'static,
    <A::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let app = Rc::new(app);
    fn_factory(move || {
        let (app, limits, stopping, refusals) =
            (Rc::clone(&app), limits.clone(), stopping.clone(), Arc::clone(&refusals));
        async move {
            let app = Rc::new(app.new_service(()).await?);
            let shared = Rc::clone(&app);
            let stop = stopping.clone();
            let http_1 = HttpService::build()
                .keep_alive(KeepAlive::Timeout(Duration::from_secs(limits.keep_alive_seconds)))
                .client_request_timeout(Duration::from_secs(limits.request_head_seconds))
                .client_disconnect_timeout(CLOSED_WITHIN)
                .graceful_shutdown_signal(move || begun(stop.clone()))
                .h1(fn_factory(move || ready(Ok::<_, ()>(Rc::clone(&shared)))))
                .new_service(())
                .await?;
            let room = Room::new(limits.requests, refusals);
            let http_2 = Rc::new(Worker { app, room, limits, stopping, clock: Clock::system() });
            Ok::<_, ()>(Connections { http_1, http_2 })
        }
    })
}

/// Waits until the server begins to stop.
async fn begun(mut stopping: watch::Receiver<bool>) {
    // Whoever would say so is gone: then it has.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}

/// What the HTTP/2 connections of a worker share.
struct Worker<A> {
    app: Rc<A>,
    room: Rc<Room>,
    limits: LimitsConfig,
    stopping: watch::Receiver<bool>,
    clock: Clock,
}

impl<A> Worker<A> {
    /// What `Date` says now (RFC 9110 6.6.1): like HTTP/1.1's, the machine's time.
    fn date(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.clock.now().to_http()?).ok()
    }

    /// How long a caller may take for a piece of an answer.
    fn piece_within(&self) -> Duration {
        Duration::from_secs(self.limits.answer_seconds)
    }
}

/// A worker's connections.
struct Connections<H, A> {
    http_1: H,
    http_2: Rc<Worker<A>>,
}

impl<H, A, B> Service<TlsStream<TcpStream>> for Connections<H, A>
where
    H: Service<(TlsStream<TcpStream>, Option<SocketAddr>), Response = ()>,
    H::Future: 'static,
    A: Service<Request, Response = Response<B>, Error = Response<BoxBody>> + 'static,
    A::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ();
    type Error = ();
    type Future = LocalBoxFuture<'static, Result<(), ()>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        // Of the router too, which both share.
        self.http_1.poll_ready(context).map_err(drop)
    }

    fn call(&self, stream: TlsStream<TcpStream>) -> Self::Future {
        let (socket, tls) = stream.get_ref();
        let peer = socket.peer_addr().ok();
        if tls.alpn_protocol() == Some(HTTP_2) {
            // Many small frames: none is held back until the one before it was confirmed.
            let _ = socket.set_nodelay(true);
            let worker = Rc::clone(&self.http_2);
            return Box::pin(async move {
                connection::serve(Socket::new(stream), peer, worker).await;
                Ok(())
            });
        }
        let served = self.http_1.call((stream, peer));
        Box::pin(async move { served.await.map_err(drop) })
    }
}
