//! What a policy was asked in the decisions that are kept: read page by page, for whoever puts the same questions to
//! another module.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::decision::record_from_row;
use super::engine::{EngineError, Statement, params};
use super::{Store, plain_error};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// The first decision from ?1 on. It walks over those before it, at some ten million a second: the first page does, and the
/// others go on from there. Rows after it may be older, by the width of a batch or where the clock was set back: the
/// pages look at each one's own time.
const FIRST: &str = "SELECT COALESCE((SELECT min(seq) FROM decision WHERE at_ms >= ?1), \
    (SELECT max(seq) FROM decision) + 1, 1)";
const LAST: &str = "SELECT COALESCE(max(seq), 0) FROM decision";
const DECISIONS: &str = "SELECT t.id, t.at_ms, t.outcome, c.error, t.client_id, c.service_account_id, c.api_id, \
    iif(t.request_id = '', t.id, t.request_id), c.rest, NULL, lower(hex(c.explanation)) \
    FROM decision AS t CROSS JOIN decision_content AS c ON c.seq = t.content \
    WHERE t.seq > ?1 AND t.seq <= ?2 AND t.at_ms >= ?3 AND EXISTS (SELECT 1 FROM decision_explanation AS e, \
    json_each(e.policies) AS p WHERE e.digest = c.explanation AND p.value = ?4) ORDER BY t.seq";
const EXPLANATIONS: &str = "SELECT lower(hex(e.digest)), e.explanation FROM decision_explanation AS e \
    WHERE e.digest IN (SELECT c.explanation FROM decision AS t CROSS JOIN decision_content AS c ON c.seq = t.content \
    WHERE t.seq > ?1 AND t.seq <= ?2 AND t.at_ms >= ?3) \
    AND EXISTS (SELECT 1 FROM json_each(e.policies) AS p WHERE p.value = ?4)";

/// One page of questions.
#[derive(Debug)]
pub(crate) struct Questions {
    /// The first decision that pages look at, by its place in the table: only the first page looks for it.
    pub(crate) first: Option<i64>,
    /// The last one that there was when this page was read.
    pub(crate) last: i64,
    /// The last decision that this page looked at; `None` when there are no more.
    pub(crate) next: Option<i64>,
    /// Records, each with the digest of its explanation.
    pub(crate) decisions: Vec<Map<String, Value>>,
    /// The explanations by their digests, as they are kept.
    pub(crate) explanations: Vec<(String, Box<RawValue>)>,
}

impl Store {
    /// What a policy was asked from `since` on, in the `count` decisions after `after`.
    pub(crate) fn decision_questions(
        &self,
        policy_id: &str,
        since: Timestamp,
        after: Option<i64>,
        count: i64,
    ) -> Result<Questions> {
        let first = match after {
            Some(_) => None,
            None => Some(self.decision_place(&Statement::new(FIRST, params![since]))?),
        };
        let last = self.decision_place(&Statement::new(LAST, Vec::new()))?;
        let after = after.or(first.map(|first| first - 1)).unwrap_or_default();
        let until = after.saturating_add(count);
        let statements =
            [DECISIONS, EXPLANATIONS].map(|sql| Statement::new(sql, params![after, until, since, policy_id]));
        let (_, answers) = self.engine.read_together(&statements).map_err(plain_error)?;
        let [decisions, explanations] = answers.as_slice() else {
            return Err(Error::Internal("two statements have two answers".to_owned()));
        };
        let record = |row| {
            let mut record = record_from_row(row)?;
            record.insert("explanation".to_owned(), row.text(10)?.into());
            Ok(record)
        };
        let explanation = |row: &super::engine::Row| {
            let damaged = |_| EngineError::Damaged("an explanation is not JSON".to_owned());
            Ok((row.text(0)?, RawValue::from_string(row.text(1)?).map_err(damaged)?))
        };
        Ok(Questions {
            first,
            last,
            next: (until < last).then_some(until),
            decisions: decisions.iter().map(record).collect::<Result<_, _>>().map_err(plain_error)?,
            explanations: explanations.iter().map(explanation).collect::<Result<_, _>>().map_err(plain_error)?,
        })
    }

    fn decision_place(&self, statement: &Statement) -> Result<i64> {
        let row = self.read_one(statement)?;
        let row = row.ok_or_else(|| Error::Internal("the ends of a table are always there".to_owned()))?;
        row.integer(0).map_err(plain_error)
    }
}
