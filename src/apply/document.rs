//! The document: what there should be, by name. Reading it finds everything that is wrong with it by itself; whether
//! its names lead somewhere is the plan's to find out.
//!
//! Members are those of the admin API, but for references, which are called by what they refer to (`account`, `api`)
//! and hold names, and for secrets.

mod items;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::error::{Error, Result, Violation};
use crate::json;
use crate::model::api::Api;
use crate::model::fields::nearest;
use crate::model::grant::Grant;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::policy::Policy;
use crate::model::service_account::ServiceAccount;
use crate::secret::Secret;
use items::Item;

/// Things that one document may declare.
pub const ITEMS_MAX: usize = 250_000;
/// Mistakes that one refusal names.
const VIOLATIONS_MAX: usize = 50;
/// The sections of a document.
pub(crate) const SECTIONS: [&str; 5] = ["accounts", "clients", "apis", "grants", "policies"];
/// In place of a secret: one is made, and shown once.
pub(crate) const GENERATE: &str = "generate";
/// Secrets that the reader of a file fetches: a server never does.
pub(crate) const FETCHED: [&str; 2] = ["env:", "file:"];

/// What there should be. Each list is in the order of the document, so that an index says where something stands.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(super) accounts: Vec<ServiceAccount>,
    pub(super) clients: Vec<WantedClient>,
    pub(super) apis: Vec<Api>,
    pub(super) grants: Vec<Grant>,
    pub(super) policies: Vec<Policy>,
}

/// A client, and what is said of its secrets.
#[derive(Debug)]
pub(super) struct WantedClient {
    pub(super) value: MachineToMachine,
    /// `None`: nothing is said. A new client gets one, an existing one keeps what it has.
    pub(super) secrets: Option<Vec<WantedSecret>>,
}

/// A secret that a client should have.
#[derive(Debug)]
pub(super) struct WantedSecret {
    /// `None`: any that is valid; one is made where there is none.
    pub(super) value: Option<Secret>,
    pub(super) not_before: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
}

/// Mistakes, up to a bound: a generated document can be wrong in each of its lines.
#[derive(Default)]
pub(super) struct Violations(Vec<Violation>);

impl Violations {
    /// Whether more of them would not be told.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() > VIOLATIONS_MAX
    }

    pub(super) fn push(&mut self, violation: Violation) {
        if !self.is_full() {
            self.0.push(violation);
        }
    }

    pub(super) fn at(&mut self, path: &str, value: impl Into<Value>, message: impl Into<String>) {
        self.push(Violation::new(path, value.into(), message));
    }

    /// An error that names them, if there are any.
    pub(super) fn into_result(mut self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        if self.is_full() {
            self.0.truncate(VIOLATIONS_MAX);
            self.0.push(Violation::new("", Value::Null, "and more: mend these first"));
        }
        Err(Error::Invalid(self.0))
    }
}

impl Document {
    /// Reads the JSON form, or anything that looks like it to serde. One thing at a time: a large document is never in
    /// memory as a whole in any other form than this one.
    ///
    /// # Errors
    /// What the deserializer says; inside, `Invalid`: every mistake up to a bound, each with a pointer to where it
    /// stands.
    pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Result<Self>, D::Error> {
        let (document, mut wrong) = deserializer.deserialize_any(DocumentVisitor)?;
        document.find_repeats(&mut wrong);
        Ok(wrong.into_result().map(|()| document))
    }

    /// Reads the JSON form out of the body of a request.
    ///
    /// # Errors
    /// `Malformed` with line and column; `Invalid` as [`Document::read`] has it.
    pub(crate) fn from_json(body: &[u8]) -> Result<Self> {
        let malformed =
            |error: serde_json::Error| Error::Malformed(format!("the body is not JSON as it should be: {error}"));
        let mut reader = serde_json::Deserializer::from_slice(body);
        let document = Self::read(&mut reader).map_err(malformed)?;
        reader.end().map_err(malformed)?;
        document
    }

