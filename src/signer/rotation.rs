//! The life of keys: `next` is published, `active` signs, `retired` stays published until what it signed has expired.
//!
//! Everything here runs on a background thread or the blocking pool; a token request never waits for it.

use std::sync::PoisonError;

use super::{KeySet, Signer, key};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::model::api::{SigningAlg, TOKEN_LIFETIME_SECONDS};
use crate::secret::ServerKeys;
use crate::store::{KeyRow, KeyState, Origin, Store};

const HOUR_SECONDS: i64 = 3600;
const DAY_SECONDS: i64 = 86_400;

/// What a rotation is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct RotateRequest {
    /// One algorithm; all of them when it is not named.
    pub alg: Option<SigningAlg>,
    /// Also when the next key was published too short a time ago for every verifier to know it.
    pub force: bool,
}

/// Makes an active key for each algorithm that has none. The ones to follow are made by [`Signer::maintain`].
pub(super) fn make_first_keys(store: &Store, server_keys: &ServerKeys, clock: &Clock) -> Result<()> {
    let rows = store.signing_key_list()?;
    let now = clock.now();
    let missing = SigningAlg::ALL.into_iter().filter(|alg| find(&rows, *alg, KeyState::Active).is_none());
    let made =
        missing.map(|alg| key::generate(alg, KeyState::Active, clock, now, server_keys)).collect::<Result<Vec<_>>>()?;
    if made.is_empty() {
        return Ok(());
    }
    store.signing_key_insert(&made, clock, &Origin::system("first signing keys"))
}

fn find(rows: &[KeyRow], alg: SigningAlg, state: KeyState) -> Option<&KeyRow> {
    rows.iter().find(|row| row.alg == alg && row.state == state)
}

