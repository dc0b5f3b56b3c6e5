//! What a decision says beside who asked and when. From request to request it is mostly the same, so it is made, and kept in
//! the database, once for all decisions that say it.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Asker, Decision, Explanation};
use crate::exact::Key;
use crate::model::id::Id;
use crate::model::machine_to_machine::AuthMethod;

/// What is not in a record of what it tells of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LeftOut {
    /// Scopes of `requested`, since it was too long.
    pub(crate) requested: u64,
    /// Refusals of strangers before this one that were not recorded.
    pub(crate) refusals: u64,
}

/// What decisions say.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) error: Option<String>,
    pub(crate) account_id: Option<Id>,
    pub(crate) api_id: Option<Id>,
    pub(crate) explanation: Option<Arc<Explanation>>,
    /// The members that no list filters by, in JSON.
    pub(crate) rest: String,
}

impl Decision {
    /// What tells this decision's content from every other: all that [`Decision::content`] is made from.
    pub(crate) fn content_key<'a>(&self, left_out: LeftOut, key: &'a mut Key) -> &'a [u8] {
        // Without `..`: what is added to a decision has to be added here too, or to its row.
        let Self {
            id: _,
            at: _,
            request_id: _,
            outcome: _,
            by: _,
            stranger_address,
            api_id,
            error,
            reason,
            requested,
            granted,
            issued,
            lifetime_seconds,
            auth_method,
            offered_ttl_seconds,
            explanation,
        } = self;
        key.clear().optional(self.account_id().map(Id::as_str), Key::text);
        key.optional(api_id.as_ref().map(Id::as_str), Key::text);
        key.optional(error.as_deref(), Key::text).optional(reason.as_deref(), Key::text);
        key.texts(requested).optional(granted.as_deref(), Key::texts).optional(issued.as_deref(), Key::texts);
        key.optional(auth_method.map(AuthMethod::as_str), Key::text);
        key.optional(stranger_address.as_ref(), |key, address| key.text(&address.to_string()));
        for seconds in [*lifetime_seconds, *offered_ttl_seconds] {
            key.optional(seconds, |key, seconds| key.fixed(seconds.to_le_bytes()));
        }
        key.optional(explanation.as_ref(), |key, explanation| key.fixed(explanation.kept().digest));
        key.fixed(left_out.requested.to_le_bytes()).fixed(left_out.refusals.to_le_bytes());
        key.as_bytes()
    }

    /// What it says.
    pub(crate) fn content(&self, left_out: LeftOut) -> Content {
        Content {
            error: self.error.clone(),
            account_id: self.account_id().cloned(),
            api_id: self.api_id.clone(),
            explanation: self.explanation.clone(),
            rest: self.rest_text(left_out),
        }
    }

    fn account_id(&self) -> Option<&Id> {
        match &self.by {
            Asker::Unread | Asker::Stranger(_) => None,
            Asker::Client(client) => Some(&client.account_id),
        }
    }

    /// What says nothing new is left out.
    fn rest_text(&self, left_out: LeftOut) -> String {
        let rest = Rest {
            reason: self.reason.as_deref(),
            requested: &self.requested,
            granted: self.granted.as_deref(),
            issued: self.issued.as_deref(),
            lifetime_seconds: self.lifetime_seconds,
            auth_method: self.auth_method.map(AuthMethod::as_str),
            remote_address: self.stranger_address,
            offered_ttl_seconds: self.offered_ttl_seconds,
            requested_left_out: left_out.requested,
            left_out: left_out.refusals,
        };
        // Texts and numbers always have a JSON form.
        serde_json::to_string(&rest).unwrap_or_default()
    }

    /// Puts back what the `rest` of a content leaves out.
    pub(crate) fn complete(rest: &mut Map<String, Value>) {
        rest.entry("reason").or_insert(Value::Null);
        for (name, same_as) in [("granted", "requested"), ("issued", "granted")] {
            if !rest.contains_key(name) {
                let same = rest.get(same_as).cloned().unwrap_or_default();
                rest.insert(name.to_owned(), same);
            }
        }
    }
}

