//! What type-aheads suggest, as data.

use crate::admin;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::draft::Draft;
use crate::http::console::parts::list;
use crate::http::console::view::View;
use crate::model::Record;
use crate::model::api::Api;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::service_account::ServiceAccount;

/// Suggestions at a time.
const SUGGESTED: u32 = 8;

/// What a type-ahead of APIs suggests.
pub(crate) fn apis(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let filters = suggested(view, &["appId", "displayName"])?;
    let found = admin::list::<Api>(view.app, &list::newest(SUGGESTED, filters))?;
    let one = |api: &Record<Api>| suggestion(&api.value.app_id, &api.value.display_name, api.value.active);
    Ok(Reply::Data(found.items.iter().map(one).collect()))
}

/// What a type-ahead of integrations suggests.
pub(crate) fn clients(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let filters = suggested(view, &["clientId", "displayName"])?;
    let found = admin::list::<MachineToMachine>(view.app, &list::newest(SUGGESTED, filters))?;
    let one = |client: &Record<MachineToMachine>| {
        suggestion(&client.value.client_id, &client.value.display_name, client.value.active)
    };
    Ok(Reply::Data(found.items.iter().map(one).collect()))
}

/// What a type-ahead of service accounts suggests.
pub(crate) fn accounts(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let filters = suggested(view, &["userName", "displayName"])?;
    let found = admin::list::<ServiceAccount>(view.app, &list::newest(SUGGESTED, filters))?;
    let one = |account: &Record<ServiceAccount>| {
        suggestion(&account.value.user_name, &account.value.display_name, account.value.active)
    };
    Ok(Reply::Data(found.items.iter().map(one).collect()))
}

fn suggested(view: &View<'_>, paths: &[&str]) -> Result<Vec<crate::filter::Filter>> {
    let typed = view.asked.query.value("q").unwrap_or_default().trim();
    if typed.is_empty() { Ok(Vec::new()) } else { Ok(vec![list::contains(paths, typed)?]) }
}

fn suggestion(value: &str, label: &str, active: bool) -> serde_json::Value {
    serde_json::json!({"value": value, "label": label, "note": if active { "" } else { "inactive" }})
}
