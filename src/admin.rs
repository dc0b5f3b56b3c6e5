//! The admin operations: create, read, list, replace, patch and delete, the same for every resource.
//!
//! It decides; `http/admin` only carries. Every call blocks, so it runs on the blocking pool. A write is
//! validated whole, names every violation, and changes everything it says or nothing.

pub(crate) mod access;
pub(crate) mod actor;
pub(crate) mod asides;
pub(crate) mod decisions;
pub(crate) mod evaluate;
pub(crate) mod grounds;
pub(crate) mod one_time;
pub(crate) mod operations;
pub(crate) mod policies;
pub(crate) mod replay;
pub(crate) mod session;

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::app::App;
use crate::clock::Clock;
use crate::error::{Error, Result, Violation};
use crate::model::api::{Api, ApiScope, BUILT_IN_APP_ID, SigningAlg};
use crate::model::api_token::Role;
use crate::model::fields::Fields;
use crate::model::id::Id;
use crate::model::{ENVELOPE_MEMBERS, Meta, Record};
use crate::patch::{Patch, PatchError};
use crate::store::{Entity, Origin, Page, Query, Store, Underway};

/// Tries at a change of something that others change all the while.
const ATTEMPTS_MAX: usize = 100;
/// From the second try on they come one after the other: then each loses to newcomers alone, and not to those who lose too.
static TRYING_AGAIN: Mutex<()> = Mutex::new(());

/// A new resource, and what is shown of it this once.
pub(crate) struct Created<E: Entity> {
    pub(crate) record: Record<E>,
    pub(crate) once: Map<String, Value>,
}

/// A write that was handed over, and what it made if it is kept.
#[must_use]
pub(crate) struct Begun<'a, T> {
    made: T,
    underway: Option<Underway>,
    sent: Cow<'a, Map<String, Value>>,
}

impl<'a, T> Begun<'a, T> {
    /// Makes something else of what it made, while the disk works.
    pub(crate) fn map<U>(self, make: impl FnOnce(T) -> U) -> Begun<'a, U> {
        Begun { made: make(self.made), underway: self.underway, sent: self.sent }
    }

    /// Blocks until it is kept.
    pub(crate) fn wait(self) -> Result<T> {
        let kept = self.underway.map_or(Ok(()), Underway::wait);
        kept.map_err(|error| with_sent_value(error, &self.sent)).map(|()| self.made)
    }

    /// As [`Begun::wait`], for async threads.
    pub(crate) async fn kept(self) -> Result<T> {
        let Some(underway) = self.underway else { return Ok(self.made) };
        underway.kept().await.map_err(|error| with_sent_value(error, &self.sent)).map(|()| self.made)
    }
}

/// Makes a resource out of a body.
pub(crate) fn create<E: Entity>(app: &App, body: &Map<String, Value>, origin: &Origin) -> Result<Created<E>> {
    begin_create(app, body, origin)?.wait()
}

/// As [`create`], without waiting.
pub(crate) fn begin_create<'a, E: Entity>(
    app: &App,
    body: &'a Map<String, Value>,
    origin: &Origin,
) -> Result<Begun<'a, Created<E>>> {
    let mut value = parse::<E>(app, body, None)?;
    value.resolve(&app.store, None)?;
    check_admin(app, &value, origin)?;
    policies::check_settings(app, &value, None)?;
    let once = value.complete_new(&app.clock, &app.server_keys)?;
    let now = app.clock.now();
    let meta = Meta { created: now, last_modified: now, revision: 1 };
    let record = Record { id: Id::new(&app.clock, now), meta, value };
    let underway = app.store.resource_insert(&record, &app.clock, origin);
    Ok(Begun { made: Created { record, once }, underway: Some(underway), sent: Cow::Borrowed(body) })
}

/// One resource.
pub(crate) fn read<E: Entity>(app: &App, id: &str) -> Result<Record<E>> {
    app.store.resource_by_id(id)
}

/// One page of a list.
pub(crate) fn list<E: Entity>(app: &App, query: &Query) -> Result<Page<Record<E>>> {
    app.store.resource_list(query)
}

/// Replaces a resource by a whole new body (PUT). `revision`, from `If-Match` or the body, is the one it replaces.
pub(crate) fn replace<E: Entity>(
    app: &App,
    id: &str,
    body: &Map<String, Value>,
    revision: Option<i64>,
    origin: &Origin,
) -> Result<Record<E>> {
    let revision = revision.or(body_revision(body)?);
    whatever_it_was(revision, || begin_replace(app, id, body, revision, origin)?.wait())
}

