//! The typed store: noun-first operations, each one read or one batch, over a small engine.
//!
//! Every SQL statement of grantd stands under this folder or in `schema.sql`. Calls block: readers take
//! microseconds, writers wait for the disk, so callers on an async thread use the blocking pool for writes
//! and for lists. No operation changes anything an administrator made without an audit commit in its batch.

pub mod engine;
pub mod schema;

mod access_grant;
mod api;
mod api_token;
mod apply;
mod audit;
mod candidate;
mod client;
mod console_session;
pub(crate) mod copy;
mod decision;
mod decision_tally;
mod entity;
mod expiry;
mod list;
mod local;
mod machine_to_machine;
mod name_index;
mod past_change;
mod policy;
mod policy_module;
mod question;
mod reach;
mod revoked_token;
mod service_account;
mod setting;
mod signing_key;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use quick_cache::sync::Cache;
use serde::Serialize;
use serde_json::Value;
use smallvec::SmallVec;
use tokio::sync::oneshot;

pub(crate) use access_grant::unknown_scopes;
pub use api::ApiView;
pub(crate) use apply::{CREDENTIAL, Draft, Stage};
pub use audit::{AuditBreak, AuditFault, AuditVerdict, CommitRow, EventRow};
pub(crate) use candidate::{Candidate, CandidateClient};
pub use client::{ClientView, GrantView, Grants};
pub use copy::{Step, Watch};
pub(crate) use decision::{CONTENT_REACH, NewContent, NewDecision};
pub(crate) use decision_tally::Tally;
pub(crate) use entity::Entity;
pub use entity::{Page, Query, Total};
pub(crate) use expiry::EndingSecret;
pub use expiry::Expiring;
pub(crate) use list::{Kind, Listing};
pub(crate) use local::lock;
pub use local::{Opened, is_in_use};
pub(crate) use past_change::{PastChange, Revision};
pub use policy::PolicyView;
pub use policy_module::{ModuleRow, StoredArtifact};
pub(crate) use question::Questions;
pub(crate) use revoked_token::RevokedToken;
pub(crate) use setting::MASTER_KEY_CHECK;
pub use signing_key::{KeyRow, KeyState};

use crate::clock::Timestamp;
use crate::error::{Error, Result, Violation};
use crate::model::api_token::{ApiToken, Role};
use crate::model::id::{CLIENT_ID_CHARS, Id};
use engine::{Batch, EngineError, ReadBounds, Row, Statement};
use local::LocalEngine;

/// What can be listed, beside resources.
pub(crate) mod listings {
    pub(crate) use super::api_token::API_TOKENS;
    pub(crate) use super::audit::{COMMITS, EVENTS};
    pub(crate) use super::decision::DECISIONS;
    pub(crate) use super::entity::listing_of;
    pub(crate) use super::policy_module::MODULES;
}

/// Bounds that the configuration sets.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits {
    /// Clients whose hot read is kept in memory.
    pub clients_cached: usize,
    /// SQLite's page cache, for each connection.
    pub page_cache_kib: u32,
}

/// What one page of a list may take.
const LISTED: ReadBounds = ReadBounds { bytes: 32 * 1024 * 1024, time: Duration::from_secs(10) };
/// API tokens whose lookup is kept in memory.
const API_TOKENS_CACHED: usize = 256;
/// APIs that are kept in memory to be shared between the clients that have grants at them.
const APIS_CACHED: usize = 1024;
/// Generations count from zero.
const NO_GENERATION: i64 = -1;
/// Policies that are kept in memory to be shared between the clients that they apply to.
const POLICIES_CACHED: usize = 1024;

/// A cached answer and the generation it was read in.
type Stamped<T> = (i64, Arc<T>);

/// A `client_id` in bytes. One that was made here takes no memory beside the cache's own table.
type ClientKey = SmallVec<[u8; CLIENT_ID_CHARS]>;

/// The database, typed.
pub struct Store {
    engine: LocalEngine,
    clients: Cache<ClientKey, Stamped<ClientView>>,
    apis: Cache<Id, Stamped<ApiView>>,
    /// A generation in which there was no policy.
    without_policies: AtomicI64,
    api_tokens: Cache<[u8; 32], Stamped<ApiToken>>,
    policies: Cache<Id, Arc<PolicyView>>,
    /// How far this server has sealed the audit chain, or found it sealed: the file must not say less.
    audit_sealed: AtomicI64,
}

