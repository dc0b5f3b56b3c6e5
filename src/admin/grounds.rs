//! What the answers of a recorded decision rest on: each policy is asked again, with its module and settings of then and
//! one thing changed at a time. Nothing is recorded; what cannot be told is told so, and the other policies are gone on with.

use std::time::Duration;

use serde_json::{Value, json};

use super::policies::{in_turn, unanswered};
use super::replay::{asked, recorded};
use crate::app::App;
use crate::decision::{Given, Step, Verdict};
use crate::error::{Error, Result};
use crate::policy::abi::Request;
use crate::policy::grounds::{Ground, grounds};

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
    let (found, unknown) = match find(app, step, given, requested, may_go_on)? {
        Ok(found) => (found.iter().map(shown).collect(), if may_go_on() { None } else { Some(UNFINISHED.to_owned()) }),
        Err(unknown) => (Vec::new(), Some(unknown)),
    };
    Ok(json!({"policyId": step.policy_id, "policy": step.policy, "restsOn": found, "unknown": unknown}))
}

const UNFINISHED: &str = "there may be more: looking for it took too long";

/// The inner error says why it cannot be told.
fn find(
    app: &App,
    step: &Step,
    given: &Given,
    requested: &[String],
    may_go_on: &dyn Fn() -> bool,
) -> Result<Result<Vec<Ground>, String>> {
    if step.effect.verdict == Verdict::Failed {
        return Ok(Err("it failed, which rests on nothing that it was given".to_owned()));
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
    let ask = |request: &Request, settings: &Value| {
        let text = settings.to_string();
        let may_ask = may_go_on() && app.policies.validate_settings(module, &text).is_ok_and(|fits| fits.is_ok());
        if may_ask { app.policies.evaluate(module, request, &text).ok().map(|run| run.decision) } else { None }
    };
    // Loaded in the same turn: a module that cannot be is told of, and is not one that rests on nothing.
    let searched = in_turn(app, || app.policies.manifest(module).map(|_| grounds(&ask, &request, &settings)));
    match searched {
        Ok(found) => Ok(Ok(found)),
        Err(failure) => {
            let unusable = unanswered(&failure, |what| Error::NotFound(format!("its module cannot be used: {what}")));
            if let Error::NotFound(what) = unusable { Ok(Err(what)) } else { Err(unusable) }
        }
    }
}
