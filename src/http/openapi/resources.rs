//! The operations that every resource has, and what its members are.
//!
//! Which members there are, and what fits them, comes from the resource's own parser; here stands only what people
//! want to know beside that. A member without a word here turns a test red, and so does a word without a member.

use serde_json::{Map, Value, json};

use super::operation::Operation;
use super::schema::{self, Way, properties, reference, required};
use crate::clock::Timestamp;
use crate::model::api::Api;
use crate::model::fields::shape::{Member, members_of};
use crate::model::grant::Grant;
use crate::model::id::Id;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::policy::Policy;
use crate::model::service_account::ServiceAccount;
use crate::model::{Meta, Record};
use crate::store::Entity;
use crate::store::listings::listing_of;

/// Where resources stand.
pub(super) const RESOURCES: &str = "/api/v1/resources";
/// An id in the examples: made at 2027-01-15T10:00:00Z.
pub(super) const ID: &str = "02cJp4VnHOxkTmd9aBfYzq";

/// A type of resource, told to people.
pub(super) trait Told: Entity {
    /// What it is, and its plural.
    const NOUNS: (&'static str, &'static str);
    /// In a sentence.
    const ABOUT: &'static str;
    /// Its members, by path.
    const MEMBERS: &'static [(&'static str, &'static str)];
    /// A body that makes one.
    const EXAMPLE: &'static str;
    /// The members that only the server writes: how they look in answers.
    fn read_only() -> Vec<(&'static str, Value)> {
        Vec::new()
    }
    /// Members whose parser looks at the value itself: how they look in bodies.
    fn by_hand() -> Vec<(&'static str, Value)> {
        Vec::new()
    }
    /// What is shown this once, of one that was just made.
    fn once() -> Vec<(&'static str, Value)> {
        Vec::new()
    }
}

impl Told for ServiceAccount {
    const NOUNS: (&'static str, &'static str) = ("service account", "service accounts");
    const ABOUT: &'static str = "Who a token is about: its id is the `sub` of its tokens.";
    const MEMBERS: &'static [(&'static str, &'static str)] = &[
        ("userName", "Unique, compared without regard to ASCII case."),
        ("displayName", "For people. Unless given, the userName."),
        ("active", "An inactive account gets no token."),
        ("attributes", "Free members, 16 KiB at most; policies see them, and claims can be mapped from them."),
    ];
    const EXAMPLE: &'static str =
        r#"{"userName": "periodicCleanup", "displayName": "Periodic Cleanup Account", "active": true}"#;
}

impl Told for MachineToMachine {
    const NOUNS: (&'static str, &'static str) = ("client", "clients");
    const ABOUT: &'static str = "An OAuth client: lets one service account authenticate.";
    const MEMBERS: &'static [(&'static str, &'static str)] = &[
        ("clientId", "The OAuth `client_id`, fixed for life. Unless given, one is made."),
        ("clientSecret", "A secret to take over, when the client is made. Unless given, one is made, and shown once."),
        ("displayName", "For people."),
        ("serviceAccountId", "Who its tokens are about: the account's id; its userName is accepted too."),
        ("active", "An inactive client gets no token."),
        ("allowedAuthMethods", "How it may authenticate. Unless given, in every way."),
        ("attributes", "Free members, 16 KiB at most; policies see them."),
        ("credentials", "Its secrets, oldest first, without the secrets. Changed under its /secrets."),
    ];
    const EXAMPLE: &'static str = r#"{"displayName": "periodicService", "serviceAccountId": "periodicCleanup"}"#;
    fn read_only() -> Vec<(&'static str, Value)> {
        vec![("credentials", json!({"type": "array", "items": reference("Credential")}))]
    }
    fn by_hand() -> Vec<(&'static str, Value)> {
        let secret = json!({"type": ["string", "null"], "minLength": 16, "maxLength": 256, "pattern": "^[ -~]+$", "writeOnly": true});
        vec![("clientSecret", secret), ("credentials", json!({"type": ["array", "null"]}))]
    }
    fn once() -> Vec<(&'static str, Value)> {
        vec![("clientSecret", json!({"type": "string", "description": "The secret that was made. Not shown again."}))]
    }
}