/// Who writes, and why: what the audit commit and the event of a write are made from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The id of the API token or service account, or `system`.
    pub actor_id: String,
    /// Its name.
    pub actor_name: String,
    /// What kind of actor it is.
    pub actor_type: ActorType,
    /// What it may do.
    pub role: Role,
    /// `?reason=` of the request.
    pub reason: Option<String>,
    /// `?correlation=` of the request.
    pub correlation: Option<String>,
    /// The request's id.
    pub request_id: String,
    /// The caller's address.
    pub client_ip: Option<String>,
    /// The caller's program.
    pub user_agent: Option<String>,
}

/// Who may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorType {
    /// A bearer of the admin API.
    ApiToken,
    /// A service account with a token for the built-in API.
    ServiceAccount,
    /// grantd itself.
    System,
}

impl ActorType {
    /// As stored and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiToken => "apiToken",
            Self::ServiceAccount => "serviceAccount",
            Self::System => "system",
        }
    }
}

impl Origin {
    /// A write that grantd makes by itself.
    #[must_use]
    pub fn system(reason: &str) -> Self {
        Self {
            actor_id: "system".to_owned(),
            actor_name: "grantd".to_owned(),
            actor_type: ActorType::System,
            role: Role::Admin,
            reason: Some(reason.to_owned()),
            correlation: None,
            request_id: "system".to_owned(),
            client_ip: None,
            user_agent: None,
        }
    }
}

/// One thing that a write changed: its type, its id, and how it looked before and after. An audit commit has these in JSON.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// `ServiceAccount`, `Credential`, `SigningKey` …
    pub resource_type: &'static str,
    /// The id of what changed.
    pub id: String,
    /// What people call it.
    #[serde(skip)]
    pub name: String,
    /// `None` for something new.
    pub before: Option<Value>,
    /// `None` for something removed.
    pub after: Option<Value>,
}

/// An admin write on its way: what it does to the tables and what the audit trail says of it.
pub(crate) struct Write {
    pub(crate) commit_id: Id,
    pub(crate) event_id: Id,
    pub(crate) at: Timestamp,
    pub(crate) changes: Vec<Change>,
    pub(crate) statements: Batch,
    /// The audit insert whose `guard` holds the write's condition, with the parameters ?10 and up.
    pub(crate) guard: Statement,
}

/// A write that was handed to the engine: kept, or refused, when the commit that holds it is done.
#[must_use]
pub(crate) struct Underway(oneshot::Receiver<Result<(), EngineError>>);

impl Underway {
    /// Blocks until it is kept.
    ///
    /// # Errors
    /// Why it was refused.
    pub(crate) fn wait(self) -> Result<()> {
        self.0.blocking_recv().unwrap_or(Err(EngineError::Stopped)).map_err(plain_error)
    }

    /// As [`Underway::wait`], for async threads.
    ///
    /// # Errors
    /// Why it was refused.
    pub(crate) async fn kept(self) -> Result<()> {
        self.0.await.unwrap_or(Err(EngineError::Stopped)).map_err(plain_error)
    }
}

impl Store {
    /// Opens, or with `create` makes, the database at `path`.
    ///
    /// # Errors
    /// `Setup`: one line that names the file and the way out.
    pub fn open(path: &Path, create: bool, limits: StoreLimits) -> Result<(Self, Opened)> {
        let (engine, opened) = LocalEngine::open(path, create, limits.page_cache_kib)?;
        Ok((Self::over(engine, limits), opened))
    }

    /// Opens a database for reading alone, beside whoever uses it; answers its schema's version too. Every write fails.
    pub(crate) fn open_beside(path: &Path, limits: StoreLimits) -> Result<(Self, i32)> {
        let engine = LocalEngine::open_beside(path, limits.page_cache_kib);
        let store = Self::over(engine, limits);
        let version = store.version()?;
        Ok((store, version))
    }

