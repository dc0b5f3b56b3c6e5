//! How decisions are kept: written in batches behind the requests they tell of, listed, pruned from their oldest end.
//!
//! Rows are only ever added at one end and removed at the other, so `seq` has no gaps: an unfiltered list counts and
//! turns pages by arithmetic, at a million rows as at ten. What many records say alike lies apart, once: then a row is short,
//! and a record costs a token little. What it is that a record says is `decision.rs`'s business.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::engine::{EngineError, Row, Statement, Value as Parameter, params};
use super::entity::{Page, Query, Total};
use super::list::{Attribute, Kind, Listing, Statements};
use super::reach::{By, Reach, Source};
use super::{Store, decision_tally, plain_error};
use crate::clock::Timestamp;
use crate::decision::{Asker, Content, Decision};
use crate::error::{Error, Result};
use crate::filter::{Filter, Literal, Op};
use crate::model::caller::RequestId;

/// What stands for the id of a request that is the decision's own: most have just that.
const SAME_ID: Parameter = Parameter::Word("");
/// The outcome of a decision whose id is the `jti` of a token.
const ISSUED: &str = "issued";
/// Rows that one step of pruning removes: a few milliseconds of the writer's time.
const PRUNED_AT_ONCE_MAX: i64 = 1000;

const INSERT: &str = "INSERT INTO decision (seq, id, at_ms, outcome, client_id, request_id, content) \
    VALUES (?, ?, ?, ?, ?, ?, ?)";
const ANOTHER_ROW: &str = ", (?, ?, ?, ?, ?, ?, ?)";
const ROW_VALUES: usize = 7;
/// Rows that one statement inserts: SQLite finds its place in an index once for all of them, a fifth of what they cost.
const ROWS_AT_ONCE: usize = 32;
/// Runs of one such statement whose values lie in one piece of memory: in a larger one, each page of it is new.
const RUNS_AT_ONCE: usize = 8;
static INSERT_MANY: LazyLock<String> = LazyLock::new(|| [INSERT, &ANOTHER_ROW.repeat(ROWS_AT_ONCE - 1)].concat());
const INSERT_CONTENT: &str = "INSERT INTO decision_content (seq, error, service_account_id, api_id, explanation, rest) \
    VALUES (?, ?, ?, ?, ?, ?)";
/// Written again, an explanation is only younger: it is kept for as long as a decision may rest on it.
const INSERT_EXPLANATION: &str = "INSERT INTO decision_explanation (digest, seq, policies, explanation) \
    VALUES (?1, ?2, ?3, ?4) ON CONFLICT (digest) DO UPDATE SET seq = excluded.seq";
/// A subselect, so that rows before the page are passed over without reading their explanations.
const SELECT: &str = "SELECT t.id, t.at_ms, t.outcome, c.error, t.client_id, c.service_account_id, c.api_id, \
    iif(t.request_id = '', t.id, t.request_id), c.rest, (SELECT explanation FROM decision_explanation WHERE digest = c.explanation) \
    FROM decision AS t LEFT JOIN decision_content AS c ON c.seq = t.content";

/// Those of one client, through the blocks of their index: from the newest to the oldest, and in each the newest first, by way
/// of JSON. An index with the newest first would need none, and takes a third more to write: what comes to the front of a full
/// page has SQLite spread its rows anew, and what comes to its end opens another.
const OF_CLIENT: &str = "WITH RECURSIVE block (number) AS (SELECT max(seq) >> 11 FROM decision UNION ALL \
    SELECT number - 1 FROM block WHERE number > (SELECT min(seq) >> 11 FROM decision)) \
    SELECT d.value FROM block CROSS JOIN json_each((SELECT json_group_array(seq) FROM (SELECT seq FROM decision \
    WHERE seq >> 11 = block.number AND client_id = ?1 ORDER BY seq DESC))) AS d LIMIT ?2";
