//! Long lists: what is asked for in the address, the filter that follows from it, and turning pages.

use maud::{Markup, html};

use super::icon::Icon;
use super::text::{self, thousands};
use crate::error::Result;
use crate::filter::{AttributePath, Filter, Literal, Op};
use crate::http::console::view::View;
use crate::store::{Page, Query, Total};

/// The column that every list can be sorted by.
const CREATED: &str = "created";
/// Rows of a page.
pub(crate) const ROWS: u32 = 25;

/// What of a list is looked at, as its address says.
pub(crate) struct Looked<'a> {
    /// What is searched for.
    pub(crate) search: &'a str,
    /// The column that it is sorted by, one of those that the page offers.
    pub(crate) sort: &'static str,
    pub(crate) descending: bool,
    /// From 1.
    pub(crate) page: u32,
}

/// Reads `q`, `sort` (a column, with a minus in front for the other way round) and `page` out of the address. What
/// does not fit is as if it were not there: an address that somebody shortened still shows something.
pub(crate) fn looked<'a>(view: &'a View<'_>, columns: &[&'static str], otherwise: &'static str) -> Looked<'a> {
    let query = &view.asked.query;
    let wanted = query.value("sort").unwrap_or(otherwise);
    let (name, descending) = wanted.strip_prefix('-').map_or((wanted, false), |name| (name, true));
    let known = columns.iter().copied().find(|column| *column == name);
    Looked {
        search: query.value("q").map(str::trim).unwrap_or_default(),
        sort: known.unwrap_or(otherwise.trim_start_matches('-')),
        descending: if known.is_some() { descending } else { otherwise.starts_with('-') },
        page: query.value("page").and_then(|text| text.parse().ok()).unwrap_or(1).max(1),
    }
}

impl Looked<'_> {
    /// The page of the list, within `filters`.
    pub(crate) fn query(&self, filters: Vec<Filter>) -> Query {
        Query {
            filter: all_of(filters),
            // Ids are in the order of making: no index but theirs is needed for it.
            sort_by: (self.sort != CREATED).then(|| self.sort.to_owned()),
            descending: self.descending,
            start_index: (self.page - 1).saturating_mul(ROWS).saturating_add(1),
            count: ROWS,
            bounded: true,
        }
    }
}

/// A list of the first `count`, by age.
pub(crate) fn first(count: u32, filters: Vec<Filter>) -> Query {
    Query { filter: all_of(filters), count, start_index: 1, bounded: true, ..Query::default() }
}

/// The same from the newest on.
pub(crate) fn newest(count: u32, filters: Vec<Filter>) -> Query {
    Query { descending: true, ..first(count, filters) }
}

/// Every one of these; nothing when there is none.
pub(crate) fn all_of(mut filters: Vec<Filter>) -> Option<Filter> {
    match filters.len() {
        0 | 1 => filters.pop(),
        _ => Some(Filter::And(filters)),
    }
}

/// `path eq value`.
pub(crate) fn equals(path: &str, value: impl Into<Literal>) -> Result<Filter> {
    compare(path, Op::Eq, value)
}

pub(crate) fn compare(path: &str, op: Op, value: impl Into<Literal>) -> Result<Filter> {
    Ok(Filter::Compare { path: path_of(path)?, op, value: value.into() })
}

/// `path in [values]`. An empty list fits nothing: ask first.
pub(crate) fn one_of(path: &str, values: impl Iterator<Item = String>) -> Result<Filter> {
    Ok(Filter::In { path: path_of(path)?, values: values.map(Literal::String).collect() })
}

/// Whether one of the attributes contains the text.
pub(crate) fn contains(paths: &[&str], text: &str) -> Result<Filter> {
    let parts = paths.iter().map(|path| compare(path, Op::Co, text)).collect::<Result<Vec<_>>>()?;
    Ok(if parts.len() > 1 { Filter::Or(parts) } else { parts.into_iter().next().unwrap_or(Filter::Or(Vec::new())) })
}

fn path_of(path: &str) -> Result<AttributePath> {
    AttributePath::parse(path).map_err(|error| crate::error::Error::Internal(format!("{path}: {error}")))
}

