//! `grantd policy preview` and `replay`: what a policy would say, and whether it says the same again.

use clap::Args;
use grantd::policy::CLAIM_CONFLICT;
use serde_json::{Map, Value, json};

use super::attach::read_settings;
use crate::cli::names::{POLICY, find};
use crate::cli::output::{Form, Tone, card, grid, text, texts, whole};
use crate::cli::remote::{Remote, segment};
use crate::cli::{Failure, Outcome, note, say};

/// What `offered` is where the server makes the request: asking the policies before would be a decision of its own.
pub(super) const UNASKED: &str =
    "the policies before this one were not asked: it is offered all that the grants give, not what those leave";

#[derive(Args)]
pub(super) struct PreviewArgs {
    /// The policy: its name, or an id
    policy: String,
    #[command(flatten)]
    whom: Whom,
    /// For a token at this API
    #[arg(long, value_name = "API", conflicts_with = "decision")]
    api: Option<String>,
    /// A scope that is asked for; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", conflicts_with = "decision")]
    scopes: Vec<String>,
    /// At this time, instead of now
    #[arg(long, value_name = "DATE-TIME", conflicts_with = "decision")]
    at: Option<String>,
    /// From this IP address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "decision")]
    address: Option<String>,
    /// With these settings, instead of its own: JSON, or a file of JSON or YAML
    #[arg(long, value_name = "JSON | FILE")]
    settings: Option<String>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// A request of this client: its client id, or an id
    #[arg(long)]
    client: Option<String>,
    /// A request of this account's first client
    #[arg(long)]
    account: Option<String>,
    /// The request of this recorded decision, put to the policy as it is now
    #[arg(long, value_name = "ID")]
    decision: Option<String>,
}

#[derive(Args)]
pub(super) struct ReplayArgs {
    /// The decision: its id, or the jti of the token that it issued
    #[arg(long, value_name = "ID")]
    decision: String,
}

impl PreviewArgs {
    pub(super) fn run(&self, remote: &Remote, form: Form) -> Outcome {
        let policy = find(remote, &POLICY, &self.policy)?;
        let mut body = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            body.extend(value.map(|value| (name.to_owned(), value)));
        };
        let text_of = |value: &Option<String>| value.as_deref().map(Value::from);
        put("client", text_of(&self.whom.client));
        put("account", text_of(&self.whom.account));
        put("decision", text_of(&self.whom.decision));
        put("api", text_of(&self.api));
        put("at", text_of(&self.at));
        put("remoteAddress", text_of(&self.address));
        put("scopes", (!self.scopes.is_empty()).then(|| json!(self.scopes)));
        put("settings", self.settings.as_deref().map(read_settings).transpose()?);
        let said = remote.post(&format!("{}/evaluate", POLICY.path_of(&policy)), &Value::Object(body))?;
        // What was recorded is what the policies before it left.
        if self.whom.decision.is_none() {
            note(UNASKED);
        }
        if form != Form::Table {
            return whole(form, &said);
        }
        let (effect, request) = (&said["effect"], &said["request"]);
        card(&[
            ("policy", format!("{} ({})", text(&said, "policy"), text(&said, "module"))),
            ("offered", format!("{} for {} s", texts(request, "offered"), request["ttlSeconds"])),
            ("says", says(effect)),
            ("leaves", if effect["verdict"] == "permit" { left(effect) } else { String::new() }),
            ("claims", claims(effect)),
            ("note", text(effect, "note")),
            ("why", why(effect)),
            ("was given", given(&request["context"])),
            ("cost", cost(&said)),
            ("backtrace", text(&said, "backtrace")),
        ])
    }
}

fn left(effect: &Value) -> String {
    format!("{} for {} s", texts(effect, "left"), effect["ttlSeconds"])
}

/// Claims that are added.
pub(in crate::cli) fn claims(effect: &Value) -> String {
    effect["claims"].as_object().map_or_else(String::new, |claims| {
        claims.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    })
}

/// What a policy said. One whose claim conflicts with another permitted, although nothing comes of it.
pub(in crate::cli) fn says(effect: &Value) -> String {
    let is_conflict = effect["verdict"] == "deny" && effect["code"] == CLAIM_CONFLICT;
    if is_conflict { "permit, in conflict".to_owned() } else { text(effect, "verdict") }
}

/// The code and the reason of a denial or a failure.
pub(in crate::cli) fn why(effect: &Value) -> String {
    match (effect["code"].as_str(), effect["reason"].as_str()) {
        (Some(code), Some(reason)) => format!("{code}: {reason}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => String::new(),
    }
}

fn given(context: &Value) -> String {
    match context.as_object() {
        Some(members) if !members.is_empty() => context.to_string(),
        _ => "nothing that changes from request to request".to_owned(),
    }
}

fn cost(said: &Value) -> String {
    // A server of before says nothing of what a failure cost.
    let Some(fuel) = said["fuel"].as_u64() else { return String::new() };
    let memory = said["memoryBytes"].as_u64().map(|bytes| format!(", {} KiB of memory", bytes.div_ceil(1024)));
    format!("{fuel} fuel, {} µs{}", said["micros"], memory.unwrap_or_default())
}

impl ReplayArgs {
    pub(super) fn run(&self, remote: &Remote, form: Form) -> Outcome {
        let replayed = remote.post(&format!("/decisions/{}/replay", segment(&self.decision)), &Value::Null)?;
        if form == Form::Table {
            print(&replayed)?;
        } else {
            whole(form, &replayed)?;
        }
        if replayed["same"] == true {
            return Ok(());
        }
        Err(Failure::failed("it does not come out the same"))
    }
}

fn print(replayed: &Value) -> Outcome {
    let steps = replayed["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    if steps.is_empty() {
        say("no policy took part in this decision")?;
        return Ok(());
    }
    let mut rows = Vec::with_capacity(steps.len());
    for step in steps {
        let is_same = step["same"] == true;
        let tone = if is_same { Tone::Good } else { Tone::Bad };
        let verdict = if is_same { "the same".to_owned() } else { format!("different: {}", texts(step, "differs")) };
        let told = |effect: &Value| {
            if effect["verdict"] == "permit" { left(effect) } else { format!("{} {}", says(effect), why(effect)) }
        };
        let now =
            if is_same { text(step, "remark") } else { format!("{} {}", told(&step["now"]), text(step, "remark")) };
        rows.push(vec![
            (text(step, "policy"), Tone::Plain),
            (text(step, "module"), Tone::Faint),
            (verdict, tone),
            (told(&step["then"]), Tone::Plain),
            (now.trim().to_owned(), Tone::Plain),
            (step["fuelNow"].to_string(), Tone::Faint),
        ]);
    }
    grid(&["POLICY", "MODULE", "AGAIN", "THEN", "NOW", "FUEL"], &rows)
}
