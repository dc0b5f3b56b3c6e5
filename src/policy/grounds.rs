//! What an answer rests on: a policy is a pure function and cheap to ask, so it is asked again with one thing taken
//! away or changed at a time. What makes the answer another is what it rests on, in words. Of all changes that could be
//! made a few are tried: where none of them makes a difference, it is said which these were, and no more.

use serde_json::Value;

use super::abi::{Decision, Instant, Request, TimeStep};
use super::cases::effect;
use crate::clock::Timestamp;

/// Questions that one answer may cost.
const QUESTIONS_MAX: usize = 256;
/// Members and items of one object or list that are looked at.
const MEMBERS_MAX: usize = 32;
/// Objects and lists inside one another that are looked at.
const DEPTH_MAX: usize = 4;
/// Characters of a value that are shown.
const VALUE_CHARS_MAX: usize = 60;
/// Hours that a moment is moved by: the other half of the day, the other end of the week, another season.
const HOURS_LATER: [i64; 3] = [12, 84, 182 * 24];
/// Another address that a caller could have. RFC 5737: nobody's.
const ANOTHER_ADDRESS: &str = "203.0.113.77";
/// Things changed in one way that are named.
const NAMED_MAX: usize = 12;

/// One thing that an answer rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// Which: `settings.allow[0]`, `account.attributes.team`, `context.time`.
    pub what: String,
    /// What it was.
    pub value: String,
    /// What was changed, and what the answer would have been.
    pub otherwise: String,
}

/// What a search came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What the answer rests on.
    pub grounds: Vec<Ground>,
    /// What left the answer as it is: how it was changed, and everything that was changed so.
    unmoved: Vec<(String, Vec<String>)>,
}

impl Found {
    /// What was tried and left the answer as it is: `context.time 12 hours later`.
    #[must_use]
    pub fn tried(&self) -> Vec<String> {
        let told = |(how, whats): &(String, Vec<String>)| {
            let named = whats.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = whats.len().saturating_sub(NAMED_MAX);
            if more > 0 { format!("{named} and {more} more {how}") } else { format!("{named} {how}") }
        };
        self.unmoved.iter().map(told).collect()
    }

    /// What is said where no ground was found. It claims no more than was tried.
    #[must_use]
    pub fn nothing_changed(&self) -> String {
        if self.unmoved.is_empty() {
            return "nothing was tried: there was no other answer to be had".to_owned();
        }
        format!("nothing that was tried ({}) changed it", self.tried().join("; "))
    }
}

/// How a policy is asked here: `None` where settings are refused or it fails.
pub type Ask<'a> = dyn Fn(&Request, &Value) -> Option<Decision> + 'a;

/// Finds what the answer to `request` with `settings` rests on. It asks at most 256 times, and ends when it has. `None`
/// where there is no answer to begin with.
pub fn grounds(ask: &Ask<'_>, request: &Request, settings: &Value) -> Option<Found> {
    let answer = effect(request, ask(request, settings)?);
    let mut search = Search { ask, request, settings, answer, left: QUESTIONS_MAX, found: Found::default() };
    search.settings();
    search.who();
    search.asked();
    search.context();
    Some(search.found)
}

struct Search<'a> {
    ask: &'a Ask<'a>,
    request: &'a Request,
    settings: &'a Value,
    answer: Decision,
    left: usize,
    found: Found,
}