    /// Whether it declares nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        let Self { accounts, clients, apis, grants, policies } = self;
        accounts.is_empty() && clients.is_empty() && apis.is_empty() && grants.is_empty() && policies.is_empty()
    }

    fn find_repeats(&self, wrong: &mut Violations) {
        // As the database compares them.
        let accounts = self.accounts.iter().map(|account| Some(account.user_name.to_ascii_lowercase()));
        repeats("accounts", "userName", accounts, wrong);
        let named = |client: &WantedClient| Some(client.value.client_id.clone()).filter(|id| !id.is_empty());
        repeats("clients", "clientId", self.clients.iter().map(named), wrong);
        // Without a client id, the name is what a client is known by.
        let by_name = |client: &WantedClient| named(client).is_none().then(|| client.value.display_name.clone());
        repeats("clients", "displayName", self.clients.iter().map(by_name), wrong);
        repeats("apis", "appId", self.apis.iter().map(|api| Some(api.app_id.clone())), wrong);
        repeats("policies", "name", self.policies.iter().map(|policy| Some(policy.name.clone())), wrong);
    }
}

fn repeats(section: &str, member: &str, names: impl Iterator<Item = Option<String>>, wrong: &mut Violations) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (index, name) in names.enumerate() {
        let Some(name) = name.filter(|name| !name.is_empty()) else { continue };
        match seen.entry(name) {
            Entry::Vacant(first) => {
                first.insert(index);
            }
            Entry::Occupied(first) => {
                let path = format!("/{section}/{index}/{member}");
                let message = format!("stands in this document twice; it is {section}[{}] too", first.get());
                wrong.at(&path, first.key().as_str(), message);
            }
        }
    }
}

/// The top level of a document.
struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = (Document, Violations);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with some of {}", SECTIONS.join(", "))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut sections: A) -> Result<Self::Value, A::Error> {
        let mut all = Document::default();
        let mut state = Reading { wrong: Violations::default(), items: 0 };
        let mut seen: Vec<String> = Vec::new();
        while let Some(name) = sections.next_key::<String>()? {
            if seen.contains(&name) {
                return Err(A::Error::custom(format!("the member {name:?} stands twice")));
            }
            match name.as_str() {
                "accounts" => sections.next_value_seed(state.section("accounts", &mut all.accounts, items::account))?,
                "clients" => sections.next_value_seed(state.section("clients", &mut all.clients, items::client))?,
                "apis" => sections.next_value_seed(state.section("apis", &mut all.apis, items::api))?,
                "grants" => sections.next_value_seed(state.section("grants", &mut all.grants, items::grant))?,
                "policies" => sections.next_value_seed(state.section("policies", &mut all.policies, items::policy))?,
                other => {
                    sections.next_value_seed(json::inside(1))?;
                    let near = nearest(other, SECTIONS.into_iter());
                    let hint = near.map_or_else(|| SECTIONS.join(", "), |near| format!("did you mean {near}?"));
                    state.wrong.at(&format!("/{other}"), Value::Null, format!("there is no such section; {hint}"));
                }
            }
            seen.push(name);
        }
        Ok((all, state.wrong))
    }
}

/// How far the reading is.
struct Reading {
    wrong: Violations,
    items: usize,
}

impl Reading {
    fn section<'a, T>(
        &'a mut self,
        name: &'static str,
        all: &'a mut Vec<T>,
        read: fn(Item, &mut Violations) -> T,
    ) -> Section<'a, T> {
        Section { name, all, state: self, read }
    }
}

/// One section, which is a list.
struct Section<'a, T> {
    name: &'static str,
    all: &'a mut Vec<T>,
    state: &'a mut Reading,
    read: fn(Item, &mut Violations) -> T,
}

impl<'de, T> DeserializeSeed<'de> for Section<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T> Visitor<'de> for Section<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", self.name)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(item) = items.next_element_seed(json::inside(2))? {
            self.state.items += 1;
            if self.state.items > ITEMS_MAX {
                return Err(A::Error::custom(format!("more than {ITEMS_MAX} things in one document: split it")));
            }
            let path = format!("/{}/{index}", self.name);
            index += 1;
            match item {
                Value::Object(members) => self.all.push((self.read)(Item { members, path }, &mut self.state.wrong)),
                other => self.state.wrong.at(&path, other, "must be an object"),
            }
        }
        Ok(())
    }
}
