//! Declared access: the document, and the operations that take it and give it.
//!
//! Its members are those of the admin API's bodies, and so come from the same parsers, under the names that documents
//! have for them.

use serde_json::{Map, Value, json};

use super::operation::Operation;
use super::resources::{Told, write_schema};
use super::schema::{flag, integer, object, optional_text, optional_time, reference, ruled, text};
use crate::apply::ITEMS_MAX;
use crate::model::api::Api;
use crate::model::fields::reference_name;
use crate::model::grant::Grant;
use crate::model::machine_to_machine::{CREDENTIALS_MAX, MachineToMachine};
use crate::model::policy::Policy;
use crate::model::service_account::ServiceAccount;

pub(super) fn operations() -> Vec<Operation> {
    let tag = "Document";
    let document = json!({
        "accounts": [{"userName": "periodicCleanup", "displayName": "Periodic Cleanup Account"}],
        "clients": [{"displayName": "periodicService", "account": "periodicCleanup", "secret": "generate"}],
        "apis": [{"appId": "myrestapi", "displayName": "My REST API", "scopes": ["read", "write"]}],
        "grants": [{"account": "periodicCleanup", "api": "myrestapi", "scopes": ["write"]}],
    });
    let mut exported = document.clone();
    exported["clients"] = json!([
        {"displayName": "periodicService", "clientId": "4bTRU1pUEdjHk9xJ0wqVY2ZcGmNsA8eL", "account": "periodicCleanup"},
    ]);
    let report = json!({
        "dryRun": false, "different": true, "created": 1, "changed": 0, "deleted": 0, "unchanged": 3,
        "changes": [{
            "action": "create", "resourceType": "ServiceAccount", "name": "periodicCleanup",
            "members": [{"member": "userName", "before": null, "after": "periodicCleanup"}],
        }],
        "changesNotTold": 0, "secrets": [],
    });
    vec![
        Operation::new("post", "/api/v1/apply", "applyDocument", tag, "Make everything be as a document says")
            .described(
                "In one write, or not at all. What is as it should be already is not touched. 64 MiB at most, one at a time.",
            )
            .parameters(&["dryRun", "prune", "owner"])
            .explained()
            .body("Document", &document)
            .answer(200, "What changed, or would change.", &reference("ApplyReport"), &report)
            .headers(200, &["Cache-Control"])
            .errors(&["Conflict", "Stale"])
            .admin(),
        Operation::new("get", "/api/v1/export", "exportDocument", tag, "Everything that there is, as a document")
            .described("Without secrets. Applying it where it came from changes nothing.")
            .answer(200, "The document.", &reference("Document"), &exported)
            .errors(&["Stale", "TooLarge"])
            .admin(),
    ]
}

/// Their schemas.
pub(super) fn schemas() -> Value {
    let list = |items: Value| json!({"type": ["array", "null"], "maxItems": ITEMS_MAX, "items": items});
    json!({
        "Document": object("What there should be, by name.", &[], &json!({
            "accounts": list(item::<ServiceAccount>(&[], &[])),
            "clients": list(client()),
            "apis": list(api()),
            "grants": list(item::<Grant>(&[("serviceAccountId", "account"), ("apiId", "api")], &[])),
            "policies": list(policy()),
        })),
        "ApplyReport": object("What an apply did, or would do.",
            &["dryRun", "different", "created", "changed", "deleted", "unchanged", "changes", "secrets"], &json!({
            "dryRun": flag("Whether nothing was written."),
            "different": flag("Whether anything is, or would be, different."),
            "created": integer("Things made."),
            "changed": integer("Things changed."),
            "deleted": integer("Things deleted."),
            "unchanged": integer("Things that were as they should be."),
            "changes": {"type": "array", "items": object("One of them.", &["action", "resourceType", "name", "members"], &json!({
                "action": {"type": "string", "enum": ["create", "change", "delete"], "description": "What becomes of it."},
                "resourceType": text("What it is."),
                "name": text("What it is known by."),
                "members": {"type": "array", "items": object("A member that differs.", &["member", "before", "after"], &json!({
                    "member": text("Its name."),
                    "before": {"description": "What it was; null where nothing was said."},
                    "after": {"description": "What it is."},
                }))},
            }))},
            "changesNotTold": integer("Changes beyond those that are told one by one."),
            "secrets": {"type": "array", "items": object("A secret that was made. Not shown again.",
                &["clientId", "displayName", "clientSecret"], &json!({
                "clientId": text("The OAuth `client_id`."),
                "displayName": text("The client's name."),
                "clientSecret": text("The secret."),
            }))},
        })),
    })
}

