//! One machine-to-machine integration: its Client ID, its secrets, how to use them.

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::clients::{PATH, last_used, path_of};
use super::{accounts, decisions};
use crate::admin;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::asked::Pairs;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::editing::Editing;
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::body::Body;
use crate::http::console::parts::dialog;
use crate::http::console::parts::field::{self, Field};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::snippet::TokenCall;
use crate::http::console::parts::text::{Tone, badge};
use crate::http::console::parts::{access, history, list, text, time};
use crate::http::console::view::{Shown, View, reason_of};
use crate::model::Record;
use crate::model::api::Api;
use crate::model::api_token::Role;
use crate::model::credential::Credential;
use crate::model::grant::Grant;
use crate::model::machine_to_machine::{AuthMethod, MachineToMachine};
use crate::model::service_account::ServiceAccount;
use crate::secret::Secret;

const TABS: &[(&str, &str)] = &[
    ("", "Credentials"),
    ("/use", "How to use"),
    ("/decisions", "Decisions"),
    ("/history", "History"),
    ("/json", "JSON"),
];
/// What stands for a secret that is not to be seen any more.
const UNSEEN_SECRET: &str = "YOUR_CLIENT_SECRET";
/// Grants that are looked at to fill in a scope.
const GRANTS_MAX: u32 = 20;

pub(crate) fn read(view: &View<'_>) -> Result<Record<MachineToMachine>> {
    admin::read::<MachineToMachine>(view.app, view.parameter("id"))
}

fn frame(view: &View<'_>, client: &Record<MachineToMachine>, tab: &str) -> Page {
    let path = path_of(client.id.as_str());
    let lead = html! { p.meta { (text::status(client.value.active)) span.quiet { "Machine-to-machine integration" } } };
    let actions = html! {
        @if view.may(Role::Editor) {
            a.button href=(format!("{path}/edit")) { "Edit" }
            details.menu-button {
                summary.button { "Actions" (Icon::Down) }
                div.menu-list {
                    a href=(format!("{path}/secrets/add")) { (Icon::Key) "Add a secret" }
                    a.dangerous href=(format!("{path}/delete")) { (Icon::Trash) "Delete" }
                }
            }
        }
    };
    Page::new(Section::Clients, client.value.display_name.as_str())
        .within("Marketplace", "/console/marketplace")
        .within("Machine to Machine", PATH)
        .lead(lead)
        .actions(actions)
        .tabs(text::tabs("Integration", &path, TABS, tab))
}

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    Ok(credentials(view, &read(view)?)?.into())
}

/// The page that dialogs stand over.
pub(crate) fn credentials(view: &View<'_>, client: &Record<MachineToMachine>) -> Result<Page> {
    let account = admin::read::<ServiceAccount>(view.app, &client.value.service_account_id)?;
    let methods: Vec<&str> = client.value.allowed_auth_methods.iter().map(|method| method.as_str()).collect();
    let body = html! {
        div.stack {
            @match view.shown_secret() {
                Shown::Secret(secret) => (shown(view, client, &secret)?),
                Shown::Before => p.notice.care { (Icon::Warning) span { "The secret was shown once, and is not stored in clear. If nobody has it, add another and end this one." } },
                Shown::Nothing => {}
            }
            div.card {
                (text::facts(&[
                    ("Client ID", text::copyable("the Client ID", &client.value.client_id)),
                    ("Service Account", html! {
                        a href=(accounts::path_of(account.id.as_str())) dir="auto" { (account.value.display_name) }
                        @if !account.value.active { " " (badge(Tone::Care, "Inactive")) }
                    }),
                    ("Authenticates by", html! { (methods.join(", ")) }),
                    ("Last used", time::relative_or(last_used(&client.value), view.now, "Never")),
                    ("Created", time::relative(client.meta.created, view.now)),
                ]))
            }
            section aria-labelledby="secrets" {
                div.section-head {
                    h2 #secrets { "Client Secrets" }
                    @if view.may(Role::Editor) {
                        a.button href=(format!("{}/secrets/add", path_of(client.id.as_str()))) { (Icon::Add) "Add a secret" }
                    }
                }
                (secret_table(view, client))
            }
        }
    };
    Ok(frame(view, client, "").body(body))
}

