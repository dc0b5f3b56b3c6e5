//! The frame of every page: head, navigation, heading, and where messages stand.

use actix_web::http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use super::answer::THEME;
use super::asked::Asked;
use super::assets;
use super::draft::FORM_TOKEN;
use super::parts::icon::{Icon, mark};
use super::view::View;
use crate::model::api_token::Role;

/// Where in the navigation a page belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    ServiceAccounts,
    Marketplace,
    Clients,
    Apis,
    Grants,
    Policies,
    Decisions,
    Audit,
    Keys,
    ApiTokens,
    Sessions,
    About,
    /// None of the entries.
    Elsewhere,
}

struct Entry {
    section: Section,
    path: &'static str,
    name: &'static str,
    icon: Icon,
    needs: Role,
}

const fn entry(section: Section, path: &'static str, name: &'static str, icon: Icon) -> Entry {
    Entry { section, path, name, icon, needs: Role::Reader }
}

/// The navigation: groups with their entries.
const NAVIGATION: &[(&str, &[Entry])] = &[
    ("", &[entry(Section::Overview, "/console", "Overview", Icon::Overview)]),
    ("Directory", &[entry(Section::ServiceAccounts, "/console/service-accounts", "Service Accounts", Icon::Account)]),
    (
        "Marketplace",
        &[
            entry(Section::Clients, "/console/marketplace/machine-to-machine", "Machine to Machine", Icon::Machine),
            entry(Section::Apis, "/console/marketplace/api", "API", Icon::Api),
        ],
    ),
    (
        "Access",
        &[
            entry(Section::Grants, "/console/grants", "Grants", Icon::Grant),
            entry(Section::Policies, "/console/policies", "Policies", Icon::Policy),
        ],
    ),
    (
        "Reporting",
        &[
            entry(Section::Decisions, "/console/decisions", "Decisions", Icon::Decision),
            entry(Section::Audit, "/console/audit", "Audit", Icon::Audit),
        ],
    ),
    (
        "Settings",
        &[
            entry(Section::Keys, "/console/keys", "Keys", Icon::Key),
            Entry { needs: Role::Admin, ..entry(Section::ApiTokens, "/console/api-tokens", "API Tokens", Icon::Token) },
            entry(Section::Sessions, "/console/sessions", "Sessions", Icon::System),
            entry(Section::About, "/console/about", "About", Icon::Info),
        ],
    ),
];

/// A page: what stands in the frame.
pub(super) struct Page {
    section: Section,
    title: String,
    /// Name and path of what it is a part of, outermost first.
    crumbs: Vec<(String, String)>,
    lead: Markup,
    actions: Markup,
    tabs: Markup,
    body: Markup,
    /// The title and the whole of a dialog that stands over it.
    dialog: Option<(String, Markup)>,
    pub(super) status: StatusCode,
}

impl Page {
    pub(super) fn new(section: Section, title: impl Into<String>) -> Self {
        let nothing = || html! {};
        Self {
            section,
            title: title.into(),
            crumbs: Vec::new(),
            lead: nothing(),
            actions: nothing(),
            tabs: nothing(),
            body: nothing(),
            dialog: None,
            status: StatusCode::OK,
        }
    }

    /// Names what it is a part of.
    pub(super) fn within(mut self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.crumbs.push((name.into(), path.into()));
        self
    }

    /// A line under the title.
    pub(super) fn lead(mut self, lead: Markup) -> Self {
        self.lead = lead;
        self
    }

    /// What one can do here, beside the title.
    pub(super) fn actions(mut self, actions: Markup) -> Self {
        self.actions = actions;
        self
    }

    pub(super) fn tabs(mut self, tabs: Markup) -> Self {
        self.tabs = tabs;
        self
    }

    pub(super) fn body(mut self, body: Markup) -> Self {
        self.body = body;
        self
    }

