//! What one change of a thing was, long after it: found through what the audit trail's commits are about.

use serde_json::Value;

use super::engine::{EngineError, Row, Statement, params};
use super::{LISTED, Store, plain_error};
use crate::clock::Timestamp;
use crate::error::Result;

/// The change of the thing ?1 in which a revision, at the place ?3 of the change, is ?2.
const CHANGE_OF: &str = "SELECT t.at_ms, t.actor_name, t.reason, json_extract(c.value, '$.before') \
    FROM audit_subject AS a CROSS JOIN audit_commit AS t ON t.seq = a.seq CROSS JOIN json_each(t.changes) AS c \
    WHERE a.resource_id = ?1 AND json_extract(c.value, '$.id') = ?1 AND json_extract(c.value, ?3) = ?2 \
    ORDER BY a.seq DESC LIMIT 1";

/// Which change of a thing is meant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Revision {
    /// The one that made this revision.
    Made(i64),
    /// The one after which it was no longer at this revision.
    Left(i64),
}

/// One change of a thing.
pub(crate) struct PastChange {
    pub(crate) at: Timestamp,
    pub(crate) actor_name: String,
    pub(crate) reason: Option<String>,
    /// How the thing was before; null for what was new.
    pub(crate) before: Value,
}

fn past_change_from_row(row: &Row) -> Result<PastChange, EngineError> {
    Ok(PastChange {
        at: row.time(0)?,
        actor_name: row.text(1)?,
        reason: row.optional_text(2)?,
        before: if row.is_null(3) { Value::Null } else { row.json(3)? },
    })
}

impl Store {
    /// The change of a thing that made a revision of it, or that made the next one out of it; `None` where it is not
    /// found in time.
    pub(crate) fn change_of(&self, resource_id: &str, revision: Revision) -> Result<Option<PastChange>> {
        let (place, number) = match revision {
            Revision::Made(number) => ("$.after.revision", number),
            Revision::Left(number) => ("$.before.revision", number),
        };
        let statement = Statement::new(CHANGE_OF, params![resource_id, number, place]);
        let rows = match self.engine.read_bounded(&[statement], LISTED) {
            Err(EngineError::TooLong) => return Ok(None),
            answers => answers.map_err(plain_error)?.pop().unwrap_or_default(),
        };
        rows.first().map(past_change_from_row).transpose().map_err(plain_error)
    }
}
