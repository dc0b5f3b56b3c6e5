//! How a resource is written in a document: by name, and without what is so by itself. Export writes it, and what an
//! apply changes is told in it.

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::model::api::{Api, ApiScope, SigningAlg, TOKEN_LIFETIME_SECONDS_DEFAULT};
use crate::model::grant::Grant;
use crate::model::machine_to_machine::{AuthMethod, MachineToMachine};
use crate::model::policy::{Attachment, Mode, Policy};
use crate::model::service_account::ServiceAccount;

/// The members of one thing in a document.
pub(super) type Form = Map<String, Value>;

/// Writes members, but for those that say nothing new.
#[derive(Default)]
struct Writer(Form);

impl Writer {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Unless it is what it would be anyway.
    fn put_unless<T: PartialEq + Into<Value>>(&mut self, name: &str, value: T, usual: &T) {
        if value != *usual {
            self.put(name, value);
        }
    }

    fn put_object(&mut self, name: &str, object: &Form) {
        if !object.is_empty() {
            self.put(name, object.clone());
        }
    }

    fn put_time(&mut self, name: &str, time: Option<Timestamp>) {
        if let Some(time) = time {
            self.put(name, time.to_string());
        }
    }
}

pub(super) fn account(account: &ServiceAccount) -> Form {
    let mut form = Writer::default();
    form.put("userName", account.user_name.as_str());
    form.put_unless("displayName", account.display_name.as_str(), &account.user_name.as_str());
    form.put_unless("active", account.active, &true);
    form.put_object("attributes", &account.attributes);
    form.0
}

/// `account` is the name of its account.
pub(super) fn client(client: &MachineToMachine, account: &str) -> Form {
    let mut form = Writer::default();
    form.put("displayName", client.display_name.as_str());
    form.put("clientId", client.client_id.as_str());
    form.put("account", account);
    form.put_unless("active", client.active, &true);
    if client.allowed_auth_methods != AuthMethod::ALL {
        let methods: Vec<&str> = client.allowed_auth_methods.iter().map(|method| method.as_str()).collect();
        form.put("allowedAuthMethods", methods);
    }
    form.put_object("attributes", &client.attributes);
    form.0
}

pub(super) fn api(api: &Api) -> Form {
    let mut form = Writer::default();
    form.put("appId", api.app_id.as_str());
    form.put_unless("displayName", api.display_name.as_str(), &api.app_id.as_str());
    if let Some(audience) = &api.audience {
        form.put("audience", audience.as_str());
    }
    form.put_unless("active", api.active, &true);
    if !api.scopes.is_empty() {
        form.put("scopes", api.scopes.iter().map(scope).collect::<Vec<_>>());
    }
    form.put_unless("signingAlg", api.signing_alg.as_str(), &SigningAlg::Rs256.as_str());
    form.put_unless("tokenLifetimeSeconds", api.token_lifetime_seconds, &TOKEN_LIFETIME_SECONDS_DEFAULT);
    if !api.claims.is_empty() {
        form.put("claims", json!(api.claims));
    }
    form.put_object("attributes", &api.attributes);
    form.0
}

/// An identifier alone where that says it all.
fn scope(scope: &ApiScope) -> Value {
    let mut form = Writer::default();
    form.put("identifier", scope.identifier.as_str());
    form.put_unless("displayName", scope.display_name.as_str(), &scope.identifier.as_str());
    form.put_unless("description", scope.description.as_str(), &"");
    form.put_unless("sensitivity", scope.sensitivity.as_str(), &"low");
    form.put_unless("default", scope.default, &false);
    if form.0.len() == 1 { scope.identifier.as_str().into() } else { Value::Object(form.0) }
}

/// With the names of its account and its API.
pub(super) fn grant(grant: &Grant, account: &str, api: &str) -> Form {
    let mut form = Writer::default();
    form.put("account", account);
    form.put("api", api);
    form.put("scopes", grant.scopes.clone());
    form.put_time("notBefore", grant.not_before);
    form.put_time("expiresAt", grant.expires_at);
    form.put_unless("reason", grant.reason.as_str(), &"");
    form.0
}

/// `attached` is the name of what it is attached to.
pub(super) fn policy(policy: &Policy, attached: Option<&str>) -> Form {
    let mut form = Writer::default();
    form.put("name", policy.name.as_str());
    form.put("module", policy.module_digest.as_str());
    form.put_object("settings", &policy.settings);
    let Attachment { level, .. } = &policy.attached_to;
    form.put("attachedTo", attached.map_or_else(|| json!("server"), |name| json!({level.as_str(): name})));
    form.put_unless("order", policy.order, &0);
    form.put_unless("mode", policy.mode.as_str(), &Mode::Enforce.as_str());
    form.put_unless("active", policy.active, &true);
    form.0
}
