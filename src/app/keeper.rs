//! The background thread: what is done a moment behind the requests, and what only time makes due.

use std::collections::HashMap;
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
/// Ticks between two warnings of one chore that goes on failing.
const TICKS_PER_REMINDER: u32 = 120;
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
            let mut chores = Chores::default();
            loop {
                let last = !matches!(stopped.recv_timeout(TICK), Err(mpsc::RecvTimeoutError::Timeout));
                let keys_due = chores.tick.is_multiple_of(TICKS_PER_KEY_CHECK) && !last;
                keep_house(&mut chores, &store, &keys, &signer, &usage, &clock, keys_due);
                chores.report("removing old decisions", prune_decisions(&store, &decisions, clock.now()));
                if last {
                    return;
                }
                chores.tick = chores.tick.wrapping_add(1);
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

/// Which chores fail, so that a full disk does not fill the log too.
#[derive(Default)]
struct Chores {
    tick: u32,
    /// When the failure of each that fails was told last.
    told: HashMap<&'static str, u32>,
}

impl Chores {
    fn report(&mut self, chore: &'static str, outcome: Result<()>) {
        let is_news = self.is_news(chore, outcome.is_err());
        match outcome {
            Ok(()) if is_news => tracing::info!("{chore} works again"),
            Err(error) if is_news => tracing::warn!("{chore} failed: {}", error.for_operator()),
            _ => {}
        }
    }

    /// Whether it is to be told how a chore went: when it begins to fail, now and then while it does, when it works again.
    fn is_news(&mut self, chore: &'static str, fails: bool) -> bool {
        if !fails {
            return self.told.remove(chore).is_some();
        }
        let told = self.told.get(chore);
        let is_news = told.is_none_or(|told| self.tick.wrapping_sub(*told) >= TICKS_PER_REMINDER);
        if is_news {
            self.told.insert(chore, self.tick);
        }
        is_news
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
fn keep_house(
    chores: &mut Chores,
    store: &Store,
    keys: &ServerKeys,
    signer: &Signer,
    usage: &Usage,
    clock: &Clock,
    keys_due: bool,
) {
    chores.report("writing down last uses", usage.flush(store));
    chores.report("sealing the audit chain", in_steps(SEAL_STEPS_MAX, || Ok(store.audit_seal(keys)? > 0)));
    chores.report("indexing names", in_steps(INDEX_STEPS_MAX, || store.names_index()));
    if keys_due {
        chores.report("looking after the signing keys", signer.maintain(store, keys, clock));
        chores.report("forgetting settings that no policy has any more", store.policy_settings_prune(clock.now()));
        chores.report("forgetting revoked tokens that expired", store.revoked_token_prune(clock.now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chore_that_goes_on_failing_is_told_now_and_then() {
        let mut chores = Chores { tick: u32::MAX - 1, ..Chores::default() };
        let mut news = |fails| {
            chores.tick = chores.tick.wrapping_add(1);
            chores.is_news("washing up", fails)
        };
        assert!(!news(false), "nothing was wrong");
        let told: Vec<u32> = (0..=TICKS_PER_REMINDER).filter(|_| news(true)).collect();
        assert_eq!(told, [0, TICKS_PER_REMINDER]);
        assert!(news(false) && !news(false), "that it works again is told once");
        assert!(news(true));
    }
}
