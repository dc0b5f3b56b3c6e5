//! What the answers of a recorded decision rest on: each policy is asked again, with its module and settings of then and
//! one thing changed at a time. Nothing is recorded; what cannot be told is told so, and the other policies are gone on with.

use std::cell::Cell;
use std::time::Duration;

use serde_json::{Value, json};

use super::policies::{in_turn, unanswered};
use super::replay::{asked, is_conflict, recorded};
use crate::app::App;
use crate::decision::{Given, Step, Verdict};
use crate::error::{Error, Result};
use crate::policy::abi::Request;
use crate::policy::grounds::{Found, Ground, grounds};

/// How long the policies of one decision may be asked, all together.
const TIME: Duration = Duration::from_secs(2);

/// Policy by policy, in the order in which they were asked. Blocks.
pub(crate) fn explain(app: &App, id: &str) -> Result<Value> {
    let recorded = recorded(app, id)?;
    let place = app.asides.enter()?;
    let _alone = place.alone();
    let watch = app.clock.stopwatch();
    let may_go_on = || watch.elapsed() < TIME;
    let steps: Vec<Value> = match &recorded.detail.given {
        // No policy was asked.
        None => Vec::new(),
        Some(given) => {
            let explained = |step| explain_step(app, step, given, &recorded.requested, &may_go_on);
            recorded.detail.steps.iter().map(explained).collect::<Result<_>>()?
        }
    };
    Ok(json!({"decision": recorded.id, "steps": steps}))
}

fn explain_step(
    app: &App,
    step: &Step,
    given: &Given,
    requested: &[String],
    may_go_on: &dyn Fn() -> bool,
) -> Result<Value> {
    let shown = |ground: &Ground| json!({"what": ground.what, "value": ground.value, "otherwise": ground.otherwise});
    let (found, unknown): (Vec<Value>, Vec<String>) = match find(app, step, given, requested, may_go_on)? {
        Ok(found) => {
            let nothing = found.grounds.is_empty().then(|| found.nothing_changed());
            let unfinished = (!may_go_on()).then(|| UNFINISHED.to_owned());
            (found.grounds.iter().map(shown).collect(), nothing.into_iter().chain(unfinished).collect())
        }
        Err(unknown) => (Vec::new(), vec![unknown]),
    };
    let unknown = (!unknown.is_empty()).then(|| unknown.join("; "));
    Ok(json!({"policyId": step.policy_id, "policy": step.policy, "restsOn": found, "unknown": unknown}))
}

const UNFINISHED: &str = "there may be more: looking for it took too long";
const UNBEGUN: &str = "the policies before it, or the wait for a turn, took the time that there is to look for it";
const UNANSWERED: &str = "asked the same again, it gives no answer";
const FAILED: &str = "it failed: what a failure rests on is not looked for";
const CONFLICT: &str =
    "it permitted, and its claim conflicts with one that was set before: what a conflict rests on is not looked for";

/// The inner error says why it cannot be told.
fn find(
    app: &App,
    step: &Step,
    given: &Given,
    requested: &[String],
    may_go_on: &dyn Fn() -> bool,
) -> Result<Result<Found, String>> {
    if step.effect.verdict == Verdict::Failed {
        return Ok(Err(FAILED.to_owned()));
    }
    if is_conflict(step) {
        return Ok(Err(CONFLICT.to_owned()));
    }
    if !may_go_on() {
        return Ok(Err(UNBEGUN.to_owned()));
    }
    let module = &step.module_digest;
    if app.store.policy_module_by_digest(module)?.is_none() {
        let what = format!("its module {} was deleted since: upload it again ({module}) to see", step.module);
        return Ok(Err(what));
    }
    let (request, settings) = match asked(app, step, given, requested) {
        Ok(asked) => asked,
        Err(Error::NotFound(what)) => return Ok(Err(what)),
        Err(other) => return Err(other),
    };
    let settings: Value = serde_json::from_str(&settings)
        .map_err(|error| Error::Internal(format!("the settings {} cannot be read: {error}", step.settings_digest)))?;
    // The time goes on while its turn is waited for.
    let was_asked = Cell::new(false);
    let ask = |request: &Request, settings: &Value| {
        if !may_go_on() {
            return None;
        }
        was_asked.set(true);
        let text = settings.to_string();
        let fits = app.policies.validate_settings(module, &text).is_ok_and(|fits| fits.is_ok());
        if fits { app.policies.evaluate(module, request, &text).ok().map(|run| run.decision) } else { None }
    };
    // Loaded in the same turn: a module that cannot be is told of, and is not one that rests on nothing.
    let searched = in_turn(app, || app.policies.manifest(module).map(|_| grounds(&ask, &request, &settings)));
    match searched {
        Ok(found) => {
            let why_not = if was_asked.get() { UNANSWERED } else { UNBEGUN };
            Ok(found.ok_or_else(|| why_not.to_owned()))
        }
        Err(failure) => {
            let unusable = unanswered(&failure, |what| Error::NotFound(format!("its module cannot be used: {what}")));
            if let Error::NotFound(what) = unusable { Ok(Err(what)) } else { Err(unusable) }
        }
    }
}
