//! A policy, asked once outside of any token request: what would it say? Nothing is recorded and nothing is reused.
//!
//! The request comes whole in the body, out of a recorded decision, or from what the database holds of a client and an
//! API. Settings can be given too, so that they can be tried before they are saved.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::policies::{in_turn, unanswered};
use super::replay;
use crate::app::App;
use crate::clock::Timestamp;
use crate::decision::Effect;
use crate::error::{Error, Result, Violation};
use crate::model::Record;
use crate::model::caller::RequestId;
use crate::model::fields::{Fields, free_text, reference_name};
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::policy::{Policy, SETTINGS_BYTES_MAX};
use crate::model::scope::{SCOPES_REQUESTED_MAX, check_scope_token};
use crate::policy::abi::{Circumstances, Context, INPUTS_MAX, Input, RemoteAddress, Request};
use crate::policy::{effect, given};
use crate::store::ClientView;
use crate::token::request::PARAMETERS_MAX;
use crate::token::resolve;

/// What a body asks with: one of these ways.
struct Asked {
    request: Option<Map<String, Value>>,
    decision: Option<String>,
    client: Option<String>,
    account: Option<String>,
    api: Option<String>,
    scopes: Vec<String>,
    at: Option<Timestamp>,
    circumstances: Circumstances,
    settings: Option<String>,
}

/// Asks a policy. Blocks.
pub(crate) fn evaluate(app: &App, id: &str, body: &Map<String, Value>) -> Result<Value> {
    let policy = app.store.resource_by_id::<Policy>(id)?;
    let asked = Asked::parse(body)?;
    let module = &policy.value.module_digest;
    let broken = |what: String| {
        Error::Invalid(vec![Violation::new("", Value::Null, format!("the policy's module cannot be used: {what}"))])
    };
    let manifest = app.policies.manifest(module).map_err(|failure| unanswered(&failure, broken))?;
    let mut request = asked.build(app, &policy, &manifest.inputs)?;
    let settings = match (&asked.settings, request.settings.take()) {
        (Some(settings), _) => settings.clone(),
        (None, Value::Null) => policy.value.settings_text(),
        (None, settings) => settings.to_string(),
    };
    let place = app.asides.enter()?;
    let alone = place.alone();
    let evaluation = in_turn(app, || app.policies.evaluate(module, &request, &settings));
    drop(alone);
    // Shown as it was put to the module, which got them as text beside it.
    request.settings = serde_json::from_str(&settings).unwrap_or_default();
    let answer = evaluation.as_ref().map(|evaluation| &evaluation.decision);
    let effect = Effect::from(&effect(&request.offered, request.ttl_seconds, answer, |_, _| None));
    let mut shown = json!({
        "policyId": policy.id.as_str(),
        "policy": policy.value.name,
        "module": format!("{}@{}", manifest.name, manifest.version),
        "moduleDigest": module,
        "inputs": manifest.inputs,
        "request": request,
        "effect": replay::members(&effect)?,
    });
    let told = match evaluation {
        Ok(run) => json!({
            "decision": run.decision,
            "fuel": run.fuel,
            "micros": u64::try_from(run.elapsed.as_micros()).unwrap_or(u64::MAX),
            "memoryBytes": run.memory_bytes,
        }),
        // Told in `effect`; what the module's author left behind, here.
        Err(failure) => json!({
            "decision": null,
            "fuel": failure.fuel,
            "micros": failure.micros,
            "backtrace": failure.backtrace,
        }),
    };
    if let (Some(members), Value::Object(told)) = (shown.as_object_mut(), told) {
        members.extend(told);
    }
    Ok(shown)
}

/// The request that a client or an account would make now, as a policy with the `inputs` of the body would get it. For
/// whoever has the module at hand and asks it there. Blocks.
pub(crate) fn request(app: &App, body: &Map<String, Value>) -> Result<Value> {
    let mut body = body.clone();
    let inputs = body.remove("inputs").unwrap_or_else(|| json!([]));
    let unfit = |sent: Value, what: String| Error::Invalid(vec![Violation::new("/inputs", sent, what)]);
    let inputs: Vec<Input> =
        serde_json::from_value(inputs.clone()).map_err(|error| unfit(inputs.clone(), error.to_string()))?;
    if inputs.len() > INPUTS_MAX {
        return Err(unfit(json!(inputs.len()), format!("must be a list of at most {INPUTS_MAX} inputs")));
    }
    let asked = Asked::parse(&body)?;
    let other = ["request", "decision", "settings"].into_iter().find(|name| body.contains_key(*name));
    if let Some(name) = other {
        let what = "is not taken here: name a client or an account";
        return Err(Error::Invalid(vec![Violation::new(format!("/{name}"), Value::Null, what)]));
    }
    Ok(json!({"request": asked.build_from_database(app, &inputs)?}))
}

