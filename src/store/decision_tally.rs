//! How many token requests ended how, hour by hour: counted as decisions are written, and kept longer than they.

use std::collections::BTreeMap;

use super::decision::NewDecision;
use super::engine::{Batch, EngineError, Row, Statement, params};
use super::{Store, plain_error};
use crate::clock::Timestamp;
use crate::error::Result;

/// How much longer than decisions the hourly counts are kept.
const TALLY_KEPT_MS: i64 = 400 * 86_400_000;
const HOUR_MS: i64 = 3_600_000;
const INSERT_TALLY: &str = "INSERT INTO decision_tally (hour_ms, outcome, count) VALUES (?1, ?2, ?3) \
    ON CONFLICT (hour_ms, outcome) DO UPDATE SET count = count + excluded.count";
const DELETE_TALLIES: &str = "DELETE FROM decision_tally WHERE hour_ms < ?1";

/// How many token requests of one hour ended in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    /// When the hour began.
    pub(crate) hour: Timestamp,
    pub(crate) outcome: String,
    pub(crate) count: i64,
}

fn from_row(row: &Row) -> Result<Tally, EngineError> {
    Ok(Tally { hour: row.time(0)?, outcome: row.text(1)?, count: row.integer(2)? })
}

/// The counts that a batch adds: a few rows, however many decisions it holds.
pub(super) fn add(decisions: &[NewDecision]) -> Batch {
    let mut counts: BTreeMap<(i64, &str), i64> = BTreeMap::new();
    for NewDecision { decision, .. } in decisions {
        *counts.entry((decision.at.ms() / HOUR_MS * HOUR_MS, decision.outcome.as_str())).or_default() += 1;
    }
    let add =
        |((hour, outcome), count): ((i64, &str), i64)| Statement::new(INSERT_TALLY, params![hour, outcome, count]);
    counts.into_iter().map(add).collect()
}

/// Forgets what is that much older than the decisions which are kept.
pub(super) fn forget(keep_after: Timestamp) -> Statement {
    Statement::new(DELETE_TALLIES, params![keep_after.ms() - TALLY_KEPT_MS])
}

impl Store {
    /// How token requests ended, hour by hour, from `from` on.
    pub(crate) fn decision_tally_list(&self, from: Timestamp) -> Result<Vec<Tally>> {
        const SELECT_TALLIES: &str =
            "SELECT hour_ms, outcome, count FROM decision_tally WHERE hour_ms >= ?1 ORDER BY hour_ms";
        let rows = self.read(&Statement::new(SELECT_TALLIES, params![from]))?;
        rows.iter().map(|row| from_row(row).map_err(plain_error)).collect()
    }
}