/// As it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    requested: &'a [String],
    /// Where it is not just what was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted: Option<&'a [String]>,
    /// Where it is not just what was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued: Option<&'a [String]>,
    lifetime_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offered_ttl_seconds: Option<i64>,
    #[serde(skip_serializing_if = "is_zero")]
    requested_left_out: u64,
    #[serde(skip_serializing_if = "is_zero")]
    left_out: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::model::caller::RequestId;
    use crate::model::id::Id;

    #[test]
    fn what_a_record_leaves_out_comes_back() {
        let scopes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut decision =
            Decision::begin(Id::parse(&"1".repeat(22)).unwrap(), Timestamp::from_ms(0), RequestId::default());
        decision.requested = scopes(&["a", "b"]);
        let read = |decision: &Decision| {
            let mut rest = serde_json::from_str(&decision.rest_text(LeftOut::default())).unwrap();
            Decision::complete(&mut rest);
            let list = |name: &str| serde_json::from_value::<Vec<String>>(rest[name].clone()).unwrap();
            assert!(rest.contains_key("reason"));
            [list("requested"), list("granted"), list("issued")]
        };
        assert_eq!(read(&decision), [scopes(&["a", "b"]), vec![], vec![]], "a refusal before anything was looked at");
        decision.granted = None;
        assert_eq!(read(&decision), [scopes(&["a", "b"]), scopes(&["a", "b"]), vec![]]);
        decision.issued = None;
        assert_eq!(read(&decision), [scopes(&["a", "b"]), scopes(&["a", "b"]), scopes(&["a", "b"])]);
        decision.granted = Some(scopes(&["a"]));
        assert_eq!(read(&decision), [scopes(&["a", "b"]), scopes(&["a"]), scopes(&["a"])]);
        decision.spell_out();
        decision.requested.clear();
        assert_eq!(read(&decision), [vec![], scopes(&["a"]), scopes(&["a"])]);
        let mut as_before =
            serde_json::from_str(r#"{"reason":"r","requested":["a"],"granted":["a"],"issued":[]}"#).unwrap();
        let written = Map::clone(&as_before);
        Decision::complete(&mut as_before);
        assert_eq!(as_before, written, "a row that spells everything out");
    }

    #[test]
    fn the_key_is_another_where_the_content_is() {
        let id = |digit: &str| Id::parse(&digit.repeat(22)).unwrap();
        let begin = || Decision::begin(id("1"), Timestamp::from_ms(0), RequestId::default());
        let text = || Some("x".to_owned());
        let list = || vec!["x".to_owned()];
        let all = [
            begin(),
            Decision { api_id: Some(id("2")), ..begin() },
            Decision { error: text(), ..begin() },
            Decision { reason: text(), ..begin() },
            Decision { requested: list(), ..begin() },
            Decision { granted: None, ..begin() },
            Decision { granted: Some(list()), ..begin() },
            Decision { issued: None, ..begin() },
            Decision { issued: Some(list()), ..begin() },
            Decision { lifetime_seconds: Some(1), ..begin() },
            Decision { offered_ttl_seconds: Some(1), ..begin() },
            Decision { auth_method: Some(AuthMethod::ClientSecretPost), ..begin() },
            Decision { stranger_address: Some([127, 0, 0, 1].into()), ..begin() },
            Decision { explanation: Some(Arc::new(explanation())), ..begin() },
        ];
        let left_out = [(0, 0), (1, 0), (0, 1)].map(|(requested, refusals)| LeftOut { requested, refusals });
        let mut key = Key::new();
        let mut keys = std::collections::BTreeSet::new();
        for decision in &all {
            for left_out in left_out {
                assert!(keys.insert(decision.content_key(left_out, &mut key).to_vec()), "{decision:?}");
            }
        }
        // What is a decision's own is not in it.
        let other = Decision::begin(id("3"), Timestamp::from_ms(9), RequestId::Own(id("3")));
        assert!(keys.contains(other.content_key(LeftOut::default(), &mut key)));
    }

    fn explanation() -> Explanation {
        let (account, client, api) = Default::default();
        let given = super::super::Given { account, client, api, grant_type: String::new() };
        Explanation::new(given, Vec::new(), Map::new())
    }
}
