//! What the fuzz targets under `fuzz/` call: everything that reads what a stranger wrote, with what must hold of the
//! answer beside it. Compiled for them alone (`--cfg fuzzing`).

#![expect(clippy::panic, clippy::unwrap_used, reason = "a fuzz target fails by panicking")]

use std::sync::LazyLock;

use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use actix_web::web::Bytes;
use futures_util::FutureExt;
use serde_json::{Map, Value, json};

use crate::app::{App, Missing};
use crate::apply::file::Format;
use crate::apply::{self, Options};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, PoliciesConfig};
use crate::error::Error;
use crate::filter;
use crate::http::{basic as http_basic, form as http_form, json as http_json};
use crate::model::api::Api;
use crate::model::grant::Grant;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::scope::{check_scope_token, parse_scopes};
use crate::model::service_account::ServiceAccount;
use crate::patch::Patch;
use crate::policy::Workbench;
use crate::policy::cases as policy_cases;
use crate::store::{Entity, Origin, Query};
use crate::token::request::{Parameter, TokenRequest};

/// A server on an empty database, for what cannot be asked without one.
static APP: LazyLock<App> = LazyLock::new(|| {
    let directory = std::env::temp_dir().join(format!("grantd-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let config = Config { database: directory.join("grantd.db"), ..Config::default() };
    let clock = Clock::manual(Timestamp::from_ms(1_800_000_000_000), 1);
    App::open_with(config, clock, Missing::Create).unwrap()
});

static WORKBENCH: LazyLock<Workbench> =
    LazyLock::new(|| Workbench::new(&PoliciesConfig::default(), &Clock::system()).unwrap());

/// A refusal is for the caller to act on: never a fault of the server.
fn refused_in_words(error: &Error) {
    match error {
        Error::Internal(cause) | Error::Unavailable { cause, .. } => panic!("the server's fault: {cause}"),
        Error::OAuth { description, .. } => {
            assert!(!description.is_empty() && description.len() < 1000, "{description:?}");
        }
        other => assert!(!other.to_string().is_empty()),
    }
}

fn token_request(parameters: Vec<Parameter<'_>>) {
    match TokenRequest::from_parameters(parameters, Vec::new()) {
        Ok(request) => {
            assert!(!request.unverified_clients.is_empty());
            assert!(request.scopes.iter().all(|scope| check_scope_token(scope).is_ok()));
        }
        Err(error) => refused_in_words(&error),
    }
}

/// A urlencoded token request.
pub fn form(data: &[u8]) {
    match http_form::urlencoded(data) {
        Ok(parameters) => token_request(parameters),
        Err(error) => refused_in_words(&error),
    }
}

/// A multipart token request: its boundary up to the first line feed, then its body.
pub fn multipart(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let content_type = [b"multipart/form-data; boundary=", &data[..at]].concat();
    let Ok(content_type) = HeaderValue::from_bytes(&content_type) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, content_type);
    let body = Bytes::copy_from_slice(data.get(at + 1..).unwrap_or_default());
    // The body is there as a whole: nothing is waited for.
    match http_form::multipart(&headers, body).now_or_never().unwrap() {
        Ok(parameters) => token_request(parameters),
        Err(error) => refused_in_words(&error),
    }
}

/// What follows `Authorization:`.
pub fn basic(data: &[u8]) {
    let Ok(header) = HeaderValue::from_bytes(data) else { return };
    match http_basic::readings(&header) {
        Ok(readings) => {
            assert!((1..=2).contains(&readings.len()));
            assert!(readings.iter().all(|one| !one.client_id.is_empty()));
        }
        Err(error) => refused_in_words(&error),
    }
}

/// The `scope` parameter.
pub fn scope(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(scopes) = parse_scopes(text) {
        assert!(scopes.iter().all(|scope| text.split(' ').any(|token| token == scope)));
        assert_eq!(parse_scopes(&scopes.join(" ")).as_ref(), Ok(&scopes));
    }
}

fn filtered<E: Entity>(text: &str) {
    for sort_by in [None, Some(text.chars().take(40).collect::<String>())] {
        let filter = if sort_by.is_none() { filter::parse(text).ok() } else { None };
        let query = Query { filter, sort_by, count: 3, start_index: 1, ..Query::default() };
        if let Err(error) = APP.store.resource_list::<E>(&query) {
            refused_in_words(&error);
        }
    }
}

/// A filter of a list, down to SQLite; and the same text as `sortBy`.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    filtered::<ServiceAccount>(text);
    filtered::<MachineToMachine>(text);
    filtered::<Api>(text);
    filtered::<Grant>(text);
}

/// A PATCH body, from its bytes to the document that it changes.
pub fn patch(data: &[u8]) {
    let body = match http_json::parse(data) {
        Ok(body) => body,
        Err(error) => return refused_in_words(&error),
    };
    let Ok(patch) = Patch::parse(&body) else { return };
    let document = json!({
        "userName": "a", "active": true, "attributes": {"team": "ops", "deep": {"er": [1, 2, {"x": null}]}},
        "scopes": [{"identifier": "read", "default": false}, {"identifier": "write", "default": true}],
    });
    let Value::Object(before) = document else { return };
    let mut after: Map<String, Value> = before.clone();
    if patch.apply(&mut after, &["userName", "displayName", "active", "attributes", "scopes"]).is_err() {
        assert_eq!(after, before, "a patch that does not fit changes nothing");
    }
}

/// A bearer token: nobody but this server can make one, and it made none here.
pub fn bearer(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert!(APP.signer.verify(text, &["https://issuer.example/oauth2/"], APP.clock.now()).is_none());
}

/// A file of policy cases.
pub fn cases(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(all) = policy_cases::parse(text) {
        assert!(all.len() <= policy_cases::CASES_MAX);
    }
}

/// A file to apply: its first byte says whether it is TOML, YAML or JSON. What it says is planned, and not done.
pub fn apply(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let format = match kind {
        b't' => Format::Toml,
        b'y' => Format::Yaml,
        _ => Format::Json,
    };
    let value = match format.parse(text) {
        Ok(value) => value,
        Err((_, _, what)) => return assert!(!what.is_empty()),
    };
    let options = Options { dry_run: true, prune: true, ..Options::default() };
    if let Err(error) = apply::apply(&APP, value, &options, &Origin::system("fuzzing")) {
        refused_in_words(&error);
    }
}

/// A policy module, as uploaded.
pub fn module(data: &[u8]) {
    if let Err(failure) = WORKBENCH.examine(data) {
        assert!(!failure.to_string().is_empty());
    }
}
