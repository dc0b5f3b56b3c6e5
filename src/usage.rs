//! When credentials, API tokens and sessions of the console were last used: noted in memory by requests, written down behind them.
//!
//! A crash loses the last half second of it; nothing depends on it but people's judgement.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::model::api_token::ApiToken;
use crate::model::console_session::ConsoleSession;
use crate::model::id::Id;
use crate::store::{ClientView, Store};

/// Uses that are kept of each kind; when as many wait, further ones are dropped until the next round.
const KEPT_MAX: usize = 50_000;
/// A use is not noted again within this time of the one that is written down.
const GRAIN_MS: u64 = 60_000;

/// Uses that wait to be written down, and those of API tokens and sessions that were a moment ago.
#[derive(Default)]
pub(crate) struct Usage {
    credentials: Uses,
    api_tokens: Uses,
    sessions: Uses,
}

impl Usage {
    /// Notes that a credential authenticated a client.
    pub(crate) fn note_credential(&self, client: &ClientView, credential: usize, now: Timestamp) {
        // What the database has of it is read with the client, and is older the longer that is kept in memory.
        if client.is_new_use(credential, now, GRAIN_MS) {
            self.credentials.note(&client.credentials[credential].id, now);
        }
    }

    /// Notes that an API token was accepted.
    pub(crate) fn note_api_token(&self, token: &ApiToken, now: Timestamp) {
        if token.last_used_at.is_none_or(|written| is_new(written, now)) {
            self.api_tokens.note(&token.id, now);
        }
    }

    /// Notes that a session asked for a page.
    pub(crate) fn note_session(&self, session: &ConsoleSession, now: Timestamp) {
        if is_new(session.last_used_at, now) {
            self.sessions.note(&session.id, now);
        }
    }

    /// Writes down what waits.
    pub(crate) fn flush(&self, store: &Store) -> Result<()> {
        let (credentials, api_tokens, sessions) =
            (self.credentials.take(), self.api_tokens.take(), self.sessions.take());
        if credentials.is_empty() && api_tokens.is_empty() && sessions.is_empty() {
            return Ok(());
        }
        let written = store.last_used_update(&credentials, &api_tokens, &sessions);
        if written.is_err() {
            self.credentials.put_back(credentials);
            self.api_tokens.put_back(api_tokens);
            self.sessions.put_back(sessions);
        }
        written
    }
}

fn is_new(written: Timestamp, now: Timestamp) -> bool {
    now.ms().abs_diff(written.ms()) >= GRAIN_MS
}

/// Last uses of one kind of thing.
#[derive(Default)]
struct Uses(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    /// Also those that are written down: the copy of a thing that a request has may be older.
    latest: HashMap<Id, Timestamp>,
    waiting: Vec<(Id, Timestamp)>,
}

impl Uses {
    fn note(&self, id: &Id, now: Timestamp) {
        let mut noted = self.lock();
        let is_known = noted.latest.get(id).is_some_and(|latest| !is_new(*latest, now));
        if is_known || noted.waiting.len() >= KEPT_MAX {
            return;
        }
        if noted.latest.len() >= KEPT_MAX {
            noted.latest.clear();
        }
        noted.latest.insert(id.clone(), now);
        noted.waiting.push((id.clone(), now));
    }

    fn take(&self) -> Vec<(Id, Timestamp)> {
        std::mem::take(&mut self.lock().waiting)
    }

    /// For the next round.
    fn put_back(&self, mut taken: Vec<(Id, Timestamp)>) {
        let mut noted = self.lock();
        taken.append(&mut noted.waiting);
        taken.truncate(KEPT_MAX);
        noted.waiting = taken;
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_use_is_written_once_a_minute_and_again_when_that_failed() {
        let (uses, clock) = (Uses::default(), Clock::system());
        let at = Timestamp::from_ms;
        let id = Id::new(&clock, at(0));
        uses.note(&id, at(1000));
        uses.note(&id, at(1500));
        assert_eq!(uses.take(), [(id.clone(), at(1000))]);
        uses.note(&id, at(60_999));
        assert_eq!(uses.take(), [], "a minute is not over");
        uses.note(&id, at(61_000));
        let taken = uses.take();
        assert_eq!(taken, [(id.clone(), at(61_000))]);
        uses.put_back(taken);
        assert_eq!(uses.take(), [(id, at(61_000))], "it could not be written");
    }

    #[test]
    fn a_full_house_takes_no_more_until_the_next_round() {
        let (uses, clock) = (Uses::default(), Clock::system());
        let now = Timestamp::from_ms(0);
        let fill = |count: usize| (0..count).for_each(|_| uses.note(&Id::new(&clock, now), now));
        fill(KEPT_MAX + 10);
        uses.put_back(vec![(Id::new(&clock, now), now)]);
        assert_eq!(uses.take().len(), KEPT_MAX);
        fill(10);
        assert_eq!((uses.take().len(), uses.lock().latest.len()), (10, 10));
    }
}
