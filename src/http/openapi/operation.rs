//! One operation of the document, put together by what it takes and answers. What is common to a group of operations
//! (errors, credentials, headers) is said once, here.

use actix_web::http::Method;
use serde_json::{Map, Value, json};

use super::schema::reference;
use crate::http::admin;
use crate::model::api_token::Role;
use crate::store::{Kind, Listing};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

/// An operation on its way into the document.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: String,
    members: Map<String, Value>,
    parameters: Vec<Value>,
    responses: Map<String, Value>,
}

impl Operation {
    /// `id` is its `operationId`; `tag` names its group.
    pub(super) fn new(
        method: &'static str,
        path: impl Into<String>,
        id: impl Into<String>,
        tag: &'static str,
        summary: impl Into<String>,
    ) -> Self {
        let members = Map::from_iter([
            ("operationId".to_owned(), Value::from(id.into())),
            ("tags".to_owned(), json!([tag])),
            ("summary".to_owned(), Value::from(summary.into())),
        ]);
        Self { method, path: path.into(), members, parameters: Vec::new(), responses: Map::new() }
    }

    /// Says more than the summary.
    pub(super) fn described(mut self, text: impl Into<String>) -> Self {
        self.members.insert("description".to_owned(), Value::from(text.into()));
        self
    }

    /// Takes no credentials.
    pub(super) fn open(mut self) -> Self {
        self.members.insert("security".to_owned(), json!([]));
        self
    }

    /// An operation of the admin API: a bearer, and the refusals that every one of them has.
    pub(super) fn admin(self) -> Self {
        self.bearer().errors(&["Unauthenticated", "Forbidden", "TooMany", "Failed", "Unavailable"])
    }

    /// Takes a bearer with the role that the server itself asks for.
    pub(super) fn bearer(mut self) -> Self {
        let method = Method::from_bytes(self.method.to_ascii_uppercase().as_bytes()).unwrap_or_default();
        let role = admin::needed_role(&method, &self.path);
        let text = match role {
            Role::Reader => "Needs the role reader, or the scope read of the API grantd.",
            Role::Editor => "Needs the role editor, or the scope edit of the API grantd.",
            Role::Admin => "Needs the role admin, or the scope admin of the API grantd.",
        };
        let description = match self.members.get("description").and_then(Value::as_str) {
            Some(more) => format!("{more}\n\n{text}"),
            None => text.to_owned(),
        };
        self.members.insert("description".to_owned(), description.into());
        self.members.insert("security".to_owned(), json!([{"bearer": []}]));
        self
    }

    /// Takes a client's credentials, by HTTP Basic or in the form, or with `bearer` whoever else may ask.
    pub(super) fn client(mut self, bearer: bool) -> Self {
        let mut ways = vec![json!({"clientBasic": []}), json!({})];
        if bearer {
            ways.insert(1, json!({"bearer": []}));
        }
        self.members.insert("security".to_owned(), Value::from(ways));
        self.errors(&[
            "OAuthBadRequest",
            "OAuthUnauthenticated",
            "OAuthTooLarge",
            "OAuthTooMany",
            "OAuthFailed",
            "OAuthUnavailable",
        ])
    }

    /// A part of the path.
    pub(super) fn path_parameter(mut self, name: &str, description: &str, example: &str) -> Self {
        self.parameters.push(json!({
            "name": name,
            "in": "path",
            "required": true,
            "description": description,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[A-Za-z0-9_.:@-]+$"},
            "example": example,
        }));
        self
    }

    /// A parameter of the query that may be left out; `kind` is its type in JSON Schema.
    pub(super) fn query_parameter(mut self, name: &str, description: &str, kind: &str, example: &str) -> Self {
        let example =
            if kind == "integer" { example.parse::<i64>().map_or(Value::Null, Value::from) } else { example.into() };
        self.parameters.push(json!({
            "name": name,
            "in": "query",
            "description": description,
            "schema": {"type": kind},
            "example": example,
        }));
        self
    }

    /// Parameters of `components`, by name.
    pub(super) fn parameters(mut self, names: &[&str]) -> Self {
        self.parameters.extend(names.iter().map(|name| json!({"$ref": format!("#/components/parameters/{name}")})));
        self
    }

    /// What a list takes: what it can be filtered and sorted by is what the list itself knows.
    pub(super) fn listed(mut self, listing: &Listing) -> Self {
        let names: Vec<String> = listing.all().map(|attribute| format!("`{}`", attribute.name)).collect();
        let sortable: Vec<String> =
            listing.all().filter_map(|attribute| sorted_by(attribute.name, &attribute.kind)).collect();
        let text = listing.all().find(|attribute| matches!(attribute.kind, Kind::Text)).map_or("id", |text| text.name);
        self.parameters.push(json!({
            "name": "filter",
            "in": "query",
            "description": format!("A SCIM filter (RFC 7644 3.4.2.2), and beside it `in [\"a\", \"b\"]`, over {}.", names.join(", ")),
            "schema": {"type": "string"},
            "example": format!("{text} sw \"a\""),
        }));
        self.parameters.push(json!({
            "name": "sortBy",
            "in": "query",
            "description": "An attribute to sort by; unless given, by age.",
            "schema": {"type": "string", "pattern": format!("^({})?$", sortable.join("|"))},
            "example": text,
        }));
        self.parameters(&["sortOrder", "startIndex", "count", "attributes", "excludedAttributes"])
    }

