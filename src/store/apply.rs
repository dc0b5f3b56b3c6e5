//! What an apply needs of the store: many things by name at a time, what earlier applies made, and one write that
//! holds everything or nothing.
//!
//! It decides nothing: `apply/plan.rs` says what changes.

use std::collections::HashSet;

use super::api::upsert_scopes;
use super::audit::{commit_statements, guarded_commit, unguarded};
use super::engine::{Batch, EngineError, Statement, params};
use super::entity::{Entity, change, json_array};
use super::machine_to_machine::{credential_change, delete_credential, end_credential, insert_credential};
use super::name_index::index_all;
use super::{Change, Origin, Store, Write, plain_error};
use crate::clock::{Clock, Timestamp};
use crate::error::Result;
use crate::model::Record;
use crate::model::api::Api;
use crate::model::credential::Credential;
use crate::model::id::Id;
use crate::model::machine_to_machine::MachineToMachine;

/// The type of a secret in the audit trail and among the marks.
pub(crate) const CREDENTIAL: &str = "Credential";
/// Changes that one audit commit of an apply holds: a commit is read as a whole.
const CHANGES_PER_COMMIT: usize = 500;
/// Marks that one statement writes.
const MARKS_AT_ONCE: usize = 1000;
/// Holds while nothing was committed since the plan was made.
const GUARD: &str = guarded_commit!("(SELECT 1 FROM generation WHERE value = ?10)");

/// The statements of a plan in the order in which they hold at every step, whatever order they were planned in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Unique names that others in the plan may take over.
    Release,
    /// What refers to others goes before them.
    RemoveReferring,
    Accounts,
    Apis,
    Clients,
    Policies,
    Grants,
    /// Scopes go after the grants that held them.
    Narrow,
    /// What others referred to.
    RemoveReferred,
}

const STAGES: usize = Stage::RemoveReferred as usize + 1;

/// A write that is being put together.
pub(crate) struct Draft {
    stages: [Batch; STAGES],
    commits: Batch,
    waiting: Vec<Change>,
    marks: Vec<(&'static str, Vec<Id>)>,
    generation: i64,
    origin: Origin,
    clock: Clock,
    at: Timestamp,
}

impl Draft {
    /// For what is planned on the state of `generation`.
    pub(crate) fn new(generation: i64, origin: &Origin, clock: &Clock) -> Self {
        Self {
            stages: Default::default(),
            commits: Batch::new(),
            waiting: Vec::new(),
            marks: Vec::new(),
            generation,
            origin: origin.clone(),
            clock: clock.clone(),
            at: clock.now(),
        }
    }

    /// Whether it would change anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.commits.is_empty() && self.waiting.is_empty()
    }

    /// Adds a new resource.
    pub(crate) fn insert<E: Entity>(&mut self, stage: Stage, record: &Record<E>) {
        self.stages[stage as usize].extend(E::insert(record));
        self.note(change(None, Some(record)));
        self.mark(E::TYPE, &record.id);
    }

    /// Puts a resource in the place of what it was.
    pub(crate) fn update<E: Entity>(&mut self, stage: Stage, before: &Record<E>, after: &Record<E>) {
        self.stages[stage as usize].extend(E::update(after));
        self.note(change(Some(before), Some(after)));
    }

    /// Puts an API in the place of what it was: its new scopes come before the grants that need them, and those that
    /// go, go after the grants that held them.
    pub(crate) fn update_api(&mut self, before: &Record<Api>, after: &Record<Api>) {
        if before.value.audience != after.value.audience {
            self.also(Stage::Release, [release_audience(&before.id)]);
        }
        self.also(Stage::Apis, upsert_scopes(after));
        self.update(Stage::Narrow, before, after);
    }

    /// Takes an API away, and lets go of its audience first.
    pub(crate) fn delete_api(&mut self, record: &Record<Api>) {
        self.also(Stage::Release, [release_audience(&record.id)]);
        self.delete(Stage::RemoveReferred, record);
    }

    /// Adds a secret to a client.
    pub(crate) fn insert_credential(&mut self, client: &Record<MachineToMachine>, credential: &Credential) {
        self.also(Stage::Clients, [insert_credential(&client.id, credential)]);
        self.note(credential_change(client, None, Some(credential)));
        self.mark(CREDENTIAL, &credential.id);
    }

    /// Gives a secret another end.
    pub(crate) fn end_credential(
        &mut self,
        client: &Record<MachineToMachine>,
        before: &Credential,
        after: &Credential,
    ) {
        self.also(Stage::Clients, [end_credential(after)]);
        self.note(credential_change(client, Some(before), Some(after)));
    }

    /// Ends a secret.
    pub(crate) fn delete_credential(&mut self, client: &Record<MachineToMachine>, credential: &Credential) {
        self.also(Stage::RemoveReferring, [delete_credential(&credential.id)]);
        self.note(credential_change(client, Some(credential), None));
    }

