//! What an earlier apply made, and the document no longer has; and the question whether what goes is used by what stays.

use std::collections::{HashMap, HashSet};

use super::{Apis, NAMES_AT_ONCE, PlannedApi, Planner};
use crate::app::App;
use crate::apply::Options;
use crate::apply::form::Form;
use crate::apply::report::Action;
use crate::error::{Error, Result};
use crate::model::api::Api;
use crate::model::grant::Grant;
use crate::model::id::Id;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::policy::Policy;
use crate::model::service_account::ServiceAccount;
use crate::model::{Record, Resource};
use crate::store::{CREDENTIAL, Change, Entity, Stage};

const BY_ID: &str = "t.id IN (SELECT value FROM json_each(?1))";
/// Users that a refusal names.
const NAMED_MAX: usize = 5;

/// What applies under this name made. Empty without `prune`.
#[derive(Default)]
pub(super) struct Prunable {
    pub(super) accounts: HashSet<Id>,
    pub(super) clients: HashSet<Id>,
    pub(super) credentials: HashSet<Id>,
    pub(super) apis: HashSet<Id>,
    pub(super) grants: HashSet<Id>,
    pub(super) policies: HashSet<Id>,
}

impl Prunable {
    pub(super) fn find(app: &App, options: &Options) -> Result<Self> {
        if !options.prune {
            return Ok(Self::default());
        }
        let made = |resource_type: &str| app.store.managed_by(&options.owner, resource_type);
        Ok(Self {
            accounts: made("ServiceAccount")?,
            clients: made("MachineToMachine")?,
            credentials: made(CREDENTIAL)?,
            apis: made("Api")?,
            grants: made("Grant")?,
            policies: made("Policy")?,
        })
    }

    /// Whether this is the name of an account that would be pruned.
    pub(super) fn has_account(&self, app: &App, name: &str) -> Result<bool> {
        let found = app
            .store
            .resources_among::<ServiceAccount>("t.user_name = json_extract(?1, '$[0]')", [name].into_iter())?;
        Ok(found.iter().any(|record| self.accounts.contains(&record.id)))
    }

    /// Whether this is the name of an API that would be pruned.
    pub(super) fn has_api(&self, app: &App, name: &str) -> Result<bool> {
        let found = app.store.resources_among::<Api>("t.app_id = json_extract(?1, '$[0]')", [name].into_iter())?;
        Ok(found.iter().any(|record| self.apis.contains(&record.id)))
    }
}

