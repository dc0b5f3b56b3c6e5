//! The operations of `/scim/v2`.

use serde_json::{Map, Value, json};

use super::operation::Operation;
use super::resources::{ID, RESOURCES};
use super::schema::{flag, free_object, integer, object, reference, ruled, text, texts, time};
use crate::http::scim::{ACCOUNT, CUSTOM};
use crate::model::Resource;
use crate::model::fields::{display_name, reference_name};
use crate::model::service_account::ServiceAccount;
use crate::store::listings::listing_of;

const TAG: &str = "Scim";
const SCIM: &str = "application/scim+json";
const TIME: &str = "2027-01-15T10:00:00.000Z";

fn get(path: &str, id: &str, summary: &str) -> Operation {
    Operation::new("get", path, id, TAG, summary)
}

/// What every one of them answers with beside its success.
fn done(operation: Operation) -> Operation {
    operation.bearer().errors(&["ScimUnauthenticated", "ScimForbidden", "ScimTooMany", "ScimFailed", "ScimUnavailable"])
}

fn content(schema: &Value, example: &Value) -> Value {
    json!({SCIM: {"schema": schema, "example": example}})
}

/// A body, whichever of the two names of JSON it comes under.
fn body(operation: Operation, schema: &str, example: &Value) -> Operation {
    let one = json!({"schema": reference(schema), "example": example});
    operation.content(true, &json!({SCIM: one, "application/json": one})).errors(&["ScimBadRequest", "ScimTooLarge"])
}

pub(super) fn operations() -> Vec<Operation> {
    let mut all = discovery();
    all.extend(lists());
    all.extend(accounts());
    all
}

fn discovery() -> Vec<Operation> {
    let free = |description: &str| free_object(description);
    let one = |operation: Operation, what: &str, example: &str| {
        done(operation.path_parameter("id", what, example).errors(&["ScimNotFound"]))
    };
    let list = |item: Value| list_of(&item);
    let config = json!({"patch": {"supported": true}, "filter": {"supported": true, "maxResults": 1000}});
    let kind =
        json!({"id": "ServiceAccount", "name": "ServiceAccount", "endpoint": "/ServiceAccounts", "schema": ACCOUNT});
    let schema = json!({"id": ACCOUNT, "name": "ServiceAccount", "attributes": []});
    vec![
        done(
            get("/scim/v2/ServiceProviderConfig", "readScimConfig", "What of SCIM there is (RFC 7643 5)").answer_with(
                200,
                "The features.",
                &content(&free("RFC 7643 5."), &config),
            ),
        ),
        done(get("/scim/v2/ResourceTypes", "listScimTypes", "The types of resources (RFC 7643 6)").answer_with(
            200,
            "All of them.",
            &content(&reference("ScimList"), &list(kind.clone())),
        )),
        one(
            get("/scim/v2/ResourceTypes/{id}", "readScimType", "One type of resources").answer_with(
                200,
                "It is like this.",
                &content(&free("RFC 7643 6."), &kind),
            ),
            "The name of the type.",
            "ServiceAccount",
        ),
        done(get("/scim/v2/Schemas", "listScimSchemas", "The schemas of resources (RFC 7643 7)").answer_with(
            200,
            "All of them.",
            &content(&reference("ScimList"), &list(schema.clone())),
        )),
        one(
            get("/scim/v2/Schemas/{id}", "readScimSchema", "One schema").answer_with(
                200,
                "It is like this.",
                &content(&free("RFC 7643 7."), &schema),
            ),
            "The URN of the schema.",
            ACCOUNT,
        ),
    ]
}

fn list_of(item: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 1, "itemsPerPage": 1, "startIndex": 1, "Resources": [item],
    })
}

fn shown() -> Value {
    let location = format!("https://id.example.com/scim/v2/ServiceAccounts/{ID}");
    json!({
        "schemas": [ACCOUNT, CUSTOM], "id": ID, "externalId": "hr-4711", "userName": "periodicCleanup",
        "displayName": "Periodic Cleanup Account", "active": true, CUSTOM: {"team": "ops"},
        "meta": {"resourceType": "ServiceAccount", "created": TIME, "lastModified": TIME, "location": location, "version": "W/\"1\""},
    })
}

