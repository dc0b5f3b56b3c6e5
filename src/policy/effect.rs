//! What is left of an offer when a policy's answer is held against it. Here a policy can lower and deny, and nothing else.

use serde_json::{Map, Value};

use super::abi::{Decision, Denial, Permit};
use super::failure::Failure;
use crate::decision::{Effect, Verdict};
use crate::model::scope::intersect;

/// The code of a denial because of a claim that is set already. The policy itself permitted.
pub const CLAIM_CONFLICT: &str = "claim-conflict";
/// Characters of a claim that a reason tells: it is bounded, and a claim may be kilobytes.
const CLAIM_CHARS_MAX: usize = 80;

/// What is left when an answer is held against what was offered: never more than that. `conflict` says why a claim
/// cannot be set, where it is set already to something else.
pub(crate) fn effect(
    offered: &[String],
    ttl_seconds: u32,
    outcome: Result<&Decision, &Failure>,
    conflict: impl Fn(&str, &Value) -> Option<String>,
) -> Result<Left, Stop> {
    let permit: &Permit = match outcome {
        Ok(Decision::Permit(permit)) => permit,
        Ok(Decision::Deny(denial)) => return Err(Stop::Denied(denial.clone())),
        Err(failure) => return Err(Stop::Failed(failure.clone())),
    };
    let stop = |code: &str, reason: String| Err(Stop::Denied(Denial { code: code.to_owned(), reason }));
    let scopes: Vec<String> = intersect(offered, &permit.scopes).into_iter().cloned().collect();
    if scopes.is_empty() {
        return stop("no-scope-left", "it leaves none of the scopes".to_owned());
    }
    let ttl_seconds = permit.ttl_seconds.map_or(ttl_seconds, |ttl| ttl.min(ttl_seconds));
    if ttl_seconds == 0 {
        return stop("no-lifetime-left", "it leaves no lifetime".to_owned());
    }
    if let Some(reason) = permit.claims.iter().find_map(|(name, value)| conflict(name, value)) {
        return stop(CLAIM_CONFLICT, reason);
    }
    Ok(Left { scopes, ttl_seconds, claims: permit.claims.clone(), note: permit.note.clone() })
}

/// The reason of a denial with [`CLAIM_CONFLICT`]: what the policy answered, and the `other` that stands in its way, as
/// in `team="a", set by the policy p`.
#[must_use]
pub fn claim_conflict(name: &str, value: &Value, other: &str) -> String {
    format!("it permits, but its claim {} conflicts with {other}", claim_in_words(name, value))
}

/// A claim, short: `team="a"`.
#[must_use]
pub fn claim_in_words(name: &str, value: &Value) -> String {
    let text = format!("{name}={value}");
    // A name is a module's text too.
    let mut characters = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = characters.by_ref().take(CLAIM_CHARS_MAX).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

impl From<&Result<Left, Stop>> for Effect {
    fn from(effect: &Result<Left, Stop>) -> Self {
        let denied = |verdict, code: &str, reason: String| Self {
            verdict,
            left: Vec::new(),
            ttl_seconds: 0,
            claims: Map::new(),
            note: None,
            code: Some(code.to_owned()),
            reason: Some(reason),
        };
        match effect {
            Ok(left) => Self {
                verdict: Verdict::Permit,
                left: left.scopes.clone(),
                ttl_seconds: left.ttl_seconds,
                claims: left.claims.clone(),
                note: left.note.clone(),
                code: None,
                reason: None,
            },
            Err(Stop::Denied(denial)) => denied(Verdict::Deny, &denial.code, denial.reason.clone()),
            Err(Stop::Failed(failure)) => denied(Verdict::Failed, failure.kind.as_str(), failure.to_string()),
        }
    }
}

/// What a permit leaves.
pub(crate) struct Left {
    pub(crate) scopes: Vec<String>,
    pub(crate) ttl_seconds: u32,
    pub(crate) claims: Map<String, Value>,
    pub(crate) note: Option<String>,
}

/// Why a policy ends the request.
pub(crate) enum Stop {
    Denied(Denial),
    Failed(Failure),
}
