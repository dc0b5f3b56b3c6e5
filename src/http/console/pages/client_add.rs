//! Machine to Machine → Add Integration.

use maud::html;

use super::clients::{ADD, PATH, path_of};
use crate::admin;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::body::Body;
use crate::http::console::parts::dialog;
use crate::http::console::parts::field::{self, Field};
use crate::http::console::view::{View, reason_of};
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::service_account::ServiceAccount;
use crate::secret::Secret;

pub(crate) fn draw(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    // From an account's page one comes with the account.
    let account = view.asked.query.value("account");
    let account = account.and_then(|id| admin::read::<ServiceAccount>(view.app, id).ok());
    let account = account.map(|account| account.value.user_name).unwrap_or_default();
    let fields = html! {
        (field::text(draft, &Field {
            name: "displayName", label: "Service Name", value: draft.text("displayName", ""), required: true, first: true,
            hint: "What runs there, like periodicService.", ..Field::default()
        }))
        (field::text(draft, &Field {
            name: "serviceAccountId", label: "Service Account", value: draft.text("serviceAccountId", &account), required: true,
            mono: true, suggest: "/console/suggest/service-accounts",
            hint: "Its user name: who the tokens of this integration are about.", ..Field::default()
        }))
        p.hint { "The next page shows the Client ID and the Client Secret. The secret is shown this once." }
    };
    let form = field::form(view, draft, ADD, &fields, &dialog::buttons("Add integration", PATH));
    Ok(Page::new(Section::Clients, "Add a machine-to-machine integration")
        .within("Marketplace", "/console/marketplace")
        .within("Machine to Machine", PATH)
        .lead(html! { p { "Let a machine, like a micro service, access other services." } })
        .body(html! { div.card.narrow { (form) } })
        .into())
}

pub(crate) fn add(view: &View<'_>, form: &Form) -> Result<Reply> {
    let body = Body::of(form).text("displayName").text("serviceAccountId").made()?;
    let mut made = admin::create::<MachineToMachine>(view.app, &body, &view.origin(reason_of(form)?))?;
    let secret =
        made.once.remove("clientSecret").and_then(|secret| secret.as_str().map(|text| Secret::new(text.to_owned())));
    let path = path_of(made.record.id.as_str());
    let place = secret.map_or_else(|| path.clone(), |secret| format!("{path}?shown={}", view.put_aside(secret)));
    Ok(Reply::to(place).saying(format!("Added the integration {}", made.record.value.display_name)))
}
