//! What a request ends with, or a policy answers: out of a record, or out of an answer given now.

use std::collections::BTreeSet;

use grantd::decision::{Step, Verdict};
use grantd::policy::abi::{Decision, Request};
use grantd::policy::cases::effect;
use grantd::policy::{CLAIM_CONFLICT, claim_conflict, claim_in_words};
use serde_json::{Map, Value};

/// What a request ended with.
#[derive(Clone, Debug)]
pub(super) enum End {
    Token { scopes: Vec<String>, seconds: u32, claims: Map<String, Value> },
    Denied { code: String, reason: String },
}

/// A conflict of claims is one, whatever it says of who has set the claim: not every record knows.
impl PartialEq for End {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Token { scopes, seconds, claims },
                Self::Token { scopes: other_scopes, seconds: other_seconds, claims: other_claims },
            ) => (scopes, seconds, claims) == (other_scopes, other_seconds, other_claims),
            (Self::Denied { code, reason }, Self::Denied { code: other_code, reason: other_reason }) => {
                code == other_code && (code == CLAIM_CONFLICT || reason == other_reason)
            }
            _ => false,
        }
    }
}

impl End {
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Token { scopes, seconds, claims } => {
                let claims: Vec<String> = claims.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let with = if claims.is_empty() { String::new() } else { format!(" with {}", claims.join(" ")) };
                format!("{} for {seconds} s{with}", scopes.join(" "))
            }
            Self::Denied { code, reason } if reason.is_empty() => format!("denied: {code}"),
            Self::Denied { code, reason } => format!("denied: {code}, {reason}"),
        }
    }
}

/// What a policy said, by the record.
pub(super) fn said(step: &Step) -> End {
    let effect = &step.effect;
    if effect.verdict == Verdict::Permit {
        return End::Token { scopes: effect.left.clone(), seconds: effect.ttl_seconds, claims: effect.claims.clone() };
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    End::Denied { code: text(&effect.code), reason: text(&effect.reason) }
}

pub(super) fn end_of(request: &Request, decision: Decision) -> End {
    match effect(request, decision) {
        Decision::Permit(permit) => End::Token {
            scopes: permit.scopes,
            seconds: permit.ttl_seconds.unwrap_or(request.ttl_seconds),
            claims: permit.claims,
        },
        Decision::Deny(denial) => End::Denied { code: denial.code, reason: denial.reason },
    }
}

/// The claims that enforced policies set.
pub(super) fn claims_of(steps: &[Step]) -> Map<String, Value> {
    steps.iter().filter(|step| step.mode == "enforce").flat_map(|step| step.effect.claims.clone()).collect()
}

/// The denial of an answer with a claim that is `taken` by the API, or was set earlier to something else.
pub(super) fn conflict(end: &End, earlier: &Map<String, Value>, taken: &BTreeSet<String>) -> Option<End> {
    let End::Token { claims, .. } = end else { return None };
    let stands = |(name, value): (&String, &Value)| {
        let other = if taken.contains(name) {
            "that of the API's claims".to_owned()
        } else {
            let set = earlier.get(name).filter(|set| *set != value)?;
            format!("{}, set by a policy before it", claim_in_words(name, set))
        };
        Some(claim_conflict(name, value, &other))
    };
    let reason = claims.iter().find_map(stands)?;
    Some(End::Denied { code: CLAIM_CONFLICT.to_owned(), reason })
}

/// With the claims that are set already.
pub(super) fn with_claims(end: End, earlier: &Map<String, Value>) -> End {
    let End::Token { scopes, seconds, claims } = end else { return end };
    let claims = earlier.clone().into_iter().chain(claims).collect();
    End::Token { scopes, seconds, claims }
}
