//! A service account as SCIM shows and takes it.
//!
//! Its custom attributes are those of an extension, and the provisioner's `externalId` is kept among them, so that
//! policies see it too.

use serde_json::{Map, Value, json};

use super::names::{ACCOUNT, CUSTOM, EXTERNAL_ID, in_document, reworded};
use super::{BASE, Outcome, Refused};
use crate::admin;
use crate::app::App;
use crate::error::{Error, Result, Violation};
use crate::http::admin::Write;
use crate::model::Record;
use crate::model::service_account::ServiceAccount;
use crate::patch::{Operation, Patch, PatchError};

/// The members of the document that PATCH works on.
const MEMBERS: [&str; 5] = ["userName", "displayName", "active", EXTERNAL_ID, "attributes"];
/// Those that always have a value.
const REQUIRED: [&str; 3] = ["userName", "displayName", "active"];

/// RFC 7644 3.14.
pub(super) fn version(record: &Record<ServiceAccount>) -> String {
    format!("W/\"{}\"", record.meta.revision)
}

pub(super) fn location(record: &Record<ServiceAccount>, public_url: &str) -> String {
    format!("{public_url}{BASE}/ServiceAccounts/{}", record.id)
}

/// As it is answered.
pub(super) fn to_scim(record: &Record<ServiceAccount>, public_url: &str) -> Map<String, Value> {
    let mut all = to_document(&record.value);
    let custom = all.remove("attributes").filter(|custom| custom.as_object().is_some_and(|custom| !custom.is_empty()));
    let mut shown = Map::new();
    let schemas = if custom.is_some() { json!([ACCOUNT, CUSTOM]) } else { json!([ACCOUNT]) };
    shown.insert("schemas".to_owned(), schemas);
    shown.insert("id".to_owned(), record.id.as_str().into());
    shown.extend(all);
    shown.extend(custom.map(|custom| (CUSTOM.to_owned(), custom)));
    let meta = json!({
        "resourceType": "ServiceAccount",
        "created": record.meta.created.to_string(),
        "lastModified": record.meta.last_modified.to_string(),
        "location": location(record, public_url),
        "version": version(record),
    });
    shown.insert("meta".to_owned(), meta);
    shown
}

/// What can be written of it, with `externalId` in a place of its own.
fn to_document(account: &ServiceAccount) -> Map<String, Value> {
    let mut custom = account.attributes.clone();
    let is_text = custom.get(EXTERNAL_ID).and_then(Value::as_str).is_some_and(|id| !id.is_empty());
    let external_id = if is_text { custom.remove(EXTERNAL_ID) } else { None };
    let mut document = Map::new();
    document.extend(external_id.map(|id| (EXTERNAL_ID.to_owned(), id)));
    document.insert("userName".to_owned(), account.user_name.as_str().into());
    document.insert("displayName".to_owned(), account.display_name.as_str().into());
    document.insert("active".to_owned(), account.active.into());
    document.insert("attributes".to_owned(), custom.into());
    document
}

/// The body that `admin` takes, out of such a document.
fn into_body(mut document: Map<String, Value>) -> Result<Map<String, Value>> {
    // Entra ID writes its booleans as texts: "False".
    if let Some(active) = document.get_mut("active")
        && let Some(flag) = active.as_str().and_then(|text| text.to_ascii_lowercase().parse::<bool>().ok())
    {
        *active = flag.into();
    }
    let Some(id) = document.remove(EXTERNAL_ID).filter(|id| !id.is_null()) else { return Ok(document) };
    if id.as_str().is_none_or(str::is_empty) {
        let message = "must be a text that is not empty";
        return Err(Error::Invalid(vec![Violation::new(format!("/{EXTERNAL_ID}"), id, message)]));
    }
    let custom = document.entry("attributes").or_insert(Value::Null);
    if custom.is_null() {
        *custom = json!({});
    }
    // Where it is no object, `admin` says so.
    if let Some(custom) = custom.as_object_mut() {
        custom.insert(EXTERNAL_ID.to_owned(), id);
    }
    Ok(document)
}

/// The body that `admin` takes, out of one in SCIM's names. Their case does not count (RFC 7643 2.1).
fn from_scim(body: &Map<String, Value>) -> Result<Map<String, Value>> {
    let mut document = Map::new();
    for (name, value) in body {
        let known = in_document(name);
        let ours = MEMBERS.iter().chain(&["id"]).find(|ours| ours.eq_ignore_ascii_case(&known));
        let ignored = ["schemas", "meta"].iter().any(|ignored| ignored.eq_ignore_ascii_case(&known));
        let ours = ours.map_or(known.as_ref(), |ours| ours);
        if !ignored && document.insert(ours.to_owned(), value.clone()).is_some() {
            return Err(Error::Malformed(format!("{ours} stands there twice")));
        }
    }
    into_body(document)
}

