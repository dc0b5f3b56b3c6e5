//! Everything that there is, as a document without secrets. Applying it where it came from changes nothing.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::document::ITEMS_MAX;
use super::form;
use crate::app::App;
use crate::error::{Error, Result};
use crate::model::Record;
use crate::model::api::Api;
use crate::model::grant::Grant;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::policy::{Level, Policy};
use crate::model::service_account::ServiceAccount;
use crate::store::Entity;

/// Things that one statement reads.
const READ_AT_ONCE: u32 = 1000;
/// How often an export begins anew when something was committed meanwhile.
const ATTEMPTS_MAX: usize = 5;

/// The document, as of one moment. Blocks.
///
/// # Errors
/// `TooLarge` past what one document may declare; `Stale` when others write all the time; `Unavailable` or `Internal`
/// from the database.
pub(crate) fn export(app: &App) -> Result<Value> {
    for _attempt in 0..ATTEMPTS_MAX {
        let generation = app.store.generation()?;
        let mut exporter = Exporter { app, items: 0, names: HashMap::new() };
        let document = exporter.document()?;
        if app.store.generation()? == generation {
            return Ok(Value::Object(document));
        }
    }
    Err(Error::Stale("others changed things all the while this was read: try again".to_owned()))
}

struct Exporter<'a> {
    app: &'a App,
    items: usize,
    /// What others refer to, by id.
    names: HashMap<String, String>,
}

impl Exporter<'_> {
    fn document(&mut self) -> Result<Map<String, Value>> {
        let mut document = Map::new();
        self.section(&mut document, "accounts", |names, record: &Record<ServiceAccount>| {
            names.insert(record.id.to_string(), record.value.user_name.clone());
            Some(form::account(&record.value))
        })?;
        self.section(&mut document, "clients", |names, record: &Record<MachineToMachine>| {
            names.insert(record.id.to_string(), record.value.client_id.clone());
            Some(form::client(&record.value, name(names, &record.value.service_account_id)))
        })?;
        self.section(&mut document, "apis", |names, record: &Record<Api>| {
            names.insert(record.id.to_string(), record.value.app_id.clone());
            // Every server has the built-in one: it is worth telling only when somebody changed it.
            (!record.value.built_in || record.meta.revision > 1).then(|| form::api(&record.value))
        })?;
        // Several may be alike, and a document may not have the same twice.
        let mut told = HashSet::new();
        self.section(&mut document, "grants", |names, record: &Record<Grant>| {
            if !told.insert(record.value.clone()) {
                return None;
            }
            let (account, api) = (&record.value.service_account_id, &record.value.api_id);
            Some(form::grant(&record.value, name(names, account), name(names, api)))
        })?;
        self.section(&mut document, "policies", |names, record: &Record<Policy>| {
            let attached = &record.value.attached_to;
            let attached = attached.id.as_deref().filter(|_| attached.level != Level::Server);
            Some(form::policy(&record.value, attached.map(|id| name(names, id))))
        })?;
        Ok(document)
    }

    fn section<E: Entity>(
        &mut self,
        document: &mut Map<String, Value>,
        title: &str,
        mut write: impl FnMut(&mut HashMap<String, String>, &Record<E>) -> Option<form::Form>,
    ) -> Result<()> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.app.store.resources_after::<E>(&after, READ_AT_ONCE)?;
            all.extend(page.iter().filter_map(|record| write(&mut self.names, record)).map(Value::Object));
            self.items += page.len();
            if self.items > ITEMS_MAX {
                let text =
                    format!("there are more than {ITEMS_MAX} things, more than one document holds: use the lists");
                return Err(Error::TooLarge(text));
            }
            match page.last() {
                Some(last) => after = last.id.to_string(),
                None => break,
            }
        }
        if !all.is_empty() {
            document.insert(title.to_owned(), Value::Array(all));
        }
        Ok(())
    }
}

/// Foreign keys hold: what is referred to was read before.
fn name<'n>(names: &'n HashMap<String, String>, id: &'n str) -> &'n str {
    names.get(id).map_or(id, String::as_str)
}
