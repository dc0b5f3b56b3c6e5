//! Access → Grants: who may do what, as a matrix of accounts and APIs.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{accounts, apis};
use crate::admin;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::draft::Draft;
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::list::{self, first};
use crate::http::console::parts::text;
use crate::http::console::view::View;
use crate::model::Record;
use crate::model::api::Api;
use crate::model::api_token::Role;
use crate::model::grant::Grant;
use crate::model::service_account::ServiceAccount;

pub(crate) const PATH: &str = "/console/grants";
pub(crate) const ADD: &str = "/console/grants/add";
/// Columns of the matrix.
const APIS: u32 = 6;
/// Grants that one page of the matrix reads; more than its cells hold in any sane directory.
const GRANTS_MAX: u32 = 1000;
/// Scopes that a cell names.
const NAMED_MAX: usize = 3;

pub(crate) fn path_of(id: &str) -> String {
    format!("{PATH}/{id}")
}

/// What stands in the cells, by account and API.
type Cells = BTreeMap<(String, String), Vec<Record<Grant>>>;

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let looked = list::looked(view, &["userName", "created"], "-created");
    let api_search = view.asked.query.value("api").unwrap_or_default().trim();
    let api_page = view.asked.query.value("apis").and_then(|text| text.parse::<u32>().ok()).unwrap_or(1).max(1);
    let mut api_filters = Vec::new();
    if !api_search.is_empty() {
        api_filters.push(list::contains(&["displayName", "appId"], api_search)?);
    }
    let mut api_query = list::newest(APIS, api_filters);
    api_query.start_index = (api_page - 1).saturating_mul(APIS).saturating_add(1);
    let columns = admin::list::<Api>(view.app, &api_query)?;
    let mut filters = Vec::new();
    if !looked.search.is_empty() {
        filters.push(list::contains(&["userName", "displayName"], looked.search)?);
    }
    let rows = admin::list::<ServiceAccount>(view.app, &looked.query(filters))?;
    let cells = cells(view, &rows.items, &columns.items)?;
    let is_searched = !looked.search.is_empty() || !api_search.is_empty();
    let body = html! {
        @if rows.total.count == 0 && !is_searched { (nothing_yet(view)) }
        @else {
            form.tools method="get" action=(PATH) data-live {
                div.search {
                    (Icon::Search)
                    input type="search" name="q" value=(looked.search) aria-label="Accounts" placeholder="Accounts" autocomplete="off" data-search dir="auto";
                    kbd aria-hidden="true" { "/" }
                }
                div.search {
                    (Icon::Search)
                    input type="search" name="api" value=(api_search) aria-label="APIs" placeholder="APIs" autocomplete="off" dir="auto";
                }
                button.sr tabindex="-1" { "Search" }
            }
            div #list {
                @if rows.items.is_empty() || columns.items.is_empty() {
                    (text::empty(Icon::Search, "Nothing fits", &html! { "No account and API fit what you look for." }, &html! { a.button href=(PATH) { "Show all" } }))
                } @else { (matrix(view, &rows.items, &columns.items, &cells)) }
                (turn_apis(view, api_page, columns.total.count))
                (list::pager(view, looked.page, &rows))
            }
        }
    };
    let lead =
        html! { p { "Which account may do what. A grant is the ceiling: no request and no policy goes beyond it." } };
    let add = html! { @if view.may(Role::Editor) { a.button.primary href=(ADD) { (Icon::Add) "Grant access" } } };
    Ok(Page::new(Section::Grants, "Grants").lead(lead).actions(add).body(body).into())
}

fn nothing_yet(view: &View<'_>) -> Markup {
    let explained =
        html! { "Once there are a service account and an API, a grant gives the one some of the other's scopes." };
    let action = html! { @if view.may(Role::Editor) { a.button.primary href=(format!("{}/add", accounts::PATH)) { (Icon::Add) "Add a service account" } } };
    text::empty(Icon::Grant, "Nobody to grant anything to yet", &explained, &action)
}

fn cells(view: &View<'_>, accounts: &[Record<ServiceAccount>], apis: &[Record<Api>]) -> Result<Cells> {
    let mut cells = Cells::new();
    if accounts.is_empty() || apis.is_empty() {
        return Ok(cells);
    }
    let filters = vec![
        list::one_of("serviceAccountId", accounts.iter().map(|account| account.id.to_string()))?,
        list::one_of("apiId", apis.iter().map(|api| api.id.to_string()))?,
    ];
    for grant in admin::list::<Grant>(view.app, &first(GRANTS_MAX, filters))?.items {
        let at = (grant.value.service_account_id.clone(), grant.value.api_id.clone());
        cells.entry(at).or_default().push(grant);
    }
    Ok(cells)
}

fn matrix(view: &View<'_>, accounts: &[Record<ServiceAccount>], apis: &[Record<Api>], cells: &Cells) -> Markup {
    html! {
        div.table tabindex="0" role="region" aria-label="Grants by account and API" {
            table.matrix {
                thead {
                    tr {
                        th scope="col" { "Account" }
                        @for api in apis {
                            th scope="col" {
                                a href=(apis::path_of(api.id.as_str())) dir="auto" { (api.value.display_name) }
                                small.mono { (api.value.app_id) }
                            }
                        }
                    }
                }
                tbody {
                    @for account in accounts {
                        tr {
                            th scope="row" {
                                a.name href=(format!("{}/access", accounts::path_of(account.id.as_str()))) dir="auto" { (account.value.display_name) }
                                small.mono dir="auto" { (account.value.user_name) @if !account.value.active { " · inactive" } }
                            }
                            @for api in apis {
                                @let grants = cells.get(&(account.id.to_string(), api.id.to_string()));
                                td { (cell(view, account, api, grants.map_or(&[], Vec::as_slice))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(view: &View<'_>, account: &Record<ServiceAccount>, api: &Record<Api>, grants: &[Record<Grant>]) -> Markup {
    html! {
        @for grant in grants {
            @let more = grant.value.scopes.len().saturating_sub(NAMED_MAX);
            @let holds = grant.value.is_valid_at(view.now);
            a.chips.over[!holds] href=(path_of(grant.id.as_str())) {
                @for scope in grant.value.scopes.iter().take(NAMED_MAX) { code.chip { (scope) } }
                @if more > 0 { span.quiet { "+" (more) } }
                @if !holds { span.quiet { " not now" } }
            }
        }
        @if grants.is_empty() && view.may(super::api::needed(api)) {
            a.give href=(format!("{ADD}?account={}&api={}", account.id, api.id))
                aria-label=(format!("Grant {} access to {}", account.value.display_name, api.value.display_name)) { (Icon::Add) }
        }
    }
}

/// The way to the other columns.
fn turn_apis(view: &View<'_>, page: u32, total: i64) -> Markup {
    let pages = u32::try_from((total + i64::from(APIS) - 1) / i64::from(APIS)).unwrap_or(u32::MAX);
    let turn = |to: u32| format!("{PATH}?{}", view.asked.query.to_query(&["apis"], &[("apis", &to.to_string())]));
    html! {
        @if pages > 1 {
            div.pager {
                p { "APIs " (page) " of " (pages) " pages" }
                nav aria-label="APIs" {
                    @if page > 1 { a.button href=(turn(page - 1)) { (Icon::Previous) "Previous APIs" } }
                    @if page < pages { a.button href=(turn(page + 1)) { "More APIs" (Icon::Next) } }
                }
            }
        }
    }
}