impl Planner<'_> {
    /// Removes what is to be pruned, what refers to others first, then looks whether anything is left in the air.
    pub(super) fn prune(&mut self, apis: &Apis) -> Result<()> {
        let prunable = std::mem::take(&mut self.prunable);
        let grants = self.gone::<Grant>(&prunable.grants)?;
        let accounts =
            self.names::<ServiceAccount>(grants.iter().map(|grant| grant.value.service_account_id.as_str()))?;
        let apis_by_id = self.names::<Api>(grants.iter().map(|grant| grant.value.api_id.as_str()))?;
        for record in grants {
            let grant = &record.value;
            let of = |names: &HashMap<String, String>, id: &String| names.get(id).unwrap_or(id).clone();
            let (account, api) = (of(&accounts, &grant.service_account_id), of(&apis_by_id, &grant.api_id));
            // An account may have several grants at one API.
            self.forget(Stage::RemoveReferring, &record, &format!("{account} at {api} ({})", grant.scopes.join(" ")));
        }
        for record in self.gone::<Policy>(&prunable.policies)? {
            if self.admins.is_some() {
                self.check_admin(record.value.leads_to_admin(&self.app.store)?, &record.value.name)?;
            }
            self.forget(Stage::RemoveReferring, &record, &record.value.name);
        }
        for record in self.gone::<MachineToMachine>(&prunable.clients)? {
            self.check_unused(&record)?;
            self.forget(Stage::RemoveReferring, &record, &record.value.display_name);
        }
        for record in self.gone::<Api>(&prunable.apis)? {
            self.check_unused(&record)?;
            self.draft.delete_api(&record);
            self.tell_gone(&record, &record.value.app_id);
        }
        for record in self.gone::<ServiceAccount>(&prunable.accounts)? {
            self.check_admin(self.is_admin(&record.id), &record.value.user_name)?;
            self.check_unused(&record)?;
            self.forget(Stage::RemoveReferred, &record, &record.value.user_name);
        }
        apis.0.values().filter(|api| !api.dropped.is_empty()).try_for_each(|api| self.check_dropped(api))
    }

    fn gone<E: Entity>(&self, made: &HashSet<Id>) -> Result<Vec<Record<E>>> {
        let mut ids: Vec<&Id> = made.iter().filter(|id| !self.kept.contains(*id)).collect();
        // In the order of the index: what is read and deleted together lies together.
        ids.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        let mut found = Vec::with_capacity(ids.len());
        for some in ids.chunks(NAMES_AT_ONCE) {
            found.append(&mut self.app.store.resources_among(BY_ID, some.iter().map(|id| id.as_str()))?);
        }
        Ok(found)
    }

    /// What these are called, by id.
    fn names<'i, E: Entity>(&self, ids: impl Iterator<Item = &'i str>) -> Result<HashMap<String, String>> {
        let mut ids: Vec<&str> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let mut names = HashMap::with_capacity(ids.len());
        for some in ids.chunks(NAMES_AT_ONCE) {
            let found = self.app.store.resources_among::<E>(BY_ID, some.iter().copied())?;
            names.extend(found.into_iter().map(|record| (record.id.to_string(), record.value.name().to_owned())));
        }
        Ok(names)
    }

    fn forget<E: Entity>(&mut self, stage: Stage, record: &Record<E>, name: &str) {
        self.draft.delete(stage, record);
        self.tell_gone(record, name);
    }

    fn tell_gone<E: Entity>(&mut self, record: &Record<E>, name: &str) {
        self.moved.insert(record.id.clone());
        self.report.tell(Action::Delete, E::TYPE, name, None::<&Form>, None);
    }

    /// Refuses to prune what is used by something that stays.
    fn check_unused<E: Entity>(&self, record: &Record<E>) -> Result<()> {
        // Of more than move, some stay.
        let users = E::dependents(&self.app.store, &record.id, self.moved.len() + NAMED_MAX + 1)?;
        let stays = |user: &Change| Id::parse(&user.id).is_none_or(|id| !self.moved.contains(&id));
        let stay: Vec<Change> = users.into_iter().map(|user| user.change).filter(stays).collect();
        if stay.is_empty() {
            return Ok(());
        }
        let more = if stay.len() > NAMED_MAX { " and more" } else { "" };
        let of_others =
            self.app.store.managed_by_others(&self.options.owner, stay.iter().map(|user| user.id.as_str()))?;
        let tell = |user: &Change| -> Result<String> {
            let is_others = Id::parse(&user.id).is_some_and(|id| of_others.contains(&id));
            let whose = if is_others { "applied under another owner" } else { "made by no apply" };
            let (kind, id) = (user.resource_type, &user.id);
            Ok(format!("{kind} {} ({id}, {whose})", self.name_of(user)?))
        };
        let named = stay.iter().take(NAMED_MAX).map(tell).collect::<Result<Vec<_>>>()?.join(", ");
        Err(Error::InUse {
            detail: format!(
                "pruning would delete {} {}, which is used by what stays: {named}{more}; declare it, or delete those first",
                E::TYPE,
                record.value.name()
            ),
        })
    }

    /// What people call something that uses another; a grant has no name of its own, and its reason may be anything.
    fn name_of(&self, user: &Change) -> Result<String> {
        if user.resource_type != Grant::TYPE {
            return Ok(user.name.clone());
        }
        let grant = self.app.store.resource_by_id::<Grant>(&user.id)?.value;
        let api = self.app.store.resource_by_id::<Api>(&grant.api_id)?.value.app_id;
        Ok(format!("{} at {api}", self.account_name(&grant.service_account_id)?))
    }

    /// Refuses to drop a scope that a grant goes on holding.
    fn check_dropped(&mut self, api: &PlannedApi) -> Result<()> {
        let dropped: Vec<&str> = api.dropped.iter().map(String::as_str).collect();
        let holders = self.app.store.scope_holders(&api.record.id, &dropped)?;
        let mut held: Vec<&str> =
            holders.iter().filter(|(grant, _)| !self.moved.contains(grant)).map(|(_, scope)| scope.as_str()).collect();
        held.sort_unstable();
        held.dedup();
        if let (false, Some(index)) = (held.is_empty(), api.index) {
            let message = "grants that this document does not declare hold these scopes: narrow or delete those first";
            self.wrong.at(&format!("/apis/{index}/scopes"), held.join(" "), message);
        }
        Ok(())
    }
}
