//! Who calls the admin API: a bearer with a role, or a service account with a token for the built-in API.

use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::api::BUILT_IN_APP_ID;
use crate::model::api_token::Role;
use crate::secret::{SecretKind, is_generated};
use crate::store::ActorType;
use crate::throttle::Place;
use crate::token::active::{self, ActiveToken};

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

/// The caller that a bearer token (RFC 6750) stands for, as of now; `place` is where it comes from.
///
/// # Errors
/// `Unauthenticated` for whatever is not known and valid, `TooMany` in its place after many failures from there;
/// `Unavailable` or `Internal` from the database.
pub(crate) fn authenticate(app: &App, bearer: &str, place: Place) -> Result<Actor> {
    let found = if is_generated(SecretKind::ApiToken, bearer) {
        by_api_token(app, bearer)
    } else {
        by_access_token(app, bearer)
    };
    counted(app, place, found)
}

/// Counts it when nobody was found.
fn counted<T>(app: &App, place: Place, found: Result<T>) -> Result<T> {
    found.map_err(|error| match error {
        Error::Unauthenticated => app.throttle.failed(None, place, app.clock.now(), error),
        other => other,
    })
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
    let token = built_in_token(app, bearer, now)?;
    let held = token.scopes_at(|api| api.built_in, now);
    let role = [("admin", Role::Admin), ("edit", Role::Editor), ("read", Role::Reader)]
        .into_iter()
        .find(|(scope, _)| held.contains(scope))
        .map(|(_, role)| role)
        .ok_or_else(|| Error::Forbidden {
            detail: "this needs the scope read, edit or admin of the API grantd, granted now".to_owned(),
        })?;
    Ok(Actor {
        id: token.client.account_id.to_string(),
        name: token.client.account_user_name.clone(),
        actor_type: ActorType::ServiceAccount,
        role,
    })
}

/// Lets in whoever may know of every token: any role of the admin API, and any scope of the built-in API.
///
/// # Errors
/// As [`authenticate`]; `Forbidden` when the token's scopes are no longer granted.
pub(crate) fn authenticate_for_introspection(app: &App, bearer: &str, place: Place) -> Result<()> {
    if is_generated(SecretKind::ApiToken, bearer) {
        return counted(app, place, by_api_token(app, bearer)).map(drop);
    }
    let now = app.clock.now();
    if counted(app, place, built_in_token(app, bearer, now))?.scopes_at(|api| api.built_in, now).is_empty() {
        return Err(Error::Forbidden {
            detail: "this needs a scope of the API grantd, granted now: introspect is the least of them".to_owned(),
        });
    }
    Ok(())
}

/// An active access token for the built-in API.
fn built_in_token(app: &App, bearer: &str, now: Timestamp) -> Result<ActiveToken> {
    let token = active::look_up(app, bearer, now)?.ok_or(Error::Unauthenticated)?;
    let built_in = token.client.grants.iter().find(|grant| grant.api.built_in);
    let audience = built_in.map_or(BUILT_IN_APP_ID, |grant| grant.api.aud());
    if token.text("aud") == audience { Ok(token) } else { Err(Error::Unauthenticated) }
}