    /// The same, where a page may hold fewer than were asked for.
    pub(super) fn clamped(mut self) -> Self {
        for parameter in
            self.parameters.iter_mut().filter(|parameter| parameter["$ref"] == "#/components/parameters/count")
        {
            parameter["$ref"] = "#/components/parameters/pageSize".into();
        }
        self
    }

    /// What a write may say of itself: `?reason=` and `?correlation=`.
    pub(super) fn explained(self) -> Self {
        self.parameters(&["reason", "correlation"])
    }

    /// A JSON body.
    pub(super) fn body(self, schema: &str, example: &Value) -> Self {
        let content = json!({JSON: {"schema": reference(schema), "example": example}});
        self.content(true, &content).errors(&["BadRequest", "TooLarge"])
    }

    /// A JSON body that may be left out.
    pub(super) fn optional_body(self, schema: &str, example: &Value) -> Self {
        let schema = json!({"anyOf": [reference(schema), {"type": "null"}]});
        let content = json!({JSON: {"schema": schema, "example": example}});
        self.content(false, &content).errors(&["BadRequest", "TooLarge"])
    }

    /// A form, in either of the encodings that forms have.
    pub(super) fn form(self, schema: &str, example: &Value) -> Self {
        let form = json!({"schema": reference(schema), "example": example});
        self.content(true, &json!({FORM: form, MULTIPART: form}))
    }

    /// A body of another kind.
    pub(super) fn content(mut self, required: bool, content: &Value) -> Self {
        self.members.insert("requestBody".to_owned(), json!({"required": required, "content": content}));
        self
    }

    /// A success with a JSON body.
    pub(super) fn answer(self, status: u16, description: &str, schema: &Value, example: &Value) -> Self {
        self.answer_with(status, description, &json!({JSON: {"schema": schema, "example": example}}))
    }

    /// A success with a body of another kind.
    pub(super) fn answer_with(mut self, status: u16, description: &str, content: &Value) -> Self {
        self.responses.insert(status.to_string(), json!({"description": description, "content": content}));
        self
    }

    /// A success without a body.
    pub(super) fn empty(mut self, status: u16, description: &str) -> Self {
        self.responses.insert(status.to_string(), json!({"description": description}));
        self
    }

    /// Headers of `components` that the success carries.
    pub(super) fn headers(mut self, status: u16, names: &[&str]) -> Self {
        if let Some(Value::Object(response)) = self.responses.get_mut(&status.to_string()) {
            let headers = names.iter().map(|name| {
                ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{}", name.replace('-', ""))}))
            });
            response.insert("headers".to_owned(), Value::Object(headers.collect()));
        }
        self
    }

    /// Refusals and failures of `components`, by name.
    pub(super) fn errors(mut self, names: &[&str]) -> Self {
        for name in names {
            let status = status_of(name);
            self.responses.insert(status.to_owned(), json!({"$ref": format!("#/components/responses/{name}")}));
        }
        self
    }

    /// The operation as it stands in the document.
    pub(super) fn into_value(mut self) -> Value {
        if !self.parameters.is_empty() {
            self.members.insert("parameters".to_owned(), Value::from(self.parameters));
        }
        // By status, whatever the order in which they were named.
        let mut responses: Vec<(String, Value)> = self.responses.into_iter().collect();
        responses.sort_by(|a, b| a.0.cmp(&b.0));
        self.members.insert("responses".to_owned(), Value::Object(responses.into_iter().collect()));
        Value::Object(self.members)
    }
}

/// The pattern of the names that a list can be sorted by, for one attribute.
fn sorted_by(name: &str, kind: &Kind) -> Option<String> {
    let name = name.replace('.', r"\.");
    match kind {
        // It has several values.
        Kind::Many(_) => None,
        Kind::Json => Some(format!(r"{name}\.[A-Za-z][A-Za-z0-9_-]*")),
        _ => Some(name),
    }
}

/// The status of a response of `components`.
pub(super) fn status_of(name: &str) -> &'static str {
    match name.trim_start_matches("OAuth").trim_start_matches("Scim") {
        "BadRequest" => "400",
        "Unauthenticated" => "401",
        "Forbidden" => "403",
        "NotFound" => "404",
        "Conflict" => "409",
        "Stale" => "412",
        "TooLarge" => "413",
        "TooMany" => "429",
        "Unavailable" => "503",
        _ => "500",
    }
}
