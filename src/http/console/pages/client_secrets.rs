//! The secrets of an integration: making another, ending one.

use maud::html;

use super::client::{credentials, read};
use super::clients::{last_used, path_of};
use crate::admin::operations;
use crate::error::{Error, Result};
use crate::http::console::answer::Reply;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::parts::body::Body;
use crate::http::console::parts::field::{self, Field, Kind};
use crate::http::console::parts::{dialog, time};
use crate::http::console::view::{View, reason_of};
use crate::secret::Secret;

pub(crate) fn draw_add(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let client = read(view)?;
    let path = path_of(client.id.as_str());
    let fields = html! {
        p { "The others stay valid: put the new one into use, then end the old one." }
        (field::text(draft, &Field {
            name: "expiresAt", label: "Ends at (UTC)", value: draft.text("expiresAt", ""), kind: Kind::Moment, first: true,
            hint: "Without it, the secret is valid until it is ended.", ..Field::default()
        }))
        (field::reason(draft))
    };
    let form =
        field::form(view, draft, &format!("{path}/secrets/add"), &fields, &dialog::buttons("Make a secret", &path));
    Ok(credentials(view, &client)?.dialog("Add a secret", dialog::dialog("Add a Client Secret", &path, &form)).into())
}

pub(crate) fn add(view: &View<'_>, form: &Form) -> Result<Reply> {
    let id = view.parameter("id");
    let body = Body::of(form).moment("expiresAt").made()?;
    let made = operations::secret_create(view.app, id, &body, &view.origin(reason_of(form)?))?;
    let secret = made["clientSecret"].as_str().unwrap_or_default();
    let key = view.put_aside(Secret::new(secret.to_owned()));
    Ok(Reply::to(format!("{}?shown={key}", path_of(id))).saying("Made a secret"))
}

pub(crate) fn draw_end(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let client = read(view)?;
    let path = path_of(client.id.as_str());
    let id = view.parameter("secret");
    let secret = client.value.credentials.iter().find(|secret| secret.id.as_str() == id);
    let secret = secret.ok_or_else(|| Error::NotFound("this integration has no such secret".to_owned()))?;
    let others = client.value.credentials.iter().filter(|other| other.id != secret.id && other.is_valid_at(view.now));
    let fields = html! {
        p { "The next request that uses the secret ending with " code { (secret.last4) } " is refused." }
        @match secret.last_used_at {
            Some(used) => { p { "It was last used " (time::relative(used, view.now)) "." } }
            None => { p { "It was never used." } }
        }
        @if others.count() == 0 {
            p.problem { "It is the last valid one: " bdi { (client.value.display_name) } " cannot authenticate without it." }
        } @else if last_used(&client.value) == secret.last_used_at && secret.last_used_at.is_some() {
            p.problem { "It is the one in use: no other secret of this integration was used since." }
        }
        (field::reason(draft))
    };
    let action = format!("{path}/secrets/{id}/end");
    let form = field::form(view, draft, &action, &fields, &dialog::dangerous_buttons("End it", &path));
    Ok(credentials(view, &client)?.dialog("End a secret", dialog::dialog("End this secret?", &path, &form)).into())
}

pub(crate) fn end(view: &View<'_>, form: &Form) -> Result<Reply> {
    let id = view.parameter("id");
    operations::secret_delete(view.app, id, view.parameter("secret"), &view.origin(reason_of(form)?))?;
    Ok(Reply::to(path_of(id)).saying("Ended the secret"))
}