impl Search<'_> {
    /// Asks with something changed. Answers whether that made a difference, which is kept then.
    fn try_with(&mut self, what: &str, value: &str, how: &str, request: &Request, settings: &Value) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let Some(decision) = (self.ask)(request, settings) else { return false };
        let other = effect(request, decision);
        if same(self.request, &self.answer, request, &other) {
            match self.found.unmoved.iter_mut().find(|(known, _)| known == how) {
                Some((_, whats)) => whats.push(what.to_owned()),
                None => self.found.unmoved.push((how.to_owned(), vec![what.to_owned()])),
            }
            return false;
        }
        let otherwise = format!("{how}: {}", in_words(request, &other));
        self.found.grounds.push(Ground { what: what.to_owned(), value: shown(value), otherwise });
        true
    }

    fn try_request(&mut self, what: &str, value: &str, how: &str, change: impl FnOnce(&mut Request)) -> bool {
        if self.left == 0 {
            return false;
        }
        let mut request = self.request.clone();
        change(&mut request);
        let settings = self.settings;
        request != *self.request && self.try_with(what, value, how, &request, settings)
    }

    fn settings(&mut self) {
        let settings = self.settings;
        self.inside("settings", "", settings, 0);
    }

    /// Looks at the members of a value in the settings; answers whether one of them makes a difference.
    fn inside(&mut self, name: &str, pointer: &str, value: &Value, depth: usize) -> bool {
        let members: Vec<(String, String, &Value)> = match value {
            Value::Object(members) => members
                .iter()
                .take(MEMBERS_MAX)
                .map(|(key, member)| (format!("{name}.{key}"), format!("{pointer}/{}", escaped(key)), member))
                .collect(),
            Value::Array(items) => items
                .iter()
                .take(MEMBERS_MAX)
                .enumerate()
                .map(|(index, item)| (format!("{name}[{index}]"), format!("{pointer}/{index}"), item))
                .collect(),
            _ => return false,
        };
        let mut any = false;
        for (name, pointer, member) in members {
            if self.left == 0 {
                break;
            }
            // The innermost says most: what holds it follows.
            let deeper = depth < DEPTH_MAX && self.inside(&name, &pointer, member, depth + 1);
            any |= deeper || self.without(&name, &pointer, member) || self.altered(&name, &pointer, member);
        }
        any
    }

    fn without(&mut self, name: &str, pointer: &str, member: &Value) -> bool {
        if self.left == 0 {
            return false;
        }
        let mut settings = self.settings.clone();
        let request = self.request;
        remove(&mut settings, pointer) && self.try_with(name, &member.to_string(), "without it", request, &settings)
    }

    fn altered(&mut self, name: &str, pointer: &str, member: &Value) -> bool {
        let others: Vec<Value> = match member {
            Value::Bool(flag) => vec![(!flag).into()],
            Value::Number(number) => {
                let number = number.as_i64().unwrap_or_default();
                vec![number.saturating_mul(2).saturating_add(1).into(), (number / 2).into()]
            }
            _ => Vec::new(),
        };
        let request = self.request;
        others.into_iter().any(|other| {
            if self.left == 0 {
                return false;
            }
            let mut settings = self.settings.clone();
            let Some(place) = settings.pointer_mut(pointer) else { return false };
            *place = other.clone();
            self.try_with(name, &member.to_string(), &format!("with {other}"), request, &settings)
        })
    }

    /// Account, client and API.
    fn who(&mut self) {
        let request = self.request;
        type Text = fn(&mut Request) -> &mut String;
        let texts: [(&str, &String, Text); 8] = [
            ("account.id", &request.account.id, |request| &mut request.account.id),
            ("account.userName", &request.account.user_name, |request| &mut request.account.user_name),
            ("account.displayName", &request.account.display_name, |request| &mut request.account.display_name),
            ("client.clientId", &request.client.client_id, |request| &mut request.client.client_id),
            ("client.displayName", &request.client.display_name, |request| &mut request.client.display_name),
            ("client.authMethod", &request.client.auth_method, |request| &mut request.client.auth_method),
            ("api.appId", &request.api.app_id, |request| &mut request.api.app_id),
            ("api.audience", &request.api.audience, |request| &mut request.api.audience),
        ];
        for (what, value, place) in texts {
            self.try_request(what, value, "with another", |request| place(request).push_str("-another"));
        }
        type Attributes = fn(&mut Request) -> &mut serde_json::Map<String, Value>;
        let attributes: [(&str, &serde_json::Map<String, Value>, Attributes); 3] = [
            ("account.attributes", &request.account.attributes, |request| &mut request.account.attributes),
            ("client.attributes", &request.client.attributes, |request| &mut request.client.attributes),
            ("api.attributes", &request.api.attributes, |request| &mut request.api.attributes),
        ];
        for (what, members, place) in attributes {
            for (key, value) in members.iter().take(MEMBERS_MAX) {
                self.try_request(&format!("{what}.{key}"), &value.to_string(), "without it", |request| {
                    place(request).remove(key);
                });
            }
        }
    }

    /// What is requested and offered.
    fn asked(&mut self) {
        let request = self.request;
        if request.requested.is_empty() {
            let offered = request.offered.clone();
            self.try_request("requested", "no scope by name", "if each were named", |request| {
                request.requested = offered;
            });
        } else {
            let requested = request.requested.join(" ");
            self.try_request("requested", &requested, "if none were named", |request| request.requested.clear());
        }
        if request.offered.len() > 1 {
            for (index, scope) in request.offered.iter().enumerate().take(MEMBERS_MAX) {
                self.try_request(&format!("offered[{index}]"), scope, "without it", |request| {
                    request.offered.remove(index);
                    request.requested.retain(|requested| requested != scope);
                });
            }
        }
        let ttl = request.ttl_seconds;
        self.try_request("ttlSeconds", &ttl.to_string(), "with half of it", |request| request.ttl_seconds = ttl / 2);
    }

    fn context(&mut self) {
        let context = &self.request.context;
        if let Some(time) = context.time {
            let now = Timestamp::from_ms(i64::from(time.unix_seconds) * 1000);
            let _ = HOURS_LATER.into_iter().any(|hours| {
                let later = Instant::at(now.plus_seconds(hours * 3600), TimeStep::Second);
                let how =
                    if hours % 24 == 0 { format!("{} days later", hours / 24) } else { format!("{hours} hours later") };
                self.try_request("context.time", &now.to_string(), &how, |request| request.context.time = Some(later))
            });
        }
        if let Some(address) = &context.remote_address {
            let how = format!("from another address, {ANOTHER_ADDRESS}");
            self.try_request("context.remoteAddress", address, &how, |request| {
                request.context.remote_address = Some(ANOTHER_ADDRESS.to_owned());
            });
        }
        if let Some(agent) = &context.user_agent {
            self.try_request("context.userAgent", agent, "without it", |request| request.context.user_agent = None);
        }
        if let Some(id) = &context.request_id {
            self.try_request("context.requestId", id, "with another", |request| {
                request.context.request_id = Some(format!("{id}-another"));
            });
        }
        for (index, (name, value)) in context.parameters.iter().enumerate().take(MEMBERS_MAX) {
            self.try_request(&format!("context.parameters.{name}"), value, "without it", |request| {
                request.context.parameters.remove(index);
            });
        }
    }
}