    /// A dialog that stands over it.
    pub(super) fn dialog(mut self, title: &str, dialog: Markup) -> Self {
        self.dialog = Some((title.to_owned(), dialog));
        self
    }

    pub(super) fn render(self, view: &View<'_>) -> Markup {
        let name = match &self.dialog {
            Some((title, _)) => format!("{title} · {}", self.title),
            None => self.title.clone(),
        };
        let inside = html! {
            a.skip href="#main" { "Skip to content" }
            header.bar {
                a.brand href="/console" { (mark()) "grantd" }
                button.menu type="button" popovertarget="side" aria-label="Menu" { (Icon::Menu) }
            }
            div.shell {
                aside.side #side popover { (navigation(view, self.section)) }
                main #main tabindex="-1" {
                    (heading(&self))
                    @if let Some(flash) = &view.flash {
                        p.flash role="status" { (Icon::Check) span { (flash.text()) } }
                    }
                    (self.body)
                }
            }
            @if let Some((_, dialog)) = &self.dialog { (dialog) }
        };
        document(view.asked, &name, view.now.ms(), &inside)
    }
}

/// A whole document.
pub(super) fn document(asked: &Asked, title: &str, now_ms: i64, inside: &Markup) -> Markup {
    let theme = asked.cookie(THEME).filter(|theme| theme == "light" || theme == "dark");
    html! {
        (DOCTYPE)
        html lang="en" data-theme=[theme] data-now=(now_ms) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · grantd" }
                link rel="icon" type="image/svg+xml" href=(assets::path("icon.svg"));
                link rel="stylesheet" href=(assets::path("console.css"));
                script type="module" src=(assets::path("console.js")) {}
            }
            body { (inside) }
        }
    }
}

fn heading(page: &Page) -> Markup {
    html! {
        div.head {
            div.titles {
                @if !page.crumbs.is_empty() {
                    nav.crumbs aria-label="Breadcrumb" {
                        @for (name, path) in &page.crumbs {
                            a href=(path) dir="auto" { (name) }
                        }
                    }
                }
                h1 dir="auto" { (page.title) }
                (page.lead)
            }
            div.actions { (page.actions) }
        }
        (page.tabs)
    }
}

fn navigation(view: &View<'_>, here: Section) -> Markup {
    html! {
        a.brand href="/console" { (mark()) "grantd" }
        nav aria-label="Console" {
            @for (group, entries) in NAVIGATION {
                @let entries: Vec<&Entry> = entries.iter().filter(|entry| view.may(entry.needs)).collect();
                @if !entries.is_empty() {
                    @if !group.is_empty() { h2 { (group) } }
                    ul {
                        @for entry in entries {
                            li {
                                a href=(entry.path) aria-current=[(entry.section == here).then_some("page")] {
                                    (entry.icon) (entry.name)
                                }
                            }
                        }
                    }
                }
            }
        }
        (who(view))
    }
}

/// Who is signed in, and how the pages look.
fn who(view: &View<'_>) -> Markup {
    let theme = view.asked.cookie(THEME).unwrap_or_default();
    html! {
        div.who {
            form method="post" action="/console/theme" {
                input type="hidden" name=(FORM_TOKEN) value=(view.form_token);
                input type="hidden" name="next" value=(view.asked.place());
                div.switch role="group" aria-label="Theme" {
                    @for (value, name, icon) in
                        [("", "As the system", Icon::System), ("light", "Light", Icon::Sun), ("dark", "Dark", Icon::Moon)]
                    {
                        button name="theme" value=(value) aria-pressed=(if theme == value { "true" } else { "false" })
                            aria-label=(name) title=(name) { (icon) }
                    }
                }
            }
            p { strong dir="auto" { (view.actor.name) } span { (view.actor.role.as_str()) } }
            form method="post" action="/console/sign-out" {
                input type="hidden" name=(FORM_TOKEN) value=(view.form_token);
                button.plain { (Icon::Leave) "Sign out" }
            }
        }
    }
}