/// A thing of a document: what a body of the admin API holds, but for `without` and what only the server writes, and
/// with other names for what refers to others.
fn item<E: Told>(names: &[(&str, &str)], without: &[&str]) -> Value {
    let mut schema = write_schema::<E>();
    let envelope = ["schemas", "id", "meta", "revision"];
    let read_only: Vec<&str> = E::read_only().iter().map(|(name, _)| *name).collect();
    let name_of =
        |theirs: &str| names.iter().find(|(known, _)| *known == theirs).map_or(theirs, |(_, ours)| *ours).to_owned();
    if let Some(properties) = schema["properties"].as_object().cloned() {
        let is_kept = |name: &str| !envelope.contains(&name) && !read_only.contains(&name) && !without.contains(&name);
        let kept = properties.into_iter().filter(|(name, _)| is_kept(name));
        schema["properties"] = kept.map(|(name, schema)| (name_of(&name), schema)).collect::<Map<_, _>>().into();
    }
    if let Some(required) = schema["required"].as_array_mut() {
        for name in required {
            *name = name_of(name.as_str().unwrap_or_default()).into();
        }
    }
    if !schema["properties"]["active"].is_null() {
        // What is declared is meant to work.
        schema["properties"]["active"]["default"] = true.into();
    }
    schema
}

fn client() -> Value {
    let mut schema = item::<MachineToMachine>(&[("serviceAccountId", "account")], &["clientSecret"]);
    let one = json!({
        "description": "A secret to take over, or `generate`: one is made where there is none, and shown once.",
        "anyOf": [
            {"type": "string", "minLength": 1},
            object("A secret with a life of its own.", &["value"], &json!({
                "value": {"type": "string", "minLength": 1, "description": "The secret, or `generate`."},
                "notBefore": optional_time("Not accepted before this."),
                "expiresAt": optional_time("Not accepted from this on."),
            })),
            {"type": "null"},
        ],
    });
    let mut several = one.clone();
    if let Some(forms) = several["anyOf"].as_array_mut() {
        forms.truncate(2);
    }
    schema["properties"]["secret"] = one;
    schema["properties"]["secrets"] = json!({
        "type": ["array", "null"], "maxItems": CREDENTIALS_MAX, "items": several, "description": "In place of `secret`.",
    });
    schema
}

fn api() -> Value {
    let mut schema = item::<Api>(&[], &[]);
    let scope = schema["properties"]["scopes"]["items"].take();
    let identifier = scope["properties"]["identifier"].clone();
    schema["properties"]["scopes"]["items"] = json!({"anyOf": [identifier, scope]});
    schema
}

fn policy() -> Value {
    let mut schema = item::<Policy>(&[("moduleDigest", "module")], &[]);
    let to = |kind: &str| object("One of them.", &[kind], &json!({kind: ruled(reference_name)}));
    schema["properties"]["attachedTo"] = json!({
        "description": "Where it is asked: for every token, or for those of one API, client or account.",
        "anyOf": [{"type": "string", "enum": ["server"]}, to("api"), to("client"), to("account")],
    });
    schema["properties"]["module"]["description"] =
        optional_text("Digest, name or name@version of its module.")["description"].clone();
    schema
}
