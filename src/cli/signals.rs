//! Ctrl-C, SIGTERM, and SIGHUP when the terminal goes: the first asks to stop. A second Ctrl-C or SIGTERM ends the
//! process at once, for whoever will not wait.

use grantd::Result;

/// The signals, caught from its making on.
#[cfg(unix)]
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// `None` where whoever started the process has it ignored: `nohup` means that it goes on.
    hang_up: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    /// Starts to catch them. Needs a runtime around it.
    pub(super) fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error: std::io::Error| grantd::Error::Setup(format!("signals cannot be caught: {error}"));
        let hang_up = if is_hang_up_ignored() { None } else { Some(signal(SignalKind::hangup()).map_err(failed)?) };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            hang_up,
        })
    }

    /// Done at the next signal.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = received(self.hang_up.as_mut()) => {}
        }
    }

    /// Done at the next one that a person sends: a terminal that goes says so once for itself and once for its shell.
    pub(super) async fn insisted(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Done when the signal comes, if there is one to come.
#[cfg(unix)]
async fn received(signal: Option<&mut tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether SIGHUP, the first of all signals, is ignored. Only Linux says so without asking for what is unsafe.
#[cfg(unix)]
fn is_hang_up_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
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

    /// Done at the next Ctrl-C.
    pub(super) async fn insisted(&mut self) {
        self.next().await;
    }
}

impl Signals {
    /// Done at the first signal; a second Ctrl-C or SIGTERM ends the process.
    pub(super) async fn wait(mut self) {
        self.next().await;
        actix_web::rt::spawn(async move {
            self.insisted().await;
            std::process::exit(130);
        });
    }
}
