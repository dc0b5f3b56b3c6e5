//! Attaching a policy: choose a module, say what it does and where, and fill in its settings. The same fields edit one.

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::policies::{ADD, PATH, path_of};
use crate::admin;
use crate::admin::policies as modules;
use crate::error::{Error, Result, Violation};
use crate::http::console::answer::Reply;
use crate::http::console::asked::Pairs;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::field::{self, Field, Kind};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::list::newest;
use crate::http::console::parts::{dialog, schema_form, text};
use crate::http::console::view::{View, reason_of};
use crate::model::policy::{Level, Policy};
use crate::store::ModuleRow;

/// Modules to choose from on one page.
const MODULES: u32 = 60;

const MODES: &[(&str, &str, &str)] = &[
    ("enforce", "Enforce", "Its answer counts."),
    (
        "shadow",
        "Shadow",
        "It is asked, and its answer is recorded beside the decision, but never applied. See what it would do first.",
    ),
    ("off", "Off", "It is not asked."),
];

pub(crate) fn draw(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let chosen = draft.text("moduleDigest", view.asked.query.value("module").unwrap_or_default());
    let module = if chosen.is_empty() { None } else { modules::module_read(view.app, chosen).ok() };
    let body = match &module {
        None => choose(view)?,
        Some(module) => {
            let values = draft.form().map_or_else(Pairs::default, |form| form.pairs.clone());
            let fields = html! {
                div.chosen {
                    span.quiet { "Module" } strong { (module.name) } code { (module.version) }
                    a href=(ADD) { "Choose another" }
                }
                input type="hidden" name="moduleDigest" value=(module.digest);
                (fields(draft, module, &values, |_| None))
            };
            let form = field::form(view, draft, ADD, &fields, &dialog::buttons("Attach the policy", PATH));
            html! { div.card.middle { (form) } }
        }
    };
    let lead = html! { p { "Choose what it does, where it counts, and its settings. Start in the shadow to see what it would do." } };
    Ok(Page::new(Section::Policies, "Attach a policy").within("Policies", PATH).lead(lead).body(body).into())
}

