//! Lists: a filter (RFC 7644 3.4.2.2) becomes SQL. The only place that puts a statement together.
//!
//! Text is joined from constants alone; whatever a caller wrote goes in as a parameter.

mod condition;
mod page;

use super::engine::{Statement, Value};
use super::entity::Query;
use super::reach::{CANDIDATES_MAX, COUNTED_MAX, Reach, Way};
use crate::error::{Error, Result, Violation};
use condition::{Assembly, Scope};

/// Something that lists can filter and sort by.
pub(crate) struct Attribute {
    /// Its name on the wire, dotted where it is inside another.
    pub(crate) name: &'static str,
    /// The SQL expression over `t` (over `s` inside a [`Kind::Many`]).
    pub(crate) expr: &'static str,
    pub(crate) kind: Kind,
}

/// What an attribute holds, and so what it can be compared with.
pub(crate) enum Kind {
    /// Text that is compared without regard to ASCII case, as SCIM does unless told otherwise.
    Text,
    /// Text whose case counts: ids and other names for machines.
    Exact,
    /// 0 or 1.
    Flag,
    /// Unix milliseconds, written as RFC 3339.
    Time,
    /// As `Time`, of something whose id was made at just that time: compared by the index of ids. `expr` is for sorting.
    TimeOf {
        /// What is true of the rows for which the rest holds, up to a closing bracket.
        within: &'static str,
        /// The column of ids there.
        id: &'static str,
    },
    Integer,
    /// A JSON object: any path into it.
    Json,
    /// Several rows of another table: `expr` is `EXISTS (SELECT 1 FROM … AS s WHERE …`, inside which these hold.
    /// A comparison without a sub-attribute means the one named `value`.
    Many(&'static [Attribute]),
}

/// Attributes that every resource has.
pub(crate) static META: [Attribute; 4] = [
    Attribute { name: "id", expr: "t.id", kind: Kind::Exact },
    Attribute { name: "meta.created", expr: "t.created_at_ms", kind: Kind::Time },
    Attribute { name: "meta.lastModified", expr: "t.modified_at_ms", kind: Kind::Time },
    Attribute { name: "meta.revision", expr: "t.revision", kind: Kind::Integer },
];

/// What can be listed, over `t`.
#[derive(Clone, Copy)]
pub(crate) struct Listing {
    /// ` FROM … AS t`
    pub(crate) from: &'static str,
    pub(crate) select: &'static str,
    /// The column that tells rows apart, and orders those that are otherwise alike.
    pub(crate) key: &'static str,
    pub(crate) attributes: &'static [Attribute],
    /// Whether `t` also has the columns of [`META`].
    pub(crate) has_meta: bool,
    /// What says how many rows there are, where counting them would take its time.
    pub(crate) total: Option<&'static str>,
    /// How its rows are reached, where it grows without bound.
    pub(crate) reach: Option<&'static Reach>,
}

impl Listing {
    /// Everything that lists can be filtered by.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'static Attribute> {
        let common: &'static [Attribute] = if self.has_meta { &META } else { &[] };
        common.iter().chain(self.attributes)
    }
}

/// What a page of a list is read by.
pub(crate) struct Statements {
    pub(crate) count: Statement,
    /// How far it counts, if not to the end.
    pub(crate) counted_max: Option<i64>,
    pub(crate) page: Statement,
}

/// What counts the rows of a list, and how far if not to their end. `text` is its condition.
fn count(listing: &Listing, query: &Query, way: &Way, text: &Assembly) -> (Statement, Option<i64>) {
    const COUNT: &str = "SELECT COUNT(*)";
    let Some(filter) = &query.filter else {
        let sql = listing.total.map_or_else(|| [COUNT, listing.from].concat().into(), Into::into);
        return (Statement { sql, params: Vec::new() }, None);
    };
    if !query.bounded {
        return (
            Statement { sql: [COUNT, listing.from, &text.sql].concat().into(), params: text.params.clone() },
            None,
        );
    }
    if let Some(count) = way.count_of(filter) {
        return (count, Some(CANDIDATES_MAX));
    }
    let max = query.counted_max();
    let mut within = Assembly {
        sql: [COUNT, " FROM (SELECT 1", listing.from, &text.sql, " LIMIT "].concat(),
        params: text.params.clone(),
    };
    within.param(Value::Integer(max + 1));
    within.sql.push(')');
    (Statement { sql: within.sql.into(), params: within.params }, Some(max))
}

/// The statement that counts and the one that reads a page.
pub(crate) fn statements(listing: &Listing, query: &Query, way: &Way) -> Result<Statements> {
    let mut text = Assembly { sql: String::new(), params: Vec::new() };
    let scope = Scope { attributes: listing.attributes, common: if listing.has_meta { &META } else { &[] } };
    if let Some(filter) = &query.filter {
        text.sql.push_str(" WHERE ");
        text.on(way, listing.key);
        text.condition(filter, scope).map_err(|message| invalid("filter", message))?;
    }
    let (count, counted_max) = count(listing, query, way, &text);
    text.sql.insert_str(0, listing.select);
    text.order(listing.key, scope, query)?;
    text.sql.push_str(" LIMIT ");
    text.param(Value::Integer(query.count.into()));
    text.sql.push_str(" OFFSET ");
    text.param(Value::Integer(i64::from(query.start_index.max(1)) - 1));
    Ok(Statements { count, counted_max, page: Statement { sql: text.sql.into(), params: text.params } })
}

impl Query {
    /// How far a bounded list counts: always beyond the end of its page.
    pub(crate) fn counted_max(&self) -> i64 {
        COUNTED_MAX.max(i64::from(self.start_index) + i64::from(self.count))
    }
}

fn invalid(parameter: &str, message: String) -> Error {
    Error::Invalid(vec![Violation::new(format!("/{parameter}"), serde_json::Value::Null, message)])
}
