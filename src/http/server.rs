//! The server, put together from the parts that actix-web's is made of: that one leaves HTTP/1.1 connections without a bound
//! in time, and would speak HTTP/2 without a bound on anything.

use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_http::{Request, Response};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_factory, map_config,
};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{AppConfig, Server};
use actix_web::rt::net::TcpStream;
use futures_util::future::{Either, select};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::bounds::Refusals;
use super::per_address::PerAddress;
use super::{Socket, http_1, secure};
use crate::config::LimitsConfig;

/// What it is called in its log.
const NAME: &str = "grantd";

/// How connections are served.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) limits: LimitsConfig,
    pub(super) workers: Option<usize>,
    /// Becomes true when the server begins to stop.
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) per_address: PerAddress,
    pub(super) refusals: Arc<Refusals>,
}

impl Serving {
    /// Serves what `app` makes, on each worker anew; `tls` is for TCP.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn start<F, I, S, B>(self, socket: Socket, tls: Option<ServerConfig>, app: F) -> std::io::Result<Server>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig, Error = actix_web::Error> + 'static,
        S::Response: Into<Response<B>> + 'static,
        S::Service: 'static,
        <S::Service as Service<Request>>::Future: 'static,
        B: MessageBody + Unpin + 'static,
    {
        let mut server = Server::build()
            .disable_signals()
            .max_concurrent_connections(self.limits.connections)
            .shutdown_timeout(self.limits.shutdown_seconds);
        if let Some(workers) = self.workers {
            server = server.workers(workers);
        }
        let app = move || {
            map_config(app(), |()| AppConfig::default())
                .map(Into::<Response<B>>::into)
                .map_err(|error: actix_web::Error| Response::from(error.error_response()))
                .map_init_err(drop)
        };
        let server = match (socket, tls) {
            (Socket::Tcp(socket), Some(tls)) => {
                let acceptor = secure::acceptor(tls, &self.limits);
                server.listen(NAME, socket, move || {
                    let connections = secure::connections(app(), self.clone());
                    self.counted(self.unless_stopping(acceptor.clone().map_err(drop)).and_then(connections))
                })
            }
            (Socket::Tcp(socket), None) => server.listen(NAME, socket, move || {
                self.counted(self.plain(app(), |socket: &TcpStream| {
                    // An answer is one write: it need not wait for the acknowledgement of the one before.
                    let _ = socket.set_nodelay(true);
                    socket.peer_addr().ok()
                }))
            }),
            #[cfg(unix)]
            (Socket::Unix(socket), _) => {
                use actix_web::rt::net::UnixStream;
                server.listen_uds(NAME, socket, move || self.plain(app(), |_: &UnixStream| None))
            }
        };
        Ok(server?.run())
    }

    /// Counts each connection until it ends, or ends it at once, without a handshake: refusing is to cost nothing.
    fn counted<S>(
        &self,
        connections: S,
    ) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = (), InitError = ()> + use<S>
    where
        S: ServiceFactory<TcpStream, Config = (), Response = (), Error = (), InitError = ()>,
    {
        let per_address = self.per_address.clone();
        apply_fn_factory(connections, move |socket: TcpStream, serve: &S::Service| {
            let let_in = per_address.enter(socket.peer_addr().ok().map(|peer| peer.ip()));
            let served = let_in.map(|let_in| (serve.call(socket), let_in));
            async move {
                let Some((served, _let_in)) = served else { return Ok(()) };
                served.await
            }
        })
    }

    /// Handshakes that end with the server: nothing was asked on them, and it is not to wait for who says nothing.
    fn unless_stopping<H, S>(
        &self,
        handshakes: H,
    ) -> impl ServiceFactory<TcpStream, Config = (), Response = S, Error = (), InitError = ()> + use<H, S>
    where
        H: ServiceFactory<TcpStream, Config = (), Response = S, Error = (), InitError = ()>,
    {
        let stopping = self.stopping.clone();
        apply_fn_factory(handshakes, move |socket: TcpStream, shake: &H::Service| {
            let (shaken, stopping) = (shake.call(socket), stopping.clone());
            async move {
                match select(pin!(shaken), pin!(http_1::begun(stopping))).await {
                    Either::Left((shaken, _)) => shaken,
                    Either::Right(_) => Err(()),
                }
            }
        })
    }

    /// Connections without TLS. They speak HTTP/1.1, on which each has one request under way.
    fn plain<T, A, B>(
        &self,
        app: A,
        peer: fn(&T) -> Option<SocketAddr>,
    ) -> impl ServiceFactory<T, Config = (), Response = (), Error = (), InitError = ()> + use<T, A, B>
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
        A: ServiceFactory<Request, Config = (), Response = Response<B>, Error = Response<BoxBody>, InitError = ()>
            + 'static,
        A::Service: 'static,
        <A::Service as Service<Request>>::Future: 'static,
        B: MessageBody + Unpin + 'static,
    {
        let (app, limits, stopping) = (Rc::new(app), self.limits.clone(), self.stopping.clone());
        let connections = fn_factory(move || {
            let (app, limits, stopping) = (Rc::clone(&app), limits.clone(), stopping.clone());
            async move { http_1::service(Rc::new(app.new_service(()).await?), &limits, stopping).await }
        });
        apply_fn_factory(connections, move |stream: T, serve: &_| {
            let peer = peer(&stream);
            Service::call(serve, (stream, peer))
        })
    }
}
