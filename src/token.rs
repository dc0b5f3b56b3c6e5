//! The token pipeline, one numbered list from a parsed request to a signed token. It names no HTTP type.
//!
//! `http/oauth.rs` calls [`issue`]; below stand `client_auth`, `resolve`, `policy` and `signer`, and under them
//! the store. A second grant type would fill hooks here; there is one pipeline, and no step can be skipped.

pub(crate) mod active;
pub mod claims;
pub mod client_auth;
pub mod request;
pub mod resolve;
pub mod revoke;
pub mod scope;

use crate::app::App;
use crate::error::Result;
use crate::model::id::Id;
use crate::policy;
use claims::Claims;
use request::TokenRequest;

/// A token and what its answer says of it.
#[derive(Debug)]
pub struct Issued {
    /// The compact JWS.
    pub access_token: String,
    /// How long it lives, in seconds.
    pub expires_in_seconds: i64,
    /// Its scopes, separated by blanks.
    pub scope: String,
}

/// Answers a token request (RFC 6749 4.4). Step 1, parsing, has made `request`.
///
/// # Errors
/// `OAuth` with the code of RFC 6749 5.2 and what to change; `Unavailable` when the server cannot answer
/// now; `Internal` when it failed. No error leaves a token behind.
pub async fn issue(app: &App, request: &TokenRequest) -> Result<Issued> {
    // 2. Authenticate the client: from here on it is known who asks.
    let client = client_auth::authenticate(app, &request.unverified_clients).await?;
    let now = app.clock.now();

    // 3. Resolve the API and the scopes: what grants allow is the ceiling of all that follows.
    let resolved = resolve::resolve(&client, request, now, app.config.token.excess_scope)?;

    // 4. Decide: policies may lower the ceiling, and never raise it.
    let decided = policy::decide(&resolved)?;

    // 5. Sign.
    let claims = Claims {
        issuer: app.issuer(),
        jti: &Id::new(&app.clock, now),
        issued_at: now,
        client: &client,
        api: &resolved.api,
        scopes: &decided.scopes,
        lifetime_seconds: decided.lifetime_seconds,
    };
    let access_token = app.signer.sign(resolved.api.signing_alg, &claims.to_json()?)?;

    // 6. Answer.
    Ok(Issued { access_token, expires_in_seconds: decided.lifetime_seconds, scope: decided.scopes.join(" ") })
}
