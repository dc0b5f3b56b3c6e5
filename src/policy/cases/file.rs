//! The case file as it is written: every member optional, every mistake with its line and column.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};

use super::{CASES_MAX, Case, CaseError, Expect, ExpectPermit, FILE_BYTES_MAX, put_files};
use crate::clock::Timestamp;
use crate::model::caller::RequestId;
use crate::model::scope::check_scope_token;
use crate::policy::abi::{Account, Api, Circumstances, Client, Input, RemoteAddress, Request, TimeStep};

/// When a request is made unless the case says it: a Monday, at noon.
const TIME: &str = "2026-01-05T12:00:00Z";
/// The lifetime that is offered unless the case says it.
const TTL_SECONDS: u32 = 3600;

/// A file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    /// For the cases that have no settings of their own.
    settings: Option<Value>,
    /// Members that go into every case's request, unless it has its own.
    request: Option<Asked>,
    cases: Spanned<Vec<Spanned<Written>>>,
}

/// A case.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    name: Spanned<String>,
    settings: Option<Value>,
    request: Option<Asked>,
    expect: Option<Spanned<Expect>>,
}

/// A request.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    account: Option<AskedAccount>,
    client: Option<AskedClient>,
    api: Option<AskedApi>,
    grant_type: Option<String>,
    requested: Option<Vec<Spanned<String>>>,
    offered: Option<Vec<Spanned<String>>>,
    ttl_seconds: Option<u32>,
    context: Option<AskedContext>,
    extra: Option<Map<String, Value>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AskedAccount {
    id: Option<String>,
    user_name: Option<String>,
    display_name: Option<String>,
    attributes: Option<Map<String, Value>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AskedClient {
    client_id: Option<String>,
    display_name: Option<String>,
    auth_method: Option<String>,
    attributes: Option<Map<String, Value>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AskedApi {
    app_id: Option<String>,
    audience: Option<String>,
    scopes: Option<Vec<Spanned<String>>>,
    attributes: Option<Map<String, Value>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AskedContext {
    time: Option<Spanned<String>>,
    request_id: Option<String>,
    remote_address: Option<String>,
    user_agent: Option<String>,
    parameters: Option<Map<String, Value>>,
}

/// The members of one, and where it has none those of the other.
macro_rules! over {
    ($mine:expr, $default:expr, { $($member:ident),* }) => {{
        let (mine, default) = ($mine, $default);
        $(let $member = mine.$member.or(default.$member);)*
        Self { $($member),* }
    }};
}

impl Asked {
    fn over(mut self, mut default: Self) -> Self {
        let account = join(self.account.take(), default.account.take(), AskedAccount::over);
        let client = join(self.client.take(), default.client.take(), AskedClient::over);
        let api = join(self.api.take(), default.api.take(), AskedApi::over);
        let context = join(self.context.take(), default.context.take(), AskedContext::over);
        let mine = Self { account, client, api, context, ..self };
        over!(mine, default, {
            account, client, api, grant_type, requested, offered, ttl_seconds, context, extra
        })
    }
}

impl AskedAccount {
    fn over(self, default: Self) -> Self {
        over!(self, default, { id, user_name, display_name, attributes })
    }
}

impl AskedClient {
    fn over(self, default: Self) -> Self {
        over!(self, default, { client_id, display_name, auth_method, attributes })
    }
}

impl AskedApi {
    fn over(self, default: Self) -> Self {
        over!(self, default, { app_id, audience, scopes, attributes })
    }
}

impl AskedContext {
    fn over(self, default: Self) -> Self {
        over!(self, default, { time, request_id, remote_address, user_agent, parameters })
    }
}

fn join<T>(mine: Option<T>, default: Option<T>, over: fn(T, T) -> T) -> Option<T> {
    match (mine, default) {
        (Some(mine), Some(default)) => Some(over(mine, default)),
        (mine, default) => mine.or(default),
    }
}

fn at(location: Location, what: impl Into<String>) -> CaseError {
    CaseError { line: location.line(), column: location.column(), what: what.into() }
}

pub(super) fn parse(text: &str, read: &dyn Fn(&str) -> Result<String, String>) -> Result<Vec<Case>, CaseError> {
    if text.len() > FILE_BYTES_MAX {
        let what = format!("the file has {} bytes, and may have {FILE_BYTES_MAX}: cut it in two", text.len());
        return Err(CaseError { line: 0, column: 0, what });
    }
    let file: File = serde_saphyr::from_str(text).map_err(|error| syntax(&error))?;
    let begins = file.cases.referenced;
    if file.cases.value.is_empty() || file.cases.value.len() > CASES_MAX {
        return Err(at(
            begins,
            format!("a file holds 1 to {CASES_MAX} cases, and this one {}", file.cases.value.len()),
        ));
    }
    let mut names = BTreeSet::new();
    let mut cases = Vec::with_capacity(file.cases.value.len());
    for written in file.cases.value {
        let name = &written.value.name;
        if name.value.trim().is_empty() {
            return Err(at(name.referenced, "a case needs a name: a sentence that says what it shows"));
        }
        if !names.insert(name.value.clone()) {
            return Err(at(name.referenced, format!("two cases are named {:?}", name.value)));
        }
        let settings = written.value.settings.clone().or_else(|| file.settings.clone());
        let mut settings = settings.unwrap_or_else(|| Value::Object(Map::new()));
        put_files(&mut settings, read).map_err(|what| at(written.referenced, what))?;
        cases.push(case(written, settings, file.request.clone().unwrap_or_default())?);
    }
    Ok(cases)
}

/// A request alone: what stands in a case under `request`.
pub(super) fn parse_request(text: &str) -> Result<Case, CaseError> {
    if text.len() > FILE_BYTES_MAX {
        let what = format!("the request has {} bytes, and may have {FILE_BYTES_MAX}", text.len());
        return Err(CaseError { line: 0, column: 0, what });
    }
    let asked: Spanned<Asked> = serde_saphyr::from_str(text).map_err(|error| syntax(&error))?;
    let name = Spanned { value: "request".to_owned(), referenced: asked.referenced, defined: asked.defined };
    let expect = Spanned {
        value: Expect::Permit(ExpectPermit::default()),
        referenced: asked.referenced,
        defined: asked.defined,
    };
    let written = Written { name, settings: None, request: Some(asked.value.clone()), expect: Some(expect) };
    let written = Spanned { value: written, referenced: asked.referenced, defined: asked.defined };
    case(written, Value::Object(Map::new()), Asked::default())
}

/// What the parser says, with its place in front and without the excerpt that it adds.
fn syntax(error: &serde_saphyr::Error) -> CaseError {
    let (line, column) = error.location().map_or((0, 0), |place| (place.line(), place.column()));
    let text = error.without_snippet().to_string();
    let what = text.split(" at line ").next().unwrap_or(&text).trim().to_owned();
    let place = format!("line {line} column {column}: ");
    let what = what.strip_prefix(&place).map(str::to_owned).unwrap_or(what);
    CaseError { line, column, what }
}

fn case(written: Spanned<Written>, settings: Value, default: Asked) -> Result<Case, CaseError> {
    let place = written.referenced;
    let Written { name, request, expect, .. } = written.value;
    let asked = request.unwrap_or_default().over(default);
    let Some(expect) = expect else {
        return Err(at(
            place,
            "the case says nothing of what it expects: give it \"expect\" with permit, deny or settingsError",
        ));
    };
    let context = asked.context.unwrap_or_default();
    let (time, given, circumstances) = circumstances(context, place)?;
    let offered = scopes(asked.offered)?.unwrap_or_else(|| vec!["read".to_owned(), "write".to_owned()]);
    check_expected(&expect, &offered)?;
    let account = asked.account.unwrap_or_default();
    let client = asked.client.unwrap_or_default();
    let api = asked.api.unwrap_or_default();
    let or = |text: Option<String>, default: &str| text.unwrap_or_else(|| default.to_owned());
    let app_id = or(api.app_id, "api");
    let request = Request {
        account: Account {
            id: or(account.id, "0000000000000000000001"),
            user_name: or(account.user_name, "account"),
            display_name: or(account.display_name, "Account"),
            attributes: account.attributes.unwrap_or_default(),
        },
        client: Client {
            client_id: or(client.client_id, "client"),
            display_name: or(client.display_name, "Client"),
            auth_method: or(client.auth_method, "client_secret_basic"),
            attributes: client.attributes.unwrap_or_default(),
        },
        api: Api {
            audience: or(api.audience, &app_id),
            app_id,
            scopes: scopes(api.scopes)?.unwrap_or_else(|| offered.clone()),
            attributes: api.attributes.unwrap_or_default(),
        },
        grant_type: or(asked.grant_type, "client_credentials"),
        requested: scopes(asked.requested)?.unwrap_or_default(),
        offered,
        ttl_seconds: asked.ttl_seconds.unwrap_or(TTL_SECONDS),
        extra: asked.extra.unwrap_or_default(),
        ..Request::default()
    };
    let (name, line) = (name.value, place.line());
    let expect_at = (expect.referenced.line(), expect.referenced.column());
    Ok(Case { name, line, settings, request, time, circumstances, given, expect: expect.value, expect_at })
}

/// The changing inputs, and which of them the case names.
fn circumstances(context: AskedContext, place: Location) -> Result<(Timestamp, Vec<Input>, Circumstances), CaseError> {
    let mut given = Vec::new();
    let time = match &context.time {
        Some(time) => {
            given.push(Input::Time(TimeStep::Second));
            let what = format!("{:?} is no time such as {TIME}", time.value);
            Timestamp::parse(&time.value).ok_or_else(|| at(time.referenced, what))?
        }
        None => Timestamp::parse(TIME).unwrap_or(Timestamp::from_ms(0)),
    };
    given.extend(context.request_id.as_ref().map(|_| Input::RequestId));
    given.extend(context.remote_address.as_ref().map(|_| Input::RemoteAddress));
    given.extend(context.user_agent.as_ref().map(|_| Input::UserAgent));
    let mut parameters = Vec::new();
    for (name, value) in context.parameters.unwrap_or_default() {
        let Value::String(value) = value else {
            return Err(at(place, format!("the parameter {name:?} is no text")));
        };
        given.push(Input::Parameter(name.clone()));
        parameters.push((name, value));
    }
    let circumstances = Circumstances {
        request_id: RequestId::Sent(context.request_id.as_deref().unwrap_or("case").into()),
        remote_address: context.remote_address.map(RemoteAddress::Written),
        user_agent: context.user_agent.map(Into::into),
        parameters,
    };
    Ok((time, given, circumstances))
}

/// Scopes, each of which fits the grammar.
fn scopes(scopes: Option<Vec<Spanned<String>>>) -> Result<Option<Vec<String>>, CaseError> {
    let Some(scopes) = scopes else { return Ok(None) };
    for scope in &scopes {
        check_scope_token(&scope.value).map_err(|what| at(scope.referenced, format!("{:?}: {what}", scope.value)))?;
    }
    Ok(Some(scopes.into_iter().map(|scope| scope.value).collect()))
}

/// An expectation that no policy could meet is a mistake in the file.
fn check_expected(expect: &Spanned<Expect>, offered: &[String]) -> Result<(), CaseError> {
    let Expect::Permit(permit) = &expect.value else { return Ok(()) };
    let scopes = permit.scopes.as_deref().unwrap_or(offered);
    let at = |what| Err(at(expect.referenced, what));
    if scopes.is_empty() {
        return at("a permit without scopes is denied: expect {\"deny\": {\"code\": \"no-scope-left\"}}".to_owned());
    }
    match scopes.iter().find(|scope| !offered.contains(scope)) {
        Some(scope) => {
            let offered = offered.join(" ");
            at(format!("it expects the scope {scope:?}, which is not offered ({offered}); no policy can add one"))
        }
        None => Ok(()),
    }
}
