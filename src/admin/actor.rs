//! Who calls the admin API: a bearer with a role, or a service account with a token for the built-in API.

use serde_json::Value;

use crate::app::App;
use crate::error::{Error, Result};
use crate::model::api::BUILT_IN_APP_ID;
use crate::model::api_token::Role;
use crate::secret::{SecretKind, is_generated};
use crate::store::ActorType;

/// An authenticated caller.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) actor_type: ActorType,
    pub(crate) role: Role,
}

impl Actor {
    /// Refuses the caller unless its role includes `needed`.
    pub(crate) fn must_be(&self, needed: Role) -> Result<()> {
        if self.role >= needed {
            return Ok(());
        }
        Err(Error::Forbidden {
            detail: format!(
                "this needs the role {}, and {} has the role {}",
                needed.as_str(),
                self.name,
                self.role.as_str()
            ),
        })
    }
}

/// The caller that a bearer token (RFC 6750) stands for, as of now.
///
/// # Errors
/// `Unauthenticated` for whatever is not known and valid; `Unavailable` or `Internal` from the database.
pub(crate) fn authenticate(app: &App, bearer: &str) -> Result<Actor> {
    if is_generated(SecretKind::ApiToken, bearer) {
        return by_api_token(app, bearer);
    }
    by_access_token(app, bearer)
}

fn by_api_token(app: &App, bearer: &str) -> Result<Actor> {
    let now = app.clock.now();
    let token = app.store.api_token_by_hash(&app.server_keys.hash(bearer))?;
    let token = token.filter(|token| token.is_valid_at(now)).ok_or(Error::Unauthenticated)?;
    app.usage.note_api_token(&token, now);
    Ok(Actor {
        id: token.id.to_string(),
        name: token.display_name.clone(),
        actor_type: ActorType::ApiToken,
        role: token.role,
    })
}

/// A token says what was granted when it was issued; what counts here is what is granted now.
fn by_access_token(app: &App, bearer: &str) -> Result<Actor> {
    let now = app.clock.now();
    let claims = app.signer.verify(bearer, app.issuer(), now).ok_or(Error::Unauthenticated)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let client_id = text("client_id").ok_or(Error::Unauthenticated)?;
    let client = app.store.client_by_client_id(client_id)?.ok_or(Error::Unauthenticated)?;
    if !client.active || !client.account_active || text("sub") != Some(client.account_id.as_str()) {
        return Err(Error::Unauthenticated);
    }
    let built_in = |grant: &&crate::store::GrantView| grant.api.built_in && grant.is_valid_at(now);
    let grants: Vec<_> = client.grants.iter().filter(built_in).collect();
    let audience = grants.first().map_or(BUILT_IN_APP_ID, |grant| grant.api.aud());
    if text("aud") != Some(audience) {
        return Err(Error::Unauthenticated);
    }
    let granted = |scope: &str| grants.iter().any(|grant| grant.scopes.iter().any(|(granted, _)| granted == scope));
    let holds =
        |scope: &str| text("scope").is_some_and(|all| all.split(' ').any(|held| held == scope)) && granted(scope);
    let role = [("admin", Role::Admin), ("edit", Role::Editor), ("read", Role::Reader)]
        .into_iter()
        .find(|(scope, _)| holds(scope))
        .map(|(_, role)| role)
        .ok_or_else(|| Error::Forbidden {
            detail: "this needs the scope read, edit or admin of the API grantd, granted now".to_owned(),
        })?;
    Ok(Actor {
        id: client.account_id.to_string(),
        name: client.account_user_name.clone(),
        actor_type: ActorType::ServiceAccount,
        role,
    })
}
