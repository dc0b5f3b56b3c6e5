//! One policy: what it is told, where it counts, and what it said.

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::policies::{PATH, Places, mode_badge, path_of};
use super::policy_add::{fields, members_of, placed, schema_of};
use super::{decisions, modules as module_pages};
use crate::admin;
use crate::admin::policies as modules;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::asked::Pairs;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::editing::Editing;
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::text::{Tone, badge};
use crate::http::console::parts::{dialog, field, history, list, schema_form, text, time};
use crate::http::console::view::{View, reason_of};
use crate::model::Record;
use crate::model::api::Api;
use crate::model::api_token::Role;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::policy::{Attachment, Level, Mode, Policy};
use crate::model::service_account::ServiceAccount;
use crate::store::ModuleRow;

const TABS: &[(&str, &str)] = &[
    ("", "Settings"),
    ("/playground", "Playground"),
    ("/decisions", "Decisions"),
    ("/history", "History"),
    ("/json", "JSON"),
];

pub(crate) fn read(view: &View<'_>) -> Result<Record<Policy>> {
    admin::read::<Policy>(view.app, view.parameter("id"))
}

pub(crate) fn frame(view: &View<'_>, policy: &Record<Policy>, tab: &str) -> Page {
    let path = path_of(policy.id.as_str());
    let lead = html! {
        p.meta {
            (mode_badge(&policy.value))
            a.quiet href=(module_pages::path_of(&policy.value.module_digest)) { code { (policy.value.module_name) "@" (policy.value.module_version) } }
        }
    };
    let actions = html! {
        @if view.may(Role::Editor) {
            a.button href=(format!("{path}/edit")) { "Edit" }
            a.button href=(format!("{path}/delete")) { (Icon::Trash) "Delete" }
        }
    };
    // What runs code is for those who may change things.
    let tabs: Vec<(&str, &str)> =
        TABS.iter().copied().filter(|(end, _)| view.may(Role::Editor) || *end != "/playground").collect();
    Page::new(Section::Policies, policy.value.name.as_str())
        .within("Policies", PATH)
        .lead(lead)
        .actions(actions)
        .tabs(text::tabs("Policy", &path, &tabs, tab))
}

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    Ok(settings(view, &read(view)?)?.into())
}

