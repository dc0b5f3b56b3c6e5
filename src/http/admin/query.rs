//! The query strings of the admin API: list grammar (RFC 7644 3.4.2), and what goes into the audit commit.

use actix_web::HttpRequest;
use actix_web::http::header;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::error::{Error, Result, Violation};
use crate::filter;
use crate::model::fields::free_text;
use crate::store::{Origin, Query};

const COUNT_DEFAULT: u32 = 10;
/// The largest page.
pub(in crate::http) const COUNT_MAX: u32 = 1000;
/// Correlation ids are for machines: longer ones are not.
const CORRELATION_CHARS_MAX: usize = 200;

/// The parameters of a query string, decoded. Repeats are kept.
pub(in crate::http) struct Parameters(Vec<(String, String)>);

fn violation(name: &str, value: &str, message: impl Into<String>) -> Error {
    Error::Invalid(vec![Violation::new(format!("/{name}"), value.into(), message)])
}

impl Parameters {
    pub(in crate::http) fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    pub(in crate::http) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    pub(in crate::http) fn of(request: &HttpRequest) -> Result<Self> {
        let parsed = actix_web::web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        let parsed = parsed.map_err(|error| Error::Malformed(format!("the query string cannot be read: {error}")))?;
        Ok(Self(parsed.into_inner()))
    }

    fn last(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The list asked for. `newest_first` says how it comes when no order was asked for.
    pub(in crate::http) fn list(&self, newest_first: bool) -> Result<Query> {
        let filter = self.last("filter").filter(|text| !text.trim().is_empty());
        let filter = filter
            .map(|text| filter::parse(text).map_err(|error| violation("filter", text, error.to_string())))
            .transpose()?;
        let sort_by = self.last("sortBy").filter(|name| !name.is_empty()).map(str::to_owned);
        let descending = match self.last("sortOrder") {
            None | Some("") => newest_first && sort_by.is_none(),
            Some("ascending") => false,
            Some("descending") => true,
            Some(other) => return Err(violation("sortOrder", other, "must be ascending or descending")),
        };
        let count = self.number("count", COUNT_DEFAULT)?;
        if count > COUNT_MAX {
            return Err(violation(
                "count",
                &count.to_string(),
                format!("a page has at most {COUNT_MAX} items: turn pages with startIndex"),
            ));
        }
        let start_index = self.number("startIndex", 1)?.max(1);
        Ok(Query { filter, sort_by, descending, start_index, count, bounded: false })
    }

    /// Which members to show.
    pub(in crate::http) fn projection(&self) -> Projection {
        let names = |name: &str| {
            let values = self.0.iter().filter(|(known, _)| known == name).flat_map(|(_, value)| value.split(','));
            values.map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
        };
        Projection { only: names("attributes"), without: names("excludedAttributes") }
    }

    /// Adds what the caller says of its write.
    pub(super) fn explain(&self, origin: Origin) -> Result<Origin> {
        let text = |name: &str| self.last(name).filter(|text| !text.is_empty());
        if let Some(reason) = text("reason") {
            free_text(reason).map_err(|message| violation("reason", reason, message))?;
        }
        if let Some(correlation) = text("correlation").filter(|text| text.chars().count() > CORRELATION_CHARS_MAX) {
            return Err(violation(
                "correlation",
                correlation,
                format!("must have at most {CORRELATION_CHARS_MAX} characters"),
            ));
        }
        Ok(Origin {
            reason: text("reason").map(str::to_owned),
            correlation: text("correlation").map(str::to_owned),
            ..origin
        })
    }

    /// Whether a delete takes dependents along.
    pub(super) fn cascade(&self) -> Result<bool> {
        self.flag("cascade")
    }

    /// A parameter that is false unless said otherwise.
    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        match self.last(name) {
            None | Some("" | "false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(violation(name, other, "must be true or false")),
        }
    }

    /// A parameter that is a whole number.
    pub(super) fn number(&self, name: &str, otherwise: u32) -> Result<u32> {
        match self.text(name) {
            None => Ok(otherwise),
            // RFC 7644 3.4.2.4: what is below the least counts as the least.
            Some(text) => match text.parse::<i64>() {
                Ok(number) => Ok(u32::try_from(number.max(0)).unwrap_or(u32::MAX)),
                Err(_) => Err(violation(name, text, "must be a whole number")),
            },
        }
    }

    /// A parameter that is a date-time.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let unfit = || violation(name, text, "must be a date-time, like 2027-01-31T12:00:00Z");
        Timestamp::parse(text).map(Some).ok_or_else(unfit)
    }

