//! What `grantd dev` makes so that the first token is one command away: the accounts of the how-to.
//!
//! Its secrets follow from the master key, so that a restart can print them again although the database
//! holds only their hashes.

use serde_json::{Map, Value, json};

use crate::admin::{self, operations};
use crate::app::App;
use crate::error::{Error, Result};
use crate::model::api::Api;
use crate::model::api_token::Role;
use crate::model::grant::Grant;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::service_account::ServiceAccount;
use crate::secret::{Secret, SecretKind, is_generated};
use crate::store::{Entity, Origin};

/// The setting that remembers that the sample was made: what its owner changed or deleted stays so.
const SAMPLE_MADE: &str = "dev_sample";
const USER_NAME: &str = "periodicCleanup";
const SERVICE_NAME: &str = "periodicService";
const APP_ID: &str = "myrestapi";
const SECRET_NAME: &str = "client secret of the sample";
const API_TOKEN_NAME: &str = "admin API token";

/// What there is to start with. A part that its owner has deleted is missing.
#[derive(Debug)]
pub struct Sample {
    /// The sample client's id and secret.
    pub client: Option<(String, Secret)>,
    /// A bearer for the admin API, with the role admin.
    pub api_token: Option<Secret>,
    /// The sample API's `appId`.
    pub api: String,
    /// The scopes granted at it.
    pub scopes: Vec<String>,
}

/// Makes the sample in a database that never had it, and tells what is still there of it.
///
/// # Errors
/// `Taken` when its names are used by something else; `Unavailable` or `Internal` from the database.
pub fn prepare(app: &App) -> Result<Sample> {
    let client_secret = app.server_keys.dev_secret(SecretKind::Client, SECRET_NAME);
    let api_token = app.server_keys.dev_secret(SecretKind::ApiToken, API_TOKEN_NAME);
    if app.store.setting_by_name(SAMPLE_MADE)?.is_none() {
        make(app, &client_secret, &api_token)?;
        app.store.setting_insert(SAMPLE_MADE, b"1")?;
    }
    let hash = app.server_keys.hash(api_token.expose());
    let api_token_lives = app.store.api_token_by_hash(&hash)?.is_some();
    let clients = app.store.resources_where::<MachineToMachine>("t.display_name = ?1", vec![SERVICE_NAME.into()])?;
    let has_secret = |client: &MachineToMachine| {
        let keyed = crate::model::credential::SecretHash::Keyed(app.server_keys.hash(client_secret.expose()));
        client.credentials.iter().any(|credential| credential.hash == keyed)
    };
    let client = clients.into_iter().map(|record| record.value).find(has_secret);
    debug_assert!(is_generated(SecretKind::Client, client_secret.expose()), "the sample's secret has the generated form");
    Ok(Sample {
        client: client.map(|client| (client.client_id, client_secret)),
        api_token: api_token_lives.then_some(api_token),
        api: APP_ID.to_owned(),
        scopes: vec!["write".to_owned()],
    })
}

/// Every step looks first: a start that was cut short goes on where it ended.
fn make(app: &App, client_secret: &Secret, api_token: &Secret) -> Result<()> {
    let origin = Origin::system("the sample of grantd dev");
    let account = json!({"userName": USER_NAME, "displayName": "Periodic Cleanup Account", "active": true});
    let account = make_once::<ServiceAccount>(app, "t.user_name = ?1", USER_NAME, &account, &origin)?;
    let client = json!({"displayName": SERVICE_NAME, "serviceAccountId": account, "clientSecret": client_secret.expose()});
    make_once::<MachineToMachine>(app, "t.display_name = ?1", SERVICE_NAME, &client, &origin)?;
    let api = json!({
        "appId": APP_ID,
        "displayName": "My REST API",
        "scopes": [{"identifier": "read", "displayName": "Read"}, {"identifier": "write", "displayName": "Write"}],
    });
    let api = make_once::<Api>(app, "t.app_id = ?1", APP_ID, &api, &origin)?;
    let grant = json!({"serviceAccountId": account, "apiId": api, "scopes": ["write"], "reason": "the sample of grantd dev"});
    make_once::<Grant>(app, "t.service_account_id = ?1", &account, &grant, &origin)?;
    let hash = app.server_keys.hash(api_token.expose());
    if app.store.api_token_by_hash(&hash)?.is_none() {
        operations::api_token_insert(app, "grantd dev".to_owned(), Role::Admin, true, None, api_token, &origin)?;
    }
    Ok(())
}

fn make_once<E: Entity>(app: &App, condition: &'static str, name: &str, body: &Value, origin: &Origin) -> Result<String> {
    if let Some(id) = app.store.id_where::<E>(condition, name)? {
        return Ok(id.to_string());
    }
    let body: &Map<String, Value> =
        body.as_object().ok_or_else(|| Error::Internal("the sample's bodies are objects".to_owned()))?;
    Ok(admin::create::<E>(app, body, origin)?.record.id.to_string())
}