/// The search of a list, with what else is chosen kept.
pub(crate) fn search(view: &View<'_>, label: &str, search: &str) -> Markup {
    html! {
        form.search role="search" method="get" action=(view.asked.path) data-live {
            (Icon::Search)
            input type="search" name="q" value=(search) aria-label=(label) placeholder=(label) autocomplete="off"
                spellcheck="false" data-search dir="auto";
            kbd aria-hidden="true" { "/" }
            @for (name, value) in &view.asked.query.0 {
                @if name != "q" && name != "page" { input type="hidden" name=(name) value=(value); }
            }
            button.sr tabindex="-1" { "Search" }
        }
    }
}

/// One choice out of a few that a list is narrowed by.
pub(crate) struct Facet<'a> {
    /// What the address says; empty for all.
    pub(crate) value: &'a str,
    pub(crate) label: &'a str,
    pub(crate) count: Option<Total>,
}

/// Choices that a list is narrowed by, as links.
pub(crate) fn facets(view: &View<'_>, name: &str, label: &str, facets: &[Facet<'_>]) -> Markup {
    let chosen = view.asked.query.value(name).unwrap_or_default();
    html! {
        nav.facets aria-label=(label) {
            @for facet in facets {
                @let query = view.asked.query.to_query(&[name, "page"], &[(name, facet.value)]);
                a href=(address(view, &query)) aria-current=[(facet.value == chosen).then_some("true")] {
                    (facet.label) @if let Some(count) = facet.count { span.count { (text::total(count)) } }
                }
            }
        }
    }
}

/// The heading of a column that a list can be sorted by.
pub(crate) fn sorted(view: &View<'_>, looked: &Looked<'_>, column: &str, label: &str, class: &str) -> Markup {
    let is_sorted = looked.sort == column;
    let next = if is_sorted && !looked.descending { format!("-{column}") } else { column.to_owned() };
    let query = view.asked.query.to_query(&["sort", "page"], &[("sort", &next)]);
    let order = if looked.descending { "descending" } else { "ascending" };
    html! {
        th scope="col" class=(class) aria-sort=[is_sorted.then_some(order)] {
            a.sort href=(address(view, &query)) { (label) }
        }
    }
}

fn address(view: &View<'_>, query: &str) -> String {
    if query.is_empty() { view.asked.path.clone() } else { format!("{}?{query}", view.asked.path) }
}

/// How many there are, and the way to the other pages.
pub(crate) fn pager<T>(view: &View<'_>, page: u32, found: &Page<T>) -> Markup {
    let Total { count: total, has_more } = found.total;
    let first = i64::from(page - 1) * i64::from(ROWS) + 1;
    let last = (first + i64::from(ROWS) - 1).min(total);
    let turn = |to: u32| {
        let to = if to == 1 { String::new() } else { to.to_string() };
        address(view, &view.asked.query.to_query(&["page"], &[("page", &to)]))
    };
    html! {
        div.pager {
            p.sr[total == 0] role="status" {
                @if total == 0 { "None" }
                @else if first > total { "This page is past the end of " (thousands(total)) }
                @else if total <= i64::from(ROWS) && !has_more { "Total of " (thousands(total)) ", no more" }
                @else { (thousands(first)) "–" (thousands(last)) " of " @if has_more { "more than " } (thousands(total)) }
            }
            (looked_through(found))
            @if page > 1 || last < total {
                nav aria-label="Pages" {
                    @if page > 1 { a.button rel="prev" href=(turn(page - 1)) { (Icon::Previous) "Previous" } }
                    @if last < total { a.button rel="next" href=(turn(page + 1)) { "Next" (Icon::Next) } }
                }
            }
        }
    }
}

/// How far a list was looked through, where that was not to its end.
pub(crate) fn looked_through<T>(found: &Page<T>) -> Markup {
    html! {
        @if let Some(rows) = found.looked_at {
            p.quiet { "Only the newest " (thousands(rows)) " that come into question were looked through: the admin API looks through all." }
        }
    }
}
