//! Policies → Modules: the WebAssembly that policies are made of.

use maud::{Markup, html};
use serde_json::Value;

use super::policies::{self, ADD};
use super::policy;
use crate::admin;
use crate::admin::policies as modules;
use crate::error::{Error, Result, Violation};
use crate::http::console::answer::Reply;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::{dialog, field, history, list, text, time};
use crate::http::console::view::{View, reason_of};
use crate::model::api_token::Role;
use crate::model::policy::Policy;
use crate::policy::trust::read_signature;
use crate::store::ModuleRow;

const PATH: &str = "/console/policies/modules";
const UPLOAD: &str = "/console/policies/modules/add";
/// Policies of a module that its page shows.
const SHOWN_MAX: u32 = 100;

pub(crate) fn path_of(digest: &str) -> String {
    format!("{PATH}/{digest}")
}

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    Ok(page(view)?.into())
}

fn page(view: &View<'_>) -> Result<Page> {
    let looked = list::looked(view, &["created"], "-created");
    let found = modules::module_list(view.app, &looked.query(Vec::new()))?;
    let body = html! {
        @if found.total.count == 0 { (nothing_yet(view)) }
        @else {
            (table(view, &found.items))
            (list::pager(view, looked.page, &found))
        }
    };
    Ok(policies::frame(view, "/modules").body(body))
}

fn nothing_yet(view: &View<'_>) -> Markup {
    let explained = html! {
        "grantd comes with six: business-hours, claims-from-attributes, ip-allowlist, max-ttl, scope-allowlist and separation-of-duties. \
         Each is a file " code { "policy.wasm" } " in its folder under " code { "policies/" } "."
    };
    let action =
        html! { @if view.may(Role::Editor) { a.button.primary href=(UPLOAD) { (Icon::Add) "Upload a module" } } };
    text::empty(Icon::Policy, "No modules yet", &explained, &action)
}

fn table(view: &View<'_>, modules: &[ModuleRow]) -> Markup {
    html! {
        div.table {
            table {
                caption.sr { "Policy modules" }
                thead {
                    tr {
                        th scope="col" { "Module" } th.less scope="col" { "Looks at" } th.less.number scope="col" { "Size" }
                        th.number scope="col" { "Policies" } th.less scope="col" { "Uploaded" }
                    }
                }
                tbody {
                    @for module in modules {
                        tr {
                            td {
                                a.name href=(path_of(&module.digest)) { (module.name) } " " code.quiet { (module.version) }
                                small { (module.manifest["description"].as_str().unwrap_or_default()) }
                            }
                            td.less { (policy::inputs(module)) }
                            td.less.number { (kibibytes(module.size)) }
                            td.number { (module.policies) }
                            td.less { (time::relative(module.created_at, view.now)) }
                        }
                    }
                }
            }
        }
    }
}

fn kibibytes(bytes: i64) -> String {
    format!("{} KiB", text::thousands((bytes + 1023) / 1024))
}

pub(crate) fn draw_upload(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let found = draft.problems("module");
    let limit = view.app.config().policies.module_kib;
    let fields = html! {
        div.field {
            label for="f-module" { "Module" }
            input id="f-module" type="file" name="module" accept=".wasm,application/wasm" required autofocus
                aria-describedby=(if found.is_empty() { "f-module-hint" } else { "f-module-problem f-module-hint" });
            @if !found.is_empty() { p.problem id="f-module-problem" { (Icon::Warning) span { (found.join("; ")) } } }
            p.hint id="f-module-hint" { "A WebAssembly component of the world grantd:policy, at most " (limit) " KiB. It is looked over and compiled before it is kept." }
        }
        (signature_field(view, draft))
        (field::reason(draft))
    };
    let form = field::upload_form(view, draft, UPLOAD, &fields, &dialog::buttons("Upload", PATH));
    Ok(page(view)?.dialog("Upload a module", dialog::dialog("Upload a module", PATH, &form)).into())
}

/// The signature comes beside the module.
fn signature_field(view: &View<'_>, draft: &Draft<'_>) -> Markup {
    let needed = view.app.policies().are_signed();
    let found = draft.problems("signature");
    html! {
        div.field {
            label for="f-signature" { "Signature" @if !needed { span.quiet { " optional" } } }
            input id="f-signature" type="file" name="signature" accept=".sig"
                aria-describedby=(if found.is_empty() { "f-signature-hint" } else { "f-signature-problem f-signature-hint" });
            @if !found.is_empty() { p.problem id="f-signature-problem" { (Icon::Warning) span { (found.join("; ")) } } }
            p.hint id="f-signature-hint" { @if needed { "This server runs signed modules alone. " } code { "grantd policy sign" } " writes the signature beside the module: its name with " code { ".sig" } " at the end." }
        }
    }
}

