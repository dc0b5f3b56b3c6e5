//! A policy's playground: ask it something, see what it decides, what it looked at and what it cost, and keep that as
//! a case. Nothing is recorded, and no token is issued.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::playground_case;
use super::policies::path_of;
use super::policy::{frame, read};
use crate::admin::evaluate;
use crate::error::{Error, Result};
use crate::http::console::answer::Reply;
use crate::http::console::asked::Pairs;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::parts::diff::shown;
use crate::http::console::parts::field::{self, Field, Kind};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::text::{Tone, badge};
use crate::http::console::parts::{history, text, time};
use crate::http::console::view::View;
use crate::model::Record;
use crate::model::policy::Policy;

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let policy = read(view)?;
    let form = Form::of_query(view.asked.query.clone());
    let answer = if view.asked.query.0.is_empty() { None } else { Some(ask(view, &policy, &form)) };
    // What does not fit is told beside its field, as in every form.
    let (draft, answer) = match &answer {
        Some(Err(error @ (Error::Invalid(_) | Error::OAuth { .. } | Error::NotFound(_)))) => {
            (Draft::refused(&form, &in_fields(error)), None)
        }
        Some(Err(_)) => (Draft::empty(), answer),
        _ => (Draft::empty(), answer),
    };
    let said = answer.transpose()?;
    let body = html! {
        div.halves {
            (question(&draft, &policy, &form.pairs))
            section.card aria-labelledby="answer" {
                h2 #answer { "What it says" }
                @match &said {
                    Some(said) => (told(view, &policy, said)),
                    None => { p.quiet { "Choose an integration and run it. Nothing is recorded, and no token is issued." } }
                }
            }
        }
    };
    Ok(frame(view, &policy, "/playground").body(body).into())
}

/// The body of an evaluation that the fields say.
fn body_of(form: &Form) -> Result<Map<String, Value>> {
    let mut body = Map::new();
    let json_of = |name: &str, text: &str| {
        crate::http::json::parse(text.as_bytes()).map_err(|error| {
            let what = format!("this is not JSON: {error}");
            Error::Invalid(vec![crate::error::Violation::new(format!("/{name}"), Value::Null, what)])
        })
    };
    if let Some(text) = form.text("settings") {
        body.insert("settings".to_owned(), json_of("settings", text)?);
    }
    if let Some(text) = form.text("request") {
        body.insert("request".to_owned(), json_of("request", text)?);
        return Ok(body);
    }
    if let Some(decision) = form.text("decision") {
        body.insert("decision".to_owned(), decision.into());
        return Ok(body);
    }
    for name in ["client", "api", "remoteAddress", "userAgent"] {
        body.extend(form.text(name).map(|text| (name.to_owned(), Value::from(text))));
    }
    if let Some(scopes) = form.text("scopes") {
        body.insert("scopes".to_owned(), scopes.split_whitespace().map(Value::from).collect());
    }
    body.extend(form.text("at").map(|text| ("at".to_owned(), Value::from(time::from_field(text)))));
    Ok(body)
}

/// What the policy answers to what the address asks.
pub(super) fn ask(view: &View<'_>, policy: &Record<Policy>, form: &Form) -> Result<Value> {
    evaluate::evaluate(view.app, policy.id.as_str(), &body_of(form)?)
}

/// An error of the pipeline as one of a field.
fn in_fields(error: &Error) -> Error {
    let violation = |path: &str, what: &str| crate::error::Violation::new(path, Value::Null, what);
    match error {
        Error::Invalid(violations) => Error::Invalid(violations.clone()),
        Error::OAuth { description, .. } => Error::Invalid(vec![violation("/scopes", description)]),
        other => Error::Invalid(vec![violation("/client", &other.to_string())]),
    }
}

fn question(draft: &Draft<'_>, policy: &Record<Policy>, values: &Pairs) -> Markup {
    let value = |name: &str| values.value(name).unwrap_or_default().to_owned();
    let settings = values.value("settings").filter(|text| !text.trim().is_empty()).map(str::to_owned);
    let settings = settings.unwrap_or_else(|| serde_json::to_string_pretty(&policy.value.settings).unwrap_or_default());
    let path = format!("{}/playground", path_of(policy.id.as_str()));
    let has_request = values.value("request").is_some_and(|text| !text.trim().is_empty());
    let line = |name, label, hint, value: &str| {
        field::text(draft, &Field { name, label, hint, value, mono: true, ..Field::default() })
    };
    html! {
        section.card aria-labelledby="question" {
            h2 #question { "Ask it" }
            (field::problems(draft))
            form method="get" action=(path) {
                @if let Some(decision) = values.value("decision").filter(|text| !text.is_empty()) {
                    input type="hidden" name="decision" value=(decision);
                    p.notice { (Icon::Info) span { "As in the decision " code { (decision) } ". " a href=(path) { "Ask something else" } } }
                } @else if has_request {
                    (field::text(draft, &Field {
                        name: "request", label: "Request", value: &value("request"), kind: Kind::Area, mono: true, required: true,
                        hint: "Every word of it goes to the policy as it stands here.", ..Field::default()
                    }))
                    p.hint { a href=(path) { "Fill it in from the database instead" } }
                } @else {
                    (field::text(draft, &Field {
                        name: "client", label: "Integration", value: &value("client"), required: true, first: true, mono: true,
                        suggest: "/console/suggest/integrations", hint: "Its Client ID: who asks.", ..Field::default()
                    }))
                    (field::text(draft, &Field {
                        name: "api", label: "API", value: &value("api"), mono: true, suggest: "/console/suggest/apis",
                        hint: "Its API ID, where more than one could be meant.", ..Field::default()
                    }))
                    (line("scopes", "Scopes", "Separated by blanks. The default ones, unless you name some.", &value("scopes")))
                    (field::text(draft, &Field {
                        name: "at", label: "At (UTC)", value: &value("at"), kind: Kind::Moment, hint: "Now, unless you say otherwise.", ..Field::default()
                    }))
                    (line("remoteAddress", "From the address", "", &value("remoteAddress")))
                }
                (field::text(draft, &Field {
                    name: "settings", label: "Settings", value: &settings, kind: Kind::Area, mono: true,
                    hint: "Try others: nothing is saved.", ..Field::default()
                }))
                div.buttons { button.primary { "Run" } }
            }
        }
    }
}