const COUNT_OF_CLIENT: &str = "WITH RECURSIVE block (number) AS (SELECT max(seq) >> 11 FROM decision UNION ALL \
    SELECT number - 1 FROM block WHERE number > (SELECT min(seq) >> 11 FROM decision)) \
    SELECT COUNT(*) FROM (SELECT d.seq FROM block CROSS JOIN decision AS d \
    WHERE d.seq >> 11 = block.number AND d.client_id = ?1 LIMIT ?2)";

/// The client, when that is all that a filter asks for.
fn one_client(filter: &Filter) -> Option<&str> {
    match filter {
        Filter::Compare { path, op: Op::Eq, value: Literal::String(text) } => {
            matches!(path.names(), [name] if name.eq_ignore_ascii_case("clientId")).then_some(text)
        }
        _ => None,
    }
}

pub(crate) static DECISIONS: Listing = Listing {
    // Left: where no condition looks at what it says, SQLite does not look for it.
    from: " FROM decision AS t LEFT JOIN decision_content AS c ON c.seq = t.content",
    select: SELECT,
    key: "t.seq",
    attributes: &[
        Attribute { name: "id", expr: "t.id", kind: Kind::Exact },
        // The same, by which a token's holder knows it.
        Attribute { name: "jti", expr: "t.id", kind: Kind::Exact },
        Attribute { name: "at", expr: "t.at_ms", kind: Kind::Time },
        Attribute { name: "outcome", expr: "t.outcome", kind: Kind::Exact },
        Attribute { name: "error", expr: "c.error", kind: Kind::Exact },
        Attribute { name: "clientId", expr: "t.client_id", kind: Kind::Exact },
        Attribute { name: "remoteAddress", expr: "c.rest ->> '$.remoteAddress'", kind: Kind::Exact },
        Attribute { name: "serviceAccountId", expr: "c.service_account_id", kind: Kind::Exact },
        Attribute { name: "apiId", expr: "c.api_id", kind: Kind::Exact },
        Attribute { name: "requestId", expr: "iif(t.request_id = '', t.id, t.request_id)", kind: Kind::Exact },
        Attribute {
            name: "steps",
            // Explanations are far fewer than the decisions that rest on them: they are looked through once.
            expr: "c.explanation IN (SELECT e.digest FROM decision_explanation AS e, json_each(e.policies) AS s WHERE 1",
            kind: Kind::Many(&[Attribute { name: "policyId", expr: "s.value", kind: Kind::Exact }]),
        },
    ],
    has_meta: false,
    total: None,
    reach: Some(&Reach {
        newest: "t.seq > (SELECT max(seq) FROM decision) - ",
        span: "SELECT (SELECT max(seq) FROM decision) - (SELECT min(seq) FROM decision)",
        rows: 8000,
        ordered: &[],
        unique: &["id", "jti"],
        sources: &[
            Source {
                attributes: &["clientId"],
                by: By::Value(&[]),
                select: OF_CLIENT,
                count: COUNT_OF_CLIENT,
                always: true,
            },
            Source {
                attributes: &["outcome"],
                by: By::Value(&["refused", "failed"]),
                select: "SELECT seq FROM decision WHERE outcome <> 'issued' AND outcome = ?1 ORDER BY seq DESC LIMIT ?2",
                count: "SELECT COUNT(*) FROM (SELECT seq FROM decision WHERE outcome <> 'issued' AND outcome = ?1 LIMIT ?2)",
                always: false,
            },
        ],
    }),
};

/// A decision on its way into the database.
#[derive(Debug)]
pub(crate) struct NewDecision {
    /// One more than that of the decision before it.
    pub(crate) seq: i64,
    pub(crate) decision: Box<Decision>,
    /// `seq` of the first decision that said what it says.
    pub(crate) content: i64,
}

impl NewDecision {
    /// The values of [`INSERT`].
    fn values(&self) -> [Parameter; ROW_VALUES] {
        let decision = &*self.decision;
        let client_id = match &decision.by {
            Asker::Unread => None,
            Asker::Stranger(claimed) => Some(claimed.as_str()),
            Asker::Client(client) => Some(client.client_id.as_str()),
        };
        let request_id = match &decision.request_id {
            RequestId::Own(id) if *id == decision.id => SAME_ID,
            other => other.as_str().into(),
        };
        [
            self.seq.into(),
            (&decision.id).into(),
            decision.at.into(),
            Parameter::Word(decision.outcome.as_str()),
            client_id.into(),
            request_id,
            self.content.into(),
        ]
    }
}

