//! A recorded decision, evaluated again from what was recorded: each policy gets the same module, settings and request,
//! and must give the same answer.

use serde_json::{Map, Value, json};

use super::policies::{in_turn, unanswered};
use crate::app::App;
use crate::decision::{Detail, Effect, Given, Step, Verdict};
use crate::error::{Error, Result};
use crate::policy::abi::Request;
use crate::policy::{CLAIM_CONFLICT, FailureKind, claim_conflict, effect};

/// The part of a record that a replay needs.
pub(super) struct Recorded {
    pub(super) id: String,
    pub(super) requested: Vec<String>,
    pub(super) detail: Detail,
}

/// Evaluates every policy of a decision again. Blocks.
pub(crate) fn replay(app: &App, id: &str) -> Result<Value> {
    let recorded = recorded(app, id)?;
    let place = app.asides.enter()?;
    let _alone = place.alone();
    let steps: Vec<Value> = match &recorded.detail.given {
        // No policy was asked.
        None => Vec::new(),
        Some(given) => {
            let again = |step| replay_step(app, step, given, &recorded.requested);
            recorded.detail.steps.iter().map(again).collect::<Result<_>>()?
        }
    };
    let same = steps.iter().all(|step| step["same"] == true);
    Ok(json!({"decision": recorded.id, "same": same, "steps": steps}))
}

/// Reads a record.
pub(super) fn recorded(app: &App, id: &str) -> Result<Recorded> {
    app.decisions.settle();
    let record = app.store.decision_by_id(id)?;
    let read = |record: Map<String, Value>| -> serde_json::Result<Recorded> {
        let id = serde_json::from_value(record.get("id").cloned().unwrap_or_default())?;
        let requested = serde_json::from_value(record.get("requested").cloned().unwrap_or_default())?;
        Ok(Recorded { id, requested, detail: serde_json::from_value(Value::Object(record))? })
    };
    read(record).map_err(|error| Error::Internal(format!("the record of the decision {id} cannot be read: {error}")))
}

/// What a policy was asked, and the settings that it was asked with.
pub(super) fn asked(app: &App, step: &Step, given: &Given, requested: &[String]) -> Result<(Request, String)> {
    let settings = app.store.policy_settings(&step.settings_digest)?.ok_or_else(|| {
        Error::NotFound(format!("the settings that the policy {} had then are not kept any more", step.policy))
    })?;
    Ok((step.request(given, requested, Value::Null), settings))
}

fn replay_step(app: &App, step: &Step, given: &Given, requested: &[String]) -> Result<Value> {
    if app.store.policy_module_by_digest(&step.module_digest)?.is_none() {
        return Err(Error::NotFound(format!(
            "the module {} of the policy {} was deleted: upload it again ({}) to replay this decision",
            step.module, step.policy, step.module_digest
        )));
    }
    let (request, settings) = asked(app, step, given, requested)?;
    let evaluation = match in_turn(app, || app.policies.evaluate(&step.module_digest, &request, &settings)) {
        // A failure is an answer too, and must be the same again; having no turn now is none.
        Err(failure) if failure.kind == FailureKind::Busy => return Err(unanswered(&failure, Error::Internal)),
        other => other,
    };
    // Whether the API set a claim is not in the record; the one that stood in the way is, in the reason.
    let reason = step.effect.reason.as_deref().filter(|_| is_conflict(step));
    let conflict = |name: &str, value: &Value| reason.filter(|reason| is_about(reason, name, value)).map(str::to_owned);
    let answer = evaluation.as_ref().map(|evaluation| &evaluation.decision);
    let now = Effect::from(&effect(&step.offered, step.offered_ttl_seconds, answer, conflict));
    let (then, now) = (members(&step.effect)?, members(&now)?);
    let mut shown = json!({
        "policyId": step.policy_id,
        "policy": step.policy,
        "mode": step.mode,
        "module": step.module,
        "moduleDigest": step.module_digest,
        "settingsDigest": step.settings_digest,
        "same": then == now,
        "differs": differing(&then, &now),
        "then": then,
        "now": now,
        "fuelThen": step.fuel,
        "fuelNow": evaluation.as_ref().map_or_else(|failure| failure.fuel, |evaluation| evaluation.fuel),
    });
    // A policy that could not be asked then may well answer now: that is a difference, and this is why.
    if let (Some(members), true) = (shown.as_object_mut(), was_unasked(step) && evaluation.is_ok()) {
        members.insert("remark".to_owned(), "it could not be asked then, and now it can".into());
    }
    Ok(shown)
}

/// Whether the policy permitted, and a claim of its answer conflicted with one that was set before.
pub(super) fn is_conflict(step: &Step) -> bool {
    step.effect.verdict == Verdict::Deny && step.effect.code.as_deref() == Some(CLAIM_CONFLICT)
}

/// Whether the recorded reason of a conflict is about this claim. Records of before name the claim alone.
fn is_about(reason: &str, name: &str, value: &Value) -> bool {
    let before = format!("the claim {name} is set by the API, or by another policy to something else");
    reason == before || reason.starts_with(&claim_conflict(name, value, ""))
}

fn was_unasked(step: &Step) -> bool {
    let unasked = [FailureKind::Busy, FailureKind::Unavailable].map(FailureKind::as_str);
    step.effect.verdict == Verdict::Failed && step.effect.code.as_deref().is_some_and(|code| unasked.contains(&code))
}

/// An effect, member by member.
pub(super) fn members(effect: &Effect) -> Result<Map<String, Value>> {
    match serde_json::to_value(effect) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Error::Internal("the effect of a policy cannot be written".to_owned())),
    }
}

fn differing(then: &Map<String, Value>, now: &Map<String, Value>) -> Vec<String> {
    let all = then.keys().chain(now.keys().filter(|name| !then.contains_key(*name)));
    all.filter(|name| then.get(*name) != now.get(*name)).cloned().collect()
}