    /// The error for a parameter that does not fit.
    pub(super) fn violation(&self, name: &str, message: impl Into<String>) -> Error {
        violation(name, self.last(name).unwrap_or_default(), message)
    }

    /// A parameter that says something.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.last(name).filter(|text| !text.is_empty())
    }
}

/// The revision in `If-Match` (RFC 9110 13.1.1), strong or weak; `None` without one, or with `*`.
pub(super) fn if_match(request: &HttpRequest) -> Result<Option<i64>> {
    let Some(value) = request.headers().get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let number = text.strip_prefix("W/").unwrap_or(text).trim_matches('"').parse();
    number
        .map(Some)
        .map_err(|_| Error::Malformed("If-Match must be the ETag of the resource, its revision in quotes".to_owned()))
}

/// `attributes` and `excludedAttributes` (RFC 7644 3.4.2.5). `id` is always shown.
#[derive(Clone, Default)]
pub(in crate::http) struct Projection {
    only: Vec<String>,
    without: Vec<String>,
}

impl Projection {
    pub(in crate::http) fn apply(&self, resource: Map<String, Value>) -> Map<String, Value> {
        if self.only.is_empty() && self.without.is_empty() {
            return resource;
        }
        self.within(resource, "")
    }

    /// Keeps what `only` names, or what it names a part of, and drops what `without` names.
    fn within(&self, object: Map<String, Value>, prefix: &str) -> Map<String, Value> {
        let mut kept = Map::new();
        for (name, value) in object {
            let path = format!("{prefix}{name}");
            let inside = format!("{path}.");
            let starts =
                |text: &String| text.get(..inside.len()).is_some_and(|head| head.eq_ignore_ascii_case(&inside));
            let named = |list: &[String]| list.iter().any(|text| text.eq_ignore_ascii_case(&path));
            let is_id = prefix.is_empty() && name == "id";
            let wanted = self.only.is_empty() || is_id || named(&self.only) || self.parent_named(prefix);
            let partly = self.only.iter().any(starts);
            if (named(&self.without) && !is_id) || !(wanted || partly) {
                continue;
            }
            let goes_inside = (partly && !wanted) || self.without.iter().any(starts);
            let value = match value {
                Value::Object(inner) if goes_inside => Value::Object(self.within(inner, &inside)),
                other => other,
            };
            kept.insert(name, value);
        }
        kept
    }

    /// Whether `only` names the object that stands at `prefix` as a whole.
    fn parent_named(&self, prefix: &str) -> bool {
        let parent = prefix.trim_end_matches('.');
        !parent.is_empty() && self.only.iter().any(|text| text.eq_ignore_ascii_case(parent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn projections_keep_the_id_and_reach_inside() {
        let resource = json!({"id": "1", "userName": "a", "active": true, "meta": {"created": "c", "revision": 1}});
        let shown = |only: &[&str], without: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
            let projection = Projection { only: own(only), without: own(without) };
            Value::Object(projection.apply(resource.as_object().unwrap().clone()))
        };
        assert_eq!(shown(&["username"], &[]), json!({"id": "1", "userName": "a"}));
        assert_eq!(shown(&["meta.revision"], &[]), json!({"id": "1", "meta": {"revision": 1}}));
        assert_eq!(shown(&["meta"], &["meta.created"]), json!({"id": "1", "meta": {"revision": 1}}));
        assert_eq!(shown(&[], &["id", "meta", "active"]), json!({"id": "1", "userName": "a"}));
        assert_eq!(shown(&["nothing"], &[]), json!({"id": "1"}));
    }
}
