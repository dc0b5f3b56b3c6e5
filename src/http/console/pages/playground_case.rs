//! What was asked in a playground and what the policy answered, as a case file that `grantd policy test` accepts.

use serde_json::{Map, Value, json};

use super::playground::ask;
use super::policy::read;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::view::View;
use crate::model::Record;
use crate::model::policy::Policy;

/// What follows the playground's address.
const END: &str = "/cases";
/// Letters of a policy's name that its file is named by.
const NAME_LETTERS_MAX: usize = 60;

/// Where what the page shows is kept as a file. The moment is part of it: asked again later, it is the same question.
pub(super) fn address(view: &View<'_>) -> String {
    format!("{}{END}?{}", view.asked.path, view.asked.query.to_query(&[], &[]))
}

/// The file. What cannot be asked is told by the playground, beside its field.
pub(crate) fn download(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let policy = read(view)?;
    let case = match ask(view, &policy, &Form::of_query(view.asked.query.clone())) {
        Ok(said) => of(&policy, &said),
        Err(_) => None,
    };
    let playground = view.asked.path.trim_end_matches(END);
    let back = || Reply::to(format!("{playground}?{}", view.asked.query.to_query(&[], &[])));
    Ok(case.map_or_else(back, |case| Reply::File { name: file_name(&policy.value.name), text: case }))
}

/// The policy's name in letters that every file system takes.
fn file_name(policy: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = policy.chars().map(letter).take(NAME_LETTERS_MAX).collect();
    let words: Vec<&str> = name.split('-').filter(|word| !word.is_empty()).collect();
    format!("{}.json", if words.is_empty() { "case".to_owned() } else { words.join("-") })
}

/// The question and the answer as a case file; nothing where the policy failed, which no case expects.
pub(super) fn of(policy: &Record<Policy>, said: &Value) -> Option<String> {
    let mut request = said["request"].clone();
    let context = context_of(&request["context"]);
    if let Some(members) = request.as_object_mut() {
        members.remove("settings");
        members.remove("extra");
        members.insert("context".to_owned(), context);
    }
    let effect = &said["effect"];
    let expect = if effect["verdict"] == "permit" {
        let mut permit = Map::new();
        permit.insert("scopes".to_owned(), effect["left"].clone());
        if effect["ttlSeconds"] != said["request"]["ttlSeconds"] {
            permit.insert("ttlSeconds".to_owned(), effect["ttlSeconds"].clone());
        }
        for name in ["claims", "note"] {
            permit.extend(
                effect.get(name).filter(|value| !value.is_null()).map(|value| (name.to_owned(), value.clone())),
            );
        }
        json!({"permit": permit})
    } else if effect["verdict"] == "deny" {
        json!({"deny": {"code": effect["code"], "reason": effect["reason"]}})
    } else {
        return None;
    };
    let settings = &said["request"]["settings"];
    let settings = if settings.is_null() { Value::Object(policy.value.settings.clone()) } else { settings.clone() };
    let name = format!("{} as asked in the console", policy.value.name);
    let file = json!({"settings": settings, "cases": [{"name": name, "request": request, "expect": expect}]});
    serde_json::to_string_pretty(&file).ok()
}

/// The changing inputs as a case file has them: the moment as a text, the parameters by name.
fn context_of(context: &Value) -> Value {
    let mut written = context.as_object().cloned().unwrap_or_default();
    if let Some(seconds) = context["time"]["unixSeconds"].as_i64() {
        written.insert("time".to_owned(), Timestamp::from_ms(seconds.saturating_mul(1000)).to_string().into());
    }
    if let Some(pairs) = context["parameters"].as_array() {
        let named = pairs.iter().filter_map(|pair| Some((pair[0].as_str()?.to_owned(), pair[1].clone())));
        written.insert("parameters".to_owned(), Value::Object(named.collect()));
    }
    Value::Object(written)
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn a_file_has_a_name_that_every_system_takes() {
        assert_eq!(file_name("No cancelling by robots"), "no-cancelling-by-robots.json");
        assert_eq!(file_name("../\u{202e}\"; x=\"شريك"), "x.json");
        assert_eq!(file_name("شريك"), "case.json");
    }
}
