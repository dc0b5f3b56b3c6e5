//! One decision, explained as a staircase: what was asked for, what grants gave of it, what each policy left, what
//! the token says.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::decisions::{Names, PATH, at, outcome, path_of, word, words};
use super::{accounts, apis, clients, policies};
use crate::admin::{decisions, grounds, replay};
use crate::error::{Error, Result};
use crate::http::console::answer::Reply;
use crate::http::console::draft::{Draft, sentence};
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::diff::shown;
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::text::{Tone, badge};
use crate::http::console::parts::{history, text, time};
use crate::http::console::view::View;
use crate::model::api_token::Role;
use crate::policy::CLAIM_CONFLICT;

/// Things that an answer rests on, as many as are shown.
const GROUNDS_SHOWN_MAX: usize = 20;

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    Ok(page(view, &read(view)?, &html! {})?.into())
}

fn read(view: &View<'_>) -> Result<Map<String, Value>> {
    decisions::read(view.app, view.parameter("id"))
}

fn page(view: &View<'_>, record: &Map<String, Value>, replayed: &Markup) -> Result<Page> {
    let names = Names::of(view, std::slice::from_ref(record))?;
    let id = word(record, "id");
    let has_steps = record.get("steps").and_then(Value::as_array).is_some_and(|steps| !steps.is_empty());
    let pretty = serde_json::to_string_pretty(record).unwrap_or_default();
    let body = html! {
        div.stack {
            @if word(record, "outcome") != "issued" {
                p.notice.care { (Icon::Warning) span { code { (word(record, "error")) } " " bdi { (sentence(word(record, "reason"))) } } }
            }
            section aria-labelledby="stairs" { h2.sr #stairs { "From what was asked to what was issued" } (stairs(record)) }
            (replayed)
            div.card { (facts(record, &names)) }
            details.card { summary { "The record" } (history::code_block("the record", &pretty)) }
        }
    };
    let who = names.account(record).map_or("Somebody unknown", |account| account.value.display_name.as_str());
    let what = if word(record, "outcome") == "issued" { "got a token" } else { "got no token" };
    let actions = html! {
        @if has_steps && view.may(Role::Editor) { a.button href=(format!("{}/replay", path_of(id))) { "Replay" } }
    };
    Ok(Page::new(Section::Decisions, format!("{who} {what}"))
        .within("Decisions", PATH)
        .lead(html! { p.meta { (outcome(record)) (at(view, record)) } })
        .actions(actions)
        .body(body))
}

fn facts(record: &Map<String, Value>, names: &Names) -> Markup {
    let unknown = html! { span.quiet { "Not known" } };
    let account = names.account(record).map_or_else(
        || unknown.clone(),
        |account| {
            html! { a href=(accounts::path_of(account.id.as_str())) dir="auto" { (account.value.display_name) } }
        },
    );
    let client = match names.client(record) {
        Some(client) => {
            html! { a href=(clients::path_of(client.id.as_str())) dir="auto" { (client.value.display_name) } }
        }
        None => html! { code { (word(record, "clientId")) } },
    };
    let api = names.api(record).map_or_else(
        || unknown.clone(),
        |api| {
            html! { a href=(apis::path_of(api.id.as_str())) dir="auto" { (api.value.display_name) } }
        },
    );
    let lifetime = record.get("lifetimeSeconds").and_then(Value::as_i64);
    // Only a stranger's is recorded.
    let address = word(record, "remoteAddress");
    let known_by = if address.is_empty() {
        ("Authenticated by", html! { (word(record, "authMethod")) })
    } else {
        ("Asked from", html! { code { (address) } })
    };
    html! {
        (text::facts(&[
            ("Service Account", account),
            ("Integration", client),
            ("API", api),
            known_by,
            ("Token lives for", lifetime.map_or_else(|| html! { "—" }, |seconds| html! { (time::length(seconds)) })),
            ("Decision", html! { (text::copyable("the id", word(record, "id"))) @if record.get("jti").is_some_and(Value::is_string) { p.hint { "The jti of the token too." } } }),
            ("Request", html! { code { (word(record, "requestId")) } }),
        ]))
        @if let Some(left_out) = record.get("leftOut").and_then(Value::as_i64) {
            p.below.quiet { (text::counted(left_out, "refusal of strangers before this one was", "refusals of strangers before this one were")) " not recorded." }
        }
    }
}

/// One step down.
struct Stair {
    title: Markup,
    said: Markup,
    /// Scopes that go on, and those that end here.
    left: Vec<String>,
    lost: Vec<String>,
    kind: Kind,
}

/// What a step means for those below it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counts,
    /// Looked at, and not applied.
    Shadow,
    Denied,
    Issued,
}

