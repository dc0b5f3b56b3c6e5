//! Step 3, what is asked for: which API, and which of its scopes the grants allow.
//!
//! Pure: the same client, request and time resolve the same way. Everything that comes out was granted.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::config::ExcessScope;
use crate::error::{Error, OAuthCode, Result};
use crate::model::api::Api;
use crate::model::caller::printable;
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
pub fn resolve(
    client: &ClientView,
    requested: &[String],
    target: Option<&str>,
    now: Timestamp,
    excess: ExcessScope,
) -> Result<Resolved> {
    // A token lives whole seconds: with less than one left of a grant, it would outlive it.
    let holds = |grant: &&GrantView| grant.is_valid_at(now) && seconds_left(grant, now) > 0;
    let (holding, others): (Vec<&GrantView>, Vec<&GrantView>) = client.grants.iter().partition(holds);
    let resolved = within(&holding, requested, target, now, excess);
    resolved.map_err(|error| with_not_now(error, &holding, &others, requested, target, now))
}

/// What these grants offer; all of them hold.
fn within(
    grants: &[&GrantView],
    requested: &[String],
    target: Option<&str>,
    now: Timestamp,
    excess: ExcessScope,
) -> Result<Resolved> {
    let api = match target {
        Some(target) => named_api(grants, target)?,
        None => implied_api(grants, requested, excess)?,
    };
    let at_api: Vec<&GrantView> = grants.iter().copied().filter(|grant| grant.api.id == api.id).collect();
    let held = held_scopes(&at_api, now);
    let offered = if requested.is_empty() {
        default_scopes(&at_api, &api)?
    } else {
        requested_scopes(&held, requested, &api, excess)?
    };
    // A token must not outlive what it rests on.
    let left = offered.iter().map(|scope| held.get(scope.as_str()).copied().unwrap_or(0));
    let lifetime_seconds = left.fold(api.token_lifetime_seconds, i64::min);
    Ok(Resolved { api, offered, lifetime_seconds })
}

/// A refusal, and the grant that helps at another time, the one that ends last: whoever had access until yesterday looks
/// for it.
fn with_not_now(
    error: Error,
    holding: &[&GrantView],
    others: &[&GrantView],
    requested: &[String],
    target: Option<&str>,
    now: Timestamp,
) -> Error {
    let Error::OAuth { code, description } = error else { return error };
    let is_asked = |grant: &GrantView| target.is_none_or(|target| is_named(&grant.api, target));
    let holding: Vec<&&GrantView> = holding.iter().filter(|grant| is_asked(grant)).collect();
    let scopes = holding.iter().flat_map(|grant| &grant.scopes);
    let held: HashSet<&str> = scopes.map(|(scope, _)| scope.as_str()).collect();
    let lacking: HashSet<&str> = requested.iter().map(String::as_str).filter(|scope| !held.contains(scope)).collect();
    let helps = |grant: &GrantView| match requested {
        [] => holding.is_empty(),
        _ => grant.scopes.iter().any(|(scope, _)| lacking.contains(scope.as_str())),
    };
    let helpful = others.iter().filter(|grant| is_asked(grant) && helps(grant));
    let helpful = helpful.filter_map(|grant| Some((grant, grant.not_now(now)?)));
    match helpful.max_by_key(|(grant, _)| grant.expires_at.map_or(i64::MAX, Timestamp::ms)) {
        Some((grant, when)) => {
            Error::oauth(code, format!("{description}. A grant of this at {} {when}", grant.api.app_id))
        }
        None => Error::OAuth { code, description },
    }
}

/// Whether `resource` or `audience` names this API so.
fn is_named(api: &Api, name: &str) -> bool {
    api.app_id == name || api.audience.as_deref() == Some(name)
}