/// What a decision on its way says, and none before it.
pub(crate) struct NewContent {
    /// The decision's.
    pub(crate) seq: i64,
    pub(crate) content: Content,
}

impl NewContent {
    /// The values of [`INSERT_CONTENT`].
    fn values(&self) -> Vec<Parameter> {
        let content = &self.content;
        params![
            self.seq,
            content.error.as_deref(),
            content.account_id.as_ref(),
            content.api_id.as_ref(),
            content.explanation.as_ref().map(|explanation| explanation.kept().digest.to_vec()),
            content.rest.as_str(),
        ]
    }
}

/// A decision may refer to what one before it said, as long as fewer than so many lie between them: what is further behind all
/// that are kept, none of them says. Counted in decisions, because a clock can be set back.
pub(crate) const CONTENT_REACH: i64 = 400_000;

fn values_of(decisions: &[NewDecision]) -> Vec<Parameter> {
    let mut values = Vec::with_capacity(decisions.len() * ROW_VALUES);
    for decision in decisions {
        values.extend(decision.values());
    }
    values
}

pub(super) fn record_from_row(row: &Row) -> Result<Map<String, Value>, EngineError> {
    let text = |column| Ok(row.optional_text(column)?.into());
    let (id, outcome): (Value, Value) = (text(0)?, text(2)?);
    let jti = if outcome == ISSUED { id.clone() } else { Value::Null };
    let known: [(&str, Value); 9] = [
        ("id", id),
        ("at", row.time(1)?.to_string().into()),
        ("requestId", text(7)?),
        ("clientId", text(4)?),
        ("serviceAccountId", text(5)?),
        ("apiId", text(6)?),
        ("outcome", outcome),
        ("error", text(3)?),
        ("jti", jti),
    ];
    let mut record: Map<String, Value> = known.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut rest = row.object(8)?;
    Decision::complete(&mut rest);
    record.append(&mut rest);
    if !row.is_null(9) {
        record.append(&mut row.object(9)?);
    }
    Ok(record)
}

impl Store {
    /// Writes decisions and what is new of what they say, all in one commit, and waits for it. They tell of the past only, so
    /// they have no audit commit.
    pub(crate) fn decision_insert_all(&self, decisions: &[NewDecision], contents: &[NewContent]) -> Result<()> {
        let mut batch = decision_tally::add(decisions);
        for NewContent { seq, content } in contents {
            if let Some(kept) = content.explanation.as_ref().map(|explanation| explanation.kept()) {
                let params = params![kept.digest.to_vec(), *seq, kept.policies.as_str(), kept.text.as_str()];
                batch.push(Statement::new(INSERT_EXPLANATION, params));
            }
        }
        if !contents.is_empty() {
            batch.push(Statement::new(INSERT_CONTENT, contents.iter().flat_map(NewContent::values).collect()));
        }
        let (many, few) = decisions.split_at(decisions.len() - decisions.len() % ROWS_AT_ONCE);
        for decisions in many.chunks(ROWS_AT_ONCE * RUNS_AT_ONCE) {
            batch.push(Statement::new(INSERT_MANY.as_str(), values_of(decisions)));
        }
        if !few.is_empty() {
            batch.push(Statement::new(INSERT, values_of(few)));
        }
        self.write(batch).map_err(plain_error)
    }

    /// The last `seq` that anything which is kept still names; 0 where nothing is.
    pub(crate) fn decision_last(&self) -> Result<i64> {
        const LAST: &str = "SELECT max(COALESCE((SELECT max(seq) FROM decision), 0), \
            COALESCE((SELECT max(seq) FROM decision_content), 0))";
        let row = self.read_one(&Statement::new(LAST, Vec::new()))?;
        row.map_or(Ok(0), |row| row.integer(0)).map_err(plain_error)
    }

