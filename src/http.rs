//! The HTTP room: the listener, the limits, the table of routes. It carries; `token` and `admin` decide.

mod admin;
pub(crate) mod basic;
mod bearer;
mod body;
mod bounds;
mod console;
mod context;
mod dev;
mod discovery;
mod error;
pub(crate) mod form;
mod health;
mod http_1;
pub(crate) mod json;
mod metrics;
mod oauth;
mod openapi;
mod path;
mod per_address;
mod scim;
mod secure;
mod server;
mod tls;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::middleware::from_fn;
use actix_web::{App as HttpApp, web};
use futures_util::future::{Either, join, select};
use tokio::sync::watch;

use crate::app::App;
use crate::config::{Config, ListenAddress};
use crate::error::{Error, Result};
use bounds::Refusals;
use per_address::PerAddress;
use server::Serving;
use tls::Certificates;

/// Connections that may wait to be accepted; the system may allow fewer (`net.core.somaxconn`, listen(2)). The standard library
/// asks for 128: of more that come at once, those without a place would try again after a second.
#[cfg(unix)]
const WAITING_CONNECTIONS: i32 = 4096;

/// A bound socket, not yet served.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: ListenAddress,
    certificates: Option<Arc<Certificates>>,
}

#[derive(Debug)]
enum Socket {
    Tcp(std::net::TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

impl Listener {
    /// Binds what `config.listen` says. A socket file that a dead server left behind is replaced.
    ///
    /// # Errors
    /// `Setup` when a setting does not fit, when the address is taken or cannot be bound, when its certificate is not
    /// fit to be shown, and when secrets would travel in clear without being told to.
    pub fn bind(config: &Config) -> Result<Self> {
        config.check()?;
        let failed = |error: std::io::Error| {
            let hint = match error.kind() {
                std::io::ErrorKind::AddrInUse if config.listen.starts_with("unix:") => {
                    "; choose another path with --listen"
                }
                std::io::ErrorKind::AddrInUse => "; choose another with --listen, or port 0 for a free one",
                _ => "",
            };
            Error::Setup(format!("cannot listen on {}: {error}{hint}", config.listen))
        };
        let certificates = config.tls.files().map(Certificates::open).transpose()?;
        match config.listen_address()? {
            ListenAddress::Tcp(address)
                if !address.ip().is_loopback() && certificates.is_none() && !config.tls.allow_plain =>
            {
                Err(Error::Setup(format!(
                    "on {address}, where other machines reach it, secrets and tokens would travel in clear: give \
                     --tls-cert and --tls-key, or --allow-plain where a proxy speaks TLS for it"
                )))
            }
            ListenAddress::Unix(_) if certificates.is_some() => {
                Err(Error::Setup("a socket in the file system has no TLS: leave out tls.cert and tls.key".to_owned()))
            }
            ListenAddress::Tcp(address) => {
                let listener = std::net::TcpListener::bind(address).map_err(failed)?;
                #[cfg(unix)]
                rustix::net::listen(&listener, WAITING_CONNECTIONS).map_err(|error| failed(error.into()))?;
                let address = ListenAddress::Tcp(listener.local_addr().map_err(failed)?);
                Ok(Self { socket: Socket::Tcp(listener), address, certificates })
            }
            #[cfg(unix)]
            ListenAddress::Unix(path) => {
                remove_stale_socket(&path).map_err(failed)?;
                let listener = std::os::unix::net::UnixListener::bind(&path).map_err(failed)?;
                Ok(Self { socket: Socket::Unix(listener), address: ListenAddress::Unix(path), certificates })
            }
            #[cfg(not(unix))]
            ListenAddress::Unix(path) => {
                Err(Error::Setup(format!("{}: sockets in the file system need Unix", path.display())))
            }
        }
    }

    /// Where it is bound: with port 0, the port it got.
    #[must_use]
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    fn socket_file(&self) -> Option<PathBuf> {
        match &self.address {
            ListenAddress::Unix(path) => Some(path.clone()),
            ListenAddress::Tcp(_) => None,
        }
    }
}

impl std::fmt::Display for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.address {
            ListenAddress::Tcp(address) => write!(f, "{address}"),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Removes a socket that nobody listens on; leaves anything else for `bind` to complain of.
#[cfg(unix)]
fn remove_stale_socket(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// Serves until `shutdown` is done, then finishes the requests under way within the configured bound, and closes
/// the database.
///
/// # Errors
/// `Setup` when the server cannot start; `Internal` when it ended by itself.
pub async fn run(app: App, listener: Listener, shutdown: impl Future<Output = ()>) -> Result<()> {
    app.set_public_url(&app.config().public_url(listener.address()));
    let limits = app.config().limits.clone();
    let refusals = Arc::new(Refusals::default());
    let per_address =
        PerAddress::new(limits.connections_per_address, app.trusted_proxies.clone(), Arc::clone(&refusals));
    let workers = app.config().workers;
    let has_console = app.config().console.enabled;
    let app = web::Data::new(app);
    let socket_file = listener.socket_file();
    let shared = app.clone();
    let turns = admin::Turns::new();
    let counted = web::Data::from(Arc::clone(&refusals));
    let router = move || {
        HttpApp::new()
            .app_data(shared.clone())
            .app_data(counted.clone())
            .configure(|config| turns.register(config))
            .configure(move |config| {
                if has_console {
                    console::routes(config);
                }
            })
            .configure(routes)
            .configure(|config| {
                if shared.dev().is_some() {
                    dev::routes(config);
                }
            })
            // What is not in the table is 404, told in the shape of the admin API.
            .default_service(web::to(error::no_such_path))
            .wrap(from_fn(path::normalize))
            .wrap(from_fn(context::attach))
    };
    let (stop, stopping) = watch::channel(false);
    if let Socket::Tcp(socket) = &listener.socket {
        end_unless_taken(socket, limits.answer_seconds);
    }
    let tls = listener.certificates.as_ref().map(|certificates| certificates.server_config()).transpose()?;
    let server = Serving { limits, workers, stopping, per_address, refusals }.start(listener.socket, tls, router);
    let server = server.map_err(|error| Error::Setup(format!("the server cannot start: {error}")))?;
    let renewing = listener.certificates.map(|certificates| actix_web::rt::spawn(certificates.keep_fresh()));
    let handle = server.handle();
    let ended = match select(server, std::pin::pin!(shutdown)).await {
        Either::Left((ended, _)) => ended,
        Either::Right(((), server)) => {
            tracing::info!("stopping: finishing the requests under way");
            stop.send_replace(true);
            join(handle.stop(true), server).await.1
        }
    };
    if let Some(renewing) = renewing {
        renewing.abort();
    }
    if let Some(path) = socket_file {
        remove_socket(&path);
    }
    close(app).await;
    ended.map_err(|error| Error::Internal(format!("the server ended: {error}")))
}

/// Closes the database, off this thread, which goes on listening for the signal of who will not wait for the disk.
async fn close(app: web::Data<App>) {
    if actix_web::rt::task::spawn_blocking(move || app.close()).await.is_err() {
        tracing::error!("closing the database ended in a panic");
    }
    tracing::info!("stopped");
}

/// Ends connections on which nothing of what was sent is taken for so long (`TCP_USER_TIMEOUT`, tcp(7)), which those that
/// are accepted have from the listener: the last of an answer too, which the system holds when nobody here waits any more.
#[cfg(target_os = "linux")]
fn end_unless_taken(listener: &std::net::TcpListener, seconds: u64) {
    let milliseconds = u32::try_from(seconds.saturating_mul(1000)).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(listener, milliseconds) {
        tracing::warn!(%error, "limits.answer_seconds does not hold for what the system keeps of an answer");
    }
}

#[cfg(not(target_os = "linux"))]
fn end_unless_taken(_: &std::net::TcpListener, _: u64) {}

fn remove_socket(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(%error, path = %path.display(), "the socket file stays behind");
    }
}

/// Every route that each server has.
fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(oauth::routes)
        .configure(metrics::routes)
        .configure(discovery::routes)
        .configure(health::routes)
        .configure(openapi::routes)
        .configure(scim::routes)
        .configure(admin::routes);
}