impl Signer {
    /// Does what time asks for: makes the next keys, rotates the old ones, removes the retired ones.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database; what was done until then stays done.
    pub fn maintain(&self, store: &Store, server_keys: &ServerKeys, clock: &Clock) -> Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_fixed {
            return Ok(());
        }
        self.reload(store, server_keys)?;
        let current = self.current();
        let now = clock.now();
        self.make_next_keys(&current, store, server_keys, clock)?;
        for alg in SigningAlg::ALL {
            let due = find(&current.rows, alg, KeyState::Active)
                .and_then(|row| row.activated_at)
                .is_some_and(|since| since.plus_seconds(i64::from(self.settings.rotate_days) * DAY_SECONDS) <= now);
            let known = find(&current.rows, alg, KeyState::Next).is_some_and(|row| self.announced_until(row) <= now);
            if due && known {
                self.rotate_one(alg, store, server_keys, clock, &Origin::system("signing key is due for rotation"))?;
            }
        }
        for row in current.rows.iter().filter(|row| row.remove_at.is_some_and(|at| at <= now)) {
            store.signing_key_delete(row, clock, &Origin::system("everything this key signed has expired"))?;
            self.reload(store, server_keys)?;
        }
        Ok(())
    }

    fn make_next_keys(&self, current: &KeySet, store: &Store, server_keys: &ServerKeys, clock: &Clock) -> Result<()> {
        let missing = SigningAlg::ALL.into_iter().filter(|alg| find(&current.rows, *alg, KeyState::Next).is_none());
        let made = missing
            .map(|alg| key::generate(alg, KeyState::Next, clock, clock.now(), server_keys))
            .collect::<Result<Vec<_>>>()?;
        if made.is_empty() {
            return Ok(());
        }
        store.signing_key_insert(&made, clock, &Origin::system("signing keys to come"))?;
        self.reload(store, server_keys)
    }

    /// Rotates as an administrator asks, and answers the keys as they are then.
    ///
    /// # Errors
    /// `InUse` when verifiers may not know the next key yet and `force` is not set; `Stale` when another
    /// rotation came first; `Unavailable` or `Internal` from the database.
    pub fn rotate(
        &self,
        request: RotateRequest,
        store: &Store,
        server_keys: &ServerKeys,
        clock: &Clock,
        origin: &Origin,
    ) -> Result<Vec<KeyRow>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_fixed {
            return Err(Error::InUse {
                detail: "this server signs with fixed keys, which never change: start it without --fixed-keys"
                    .to_owned(),
            });
        }
        self.reload(store, server_keys)?;
        let algs: Vec<SigningAlg> = request.alg.map_or_else(|| SigningAlg::ALL.to_vec(), |alg| vec![alg]);
        self.make_next_keys(&self.current(), store, server_keys, clock)?;
        if !request.force {
            let (rows, now) = (self.key_rows(), clock.now());
            let fresh = algs.iter().filter_map(|alg| find(&rows, *alg, KeyState::Next));
            if let Some(until) = fresh.map(|row| self.announced_until(row)).max().filter(|until| *until > now) {
                return Err(Error::InUse {
                    detail: format!(
                        "the next key is published since a short time only, and verifiers that keep a copy of the JWKS may not \
                         know it before {until}; try again then, or send {{\"force\": true}}"
                    ),
                });
            }
        }
        for alg in algs {
            self.rotate_one(alg, store, server_keys, clock, origin)?;
        }
        Ok(self.key_rows())
    }

    /// Removes a retired key before its time: what it signed is refused from now on by whoever looks at the JWKS again.
    ///
    /// # Errors
    /// `NotFound`; `InUse` while it signs or waits to; `Stale` when it was removed meanwhile; `Unavailable` or `Internal`
    /// from the database.
    pub fn remove(
        &self,
        kid: &str,
        store: &Store,
        server_keys: &ServerKeys,
        clock: &Clock,
        origin: &Origin,
    ) -> Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.reload(store, server_keys)?;
        let rows = self.key_rows();
        let row = rows.iter().find(|row| row.kid.as_str() == kid);
        let row = row.ok_or_else(|| Error::NotFound(format!("there is no signing key with the id {kid}")))?;
        if row.state != KeyState::Retired {
            let does = if row.state == KeyState::Active { "signs" } else { "is the next to sign" };
            let detail = format!(
                "this {} key {does}: rotate the keys of that algorithm until it is retired, and delete it then",
                row.alg.as_str()
            );
            return Err(Error::InUse { detail });
        }
        store.signing_key_delete(row, clock, origin)?;
        self.reload(store, server_keys)
    }

    fn announced_until(&self, next: &KeyRow) -> Timestamp {
        next.created_at.plus_seconds(i64::from(self.settings.announce_hours) * HOUR_SECONDS)
    }

    fn rotate_one(
        &self,
        alg: SigningAlg,
        store: &Store,
        server_keys: &ServerKeys,
        clock: &Clock,
        origin: &Origin,
    ) -> Result<()> {
        let current = self.current();
        let (Some(active), Some(next)) =
            (find(&current.rows, alg, KeyState::Active), find(&current.rows, alg, KeyState::Next))
        else {
            return Err(Error::Internal(format!("{} has no active or no next key", alg.as_str())));
        };
        // One that cannot sign must not be made to: no server would start any more.
        key::PreparedKey::open(next, server_keys)?;
        let now = clock.now();
        let following = key::generate(alg, KeyState::Next, clock, now, server_keys)?;
        // An hour more than the longest token: verifiers' clocks differ.
        let remove_at = now.plus_seconds(TOKEN_LIFETIME_SECONDS.end() + HOUR_SECONDS);
        store.signing_key_rotate(active, next, &following, remove_at, clock, origin)?;
        self.reload(store, server_keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::{App, Missing};

    /// What was written and could not be read back is the same to a signer as what another one wrote.
    #[test]
    fn a_change_that_was_not_read_back_is_found_by_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { database: dir.path().join("a.db"), ..Config::default() };
        let app = App::open_with(config, Clock::manual(Timestamp::from_ms(0), 1), Missing::Create).unwrap();
        let (store, keys, clock) = (&app.store, &app.server_keys, &app.clock);
        let origin = Origin::system("test");
        let signer = || Signer::open(store, keys, clock, app.config.keys.clone()).unwrap();
        let force = RotateRequest { alg: None, force: true };

        let behind = [signer(), signer(), signer()];
        let ahead = signer();
        ahead.rotate(force, store, keys, clock, &origin).unwrap();
        let [rotates, maintains, removes] = behind;
        maintains.maintain(store, keys, clock).unwrap();
        assert_eq!(maintains.jwks(), ahead.jwks());
        let retired = ahead.key_rows().into_iter().find(|row| row.state == KeyState::Retired).unwrap();
        removes.remove(retired.kid.as_str(), store, keys, clock, &origin).unwrap();
        rotates.rotate(force, store, keys, clock, &origin).unwrap();
        assert_eq!(rotates.jwks(), signer().jwks());
    }
}
