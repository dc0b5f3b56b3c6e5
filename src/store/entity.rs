//! The generic part of storing resources: read, page, insert, update, delete with everything that depends on it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::engine::{Batch, EngineError, Row, Statement, params};
use super::list::{Attribute, Listing};
use super::reach::Reach;
use super::{Change, Origin, Store, Underway, audit, plain_error};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::model::id::Id;
use crate::model::{Meta, Record, Resource};
use crate::secret::ServerKeys;

/// Dependents that one cascading delete takes along.
const CASCADE_MAX: usize = 10_000;
/// Dependents that a refusal names.
const NAMED_MAX: usize = 5;
/// Dependents that a refusal counts.
pub(super) const COUNTED_MAX: usize = 100;

/// How a resource is kept. The statements are constants; `from_row` reads the columns of `SELECT`.
pub(crate) trait Entity: Resource {
    /// `SELECT id, created_at_ms, modified_at_ms, revision, … FROM … AS t`
    const SELECT: &'static str;
    /// ` FROM … AS t`
    const FROM: &'static str;
    /// The column that orders them by their age.
    const KEY: &'static str = "t.id";
    /// What says how many there are, where counting them would take its time.
    const TOTAL: Option<&'static str> = None;
    /// How lists of them are read, where there may be any number.
    const REACH: Option<&'static Reach> = None;
    /// The audit insert whose guard is: the row with id ?10 has revision ?11.
    const GUARD: &'static str;
    /// The [`unchanged`] of its table.
    const UNCHANGED: &'static str;
    /// What lists can filter and sort by.
    const ATTRIBUTES: &'static [Attribute];
    /// Whether others may do more when it is gone: then deleting what leads to the admin API takes the role admin.
    const DELETING_WIDENS: bool = false;
    /// Whether all that a write with this body takes before its commit is a few reads.
    fn is_quick(_body: &Value) -> bool {
        true
    }

    fn value_from_row(row: &Row) -> Result<Self, EngineError>;
    fn insert(record: &Record<Self>) -> Batch;
    fn update(record: &Record<Self>) -> Batch;
    fn delete(id: &Id) -> Batch;
    /// What people call it.
    fn name(&self) -> &str;
    /// Turns the names it refers to into ids, and checks what only the store can.
    fn resolve(&mut self, store: &Store, current: Option<&Self>) -> Result<()>;
    /// Adds what a new one is made with; answers what is shown of it this once.
    fn complete_new(&mut self, _clock: &Clock, _keys: &ServerKeys) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }
    /// Whether it leads into the admin API itself: then writing it takes the role admin.
    fn leads_to_admin(&self, _store: &Store) -> Result<bool> {
        Ok(false)
    }
    /// The module that must accept its settings, and the settings.
    fn module_settings(&self) -> Option<(&str, String)> {
        None
    }
    /// What would break without it: so much of it at most, since there may be any number.
    fn dependents(store: &Store, id: &Id, count_max: usize) -> Result<Vec<Dependent>>;
}

/// A statement that fails the whole batch, as a guard does, unless the row with id ?1 has revision ?2.
macro_rules! unchanged {
    ($table:literal) => {
        concat!(
            "UPDATE generation SET only_row = 2 WHERE NOT EXISTS (SELECT 1 FROM ",
            $table,
            " WHERE id = ?1 AND revision = ?2)"
        )
    };
}
pub(super) use unchanged;

/// Something that refers to what is to be deleted.
pub(crate) struct Dependent {
    pub(crate) change: Change,
    pub(crate) delete: Batch,
}

/// What a list is asked for.
#[derive(Debug, Default)]
pub struct Query {
    /// Only what fits this.
    pub filter: Option<Filter>,
    /// Sort by this attribute; by id, which is by age, without one.
    pub sort_by: Option<String>,
    /// From high to low.
    pub descending: bool,
    /// 1-based index of the first one.
    pub start_index: u32,
    /// Size of the page.
    pub count: u32,
    /// For a person who waits: what would take a walk over everything is counted and looked through only so far, and the
    /// page says so.
    pub bounded: bool,
}

/// How many fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// That many, as far as was counted.
    pub count: i64,
    /// Whether there are more.
    pub has_more: bool,
}

impl Total {
    /// Those of these that are not among the others, where both are known.
    #[must_use]
    pub fn without(self, others: Self) -> Option<Self> {
        let is_known = !self.has_more && !others.has_more;
        is_known.then(|| Self { count: self.count - others.count, has_more: false })
    }
}

