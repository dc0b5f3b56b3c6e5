//! The audit trail: a commit and an event in the batch of every admin write. `chain.rs` seals the commits.

mod chain;

use std::collections::BTreeSet;
use std::iter::once;

use serde_json::{Value, json};

use super::engine::{EngineError, Row, Statement, params};
use super::entity::{Page, Query};
use super::list::{Attribute, Kind, Listing, Statements};
use super::reach::Reach;
use super::{Change, Origin, Store, Write, plain_error};
use crate::error::{Error, Result};
use crate::model::id::Id;
pub use chain::{AuditBreak, AuditFault, AuditVerdict};

/// The audit insert with a condition: NULL where it does not hold, and then NOT NULL refuses the batch.
macro_rules! guarded_commit {
    ($condition:literal) => {
        concat!(
            "INSERT INTO audit_commit (id, at_ms, actor_id, actor_name, actor_type, reason, correlation, request_id, \
             changes, guard) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ",
            $condition,
            ")"
        )
    };
}
pub(super) use guarded_commit;

/// The commit with the id ?2 is about this.
const INSERT_SUBJECT: &str =
    "INSERT INTO audit_subject (resource_id, seq) VALUES (?1, (SELECT seq FROM audit_commit WHERE id = ?2))";
/// What a change names beside itself that it belongs to.
const BELONGS_TO: [&str; 3] = ["serviceAccountId", "machineToMachineId", "apiId"];
const UNGUARDED: &str = guarded_commit!("1");
const INSERT_EVENT: &str = "INSERT INTO event_log (id, at_ms, type, display_name, severity, request_id, status, \
    actor_id, actor_name, actor_type, client_ip, user_agent) VALUES (?1, ?2, ?3, ?4, 'info', ?5, 'success', ?6, ?7, ?8, ?9, ?10)";

/// The condition of a write that has none: new rows collide by themselves.
pub(super) fn unguarded() -> Statement {
    Statement::new(UNGUARDED, Vec::new())
}

/// The ids of what changed, and of what that belonged and belongs to: each once.
fn subjects(changes: &[Change]) -> BTreeSet<&str> {
    let mut ids = BTreeSet::new();
    for change in changes {
        ids.insert(change.id.as_str());
        for side in change.before.iter().chain(&change.after) {
            ids.extend(BELONGS_TO.iter().filter_map(|member| side.get(member)?.as_str()));
        }
    }
    ids
}

/// The commit, its guard first of all statements, what it is about, and the event.
pub(super) fn commit_statements(write: &Write, origin: &Origin) -> Vec<Statement> {
    let subjects = subjects(&write.changes).into_iter();
    let subjects = subjects.map(|id| Statement::new(INSERT_SUBJECT, params![id, &write.commit_id]));
    let mut commit = params![
        &write.commit_id,
        write.at,
        origin.actor_id.as_str(),
        origin.actor_name.as_str(),
        origin.actor_type.as_str(),
        origin.reason.clone(),
        origin.correlation.clone(),
        origin.request_id.as_str(),
        // All of a change has a JSON form.
        serde_json::to_string(&write.changes).unwrap_or_default(),
    ];
    commit.extend(write.guard.params.iter().cloned());
    // A cascade lists what it takes along first; the event is about what was asked for, which is last.
    let (kind, name) = write.changes.last().map_or(("Nothing.Changed".to_owned(), String::new()), |change| {
        let what = match (&change.before, &change.after) {
            (None, _) => "Created",
            (_, None) => "Deleted",
            _ => "Changed",
        };
        (format!("{}.{what}", change.resource_type), format!("{what} {} {}", change.resource_type, change.name))
    });
    let event = params![
        &write.event_id,
        write.at,
        kind,
        name,
        origin.request_id.as_str(),
        origin.actor_id.as_str(),
        origin.actor_name.as_str(),
        origin.actor_type.as_str(),
        origin.client_ip.clone(),
        origin.user_agent.clone(),
    ];
    let guarded = Statement { sql: write.guard.sql.clone(), params: commit };
    once(guarded).chain(subjects).chain(once(Statement::new(INSERT_EVENT, event))).collect()
}

/// An audit commit, as the admin API shows it. One of a bounded list has the last of its changes alone, which is what was
/// asked for, and their number as `changeCount`.
pub struct CommitRow(Value);

/// An event, as the admin API shows it.
pub struct EventRow(Value);

impl CommitRow {
    /// The commit in JSON.
    #[must_use]
    pub fn into_json(self) -> Value {
        self.0
    }
}

impl EventRow {
    /// The event in JSON.
    #[must_use]
    pub fn into_json(self) -> Value {
        self.0
    }
}

