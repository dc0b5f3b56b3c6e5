//! Revocation (RFC 7009), one numbered list from a parsed request to an entry on the list of revoked tokens.
//!
//! An access token is verified by resource servers without asking: those that do not introspect accept a
//! revoked one until it expires.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use super::client_auth;
use super::request::{TokenInquiry, UnverifiedCaller};
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, OAuthCode, Result};
use crate::secret::{SecretKind, is_generated};
use crate::signer::TOKEN_BYTES_MAX;
use crate::store::RevokedToken;
use crate::throttle::Place;

/// Ends a token before its time. Step 1, parsing, has made `request`. Done means: on the disk, or no token of
/// this server that could still be used.
///
/// # Errors
/// `OAuth` with the code of RFC 6749 5.2 or RFC 7009 2.2.1; `Unavailable` when the token cannot be revoked now.
pub async fn revoke(app: &App, request: &TokenInquiry, address: Option<IpAddr>) -> Result<()> {
    // 2. Authenticate the client.
    let UnverifiedCaller::Client(readings) = &request.caller else {
        return Err(Error::oauth(OAuthCode::InvalidClient, "a token is revoked by its client: send its credentials"));
    };
    let client = client_auth::authenticate_in_step(app, readings, Place::of(address)).await?.client;
    let now = app.clock.now();

    // 3. Read the token. Text that is no token of this server's, or no longer, needs no revoking (RFC 7009 2.2).
    let token = request.token.expose();
    if is_generated(SecretKind::ApiToken, token) {
        return Err(Error::oauth(
            OAuthCode::UnsupportedTokenType,
            "this is an admin API token: an administrator ends it under /api/v1/auth/api-tokens",
        ));
    }
    if token.len() > TOKEN_BYTES_MAX {
        // Nothing would be recorded, and a success would say otherwise.
        let what = format!("the token has {} bytes, and one of this server's {TOKEN_BYTES_MAX} at most", token.len());
        return Err(Error::oauth(OAuthCode::InvalidRequest, what));
    }
    let Some(token) = revocable(app, token, now) else { return Ok(()) };

    // 4. Only its own.
    if token.client_id != client.client_id {
        return Err(Error::oauth(OAuthCode::InvalidGrant, "this token was issued to another client"));
    }

    // 5. Record it, and wait for the disk.
    tracing::info!(jti = token.jti, client_id = token.client_id, "token revoked by its client");
    let store = Arc::clone(&app.store);
    let written = tokio::task::spawn_blocking(move || store.revoked_token_insert(&token, now)).await;
    written.unwrap_or_else(|error| Err(Error::Internal(format!("a revocation ended early: {error}"))))
}

/// The token as an entry of the list, unless nobody could use it any more.
fn revocable(app: &App, token: &str, now: Timestamp) -> Option<RevokedToken> {
    // Whatever the time: a clock that stands too early now must not make this a token that "needs no revoking".
    let claims = app.signer.verify_at_any_time(token, &app.issuers())?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let expires_at = Timestamp::from_ms(claims.get("exp")?.as_i64()?.checked_mul(1000)?);
    (now < expires_at).then_some(RevokedToken { jti: text("jti")?, client_id: text("client_id")?, expires_at })
}