/// What is shown this once, and how to use it at once.
fn shown(view: &View<'_>, client: &Record<MachineToMachine>, secret: &Secret) -> Result<Markup> {
    Ok(html! {
        section.card.shown aria-labelledby="shown" {
            h2 #shown { "Copy the Client Secret now" }
            p { "It is shown this once: grantd keeps only what it needs to recognise it." }
            (text::facts(&[
                ("Client ID", text::copyable("the Client ID", &client.value.client_id)),
                ("Client Secret", text::copyable("the Client Secret", secret.expose())),
            ]))
            h3 { "Get a token" }
            (snippets(view, &client.value, secret.expose())?)
        }
    })
}

/// The programs, filled in with what is granted to the client's account.
fn snippets(view: &View<'_>, client: &MachineToMachine, secret: &str) -> Result<Markup> {
    let own = list::equals("serviceAccountId", client.service_account_id.as_str())?;
    let grants = admin::list::<Grant>(view.app, &list::newest(GRANTS_MAX, vec![own]))?.items;
    let apis = access::by_id::<Api>(view, grants.iter().map(|grant| grant.value.api_id.clone()))?;
    let first = grants.iter().find(|grant| grant.value.is_valid_at(view.now));
    let scope = first.map_or_else(|| "write".to_owned(), |grant| grant.value.scopes.join(" "));
    let api = first.and_then(|grant| apis.get(&grant.value.api_id)).filter(|_| apis.len() > 1);
    let call = TokenCall {
        endpoint: &format!("{}token", view.app.issuer()),
        client_id: &client.client_id,
        client_secret: secret,
        scope: &scope,
        resource: api.map(|api| api.value.aud()),
    };
    let account = &client.service_account_id;
    Ok(html! {
        @if first.is_none() {
            p.notice { (Icon::Info) span {
                "Nothing is granted to its service account yet, so this is answered with "
                code { "invalid_scope" } ". "
                @if view.may(Role::Editor) { a href=(format!("/console/grants/add?account={account}")) { "Grant access" } " first." }
            } }
        }
        (call.render())
    })
}

