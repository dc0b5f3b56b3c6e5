//! Whether an access token holds now: not what it says, but what it stands on.
//!
//! A token is signed once and read for its lifetime. Whoever asks here learns what has happened since: revoked,
//! client or account switched off, grant gone.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::app::App;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::model::api::Api;
use crate::store::{ClientView, GrantView};

/// An access token whose holder may still use what is granted to it.
pub(crate) struct ActiveToken {
    /// Its claims, as signed.
    pub(crate) claims: Map<String, Value>,
    /// Its client, as of now.
    pub(crate) client: Arc<ClientView>,
}

/// The access token in `token`; `None` for anything that is not one, or not one now.
///
/// # Errors
/// `Unavailable` or `Internal` from the database.
pub(crate) fn look_up(app: &App, token: &str, now: Timestamp) -> Result<Option<ActiveToken>> {
    let Some(claims) = app.signer.verify(token, &app.issuers(), now) else { return Ok(None) };
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if app.store.revoked_token_exists(text("jti"))? {
        return Ok(None);
    }
    let Some(client) = app.store.client_by_client_id(text("client_id"))? else { return Ok(None) };
    let stands = client.active && client.account_active && text("sub") == client.account_id.as_str();
    Ok(stands.then_some(ActiveToken { claims, client }))
}

impl ActiveToken {
    /// A claim that is a text; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Those of its scopes that are granted now, at the API that it is for.
    pub(crate) fn scopes(&self, now: Timestamp) -> Vec<&str> {
        self.scopes_at(|api| api.aud() == self.text("aud"), now)
    }

    /// As [`ActiveToken::scopes`], at the APIs that `fits` picks.
    pub(crate) fn scopes_at(&self, fits: impl Fn(&Api) -> bool, now: Timestamp) -> Vec<&str> {
        let picked = |grant: &&GrantView| fits(&grant.api) && grant.is_valid_at(now);
        let grants: Vec<&GrantView> = self.client.grants.iter().filter(picked).collect();
        let granted = |scope: &&str| grants.iter().any(|grant| grant.includes(scope));
        self.text("scope").split(' ').filter(granted).collect()
    }
}
