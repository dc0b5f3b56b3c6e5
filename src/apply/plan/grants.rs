//! Grants have no names: a document's and the store's are matched by their account and their API.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Accounts, Apis, Planner};
use crate::apply::document::Document;
use crate::apply::form;
use crate::apply::report::Action;
use crate::error::Result;
use crate::model::Record;
use crate::model::api::Api;
use crate::model::grant::Grant;
use crate::model::id::Id;
use crate::store::{Stage, unknown_scopes};

/// Accounts whose grants are looked up at a time.
const ACCOUNTS_AT_ONCE: usize = 50;

/// A grant of the document, its names resolved.
struct Wanted<'a> {
    index: usize,
    account: &'a str,
    api: &'a Api,
    value: Grant,
}

impl Planner<'_> {
    pub(super) fn grants(&mut self, document: &Document, accounts: &Accounts, apis: &Apis) -> Result<()> {
        let mut by_account: BTreeMap<&Id, Vec<(usize, &Grant)>> = BTreeMap::new();
        for (index, grant) in document.grants.iter().enumerate() {
            if let Some(account) = self.check_grant(index, grant, accounts, apis)? {
                by_account.entry(account).or_default().push((index, grant));
            }
        }
        let ids: Vec<&Id> = by_account.keys().copied().collect();
        for some in ids.chunks(ACCOUNTS_AT_ONCE) {
            let mut existing = self.grants_of(some)?;
            for account in some {
                let declared = by_account.remove(account).unwrap_or_default();
                let wanted = declared.into_iter().filter_map(|grant| resolved(grant, account, apis)).collect();
                self.grants_of_account(wanted, existing.remove(account.as_str()).unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// The account of a grant whose names and scopes are right.
    fn check_grant<'a>(
        &mut self,
        index: usize,
        grant: &Grant,
        accounts: &'a Accounts,
        apis: &Apis,
    ) -> Result<Option<&'a Id>> {
        if self.wrong.is_full() {
            return Ok(None);
        }
        let path = || format!("/grants/{index}");
        let account = accounts.id(&grant.service_account_id);
        if account.is_none() {
            let is_pruned = self.prunable.has_account(self.app, &grant.service_account_id)?;
            let known = accounts.0.keys().map(String::as_str);
            self.dangling(&format!("{}/account", path()), "account", &grant.service_account_id, known, is_pruned);
        }
        let Some(api) = apis.0.get(&grant.api_id) else {
            let is_pruned = self.prunable.has_api(self.app, &grant.api_id)?;
            let known = apis.0.keys().map(String::as_str);
            self.dangling(&format!("{}/api", path()), "api", &grant.api_id, known, is_pruned);
            return Ok(None);
        };
        for mut violation in unknown_scopes(&grant.scopes, &api.record.value) {
            violation.property_path.insert_str(0, &path());
            self.wrong.push(violation);
        }
        Ok(account)
    }

    /// The grants of these accounts, by account.
    fn grants_of(&self, accounts: &[&Id]) -> Result<HashMap<String, Vec<Record<Grant>>>> {
        const OF: &str = "t.service_account_id IN (SELECT value FROM json_each(?1))";
        let mut by_account: HashMap<String, Vec<Record<Grant>>> = HashMap::new();
        for record in self.app.store.resources_among::<Grant>(OF, accounts.iter().map(|id| id.as_str()))? {
            by_account.entry(record.value.service_account_id.clone()).or_default().push(record);
        }
        Ok(by_account)
    }

    /// First those that are as they should be; the rest of the document's take the place of the rest of the store's
    /// at the same API, oldest first, but for what other owners applied; what is left of the document's is new.
    fn grants_of_account(&mut self, wanted: Vec<Wanted<'_>>, mut existing: Vec<Record<Grant>>) -> Result<()> {
        self.find_repeats(&wanted);
        let mut rest = Vec::new();
        for one in wanted {
            match existing.iter().position(|record| record.value == one.value) {
                Some(at) => {
                    let same = existing.remove(at);
                    self.keep(&same.id);
                    self.report.unchanged += 1;
                }
                None => rest.push(one),
            }
        }
        if !(rest.is_empty() || existing.is_empty()) {
            let ids = existing.iter().map(|record| record.id.as_str());
            let of_others = self.app.store.managed_by_others(&self.options.owner, ids)?;
            existing.retain(|record| !of_others.contains(&record.id));
        }
        for one in rest {
            let place = existing.iter().position(|record| record.value.api_id == one.value.api_id);
            self.grant(one, place.map(|at| existing.remove(at)))?;
        }
        Ok(())
    }

    fn find_repeats(&mut self, wanted: &[Wanted<'_>]) {
        let mut seen = HashSet::with_capacity(wanted.len());
        for one in wanted.iter().filter(|one| !seen.insert(&one.value)) {
            let path = format!("/grants/{}", one.index);
            self.wrong.at(&path, serde_json::Value::Null, "this grant stands in this document twice");
        }
    }

    fn grant(&mut self, wanted: Wanted<'_>, existing: Option<Record<Grant>>) -> Result<()> {
        self.check_admin(wanted.api.built_in, &format!("/grants/{}", wanted.index))?;
        let name = format!("{} at {}", wanted.account, wanted.api.app_id);
        let form = form::grant(&wanted.value, wanted.account, &wanted.api.app_id);
        let Some(before) = existing else {
            let record = self.new_record(wanted.value);
            self.create(Stage::Grants, &record, &name, &form);
            return Ok(());
        };
        self.keep(&before.id);
        self.moved.insert(before.id.clone());
        let was = form::grant(&before.value, wanted.account, &wanted.api.app_id);
        let after = self.next_record(&before, wanted.value);
        self.draft.update(Stage::Grants, &before, &after);
        self.report.tell(Action::Change, "Grant", &name, Some(&was), Some(&form));
        Ok(())
    }
}

fn resolved<'d>((index, grant): (usize, &'d Grant), account: &Id, apis: &'d Apis) -> Option<Wanted<'d>> {
    let api = &apis.0.get(&grant.api_id)?.record;
    let mut value = Grant { service_account_id: account.to_string(), api_id: api.id.to_string(), ..grant.clone() };
    // Kept sorted, so that the same scopes in another order are the same grant.
    value.scopes.sort_unstable();
    Some(Wanted { index, account: &grant.service_account_id, api: &api.value, value })
}