    /// The record of the decision with this id, which is also the `jti` of the token that it issued.
    pub(crate) fn decision_by_id(&self, id: &str) -> Result<Map<String, Value>> {
        let sql = [SELECT, " WHERE t.id = ?1"].concat();
        let row = self.read_one(&Statement { sql: sql.into(), params: params![id] })?;
        let row = row.ok_or_else(|| {
            Error::NotFound(format!(
                "there is no decision {id}: it is older than what is kept (decisions.keep_days, decisions.keep_rows), \
                 or of another server"
            ))
        })?;
        record_from_row(&row).map_err(plain_error)
    }

    /// What policies said lately: the youngest explanations, each once however many decisions rest on it.
    pub(crate) fn decision_explanation_list(&self, count: u32) -> Result<Vec<Value>> {
        const SELECT_EXPLANATIONS: &str = "SELECT explanation FROM decision_explanation ORDER BY seq DESC LIMIT ?1";
        let rows = self.read(&Statement::new(SELECT_EXPLANATIONS, params![i64::from(count)]))?;
        rows.iter().map(|row| row.json(0).map_err(plain_error)).collect()
    }

    /// One page of decisions.
    pub(crate) fn decision_list(&self, query: &Query) -> Result<Page<Map<String, Value>>> {
        if let Some(client_id) = query.filter.as_ref().and_then(one_client)
            && query.sort_by.is_none()
            && query.descending
        {
            return self.decision_list_of(client_id, query);
        }
        if query.filter.is_some() || query.sort_by.is_some() {
            return self.page(&DECISIONS, query, record_from_row);
        }
        const TOTAL: &str = "SELECT COALESCE((SELECT max(seq) FROM decision) - (SELECT min(seq) FROM decision) + 1, 0)";
        const NEWEST_FIRST: &str = " WHERE t.seq <= (SELECT max(seq) FROM decision) - ?1 ORDER BY t.seq DESC LIMIT ?2";
        const OLDEST_FIRST: &str = " WHERE t.seq >= (SELECT min(seq) FROM decision) + ?1 ORDER BY t.seq ASC LIMIT ?2";
        let sql = [SELECT, if query.descending { NEWEST_FIRST } else { OLDEST_FIRST }].concat();
        let params = params![i64::from(query.start_index.max(1)) - 1, i64::from(query.count)];
        let statements = [Statement::new(TOTAL, Vec::new()), Statement { sql: sql.into(), params }];
        let (_, answers) = self.engine.read_together(&statements).map_err(plain_error)?;
        let [total, rows] = answers.as_slice() else {
            return Err(Error::Internal("two statements have two answers".to_owned()));
        };
        let total = total.first().map_or(Ok(0), |row| row.integer(0)).map_err(plain_error)?;
        let items = rows.iter().map(|row| record_from_row(row).map_err(plain_error)).collect::<Result<_>>()?;
        Ok(Page { total: Total { count: total, has_more: false }, looked_at: None, items })
    }

    /// One page of a client's decisions, the newest first, of however many.
    fn decision_list_of(&self, client_id: &str, query: &Query) -> Result<Page<Map<String, Value>>> {
        let skipped = i64::from(query.start_index.max(1)) - 1;
        let params = params![client_id, i64::from(query.count), skipped];
        let page = Statement {
            sql: [SELECT, " WHERE t.seq IN (", OF_CLIENT, " OFFSET ?3) ORDER BY t.seq DESC"].concat().into(),
            params,
        };
        let counted_max = query.bounded.then(|| query.counted_max());
        let count = Statement::new(COUNT_OF_CLIENT, params![client_id, counted_max.map_or(-1, |max| max + 1)]);
        self.page_of(Statements { count, counted_max, page }, None, record_from_row)
    }

