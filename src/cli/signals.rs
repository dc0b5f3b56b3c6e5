//! Ctrl-C and SIGTERM: the first asks to stop, the second ends the process at once, for whoever will not wait.

use grantd::Result;

/// Both signals, caught from its making on.
#[cfg(unix)]
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Starts to catch them. Needs a runtime around it.
    pub(super) fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error: std::io::Error| grantd::Error::Setup(format!("signals cannot be caught: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    /// Done at the next signal.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Where only Ctrl-C exists.
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Needs a runtime around it.
    pub(super) fn new() -> Result<Self> {
        Ok(Self)
    }

    /// Done at the next Ctrl-C.
    pub(super) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Signals {
    /// Done at the first signal; the second ends the process.
    pub(super) async fn wait(mut self) {
        self.next().await;
        actix_web::rt::spawn(async move {
            self.next().await;
            std::process::exit(130);
        });
    }
}