/// Whether two answers are the same but for what follows from the difference of their questions: a scope that was not
/// offered cannot be left, and a lifetime that nobody shortened is the one that was offered.
fn same(request: &Request, answer: &Decision, other_request: &Request, other: &Decision) -> bool {
    match (answer, other) {
        (Decision::Permit(one), Decision::Permit(two)) => {
            let both = |scope: &&String| request.offered.contains(scope) && other_request.offered.contains(scope);
            let lifetime = |seconds: Option<u32>, request: &Request| {
                seconds.unwrap_or(u32::MAX).min(request.ttl_seconds).min(other_request.ttl_seconds)
            };
            one.scopes.iter().filter(both).eq(two.scopes.iter().filter(both))
                && lifetime(one.ttl_seconds, request) == lifetime(two.ttl_seconds, request)
                && one.claims == two.claims
        }
        (Decision::Deny(one), Decision::Deny(two)) => one.code == two.code,
        _ => false,
    }
}

/// An answer, short.
#[must_use]
pub fn in_words(request: &Request, answer: &Decision) -> String {
    match answer {
        Decision::Permit(permit) => {
            let seconds = permit.ttl_seconds.unwrap_or(request.ttl_seconds).min(request.ttl_seconds);
            let claims: Vec<String> = permit.claims.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let with = if claims.is_empty() { String::new() } else { format!(" with {}", claims.join(" ")) };
            format!("permit {} for {seconds} s{with}", permit.scopes.join(" "))
        }
        Decision::Deny(denial) => format!("deny {} ({})", denial.code, denial.reason),
    }
}