fn settings(view: &View<'_>, policy: &Record<Policy>) -> Result<Page> {
    let value = &policy.value;
    let places = Places::of(view, std::slice::from_ref(policy))?;
    let module = modules::module_read(view.app, &value.module_digest)?;
    let broken = modules::module_failure(view.app, &value.module_digest);
    let pretty = serde_json::to_string_pretty(&value.settings).unwrap_or_default();
    let body = html! {
        div.stack {
            @if let Some(failure) = broken {
                p.notice.bad role="alert" { (Icon::Warning) span { "Its module cannot be used, and so what it is attached to denies every token: " (failure) } }
            }
            @if value.active && value.mode == Mode::Shadow {
                p.notice { (Icon::Info) span { "It is in the shadow: asked and recorded, never applied. " a href=(format!("{}/decisions", path_of(policy.id.as_str()))) { "See what it would have done." } } }
            }
            div.card {
                (text::facts(&[
                    ("Counts for", places.link(&value.attached_to)),
                    ("Order", html! { (value.order) }),
                    ("Does", html! { (module.manifest["description"].as_str().unwrap_or_default()) }),
                    ("Looks at", inputs(&module)),
                    ("Changed", html! { (time::relative(policy.meta.last_modified, view.now)) span.quiet { ", revision " (policy.meta.revision) } }),
                ]))
            }
            section aria-labelledby="settings" {
                div.section-head { h2 #settings { "Settings" } }
                (history::code_block("the settings", &pretty))
            }
        }
    };
    Ok(frame(view, policy, "").body(body))
}

/// The changing inputs that a module looks at: for everything else its answers are reused.
pub(crate) fn inputs(module: &ModuleRow) -> Markup {
    let inputs = module.manifest.get("inputs").and_then(Value::as_array).cloned().unwrap_or_default();
    let name = |input: &Value| match input {
        Value::String(name) => name.clone(),
        Value::Object(members) => {
            let pair =
                members.iter().next().map(|(name, value)| format!("{name} ({})", value.as_str().unwrap_or_default()));
            pair.unwrap_or_default()
        }
        other => other.to_string(),
    };
    html! {
        @if inputs.is_empty() { span.quiet { "Nothing that changes from request to request: its answers are reused" } }
        @for input in &inputs { (badge(Tone::Plain, &name(input))) " " }
    }
}

/// How a form holds a policy.
fn values(view: &View<'_>, members: &Map<String, Value>, schema: &Value) -> Pairs {
    let text = |name: &str| (name.to_owned(), members[name].as_str().unwrap_or_default().to_owned());
    let mut pairs = vec![text("name"), text("mode"), ("order".to_owned(), members["order"].to_string())];
    if members["active"] == true {
        pairs.push(("active".to_owned(), "true".to_owned()));
    }
    let place = &members["attachedTo"];
    let (level, id) = (place["type"].as_str().unwrap_or_default(), place["id"].as_str());
    pairs.push(("attachedTo/type".to_owned(), level.to_owned()));
    if let (Some(id), Some(parsed)) = (id, Level::parse(level)) {
        let named = named(view, &Attachment { level: parsed, id: Some(id.to_owned()) });
        pairs.push((format!("attachedTo/{level}"), named.unwrap_or_else(|| id.to_owned())));
    }
    let settings = &members["settings"];
    if schema_form::has_fields(schema) {
        pairs.extend(schema_form::values(schema, settings, "settings").0);
    } else {
        pairs.push(("settings".to_owned(), serde_json::to_string_pretty(settings).unwrap_or_default()));
    }
    Pairs(pairs)
}

/// The name by which people refer to what a policy is attached to.
fn named(view: &View<'_>, place: &Attachment) -> Option<String> {
    let id = place.id.as_deref()?;
    match place.level {
        Level::Server => None,
        Level::Api => Some(admin::read::<Api>(view.app, id).ok()?.value.app_id),
        Level::Client => Some(admin::read::<MachineToMachine>(view.app, id).ok()?.value.client_id),
        Level::Account => Some(admin::read::<ServiceAccount>(view.app, id).ok()?.value.user_name),
    }
}

pub(crate) fn draw_edit(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let policy = read(view)?;
    let module = modules::module_read(view.app, &policy.value.module_digest)?;
    let schema = schema_of(&module);
    let path = path_of(policy.id.as_str());
    let editing = Editing::of(view, draft, &policy, |members| values(view, members, &schema))?;
    let fields = html! {
        (editing.notice(view))
        (editing.revision_field())
        (fields(draft, &module, editing.values(), |name| editing.theirs(name)))
        (field::reason(draft))
    };
    let form = field::form(view, draft, &format!("{path}/edit"), &fields, &dialog::buttons("Save", &path));
    Ok(Page::new(Section::Policies, format!("Edit {}", policy.value.name))
        .within("Policies", PATH)
        .within(policy.value.name.as_str(), path.as_str())
        .body(html! { div.card.middle { (form) } })
        .into())
}

pub(crate) fn edit(view: &View<'_>, form: &Form) -> Result<Reply> {
    let policy = read(view)?;
    let module = modules::module_read(view.app, &policy.value.module_digest)?;
    let members = members_of(form, &schema_of(&module))?;
    let operation = |(name, value): (String, Value)| json!({"op": "replace", "path": name, "value": value});
    let body = json!({"Operations": members.into_iter().map(operation).collect::<Vec<_>>()});
    let origin = view.origin(reason_of(form)?);
    let policy = admin::patch::<Policy>(view.app, policy.id.as_str(), &body, form.revision(), &origin);
    let policy = policy.map_err(|error| placed(error, form))?;
    Ok(Reply::to(path_of(policy.id.as_str())).saying(format!("Saved {}", policy.value.name)))
}

pub(crate) fn draw_delete(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let policy = read(view)?;
    let path = path_of(policy.id.as_str());
    let counts = policy.value.active && policy.value.mode == Mode::Enforce;
    let fields = html! {
        @if counts { p.problem { (Icon::Warning) span { "It is enforced: what it takes away today is granted again from then on." } } }
        @else { p { "It is not enforced: no token changes by this." } }
        p { "Decisions that it had a part in stay, and can be replayed." }
        (field::reason(draft))
    };
    let buttons = dialog::dangerous_buttons("Delete", &path);
    let form = field::form(view, draft, &format!("{path}/delete"), &fields, &buttons);
    Ok(settings(view, &policy)?.dialog("Delete", dialog::dialog("Delete this policy?", &path, &form)).into())
}

pub(crate) fn delete(view: &View<'_>, form: &Form) -> Result<Reply> {
    let policy = read(view)?;
    let origin = view.origin(reason_of(form)?);
    admin::delete::<Policy>(view.app, policy.id.as_str(), false, None, &origin)?;
    Ok(Reply::to(PATH).saying(format!("Deleted the policy {}", policy.value.name)))
}

pub(crate) fn draw_decisions(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let policy = read(view)?;
    let had_a_part = list::compare("steps.policyId", crate::filter::Op::Eq, policy.id.as_str())?;
    let body = decisions::tab(view, vec![had_a_part], "It was not asked yet.")?;
    Ok(frame(view, &policy, "/decisions").body(body).into())
}

pub(crate) fn draw_history(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let policy = read(view)?;
    let body = history::tab(view, policy.id.as_str())?;
    Ok(frame(view, &policy, "/history").body(body).into())
}

pub(crate) fn draw_json(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let policy = read(view)?;
    let body = history::json_tab(view, &policy);
    Ok(frame(view, &policy, "/json").body(body).into())
}
