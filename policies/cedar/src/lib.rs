//! `cedar`: policies in Cedar. The settings hold their text; the cedar-policy crate evaluates them.
//!
//! Every scope that is offered is an action, and stays if the policies allow it: may the principal
//! `Account::"<id>"` do `Action::"<scope>"` on the resource `Api::"<appId>"`? `entities.rs` says what Cedar knows of a
//! request. As always in Cedar, what no policy permits is not permitted, and one `forbid` goes before every `permit`.
//!
//! A policy may carry annotations: `@id` and `@reason` go into denials and notes, and the smallest `@ttl_seconds` of the
//! policies that permitted a scope of the token is the token's lifetime. A policy that fails when it is evaluated (say,
//! for an attribute that is not there) denies the request: Cedar would leave it out, and it may have been a `forbid`.
//! So does a template (`?principal`, `?resource`), which is refused when the settings are saved: nothing here fills it.

mod entities;
mod text;

use std::collections::BTreeSet;
use std::str::FromStr;

use cedar_policy::{
    Authorizer, Decision as Cedar, Entities, PolicyId, PolicySet, Request as Question, Schema as CedarSchema, Template,
    ValidationMode, Validator,
};
use grantd_policy::{
    Decision, Input, Manifest, Permit, Policy, Request, TimeStep, Value, export_policy, manifest, settings,
};

/// The policy.
pub struct CedarPolicies;

/// Policies in Cedar.
#[settings]
pub struct Settings {
    /// The text of the policies.
    pub policies: String,
    /// A schema in Cedar's own syntax. The policies are validated against it, strictly, when the settings are saved.
    #[serde(default)]
    pub schema: Option<String>,
    /// Entities beside the account and the API, in Cedar's JSON: teams, groups of actions, parents of accounts.
    #[serde(default)]
    pub entities: Vec<Value>,
}

impl Policy for CedarPolicies {
    type Settings = Settings;
    const MANIFEST: Manifest = manifest!(Input::Time(TimeStep::Minute), Input::RemoteAddress);

    fn validate(settings: &Settings) -> Result<(), String> {
        let loaded = Loaded::new(settings)?;
        if loaded.policies.is_empty() {
            return Err("settings.policies: there is no policy in it, so nothing would be permitted".to_owned());
        }
        for policy in loaded.policies.policies() {
            if let Some(seconds) = policy.annotation("ttl_seconds")
                && !seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0)
            {
                return Err(format!("settings.policies: @ttl_seconds({seconds:?}) is no number of seconds"));
            }
        }
        if let Some(schema) = loaded.schema {
            let result = Validator::new(schema).validate(&loaded.policies, ValidationMode::Strict);
            if let Some(error) = result.validation_errors().next() {
                return Err(text::located("settings.policies", &settings.policies, error));
            }
        }
        Ok(())
    }

    fn evaluate(request: &Request, settings: &Settings) -> Decision {
        match Loaded::new(settings).and_then(|loaded| loaded.decide(request)) {
            Ok(decision) => decision,
            Err(error) => Decision::deny("cedar-error", error),
        }
    }
}

export_policy!(CedarPolicies);

/// The settings, parsed.
struct Loaded {
    policies: PolicySet,
    schema: Option<CedarSchema>,
    entities: Entities,
}

impl Loaded {
    fn new(settings: &Settings) -> Result<Self, String> {
        let policies = PolicySet::from_str(&settings.policies)
            .map_err(|errors| text::first("settings.policies", &settings.policies, &errors))?;
        if let Some(template) = policies.templates().next() {
            return Err(unfilled(template));
        }
        let schema = match &settings.schema {
            None => None,
            Some(source) => {
                let parsed = CedarSchema::from_cedarschema_str(source);
                Some(parsed.map_err(|error| text::located("settings.schema", source, &error))?.0)
            }
        };
        let broken = |error: &dyn std::fmt::Display| format!("settings.entities: {error}");
        let given = Value::Array(settings.entities.clone());
        let mut entities = Entities::from_json_value(given, None).map_err(|error| broken(&text::whole(&error)))?;
        if let Some(schema) = &schema {
            // Groups of actions are declared in a schema.
            let actions = schema.action_entities().map_err(|error| broken(&error))?;
            entities = entities.upsert_entities(actions, None).map_err(|error| broken(&error))?;
        }
        Ok(Self { policies, schema, entities })
    }

    /// Asks for each scope that was offered.
    fn decide(self, request: &Request) -> Result<Decision, String> {
        let Self { policies, entities, .. } = self;
        let (entities, principal, resource) = entities::of_request(entities, request)?;
        let authorizer = Authorizer::new();
        let (mut kept, mut refused) = (Vec::new(), Vec::new());
        let mut forbidding = BTreeSet::new();
        let mut ttl_seconds: Option<u32> = None;
        for scope in &request.offered {
            let action = entities::uid("Action", scope)?;
            let context = entities::context(request)?;
            let question = Question::new(principal.clone(), action, resource.clone(), context, None)
                .map_err(|error| error.to_string())?;
            let answer = authorizer.is_authorized(&question, &policies, &entities);
            if let Some(error) = answer.diagnostics().errors().next() {
                return Err(format!("a policy fails for the scope {scope}: {error}"));
            }
            let reasons = answer.diagnostics().reason();
            if answer.decision() == Cedar::Allow {
                let seconds = reasons.filter_map(|id| policies.annotation(id, "ttl_seconds")?.parse::<u32>().ok());
                ttl_seconds = seconds.chain(ttl_seconds).min();
                kept.push(scope.clone());
            } else {
                forbidding.extend(reasons.map(|id| named(&policies, id)));
                refused.push(scope.as_str());
            }
        }
        let mut reason = format!("not permitted: {}", refused.join(" "));
        if !forbidding.is_empty() {
            reason += &format!(" (forbidden by {})", forbidding.into_iter().collect::<Vec<_>>().join("; "));
        }
        if kept.is_empty() {
            return Ok(Decision::deny("not-permitted", reason));
        }
        let mut permit = Permit::scopes(kept);
        permit.ttl_seconds = ttl_seconds;
        Ok(if refused.is_empty() { permit.into() } else { permit.note(reason).into() })
    }
}

/// What a policy is called, and its `@reason`.
fn named(policies: &PolicySet, id: &PolicyId) -> String {
    let name = name(policies.annotation(id, "id"), id);
    match policies.annotation(id, "reason").filter(|text| !text.is_empty()) {
        Some(reason) => format!("{name}: {reason}"),
        None => name,
    }
}

/// What a policy or a template is called: its `@id`, or its number in the text, from 0 on.
fn name(annotated: Option<&str>, id: &PolicyId) -> String {
    annotated.filter(|text| !text.is_empty()).map_or_else(|| id.to_string(), str::to_owned)
}

/// Why a template is refused: Cedar evaluates only what it is linked to, so its `forbid` would forbid nothing.
fn unfilled(template: &Template) -> String {
    let name = name(template.annotation("id"), template.id());
    let slots: BTreeSet<String> = template.slots().map(ToString::to_string).collect();
    let slots = slots.into_iter().collect::<Vec<_>>().join(" and ");
    format!(
        "settings.policies: {name} is a template: nothing fills {slots} here, so it would never apply; name an entity \
         there, such as Account::\"ID\" or Api::\"APP_ID\", or leave the condition out"
    )
}
