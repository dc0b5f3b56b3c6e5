//! Each thing of a document: its members read as the admin API reads a body, under the names that documents have for
//! them.

use serde_json::{Map, Value, json};

use super::{FETCHED, GENERATE, Violations, WantedClient, WantedSecret};
use crate::model::Resource;
use crate::model::api::Api;
use crate::model::fields::Fields;
use crate::model::grant::Grant;
use crate::model::machine_to_machine::{CREDENTIALS_MAX, MachineToMachine};
use crate::model::policy::Policy;
use crate::model::service_account::ServiceAccount;
use crate::secret::{self, Secret};

/// One thing that is being read: its members, and where it stands.
pub(super) struct Item {
    pub(super) members: Map<String, Value>,
    pub(super) path: String,
}

impl Item {
    /// Reads it as the admin API reads a body.
    fn parse<R: Resource>(&self, aliases: &[(&str, &str)], wrong: &mut Violations) -> R {
        let mut fields = Fields::new(&self.members, self.path.as_str());
        let value = R::parse(&mut fields, None);
        for mut violation in fields.finish(&[]) {
            for (ours, theirs) in aliases {
                if violation.property_path == format!("{}/{theirs}", self.path) {
                    violation.property_path = format!("{}/{ours}", self.path);
                }
            }
            wrong.push(violation);
        }
        value
    }

    /// Gives a member the name that the admin API knows it by.
    fn rename(&mut self, ours: &str, theirs: &str, wrong: &mut Violations) {
        if let Some(value) = self.members.remove(theirs) {
            let path = format!("{}/{theirs}", self.path);
            wrong.at(&path, value, format!("there is no such member here; did you mean {ours}?"));
        }
        if let Some(value) = self.members.remove(ours) {
            self.members.insert(theirs.to_owned(), value);
        }
    }
}

pub(super) fn account(mut item: Item, wrong: &mut Violations) -> ServiceAccount {
    // What is declared is meant to work; the admin API's default is for accounts that are made step by step.
    item.members.entry("active").or_insert(true.into());
    item.parse(&[], wrong)
}

pub(super) fn client(mut item: Item, wrong: &mut Violations) -> WantedClient {
    item.rename("account", "serviceAccountId", wrong);
    for unfit in ["clientSecret", "credentials"] {
        if item.members.remove(unfit).is_some() {
            // Whatever stands there may be a secret: it is not repeated.
            wrong.at(&format!("{}/{unfit}", item.path), Value::Null, "there is no such member here; write secret");
        }
    }
    let one = item.members.remove("secret").filter(|value| !value.is_null());
    let several = item.members.remove("secrets").filter(|value| !value.is_null());
    let value: MachineToMachine = item.parse(&[("account", "serviceAccountId")], wrong);
    let secrets = match (one, several) {
        (None, None) => None,
        (Some(one), None) => Some(vec![wanted_secret(&one, &format!("{}/secret", item.path), &value.client_id, wrong)]),
        (None, Some(Value::Array(all))) => {
            if all.len() > CREDENTIALS_MAX {
                let message = format!("a client has at most {CREDENTIALS_MAX} secrets");
                wrong.at(&format!("{}/secrets", item.path), Value::Null, message);
            }
            let path = |index| format!("{}/secrets/{index}", item.path);
            let read = all.iter().enumerate();
            Some(read.map(|(index, one)| wanted_secret(one, &path(index), &value.client_id, wrong)).collect())
        }
        (None, Some(_)) => {
            wrong.at(&format!("{}/secrets", item.path), Value::Null, "must be a list");
            None
        }
        (Some(_), Some(_)) => {
            wrong.at(&format!("{}/secrets", item.path), Value::Null, "secret stands here too: keep one of them");
            None
        }
    };
    WantedClient { value, secrets }
}

/// A text, or `{"value": text, "expiresAt": …, "notBefore": …}`. No mistake repeats what was written.
fn wanted_secret(written: &Value, path: &str, client_id: &str, wrong: &mut Violations) -> WantedSecret {
    let mut wanted = WantedSecret { value: None, not_before: None, expires_at: None };
    let (text, path) = match written {
        Value::String(text) => (text.as_str(), path.to_owned()),
        Value::Object(members) => {
            let mut fields = Fields::new(members, path);
            let text = fields.raw("value").and_then(Value::as_str).unwrap_or_default();
            wanted.not_before = fields.time("notBefore");
            wanted.expires_at = fields.time("expiresAt");
            if wanted.expires_at.is_some_and(|end| wanted.not_before.is_some_and(|start| end <= start)) {
                fields.violate("expiresAt", "must be later than notBefore");
            }
            for mut violation in fields.finish(&[]) {
                violation.invalid_value = Value::Null;
                wrong.push(violation);
            }
            (text, format!("{path}/value"))
        }
        _ => ("", path.to_owned()),
    };
    if text == GENERATE {
        return wanted;
    }
    let refusal = if FETCHED.iter().any(|prefix| text.starts_with(prefix)) {
        Err("a server reads no file and no variable for its callers: `grantd apply` does, where it runs".to_owned())
    } else if text.is_empty() {
        Err("must be a secret, \"generate\", \"env:NAME\" or \"file:PATH\"".to_owned())
    } else {
        secret::check_strength(text, client_id)
    };
    if let Err(message) = refusal {
        wrong.at(&path, Value::Null, message);
    }
    wanted.value = Some(Secret::new(text.to_owned()));
    wanted
}

pub(super) fn api(mut item: Item, wrong: &mut Violations) -> Api {
    if let Some(Value::Array(scopes)) = item.members.get_mut("scopes") {
        for scope in scopes.iter_mut().filter(|scope| scope.is_string()) {
            *scope = json!({"identifier": scope.take()});
        }
    }
    item.parse(&[], wrong)
}

pub(super) fn grant(mut item: Item, wrong: &mut Violations) -> Grant {
    item.rename("account", "serviceAccountId", wrong);
    item.rename("api", "apiId", wrong);
    item.parse(&[("account", "serviceAccountId"), ("api", "apiId")], wrong)
}

pub(super) fn policy(mut item: Item, wrong: &mut Violations) -> Policy {
    item.rename("module", "moduleDigest", wrong);
    let at = item.members.remove("attachedTo");
    let attached = match at.as_ref() {
        Some(Value::String(word)) if word == "server" => Some(json!({"type": "server"})),
        Some(Value::Object(one)) if one.len() == 1 => {
            one.iter().next().map(|(kind, name)| json!({"type": kind, "id": name}))
        }
        _ => None,
    };
    let path = format!("{}/attachedTo", item.path);
    match attached {
        Some(attached) => {
            item.members.insert("attachedTo".to_owned(), attached);
        }
        None => {
            let message = "must be \"server\", or one of {api = NAME}, {client = NAME}, {account = NAME}";
            wrong.at(&path, at.unwrap_or_default(), message);
            item.members.insert("attachedTo".to_owned(), json!({"type": "server"}));
        }
    }
    item.parse(&[("module", "moduleDigest")], wrong)
}
