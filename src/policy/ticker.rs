//! The sandbox's clock: the backstop for calls that fuel does not end. It runs only while a guest does.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::Engine;

use crate::error::{Error, Result};

/// How often the epoch moves while anything runs.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// Moves the epoch while anything runs, and sleeps otherwise.
pub(super) struct Ticker {
    shared: Arc<(Mutex<Running>, Condvar)>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Running {
    calls: usize,
    /// Whether the thread waits to be told of a call: telling it costs a system call.
    idle: bool,
    stop: bool,
}

/// Ends its call's part in the ticking.
pub(super) struct Ticking<'a>(&'a Ticker);

impl Ticker {
    pub(super) fn start(engine: Engine) -> Result<Self> {
        let shared = Arc::new((Mutex::new(Running::default()), Condvar::new()));
        let theirs = Arc::clone(&shared);
        let tick = move || {
            let (running, changed) = &*theirs;
            let mut guard = running.lock().unwrap_or_else(PoisonError::into_inner);
            while !guard.stop {
                if guard.calls == 0 {
                    guard.idle = true;
                    guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
                    guard.idle = false;
                    continue;
                }
                drop(guard);
                std::thread::sleep(TICK);
                engine.increment_epoch();
                guard = running.lock().unwrap_or_else(PoisonError::into_inner);
            }
        };
        let thread = std::thread::Builder::new()
            .name("grantd-epoch".to_owned())
            .spawn(tick)
            .map_err(|error| Error::Setup(format!("the policy engine's clock cannot start: {error}")))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(super) fn run(&self) -> Ticking<'_> {
        let (running, changed) = &*self.shared;
        let mut guard = running.lock().unwrap_or_else(PoisonError::into_inner);
        guard.calls += 1;
        if guard.idle {
            changed.notify_one();
        }
        Ticking(self)
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.shared.0.lock().unwrap_or_else(PoisonError::into_inner).calls -= 1;
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.shared.1.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the policy engine's clock ended in a panic");
        }
    }
}
