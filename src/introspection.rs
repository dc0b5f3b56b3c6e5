//! Introspection (RFC 7662), one numbered list from a parsed request to what a token is worth now.
//!
//! It stands above `token` and `admin`, since both clients and bearers of the admin API may ask. Whoever may not
//! know of a token gets the same answer as for text that is no token.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::admin::actor;
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::store::ClientView;
use crate::throttle::Place;
use crate::token::active::{self, ActiveToken};
use crate::token::client_auth;
use crate::token::request::{TokenInquiry, UnverifiedCaller};

/// Answers an introspection request: the members of RFC 7662 2.2 for an active token. Step 1, parsing, has made
/// `request`.
///
/// # Errors
/// `OAuth` `invalid_client` or `unauthorized_client`, `Unauthenticated` or `Forbidden` of the caller, never of the
/// token; `Unavailable` or `Internal` from the database.
pub async fn introspect(app: &App, request: &TokenInquiry, address: Option<IpAddr>) -> Result<Map<String, Value>> {
    // 2. Authenticate the caller.
    let caller = authenticate(app, &request.caller, Place::of(address)).await?;
    let now = app.clock.now();

    // 3. Verify the token, and look at what it stands on.
    let Some(token) = active::look_up(app, request.token.expose(), now)? else { return Ok(inactive()) };

    // 4. Whether the caller may know.
    if !caller.may_know_of(&token, now) {
        return Ok(inactive());
    }

    // 5. Answer what is left of it: scopes that are no longer granted are gone from the token too.
    let scopes = token.scopes(now);
    if scopes.is_empty() {
        return Ok(inactive());
    }
    Ok(members(&token, &scopes))
}

/// RFC 7662 2.2: nothing but this, whatever the cause.
fn inactive() -> Map<String, Value> {
    Map::from_iter([("active".to_owned(), Value::Bool(false))])
}

fn members(token: &ActiveToken, scopes: &[&str]) -> Map<String, Value> {
    let mut members = Map::from_iter([
        ("active".to_owned(), json!(true)),
        ("token_type".to_owned(), json!("Bearer")),
        ("username".to_owned(), json!(token.client.account_user_name)),
    ]);
    for (name, value) in &token.claims {
        let value = match name.as_str() {
            "scope" => json!(scopes.join(" ")),
            "scp" => json!(scopes),
            // An API's own claim must not speak for the server.
            "active" | "token_type" | "username" => continue,
            _ => value.clone(),
        };
        members.insert(name.clone(), value);
    }
    members
}

/// Who asks.
enum Caller {
    /// Somebody whom an administrator let see everything.
    Trusted,
    /// A client.
    Client(Arc<ClientView>),
}

async fn authenticate(app: &App, unverified: &UnverifiedCaller, place: Place) -> Result<Caller> {
    match unverified {
        UnverifiedCaller::Client(readings) => {
            Ok(Caller::Client(client_auth::authenticate_in_step(app, readings, place).await?.client))
        }
        UnverifiedCaller::Bearer(bearer) => {
            actor::authenticate_for_introspection(app, bearer.expose(), place)?;
            Ok(Caller::Trusted)
        }
    }
}

impl Caller {
    /// A client may know of its own tokens. A resource server is a client too: a grant at the API of grantd itself,
    /// for which the scope `introspect` is enough, lets it know of every token.
    fn may_know_of(&self, token: &ActiveToken, now: Timestamp) -> bool {
        match self {
            Self::Trusted => true,
            Self::Client(client) => {
                let is_own = token.text("client_id") == client.client_id;
                is_own || client.grants.iter().any(|grant| grant.api.built_in && grant.is_valid_at(now))
            }
        }
    }
}
