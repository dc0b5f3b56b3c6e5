//! The admin operations that are no resource's: client secrets, API tokens, keys.

use serde_json::{Map, Value, json};

use super::whatever_it_was;
use crate::app::App;
use crate::error::{Error, Result, Violation};
use crate::model::Record;
use crate::model::api::SigningAlg;
use crate::model::api_token::{ApiToken, Role};
use crate::model::credential::Credential;
use crate::model::fields::{Fields, display_name};
use crate::model::id::Id;
use crate::model::machine_to_machine::MachineToMachine;
use crate::patch::Patch;
use crate::secret::{self, Secret, SecretKind};
use crate::signer::RotateRequest;
use crate::store::{AuditVerdict, CommitRow, EndingSecret, KeyRow, Origin, Page, PastChange, Query, Revision};

/// Ends the reading of a body.
fn finish(fields: Fields<'_>) -> Result<()> {
    let violations = fields.finish(&[]);
    if violations.is_empty() { Ok(()) } else { Err(Error::Invalid(violations)) }
}

/// A moment that must lie ahead.
fn end_time(app: &App, fields: &mut Fields<'_>) -> Option<crate::clock::Timestamp> {
    let end = fields.time("expiresAt");
    if end.is_some_and(|end| end <= app.clock.now()) {
        fields.violate("expiresAt", "must lie in the future");
    }
    end
}

/// The secrets of a client, without the secrets.
pub(crate) fn secret_list(app: &App, client_id: &str) -> Result<Vec<Value>> {
    let client = app.store.resource_by_id::<MachineToMachine>(client_id)?;
    Ok(app.store.credential_list_of(&client.id)?.iter().map(Credential::to_json).collect())
}

/// Makes a secret, or takes one that the caller brought. The answer shows it, this once.
pub(crate) fn secret_create(app: &App, client_id: &str, body: &Map<String, Value>, origin: &Origin) -> Result<Value> {
    whatever_it_was(None, || {
        let client = app.store.resource_by_id::<MachineToMachine>(client_id)?;
        super::check_admin(app, &client.value, origin)?;
        let mut fields = Fields::new(body, "");
        let brought = fields.raw("clientSecret").map(|sent| {
            let text = sent.as_str().unwrap_or_default();
            if let Err(message) = secret::check_strength(text, &client.value.client_id) {
                fields.violate_secret("clientSecret", message);
            }
            Secret::new(text.to_owned())
        });
        let not_before = fields.time("notBefore");
        let expires_at = end_time(app, &mut fields);
        if let (Some(start), Some(end)) = (not_before, expires_at)
            && end <= start
        {
            fields.violate("expiresAt", "must be later than notBefore");
        }
        finish(fields)?;
        let generated = brought.is_none();
        let (mut credential, secret) =
            Credential::for_secret(&app.clock, &app.server_keys, &client.value.client_id, brought, expires_at)?;
        credential.not_before = not_before;
        app.store.credential_insert(&client, &credential, &app.clock, origin)?;
        let mut shown = credential.to_json();
        if let (true, Some(members)) = (generated, shown.as_object_mut()) {
            members.insert("clientId".to_owned(), json!(client.value.client_id));
            members.insert("clientSecret".to_owned(), json!(secret.expose()));
        }
        Ok(shown)
    })
}

/// Gives a secret another end, or none: a PATCH whose one member is `expiresAt`.
pub(crate) fn secret_patch(
    app: &App,
    client_id: &str,
    id: &str,
    body: &Value,
    revision: Option<i64>,
    origin: &Origin,
) -> Result<Value> {
    whatever_it_was(None, || {
        let patch = patch_without_revision(body, revision, "a secret")?;
        let client: Record<MachineToMachine> = app.store.resource_by_id(client_id)?;
        super::check_admin(app, &client.value, origin)?;
        let before = credential_of(app, &client, id)?;
        let mut members = Map::new();
        members.insert("expiresAt".to_owned(), json!(before.expires_at.map(|time| time.to_string())));
        patch.apply(&mut members, &["expiresAt"]).map_err(super::patch_error)?;
        let mut fields = Fields::new(&members, "");
        let after = Credential { expires_at: fields.time("expiresAt"), ..before.clone() };
        let (now, is_same) = (app.clock.now(), after == before);
        if is_same {
            // As it is, however little sense it makes by now.
        } else if before.expires_at.is_some_and(|end| end <= now) {
            fields.violate("expiresAt", "this secret has ended: make another one");
        } else if after.expires_at.is_some_and(|end| end <= now) {
            fields.violate("expiresAt", "must lie in the future; delete the secret to end it now");
        } else if after.expires_at.is_some_and(|end| before.not_before.is_some_and(|start| end <= start)) {
            fields.violate("expiresAt", "must be later than notBefore");
        }
        finish(fields)?;
        if is_same {
            return Ok(before.to_json());
        }
        app.store.credential_update(&client, &before, &after, &app.clock, origin)?;
        Ok(after.to_json())
    })
}