fn lists() -> Vec<Operation> {
    let page = |operation: Operation| {
        let page = content(&reference("ScimAccountList"), &list_of(&shown()));
        operation.answer_with(200, "One page.", &page).errors(&["ScimBadRequest"])
    };
    let search = |path: &str, id: &str, summary: &str| {
        let operation = Operation::new("post", path, id, TAG, summary);
        let operation = operation.described("RFC 7644 3.4.3: what a list takes, where no log of addresses has it.");
        let example = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "userName sw \"per\"", "count": 10,
        });
        done(page(body(operation, "ScimSearch", &example)))
    };
    vec![
        done(page(
            get("/scim/v2/ServiceAccounts", "listScimAccounts", "List service accounts")
                .listed(&listing_of::<ServiceAccount>())
                .clamped(),
        )),
        search("/scim/v2/ServiceAccounts/.search", "searchScimAccounts", "Search service accounts"),
        search("/scim/v2/.search", "searchScim", "Search all resources, which are service accounts"),
    ]
}

fn accounts() -> Vec<Operation> {
    let path = "/scim/v2/ServiceAccounts";
    let sent = json!({
        "schemas": [ACCOUNT, CUSTOM], "externalId": "hr-4711", "userName": "periodicCleanup",
        "displayName": "Periodic Cleanup Account", "active": true, CUSTOM: {"team": "ops"},
    });
    let patch = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": format!("{CUSTOM}:team"), "value": "payments"}],
    });
    let account = || content(&reference("ScimAccount"), &shown());
    let one = |method, id: &str, summary: &str| {
        Operation::new(method, format!("{path}/{{id}}"), id, TAG, summary)
            .path_parameter("id", "The id of the account.", ID)
            .errors(&["ScimNotFound"])
    };
    let ok = |operation: Operation, description: &str| {
        operation.answer_with(200, description, &account()).headers(200, &["ETag"])
    };
    let same =
        format!("As {RESOURCES}/cid/{}, in SCIM's words. `{CUSTOM}` holds its attributes.", ServiceAccount::TYPE);
    vec![
        done(
            body(
                Operation::new("post", path, "createScimAccount", TAG, "Make a service account"),
                "ScimAccountWrite",
                &sent,
            )
            .described(same)
            .explained()
            .answer_with(201, "It was made.", &account())
            .headers(201, &["ETag", "Location"])
            .errors(&["ScimConflict"]),
        ),
        done(
            ok(one("get", "readScimAccount", "Read a service account"), "It is like this.")
                .parameters(&["attributes", "excludedAttributes", "ifNoneMatch"])
                .empty(304, "It is what it was."),
        ),
        done(
            ok(
                body(one("put", "replaceScimAccount", "Replace a service account"), "ScimAccountWrite", &sent),
                "It is like this now.",
            )
            .explained()
            .parameters(&["ifMatch"])
            .errors(&["ScimConflict", "ScimStale"]),
        ),
        done(
            ok(
                body(one("patch", "patchScimAccount", "Change parts of a service account"), "Patch", &patch),
                "It is like this now.",
            )
            .explained()
            .parameters(&["ifMatch"])
            .errors(&["ScimConflict", "ScimStale"]),
        ),
        done(
            one("delete", "deleteScimAccount", "Delete a service account")
                .explained()
                .parameters(&["cascade", "ifMatch"])
                .empty(204, "It is gone.")
                .errors(&["ScimBadRequest", "ScimConflict", "ScimStale", "ScimTooLarge"]),
        ),
    ]
}