/// As [`replace`], without waiting.
pub(crate) fn begin_replace<'a, E: Entity>(
    app: &App,
    id: &str,
    body: &'a Map<String, Value>,
    revision: Option<i64>,
    origin: &Origin,
) -> Result<Begun<'a, Record<E>>> {
    let before = app.store.resource_by_id::<E>(id)?;
    check_revision(&before, revision.or(body_revision(body)?))?;
    check_id(&before, body)?;
    begin_update(app, &before, Cow::Borrowed(body), origin)
}

/// Changes parts of a resource (PATCH, RFC 7644 3.5.2).
pub(crate) fn patch<E: Entity>(
    app: &App,
    id: &str,
    body: &Value,
    revision: Option<i64>,
    origin: &Origin,
) -> Result<Record<E>> {
    let patch = Patch::parse(body).map_err(patch_error)?;
    let revision = revision.or(patch.revision);
    whatever_it_was(revision, || begin_parsed_patch(app, id, &patch, revision, origin)?.wait())
}

/// As [`patch`], without waiting.
pub(crate) fn begin_patch<E: Entity>(
    app: &App,
    id: &str,
    body: &Value,
    revision: Option<i64>,
    origin: &Origin,
) -> Result<Begun<'static, Record<E>>> {
    let patch = Patch::parse(body).map_err(patch_error)?;
    begin_parsed_patch(app, id, &patch, revision.or(patch.revision), origin)
}

fn begin_parsed_patch<E: Entity>(
    app: &App,
    id: &str,
    patch: &Patch,
    revision: Option<i64>,
    origin: &Origin,
) -> Result<Begun<'static, Record<E>>> {
    begin_change(app, id, revision, origin, |before: &Record<E>| {
        let mut document = before.writable_json();
        patch.apply(&mut document, E::WRITABLE).map_err(patch_error)?;
        Ok(document)
    })
}

/// Puts a body that is made out of a resource in its place.
pub(crate) fn change<E: Entity>(
    app: &App,
    id: &str,
    revision: Option<i64>,
    origin: &Origin,
    mut body: impl FnMut(&Record<E>) -> Result<Map<String, Value>>,
) -> Result<Record<E>> {
    whatever_it_was(revision, || begin_change(app, id, revision, origin, &mut body)?.wait())
}

fn begin_change<E: Entity>(
    app: &App,
    id: &str,
    revision: Option<i64>,
    origin: &Origin,
    body: impl FnOnce(&Record<E>) -> Result<Map<String, Value>>,
) -> Result<Begun<'static, Record<E>>> {
    let before = app.store.resource_by_id::<E>(id)?;
    check_revision(&before, revision)?;
    let body = body(&before)?;
    check_id(&before, &body)?;
    begin_update(app, &before, Cow::Owned(body), origin)
}

/// Deletes a resource; with `cascade` what depends on it too.
pub(crate) fn delete<E: Entity>(
    app: &App,
    id: &str,
    cascade: bool,
    revision: Option<i64>,
    origin: &Origin,
) -> Result<()> {
    whatever_it_was(revision, || {
        let before = app.store.resource_by_id::<E>(id)?;
        check_revision(&before, revision)?;
        if E::DELETING_WIDENS {
            check_admin(app, &before.value, origin)?;
        }
        app.store.resource_delete(&before, cascade, &app.clock, origin)
    })
}

/// Does it again where others changed the same thing between reading and writing: whoever names no revision has said what
/// is to be, whatever it was.
fn whatever_it_was<T>(revision: Option<i64>, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let is_lost = |outcome: &Result<T>| revision.is_none() && matches!(outcome, Err(Error::Stale(_)));
    let mut outcome = attempt();
    if is_lost(&outcome) {
        let _turn = TRYING_AGAIN.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 1..ATTEMPTS_MAX {
            outcome = attempt();
            if !is_lost(&outcome) {
                break;
            }
        }
    }
    outcome
}

fn begin_update<'a, E: Entity>(
    app: &App,
    before: &Record<E>,
    body: Cow<'a, Map<String, Value>>,
    origin: &Origin,
) -> Result<Begun<'a, Record<E>>> {
    let mut value = parse(app, &body, Some(&before.value))?;
    value.resolve(&app.store, Some(&before.value))?;
    check_admin(app, &before.value, origin)?;
    check_admin(app, &value, origin)?;
    policies::check_settings(app, &value, Some(&before.value))?;
    let (made, underway) = app.store.resource_update(before, value, &app.clock, origin);
    Ok(Begun { made, underway, sent: body })
}