    /// Removes the oldest decisions that are older than `keep_after` or too many, a bounded number of them. Answers
    /// whether there may be more to remove.
    pub(crate) fn decision_prune(&self, keep_after: Timestamp, keep_rows: u64) -> Result<bool> {
        // The first row to stay: of the oldest ones, the first that is young enough, if there are not too many.
        const FIRST_KEPT: &str = "WITH edge AS (SELECT (SELECT min(seq) FROM decision) AS low, \
            (SELECT max(seq) FROM decision) AS high) SELECT low, max(high - ?2 + 1, \
            COALESCE((SELECT min(seq) FROM decision WHERE seq < low + ?3 AND at_ms >= ?1), low + ?3)) FROM edge";
        const DELETE: &str = "DELETE FROM decision WHERE seq < ?1";
        // Further behind than the oldest decision that is left can refer to.
        const DELETE_CONTENTS: &str = "DELETE FROM decision_content WHERE seq < (SELECT min(seq) + ?2 FROM decision_content) \
            AND seq < (SELECT min(seq) FROM decision) - ?1";
        const DELETE_EXPLANATIONS: &str = "DELETE FROM decision_explanation WHERE digest IN (SELECT digest \
            FROM decision_explanation WHERE seq < (SELECT min(seq) FROM decision) - ?1 ORDER BY seq LIMIT ?2)";
        let keep_rows = i64::try_from(keep_rows).unwrap_or(i64::MAX);
        let row = self.read_one(&Statement::new(FIRST_KEPT, params![keep_after, keep_rows, PRUNED_AT_ONCE_MAX]))?;
        let Some(row) = row else { return Ok(false) };
        let (low, first_kept) = (row.optional_integer(0), row.optional_integer(1));
        let (Some(low), Some(first_kept)) = (low.map_err(plain_error)?, first_kept.map_err(plain_error)?) else {
            return Ok(false);
        };
        if first_kept <= low {
            return Ok(false);
        }
        let step_end = first_kept.min(low + PRUNED_AT_ONCE_MAX);
        let batch = vec![
            Statement::new(DELETE, params![step_end]),
            Statement::new(DELETE_CONTENTS, params![CONTENT_REACH, PRUNED_AT_ONCE_MAX]),
            Statement::new(DELETE_EXPLANATIONS, params![CONTENT_REACH, PRUNED_AT_ONCE_MAX]),
            decision_tally::forget(keep_after),
        ];
        self.write(batch).map_err(plain_error)?;
        Ok(step_end - low == PRUNED_AT_ONCE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::reach::Source;

    #[test]
    fn a_clients_decisions_are_found_block_by_block() {
        let reach = DECISIONS.reach.unwrap();
        let source: &Source = reach.sources.iter().find(|source| source.attributes == ["clientId"]).unwrap();
        let database = rusqlite::Connection::open_in_memory().unwrap();
        database.execute_batch(crate::store::schema::SCHEMA).unwrap();
        let found = |client: &str, max: i64| -> (Vec<i64>, i64) {
            let mut select = database.prepare(source.select).unwrap();
            let rows = select.query_map((client, max), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
            (rows, database.query_row(source.count, (client, max), |row| row.get(0)).unwrap())
        };
        assert_eq!(found("c1", -1), (vec![], 0), "nothing is recorded yet");
        // Three blocks and a bit, of which the first is pruned to its middle. One client has few, and one nearly all.
        let fill = "WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 7000) \
            INSERT INTO decision (seq, id, at_ms, outcome, client_id, request_id, content) \
            SELECT i, printf('%022d', i), i, 'issued', iif(i % 1500 = 0, 'c1', 'c2'), '', 1 FROM n";
        database.execute_batch(fill).unwrap();
        assert_eq!(found("c1", -1), (vec![6000, 4500, 3000, 1500], 4));
        assert_eq!(found("c1", 3), (vec![6000, 4500, 3000], 3));
        assert_eq!(found("c3", -1).1, 0);
        let (rows, count) = found("c2", 5000);
        assert!(count == 5000 && rows.len() == 5000 && rows.iter().rev().is_sorted(), "the newest first");
        assert_eq!((rows[0], found("c2", -1).1), (7000, 6001 - 4));
        let plan = format!("EXPLAIN QUERY PLAN {}", source.select);
        let mut plan = database.prepare(&plan).unwrap();
        let steps: Vec<String> = plan.query_map(("c1", -1), |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        assert!(steps.iter().any(|step| step.contains("USING COVERING INDEX decision_client")), "{steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:?}");
    }
}
