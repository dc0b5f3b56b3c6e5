//! When credentials, API tokens and sessions of the console were last used: noted in memory by requests, written down behind them.
//!
//! A crash loses the last half second of it; nothing depends on it but people's judgement.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::model::api_token::ApiToken;
use crate::model::console_session::ConsoleSession;
use crate::model::id::Id;
use crate::store::{ClientView, Store};

/// Notes that may wait; further ones are dropped until the next round.
const WAITING_MAX: usize = 50_000;
/// A use is not noted again within this time of the one that is written down.
const GRAIN_MS: u64 = 60_000;

/// Uses that wait to be written down.
#[derive(Default)]
pub(crate) struct Usage {
    credentials: Mutex<HashMap<Id, Timestamp>>,
    api_tokens: Mutex<HashMap<Id, Timestamp>>,
    sessions: Mutex<HashMap<Id, Timestamp>>,
}

impl Usage {
    /// Notes that a credential authenticated a client.
    pub(crate) fn note_credential(&self, client: &ClientView, credential: usize, now: Timestamp) {
        // What the database has of it is read with the client, and is older the longer that is kept in memory.
        if client.is_new_use(credential, now, GRAIN_MS) {
            note(&self.credentials, &client.credentials[credential].id, now);
        }
    }

    /// Notes that an API token was accepted.
    pub(crate) fn note_api_token(&self, token: &ApiToken, now: Timestamp) {
        if is_new(token.last_used_at, now) {
            note(&self.api_tokens, &token.id, now);
        }
    }

    /// Notes that a session asked for a page.
    pub(crate) fn note_session(&self, session: &ConsoleSession, now: Timestamp) {
        if is_new(Some(session.last_used_at), now) {
            note(&self.sessions, &session.id, now);
        }
    }

    /// Writes down what waits.
    pub(crate) fn flush(&self, store: &Store) -> Result<()> {
        let credentials = drain(&self.credentials);
        let api_tokens = drain(&self.api_tokens);
        let sessions = drain(&self.sessions);
        if credentials.is_empty() && api_tokens.is_empty() && sessions.is_empty() {
            return Ok(());
        }
        let written = store.last_used_update(&credentials, &api_tokens, &sessions);
        if written.is_err() {
            for (waiting, drained) in
                [(&self.credentials, credentials), (&self.api_tokens, api_tokens), (&self.sessions, sessions)]
            {
                put_back(waiting, drained);
            }
        }
        written
    }
}

/// For the next round. What was noted meanwhile is younger.
fn put_back(waiting: &Mutex<HashMap<Id, Timestamp>>, drained: Vec<(Id, Timestamp)>) {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    for (id, at) in drained {
        if waiting.len() < WAITING_MAX {
            waiting.entry(id).or_insert(at);
        }
    }
}

fn is_new(written: Option<Timestamp>, now: Timestamp) -> bool {
    written.is_none_or(|written| now.ms().abs_diff(written.ms()) >= GRAIN_MS)
}

fn note(waiting: &Mutex<HashMap<Id, Timestamp>>, id: &Id, now: Timestamp) {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = waiting.get_mut(id) {
        *at = now;
    } else if waiting.len() < WAITING_MAX {
        waiting.insert(id.clone(), now);
    }
}

fn drain(waiting: &Mutex<HashMap<Id, Timestamp>>) -> Vec<(Id, Timestamp)> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).drain().collect()
}