pub(crate) fn upload(view: &View<'_>, form: &Form) -> Result<Reply> {
    let missing = || Error::Invalid(vec![Violation::new("/module", Value::Null, "choose the file of the module")]);
    let bytes = form.file("module").ok_or_else(missing)?;
    let signature = form.file("signature").map(read_signature).transpose();
    let signature = signature.map_err(|what| Error::Invalid(vec![Violation::new("/signature", Value::Null, what)]))?;
    let uploaded = modules::module_upload(view.app, bytes, signature.as_deref(), &view.origin(reason_of(form)?));
    let uploaded = uploaded.map_err(|error| match error {
        Error::Invalid(violations) => {
            let told: Vec<String> = violations.iter().map(|violation| violation.message.clone()).collect();
            Error::Invalid(vec![Violation::new("/module", Value::Null, told.join("; "))])
        }
        other => other,
    })?;
    let text = |name: &str| uploaded.shown.get(name).and_then(Value::as_str).unwrap_or_default();
    let did = if uploaded.is_new { "Uploaded" } else { "It was here already:" };
    Ok(Reply::to(path_of(text("digest"))).saying(format!("{did} {} {}", text("name"), text("version"))))
}

fn read(view: &View<'_>) -> Result<ModuleRow> {
    modules::module_read(view.app, view.parameter("digest"))
}

pub(crate) fn draw_one(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    Ok(module_page(view, &read(view)?)?.into())
}

fn module_page(view: &View<'_>, module: &ModuleRow) -> Result<Page> {
    let uses = list::equals("moduleDigest", module.digest.as_str())?;
    let used = admin::list::<Policy>(view.app, &list::first(SHOWN_MAX, vec![uses]))?;
    let schema = serde_json::to_string_pretty(&module.manifest["settingsSchema"]).unwrap_or_default();
    let body = html! {
        div.stack {
            div.card {
                (text::facts(&[
                    ("Does", html! { (module.manifest["description"].as_str().unwrap_or_default()) }),
                    ("Looks at", policy::inputs(module)),
                    ("Size", html! { (kibibytes(module.size)) }),
                    ("SHA-256", text::copyable("the digest", &module.digest)),
                    ("Uploaded", time::relative(module.created_at, view.now)),
                ]))
            }
            section aria-labelledby="uses" {
                div.section-head {
                    h2 #uses { "Policies of this module" }
                    @if view.may(Role::Editor) { a.button href=(format!("{ADD}?module={}", module.digest)) { (Icon::Add) "Attach it" } }
                }
                @if used.items.is_empty() { p.quiet { "It is attached nowhere yet." } } @else { (policies::table(view, &used.items)?) }
            }
            section aria-labelledby="schema" {
                div.section-head { h2 #schema { "What its settings look like" } }
                (history::code_block("the schema", &schema))
            }
        }
    };
    let actions = html! {
        @if view.may(Role::Editor) && used.total.count == 0 {
            a.button href=(format!("{}/delete", path_of(&module.digest))) { (Icon::Trash) "Delete" }
        }
    };
    Ok(Page::new(Section::Policies, format!("{} {}", module.name, module.version))
        .within("Policies", policies::PATH)
        .within("Modules", PATH)
        .actions(actions)
        .body(body))
}

pub(crate) fn draw_delete(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let module = read(view)?;
    let path = path_of(&module.digest);
    let fields = html! {
        p { "Decisions that " strong { (module.name) " " (module.version) } " had a part in cannot be replayed then, unless it is uploaded again." }
        (field::reason(draft))
    };
    let buttons = dialog::dangerous_buttons("Delete", &path);
    let form = field::form(view, draft, &format!("{path}/delete"), &fields, &buttons);
    Ok(module_page(view, &module)?.dialog("Delete", dialog::dialog("Delete this module?", &path, &form)).into())
}

pub(crate) fn delete(view: &View<'_>, form: &Form) -> Result<Reply> {
    let module = read(view)?;
    modules::module_delete(view.app, &module.digest, &view.origin(reason_of(form)?))?;
    Ok(Reply::to(PATH).saying(format!("Deleted the module {} {}", module.name, module.version)))
}
