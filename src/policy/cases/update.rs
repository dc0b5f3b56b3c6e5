//! Expectations that are written anew: the text of a case file with other answers in it, and everything else, comments
//! too, as it was.

use serde_json::Value;

use super::{Case, CaseError, Expect, ExpectDenial, ExpectPermit, parse_with_files};

/// Words that YAML 1.1 or 1.2 reads as something else than text.
const NO_TEXT: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// What a case would expect if it expected this answer, in the manner of the case: what it does not speak of is left
/// out again.
#[must_use]
pub fn expecting(case: &Case, observed: &Expect) -> Expect {
    match (observed, &case.expect) {
        (Expect::Permit(observed), old) => {
            let old = if let Expect::Permit(old) = old { Some(old) } else { None };
            let all = observed.scopes.as_ref() == Some(&case.request.offered);
            let says_scopes = old.is_some_and(|old| old.scopes.is_some());
            Expect::Permit(ExpectPermit {
                scopes: if all && !says_scopes { None } else { observed.scopes.clone() },
                note: if old.is_some_and(|old| old.note.is_some()) { observed.note.clone() } else { None },
                ..observed.clone()
            })
        }
        (Expect::Deny(observed), old) => {
            let says_reason = matches!(old, Expect::Deny(ExpectDenial { reason: Some(_), .. }));
            let reason = if says_reason { observed.reason.clone() } else { None };
            Expect::Deny(ExpectDenial { reason, ..observed.clone() })
        }
        (Expect::SettingsError(_), _) => observed.clone(),
    }
}

/// The text with the expectations of some of its cases replaced.
///
/// # Errors
/// When the new text does not read back as what it should say: nothing may be written then.
pub fn update(
    text: &str,
    read: &dyn Fn(&str) -> Result<String, String>,
    replaced: &[(&Case, Expect)],
) -> Result<String, CaseError> {
    let is_json = text.trim_start().starts_with('{');
    let mut places = Vec::with_capacity(replaced.len());
    for (case, expect) in replaced {
        let place = place_of(text, case.expect_at).ok_or_else(|| by_hand(case))?;
        let value = serde_json::to_value(expect).map_err(|_| by_hand(case))?;
        let (start, end, gap) = place;
        places.push((start, end, format!("{gap}{}", flow(&value, is_json))));
    }
    // From the end on, so that no place moves before its turn.
    places.sort_by_key(|(start, ..)| std::cmp::Reverse(*start));
    let mut updated = text.to_owned();
    for (start, end, written) in places {
        updated.replace_range(start..end, &written);
    }
    let again = parse_with_files(&updated, read)?;
    for (case, expect) in replaced {
        if !again.iter().any(|other| other.name == case.name && other.expect == *expect) {
            return Err(by_hand(case));
        }
    }
    Ok(updated)
}

fn by_hand(case: &Case) -> CaseError {
    let (line, column) = case.expect_at;
    CaseError { line, column, what: "this expectation cannot be replaced here: write it by hand".to_owned() }
}

/// From where to where an expectation is written, and what goes before it. One in block style begins right behind its
/// `expect:`.
fn place_of(text: &str, (line, column): (u64, u64)) -> Option<(usize, usize, &'static str)> {
    let line = usize::try_from(line.checked_sub(1)?).ok()?;
    let column = usize::try_from(column.checked_sub(1)?).ok()?;
    let begins: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let start = begins + text.get(begins..)?.char_indices().nth(column).map(|(at, _)| at)?;
    if text[start..].starts_with('{') {
        return Some((start, start + flow_end(&text[start..])?, ""));
    }
    // Every line that stands as far to the right is part of it, and blank lines between them.
    let mut end = start;
    let mut at = start;
    for (index, written) in text[start..].split_inclusive('\n').enumerate() {
        let indent = written.chars().take_while(|c| *c == ' ').count();
        let is_blank = written.trim().is_empty();
        if index > 0 && !is_blank && indent < column {
            break;
        }
        at += written.len();
        if !is_blank {
            end = at - (written.len() - written.trim_end().len());
        }
    }
    let before = text[..start].trim_end();
    before.ends_with(':').then_some((before.len(), end, " "))
}

/// Where a flow mapping ends, after its closing brace.
fn flow_end(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    // A quote within plain text opens nothing.
    let mut opens = true;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), close) if open == close && !escaped => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if opens => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            (None, _) => {}
        }
        escaped = false;
        opens = matches!(character, '{' | '[' | ',' | ':') || (opens && character.is_whitespace());
    }
    None
}

/// A value on one line: JSON, or YAML in flow style.
fn flow(value: &Value, is_json: bool) -> String {
    match value {
        Value::Object(members) => {
            let member =
                |(name, value): (&String, &Value)| format!("{}: {}", text(name, is_json), flow(value, is_json));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(|item| flow(item, is_json)).collect::<Vec<_>>().join(", "))
        }
        Value::String(string) => text(string, is_json),
        other => other.to_string(),
    }
}

fn text(string: &str, is_json: bool) -> String {
    let is_plain = string.starts_with(|first: char| first.is_ascii_alphabetic())
        && string.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
        && !NO_TEXT.contains(&string.to_ascii_lowercase().as_str());
    if is_plain && !is_json { string.to_owned() } else { Value::from(string).to_string() }
}