fn choose(view: &View<'_>) -> Result<Markup> {
    let found = modules::module_list(view.app, &newest(MODULES, Vec::new()))?;
    let upload = html! { a.button.primary href=(format!("{PATH}/modules/add")) { (Icon::Add) "Upload a module" } };
    Ok(html! {
        @if found.items.is_empty() {
            (text::empty(Icon::Policy, "No modules yet", &html! { "A policy is a module with settings. Upload one of those that come with grantd, or your own." }, &upload))
        } @else {
            ul.cards {
                @for module in &found.items {
                    li {
                        a.card.pick href=(format!("{ADD}?module={}", module.digest)) {
                            strong { (module.name) } code.quiet { (module.version) }
                            span { (module.manifest["description"].as_str().unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    })
}

/// The schema of a module's settings.
pub(crate) fn schema_of(module: &ModuleRow) -> Value {
    module.manifest.get("settingsSchema").cloned().unwrap_or_default()
}

/// The fields of a policy, with what stands in them.
pub(crate) fn fields<'t>(
    draft: &Draft<'_>,
    module: &ModuleRow,
    values: &Pairs,
    theirs: impl Fn(&str) -> Option<&'t str>,
) -> Markup {
    let value = |name: &str| values.value(name).unwrap_or_default();
    let or = |name: &str, otherwise: &'static str| values.value(name).unwrap_or(otherwise).to_owned();
    let is_new = draft.form().is_none() && values.0.is_empty();
    html! {
        (field::text(draft, &Field {
            name: "name", label: "Name", value: value("name"), theirs: theirs("name"), required: true, first: true,
            hint: "Unique. It stands in decisions: say what the policy is for.", ..Field::default()
        }))
        (attachment(draft, values))
        (field::choice(draft, "mode", "Mode", &or("mode", "shadow"), MODES))
        fieldset.group {
            legend { "Settings" }
            p.hint { (module.manifest["description"].as_str().unwrap_or_default()) "." }
            (settings_problems(draft))
            (settings(draft, &schema_of(module), values, theirs("settings")))
        }
        (field::text(draft, &Field {
            name: "order", label: "Order", value: &or("order", "0"), theirs: theirs("order"), kind: Kind::Number,
            hint: "Policies at one place are asked from the lowest to the highest; each sees what the one before left.",
            ..Field::default()
        }))
        (field::tick(draft, "active", "Active", is_new || !value("active").is_empty(), "An inactive policy is not asked."))
    }
}

fn settings_problems(draft: &Draft<'_>) -> Markup {
    let found = draft.problems("settings");
    html! { @if !found.is_empty() { p.problem { (Icon::Warning) span { (found.join("; ")) } } } }
}

fn settings(draft: &Draft<'_>, schema: &Value, values: &Pairs, theirs: Option<&str>) -> Markup {
    if schema_form::has_fields(schema) {
        return schema_form::draw(draft, schema, "settings", values);
    }
    let value = values.value("settings").unwrap_or_default();
    field::text(
        draft,
        &Field {
            name: "settings",
            label: "Settings",
            value,
            theirs,
            kind: Kind::Area,
            mono: true,
            hint: "A JSON object: the module does not describe its settings.",
            ..Field::default()
        },
    )
}

/// Where it counts: each place with what names it.
fn attachment(draft: &Draft<'_>, values: &Pairs) -> Markup {
    let places = [
        (Level::Server, "Every token", "", ""),
        (Level::Api, "Tokens for one API", "API ID", "/console/suggest/apis"),
        (Level::Client, "Tokens that one integration asks for", "Client ID", "/console/suggest/integrations"),
        (Level::Account, "Tokens about one service account", "User Name", "/console/suggest/service-accounts"),
    ];
    let chosen = values.value("attachedTo/type").unwrap_or("server");
    let found = draft.problems("attachedTo");
    html! {
        fieldset.choice {
            legend { "Counts for" }
            @for (level, label, named, suggest) in places {
                @let word = level.as_str();
                @let id = field::id_of(&format!("attachedTo/type/{word}"));
                @let name = format!("attachedTo/{word}");
                div.option {
                    input type="radio" id=(id) name="attachedTo/type" value=(word) checked[word == chosen];
                    div {
                        label for=(id) { (label) }
                        @if level != Level::Server {
                            div.inner {
                                (field::text(draft, &Field {
                                    name: &name, label: named, value: values.value(&name).unwrap_or_default(), mono: true, suggest, ..Field::default()
                                }))
                            }
                        }
                    }
                }
            }
            @if !found.is_empty() { p.problem { (Icon::Warning) span { (found.join("; ")) } } }
        }
    }
}

/// The members of a policy that a form says.
pub(crate) fn members_of(form: &Form, schema: &Value) -> Result<Map<String, Value>> {
    let level = form.text("attachedTo/type").unwrap_or_default();
    let mut attached = json!({"type": level});
    if let (Some(id), Some(members)) = (form.text(&format!("attachedTo/{level}")), attached.as_object_mut()) {
        members.insert("id".to_owned(), id.into());
    }
    let mut members = Map::new();
    members.insert("name".to_owned(), form.text("name").map_or(Value::Null, Value::from));
    members.insert("attachedTo".to_owned(), attached);
    members.insert("mode".to_owned(), form.text("mode").map_or(Value::Null, Value::from));
    members.insert("settings".to_owned(), settings_of(form, schema)?);
    let order = form.text("order").map(|text| text.parse::<i64>().map_or_else(|_| text.into(), Value::from));
    members.insert("order".to_owned(), order.unwrap_or_else(|| 0.into()));
    members.insert("active".to_owned(), form.is_ticked("active").into());
    Ok(members)
}

fn settings_of(form: &Form, schema: &Value) -> Result<Value> {
    if schema_form::has_fields(schema) {
        return Ok(schema_form::read(schema, form, "settings").unwrap_or_else(|| json!({})));
    }
    let Some(text) = form.text("settings") else { return Ok(json!({})) };
    let refused = |error: Error| {
        Error::Invalid(vec![Violation::new("/settings", Value::Null, format!("this is not JSON: {error}"))])
    };
    crate::http::json::parse(text.as_bytes()).map_err(refused)
}

/// Turns the place of an attachment into that of the field that names it.
pub(crate) fn placed(error: Error, form: &Form) -> Error {
    let Error::Invalid(violations) = error else { return error };
    let level = form.text("attachedTo/type").unwrap_or_default();
    let moved = |mut violation: Violation| {
        if violation.property_path == "/attachedTo/id" {
            violation.property_path = format!("/attachedTo/{level}");
        }
        violation
    };
    Error::Invalid(violations.into_iter().map(moved).collect())
}

pub(crate) fn add(view: &View<'_>, form: &Form) -> Result<Reply> {
    let module = modules::module_read(view.app, form.text("moduleDigest").unwrap_or_default())?;
    let mut body = members_of(form, &schema_of(&module))?;
    body.insert("moduleDigest".to_owned(), module.digest.as_str().into());
    body.retain(|_, value| !value.is_null());
    let made = admin::create::<Policy>(view.app, &body, &view.origin(reason_of(form)?));
    let made = made.map_err(|error| placed(error, form))?.record;
    Ok(Reply::to(path_of(made.id.as_str())).saying(format!("Attached the policy {}", made.value.name)))
}