/// The patch of something that counts no revisions; `what` is what it is called.
fn patch_without_revision(body: &Value, if_match: Option<i64>, what: &str) -> Result<Patch> {
    let patch = Patch::parse(body).map_err(super::patch_error)?;
    if let Some(revision) = if_match.or(patch.revision) {
        let message = format!("{what} has no revision: leave it out, and If-Match too");
        return Err(Error::Invalid(vec![Violation::new("/Revision", revision.into(), message)]));
    }
    Ok(patch)
}

/// Ends a secret.
pub(crate) fn secret_delete(app: &App, client_id: &str, id: &str, origin: &Origin) -> Result<()> {
    whatever_it_was(None, || {
        let client: Record<MachineToMachine> = app.store.resource_by_id(client_id)?;
        let credential = credential_of(app, &client, id)?;
        app.store.credential_delete(&client, &credential, &app.clock, origin)
    })
}

fn credential_of(app: &App, client: &Record<MachineToMachine>, id: &str) -> Result<Credential> {
    let credentials = app.store.credential_list_of(&client.id)?;
    let found = credentials.into_iter().find(|credential| credential.id.as_str() == id);
    found.ok_or_else(|| Error::NotFound(format!("this client has no secret with the id {id}")))
}

/// Checks the audit chain from its start.
pub(crate) fn audit_verify(app: &App) -> Result<Value> {
    Ok(match app.audit_verify()? {
        AuditVerdict::Holds { sealed, waiting } => {
            json!({"holds": true, "sealed": sealed, "waiting": waiting, "brokenAt": null})
        }
        AuditVerdict::Broken(what) => {
            json!({"holds": false, "sealed": null, "waiting": null, "brokenAt": what.at})
        }
    })
}

/// Makes an API token. The answer shows it, this once, as `signedToken`.
pub(crate) fn api_token_create(app: &App, body: &Map<String, Value>, origin: &Origin) -> Result<Value> {
    let mut fields = Fields::new(body, "");
    let display_name = fields.text("displayName", display_name);
    if fields.raw("role").is_none() {
        fields.violate("role", "this member is required: admin, editor or reader");
    }
    let role = fields.choice("role", Role::WORDS, Role::Reader);
    let active = fields.flag("active", true);
    let expires_at = end_time(app, &mut fields);
    finish(fields)?;
    let secret = secret::generate(&app.clock, SecretKind::ApiToken);
    let token = api_token_insert(app, display_name, role, active, expires_at, &secret, origin)?;
    let mut shown = token.to_json();
    if let Some(members) = shown.as_object_mut() {
        members.insert("signedToken".to_owned(), json!(secret.expose()));
    }
    Ok(shown)
}

/// Stores an API token whose secret is given.
pub(crate) fn api_token_insert(
    app: &App,
    display_name: String,
    role: Role,
    active: bool,
    expires_at: Option<crate::clock::Timestamp>,
    secret: &Secret,
    origin: &Origin,
) -> Result<ApiToken> {
    let now = app.clock.now();
    let token = ApiToken {
        id: Id::new(&app.clock, now),
        display_name,
        role,
        active,
        last4: secret.last4(),
        issued_at: now,
        expires_at,
        last_used_at: None,
    };
    app.store.api_token_insert(&token, &app.server_keys.hash(secret.expose()), &app.clock, origin)?;
    Ok(token)
}

