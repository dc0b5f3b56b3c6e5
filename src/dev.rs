//! What `grantd dev` has and no other server: here the sample, which makes the first token one command away; in `dev/`
//! a clock that can be set, and faults on demand.
//!
//! The sample's names keep out of the way of those that people will want for their own. Its client id and secrets follow from the master key, so that a restart, and a command on the same
//! machine, can tell them again although the database holds only hashes.

mod controls;
mod faults;
pub(crate) mod time;

use serde_json::{Map, Value, json};

use crate::admin::{self, operations};
use crate::app::App;
use crate::error::{Error, Result};
use crate::model::api::Api;
use crate::model::api_token::Role;
use crate::model::credential::SecretHash;
use crate::model::grant::Grant;
use crate::model::id::CLIENT_ID_CHARS;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::service_account::ServiceAccount;
use crate::secret::{Secret, SecretKind, ServerKeys};
use crate::store::{Entity, Origin};

pub(crate) use controls::Controls;
pub use controls::DevOptions;
pub(crate) use faults::Fault;

/// The setting that remembers that the sample was made: what its owner changed or deleted stays so.
const SAMPLE_MADE: &str = "dev_sample";
const USER_NAME: &str = "sample-account";
const SERVICE_NAME: &str = "Sample service";
const APP_ID: &str = "sample-api";

/// What there is to start with. A part that its owner has deleted is missing.
#[derive(Debug)]
pub struct Sample {
    /// The sample client's id and secret.
    pub client: Option<(String, Secret)>,
    /// A bearer for the admin API, with the role admin.
    pub api_token: Option<Secret>,
    /// The sample API's `appId`.
    pub api: &'static str,
    /// The scopes granted at it.
    pub scopes: &'static [&'static str],
}

/// The sample client's id and secret under these keys, whether it exists or not.
#[must_use]
pub fn client_of(keys: &ServerKeys) -> (String, Secret) {
    let secret = keys.dev_secret(SecretKind::Client, "client secret of the sample");
    (keys.dev_text("client id of the sample", CLIENT_ID_CHARS), secret)
}

/// The API token that `dev` makes under these keys, whether it exists or not.
#[must_use]
pub fn api_token_of(keys: &ServerKeys) -> Secret {
    keys.dev_secret(SecretKind::ApiToken, "admin API token")
}

/// Makes the sample in a database that never had it, and tells what is still there of it.
///
/// # Errors
/// `Taken` when its names are used by something else; `Unavailable` or `Internal` from the database.
pub fn prepare(app: &App) -> Result<Sample> {
    let (client_id, client_secret) = client_of(&app.server_keys);
    let api_token = api_token_of(&app.server_keys);
    if app.store.setting_by_name(SAMPLE_MADE)?.is_none() {
        check_own(app, &api_token)?;
        make(app, &client_id, &client_secret, &api_token)?;
        app.store.setting_insert(SAMPLE_MADE, b"1")?;
    }
    let api_token_lives = app.store.api_token_by_hash(&app.server_keys.hash(api_token.expose()))?.is_some();
    let keyed = SecretHash::Keyed(app.server_keys.hash(client_secret.expose()));
    let client = app.store.client_by_client_id(&client_id)?;
    let client_lives =
        client.is_some_and(|client| client.credentials.iter().any(|credential| credential.hash == keyed));
    Ok(Sample {
        client: client_lives.then_some((client_id, client_secret)),
        api_token: api_token_lives.then_some(api_token),
        api: APP_ID,
        scopes: &["write"],
    })
}

/// Keeps the sample, and an API token that never ends, out of a database that is somebody's already.
fn check_own(app: &App, api_token: &Secret) -> Result<()> {
    let is_own = app.store.api_token_by_hash(&app.server_keys.hash(api_token.expose()))?.is_some();
    if is_own || !app.store.admin_token_exists(app.clock.now())? {
        return Ok(());
    }
    Err(Error::Setup(format!(
        "{} was not made by `grantd dev`, which would put its sample and an admin API token into it: name another file with \
         --database, or start this one with `grantd serve`",
        app.config().database.display()
    )))
}

/// Every step looks first: a start that was cut short goes on where it ended.
fn make(app: &App, client_id: &str, client_secret: &Secret, api_token: &Secret) -> Result<()> {
    let origin = Origin::system("the sample of grantd dev");
    let account = json!({"userName": USER_NAME, "displayName": "Sample account", "active": true});
    let account = make_once::<ServiceAccount>(app, "t.user_name = ?1", USER_NAME, &account, &origin)?;
    let client = json!({
        "clientId": client_id,
        "clientSecret": client_secret.expose(),
        "displayName": SERVICE_NAME,
        "serviceAccountId": account,
    });
    make_once::<MachineToMachine>(app, "t.client_id = ?1", client_id, &client, &origin)?;
    let api = json!({
        "appId": APP_ID,
        "displayName": "Sample API",
        "scopes": [{"identifier": "read", "displayName": "Read"}, {"identifier": "write", "displayName": "Write"}],
    });
    let api = make_once::<Api>(app, "t.app_id = ?1", APP_ID, &api, &origin)?;
    let reason = "the sample of grantd dev";
    let grant = json!({"serviceAccountId": account, "apiId": api, "scopes": ["write"], "reason": reason});
    make_once::<Grant>(app, "t.service_account_id = ?1", &account, &grant, &origin)?;
    if app.store.api_token_by_hash(&app.server_keys.hash(api_token.expose()))?.is_none() {
        operations::api_token_insert(app, "grantd dev".to_owned(), Role::Admin, true, None, api_token, &origin)?;
    }
    Ok(())
}

/// Makes a resource unless `condition` finds one; answers its id.
fn make_once<E: Entity>(
    app: &App,
    condition: &'static str,
    name: &str,
    body: &Value,
    origin: &Origin,
) -> Result<String> {
    if let Some(id) = app.store.id_where::<E>(condition, name)? {
        return Ok(id.to_string());
    }
    let body: &Map<String, Value> =
        body.as_object().ok_or_else(|| Error::Internal("the sample's bodies are objects".to_owned()))?;
    Ok(admin::create::<E>(app, body, origin)?.record.id.to_string())
}