fn shown(value: &str) -> String {
    if value.chars().count() <= VALUE_CHARS_MAX {
        return value.to_owned();
    }
    value.chars().take(VALUE_CHARS_MAX).chain(['…']).collect()
}

/// RFC 6901.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Takes away what a pointer points at.
fn remove(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return false };
    match value.pointer_mut(parent) {
        Some(Value::Object(members)) => members.remove(&last.replace("~1", "/").replace("~0", "~")).is_some(),
        Some(Value::Array(items)) => match last.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::abi::{Denial, Permit};
    use serde_json::json;

    /// Keeps the scopes that the settings allow to a team, before noon.
    fn ask(request: &Request, settings: &Value) -> Option<Decision> {
        let allow = settings["allow"].as_array()?;
        if request.context.time.is_some_and(|time| time.hour >= 12) {
            return Some(Decision::Deny(Denial { code: "too-late".into(), reason: "it is past noon".into() }));
        }
        let is_team = request.account.attributes.get("team") == Some(&json!("ops"));
        let scopes = request.offered.iter().filter(|scope| is_team && allow.iter().any(|one| one == *scope));
        Some(Decision::Permit(Permit { scopes: scopes.cloned().collect(), ..Permit::default() }))
    }

    #[test]
    fn what_an_answer_rests_on_is_found_by_taking_it_away() {
        let mut request =
            Request { offered: vec!["read".into(), "write".into()], ttl_seconds: 60, ..Request::default() };
        request.account.attributes.insert("team".into(), json!("ops"));
        request.account.attributes.insert("floor".into(), json!(3));
        request.context.time = Some(Instant::at(Timestamp::parse("2026-01-05T09:00:00Z").unwrap(), TimeStep::Hour));
        let found = grounds(&ask, &request, &json!({"allow": ["read", "list"], "remark": "x"})).unwrap().grounds;
        let told: Vec<String> =
            found.iter().map(|ground| format!("{} = {}; {}", ground.what, ground.value, ground.otherwise)).collect();
        assert_eq!(
            told,
            [
                "settings.allow[0] = \"read\"; without it: deny no-scope-left (it leaves none of the scopes)",
                "account.attributes.team = \"ops\"; without it: deny no-scope-left (it leaves none of the scopes)",
                "offered[0] = read; without it: deny no-scope-left (it leaves none of the scopes)",
                "context.time = 2026-01-05T09:00:00.000Z; 12 hours later: deny too-late (it is past noon)",
            ]
        );
    }

    #[test]
    fn where_nothing_is_found_no_more_is_claimed_than_was_tried() {
        let deny = |_: &Request, _: &Value| Some(Decision::Deny(Denial { code: "no".into(), reason: String::new() }));
        let mut request = Request { ttl_seconds: 60, ..Request::default() };
        request.context.remote_address = Some("127.0.0.1".into());
        let told = grounds(&deny, &request, &json!({"allow": ["10.0.0.0/8"]})).unwrap().nothing_changed();
        assert!(told.starts_with("nothing that was tried (settings.allow[0], settings.allow without it; "), "{told}");
        assert!(told.ends_with("; context.remoteAddress from another address, 203.0.113.77) changed it"), "{told}");
    }

    #[test]
    fn the_number_of_questions_is_bounded() {
        let asked = std::cell::Cell::new(0);
        let counted = |request: &Request, settings: &Value| {
            asked.set(asked.get() + 1);
            ask(request, settings)
        };
        // Four thousand values, each of them one that may be asked about.
        let mut many = json!("x");
        for _ in 0..4 {
            many = vec![many; 8].into();
        }
        grounds(&counted, &Request::default(), &json!({"allow": [], "many": many}));
        assert_eq!(asked.get(), QUESTIONS_MAX + 1);
    }
}