/// Changes an API token: a PATCH of `displayName`, `role`, `active` and `expiresAt`.
pub(crate) fn api_token_patch(
    app: &App,
    id: &str,
    body: &Value,
    revision: Option<i64>,
    origin: &Origin,
) -> Result<Value> {
    whatever_it_was(None, || {
        const MEMBERS: [&str; 4] = ["displayName", "role", "active", "expiresAt"];
        let patch = patch_without_revision(body, revision, "an API token")?;
        let before = app.store.api_token_by_id(id)?;
        let Value::Object(shown) = before.to_json() else {
            return Err(Error::Internal("an API token is not shown as an object".to_owned()));
        };
        let mut members: Map<String, Value> =
            shown.into_iter().filter(|(name, _)| MEMBERS.contains(&name.as_str())).collect();
        patch.apply(&mut members, &MEMBERS).map_err(super::patch_error)?;
        let mut fields = Fields::new(&members, "");
        let after = ApiToken {
            display_name: fields.text("displayName", display_name),
            role: fields.choice("role", Role::WORDS, before.role),
            active: fields.flag("active", before.active),
            expires_at: fields.time("expiresAt"),
            ..before.clone()
        };
        if after.expires_at != before.expires_at && after.expires_at.is_some_and(|end| end <= app.clock.now()) {
            fields.violate("expiresAt", "must lie in the future; delete the token, or make it inactive, to end it now");
        }
        finish(fields)?;
        if after != before {
            app.store.api_token_update(&before, &after, &app.clock, origin)?;
        }
        Ok(after.to_json())
    })
}

/// Ends an API token.
pub(crate) fn api_token_delete(app: &App, id: &str, origin: &Origin) -> Result<()> {
    whatever_it_was(None, || {
        let token = app.store.api_token_by_id(id)?;
        app.store.api_token_delete(&token, &app.clock, origin)
    })
}

impl App {
    /// Ends an API token that was made and could not be told to anybody.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn end_unseen_api_token(&self, secret: &Secret) -> Result<()> {
        whatever_it_was(None, || {
            let found = self.store.api_token_by_hash(&self.server_keys.hash(secret.expose()))?;
            let origin = Origin::system("the API token could not be printed");
            found.map_or(Ok(()), |token| self.store.api_token_delete(&token, &self.clock, &origin))
        })
    }
}

/// Secrets that are valid now and end before `until`, the next one first.
pub(crate) fn secrets_ending(app: &App, until: crate::clock::Timestamp, count: u32) -> Result<Vec<EndingSecret>> {
    app.store.secret_list_ending(app.clock.now(), until, count)
}

/// One page of API tokens.
pub(crate) fn api_token_list(app: &App, query: &Query) -> Result<Page<ApiToken>> {
    app.store.api_token_list(query)
}

/// One API token, without the token.
pub(crate) fn api_token_read(app: &App, id: &str) -> Result<ApiToken> {
    app.store.api_token_by_id(id)
}

/// One page of audit commits.
pub(crate) fn commit_list(app: &App, query: &Query) -> Result<Page<CommitRow>> {
    app.store.commit_list(query)
}

/// One audit commit.
pub(crate) fn commit_read(app: &App, id: &str) -> Result<CommitRow> {
    app.store.commit_by_id(id)
}

/// The history of one thing, newest first: what changed it, and what belongs to it.
pub(crate) fn history(app: &App, id: &str, query: &Query) -> Result<Page<CommitRow>> {
    app.store.commit_list_about(id, query)
}

/// The change of a thing that made a revision of it, or that made the next one out of it.
pub(crate) fn past_change(app: &App, id: &str, revision: Revision) -> Result<Option<PastChange>> {
    app.store.change_of(id, revision)
}

/// Rotates signing keys: `{"alg": …, "force": …}`, both optional.
pub(crate) fn keys_rotate(app: &App, body: &Map<String, Value>, origin: &Origin) -> Result<Vec<KeyRow>> {
    let mut fields = Fields::new(body, "");
    let named = fields.raw("alg").is_some();
    let alg = fields.choice("alg", SigningAlg::WORDS, SigningAlg::Rs256);
    let force = fields.flag("force", false);
    finish(fields)?;
    let request = RotateRequest { alg: named.then_some(alg), force };
    app.signer.rotate(request, &app.store, &app.server_keys, &app.clock, origin)
}

/// One signing key, without its private half.
pub(crate) fn key_read(app: &App, kid: &str) -> Result<KeyRow> {
    let found = app.signer.key_rows().into_iter().find(|row| row.kid.as_str() == kid);
    found.ok_or_else(|| Error::NotFound(format!("there is no signing key with the id {kid}")))
}

/// Takes a retired key out of the JWKS before its time, as after a leak.
pub(crate) fn key_delete(app: &App, kid: &str, origin: &Origin) -> Result<()> {
    app.signer.remove(kid, &app.store, &app.server_keys, &app.clock, origin)
}