fn parse<E: Entity>(app: &App, body: &Map<String, Value>, current: Option<&E>) -> Result<E> {
    let mut fields = Fields::new(body, "").with_lifetime_seconds_min(app.token_lifetime_seconds_min());
    let value = E::parse(&mut fields, current);
    let violations = fields.finish(ENVELOPE_MEMBERS);
    if violations.is_empty() { Ok(value) } else { Err(Error::Invalid(violations)) }
}

/// What leads into the admin API is for administrators: an editor must not make itself one.
pub(crate) fn check_admin<E: Entity>(app: &App, value: &E, origin: &Origin) -> Result<()> {
    if origin.role < Role::Admin && value.leads_to_admin(&app.store)? {
        return Err(Error::Forbidden {
            detail: "this leads to the admin API itself, and so needs the role admin".to_owned(),
        });
    }
    Ok(())
}

fn check_revision<E: Entity>(before: &Record<E>, wanted: Option<i64>) -> Result<()> {
    match wanted {
        Some(revision) if revision != before.meta.revision => Err(Error::Stale(format!(
            "this {} is at revision {}, not {revision}: read it again and repeat the change",
            E::TYPE,
            before.meta.revision
        ))),
        _ => Ok(()),
    }
}

fn check_id<E: Entity>(before: &Record<E>, body: &Map<String, Value>) -> Result<()> {
    match body.get("id") {
        Some(id) if id.as_str() != Some(before.id.as_str()) => {
            Err(Error::Invalid(vec![Violation::new("/id", id.clone(), "is not the id in the path")]))
        }
        _ => Ok(()),
    }
}

fn body_revision(body: &Map<String, Value>) -> Result<Option<i64>> {
    let Some((name, value)) = body.iter().find(|(name, _)| name.eq_ignore_ascii_case("revision")) else {
        return Ok(None);
    };
    let number = value.as_i64();
    let refused = || Error::Invalid(vec![Violation::new(format!("/{name}"), value.clone(), "must be a whole number")]);
    number.map(Some).ok_or_else(refused)
}

/// A taken name, with the value that was sent.
fn with_sent_value(error: Error, body: &Map<String, Value>) -> Error {
    match error {
        Error::Taken(mut violation) => {
            violation.invalid_value =
                body.get(violation.property_path.trim_start_matches('/')).cloned().unwrap_or_default();
            Error::Taken(violation)
        }
        other => other,
    }
}

pub(crate) fn patch_error(error: PatchError) -> Error {
    Error::Invalid(vec![Violation::new(error.property_path, error.invalid_value.unwrap_or_default(), error.message)])
}

/// The API that guards the admin API, made with the database: a grant at it lets a service account in. One that an
/// older grantd made gets the scopes that it lacks.
pub(crate) fn make_built_in(store: &Store, clock: &Clock) -> Result<()> {
    let origin = Origin::system("the API of grantd itself");
    let wanted = built_in_scopes();
    if let Some(existing) = store.resources_where::<Api>("t.built_in = 1", Vec::new())?.into_iter().next() {
        let is_there =
            |scope: &ApiScope| existing.value.scopes.iter().any(|known| known.identifier == scope.identifier);
        let missing = wanted.into_iter().filter(|scope| !is_there(scope));
        let mut value = existing.value.clone();
        value.scopes.extend(missing);
        return store.resource_update(&existing, value, clock, &origin).1.map_or(Ok(()), Underway::wait);
    }
    let api = Api {
        app_id: BUILT_IN_APP_ID.to_owned(),
        audience: None,
        display_name: "grantd admin API".to_owned(),
        active: true,
        scopes: wanted,
        signing_alg: SigningAlg::EdDsa,
        token_lifetime_seconds: 600,
        claims: std::collections::BTreeMap::new(),
        attributes: Map::new(),
        built_in: true,
    };
    let now = clock.now();
    let meta = Meta { created: now, last_modified: now, revision: 1 };
    let record = Record { id: Id::new(clock, now), meta, value: api };
    store.resource_insert(&record, clock, &origin).wait()
}

fn built_in_scopes() -> Vec<ApiScope> {
    let scope = |identifier: &str, display_name: &str, description: &str, sensitivity: &str| ApiScope {
        identifier: identifier.to_owned(),
        display_name: display_name.to_owned(),
        description: description.to_owned(),
        sensitivity: sensitivity.to_owned(),
        default: false,
    };
    vec![
        scope("read", "Read", "Read every resource, the audit trail and the keys", "medium"),
        scope("edit", "Edit", "Also write resources and client secrets", "high"),
        scope("admin", "Administer", "Also handle API tokens and rotate keys", "high"),
        scope("introspect", "Introspect", "Ask of every token whether it is active: for resource servers", "medium"),
    ]
}
