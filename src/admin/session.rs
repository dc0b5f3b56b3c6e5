//! Sessions of the console: an API token is exchanged for a cookie that stands for it.
//!
//! A session has its token's role, and ends with the token, when it rests too long, when it is old, or when
//! somebody ends it. Cookies and forms are the console's; what counts as signed in is decided here.

use super::actor::Actor;
use crate::app::App;
use crate::error::{Error, Result};
use crate::model::api_token::{ApiToken, Role};
use crate::model::console_session::ConsoleSession;
use crate::model::id::Id;
use crate::secret::{self, Secret, SecretKind, is_generated};
use crate::store::{ActorType, Origin};

const MINUTE_SECONDS: i64 = 60;
const HOUR_SECONDS: i64 = 3600;

/// The actor that acts through a session: the API token that it stands for.
pub(crate) fn actor_of(token: &ApiToken) -> Actor {
    Actor {
        id: token.id.to_string(),
        name: token.display_name.clone(),
        actor_type: ActorType::ApiToken,
        role: token.role,
    }
}

/// The API token behind a bearer that somebody typed in.
///
/// # Errors
/// `Unauthenticated` for whatever is not an API token that is valid now; `Unavailable` or `Internal` from the database.
pub(crate) fn api_token_of(app: &App, unverified_bearer: &str) -> Result<ApiToken> {
    if !is_generated(SecretKind::ApiToken, unverified_bearer) {
        return Err(Error::Unauthenticated);
    }
    let token = app.store.api_token_by_hash(&app.server_keys.hash(unverified_bearer))?;
    let token = token.filter(|token| token.is_valid_at(app.clock.now())).ok_or(Error::Unauthenticated)?;
    Ok(token.as_ref().clone())
}

/// Starts a session that stands for `token`. The answer holds its cookie, this once.
pub(crate) fn start(app: &App, token: &ApiToken, origin: &Origin) -> Result<Secret> {
    let now = app.clock.now();
    let cookie = secret::generate(&app.clock, SecretKind::Session);
    let session = ConsoleSession {
        id: Id::new(&app.clock, now),
        api_token: token.clone(),
        client_ip: origin.client_ip.clone(),
        user_agent: origin.user_agent.clone(),
        created_at: now,
        expires_at: now.plus_seconds(i64::from(app.config.console.session_hours) * HOUR_SECONDS),
        last_used_at: now,
    };
    app.store.console_session_insert(&session, &app.server_keys.hash(cookie.expose()), &app.clock, origin)?;
    Ok(cookie)
}

/// The session behind a cookie, if it is valid now.
///
/// # Errors
/// `Unauthenticated` for any other cookie; `Unavailable` or `Internal` from the database.
pub(crate) fn resume(app: &App, unverified_cookie: &str) -> Result<ConsoleSession> {
    if !is_generated(SecretKind::Session, unverified_cookie) {
        return Err(Error::Unauthenticated);
    }
    let now = app.clock.now();
    let found = app.store.console_session_by_hash(&app.server_keys.hash(unverified_cookie))?;
    let session = found.filter(|session| session.is_valid_at(now, idle_seconds(app))).ok_or(Error::Unauthenticated)?;
    app.usage.note_session(&session, now);
    app.usage.note_api_token(&session.api_token, now);
    Ok(session)
}

/// Ends a session: one's own, or with the role admin any.
pub(crate) fn end(app: &App, id: &str, origin: &Origin) -> Result<()> {
    let session = app.store.console_session_by_id(id)?;
    if origin.role < Role::Admin && session.api_token.id.as_str() != origin.actor_id {
        return Err(Error::Forbidden { detail: "ending a session of somebody else needs the role admin".to_owned() });
    }
    app.store.console_session_delete(&session, &app.clock, origin)
}

/// The sessions that are valid now, newest first: all for an administrator, those of the same API token for others.
pub(crate) fn list(app: &App, actor: &Actor) -> Result<Vec<ConsoleSession>> {
    let now = app.clock.now();
    let owner = (actor.role < Role::Admin).then_some(actor.id.as_str());
    let used_after = now.plus_seconds(-idle_seconds(app));
    let mut sessions = app.store.console_session_list(owner, used_after, now)?;
    sessions.retain(|session| session.is_valid_at(now, idle_seconds(app)));
    Ok(sessions)
}

fn idle_seconds(app: &App) -> i64 {
    i64::from(app.config.console.session_idle_minutes) * MINUTE_SECONDS
}
