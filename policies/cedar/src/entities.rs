//! What Cedar knows of a request.
//!
//! - principal `Account::"<id>"` with `userName`, `displayName` and `attributes`; its parents are those that the settings
//!   give it, by an entity of the same name;
//! - resource `Api::"<appId>"` with `audience`, `scopes` (a set) and `attributes`, and parents likewise;
//! - `context` with `client` (`clientId`, `displayName`, `authMethod`, `attributes`), `grantType`, `requested` (a set),
//!   `offered` (a set), `ttlSeconds`, and, where they are known, `time` (`unixSeconds`, `hour`, `minute`, `weekday`, in
//!   UTC) and `remoteAddress` (an `ipaddr`).
//!
//! JSON has values that Cedar has not: `null` is left out, a number that is not whole is a string, as it was written.
//! An object is always a record: nothing in an attribute is read as a reference to an entity.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression as Expression,
};
use grantd_policy::{Json, Request, Value};

/// An entity's name.
pub fn uid(kind: &str, id: &str) -> Result<EntityUid, String> {
    let kind = EntityTypeName::from_str(kind).map_err(|error| error.to_string())?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

/// The entities of the settings with those of a request; and the request's principal and resource.
pub fn of_request(entities: Entities, request: &Request) -> Result<(Entities, EntityUid, EntityUid), String> {
    let (principal, resource) = (uid("Account", &request.account.id)?, uid("Api", &request.api.app_id)?);
    let account = vec![
        ("userName", string(&request.account.user_name)),
        ("displayName", string(&request.account.display_name)),
        ("attributes", attributes(&request.account.attributes)?),
    ];
    let api = vec![
        ("audience", string(&request.api.audience)),
        ("scopes", set(&request.api.scopes)),
        ("attributes", attributes(&request.api.attributes)?),
    ];
    let made = [entity(&entities, &principal, account)?, entity(&entities, &resource, api)?];
    let entities = entities.upsert_entities(made, None).map_err(|error| error.to_string())?;
    Ok((entities, principal, resource))
}

/// The context of a request.
pub fn context(request: &Request) -> Result<Context, String> {
    let client = vec![
        ("clientId", string(&request.client.client_id)),
        ("displayName", string(&request.client.display_name)),
        ("authMethod", string(&request.client.auth_method)),
        ("attributes", attributes(&request.client.attributes)?),
    ];
    let mut members = vec![
        ("client", record(client)?),
        ("grantType", string(&request.grant_type)),
        ("requested", set(&request.requested)),
        ("offered", set(&request.offered)),
        ("ttlSeconds", Expression::new_long(i64::from(request.ttl_seconds))),
    ];
    if let Some(time) = request.context.time {
        let number = |number: u8| Expression::new_long(i64::from(number));
        let time = vec![
            ("unixSeconds", Expression::new_long(i64::from(time.unix_seconds))),
            ("hour", number(time.hour)),
            ("minute", number(time.minute)),
            ("weekday", number(time.weekday)),
        ];
        members.push(("time", record(time)?));
    }
    // What is no address is left out: a policy that needs one fails, and the request is denied.
    if let Some(address) =
        request.context.remote_address.as_deref().and_then(|text| text.parse::<std::net::IpAddr>().ok())
    {
        members.push(("remoteAddress", Expression::new_ip(address.to_canonical().to_string())));
    }
    Context::from_pairs(members.into_iter().map(|(name, value)| (name.to_owned(), value)))
        .map_err(|error| error.to_string())
}

/// An entity with what grantd knows of it, and the parents that the settings give it.
fn entity(known: &Entities, uid: &EntityUid, members: Vec<(&str, Expression)>) -> Result<Entity, String> {
    let (_, mut attributes, parents) = match known.get(uid) {
        Some(given) => given.clone().into_inner(),
        None => (uid.clone(), HashMap::new(), HashSet::new()),
    };
    attributes.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Entity::new(uid.clone(), attributes, parents).map_err(|error| error.to_string())
}

fn string(text: &str) -> Expression {
    Expression::new_string(text.to_owned())
}

fn set(texts: &[String]) -> Expression {
    Expression::new_set(texts.iter().map(|text| string(text)))
}

fn record<N: Into<String>>(members: Vec<(N, Expression)>) -> Result<Expression, String> {
    let members = members.into_iter().map(|(name, value)| (name.into(), value));
    Expression::new_record(members).map_err(|error| error.to_string())
}

fn attributes(attributes: &Json) -> Result<Expression, String> {
    value(&Value::Object(attributes.members())).map(|value| value.unwrap_or_else(|| string("")))
}

fn value(json: &Value) -> Result<Option<Expression>, String> {
    Ok(Some(match json {
        Value::Null => return Ok(None),
        Value::Bool(truth) => Expression::new_bool(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Expression::new_long(whole),
            None => string(&number.to_string()),
        },
        Value::String(text) => string(text),
        Value::Array(items) => {
            let items: Result<Vec<_>, String> = items.iter().map(value).collect();
            Expression::new_set(items?.into_iter().flatten())
        }
        Value::Object(members) => {
            let mut known = Vec::with_capacity(members.len());
            for (name, member) in members {
                if let Some(member) = value(member)? {
                    known.push((name.as_str(), member));
                }
            }
            record(known)?
        }
    }))
}
