//! What accounts may do: scopes with what they mean, and the grants that they come from.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::list::{first, one_of};
use super::text::{Tone, badge};
use super::time;
use crate::admin;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::http::console::view::View;
use crate::model::Record;
use crate::model::api::{Api, ApiScope};
use crate::model::grant::Grant;
use crate::model::service_account::ServiceAccount;
use crate::store::Entity;

/// What an account holds at one API.
pub(crate) struct Held {
    pub(crate) api: Record<Api>,
    pub(crate) grants: Vec<Record<Grant>>,
}

/// The things with these ids, by id.
pub(crate) fn by_id<E: Entity>(
    view: &View<'_>,
    ids: impl Iterator<Item = String>,
) -> Result<BTreeMap<String, Record<E>>> {
    let mut ids: Vec<String> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    let found = admin::list::<E>(view.app, &first(count, vec![one_of("id", ids.into_iter())?]))?;
    Ok(found.items.into_iter().map(|record| (record.id.to_string(), record)).collect())
}

/// What the grants of an account give it, by API.
pub(crate) fn held_by_account(
    view: &View<'_>,
    _: &Record<ServiceAccount>,
    grants: &[Record<Grant>],
) -> Result<Vec<Held>> {
    let apis = by_id::<Api>(view, grants.iter().map(|grant| grant.value.api_id.clone()))?;
    let held = apis.into_values().map(|api| {
        let own = |grant: &&Record<Grant>| grant.value.api_id == api.id.as_str();
        Held { grants: grants.iter().filter(own).cloned().collect(), api }
    });
    Ok(held.collect())
}

/// How much harm a scope can do.
pub(crate) fn sensitivity(scope: &ApiScope) -> Markup {
    match scope.sensitivity.as_str() {
        "high" => badge(Tone::Bad, "High"),
        "medium" => badge(Tone::Care, "Medium"),
        _ => badge(Tone::Plain, "Low"),
    }
}

/// Whether a grant holds now, and if not, why.
pub(crate) fn window(grant: &Grant, now: Timestamp) -> Markup {
    match (grant.not_before, grant.expires_at) {
        (_, Some(end)) if end <= now => html! { (badge(Tone::Bad, "Ended")) " " (time::relative(end, now)) },
        (Some(start), _) if start > now => html! { (badge(Tone::Care, "Not yet")) " " (time::relative(start, now)) },
        (_, Some(end)) if time::is_soon(end, now) => {
            html! { (badge(Tone::Care, "Ends soon")) " " (time::relative(end, now)) }
        }
        (_, Some(end)) => html! { "Ends " (time::relative(end, now)) },
        _ => html! { span.quiet { "No end" } },
    }
}

/// The scopes that are held at an API, each with the grant that it comes from.
pub(crate) fn scope_table(view: &View<'_>, held: &Held) -> Markup {
    html! {
        div.table.flat {
            table.lines {
                caption.sr { "Scopes held at " (held.api.value.display_name) }
                thead {
                    tr { th scope="col" { "Scope" } th scope="col" { "Sensitivity" } th scope="col" { "Until" } th scope="col" { "By" } }
                }
                tbody {
                    @for scope in &held.api.value.scopes {
                        @for grant in held.grants.iter().filter(|grant| grant.value.scopes.contains(&scope.identifier)) {
                            tr {
                                td {
                                    code { (scope.identifier) }
                                    @if scope.default { " " (badge(Tone::Plain, "default")) }
                                    small dir="auto" { (described(scope)) }
                                }
                                td { (sensitivity(scope)) }
                                td { (window(&grant.value, view.now)) }
                                td.all { a href=(format!("/console/grants/{}", grant.id)) { "Grant" } small dir="auto" { (grant.value.reason) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What a scope allows, in as many words as there are.
pub(crate) fn described(scope: &ApiScope) -> String {
    match (scope.display_name == scope.identifier, scope.description.is_empty()) {
        (true, _) => scope.description.clone(),
        (false, true) => scope.display_name.clone(),
        (false, false) => format!("{}: {}", scope.display_name, scope.description),
    }
}
