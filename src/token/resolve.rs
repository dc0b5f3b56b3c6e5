//! Step 3, what is asked for: which API, and which of its scopes the grants allow.
//!
//! Pure: the same client, request and time resolve the same way. Everything that comes out was granted.

use std::sync::Arc;

use super::request::{TokenRequest, printable};
use crate::clock::Timestamp;
use crate::config::ExcessScope;
use crate::error::{Error, OAuthCode, Result};
use crate::model::api::Api;
use crate::model::id::Id;
use crate::store::{ApiView, ClientView, GrantView};

/// What grants offer to a request: the ceiling of its token.
#[derive(Debug)]
pub struct Resolved {
    /// The one API of the token.
    pub api: Arc<ApiView>,
    /// Scopes that were asked for, or given by default, and are granted. Never empty.
    pub offered: Vec<String>,
    /// The longest lifetime: the API's, or what is left of the grants.
    pub lifetime_seconds: i64,
}

/// Finds the API and the scopes.
///
/// # Errors
/// `OAuth`: `invalid_target` or `invalid_scope`, naming what does not fit.
pub fn resolve(client: &ClientView, request: &TokenRequest, now: Timestamp, excess: ExcessScope) -> Result<Resolved> {
    let grants: Vec<&GrantView> = client.grants.iter().filter(|grant| grant.is_valid_at(now)).collect();
    let api = match &request.target {
        Some(target) => named_api(&grants, target)?,
        None => implied_api(&grants, &request.scopes, excess)?,
    };
    let at_api: Vec<&GrantView> = grants.into_iter().filter(|grant| grant.api.id == api.id).collect();
    let offered = if request.scopes.is_empty() {
        default_scopes(&at_api, &api)?
    } else {
        requested_scopes(&at_api, &request.scopes, &api, excess)?
    };
    let lifetime_seconds = lifetime_seconds(&at_api, &offered, &api, now);
    Ok(Resolved { api, offered, lifetime_seconds })
}

/// The granted API that `resource` or `audience` names. One that is not granted looks like one that does not exist.
fn named_api(grants: &[&GrantView], target: &str) -> Result<Arc<ApiView>> {
    let is_named = |api: &Api| api.app_id == target || api.audience.as_deref() == Some(target);
    grants.iter().find(|grant| is_named(&grant.api)).map(|grant| Arc::clone(&grant.api)).ok_or_else(|| {
        Error::oauth(
            OAuthCode::InvalidTarget,
            format!(
                "nothing is granted to this client at {}: check resource or audience, or ask for a grant",
                printable(target)
            ),
        )
    })
}

/// Without a name, the one granted API that holds every requested scope; when narrowing, the one that holds some.
fn implied_api(grants: &[&GrantView], scopes: &[String], excess: ExcessScope) -> Result<Arc<ApiView>> {
    let fitting = apis_with(grants, |api_id| scopes.iter().all(|scope| is_granted(grants, api_id, scope)));
    match fitting.as_slice() {
        [only] => return Ok(Arc::clone(&only.api)),
        [] if scopes.is_empty() => {
            return Err(Error::oauth(
                OAuthCode::InvalidScope,
                "nothing is granted to the service account of this client now: ask an administrator for a grant",
            ));
        }
        [] => {}
        several => {
            return Err(ambiguous("several APIs fit, and a token is for one: add resource with one of", several));
        }
    }
    let partly = apis_with(grants, |api_id| scopes.iter().any(|scope| is_granted(grants, api_id, scope)));
    let is_anywhere = |scope: &String| partly.iter().any(|grant| is_granted(grants, &grant.api.id, scope));
    let nowhere: Vec<&String> = scopes.iter().filter(|scope| !is_anywhere(scope)).collect();
    match partly.as_slice() {
        _ if partly.is_empty() || (excess == ExcessScope::Reject && !nowhere.is_empty()) => {
            let apis = apis_with(grants, |_| true);
            Err(not_granted(&nowhere, if let [only] = apis.as_slice() { Some(&only.api) } else { None }))
        }
        [only] => Ok(Arc::clone(&only.api)),
        several => {
            Err(ambiguous("no API has all of these scopes, and a token is for one: ask for those of one of", several))
        }
    }
}

