//! The admin operations of decisions: reading the record of token requests, and what follows from many of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::store::{Page, Query, Questions, Tally};

/// Explanations that [`policy_costs`] looks at.
const LOOKED_AT: u32 = 200;

/// One page of decisions.
pub(crate) fn list(app: &App, query: &Query) -> Result<Page<Map<String, Value>>> {
    app.decisions.settle();
    app.store.decision_list(query)
}

/// One decision, by its id, which is the `jti` of its token too.
pub(crate) fn read(app: &App, id: &str) -> Result<Map<String, Value>> {
    app.decisions.settle();
    app.store.decision_by_id(id)
}

/// What a policy was asked, page by page: the `count` decisions after `after` are looked at.
pub(crate) fn questions(
    app: &App,
    policy_id: &str,
    since: Option<Timestamp>,
    after: Option<i64>,
    count: u32,
) -> Result<Questions> {
    // Once for all pages: a commit may take a tenth of a second, and there are hundreds of pages.
    if after.is_none() {
        app.decisions.settle();
    }
    app.store.decision_questions(policy_id, since.unwrap_or(Timestamp::from_ms(0)), after, i64::from(count))
}

/// Settings that a recorded decision rests on.
pub(crate) fn settings(app: &App, digest: &str) -> Result<Value> {
    let text = app.store.policy_settings(digest)?;
    let text = text.ok_or_else(|| Error::NotFound("no settings are kept under this digest any more".to_owned()))?;
    let settings: Value = serde_json::from_str(&text)
        .map_err(|error| Error::Internal(format!("the settings {digest} cannot be read: {error}")))?;
    Ok(json!({"digest": digest, "settings": settings}))
}

/// How token requests ended, hour by hour, from `from` on.
pub(crate) fn tallies(app: &App, from: Timestamp) -> Result<Vec<Tally>> {
    app.decisions.settle();
    app.store.decision_tally_list(from)
}

/// What a policy cost lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PolicyCost {
    pub(crate) policy_id: String,
    pub(crate) policy: String,
    /// Evaluations that were looked at; answers that were reused are not among them.
    pub(crate) evaluations: u64,
    pub(crate) micros_mean: u64,
    pub(crate) micros_max: u64,
    pub(crate) fuel_max: u64,
}

/// What policies cost in their youngest evaluations, the slowest first.
pub(crate) fn policy_costs(app: &App) -> Result<Vec<PolicyCost>> {
    let mut costs: BTreeMap<String, (PolicyCost, u64)> = BTreeMap::new();
    for explanation in app.store.decision_explanation_list(LOOKED_AT)? {
        let steps = explanation["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        for step in steps.iter().filter(|step| step["reused"] != true) {
            let text = |name: &str| step[name].as_str().unwrap_or_default().to_owned();
            let number = |name: &str| step[name].as_u64().unwrap_or_default();
            let (cost, total) = costs.entry(text("policyId")).or_default();
            cost.policy_id = text("policyId");
            cost.policy = text("policy");
            cost.evaluations += 1;
            *total += number("micros");
            cost.micros_max = cost.micros_max.max(number("micros"));
            cost.fuel_max = cost.fuel_max.max(number("fuel"));
        }
    }
    let mean = |(cost, total): (PolicyCost, u64)| PolicyCost { micros_mean: total / cost.evaluations.max(1), ..cost };
    let mut all: Vec<PolicyCost> = costs.into_values().map(mean).collect();
    all.sort_by_key(|cost| std::cmp::Reverse(cost.micros_mean));
    Ok(all)
}
