//! What a list is asked for, in the query string (RFC 7644 3.4.2) or in the body (3.4.3): read in SCIM's names, and
//! handed on in those of the admin API's own lists.

use serde_json::{Map, Value};

use super::names;
use crate::error::{Error, Result, Violation};
use crate::http::admin::{COUNT_MAX, Parameters, Projection};
use crate::store::Query;

/// Accounts on a page, unless the caller says how many.
const COUNT_DEFAULT: u32 = 100;

/// A list that was asked for.
pub(super) struct Asked {
    pub(super) query: Query,
    pub(super) projection: Projection,
}

/// Reads the parameters of a list.
pub(super) fn asked(parameters: Parameters) -> Result<Asked> {
    let mut pairs: Vec<(String, String)> = parameters.into_pairs().into_iter().map(translated).collect();
    if !pairs.iter().any(|(name, value)| name == "count" && !value.is_empty()) {
        pairs.push(("count".to_owned(), COUNT_DEFAULT.to_string()));
    }
    let parameters = Parameters::from_pairs(pairs);
    Ok(Asked { query: parameters.list(false)?, projection: parameters.projection() })
}

/// Which attributes to show.
pub(super) fn projection(parameters: Parameters) -> Projection {
    Parameters::from_pairs(parameters.into_pairs().into_iter().map(translated).collect()).projection()
}

fn translated((name, value): (String, String)) -> (String, String) {
    let value = match name.as_str() {
        "filter" => names::reworded(&value, names::in_list),
        "sortBy" => names::in_list(value.trim()).into_owned(),
        "attributes" | "excludedAttributes" => {
            value.split(',').map(|one| names::in_answer(one.trim())).collect::<Vec<_>>().join(",")
        }
        // RFC 7644 3.4.2.4: a page may hold fewer than were asked for.
        "count" if value.parse::<i64>().is_ok_and(|count| count > COUNT_MAX.into()) => COUNT_MAX.to_string(),
        _ => value,
    };
    (name, value)
}

/// The members of a SearchRequest.
const MEMBERS: [&str; 7] = ["filter", "sortBy", "sortOrder", "startIndex", "count", "attributes", "excludedAttributes"];

/// The parameters in a SearchRequest.
pub(super) fn in_body(body: &Map<String, Value>) -> Result<Parameters> {
    let mut pairs = Vec::new();
    let refused = |name: &str, value: &Value, message: &str| {
        Error::Invalid(vec![Violation::new(format!("/{name}"), value.clone(), message)])
    };
    for (name, value) in body.iter().filter(|(name, value)| !name.eq_ignore_ascii_case("schemas") && !value.is_null()) {
        let Some(known) = MEMBERS.into_iter().find(|known| known.eq_ignore_ascii_case(name)) else {
            return Err(refused(name, value, &format!("there is no such member; there are {}", MEMBERS.join(", "))));
        };
        let text = match value {
            Value::String(text) if ["filter", "sortBy", "sortOrder"].contains(&known) => Some(text.clone()),
            Value::Number(number) if ["startIndex", "count"].contains(&known) => Some(number.to_string()),
            Value::Array(names) if known.ends_with("ttributes") => {
                names.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|names| names.join(","))
            }
            _ => None,
        };
        let text = text.ok_or_else(|| refused(known, value, "must be as RFC 7644 3.4.3 has it"))?;
        pairs.push((known.to_owned(), text));
    }
    Ok(Parameters::from_pairs(pairs))
}
