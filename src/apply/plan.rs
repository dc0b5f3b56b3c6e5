//! The plan: what has to change so that everything is as a document says, found out on one state of the store and
//! written only if that state still stands.
//!
//! Names are looked up many at a time. A thing that is as it should be is not touched, so that a document that was
//! applied before changes nothing, not even a revision.

mod clients;
mod grants;
mod policies;
mod prune;

use std::collections::{HashMap, HashSet};

use super::Options;
use super::document::{Document, Violations};
use super::form::{self, Form};
use super::report::{Action, Report};
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::api::Api;
use crate::model::api_token::Role;
use crate::model::fields::nearest;
use crate::model::id::Id;
use crate::model::service_account::ServiceAccount;
use crate::model::{Meta, Record};
use crate::store::{Draft, Entity, Origin, Stage};

/// Names that one statement looks up.
const NAMES_AT_ONCE: usize = 500;

/// A plan that was made.
pub(super) struct Plan {
    pub(super) draft: Draft,
    pub(super) report: Report,
}

/// Finds out what has to change.
///
/// # Errors
/// `Invalid` for names that lead nowhere and the like, each with a pointer into the document; `InUse` for what cannot
/// go; `Forbidden` for what leads into the admin API.
pub(super) fn plan(app: &App, document: &Document, options: &Options, origin: &Origin) -> Result<Plan> {
    let generation = app.store.generation()?;
    let mut planner = Planner {
        app,
        options,
        now: app.clock.now(),
        draft: Draft::new(generation, origin, &app.clock),
        wrong: Violations::default(),
        report: Report::new(options.dry_run),
        kept: HashSet::new(),
        moved: HashSet::new(),
        prunable: prune::Prunable::find(app, options)?,
        admins: if origin.role < Role::Admin { Some(app.store.admin_account_ids()?) } else { None },
    };
    let accounts = planner.accounts(document)?;
    let apis = planner.apis(document)?;
    let clients = planner.clients(document, &accounts)?;
    planner.policies(document, &accounts, &apis, &clients)?;
    planner.grants(document, &accounts, &apis)?;
    planner.prune(&apis)?;
    planner.wrong.into_result()?;
    Ok(Plan { draft: planner.draft, report: planner.report })
}

struct Planner<'a> {
    app: &'a App,
    options: &'a Options,
    now: Timestamp,
    draft: Draft,
    wrong: Violations,
    report: Report,
    /// What the document declares and was there: not to be pruned.
    kept: HashSet<Id>,
    /// Clients, policies and grants that no longer refer to what they did, or are gone.
    moved: HashSet<Id>,
    prunable: prune::Prunable,
    /// Accounts with a way into the admin API, where the caller is no administrator.
    admins: Option<HashSet<Id>>,
}

/// Accounts by name, in lower case: names are compared without regard to ASCII case.
struct Accounts(HashMap<String, Id>);

impl Accounts {
    fn id(&self, name: &str) -> Option<&Id> {
        self.0.get(&name.to_ascii_lowercase())
    }
}

/// APIs by app id, as they will be.
struct Apis(HashMap<String, PlannedApi>);

struct PlannedApi {
    record: Record<Api>,
    /// Where the document declares it.
    index: Option<usize>,
    /// Scopes that it had and will not have.
    dropped: Vec<String>,
}

