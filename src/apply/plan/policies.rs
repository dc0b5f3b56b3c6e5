//! Policies are known by their names; their modules must be on the server already.

use std::collections::HashMap;

use super::clients::Clients;
use super::{Accounts, Apis, NAMES_AT_ONCE, Planner};
use crate::apply::document::Document;
use crate::apply::form;
use crate::apply::report::Action;
use crate::error::{Error, Result};
use crate::model::Record;
use crate::model::api::Api;
use crate::model::digest::DIGEST_CHARS;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::policy::{Attachment, Level, Policy};
use crate::store::{Entity, Stage};

/// The names that the document's policies of one level are attached to.
pub(super) fn attached(document: &Document, level: Level) -> impl Iterator<Item = &str> {
    let at_level = move |policy: &'_ &Policy| policy.attached_to.level == level;
    document.policies.iter().filter(at_level).filter_map(|policy| policy.attached_to.id.as_deref())
}

impl Planner<'_> {
    pub(super) fn policies(
        &mut self,
        document: &Document,
        accounts: &Accounts,
        apis: &Apis,
        clients: &Clients,
    ) -> Result<()> {
        const NAMED: &str = "t.name IN (SELECT value FROM json_each(?1))";
        for (chunk, some) in document.policies.chunks(NAMES_AT_ONCE).enumerate() {
            let names = some.iter().map(|policy| policy.name.as_str());
            let existing = self.app.store.resources_among::<Policy>(NAMED, names)?;
            let mut existing: HashMap<String, Record<Policy>> =
                existing.into_iter().map(|record| (record.value.name.clone(), record)).collect();
            for (within, wanted) in some.iter().enumerate() {
                let path = format!("/policies/{}", chunk * NAMES_AT_ONCE + within);
                let before = existing.remove(&wanted.name);
                if let Some(value) = self.resolve_policy(&path, wanted, (accounts, apis, clients))? {
                    self.policy(&path, wanted, value, before)?;
                }
            }
        }
        Ok(())
    }

    /// The policy with ids in place of names; nothing when one of them leads nowhere.
    fn resolve_policy(
        &mut self,
        path: &str,
        wanted: &Policy,
        (accounts, apis, clients): (&Accounts, &Apis, &Clients),
    ) -> Result<Option<Policy>> {
        let mut value = wanted.clone();
        match self.app.store.policy_module_named(&wanted.module_digest)? {
            Ok(module) => {
                (value.module_digest, value.module_name, value.module_version) =
                    (module.digest, module.name, module.version);
            }
            // A module that the apply itself would bring cannot be asked beforehand.
            Err(_) if self.options.dry_run && is_digest(&wanted.module_digest) => {}
            Err(message) => {
                self.wrong.at(&format!("{path}/module"), wanted.module_digest.as_str(), message);
                return Ok(None);
            }
        }
        let Some(name) = &wanted.attached_to.id else { return Ok(Some(value)) };
        let id = match wanted.attached_to.level {
            Level::Server => None,
            Level::Account => accounts.id(name).cloned(),
            Level::Api => apis.0.get(name).map(|api| api.record.id.clone()),
            Level::Client => match clients.0.get(name) {
                Some(id) => Some(id.clone()),
                None => self.app.store.client_named(name)?.filter(|id| !self.prunable.clients.contains(id)),
            },
        };
        let Some(id) = id else {
            let message = "there is nothing of this name to attach it to, here or on the server";
            self.wrong.at(&format!("{path}/attachedTo"), name.as_str(), message);
            return Ok(None);
        };
        value.attached_to.id = Some(id.to_string());
        Ok(Some(value))
    }

    fn policy(&mut self, path: &str, wanted: &Policy, value: Policy, before: Option<Record<Policy>>) -> Result<()> {
        let form = form::policy(&value, wanted.attached_to.id.as_deref());
        if let Some(before) = &before {
            self.keep(&before.id);
            if before.value == value {
                self.report.unchanged += 1;
                return Ok(());
            }
        }
        if self.admins.is_some() {
            let mut leads_to_admin = value.leads_to_admin(&self.app.store)?;
            if let Some(before) = &before {
                leads_to_admin |= before.value.leads_to_admin(&self.app.store)?;
            }
            self.check_admin(leads_to_admin, path)?;
        }
        if !value.module_name.is_empty() {
            let known = before.as_ref().map(|before| &before.value);
            let fits = crate::admin::policies::check_settings(self.app, &value, known);
            self.note_refusal(path, fits)?;
        }
        let Some(before) = before else {
            let record = self.new_record(value);
            self.create(Stage::Policies, &record, &wanted.name, &form);
            return Ok(());
        };
        if before.value.attached_to != value.attached_to {
            self.moved.insert(before.id.clone());
        }
        let was = form::policy(&before.value, self.attached_name(&before.value.attached_to)?.as_deref());
        let after = self.next_record(&before, value);
        self.draft.update(Stage::Policies, &before, &after);
        self.report.tell(Action::Change, "Policy", &wanted.name, Some(&was), Some(&form));
        Ok(())
    }

    /// What does not fit one thing of the document, among all that does not fit.
    fn note_refusal(&mut self, path: &str, outcome: Result<()>) -> Result<()> {
        match outcome {
            Err(Error::Invalid(violations)) => {
                for mut violation in violations {
                    violation.property_path =
                        format!("{path}{}", violation.property_path.replace("/moduleDigest", "/module"));
                    self.wrong.push(violation);
                }
                Ok(())
            }
            other => other,
        }
    }

    /// What the thing that a stored policy is attached to is called.
    fn attached_name(&self, attached: &Attachment) -> Result<Option<String>> {
        let Some(id) = attached.id.as_deref() else { return Ok(None) };
        let store = &self.app.store;
        Ok(Some(match attached.level {
            Level::Account | Level::Server => self.account_name(id)?,
            Level::Api => store.resource_by_id::<Api>(id)?.value.app_id,
            Level::Client => store.resource_by_id::<MachineToMachine>(id)?.value.client_id,
        }))
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == DIGEST_CHARS && text.bytes().all(|b| b.is_ascii_hexdigit())
}