impl Told for Api {
    const NOUNS: (&'static str, &'static str) = ("API", "APIs");
    const ABOUT: &'static str = "An OAuth resource server: its scopes, and how its tokens are made.";
    const MEMBERS: &'static [(&'static str, &'static str)] = &[
        ("appId", "Unique. Names the API in `resource` and `audience`, and in `aud` unless it has an audience."),
        ("audience", "A URI without a fragment that names it instead (RFC 8707 2)."),
        ("displayName", "For people. Unless given, the appId."),
        ("active", "Nobody gets a token for an inactive API."),
        ("scopes", "What can be granted there."),
        ("scopes.identifier", "The scope, as tokens carry it (RFC 6749 3.3)."),
        ("scopes.displayName", "For people."),
        ("scopes.description", "What it allows."),
        ("scopes.sensitivity", "How much harm it can do."),
        ("scopes.default", "Whether a request that names no scope gets it, when it is granted."),
        ("signingAlg", "RS256 is what every verifier speaks; ES256 and EdDSA sign 20 to 60 times faster."),
        ("tokenFormat", "How its tokens look."),
        ("tokenLifetimeSeconds", "How long its tokens live."),
        (
            "claims",
            r#"Claims that its tokens get beside their own: {"value": …} or {"attribute": "path.in.attributes"}."#,
        ),
        ("attributes", "Free members, 16 KiB at most; policies see them."),
        ("builtIn", "Whether it is the API of grantd itself."),
    ];
    const EXAMPLE: &'static str = r#"{"appId": "myrestapi", "displayName": "My REST API", "signingAlg": "RS256",
        "scopes": [{"identifier": "read", "displayName": "Read"}, {"identifier": "write", "displayName": "Write"}]}"#;
    fn read_only() -> Vec<(&'static str, Value)> {
        vec![("builtIn", json!({"type": "boolean"}))]
    }
    fn by_hand() -> Vec<(&'static str, Value)> {
        let source = json!({
            "oneOf": [
                {"type": "object", "additionalProperties": false, "required": ["value"], "properties": {"value": {}}},
                {"type": "object", "additionalProperties": false, "required": ["attribute"],
                 "properties": {"attribute": schema::ruled(crate::model::fields::reference_name)}},
            ],
        });
        let claims = json!({
            "type": ["object", "null"],
            "maxProperties": crate::model::api::CLAIMS_MAX,
            "propertyNames": {"minLength": 1, "not": {"enum": crate::model::api::RESERVED_CLAIMS}},
            "additionalProperties": source,
        });
        vec![("claims", claims), ("builtIn", json!({"type": ["boolean", "null"]}))]
    }
}

impl Told for Grant {
    const NOUNS: (&'static str, &'static str) = ("grant", "grants");
    const ABOUT: &'static str = "This account may have these scopes at this API: the ceiling of its tokens there.";
    const MEMBERS: &'static [(&'static str, &'static str)] = &[
        ("serviceAccountId", "The account's id, fixed for life; its userName is accepted too."),
        ("apiId", "The API's id, fixed for life; its appId is accepted too."),
        ("scopes", "At least one, each defined by the API."),
        ("notBefore", "Not before this."),
        ("expiresAt", "Not from this on."),
        ("reason", "Why it was granted."),
    ];
    const EXAMPLE: &'static str =
        r#"{"serviceAccountId": "periodicCleanup", "apiId": "myrestapi", "scopes": ["write"]}"#;
}

impl Told for Policy {
    const NOUNS: (&'static str, &'static str) = ("policy", "policies");
    const ABOUT: &'static str = "A module with settings, attached in one place: it can lower what is granted.";
    const MEMBERS: &'static [(&'static str, &'static str)] = &[
        ("name", "Unique."),
        ("moduleDigest", "SHA-256 of the module; its name, or name@version, is accepted too."),
        ("moduleName", "What the module calls itself."),
        ("moduleVersion", "The version that the module says it has."),
        ("settings", "What the module is told with every request, 256 KiB at most. The module must accept them."),
        ("attachedTo", "Where it is asked."),
        ("attachedTo.type", "For every token, or for those of one API, client or account."),
        ("attachedTo.id", "The id of that API, client or account; its name is accepted too. None for the server."),
        ("order", "Policies at the same place are asked from the lowest to the highest."),
        ("mode", "Whether its answer is applied, only recorded, or not asked for."),
        ("active", "An inactive policy is not asked."),
    ];
    const EXAMPLE: &'static str = r#"{"name": "office hours", "moduleDigest": "business-hours@1.0.0",
        "settings": {"from": 8, "to": 18}, "attachedTo": {"type": "api", "id": "myrestapi"}, "mode": "enforce"}"#;
    fn read_only() -> Vec<(&'static str, Value)> {
        vec![("moduleName", json!({"type": "string"})), ("moduleVersion", json!({"type": "string"}))]
    }
    fn by_hand() -> Vec<(&'static str, Value)> {
        let read_only = json!({"type": ["string", "null"]});
        vec![("moduleName", read_only.clone()), ("moduleVersion", read_only)]
    }
}

/// What is said of a member.
fn said_of<E: Told>(path: &str) -> String {
    E::MEMBERS.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned()).unwrap_or_default()
}