/// One grant for each granted API that fits.
fn apis_with<'a>(grants: &[&'a GrantView], fits: impl Fn(&Id) -> bool) -> Vec<&'a GrantView> {
    let mut found: Vec<&GrantView> = Vec::new();
    for grant in grants {
        if found.iter().all(|known| known.api.id != grant.api.id) && fits(&grant.api.id) {
            found.push(grant);
        }
    }
    found
}

fn ambiguous(text: &str, apis: &[&GrantView]) -> Error {
    let names: Vec<&str> = apis.iter().map(|grant| grant.api.app_id.as_str()).collect();
    Error::oauth(OAuthCode::InvalidTarget, format!("{text} {}", some_of(&names, ", ")))
}

/// The first of `names`, so that a description stays short.
fn some_of(names: &[impl AsRef<str>], separator: &str) -> String {
    const NAMED_MAX: usize = 10;
    let named: Vec<&str> = names.iter().take(NAMED_MAX).map(AsRef::as_ref).collect();
    let more = names.len() - named.len();
    let rest = if more == 0 { String::new() } else { format!("{separator}and {more} more") };
    named.join(separator) + rest.as_str()
}

fn is_granted(grants: &[&GrantView], api_id: &Id, scope: &str) -> bool {
    grants.iter().any(|grant| grant.api.id == *api_id && grant.scopes.iter().any(|(granted, _)| granted == scope))
}

/// Every scope that the grants hold, once, in the order in which the API defines them within each grant.
fn granted_scopes<'a>(grants: &[&'a GrantView], wanted: impl Fn(bool) -> bool) -> Vec<&'a String> {
    let mut scopes = Vec::new();
    for (scope, is_default) in grants.iter().flat_map(|grant| &grant.scopes) {
        if wanted(*is_default) && !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes
}

fn default_scopes(grants: &[&GrantView], api: &Api) -> Result<Vec<String>> {
    let scopes = granted_scopes(grants, |is_default| is_default);
    if scopes.is_empty() {
        return Err(Error::oauth(
            OAuthCode::InvalidScope,
            format!(
                "scope is missing, and no granted scope of {} is a default one: send scope with one or more of {}",
                api.app_id,
                some_of(&granted_scopes(grants, |_| true), " ")
            ),
        ));
    }
    Ok(scopes.into_iter().cloned().collect())
}

fn requested_scopes(
    grants: &[&GrantView],
    requested: &[String],
    api: &Api,
    excess: ExcessScope,
) -> Result<Vec<String>> {
    let granted = granted_scopes(grants, |_| true);
    let (offered, too_much): (Vec<&String>, Vec<&String>) = requested.iter().partition(|scope| granted.contains(scope));
    if offered.is_empty() || (!too_much.is_empty() && excess == ExcessScope::Reject) {
        return Err(not_granted(&too_much, Some(api)));
    }
    Ok(offered.into_iter().cloned().collect())
}

fn not_granted(scopes: &[&String], api: Option<&Api>) -> Error {
    let at = api.map_or_else(String::new, |api| format!(" at {}", api.app_id));
    Error::oauth(
        OAuthCode::InvalidScope,
        format!(
            "not granted to the service account of this client{at}: {}; ask for a grant, or leave it out",
            some_of(scopes, " ")
        ),
    )
}

/// A token must not outlive what it rests on: for each scope, the grant that lasts longest.
fn lifetime_seconds(grants: &[&GrantView], scopes: &[String], api: &Api, now: Timestamp) -> i64 {
    let holds = |grant: &GrantView, scope: &str| grant.scopes.iter().any(|(granted, _)| granted == scope);
    let left = |scope: &String| {
        let ends = grants.iter().filter(|grant| holds(grant, scope)).map(|grant| grant.expires_at);
        let seconds = ends.map(|end| end.map_or(i64::MAX, |end| end.since_ms(now) / 1000));
        seconds.max().unwrap_or(0)
    };
    scopes.iter().map(left).min().unwrap_or(0).min(api.token_lifetime_seconds).max(1)
}