impl Planner<'_> {
    /// A new record of `value`.
    fn new_record<E: Entity>(&self, value: E) -> Record<E> {
        let meta = Meta { created: self.now, last_modified: self.now, revision: 1 };
        Record { id: Id::new(&self.app.clock, self.now), meta, value }
    }

    /// `before` with another value.
    fn next_record<E: Entity>(&self, before: &Record<E>, value: E) -> Record<E> {
        // A clock that stepped back must not make a resource older than it is.
        let last_modified = self.now.max(before.meta.last_modified);
        let meta = Meta { last_modified, revision: before.meta.revision + 1, ..before.meta };
        Record { id: before.id.clone(), meta, value }
    }

    /// Whether an account has a way into the admin API; `false` where the caller is an administrator, who may do all.
    fn is_admin(&self, account: &Id) -> bool {
        self.admins.as_ref().is_some_and(|admins| admins.contains(account))
    }

    /// What leads into the admin API is for administrators.
    fn check_admin(&self, leads_to_admin: bool, path: &str) -> Result<()> {
        if self.admins.is_none() || !leads_to_admin {
            return Ok(());
        }
        let detail = format!("{path} leads to the admin API itself, and so needs the role admin");
        Err(Error::Forbidden { detail })
    }

    fn keep(&mut self, id: &Id) {
        if self.options.prune {
            self.kept.insert(id.clone());
        }
    }

    fn create<E: Entity>(&mut self, stage: Stage, record: &Record<E>, name: &str, form: &Form) {
        self.draft.insert(stage, record);
        self.report.tell(Action::Create, E::TYPE, name, None, Some(form));
    }

    /// The declared accounts, and those that are only referred to.
    fn accounts(&mut self, document: &Document) -> Result<Accounts> {
        let mut known = HashMap::with_capacity(document.accounts.len());
        for (chunk, some) in document.accounts.chunks(NAMES_AT_ONCE).enumerate() {
            let mut existing = self.accounts_named(some.iter().map(|account| account.user_name.as_str()))?;
            for (within, wanted) in some.iter().enumerate() {
                let name = wanted.user_name.to_ascii_lowercase();
                let id = self.account(chunk * NAMES_AT_ONCE + within, wanted, existing.remove(&name))?;
                known.insert(name, id);
            }
        }
        let referred = document.grants.iter().map(|grant| grant.service_account_id.as_str());
        let referred = referred.chain(document.clients.iter().map(|client| client.value.service_account_id.as_str()));
        let referred = referred.chain(policies::attached(document, crate::model::policy::Level::Account));
        let missing: HashSet<&str> = referred.filter(|name| !known.contains_key(&name.to_ascii_lowercase())).collect();
        let missing: Vec<&str> = missing.into_iter().collect();
        for some in missing.chunks(NAMES_AT_ONCE) {
            let existing = self.accounts_named(some.iter().copied())?;
            // What would be pruned is no longer there to be referred to.
            let stays = existing.into_iter().filter(|(_, record)| !self.prunable.accounts.contains(&record.id));
            known.extend(stays.map(|(name, record)| (name, record.id)));
        }
        Ok(Accounts(known))
    }

    fn accounts_named<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<HashMap<String, Record<ServiceAccount>>> {
        const NAMED: &str = "t.user_name IN (SELECT value FROM json_each(?1))";
        let found = self.app.store.resources_among::<ServiceAccount>(NAMED, names)?;
        Ok(found.into_iter().map(|record| (record.value.user_name.to_ascii_lowercase(), record)).collect())
    }

    fn account(
        &mut self,
        index: usize,
        wanted: &ServiceAccount,
        existing: Option<Record<ServiceAccount>>,
    ) -> Result<Id> {
        let form = form::account(wanted);
        let Some(before) = existing else {
            let record = self.new_record(wanted.clone());
            self.create(Stage::Accounts, &record, &wanted.user_name, &form);
            return Ok(record.id);
        };
        self.keep(&before.id);
        if before.value == *wanted {
            self.report.unchanged += 1;
        } else {
            self.check_admin(self.is_admin(&before.id), &format!("/accounts/{index}"))?;
            let after = self.next_record(&before, wanted.clone());
            self.draft.update(Stage::Accounts, &before, &after);
            let was = form::account(&before.value);
            self.report.tell(Action::Change, "ServiceAccount", &wanted.user_name, Some(&was), Some(&form));
        }
        Ok(before.id)
    }

    /// The declared APIs, and those that are only referred to.
    fn apis(&mut self, document: &Document) -> Result<Apis> {
        const NAMED: &str = "t.app_id IN (SELECT value FROM json_each(?1))";
        let mut known = HashMap::with_capacity(document.apis.len());
        for (chunk, some) in document.apis.chunks(NAMES_AT_ONCE).enumerate() {
            let names = some.iter().map(|api| api.app_id.as_str());
            let existing = self.app.store.resources_among::<Api>(NAMED, names)?;
            let mut existing: HashMap<String, Record<Api>> =
                existing.into_iter().map(|record| (record.value.app_id.clone(), record)).collect();
            for (within, wanted) in some.iter().enumerate() {
                let index = chunk * NAMES_AT_ONCE + within;
                let planned = self.api(index, wanted, existing.remove(&wanted.app_id))?;
                known.insert(wanted.app_id.clone(), planned);
            }
        }
        let referred = document.grants.iter().map(|grant| grant.api_id.as_str());
        let referred = referred.chain(policies::attached(document, crate::model::policy::Level::Api));
        let missing: HashSet<&str> = referred.filter(|name| !known.contains_key(*name)).collect();
        let missing: Vec<&str> = missing.into_iter().collect();
        for some in missing.chunks(NAMES_AT_ONCE) {
            let existing = self.app.store.resources_among::<Api>(NAMED, some.iter().copied())?;
            for record in existing.into_iter().filter(|record| !self.prunable.apis.contains(&record.id)) {
                let name = record.value.app_id.clone();
                known.insert(name, PlannedApi { record, index: None, dropped: Vec::new() });
            }
        }
        Ok(Apis(known))
    }

    fn api(&mut self, index: usize, wanted: &Api, existing: Option<Record<Api>>) -> Result<PlannedApi> {
        let form = form::api(wanted);
        let Some(before) = existing else {
            let record = self.new_record(wanted.clone());
            self.create(Stage::Apis, &record, &wanted.app_id, &form);
            return Ok(PlannedApi { record, index: Some(index), dropped: Vec::new() });
        };
        self.keep(&before.id);
        let value = Api { built_in: before.value.built_in, ..wanted.clone() };
        if before.value == value {
            self.report.unchanged += 1;
            return Ok(PlannedApi { record: before, index: Some(index), dropped: Vec::new() });
        }
        self.check_admin(value.built_in, &format!("/apis/{index}"))?;
        let stays = |identifier: &str| value.scopes.iter().any(|scope| scope.identifier == identifier);
        let had = before.value.scopes.iter().map(|scope| scope.identifier.clone());
        let dropped: Vec<String> = had.filter(|identifier| !stays(identifier)).collect();
        if value.built_in && !dropped.is_empty() {
            self.wrong.at(&format!("/apis/{index}/scopes"), dropped.join(" "), "the built-in API keeps its scopes");
        }
        let after = self.next_record(&before, value);
        self.draft.update_api(&before, &after);
        let was = form::api(&before.value);
        self.report.tell(Action::Change, "Api", &wanted.app_id, Some(&was), Some(&form));
        Ok(PlannedApi { record: after, index: Some(index), dropped })
    }

    /// A name that leads nowhere.
    fn dangling<'n>(
        &mut self,
        path: &str,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'n str>,
        is_pruned: bool,
    ) {
        let hint = if is_pruned {
            format!("it would be pruned: declare it under {what}s")
        } else {
            match nearest(name, known) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("declare it under {what}s"),
            }
        };
        self.wrong.at(path, name, format!("there is no {what} of this name, here or on the server; {hint}"));
    }
}