const SELECT_COMMIT: &str = "SELECT t.id, t.at_ms, t.actor_id, t.actor_name, t.actor_type, t.reason, t.correlation, \
    t.request_id, t.changes, t.seq, s.hash IS NOT NULL, NULL \
    FROM audit_commit AS t LEFT JOIN audit_seal AS s ON s.seq = t.seq";
/// With the last of its changes, and how many there are: a line about a commit needs no more, and it may have hundreds of
/// thousands.
const SELECT_COMMIT_BRIEFLY: &str = "SELECT t.id, t.at_ms, t.actor_id, t.actor_name, t.actor_type, t.reason, \
    t.correlation, t.request_id, t.changes -> '$[#-1]', t.seq, s.hash IS NOT NULL, json_array_length(t.changes) \
    FROM audit_commit AS t LEFT JOIN audit_seal AS s ON s.seq = t.seq";

/// A person who waits is told in lines.
fn select_commit(query: &Query) -> &'static str {
    if query.bounded { SELECT_COMMIT_BRIEFLY } else { SELECT_COMMIT }
}

pub(crate) static COMMITS: Listing = Listing {
    from: " FROM audit_commit AS t",
    select: SELECT_COMMIT,
    key: "t.seq",
    attributes: COMMIT_ATTRIBUTES,
    has_meta: false,
    // None is ever removed, and AUTOINCREMENT leaves none out.
    total: Some("SELECT COALESCE((SELECT max(seq) FROM audit_commit), 0)"),
    reach: Some(&Reach {
        newest: "t.seq > (SELECT max(seq) FROM audit_commit) - ",
        span: "SELECT (SELECT max(seq) FROM audit_commit) - (SELECT min(seq) FROM audit_commit)",
        rows: 5000,
        ordered: &[],
        unique: &["id"],
        sources: &[],
    }),
};
static COMMIT_ATTRIBUTES: &[Attribute] = &[
    Attribute { name: "id", expr: "t.id", kind: Kind::Exact },
    Attribute {
        name: "createdAt",
        expr: "t.at_ms",
        // The numbers of all commits of that time are listed first, out of the index of ids. The commits themselves are then
        // read in the order of `seq`, and no further than a page goes.
        kind: Kind::TimeOf { within: "t.seq IN (SELECT seq FROM audit_commit WHERE ", id: "id" },
    },
    Attribute { name: "by", expr: "t.actor_id", kind: Kind::Exact },
    Attribute { name: "actor.displayName", expr: "t.actor_name", kind: Kind::Text },
    Attribute { name: "actor.type", expr: "t.actor_type", kind: Kind::Exact },
    Attribute { name: "reason", expr: "t.reason", kind: Kind::Text },
    Attribute { name: "correlation", expr: "t.correlation", kind: Kind::Exact },
    Attribute { name: "requestId", expr: "t.request_id", kind: Kind::Exact },
    Attribute {
        name: "changes",
        expr: "EXISTS (SELECT 1 FROM json_each(t.changes) AS s WHERE 1",
        kind: Kind::Many(&[
            Attribute { name: "id", expr: "json_extract(s.value, '$.id')", kind: Kind::Exact },
            Attribute { name: "resourceType", expr: "json_extract(s.value, '$.resourceType')", kind: Kind::Exact },
        ]),
    },
];

/// The history of one thing, newest first.
const COMMITS_ABOUT: &str = " JOIN audit_subject AS a ON a.seq = t.seq WHERE a.resource_id = ?1 \
    ORDER BY a.seq DESC LIMIT ?2 OFFSET ?3";
/// Up to ?2 of them; all where that is negative.
const COUNT_ABOUT: &str = "SELECT COUNT(*) FROM (SELECT seq FROM audit_subject WHERE resource_id = ?1 LIMIT ?2)";

const SELECT_EVENT: &str = "SELECT t.id, t.at_ms, t.type, t.display_name, t.severity, t.request_id, t.status, \
    t.actor_id, t.actor_name, t.actor_type, t.client_ip, t.user_agent FROM event_log AS t";
pub(crate) static EVENTS: Listing = Listing {
    from: " FROM event_log AS t",
    select: SELECT_EVENT,
    key: "t.id",
    attributes: EVENT_ATTRIBUTES,
    has_meta: false,
    total: None,
    reach: None,
};
static EVENT_ATTRIBUTES: &[Attribute] = &[
    Attribute { name: "id", expr: "t.id", kind: Kind::Exact },
    Attribute { name: "createdAt", expr: "t.at_ms", kind: Kind::TimeOf { within: "(", id: "t.id" } },
    Attribute { name: "type", expr: "t.type", kind: Kind::Exact },
    Attribute { name: "displayName", expr: "t.display_name", kind: Kind::Text },
    Attribute { name: "severity", expr: "t.severity", kind: Kind::Exact },
    Attribute { name: "requestId", expr: "t.request_id", kind: Kind::Exact },
    Attribute { name: "result.status", expr: "t.status", kind: Kind::Exact },
    Attribute { name: "actor.identifier", expr: "t.actor_id", kind: Kind::Exact },
    Attribute { name: "actor.displayName", expr: "t.actor_name", kind: Kind::Text },
    Attribute { name: "actor.type", expr: "t.actor_type", kind: Kind::Exact },
    Attribute { name: "client.ip", expr: "t.client_ip", kind: Kind::Exact },
];

