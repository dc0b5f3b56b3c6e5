//! The members of a record that no list filters by: one JSON text for every token, so what says nothing new is left out of
//! it, and put back when it is read.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Decision;
use crate::model::machine_to_machine::AuthMethod;

impl Decision {
    /// The members that no list filters by, in JSON. Beside them stand the columns, and the members of the explanation.
    pub(crate) fn rest_text(&self, requested_left_out: u64, left_out: u64) -> String {
        let rest = Rest {
            reason: self.reason.as_deref(),
            requested: &self.requested,
            granted: self.granted.as_deref(),
            issued: self.issued.as_deref(),
            lifetime_seconds: self.lifetime_seconds,
            auth_method: self.auth_method.map(AuthMethod::as_str),
            offered_ttl_seconds: self.offered_ttl_seconds,
            requested_left_out,
            left_out,
        };
        // Texts and numbers always have a JSON form.
        serde_json::to_string(&rest).unwrap_or_default()
    }

    /// Puts back what [`Decision::rest_text`] left out.
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
    offered_ttl_seconds: Option<i64>,
    /// Scopes of `requested` that are not in it, since it was too long.
    #[serde(skip_serializing_if = "is_zero")]
    requested_left_out: u64,
    /// Refusals of strangers before this one that were not recorded.
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
            let mut rest = serde_json::from_str(&decision.rest_text(0, 0)).unwrap();
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
}