    fn over(engine: LocalEngine, limits: StoreLimits) -> Self {
        Self {
            engine,
            clients: Cache::new(limits.clients_cached),
            apis: Cache::new(APIS_CACHED),
            without_policies: AtomicI64::new(NO_GENERATION),
            api_tokens: Cache::new(API_TOKENS_CACHED),
            policies: Cache::new(POLICIES_CACHED),
            audit_sealed: AtomicI64::new(0),
        }
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.engine.path()
    }

    /// Finishes the waiting writes and closes the file.
    pub fn close(&self) {
        self.engine.close();
    }

    /// Commits, batches that they kept, and batches that were refused, since the start.
    pub(crate) fn written(&self) -> [u64; 3] {
        self.engine.written()
    }

    fn read(&self, statement: &Statement) -> Result<Vec<Row>> {
        self.engine.read(statement).map_err(plain_error)
    }

    fn read_one(&self, statement: &Statement) -> Result<Option<Row>> {
        Ok(self.read(statement)?.into_iter().next())
    }

    /// Writes and waits for the commit.
    fn write(&self, batch: Batch) -> Result<(), EngineError> {
        self.engine.write(batch).blocking_recv().unwrap_or(Err(EngineError::Stopped))
    }

    /// Writes with the audit commit in front, whose guard fails the whole batch when its condition does not hold.
    fn write_audited(&self, write: Write, origin: &Origin) -> Result<(), EngineError> {
        self.write(audited(write, origin))
    }

    /// As [`Store::write_audited`], without waiting.
    fn begin_audited(&self, write: Write, origin: &Origin) -> Underway {
        Underway(self.engine.write(audited(write, origin)))
    }
}

fn audited(write: Write, origin: &Origin) -> Batch {
    let mut batch = audit::commit_statements(&write, origin);
    batch.extend(write.statements);
    batch
}

/// The domain's error for one of the engine's, where the operation itself has no better word.
fn plain_error(error: EngineError) -> Error {
    let cause = error.to_string();
    let unavailable = |detail: &str| Error::Unavailable { detail: detail.to_owned(), cause: cause.clone() };
    match error {
        EngineError::Full => {
            unavailable("the server's disk is full: nothing was changed; try again when there is room")
        }
        EngineError::Busy(_) => unavailable("the database is busy: nothing was changed; try again"),
        // After a sync that failed, what was written may turn up again at the next start.
        EngineError::Io(_) => {
            unavailable("the server's disk failed: look whether a change was kept before you repeat it, and try again")
        }
        EngineError::Stopped => unavailable("the server is stopping: nothing was changed; try again"),
        EngineError::Unique(what) => match taken_member(&what) {
            Some(member) => Error::Taken(Violation::new(
                format!("/{member}"),
                Value::Null,
                format!("this {member} is taken; choose another"),
            )),
            None => Error::Internal(format!("{what} is taken")),
        },
        EngineError::ForeignKey => Error::InUse {
            detail: "something that this names is gone, or something uses what this removes; read it again".to_owned(),
        },
        EngineError::TooLong => Error::Invalid(vec![Violation::new(
            "/filter",
            Value::Null,
            format!("this list took longer than {} seconds: narrow it, or sort it by nothing", LISTED.time.as_secs()),
        )]),
        EngineError::TooLarge => Error::Invalid(vec![Violation::new(
            "/count",
            Value::Null,
            format!("this page has more than {} MiB: ask for fewer items with count", LISTED.bytes / 1024 / 1024),
        )]),
        EngineError::Guard => {
            Error::Stale("it changed since it was read; read it again and repeat the change".to_owned())
        }
        EngineError::Constraint(_) | EngineError::Damaged(_) | EngineError::Sql(_) => Error::Internal(cause),
    }
}

/// The member that a UNIQUE column holds.
fn taken_member(column: &str) -> Option<&'static str> {
    // SQLite lists every column of the constraint; the first says enough.
    match column.split(',').next().unwrap_or_default() {
        "service_account.user_name" => Some("userName"),
        "machine_to_machine.client_id" => Some("clientId"),
        "api.app_id" => Some("appId"),
        "api.audience" => Some("audience"),
        "policy.name" => Some("name"),
        _ => None,
    }
}