impl Asked {
    fn parse(body: &Map<String, Value>) -> Result<Self> {
        let mut fields = Fields::new(body, "");
        let settings = fields.raw("settings").is_some();
        let settings_object = fields.free_object_of("settings", SETTINGS_BYTES_MAX);
        let mut circumstances = Circumstances {
            request_id: RequestId::Sent(fields.optional_text("requestId", free_text).unwrap_or_default().into()),
            remote_address: fields.optional_text("remoteAddress", free_text).map(RemoteAddress::Written),
            user_agent: fields.optional_text("userAgent", free_text).map(Into::into),
            parameters: Vec::new(),
        };
        circumstances.parameters = parameters(&mut fields);
        let asked = Self {
            request: fields.raw("request").map(|_| fields.free_object_of("request", usize::MAX)),
            decision: fields.optional_text("decision", reference_name),
            client: fields.optional_text("client", reference_name),
            account: fields.optional_text("account", reference_name),
            api: fields.optional_text("api", reference_name),
            scopes: fields.text_list("scopes", SCOPES_REQUESTED_MAX, check_scope_token),
            at: fields.time("at"),
            circumstances,
            settings: settings.then(|| Value::Object(settings_object).to_string()),
        };
        let ways =
            [asked.request.is_some(), asked.decision.is_some(), asked.client.is_some() || asked.account.is_some()];
        if ways.into_iter().filter(|way| *way).count() != 1 {
            fields.violate("request", "say what to ask with one of request, decision, and client (or account)");
        }
        let violations = fields.finish(&[]);
        if violations.is_empty() { Ok(asked) } else { Err(Error::Invalid(violations)) }
    }

    /// The request, with only those changing inputs that the manifest lists.
    fn build(&self, app: &App, policy: &Record<Policy>, inputs: &[Input]) -> Result<Request> {
        if let Some(request) = &self.request {
            let mut request: Request = serde_json::from_value(Value::Object(request.clone()))
                .map_err(|error| Error::Invalid(vec![Violation::new("/request", Value::Null, error.to_string())]))?;
            request.context.keep(inputs);
            return Ok(request);
        }
        match &self.decision {
            Some(id) => from_decision(app, policy, id),
            None => self.build_from_database(app, inputs),
        }
    }

    fn build_from_database(&self, app: &App, inputs: &[Input]) -> Result<Request> {
        let client = self.client(app)?;
        let target = self.api.as_ref().map(|named| api_name(app, named)).transpose()?;
        let now = self.at.unwrap_or_else(|| app.clock.now());
        let excess = app.config.token.excess_scope;
        let resolved = resolve::resolve(&client, &self.scopes, target.as_deref(), now, excess)?;
        let method = client.allowed_auth_methods.first().map_or("", |method| method.as_str());
        Ok(given(&client, &resolved.api, method).request(
            self.scopes.clone(),
            resolved.offered,
            u32::try_from(resolved.lifetime_seconds).unwrap_or(u32::MAX),
            Context::restricted_to(inputs, now, &self.circumstances),
            Value::Null,
        ))
    }

    /// The client that is named, or the first one of the account that is.
    fn client(&self, app: &App) -> Result<Arc<ClientView>> {
        let missing = |member: &str, named: &str, what: &str| {
            Error::Invalid(vec![Violation::new(format!("/{member}"), named.into(), what)])
        };
        let (member, named, client) = match (&self.client, &self.account) {
            (Some(named), _) => ("client", named, app.store.client_named(named)?),
            (None, Some(named)) => ("account", named, app.store.client_of_account_named(named)?),
            (None, None) => return Err(Error::Internal("no way to ask was checked for".to_owned())),
        };
        let what = if member == "client" {
            "there is no MachineToMachine with this id or clientId"
        } else {
            "there is no ServiceAccount with this id or userName, or it has no client"
        };
        let client = client.ok_or_else(|| missing(member, named, what))?;
        let client: Record<MachineToMachine> = app.store.resource_by_id(client.as_str())?;
        let view = app.store.client_by_client_id(&client.value.client_id)?;
        view.ok_or_else(|| Error::NotFound("this client was deleted a moment ago".to_owned()))
    }
}

fn parameters(fields: &mut Fields<'_>) -> Vec<(String, String)> {
    let object = fields.free_object("parameters");
    if object.len() > PARAMETERS_MAX || object.values().any(|value| !value.is_string()) {
        fields.violate("parameters", format!("must be an object of at most {PARAMETERS_MAX} strings"));
    }
    let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
    object.into_iter().filter_map(text).collect()
}

/// An API by the name that token requests use.
fn api_name(app: &App, named: &str) -> Result<String> {
    let missing =
        || Error::Invalid(vec![Violation::new("/api", named.into(), "there is no Api with this id or appId")]);
    let id = app.store.api_named(named)?.ok_or_else(missing)?;
    Ok(app.store.resource_by_id::<crate::model::api::Api>(id.as_str())?.value.app_id)
}

/// What the policy was asked in a recorded decision. Its module and settings may be others by now: they are not taken
/// from the record.
fn from_decision(app: &App, policy: &Record<Policy>, id: &str) -> Result<Request> {
    let recorded = replay::recorded(app, id)?;
    let step = recorded.detail.steps.iter().find(|step| step.policy_id == policy.id.as_str());
    let (Some(given), Some(step)) = (&recorded.detail.given, step) else {
        let what = format!("the policy {} was not asked in this decision", policy.value.name);
        return Err(Error::Invalid(vec![Violation::new("/decision", id.into(), what)]));
    };
    Ok(step.request(given, &recorded.requested, Value::Null))
}
