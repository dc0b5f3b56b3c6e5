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

use std::sync::Arc;

use crate::app::App;
use crate::decision::Decision;
use crate::error::Result;
use crate::model::caller::{Caller, RequestId};
use crate::model::id::Id;
use crate::policy::Offer;
use crate::policy::abi::{Circumstances, RemoteAddress};
use crate::throttle::Place;
use claims::Claims;
use client_auth::Authenticated;
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

/// Answers a token request (RFC 6749 4.4), and records why it was answered so. Step 1, parsing, has made `parsed`;
/// `issuer` is one of this server's.
///
/// # Errors
/// `OAuth` with the code of RFC 6749 5.2 and what to change; `Unavailable` when the server cannot answer
/// now; `Internal` when it failed. No error leaves a token behind.
pub async fn issue(app: &App, issuer: &str, parsed: Result<TokenRequest>, caller: Caller) -> Result<Issued> {
    let now = app.clock.now();
    // An id that was made here names the request, its decision and its token alike; one that was sent may be anything.
    let id = match &caller.request_id {
        RequestId::Own(id) => id.clone(),
        RequestId::Sent(_) => Id::new(&app.clock, now),
    };
    let mut decision = Box::new(Decision::begin(id, now, caller.request_id.clone()));
    let watch = app.clock.stopwatch();
    let outcome = decide_and_sign(app, issuer, parsed, &caller, &mut decision).await;

    // 6. Record: what became of the request, whatever it was.
    decision.end(outcome.as_ref().err(), caller.address);
    let outcome = outcome.map_err(|error| decision.named_in(error));
    let unproven = decision.is_of_unproven();
    let recorded = app.decisions.record(decision).await;
    // Recorded before the wait: who hangs up during it, since a right secret would have been answered by then, has guessed too.
    if unproven {
        // Boxed, as all that is seldom awaited on this path: a request's future is as large as its largest branch otherwise,
        // and is moved at that size.
        Box::pin(watch.wait_out(client_auth::FAILURE_STEP)).await;
    }
    outcome.and_then(|issued| recorded.map(|()| issued))
}

/// Steps 2 to 5. What is found out on the way goes into `decision`.
async fn decide_and_sign(
    app: &App,
    issuer: &str,
    parsed: Result<TokenRequest>,
    caller: &Caller,
    decision: &mut Decision,
) -> Result<Issued> {
    let request = parsed?;
    decision.asked(&request);

    // 2. Authenticate the client: from here on it is known who asks, and how often.
    let place = Place::of(caller.address);
    let proof = client_auth::authenticate(app, &request.unverified_clients, place).await;
    let proven = proof.inspect_err(|_| decision.unproven(&request))?;
    decision.authenticated(Arc::clone(&proven.client), proven.method);
    proven.check()?;
    let Authenticated { client, method } = proven;
    // Again: a slow hash may have waited.
    let now = app.clock.now();
    app.throttle.asks(&client.client_id, now)?;

    // 3. Resolve the API and the scopes: what grants allow is the ceiling of all that follows.
    let resolved =
        resolve::resolve(&client, &request.scopes, request.target.as_deref(), now, app.config.token.excess_scope)?;
    decision.resolved(&resolved);

    // 4. Decide: policies may lower the ceiling, and never raise it.
    let circumstances = Circumstances {
        request_id: caller.request_id.clone(),
        remote_address: caller.address.map(RemoteAddress::Ip),
        user_agent: caller.user_agent.clone(),
        parameters: request.extensions,
    };
    let offer = Offer {
        client: Arc::clone(&client),
        auth_method: method,
        api: Arc::clone(&resolved.api),
        requested: request.scopes,
        scopes: resolved.offered,
        lifetime_seconds: resolved.lifetime_seconds,
        now,
        circumstances,
    };
    let (decided, explanation) = app.policies.decide(offer).await;
    decision.explanation = explanation;
    let decided = decided?;

    // 5. Sign. The token's id is that of the decision, which explains it.
    let scope = decided.scopes.join(" ");
    let claims = Claims {
        issuer,
        jti: &decision.id,
        issued_at: now,
        client: &client,
        api: &resolved.api,
        scopes: &decided.scopes,
        scope: &scope,
        lifetime_seconds: decided.lifetime_seconds,
        added: &decided.claims,
    };
    let access_token = app.signer.sign(resolved.api.signing_alg, &claims.to_json()?)?;
    let expires_in_seconds = decided.lifetime_seconds;
    decision.issued(decided);
    Ok(Issued { access_token, expires_in_seconds, scope })
}