    /// Takes a resource away.
    pub(crate) fn delete<E: Entity>(&mut self, stage: Stage, record: &Record<E>) {
        self.stages[stage as usize].extend(E::delete(&record.id));
        self.note(change(Some(record), None));
    }

    fn also(&mut self, stage: Stage, statements: impl IntoIterator<Item = Statement>) {
        self.stages[stage as usize].extend(statements);
    }

    /// Adds a change to the audit trail. A full commit becomes text at once, which takes less room.
    fn note(&mut self, change: Option<Change>) {
        self.waiting.extend(change);
        if self.waiting.len() == CHANGES_PER_COMMIT {
            self.seal();
        }
    }

    /// Remembers that this was made by an apply.
    pub(crate) fn mark(&mut self, resource_type: &'static str, id: &Id) {
        match self.marks.iter_mut().find(|(known, _)| *known == resource_type) {
            Some((_, ids)) => ids.push(id.clone()),
            None => self.marks.push((resource_type, vec![id.clone()])),
        }
    }

    fn seal(&mut self) {
        let is_first = self.commits.is_empty();
        let write = Write {
            commit_id: Id::new(&self.clock, self.at),
            event_id: Id::new(&self.clock, self.at),
            at: self.at,
            changes: std::mem::take(&mut self.waiting),
            statements: Batch::new(),
            guard: if is_first { Statement::new(GUARD, params![self.generation]) } else { unguarded() },
        };
        self.commits.extend(commit_statements(&write, &self.origin));
    }

    /// The whole batch, the guard first.
    fn into_batch(mut self, owner: &str) -> Batch {
        const MARK: &str = "INSERT INTO managed (id, resource_type, owner) SELECT value, ?1, ?2 FROM json_each(?3)";
        if !self.waiting.is_empty() {
            self.seal();
        }
        let mut batch = self.commits;
        for stage in self.stages {
            batch.extend(stage);
        }
        for (resource_type, ids) in &self.marks {
            for some in ids.chunks(MARKS_AT_ONCE) {
                let ids = json_array(some.iter().map(Id::as_str));
                batch.push(Statement::new(MARK, params![*resource_type, owner, ids]));
            }
        }
        batch.extend(index_all());
        batch
    }
}

impl Store {
    /// The state that a plan is made on: it moves with every committed change.
    pub(crate) fn generation(&self) -> Result<i64> {
        self.engine.generation().map(|generation| generation.value).map_err(plain_error)
    }

    /// Every resource whose `column`, in a condition over `t` with ?1, is one of `names`.
    pub(crate) fn resources_among<'a, E: Entity>(
        &self,
        condition: &'static str,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<Record<E>>> {
        self.resources_where(condition, params![json_array(names)])
    }

    /// The ids of what applies under this name made and is still there.
    pub(crate) fn managed_by(&self, owner: &str, resource_type: &str) -> Result<HashSet<Id>> {
        const MANAGED: &str = "SELECT id FROM managed WHERE owner = ?1 AND resource_type = ?2";
        let rows = self.read(&Statement::new(MANAGED, params![owner, resource_type]))?;
        rows.iter().map(|row| row.id(0).map_err(plain_error)).collect()
    }

    /// Those of the ids of what applies under other names made.
    pub(crate) fn managed_by_others<'a>(&self, owner: &str, ids: impl Iterator<Item = &'a str>) -> Result<HashSet<Id>> {
        const OTHERS: &str =
            "SELECT m.id FROM json_each(?1) AS j JOIN managed AS m ON m.id = j.value WHERE m.owner <> ?2";
        let rows = self.read(&Statement::new(OTHERS, params![json_array(ids), owner]))?;
        rows.iter().map(|row| row.id(0).map_err(plain_error)).collect()
    }

    /// The accounts that are let into the admin API by a grant.
    pub(crate) fn admin_account_ids(&self) -> Result<HashSet<Id>> {
        const ADMINS: &str = "SELECT DISTINCT g.service_account_id FROM access_grant AS g JOIN api AS p ON p.id = g.api_id \
            WHERE p.built_in = 1";
        let rows = self.read(&Statement::new(ADMINS, Vec::new()))?;
        rows.iter().map(|row| row.id(0).map_err(plain_error)).collect()
    }

    /// Commits a draft. `None`: something else was committed since it was begun, so it must be planned again.
    pub(crate) fn draft_commit(&self, draft: Draft, owner: &str) -> Result<Option<()>> {
        match self.write(draft.into_batch(owner)) {
            Ok(()) => Ok(Some(())),
            Err(EngineError::Guard) => Ok(None),
            Err(error) => Err(plain_error(error)),
        }
    }
}

/// Makes room for a name that moves from one API to another in one plan.
fn release_audience(api: &Id) -> Statement {
    Statement::new("UPDATE api SET audience = NULL WHERE id = ?1", params![api])
}