/// One page of a list.
pub struct Page<T> {
    /// How many fit, on all pages.
    pub total: Total,
    /// Only so many rows were looked at, the newest: what is older and fits is not among these.
    pub looked_at: Option<i64>,
    /// Those of this page.
    pub items: Vec<T>,
}

impl<T> Page<T> {
    /// The same page of what turns of its items.
    pub(crate) fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page { total: self.total, looked_at: self.looked_at, items: self.items.into_iter().map(turn).collect() }
    }
}

/// How resources of a type are listed.
pub(crate) fn listing_of<E: Entity>() -> Listing {
    Listing {
        from: E::FROM,
        select: E::SELECT,
        key: E::KEY,
        attributes: E::ATTRIBUTES,
        has_meta: true,
        total: E::TOTAL,
        reach: E::REACH,
    }
}

/// Turns one row into a record: the first four columns are the same for every entity.
fn record_from_row<E: Entity>(row: &Row) -> Result<Record<E>, EngineError> {
    Ok(Record {
        id: row.id(0)?,
        meta: Meta { created: row.time(1)?, last_modified: row.time(2)?, revision: row.integer(3)? },
        value: E::value_from_row(row)?,
    })
}

/// How the audit trail shows a record.
fn snapshot<E: Entity>(record: &Record<E>) -> Value {
    let mut members = Map::new();
    members.insert("id".to_owned(), record.id.as_str().into());
    members.extend(record.value.members());
    members.insert("revision".to_owned(), record.meta.revision.into());
    Value::Object(members)
}

pub(super) fn change<E: Entity>(before: Option<&Record<E>>, after: Option<&Record<E>>) -> Option<Change> {
    Some(change_of(after.or(before)?, before.map(snapshot), after.map(snapshot)))
}

fn change_of<E: Entity>(shown: &Record<E>, before: Option<Value>, after: Option<Value>) -> Change {
    Change { resource_type: E::TYPE, id: shown.id.to_string(), name: shown.value.name().to_owned(), before, after }
}

impl Store {
    /// The resource with this id.
    pub(crate) fn resource_by_id<E: Entity>(&self, id: &str) -> Result<Record<E>> {
        let sql = [E::SELECT, " WHERE t.id = ?1"].concat();
        let row = self.read_one(&Statement { sql: sql.into(), params: params![id] })?;
        let row = row.ok_or_else(|| Error::NotFound(format!("there is no {} with the id {id}", E::TYPE)))?;
        record_from_row(&row).map_err(plain_error)
    }

    /// Every resource that a condition over `t` (a constant) holds for.
    pub(crate) fn resources_where<E: Entity>(
        &self,
        condition: &'static str,
        params: Vec<super::engine::Value>,
    ) -> Result<Vec<Record<E>>> {
        let sql = [E::SELECT, " WHERE ", condition, " ORDER BY t.id"].concat();
        let rows = self.read(&Statement { sql: sql.into(), params })?;
        rows.iter().map(|row| record_from_row(row).map_err(plain_error)).collect()
    }

    /// Those that a condition over `t` (a constant) with ?1 holds for, as dependents of something, in the order that
    /// they are found in: any other would take a look at all of them.
    pub(super) fn dependents_where<E: Entity>(
        &self,
        condition: &'static str,
        id: &str,
        count_max: usize,
    ) -> Result<Vec<Dependent>> {
        let sql = [E::SELECT, " WHERE ", condition, " LIMIT ?2"].concat();
        let rows = self.read(&Statement { sql: sql.into(), params: params![id, count_max as i64] })?;
        rows.iter()
            .map(|row| record_from_row(row).map(|record| as_dependent::<E>(&record)).map_err(plain_error))
            .collect()
    }

    /// Those that come after an id, oldest first.
    pub(crate) fn resources_after<E: Entity>(&self, id: &str, count: u32) -> Result<Vec<Record<E>>> {
        let sql = [E::SELECT, " WHERE t.id > ?1 ORDER BY t.id LIMIT ?2"].concat();
        let rows = self.read(&Statement { sql: sql.into(), params: params![id, i64::from(count)] })?;
        rows.iter().map(|row| record_from_row(row).map_err(plain_error)).collect()
    }

    /// One page of a list, and how many there are, as of one moment.
    pub(crate) fn resource_list<E: Entity>(&self, query: &Query) -> Result<Page<Record<E>>> {
        self.page(&listing_of::<E>(), query, record_from_row)
    }

    /// Begins to store a new resource.
    pub(crate) fn resource_insert<E: Entity>(&self, record: &Record<E>, clock: &Clock, origin: &Origin) -> Underway {
        let changes = change(None, Some(record)).into_iter().collect();
        let write = audit::write_of(clock, changes, audit::unguarded(), E::insert(record));
        self.begin_audited(write, origin)
    }

