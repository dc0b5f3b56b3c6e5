//! Connections over TLS, from their handshake on. What the client chose in it (ALPN) says what it speaks: HTTP/1.1 goes to
//! the same code as without TLS, HTTP/2 to `secure/connection.rs`. Both lead to one router.

mod answer;
mod connection;
mod request;
mod socket;

use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::{Request, Response};
use actix_service::{Service, ServiceFactory, fn_factory};
use actix_tls::accept::max_concurrent_tls_connect;
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::header::HeaderValue;
use actix_web::rt::net::TcpStream;
use futures_util::future::LocalBoxFuture;
use rustls::ServerConfig;
use tokio::sync::watch;

use super::bounds::Room;
use super::http_1;
use super::server::Serving;
use crate::clock::Clock;
use crate::config::LimitsConfig;
use socket::Socket;

/// What a client is offered, the better first.
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];
const HTTP_2: &[u8] = b"h2";

/// What makes the handshakes, for as many connections as there may be: by itself it keeps everybody waiting while a few
/// hundred are silent.
pub(super) fn acceptor(mut tls: ServerConfig, limits: &LimitsConfig) -> Acceptor {
    tls.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    // Read by each worker as it starts.
    max_concurrent_tls_connect(limits.connections);
    let mut acceptor = Acceptor::new(tls);
    acceptor.set_handshake_timeout(Duration::from_secs(limits.request_head_seconds));
    acceptor
}

/// What becomes of a connection after its handshake.
pub(super) fn connections<A, B>(
    app: A,
    serving: Serving,
) -> impl ServiceFactory<TlsStream<TcpStream>, Config = (), Response = (), Error = (), InitError = ()>
where
    A: ServiceFactory<Request, Config = (), Response = Response<B>, Error = Response<BoxBody>, InitError = ()>
        + 'static,
    A::Service: 'static,
    <A::Service as Service<Request>>::Future: 'static,
    B: MessageBody + Unpin + 'static,
{
    let app = Rc::new(app);
    fn_factory(move || {
        let (app, serving) = (Rc::clone(&app), serving.clone());
        async move {
            let app = Rc::new(app.new_service(()).await?);
            let Serving { limits, stopping, refusals, .. } = serving;
            let http_1 = http_1::service(Rc::clone(&app), &limits, stopping.clone()).await?;
            let room = Room::new(limits.requests, refusals);
            let http_2 = Rc::new(Worker { app, room, limits, stopping, clock: Clock::system() });
            Ok::<_, ()>(Connections { http_1, http_2 })
        }
    })
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
    H: Service<(TlsStream<TcpStream>, Option<SocketAddr>), Response = (), Error = ()>,
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
        self.http_1.poll_ready(context)
    }

    fn call(&self, stream: TlsStream<TcpStream>) -> Self::Future {
        let (socket, tls) = stream.get_ref();
        let peer = socket.peer_addr().ok();
        // Nothing that is written is held back until what was written before is confirmed.
        let _ = socket.set_nodelay(true);
        if tls.alpn_protocol() == Some(HTTP_2) {
            let worker = Rc::clone(&self.http_2);
            return Box::pin(async move {
                connection::serve(Socket::new(stream), peer, worker).await;
                Ok(())
            });
        }
        Box::pin(self.http_1.call((stream, peer)))
    }
}
