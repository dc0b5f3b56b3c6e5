//! The background thread: what is done a moment behind the requests, and what only time makes due.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::App;
use crate::clock::{Clock, Timestamp};
use crate::config::DecisionsConfig;
use crate::error::{Error, Result};
use crate::secret::ServerKeys;
use crate::signer::Signer;
use crate::store::Store;
use crate::usage::Usage;

/// How often the background thread seals the audit chain, indexes names and writes down last uses.
const TICK: Duration = Duration::from_millis(500);
/// Ticks between two looks at the keys' ages.
const TICKS_PER_KEY_CHECK: u32 = 120;
/// Steps in which one round seals commits: more than the busiest server adds in a tick.
const SEAL_STEPS_MAX: usize = 20;
/// Steps in which one round indexes names: more than the busiest server adds in a tick.
const INDEX_STEPS_MAX: usize = 100;
/// Steps in which one round removes old decisions: more than the busiest server adds in a tick.
const PRUNE_STEPS_MAX: usize = 30;

pub(super) struct Keeper {
    stop: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Keeper {
    pub(super) fn start(app: &App) -> Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let (store, keys, signer) = (Arc::clone(&app.store), Arc::clone(&app.server_keys), Arc::clone(&app.signer));
        let (usage, clock, decisions) = (Arc::clone(&app.usage), app.clock.clone(), app.config.decisions.clone());
        let keep = move || {
            let mut ticks: u32 = 0;
            loop {
                let last = !matches!(stopped.recv_timeout(TICK), Err(mpsc::RecvTimeoutError::Timeout));
                let keys_due = ticks.is_multiple_of(TICKS_PER_KEY_CHECK) && !last;
                keep_house(&store, &keys, &signer, &usage, &clock, keys_due);
                report("removing old decisions failed", prune_decisions(&store, &decisions, clock.now()));
                if last {
                    return;
                }
                ticks = ticks.wrapping_add(1);
            }
        };
        let thread = std::thread::Builder::new()
            .name("grantd-keeper".to_owned())
            .spawn(keep)
            .map_err(|error| Error::Setup(format!("the background thread cannot start: {error}")))?;
        Ok(Self { stop, thread })
    }

    /// Does what is due once more, and ends it.
    pub(super) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the background thread ended in a panic");
        }
    }
}

fn report(what: &str, outcome: Result<()>) {
    if let Err(error) = outcome {
        tracing::warn!(cause = error.cause().unwrap_or_default(), "{what}: {error}");
    }
}

/// Does something in steps, until one says that nothing is left to do: other writes get their turn between two of them.
fn in_steps(steps_max: usize, mut step: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..steps_max {
        if !step()? {
            break;
        }
    }
    Ok(())
}

fn prune_decisions(store: &Store, keep: &DecisionsConfig, now: Timestamp) -> Result<()> {
    let keep_after = now.plus_seconds(-i64::from(keep.keep_days) * 86_400);
    in_steps(PRUNE_STEPS_MAX, || store.decision_prune(keep_after, keep.keep_rows))
}

/// One round of background work. What fails is tried again in the next round.
fn keep_house(store: &Store, keys: &ServerKeys, signer: &Signer, usage: &Usage, clock: &Clock, keys_due: bool) {
    report("writing down last uses failed", usage.flush(store));
    report("sealing the audit chain failed", in_steps(SEAL_STEPS_MAX, || Ok(store.audit_seal(keys)? > 0)));
    report("indexing names failed", in_steps(INDEX_STEPS_MAX, || store.names_index()));
    if keys_due {
        report("looking after the signing keys failed", signer.maintain(store, keys, clock));
        report("forgetting settings that no policy has any more failed", store.policy_settings_prune(clock.now()));
        report("forgetting revoked tokens that expired failed", store.revoked_token_prune(clock.now()));
    }
}