    /// Begins to store `value` in place of `before`, unless that changed meanwhile. The same value is no write at all.
    pub(crate) fn resource_update<E: Entity>(
        &self,
        before: &Record<E>,
        value: E,
        clock: &Clock,
        origin: &Origin,
    ) -> (Record<E>, Option<Underway>) {
        if value == before.value {
            return (before.clone(), None);
        }
        // A clock that stepped back must not make a resource older than it is.
        let now = clock.now().max(before.meta.last_modified);
        let meta = Meta { last_modified: now, revision: before.meta.revision + 1, ..before.meta };
        let after = Record { id: before.id.clone(), meta, value };
        let guard = Statement::new(E::GUARD, params![&before.id, before.meta.revision]);
        let changes = change(Some(before), Some(&after)).into_iter().collect();
        let write = audit::write_of(clock, changes, guard, E::update(&after));
        let underway = self.begin_audited(write, origin);
        (after, Some(underway))
    }

    /// Deletes a resource, and with `cascade` what depends on it.
    pub(crate) fn resource_delete<E: Entity>(
        &self,
        record: &Record<E>,
        cascade: bool,
        clock: &Clock,
        origin: &Origin,
    ) -> Result<()> {
        let count_max = if cascade { CASCADE_MAX } else { COUNTED_MAX };
        let dependents = E::dependents(self, &record.id, count_max + 1)?;
        if !dependents.is_empty() && !cascade {
            return Err(Error::InUse { detail: in_use(E::TYPE, &dependents) });
        }
        if dependents.len() > CASCADE_MAX {
            return Err(Error::InUse {
                detail: format!(
                    "more than {CASCADE_MAX} things depend on it, and one delete takes no more along: delete some of them first"
                ),
            });
        }
        let mut changes = Vec::with_capacity(dependents.len() + 1);
        let mut statements = Batch::new();
        for dependent in dependents {
            changes.push(dependent.change);
            statements.extend(dependent.delete);
        }
        changes.extend(change(Some(record), None));
        statements.extend(E::delete(&record.id));
        let guard = Statement::new(E::GUARD, params![&record.id, record.meta.revision]);
        let write = audit::write_of(clock, changes, guard, statements);
        self.write_audited(write, origin).map_err(plain_error)
    }

    /// The id of the one resource that a caller names by `condition` over `t` with ?1.
    pub(crate) fn id_where<E: Entity>(&self, condition: &'static str, name: &str) -> Result<Option<Id>> {
        let found = self.resources_where::<E>(condition, params![name])?;
        // An id beats a name that happens to look like it.
        let exact = found.iter().find(|record| record.id.as_str() == name).or_else(|| found.first());
        Ok(exact.map(|record| record.id.clone()))
    }
}

/// A record as a thing that depends on another. One that changes before it is deleted stops the delete: the audit trail
/// tells of what was there.
fn as_dependent<E: Entity>(record: &Record<E>) -> Dependent {
    let mut delete = vec![Statement::new(E::UNCHANGED, params![&record.id, record.meta.revision])];
    delete.extend(E::delete(&record.id));
    Dependent { change: change_of(record, Some(snapshot(record)), None), delete }
}

fn in_use(resource_type: &str, dependents: &[Dependent]) -> String {
    format!(
        "this {resource_type} is in use by {}; delete those first, or add ?cascade=true to delete them with it",
        named(dependents)
    )
}

/// Some of them by their names, and how many more there are of up to one more than [`COUNTED_MAX`].
pub(super) fn named(dependents: &[Dependent]) -> String {
    let names = dependents.iter().take(NAMED_MAX);
    let names: Vec<String> =
        names.map(|d| format!("{} {} ({})", d.change.resource_type, d.change.name, d.change.id)).collect();
    let rest = match dependents.len() - names.len() {
        0 => String::new(),
        _ if dependents.len() > COUNTED_MAX => " and many more".to_owned(),
        more => format!(" and {more} more"),
    };
    format!("{}{rest}", names.join(", "))
}

/// A list of distinct names for a statement that takes a JSON array.
pub(crate) fn json_array<'a>(items: impl Iterator<Item = &'a str>) -> String {
    // Texts always have a JSON form.
    serde_json::to_string(&items.collect::<BTreeSet<_>>()).unwrap_or_default()
}

/// The columns every entity begins and ends with, as parameters ?1 to ?4 of its inserts and updates.
pub(crate) fn meta_params<E: Entity>(record: &Record<E>) -> Vec<super::engine::Value> {
    params![&record.id, record.meta.created, record.meta.last_modified, record.meta.revision]
}