/// Their schemas.
pub(super) fn schemas() -> Value {
    let own = || {
        json!({
            "schemas": texts("The schemas that it follows."),
            "id": text("22 characters, ordered by time of making."),
            "externalId": text("The provisioner's own identifier."),
            "userName": text("Unique, compared without regard to ASCII case."),
            "displayName": text("For people."),
            "active": flag("An inactive account gets no token."),
            CUSTOM: free_object("Custom attributes: policies see them, and claims can be mapped from them."),
        })
    };
    let mut read = own();
    read["meta"] = object(
        "RFC 7643 3.1.",
        &["resourceType", "location", "version"],
        &json!({
            "resourceType": text("Its type."),
            "created": time("When it was made."),
            "lastModified": time("When it last changed."),
            "location": {"type": "string", "format": "uri", "description": "Where it stands."},
            "version": text("Its ETag."),
        }),
    );
    // It can be left out by `excludedAttributes`.
    if let Some(meta) = read["meta"].as_object_mut() {
        meta.remove("required");
    }
    let described = |name: &str, mut rule: Value, or_null: bool| {
        rule["description"] = own()[name]["description"].clone();
        if or_null {
            rule["type"] = json!([rule["type"], "null"]);
        }
        rule
    };
    let write = json!({
        "schemas": {"description": "Ignored: there is one type."},
        "id": {"readOnly": true, "description": "If given in a PUT, the id in the path."},
        "meta": {"readOnly": true, "description": "Ignored."},
        "externalId": described("externalId", json!({"type": "string", "minLength": 1}), true),
        "userName": described("userName", ruled(reference_name), false),
        "displayName": described("displayName", ruled(display_name), true),
        "active": described("active", json!({"type": "boolean", "default": false}), true),
        CUSTOM: described(CUSTOM, free_object(""), true),
    });
    let parts = [
        (
            "ScimAccount",
            object(
                "A service account, as SCIM has it. Attributes that are left out are missing.",
                &["schemas", "id"],
                &read,
            ),
        ),
        (
            "ScimAccountWrite",
            object("A service account to make, or to put in the place of one.", &["userName"], &write),
        ),
    ];
    let mut all = messages();
    if let Some(all) = all.as_object_mut() {
        all.extend(parts.map(|(name, schema)| (name.to_owned(), schema)));
    }
    all
}

/// The schemas of what accounts travel in.
fn messages() -> Value {
    let list = |item: Value| {
        object(
            "One page of a list (RFC 7644 3.4.2).",
            &["schemas", "totalResults", "itemsPerPage", "startIndex", "Resources"],
            &json!({
                "schemas": texts("Always ListResponse."),
                "totalResults": integer("How many fit, on all pages."),
                "itemsPerPage": integer("How many are here."),
                "startIndex": integer("The 1-based index of the first one."),
                "Resources": {"type": "array", "items": item},
            }),
        )
    };
    let optional = |kind: &str, description: &str| json!({"type": [kind, "null"], "description": description});
    let names =
        |description: &str| json!({"type": ["array", "null"], "items": {"type": "string"}, "description": description});
    json!({
        "ScimAccountList": list(reference("ScimAccount")),
        "ScimList": list(free_object("A type, or a schema.")),
        "ScimSearch": object("RFC 7644 3.4.3.", &[], &json!({
            "schemas": {"description": "Ignored."},
            "filter": optional("string", "As in a list."),
            "sortBy": optional("string", "As in a list."),
            "sortOrder": {"type": ["string", "null"], "enum": ["ascending", "descending", "", null], "description": "Which way."},
            "startIndex": optional("integer", "The 1-based index of the first one."),
            "count": optional("integer", "How many at most."),
            "attributes": names("Only these."),
            "excludedAttributes": names("Without these."),
        })),
        "ScimError": object("RFC 7644 3.12.", &["schemas", "status", "detail"], &json!({
            "schemas": texts("Always that of SCIM errors."),
            "status": text("The HTTP status, in a string."),
            "scimType": {"type": "string", "description": "What kind of bad request it is.", "enum": [
                "invalidFilter", "invalidPath", "invalidSyntax", "invalidValue", "mutability", "noTarget", "uniqueness",
            ]},
            "detail": text("What was wrong, attribute by attribute, and the way out."),
        })),
    })
}

/// The refusals: those of the admin API, in SCIM's form. By name, what was said, header and text.
pub(super) fn refusal(status: &str, kind: &str, message: &str) -> Value {
    let mut members = Map::from_iter([
        ("schemas".to_owned(), json!(["urn:ietf:params:scim:api:messages:2.0:Error"])),
        ("status".to_owned(), status.into()),
        ("detail".to_owned(), message.into()),
    ]);
    if ["invalidValue", "uniqueness"].contains(&kind) {
        members.insert("scimType".to_owned(), kind.into());
    }
    Value::Object(members)
}
