//! The staircase of a decision: what was requested, what the grants allowed of it, what each policy left, what was
//! issued. For people; programs get the record itself.

use serde_json::Value;

use super::output::{Tone, card, exact_moment, grid, text};
use super::policy::{claims, says, why};
use super::{Outcome, say};

/// Things that an answer rests on, as many as are shown.
const GROUNDS_SHOWN_MAX: usize = 20;
/// What is said where a server of before, which does not say what it tried, found nothing.
const NOTHING: &str = "nothing that was tried changed it";

/// One line of the staircase.
type Row = Vec<(String, Tone)>;

/// Prints a decision with the names of what it is about beside the ids.
pub(super) fn explain(decision: &Value) -> Outcome {
    let error = text(decision, "error");
    let outcome = text(decision, "outcome");
    let ended = if error.is_empty() { outcome } else { format!("{outcome}: {error}") };
    card(&[
        ("decision", text(decision, "id")),
        ("when", exact_moment(&decision["at"])),
        ("ended", ended),
        ("because", text(decision, "reason")),
        ("client", client(decision)),
        ("from", text(decision, "remoteAddress")),
        ("account", text(decision, "account")),
        ("API", text(decision, "api")),
        ("request", text(decision, "requestId")),
        ("left out", left_out(decision)),
    ])?;
    say("")?;
    grid(&["STEP", "AT", "SAYS", "SCOPES", "LIFETIME", "WHY"], &staircase(decision))
}

/// Prints what each policy's answer rests on.
pub(super) fn explain_grounds(grounds: &Value) -> Outcome {
    let steps = grounds["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let told: Vec<(String, String)> =
        steps.iter().map(|step| (format!("{} rests on", text(step, "policy")), rests_on(step))).collect();
    say("")?;
    card(&told.iter().map(|(name, value)| (name.as_str(), value.clone())).collect::<Vec<_>>())
}

fn rests_on(step: &Value) -> String {
    let found = step["restsOn"].as_array().map(Vec::as_slice).unwrap_or_default();
    let shown = found.iter().take(GROUNDS_SHOWN_MAX);
    let mut lines: Vec<String> = shown
        .map(|ground| format!("{} = {}; {}", text(ground, "what"), text(ground, "value"), text(ground, "otherwise")))
        .collect();
    if found.len() > GROUNDS_SHOWN_MAX {
        lines.push(format!("and {} more", found.len() - GROUNDS_SHOWN_MAX));
    }
    match step["unknown"].as_str() {
        Some(unknown) => lines.push(unknown.to_owned()),
        None if lines.is_empty() => lines.push(NOTHING.to_owned()),
        None => {}
    }
    lines.join("\n")
}

fn client(decision: &Value) -> String {
    let name = decision["given"]["client"]["displayName"].as_str();
    let id = text(decision, "clientId");
    name.map_or_else(|| id.clone(), |name| format!("{name} ({id})"))
}

fn left_out(decision: &Value) -> String {
    decision["leftOut"].as_u64().map_or_else(String::new, |count| {
        format!("{count} more like it were refused before this one, and not recorded")
    })
}

fn staircase(decision: &Value) -> Vec<Row> {
    let requested = scopes_of(decision, "requested");
    let asked_for = if requested.is_empty() { "(the default scopes)".to_owned() } else { requested.join(" ") };
    let more = decision["requestedLeftOut"].as_u64().map_or_else(String::new, |count| format!(" and {count} more"));
    let mut rows = vec![row(("requested", Tone::Plain), asked_for + &more, String::new(), String::new())];
    // Without an API there was nothing to grant: the request ended before.
    if decision["apiId"].is_string() {
        let granted = narrowed(&requested, &scopes_of(decision, "granted"));
        rows.push(row(("granted", Tone::Plain), granted, seconds(&decision["offeredTtlSeconds"]), String::new()));
    }
    let steps = decision["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.extend(steps.iter().map(step_row));
    rows.push(last_row(decision));
    rows
}

/// A line that is no policy's.
fn row((name, tone): (&str, Tone), scopes: String, lifetime: String, why: String) -> Row {
    let cells = [String::new(), String::new(), scopes, lifetime, why];
    std::iter::once((name.to_owned(), tone)).chain(cells.map(|cell| (cell, Tone::Plain))).collect()
}

fn step_row(step: &Value) -> Row {
    let is_shadow = step["mode"] == "shadow";
    let permits = step["verdict"] == "permit";
    let note = step["note"].as_str().map(|note| format!("note: {note}"));
    let added = Some(claims(step)).filter(|claims| !claims.is_empty()).map(|claims| format!("claims {claims}"));
    let reason = Some(why(step)).filter(|why| !why.is_empty());
    let told: Vec<String> = [reason, note, added, Some(cost(step))].into_iter().flatten().collect();
    let scopes =
        if permits { narrowed(&scopes_of(step, "offered"), &scopes_of(step, "left")) } else { "none".to_owned() };
    // What a shadow says counts for nothing.
    let tone = |tone| if is_shadow { Tone::Faint } else { tone };
    vec![
        (text(step, "policy"), tone(Tone::Plain)),
        (text(step, "level"), tone(Tone::Plain)),
        (
            if is_shadow { format!("{} (shadow)", says(step)) } else { says(step) },
            tone(if permits { Tone::Good } else { Tone::Bad }),
        ),
        (scopes, tone(Tone::Plain)),
        (if permits { seconds(&step["ttlSeconds"]) } else { String::new() }, tone(Tone::Plain)),
        (told.join("\n"), tone(Tone::Plain)),
    ]
}

/// What it was, and what it took.
fn cost(step: &Value) -> String {
    let reused = if step["reused"] == true { "answer reused" } else { "asked afresh" };
    let module = text(step, "module");
    if module.is_empty() {
        return "the module could not be loaded".to_owned();
    }
    format!("{module}, revision {}, {reused} ({} fuel, {} µs)", step["revision"], step["fuel"], step["micros"])
}

fn last_row(decision: &Value) -> Row {
    if decision["outcome"] != "issued" {
        let outcome = text(decision, "outcome");
        return row((&outcome, Tone::Bad), "none".to_owned(), String::new(), text(decision, "error"));
    }
    let added = claims(decision);
    let why = if added.is_empty() { String::new() } else { format!("claims {added}") };
    let issued = scopes_of(decision, "issued").join(" ");
    row(("issued", Tone::Good), issued, seconds(&decision["lifetimeSeconds"]), why)
}

fn scopes_of(value: &Value, member: &str) -> Vec<String> {
    let all = value[member].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(|scope| scope.as_str().map(str::to_owned)).collect()
}

/// What is left of `before`, and with a minus what is not.
fn narrowed(before: &[String], left: &[String]) -> String {
    let lost = before.iter().filter(|scope| !left.contains(scope)).map(|scope| format!("-{scope}"));
    left.iter().cloned().chain(lost).collect::<Vec<_>>().join(" ")
}

fn seconds(value: &Value) -> String {
    value.as_i64().map_or_else(String::new, |seconds| format!("{seconds} s"))
}

#[cfg(test)]
mod tests {
    use super::narrowed;

    #[test]
    fn what_was_lost_is_marked() {
        let of = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(narrowed(&of("read write admin"), &of("write")), "write -read -admin");
        assert_eq!(narrowed(&of("read"), &of("read")), "read");
        assert_eq!(narrowed(&of(""), &of("read")), "read", "the default scopes");
    }
}