/// The granted API that `resource` or `audience` names. One at which nothing was ever granted looks like one that does not
/// exist.
fn named_api(grants: &[&GrantView], target: &str) -> Result<Arc<ApiView>> {
    grants.iter().find(|grant| is_named(&grant.api, target)).map(|grant| Arc::clone(&grant.api)).ok_or_else(|| {
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
    let Some(first) = grants.first() else {
        return Err(if scopes.is_empty() {
            let text = "nothing is granted to the service account of this client now: ask an administrator for a grant";
            Error::oauth(OAuthCode::InvalidScope, text)
        } else {
            not_granted(&scopes.iter().collect::<Vec<_>>(), None)
        });
    };
    // What is not granted there is named by who looks at its scopes.
    if grants.iter().all(|grant| grant.api.id == first.api.id) {
        return Ok(Arc::clone(&first.api));
    }
    let holdings = holdings(grants, scopes);
    let fitting: Vec<&Holding> = holdings.iter().filter(|holding| holding.scopes.iter().all(|held| *held)).collect();
    match fitting.as_slice() {
        [only] => return Ok(Arc::clone(only.api)),
        [] => {}
        several => {
            return Err(ambiguous("several APIs fit, and a token is for one: add resource with one of", several));
        }
    }
    let partly: Vec<&Holding> = holdings.iter().filter(|holding| holding.scopes.contains(&true)).collect();
    let is_nowhere = |place: &usize| !partly.iter().any(|holding| holding.scopes[*place]);
    let nowhere: Vec<&String> = (0..scopes.len()).filter(is_nowhere).map(|place| &scopes[place]).collect();
    match partly.as_slice() {
        [] => Err(not_granted(&nowhere, None)),
        _ if excess == ExcessScope::Reject && !nowhere.is_empty() => Err(not_granted(&nowhere, None)),
        [only] => Ok(Arc::clone(only.api)),
        several => {
            Err(ambiguous("no API has all of these scopes, and a token is for one: ask for those of one of", several))
        }
    }
}

/// A granted API, and for each requested scope whether it is granted there.
struct Holding<'a> {
    api: &'a Arc<ApiView>,
    scopes: Vec<bool>,
}

/// Every granted API, in the order of the grants. One walk over these, however many there are.
fn holdings<'a>(grants: &[&'a GrantView], requested: &[String]) -> Vec<Holding<'a>> {
    let places: HashMap<&str, usize> = requested.iter().map(String::as_str).zip(0..).collect();
    let mut known: HashMap<&Id, usize> = HashMap::new();
    let mut holdings: Vec<Holding> = Vec::new();
    for grant in grants {
        let at = *known.entry(&grant.api.id).or_insert(holdings.len());
        if at == holdings.len() {
            holdings.push(Holding { api: &grant.api, scopes: vec![false; requested.len()] });
        }
        for (scope, _) in &grant.scopes {
            if let Some(place) = places.get(scope.as_str()) {
                holdings[at].scopes[*place] = true;
            }
        }
    }
    holdings
}

fn ambiguous(text: &str, holdings: &[&Holding]) -> Error {
    let names: Vec<&str> = holdings.iter().map(|holding| holding.api.app_id.as_str()).collect();
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

/// Every scope that the grants hold, and the seconds that are left of the one that lasts longest. One walk over these, and
/// ordered: a client has few scopes at an API, for which hashing takes longer.
fn held_scopes<'a>(grants: &[&'a GrantView], now: Timestamp) -> BTreeMap<&'a str, i64> {
    let mut held = BTreeMap::new();
    for grant in grants {
        let left = seconds_left(grant, now);
        for (scope, _) in &grant.scopes {
            held.entry(scope.as_str()).and_modify(|known| *known = left.max(*known)).or_insert(left);
        }
    }
    held
}

/// Every scope that the grants hold, once, in the order in which the API defines them within each grant.
fn granted_scopes<'a>(grants: &[&'a GrantView], wanted: impl Fn(bool) -> bool) -> Vec<&'a String> {
    let scopes = grants.iter().flat_map(|grant| &grant.scopes);
    let scopes = scopes.filter(|(_, is_default)| wanted(*is_default)).map(|(scope, _)| scope);
    let mut seen = HashSet::new();
    scopes.filter(|scope| seen.insert(scope.as_str())).collect()
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
    held: &BTreeMap<&str, i64>,
    requested: &[String],
    api: &Api,
    excess: ExcessScope,
) -> Result<Vec<String>> {
    let is_held = |scope: &&String| held.contains_key(scope.as_str());
    let (offered, too_much): (Vec<&String>, Vec<&String>) = requested.iter().partition(is_held);
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

/// Whole seconds that are left of a grant.
fn seconds_left(grant: &GrantView, now: Timestamp) -> i64 {
    grant.expires_at.map_or(i64::MAX, |end| end.since_ms(now) / 1000)
}