fn told(view: &View<'_>, policy: &Record<Policy>, said: &Value) -> Markup {
    let effect = &said["effect"];
    let verdict = effect["verdict"].as_str().unwrap_or_default();
    let offered = texts(&said["request"]["offered"]);
    let left = texts(&effect["left"]);
    let limits = &view.app.config().policies;
    let (fuel, micros) = (said["fuel"].as_u64(), said["micros"].as_u64());
    html! {
        p.verdict {
            @match verdict {
                "permit" => (badge(Tone::Good, "Permit")),
                "deny" => (badge(Tone::Bad, "Deny")),
                _ => (badge(Tone::Bad, "Failed")),
            }
            @if let Some(code) = effect["code"].as_str() { " " code { (code) } }
            @if let Some(reason) = effect["reason"].as_str().or(effect["note"].as_str()) { " " bdi { (reason) } }
        }
        (text::facts(&[
            ("Offered", scopes(&offered, &[])),
            ("Left", scopes(&left, &offered)),
            ("Lifetime", html! { (time::length(said["request"]["ttlSeconds"].as_i64().unwrap_or_default())) " → " (time::length(effect["ttlSeconds"].as_i64().unwrap_or_default())) }),
            ("Claims", claims(&effect["claims"])),
            ("Looked at", html! { code { (said["request"]["context"]) } }),
        ]))
        div.meters {
            (meter("Fuel", fuel, limits.fuel, &text::thousands(i64::try_from(fuel.unwrap_or_default()).unwrap_or(i64::MAX))))
            (meter("Time", micros, limits.deadline_ms * 1000, &format!("{} µs", micros.unwrap_or_default())))
            (meter("Memory", said["memoryBytes"].as_u64(), u64::from(limits.memory_mib) * 1024 * 1024, &format!("{} KiB", said["memoryBytes"].as_u64().unwrap_or_default() / 1024)))
        }
        @if let Some(backtrace) = said["backtrace"].as_str() { h3 { "Where it failed" } (history::code_block("the backtrace", backtrace)) }
        @if let Some(case) = playground_case::of(policy, said) {
            h3.below { "As a test case" }
            p.hint { "Keep it in cases/ beside the policy: " code { "grantd policy test" } " asks it again." }
            p.save { a.button href=(playground_case::address(view)) { "Save as a test case" } }
            (history::code_block("the case", &case))
        }
        details { summary { "The request, word for word" } (edit_request(policy, said)) }
    }
}

fn texts(array: &Value) -> Vec<&str> {
    array.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Scopes, and those of `before` that are not among them any more.
fn scopes(now: &[&str], before: &[&str]) -> Markup {
    html! {
        span.chips {
            @for scope in now { code.chip { (scope) } }
            @for scope in before.iter().filter(|scope| !now.contains(scope)) { code.chip.lost { span.sr { "not " } (scope) } }
            @if now.is_empty() && before.is_empty() { span.quiet { "None" } }
        }
    }
}

fn claims(claims: &Value) -> Markup {
    html! {
        @match claims.as_object().filter(|claims| !claims.is_empty()) {
            Some(claims) => { @for (name, value) in claims { code { (name) ": " (shown(value)) } " " } }
            None => { span.quiet { "None" } }
        }
    }
}

/// How much of a limit was used.
fn meter(name: &str, used: Option<u64>, limit: u64, said: &str) -> Markup {
    html! {
        @if let Some(used) = used {
            div {
                span { (name) } span.quiet { (said) }
                progress value=(used) max=(limit) aria-label=(format!("{name} used of its limit")) {}
            }
        }
    }
}

/// The request as a field of its own, to be changed and asked again.
fn edit_request(policy: &Record<Policy>, said: &Value) -> Markup {
    let mut request = said["request"].clone();
    // They have a field of their own, which counts.
    let settings = request.as_object_mut().and_then(|members| members.remove("settings")).unwrap_or_default();
    let settings = settings.to_string();
    let request = serde_json::to_string_pretty(&request).unwrap_or_default();
    html! {
        form method="get" action=(format!("{}/playground", path_of(policy.id.as_str()))) {
            input type="hidden" name="settings" value=(settings);
            div.field {
                label.sr for="f-word-for-word" { "Request" }
                textarea.mono #f-word-for-word name="request" rows="14" spellcheck="false" { "\n" (request) }
            }
            div.buttons { button { "Ask this" } }
        }
    }
}