fn secret_table(view: &View<'_>, client: &Record<MachineToMachine>) -> Markup {
    let path = path_of(client.id.as_str());
    html! {
        @if client.value.credentials.is_empty() {
            p.notice.care { (Icon::Warning) span { "It has no secret, and so cannot authenticate." } }
        } @else {
            div.table {
                table {
                    caption.sr { "Client secrets" }
                    thead {
                        tr {
                            th scope="col" { "Ends with" } th scope="col" { "Status" } th.less scope="col" { "Made" }
                            th.less scope="col" { "Last used" } th scope="col" { span.sr { "Actions" } }
                        }
                    }
                    tbody {
                        @for secret in &client.value.credentials {
                            tr {
                                td { code { "…" (secret.last4) } @if is_imported(secret) { " " (badge(Tone::Plain, "imported")) } }
                                td { (secret_status(secret, view.now)) }
                                td.less { (time::relative(secret.created_at, view.now)) }
                                td.less { (time::relative_or(secret.last_used_at, view.now, "Never")) }
                                td.number {
                                    @if view.may(Role::Editor) {
                                        a href=(format!("{path}/secrets/{}/end", secret.id)) aria-label=(format!("End the secret …{}", secret.last4)) { "End" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn is_imported(secret: &Credential) -> bool {
    secret.to_json()["imported"] == true
}

fn secret_status(secret: &Credential, now: Timestamp) -> Markup {
    match (secret.not_before, secret.expires_at) {
        (_, Some(end)) if end <= now => html! { (badge(Tone::Bad, "Ended")) " " (time::relative(end, now)) },
        (Some(start), _) if start > now => html! { (badge(Tone::Care, "Not yet")) " " (time::relative(start, now)) },
        (_, Some(end)) if time::is_soon(end, now) => {
            html! { (badge(Tone::Care, "Ends soon")) " " (time::relative(end, now)) }
        }
        (_, Some(end)) => html! { (badge(Tone::Good, "Valid")) " ends " (time::relative(end, now)) },
        _ => badge(Tone::Good, "Valid"),
    }
}

pub(crate) fn draw_use(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let client = read(view)?;
    let body = html! {
        div.stack {
            p { "Where these say " code { (UNSEEN_SECRET) } ", put the Client Secret: it was shown once, when it was made." }
            (snippets(view, &client.value, UNSEEN_SECRET)?)
        }
    };
    Ok(frame(view, &client, "/use").body(body).into())
}

pub(crate) fn draw_decisions(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let client = read(view)?;
    let own = list::equals("clientId", client.value.client_id.as_str())?;
    let body = decisions::tab(view, vec![own], "It did not ask for a token yet.")?;
    Ok(frame(view, &client, "/decisions").body(body).into())
}

pub(crate) fn draw_history(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let client = read(view)?;
    let body = history::tab(view, client.id.as_str())?;
    Ok(frame(view, &client, "/history").body(body).into())
}

pub(crate) fn draw_json(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let client = read(view)?;
    let body = history::json_tab(view, &client);
    Ok(frame(view, &client, "/json").body(body).into())
}

fn values(members: &Map<String, Value>) -> Pairs {
    let mut pairs = vec![("displayName".to_owned(), members["displayName"].as_str().unwrap_or_default().to_owned())];
    if members["active"] == true {
        pairs.push(("active".to_owned(), "true".to_owned()));
    }
    let methods = members["allowedAuthMethods"].as_array().cloned().unwrap_or_default();
    let methods = methods.iter().filter_map(Value::as_str);
    pairs.extend(methods.map(|method| (format!("allowedAuthMethods/{method}"), "true".to_owned())));
    Pairs(pairs)
}

pub(crate) fn draw_edit(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let client = read(view)?;
    let path = path_of(client.id.as_str());
    let editing = Editing::of(view, draft, &client, values)?;
    let fields = html! {
        (editing.notice(view))
        (editing.revision_field())
        (field::text(draft, &Field {
            name: "displayName", label: "Service Name", value: editing.text("displayName"),
            theirs: editing.theirs("displayName"), required: true, first: true, ..Field::default()
        }))
        (field::tick(draft, "active", "Active", editing.is_ticked("active"), "An inactive integration gets no token."))
        fieldset.choice {
            legend { "May authenticate by" }
            @for (method, hint) in METHODS {
                @let name = format!("allowedAuthMethods/{}", method.as_str());
                (field::tick(draft, &name, method.as_str(), editing.is_ticked(&name), hint))
            }
        }
        (field::reason(draft))
    };
    let form = field::form(view, draft, &format!("{path}/edit"), &fields, &dialog::buttons("Save", &path));
    Ok(credentials(view, &client)?.dialog("Edit", dialog::dialog("Edit integration", &path, &form)).into())
}

const METHODS: [(AuthMethod, &str); 2] = [
    (AuthMethod::ClientSecretBasic, "The secret in the Authorization header, as RFC 6749 prefers it."),
    (AuthMethod::ClientSecretPost, "The secret as a parameter, as the how-to's curl sends it."),
];

pub(crate) fn edit(view: &View<'_>, form: &Form) -> Result<Reply> {
    let id = view.parameter("id");
    let ticked = |method: &&(AuthMethod, &str)| form.is_ticked(&format!("allowedAuthMethods/{}", method.0.as_str()));
    let methods: Vec<&str> = METHODS.iter().filter(ticked).map(|(method, _)| method.as_str()).collect();
    let body = Body::of(form).text("displayName").flag("active").with("allowedAuthMethods", json!(methods)).patch()?;
    let origin = view.origin(reason_of(form)?);
    let client = admin::patch::<MachineToMachine>(view.app, id, &body, form.revision(), &origin)?;
    Ok(Reply::to(path_of(id)).saying(format!("Saved {}", client.value.display_name)))
}

pub(crate) fn draw_delete(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let client = read(view)?;
    let path = path_of(client.id.as_str());
    let secrets = i64::try_from(client.value.credentials.len()).unwrap_or(i64::MAX);
    let fields = html! {
        p { "Whoever uses the Client ID of " strong dir="auto" { (client.value.display_name) } " gets no token from then on." }
        @if let Some(used) = last_used(&client.value) { p { "It was last used " (time::relative(used, view.now)) "." } }
        @if secrets > 0 { p { "With it goes " (text::counted(secrets, "secret", "secrets")) "." } }
        (field::reason(draft))
    };
    let buttons = dialog::dangerous_buttons("Delete", &path);
    let form = field::form(view, draft, &format!("{path}/delete"), &fields, &buttons);
    Ok(credentials(view, &client)?.dialog("Delete", dialog::dialog("Delete this integration?", &path, &form)).into())
}

pub(crate) fn delete(view: &View<'_>, form: &Form) -> Result<Reply> {
    let client = read(view)?;
    let origin = view.origin(reason_of(form)?);
    admin::delete::<MachineToMachine>(view.app, client.id.as_str(), true, None, &origin)?;
    Ok(Reply::to(PATH).saying(format!("Deleted {}", client.value.display_name)))
}