/// What the parser of a type looks at, and a resource made of what it defaults to.
fn described<E: Told>() -> (Vec<Member>, Map<String, Value>) {
    let mut defaults = Map::new();
    let members = members_of(|fields| defaults = E::parse(fields, None).members());
    (members, defaults)
}

fn with_description<E: Told>(name: &str, mut schema: Value) -> (String, Value) {
    if let Some(object) = schema.as_object_mut() {
        object.entry("description").or_insert_with(|| said_of::<E>(name).into());
    }
    (name.to_owned(), schema)
}

/// What can be sent: to make one, and in place of one.
pub(super) fn write_schema<E: Told>() -> Value {
    let (members, defaults) = described::<E>();
    let mut all = properties(&members, Way::In, "", &said_of::<E>);
    if let Some(all) = all.as_object_mut() {
        for member in members.iter().filter(|member| !member.required) {
            // A default that follows from another member is no constant.
            let value = defaults.get(member.name).filter(|value| !value.is_null() && **value != "");
            if let (Some(value), Some(Value::Object(schema))) = (value, all.get_mut(member.name)) {
                schema.insert("default".to_owned(), value.clone());
            }
        }
        all.extend(E::by_hand().into_iter().map(|(name, schema)| with_description::<E>(name, schema)));
        for (name, _) in E::read_only() {
            if let Some(Value::Object(schema)) = all.get_mut(name) {
                schema.insert("readOnly".to_owned(), true.into());
                schema.remove("default");
            }
        }
        let read_back = json!({
            "schemas": {"readOnly": true, "description": "Ignored: what was read can be sent back whole."},
            "id": {"readOnly": true, "description": "If given, the id in the path."},
            "meta": {"readOnly": true, "description": "Ignored."},
            "revision": {"description": "In a PUT, the revision that it replaces, a whole number: a stale one is 412."},
        });
        all.extend(read_back.as_object().cloned().unwrap_or_default());
    }
    schema::object(E::ABOUT, &required(&members), &all)
}

/// What is answered.
pub(super) fn read_schema<E: Told>() -> Value {
    let (members, _) = described::<E>();
    let (_, shown) = example_record::<E>();
    let mut all = Map::from_iter([("id".to_owned(), schema::text("22 characters, ordered by time of making."))]);
    if let Value::Object(known) = properties(&members, Way::Out, "", &said_of::<E>) {
        // What a body may leave out may be null in an answer.
        let can_be_null = |name: &str| members.iter().any(|member| member.name == name && !member.required);
        let known = known.into_iter().filter(|(name, _)| shown.contains_key(name)).map(|(name, mut schema)| {
            if let (true, Some(kind)) = (can_be_null(&name), schema["type"].as_str().map(str::to_owned)) {
                schema["type"] = json!([kind, "null"]);
                if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                    words.push(Value::Null);
                }
            }
            (name, schema)
        });
        all.extend(known);
    }
    all.extend(E::read_only().into_iter().map(|(name, schema)| with_description::<E>(name, schema)));
    all.insert("meta".to_owned(), reference("Meta"));
    let about = format!("{} Members that the request leaves out by `attributes` are missing.", E::ABOUT);
    schema::object(&about, &["id"], &Value::Object(all))
}

/// What is answered of one that was just made, with what is shown this once.
pub(super) fn created_schema<E: Told>() -> Value {
    let mut schema = read_schema::<E>();
    for (name, once) in E::once() {
        schema["properties"][name] = once;
    }
    schema
}

/// A resource as it would be answered after its example was sent.
fn example_record<E: Told>() -> (Map<String, Value>, Map<String, Value>) {
    let body: Map<String, Value> = serde_json::from_str(E::EXAMPLE).unwrap_or_default();
    let value = E::parse(&mut crate::model::fields::Fields::new(&body, ""), None);
    let made = Timestamp::from_ms(1_800_007_200_000);
    let meta = Meta { created: made, last_modified: made, revision: 1 };
    let shown = Id::parse(ID).map(|id| Record { id, meta, value }.to_json("https://id.example.com"));
    (body, shown.unwrap_or_default())
}