fn stairs(record: &Map<String, Value>) -> Markup {
    let mut stairs = Vec::new();
    let requested = words(record, "requested");
    let granted: Vec<String> = words(record, "granted").into_iter().map(str::to_owned).collect();
    stairs.push(Stair {
        title: html! { "Requested" },
        said: html! { @if requested.is_empty() { "No scope was named: the default ones are meant." } },
        left: requested.iter().map(|scope| (*scope).to_owned()).collect(),
        lost: Vec::new(),
        kind: Kind::Counts,
    });
    if word(record, "apiId").is_empty() {
        stairs.push(ended(record, "Refused before any grant was looked at"));
        return nested(stairs);
    }
    let ttl = record.get("offeredTtlSeconds").and_then(Value::as_i64).unwrap_or_default();
    stairs.push(Stair {
        title: html! { "Granted" },
        said: html! { "What grants give of it, for " (time::length(ttl)) "." },
        lost: missing(requested.iter().copied(), &granted),
        left: granted.clone(),
        kind: Kind::Counts,
    });
    let mut ceiling = granted;
    for step in record.get("steps").and_then(Value::as_array).into_iter().flatten() {
        let stair = policy_stair(step, &ceiling);
        if stair.kind != Kind::Shadow {
            ceiling.clone_from(&stair.left);
        }
        stairs.push(stair);
    }
    let issued: Vec<String> = words(record, "issued").into_iter().map(str::to_owned).collect();
    if issued.is_empty() {
        stairs.push(ended(record, "No token"));
    } else {
        let seconds = record.get("lifetimeSeconds").and_then(Value::as_i64).unwrap_or_default();
        stairs.push(Stair {
            title: html! { "Issued" },
            said: html! { "A token that lives for " (time::length(seconds)) "." },
            lost: missing(ceiling.iter().map(String::as_str), &issued),
            left: issued,
            kind: Kind::Issued,
        });
    }
    nested(stairs)
}

fn missing<'s>(before: impl Iterator<Item = &'s str>, after: &[String]) -> Vec<String> {
    before.filter(|scope| !after.iter().any(|kept| kept == scope)).map(str::to_owned).collect()
}

fn ended(record: &Map<String, Value>, title: &str) -> Stair {
    Stair {
        title: html! { (title) },
        said: html! { code { (word(record, "error")) } " " bdi { (sentence(word(record, "reason"))) } },
        left: Vec::new(),
        lost: Vec::new(),
        kind: Kind::Denied,
    }
}

