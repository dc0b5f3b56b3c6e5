//! Clients are known by their client id, or by their name where the document says none; and what of their secrets has
//! to change.

use std::collections::{HashMap, HashSet};

use super::{Accounts, NAMES_AT_ONCE, Planner};
use crate::apply::document::{Document, WantedClient, WantedSecret};
use crate::apply::form::{self, Form};
use crate::apply::report::{Action, MadeSecret};
use crate::error::Result;
use crate::model::Record;
use crate::model::credential::{Credential, SecretHash};
use crate::model::id::{Id, new_client_id};
use crate::model::machine_to_machine::{CREDENTIALS_MAX, MachineToMachine};
use crate::model::service_account::ServiceAccount;
use crate::secret::{Secret, SecretKind, hashes_equal, is_generated};
use crate::store::{CREDENTIAL, Stage};

/// Clients by client id, and the declared ones by name too.
pub(super) struct Clients(pub(super) HashMap<String, Id>);

/// Of what is only known once it is made.
const A_NEW_ONE: &str = "a new one";

type Existing = HashMap<String, Record<MachineToMachine>>;

impl Planner<'_> {
    pub(super) fn clients(&mut self, document: &Document, accounts: &Accounts) -> Result<Clients> {
        let mut known = HashMap::with_capacity(document.clients.len());
        for (chunk, some) in document.clients.chunks(NAMES_AT_ONCE).enumerate() {
            let mut by_client_id = self.clients_by_id(some)?;
            let mut by_name = self.clients_by_name(chunk * NAMES_AT_ONCE, some)?;
            for (within, wanted) in some.iter().enumerate() {
                let index = chunk * NAMES_AT_ONCE + within;
                let named = &wanted.value;
                let existing = if named.client_id.is_empty() {
                    by_name.remove(&named.display_name)
                } else {
                    by_client_id.remove(&named.client_id)
                };
                let Some((client_id, id)) = self.client(index, wanted, existing, accounts)? else { continue };
                known.insert(named.display_name.clone(), id.clone());
                known.insert(client_id, id);
            }
        }
        Ok(Clients(known))
    }

    fn clients_by_id(&self, some: &[WantedClient]) -> Result<Existing> {
        const BY_ID: &str = "t.client_id IN (SELECT value FROM json_each(?1))";
        let ids = some.iter().map(|client| client.value.client_id.as_str()).filter(|id| !id.is_empty());
        let found = self.app.store.resources_among::<MachineToMachine>(BY_ID, ids)?;
        Ok(found.into_iter().map(|record| (record.value.client_id.clone(), record)).collect())
    }

    fn clients_by_name(&mut self, first_index: usize, some: &[WantedClient]) -> Result<Existing> {
        const BY_NAME: &str = "t.display_name IN (SELECT value FROM json_each(?1))";
        let is_named = |client: &&WantedClient| client.value.client_id.is_empty();
        if !some.iter().any(|client| is_named(&client)) {
            return Ok(Existing::new());
        }
        let names = some.iter().filter(is_named).map(|client| client.value.display_name.as_str());
        let mut found = Existing::new();
        let mut ambiguous = HashSet::new();
        for record in self.app.store.resources_among::<MachineToMachine>(BY_NAME, names)? {
            if let Some(other) = found.insert(record.value.display_name.clone(), record) {
                ambiguous.insert(other.value.display_name);
            }
        }
        for (within, client) in some.iter().enumerate().filter(|(_, client)| is_named(client)) {
            if ambiguous.contains(&client.value.display_name) {
                let path = format!("/clients/{}/displayName", first_index + within);
                let message = "several clients on the server are called this: say which by its clientId";
                self.wrong.at(&path, client.value.display_name.as_str(), message);
            }
        }
        Ok(found)
    }

    /// The client id and the id of a client, as it will be.
    fn client(
        &mut self,
        index: usize,
        wanted: &WantedClient,
        existing: Option<Record<MachineToMachine>>,
        accounts: &Accounts,
    ) -> Result<Option<(String, Id)>> {
        if self.wrong.is_full() {
            return Ok(None);
        }
        let path = format!("/clients/{index}");
        let account_name = wanted.value.service_account_id.as_str();
        let Some(account) = accounts.id(account_name) else {
            let is_pruned = self.prunable.has_account(self.app, account_name)?;
            let known = accounts.0.keys().map(String::as_str);
            self.dangling(&format!("{path}/account"), "account", account_name, known, is_pruned);
            return Ok(None);
        };
        // A client that is moved away leads there until then, and may be moved back.
        let known = existing.as_ref().and_then(|client| Id::parse(&client.value.service_account_id));
        let leads_to_admin = self.is_admin(account) || known.is_some_and(|account| self.is_admin(&account));
        let value = MachineToMachine { service_account_id: account.to_string(), ..wanted.value.clone() };
        match existing {
            None => {
                self.check_admin(leads_to_admin, &path)?;
                self.new_client(&path, value, wanted, account_name).map(Some)
            }
            Some(before) => self.known_client(&path, value, before, wanted, leads_to_admin).map(Some),
        }
    }

    fn new_client(
        &mut self,
        path: &str,
        mut value: MachineToMachine,
        wanted: &WantedClient,
        account_name: &str,
    ) -> Result<(String, Id)> {
        if value.client_id.is_empty() {
            value.client_id = new_client_id(&self.app.clock);
        }
        let mut shown: Vec<Form> = Vec::new();
        let one = [WantedSecret { value: None, not_before: None, expires_at: None }];
        for secret in wanted.secrets.as_deref().unwrap_or(&one) {
            // One that has ended needs not be made any more.
            if secret.expires_at.is_none_or(|end| end > self.now) {
                let made = self.make_secret(path, &value, secret)?;
                shown.push(secret_form(&made, secret.value.is_none()));
                value.credentials.push(made);
            }
        }
        let mut form = form::client(&value, account_name);
        if self.options.dry_run && wanted.value.client_id.is_empty() {
            form.insert("clientId".to_owned(), A_NEW_ONE.into());
        }
        form.insert("secrets".to_owned(), shown.into());
        let record = self.new_record(value);
        let ids: Vec<Id> = record.value.credentials.iter().map(|credential| credential.id.clone()).collect();
        self.create(Stage::Clients, &record, &record.value.display_name.clone(), &form);
        for id in ids {
            self.draft.mark(CREDENTIAL, &id);
        }
        Ok((record.value.client_id, record.id))
    }

    fn known_client(
        &mut self,
        path: &str,
        mut value: MachineToMachine,
        before: Record<MachineToMachine>,
        wanted: &WantedClient,
        leads_to_admin: bool,
    ) -> Result<(String, Id)> {
        self.keep(&before.id);
        value.client_id.clone_from(&before.value.client_id);
        value.credentials.clone_from(&before.value.credentials);
        if value == before.value {
            self.report.unchanged += 1;
        } else {
            self.check_admin(leads_to_admin, path)?;
            if value.service_account_id != before.value.service_account_id {
                self.moved.insert(before.id.clone());
            }
            let was = form::client(&before.value, &self.account_name(&before.value.service_account_id)?);
            let form = form::client(&value, &wanted.value.service_account_id);
            let name = value.display_name.clone();
            let after = self.next_record(&before, value);
            self.draft.update(Stage::Clients, &before, &after);
            self.report.tell(Action::Change, "MachineToMachine", &name, Some(&was), Some(&form));
        }
        if let Some(secrets) = &wanted.secrets {
            self.secrets(path, &before, secrets, leads_to_admin)?;
        }
        Ok((before.value.client_id, before.id))
    }

    pub(super) fn account_name(&self, id: &str) -> Result<String> {
        Ok(self.app.store.resource_by_id::<ServiceAccount>(id)?.value.user_name)
    }

    /// Adds what is missing among a client's secrets, gives those that are there their end, and with prune ends those
    /// that an apply made and the document no longer has.
    fn secrets(
        &mut self,
        path: &str,
        client: &Record<MachineToMachine>,
        wanted: &[WantedSecret],
        leads_to_admin: bool,
    ) -> Result<()> {
        let known = &client.value.credentials;
        let mut stays: HashSet<Id> = HashSet::new();
        let mut changes = 0;
        let mut added = 0;
        for secret in wanted {
            let matching = match &secret.value {
                None => known.iter().find(|credential| credential.is_valid_at(self.now)),
                Some(value) => self.find_secret(client, value)?,
            };
            match matching {
                Some(credential) => {
                    stays.insert(credential.id.clone());
                    changes += usize::from(self.end_secret(client, credential, secret));
                }
                None if secret.expires_at.is_some_and(|end| end <= self.now) => {}
                None => {
                    let made = self.make_secret(path, &client.value, secret)?;
                    self.draft.insert_credential(client, &made);
                    self.tell_secret(Action::Create, client, &made, secret.value.is_none());
                    added += 1;
                }
            }
        }
        // "generate" is content with any secret, so it keeps them all.
        let lists_all = wanted.iter().all(|secret| secret.value.is_some());
        let mut ended = 0;
        for credential in known.iter().filter(|credential| lists_all && !stays.contains(&credential.id)) {
            if self.prunable.credentials.contains(&credential.id) {
                self.draft.delete_credential(client, credential);
                self.tell_secret(Action::Delete, client, credential, false);
                ended += 1;
            }
        }
        self.check_admin(leads_to_admin && changes + added > 0, path)?;
        if known.len() + added - ended > CREDENTIALS_MAX {
            let message = format!("the client would have more than {CREDENTIALS_MAX} secrets: end some of them first");
            self.wrong.at(&format!("{path}/secrets"), serde_json::Value::Null, message);
        }
        Ok(())
    }

    /// Which of a client's secrets this is. One that a person chose takes a slow hash, unless it was seen lately.
    fn find_secret<'c>(&self, client: &'c Record<MachineToMachine>, secret: &Secret) -> Result<Option<&'c Credential>> {
        let known = &client.value.credentials;
        let keyed = self.app.server_keys.hash(secret.expose());
        let remembered = &self.app.slow_hashes.remembered;
        let at_once = known.iter().find(|credential| match &credential.hash {
            SecretHash::Keyed(hash) => hashes_equal(hash, &keyed),
            SecretHash::Slow(_) => remembered.get(&credential.id).is_some_and(|hash| hashes_equal(&hash, &keyed)),
        });
        let has_slow = known.iter().any(|credential| matches!(credential.hash, SecretHash::Slow(_)));
        if at_once.is_some() || !has_slow || is_generated(SecretKind::Client, secret.expose()) {
            return Ok(at_once);
        }
        let slow = self.app.server_keys.hash_slowly(&client.value.client_id, secret.expose())?;
        let found = known.iter().find(|credential| match &credential.hash {
            SecretHash::Slow(hash) => hashes_equal(hash, &slow),
            SecretHash::Keyed(_) => false,
        });
        if let Some(credential) = found {
            remembered.insert(credential.id.clone(), keyed);
        }
        Ok(found)
    }

    /// Gives a secret the end that the document says; answers whether it has another now.
    fn end_secret(
        &mut self,
        client: &Record<MachineToMachine>,
        credential: &Credential,
        wanted: &WantedSecret,
    ) -> bool {
        let Some(end) = wanted.expires_at.filter(|end| credential.expires_at != Some(*end)) else { return false };
        let after = Credential { expires_at: Some(end), ..credential.clone() };
        self.draft.end_credential(client, credential, &after);
        let (was, form) = (secret_form(credential, false), secret_form(&after, false));
        self.report.tell(Action::Change, CREDENTIAL, &client.value.display_name, Some(&was), Some(&form));
        true
    }

    fn make_secret(&mut self, path: &str, client: &MachineToMachine, wanted: &WantedSecret) -> Result<Credential> {
        let brought = wanted.value.clone();
        let is_made = brought.is_none();
        if is_made && !self.options.may_generate {
            let message = "a secret would have to be made, and nobody would see it: give one, by value, env: or file:";
            self.wrong.at(&format!("{path}/secret"), serde_json::Value::Null, message);
        }
        let (app, end) = (self.app, wanted.expires_at);
        let (mut credential, secret) =
            Credential::for_secret(&app.clock, &app.server_keys, &client.client_id, brought, end)?;
        credential.not_before = wanted.not_before;
        if is_made && !self.options.dry_run {
            let (client_id, display_name) = (client.client_id.clone(), client.display_name.clone());
            self.report.secrets.push(MadeSecret { client_id, display_name, secret });
        }
        Ok(credential)
    }

    fn tell_secret(
        &mut self,
        action: Action,
        client: &Record<MachineToMachine>,
        credential: &Credential,
        is_made: bool,
    ) {
        let form = secret_form(credential, is_made);
        let (before, after) = if action == Action::Delete { (Some(&form), None) } else { (None, Some(&form)) };
        self.report.tell(action, CREDENTIAL, &client.value.display_name, before, after);
    }
}

/// What people may see of a secret. One that is made has an end of its own only once it is.
fn secret_form(credential: &Credential, is_made: bool) -> Form {
    let shown = if is_made { A_NEW_ONE.to_owned() } else { format!("…{}", credential.last4) };
    let mut form = Form::new();
    form.insert("secret".to_owned(), shown.into());
    if let Some(end) = credential.expires_at {
        form.insert("expiresAt".to_owned(), end.to_string().into());
    }
    form
}
