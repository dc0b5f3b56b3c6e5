//! MachineToMachine: an OAuth client, which lets one service account authenticate.

use serde_json::{Map, Value, json};

use super::Resource;
use super::credential::Credential;
use super::fields::{Fields, display_name, reference_name, token_name};
use crate::secret::{self, Secret};

/// How a client may prove who it is at the token endpoint (RFC 7591 2, `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// Secret in HTTP Basic.
    ClientSecretBasic,
    /// Secret in the body.
    ClientSecretPost,
}

impl AuthMethod {
    /// All that are offered, in the order of the metadata.
    pub const ALL: [Self; 2] = [Self::ClientSecretBasic, Self::ClientSecretPost];

    /// As written in metadata.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
        }
    }

    /// The method of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

/// Credentials that one client may have at a time.
pub const CREDENTIALS_MAX: usize = 20;

/// An OAuth client.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineToMachine {
    /// Fixed for life; empty until one is made for a new client that brought none.
    pub client_id: String,
    /// For people.
    pub display_name: String,
    /// Who its tokens are about. As written by the caller, an id or a userName, until the store resolves it.
    pub service_account_id: String,
    /// An inactive client gets no token.
    pub active: bool,
    /// How it may authenticate.
    pub allowed_auth_methods: Vec<AuthMethod>,
    /// Free members; policies see them.
    pub attributes: Map<String, Value>,
    /// Its secrets, oldest first. Changed through their own sub-resource.
    pub credentials: Vec<Credential>,
    /// A secret that the caller of POST brought along, until it is hashed.
    pub(crate) brought_secret: Option<Secret>,
}

impl Resource for MachineToMachine {
    const TYPE: &'static str = "MachineToMachine";
    const PLURAL: &'static str = "MachineToMachines";
    const WRITABLE: &'static [&'static str] =
        &["clientId", "displayName", "serviceAccountId", "active", "allowedAuthMethods", "attributes"];

    fn parse(fields: &mut Fields<'_>, current: Option<&Self>) -> Self {
        let client_id = fields.optional_text("clientId", token_name);
        if let (Some(sent), Some(current)) = (&client_id, current)
            && *sent != current.client_id
        {
            fields.violate("clientId", "a client id is fixed for life: make another integration for another one");
        }
        // Read-only, but allowed: a client that was read can be sent back whole.
        fields.raw("credentials");
        let client_id = current.map(|current| current.client_id.clone()).or(client_id).unwrap_or_default();
        Self {
            brought_secret: brought_secret(fields, &client_id, current.is_some()),
            display_name: fields.text("displayName", display_name),
            service_account_id: fields.text("serviceAccountId", reference_name),
            active: fields.flag("active", true),
            allowed_auth_methods: auth_methods(fields),
            attributes: fields.free_object("attributes"),
            credentials: current.map(|current| current.credentials.clone()).unwrap_or_default(),
            client_id,
        }
    }

    fn members(&self) -> Map<String, Value> {
        let methods: Vec<&str> = self.allowed_auth_methods.iter().map(|method| method.as_str()).collect();
        let Value::Object(members) = json!({
            "clientId": self.client_id,
            "displayName": self.display_name,
            "serviceAccountId": self.service_account_id,
            "active": self.active,
            "allowedAuthMethods": methods,
            "attributes": self.attributes,
            "credentials": self.credentials.iter().map(Credential::to_json).collect::<Vec<_>>(),
        }) else {
            return Map::new();
        };
        members
    }
}

fn brought_secret(fields: &mut Fields<'_>, client_id: &str, exists: bool) -> Option<Secret> {
    let sent = fields.raw("clientSecret")?;
    let refusal = match sent.as_str() {
        _ if exists => Err("secrets of an existing client are made and ended under its /secrets".to_owned()),
        None => Err("must be a string".to_owned()),
        Some(text) => secret::check_strength(text, client_id),
    };
    match refusal {
        Ok(()) => sent.as_str().map(|text| Secret::new(text.to_owned())),
        Err(message) => {
            fields.violate_secret("clientSecret", message);
            None
        }
    }
}

fn auth_methods(fields: &mut Fields<'_>) -> Vec<AuthMethod> {
    let known = |text: &str| match AuthMethod::parse(text) {
        Some(_) => Ok(()),
        None => Err("must be client_secret_basic or client_secret_post".to_owned()),
    };
    let named = fields.text_list("allowedAuthMethods", AuthMethod::ALL.len(), known);
    if named.is_empty() {
        return AuthMethod::ALL.to_vec();
    }
    named.iter().filter_map(|text| AuthMethod::parse(text)).collect()
}