pub(super) fn create(app: &App, write: &Write) -> Result<Record<ServiceAccount>> {
    let mut body = from_scim(write.object()?)?;
    // RFC 7644 3.3: what only the server says is ignored.
    body.remove("id");
    Ok(admin::create::<ServiceAccount>(app, &body, &write.origin)?.record)
}

pub(super) fn replace(app: &App, id: &str, write: &Write) -> Result<Record<ServiceAccount>> {
    admin::replace::<ServiceAccount>(app, id, &from_scim(write.object()?)?, write.revision, &write.origin)
}

/// RFC 7644 3.5.2.
pub(super) fn patch(app: &App, id: &str, write: &Write) -> Outcome<Record<ServiceAccount>> {
    let (body, origins) = in_our_words(&write.body);
    let sent = |error| at_home(error, &origins);
    let patch = Patch::parse(&body).map_err(|error| unreadable(sent(error)))?;
    for (index, operation) in patch.operations.iter().enumerate() {
        let Operation::Remove { path } = operation else { continue };
        if REQUIRED.iter().any(|name| name.eq_ignore_ascii_case(path.text().trim_start_matches('/'))) {
            let message = "always has a value: replace it";
            let index = origins.get(index).unwrap_or(&index);
            let violation = Violation::new(format!("/Operations/{index}/path"), path.text().into(), message);
            return Err(Refused { error: Box::new(Error::Invalid(vec![violation])), scim_type: Some("mutability") });
        }
    }
    let mut leads_somewhere = true;
    let changed =
        admin::change::<ServiceAccount>(app, id, write.revision.or(patch.revision), &write.origin, |before| {
            let mut document = to_document(&before.value);
            patch.apply_to_named(&mut document, &MEMBERS).map_err(|error| {
                leads_somewhere = false;
                admin::patch_error(sent(error))
            })?;
            into_body(document)
        });
    changed.map_err(|error| Refused { error: Box::new(error), scim_type: (!leads_somewhere).then_some("noTarget") })
}

fn unreadable(error: PatchError) -> Refused {
    let scim_type = match error.property_path.rsplit('/').next() {
        Some("path") => "invalidPath",
        Some("value") => "invalidValue",
        _ => "invalidSyntax",
    };
    Refused { error: Box::new(admin::patch_error(error)), scim_type: Some(scim_type) }
}

/// A patch in SCIM's names, in those of the document, and for each of its operations the one that was sent. An operation
/// without a path becomes one for each attribute that it names, since those can be qualified by their schema.
fn in_our_words(body: &Value) -> (Value, Vec<usize>) {
    let Value::Object(members) = body else { return (body.clone(), Vec::new()) };
    let mut origins = Vec::new();
    let translated = members.iter().map(|(name, value)| {
        let Some(sent) = value.as_array().filter(|_| name.eq_ignore_ascii_case("Operations")) else {
            return (name.clone(), value.clone());
        };
        let mut operations = Vec::with_capacity(sent.len());
        for (index, operation) in sent.iter().enumerate() {
            operations.extend(one_in_our_words(operation));
            origins.resize(operations.len(), index);
        }
        (name.clone(), Value::Array(operations))
    });
    (Value::Object(translated.collect()), origins)
}

fn one_in_our_words(operation: &Value) -> Vec<Value> {
    let Some(members) = operation.as_object() else { return vec![operation.clone()] };
    let named = |wanted: &str| members.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let is_either = |name: &str| ["path", "value"].iter().any(|either| name.eq_ignore_ascii_case(either));
    let with = |path: String, value: Option<(&String, &Value)>| {
        let others = members.iter().filter(|(name, _)| !is_either(name));
        let mut members: Map<String, Value> = others.map(|(name, value)| (name.clone(), value.clone())).collect();
        members.insert("path".to_owned(), path.into());
        members.extend(value.map(|(name, value)| (name.clone(), value.clone())));
        Value::Object(members)
    };
    match (named("path").map(|(_, path)| path), named("value")) {
        (Some(Value::String(path)), value) => vec![with(reworded(path, in_document), value)],
        (None | Some(Value::Null), Some((word, Value::Object(attributes)))) if !attributes.is_empty() => {
            let is_written = |name: &str| !["schemas", "id", "meta"].iter().any(|ours| ours.eq_ignore_ascii_case(name));
            let written = attributes.iter().filter(|(name, _)| is_written(name));
            written.map(|(name, value)| with(in_document(name).into_owned(), Some((word, value)))).collect()
        }
        _ => vec![operation.clone()],
    }
}

/// An error of a translated operation, told of the one that was sent.
fn at_home(error: PatchError, origins: &[usize]) -> PatchError {
    let told = || {
        let rest = error.property_path.strip_prefix("/Operations/")?;
        let (index, member) = rest.split_once('/').map_or((rest, ""), |(index, member)| (index, member));
        let origin = origins.get(index.parse::<usize>().ok()?)?;
        Some(format!("/Operations/{origin}{}{member}", if member.is_empty() { "" } else { "/" }))
    };
    PatchError { property_path: told().unwrap_or_else(|| error.property_path.clone()), ..error }
}