/// The six operations of a type.
pub(super) fn operations<E: Told>() -> Vec<Operation> {
    let (noun, nouns) = E::NOUNS;
    let (kind, path) = (E::TYPE, format!("{RESOURCES}/cid/{}", E::TYPE));
    let tag = E::TYPE;
    let (body, shown) = example_record::<E>();
    let (body, shown) = (Value::Object(body), Value::Object(shown));
    let list = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 1, "itemsPerPage": 10, "startIndex": 1, "Resources": [shown],
    });
    let one = |method, id: &str, summary: String| {
        Operation::new(method, format!("{path}/{{id}}"), format!("{id}{kind}"), tag, summary).path_parameter(
            "id",
            &format!("The id of the {noun}."),
            ID,
        )
    };
    let ok = |operation: Operation, description: &str| {
        operation.answer(200, description, &reference(kind), &shown).headers(200, &["ETag"]).errors(&["NotFound"])
    };
    let (member, value) =
        if E::WRITABLE.contains(&"active") { ("active", json!(true)) } else { ("reason", json!("audit")) };
    let patch = json!({"Operations": [{"op": "replace", "path": member, "value": value}]});
    vec![
        Operation::new("get", path.clone(), format!("list{}", E::PLURAL), tag, format!("List {nouns}"))
            .described(E::ABOUT)
            .listed(&listing_of::<E>())
            .answer(200, "One page.", &reference(&format!("{kind}List")), &list)
            .errors(&["BadRequest"])
            .admin(),
        Operation::new("post", path.clone(), format!("create{kind}"), tag, format!("Make a {noun}"))
            .explained()
            .body(&format!("{kind}Write"), &body)
            .answer(201, "It was made.", &reference(&format!("{kind}Created")), &created_example::<E>(&shown))
            .headers(201, &["ETag", "Location"])
            .errors(&["Conflict"])
            .admin(),
        ok(one("get", "read", format!("Read a {noun}")), "It is like this.")
            .parameters(&["attributes", "excludedAttributes"])
            .admin(),
        ok(one("put", "replace", format!("Replace a {noun}")), "It is like this now.")
            .described("Members that are left out get their defaults.")
            .explained()
            .parameters(&["ifMatch"])
            .body(&format!("{kind}Write"), &body)
            .errors(&["Conflict", "Stale"])
            .admin(),
        ok(one("patch", "patch", format!("Change parts of a {noun}")), "It is like this now.")
            .described("RFC 7644 3.5.2. All operations apply, or none.")
            .explained()
            .parameters(&["ifMatch"])
            .body("Patch", &patch)
            .errors(&["Conflict", "Stale"])
            .admin(),
        one("delete", "delete", format!("Delete a {noun}"))
            .explained()
            .parameters(&["cascade", "ifMatch"])
            .empty(204, "It is gone.")
            .errors(&["BadRequest", "NotFound", "Conflict", "Stale", "TooLarge"])
            .admin(),
    ]
}

fn created_example<E: Told>(shown: &Value) -> Value {
    let mut shown = shown.clone();
    for (name, _) in E::once() {
        shown[name] = json!("gsec_4fT…");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fields::Fields;
    use crate::model::fields::shape::Shape;

    /// Every path that the parser of a type looks at.
    fn paths(members: &[Member], prefix: &str) -> Vec<String> {
        let inside = |member: &Member| match &member.shape {
            Shape::Object(inner) | Shape::Objects(_, inner) => paths(inner, &format!("{prefix}{}.", member.name)),
            _ => Vec::new(),
        };
        members
            .iter()
            .flat_map(|member| std::iter::once(format!("{prefix}{}", member.name)).chain(inside(member)))
            .collect()
    }

    fn check<E: Told>() {
        let (members, _) = described::<E>();
        let mut looked_at = paths(&members, "");
        let mut told: Vec<String> = E::MEMBERS.iter().map(|(path, _)| (*path).to_owned()).collect();
        looked_at.sort();
        told.sort();
        assert_eq!(looked_at, told, "{}", E::TYPE);
        let opaque: Vec<&str> =
            members.iter().filter(|m| matches!(m.shape, Shape::Any)).map(|member| member.name).collect();
        let by_hand: Vec<&str> = E::by_hand().iter().map(|(name, _)| *name).collect();
        assert!(opaque.iter().all(|name| by_hand.contains(name)), "{}: {opaque:?} {by_hand:?}", E::TYPE);
        // What may be written is what the parser looks at, but for what only the server writes.
        let read_only: Vec<&str> = E::read_only().iter().map(|(name, _)| *name).collect();
        let written: Vec<&str> =
            members.iter().map(|member| member.name).filter(|name| !read_only.contains(name)).collect();
        assert!(E::WRITABLE.iter().all(|name| written.contains(name)), "{}: {written:?}", E::TYPE);
        let (body, shown) = example_record::<E>();
        let mut fields = Fields::new(&body, "");
        let value = E::parse(&mut fields, None);
        assert_eq!(fields.finish(&[]), [], "the example of {} fits", E::TYPE);
        let schema = read_schema::<E>();
        let known: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert!(value.members().keys().all(|name| known.contains(&name)), "{}: {known:?}", E::TYPE);
        assert_eq!(shown.len(), known.len(), "{}: {known:?}", E::TYPE);
    }

    #[test]
    fn every_member_is_told_and_nothing_else() {
        check::<ServiceAccount>();
        check::<MachineToMachine>();
        check::<Api>();
        check::<Grant>();
        check::<Policy>();
    }
}