/// What one policy made of what it was offered.
fn policy_stair(step: &Value, ceiling: &[String]) -> Stair {
    let text = |name: &str| step[name].as_str().unwrap_or_default();
    let left: Vec<String> =
        step["left"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let is_shadow = text("mode") == "shadow";
    let is_conflict = text("code") == CLAIM_CONFLICT;
    let (offered_ttl, ttl) = (step["offeredTtlSeconds"].as_i64(), step["ttlSeconds"].as_i64());
    let reason = ["reason", "note"].iter().find_map(|name| step[*name].as_str());
    let title = html! {
        a href=(policies::path_of(text("policyId"))) dir="auto" { (text("policy")) }
        " " code.quiet { (text("module")) }
        @if is_shadow { " " (badge(Tone::Care, "Shadow: not applied")) }
        @match text("verdict") {
            "deny" if is_conflict => { " " (badge(Tone::Bad, "Permitted, in conflict")) }
            "deny" => { " " (badge(Tone::Bad, if is_shadow { "Would deny" } else { "Denied" })) }
            "failed" => { " " (badge(Tone::Bad, "Failed")) }
            _ => {}
        }
    };
    let said = html! {
        @if let Some(code) = step["code"].as_str() { code { (code) } " " }
        @if let Some(reason) = reason { bdi { (sentence(reason)) } " " }
        @if let (Some(before), Some(after)) = (offered_ttl, ttl) { @if after < before && text("verdict") == "permit" { "Shortened to " (time::length(after)) ". " } }
        @if let Some(claims) = step["claims"].as_object() { @for (name, value) in claims { "Adds " code { (name) ": " (shown(value)) } ". " } }
        small { (cost(step)) }
    };
    Stair {
        title,
        said,
        lost: missing(ceiling.iter().map(String::as_str), &left),
        left,
        kind: if is_shadow { Kind::Shadow } else { Kind::Counts },
    }
}

fn cost(step: &Value) -> String {
    let (micros, fuel) = (step["micros"].as_u64().unwrap_or_default(), step["fuel"].as_i64().unwrap_or_default());
    let took = format!("{micros} µs, {} units of fuel", text::thousands(fuel));
    if step["reused"] == true { format!("An earlier answer was reused; it took {took}.") } else { format!("{took}.") }
}

/// Each step inside the one before: so it goes down without a word of style in the page.
fn nested(stairs: Vec<Stair>) -> Markup {
    let inside = stairs.into_iter().rev().fold(html! {}, |below, stair| {
        html! {
            li.stair.shadow[stair.kind == Kind::Shadow].denied[stair.kind == Kind::Denied].issued[stair.kind == Kind::Issued] {
                div.tread {
                    p.riser { (stair.title) }
                    p.said { (stair.said) }
                    @if !stair.left.is_empty() || !stair.lost.is_empty() {
                        p.chips.scopes-left {
                            @for scope in &stair.left { code.chip { (scope) } }
                            @for scope in &stair.lost { code.chip.lost { span.sr { "not " } (scope) } }
                        }
                    }
                }
                @if !below.0.is_empty() { ol { (below) } }
            }
        }
    });
    html! { ol.stairs { (inside) } }
}

/// Asks every policy again, as it was asked then.
pub(crate) fn draw_replay(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let record = read(view)?;
    let told = match replay::replay(view.app, view.parameter("id")) {
        Ok(replayed) => {
            let grounds = grounds::explain(view.app, view.parameter("id"))?;
            html! { (comparison(&replayed)) (rests_on(&grounds)) }
        }
        Err(Error::NotFound(why)) => html! { p.notice.care { (Icon::Warning) span { (sentence(&why)) } } },
        Err(other) => return Err(other),
    };
    Ok(page(view, &record, &told)?.into())
}

fn comparison(replayed: &Value) -> Markup {
    let steps = replayed["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        section.card aria-labelledby="replay" {
            header {
                h2 #replay { "Asked again" }
                @if replayed["same"] == true { (badge(Tone::Good, "Every answer is the same")) } @else { (badge(Tone::Bad, "An answer differs")) }
            }
            ul.findings {
                @for step in steps {
                    li.bad[step["same"] != true] {
                        @if step["same"] == true { (Icon::Check) } @else { (Icon::Warning) }
                        div {
                            p { bdi { (step["policy"].as_str().unwrap_or_default()) } " " code.quiet { (step["module"].as_str().unwrap_or_default()) } }
                            p.hint {
                                @if step["same"] == true { "The same answer, with " (text::thousands(step["fuelNow"].as_i64().unwrap_or_default())) " units of fuel." }
                                @else { "Differs in " (shown(&step["differs"])) ". " (step["remark"].as_str().unwrap_or_default()) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What each answer rests on, in words.
fn rests_on(grounds: &Value) -> Markup {
    let each = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    html! {
        @for step in each(&grounds["steps"]) {
            section.card {
                header { h2 { "What the answer of " bdi { (text(&step, "policy")) } " rests on" } }
                ul.findings {
                    @for ground in each(&step["restsOn"]).iter().take(GROUNDS_SHOWN_MAX) {
                        li {
                            (Icon::Check)
                            div {
                                p { code { (text(ground, "what")) } " is " bdi { code { (text(ground, "value")) } } }
                                p.hint { bdi { (sentence(&text(ground, "otherwise"))) } }
                            }
                        }
                    }
                }
                @if let Some(unknown) = step["unknown"].as_str() { p.quiet { bdi { (sentence(unknown)) } } }
            }
        }
    }
}