fn commit_from_row(row: &Row) -> Result<CommitRow, EngineError> {
    let id = row.text(0)?;
    let count = row.optional_integer(11)?;
    let changes = match count {
        None => row.json(8)?,
        Some(0) => json!([]),
        Some(_) => json!([row.json(8)?]),
    };
    let mut commit = json!({
        "by": row.text(2)?,
        "actor": {"identifier": row.text(2)?, "displayName": row.text(3)?, "type": row.text(4)?},
        "createdAt": row.time(1)?.to_string(),
        "reason": row.optional_text(5)?,
        "correlation": row.optional_text(6)?,
        "requestId": row.text(7)?,
        "changes": changes,
        "sequence": row.integer(9)?,
        "sealed": row.flag(10)?,
        "meta": {"resourceType": "Commit", "created": row.time(1)?.to_string(), "revision": 1},
        "id": id,
    });
    if let Some(count) = count {
        commit["changeCount"] = count.into();
    }
    Ok(CommitRow(commit))
}

fn event_from_row(row: &Row) -> Result<EventRow, EngineError> {
    let ip = row.optional_text(10)?;
    Ok(EventRow(json!({
        "id": row.text(0)?,
        "createdAt": row.time(1)?.to_string(),
        "type": row.text(2)?,
        "displayName": row.text(3)?,
        "severity": row.text(4)?,
        "requestId": row.text(5)?,
        "result": {"status": row.text(6)?},
        "actor": {"identifier": row.text(7)?, "displayName": row.text(8)?, "type": row.text(9)?},
        "client": {"ip": ip, "ips": ip.iter().collect::<Vec<_>>(), "userAgent": {"raw": row.optional_text(11)?}},
    })))
}

impl Store {
    /// One commit.
    pub(crate) fn commit_by_id(&self, id: &str) -> Result<CommitRow> {
        let sql = [SELECT_COMMIT, " WHERE t.id = ?1"].concat();
        let row = self.read_one(&Statement { sql: sql.into(), params: params![id] })?;
        let row = row.ok_or_else(|| Error::NotFound(format!("there is no commit with the id {id}")))?;
        commit_from_row(&row).map_err(plain_error)
    }

    /// One page of commits, newest first unless sorted otherwise.
    pub(crate) fn commit_list(&self, query: &Query) -> Result<Page<CommitRow>> {
        self.page(&Listing { select: select_commit(query), ..COMMITS }, query, commit_from_row)
    }

    /// The history of one thing, newest first: commits that changed it, or what belongs to it.
    pub(crate) fn commit_list_about(&self, resource_id: &str, query: &Query) -> Result<Page<CommitRow>> {
        let skipped = i64::from(query.start_index.max(1)) - 1;
        let params = params![resource_id, i64::from(query.count), skipped];
        let page = Statement { sql: [select_commit(query), COMMITS_ABOUT].concat().into(), params };
        let counted_max = query.bounded.then(|| query.counted_max());
        let count = Statement::new(COUNT_ABOUT, params![resource_id, counted_max.map_or(-1, |max| max + 1)]);
        self.page_of(Statements { count, counted_max, page }, None, commit_from_row)
    }

    /// One event.
    pub(crate) fn event_by_id(&self, id: &str) -> Result<EventRow> {
        let sql = [SELECT_EVENT, " WHERE t.id = ?1"].concat();
        let row = self.read_one(&Statement { sql: sql.into(), params: params![id] })?;
        let row = row.ok_or_else(|| Error::NotFound(format!("there is no event with the id {id}")))?;
        event_from_row(&row).map_err(plain_error)
    }

    /// One page of events.
    pub(crate) fn event_list(&self, query: &Query) -> Result<Page<EventRow>> {
        self.page(&EVENTS, query, event_from_row)
    }
}

/// The audit trail's id for a write made now.
pub(super) fn write_of(
    clock: &crate::clock::Clock,
    changes: Vec<Change>,
    guard: Statement,
    statements: Vec<Statement>,
) -> Write {
    let at = clock.now();
    Write { commit_id: Id::new(clock, at), event_id: Id::new(clock, at), at, changes, statements, guard }
}
