//! The admin API as commands use it: which server, which API token, one request at a time, lists page by page.
//!
//! It knows no resource. Commands have no other way to a server's data: what they can do, any client can.

mod answer;
pub(super) mod dev;
pub(super) mod profile;
pub(super) mod reach;

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use grantd::config::ListenAddress;
use grantd::secret::Secret;
use grantd::{Config, Violation};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Failure, Outcome, Settings};
use profile::Profile;

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take over a whole document.
const LONG_TIMEOUT: Duration = Duration::from_secs(600);
/// Largest answer that is read: a page of 1000 resources with all their attributes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Largest page that a server gives.
pub(super) const PAGE_MAX: usize = 1000;
/// RFC 3986 2.3: what stays as it is in a part of a path.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Which server, and as whom.
#[derive(Args, Clone)]
#[command(next_help_heading = "Server")]
pub(super) struct RemoteArgs {
    /// URL of the server, or unix:PATH of its socket
    /// [default: the profile's, else from the configuration of this directory]
    #[arg(long, global = true, env = "GRANTD_SERVER", value_name = "URL")]
    pub(super) server: Option<String>,
    /// API token; better put into the environment, where no other user sees it
    /// [default: the profile's, else that of `grantd dev` in this directory]
    #[arg(long, global = true, env = "GRANTD_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
    /// Profile that `grantd login` made [default: default]
    #[arg(long, global = true, env = "GRANTD_PROFILE", value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Certificates (PEM) that the server's must lead to, instead of the public authorities
    #[arg(long, global = true, env = "GRANTD_CA_FILE", value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// Why: kept in the audit trail with what is changed
    #[arg(long, global = true, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

/// A server that is asked as somebody.
pub(super) struct Remote {
    agent: ureq::Agent,
    server: String,
    token: Secret,
    /// Where the token came from, for whoever has to renew it.
    token_source: String,
    reason: Option<String>,
    ca_file: Option<PathBuf>,
}

impl Remote {
    /// Finds out which server and as whom: flag, environment, profile, and last the `dev` of this directory.
    ///
    /// # Errors
    /// When there is no API token for the server, or a file with one can be read by others.
    pub(super) fn connect(settings: &Settings, args: &RemoteArgs) -> Outcome<Self> {
        let profile = named_profile(args)?;
        let own_server = args.server.as_deref().map(|url| reach::trimmed(url).to_owned());
        let own_token = args.token.clone().map(|token| (Secret::new(token), "--token or GRANTD_TOKEN".to_owned()));
        let ca_file =
            args.ca_file.clone().or_else(|| profile.as_ref().and_then(|(_, profile)| profile.ca_file.clone()));
        let (server, (token, token_source)) = match (own_server, own_token, profile) {
            (Some(server), Some(token), _) => (server, token),
            (None, Some(token), Some((_, profile))) => (profile.server, token),
            // A profile's token goes to the profile's server and to no other.
            (server, None, Some((name, profile))) if server.as_ref().is_none_or(|url| *url == profile.server) => {
                (profile.server, (profile.token, format!("the profile {name}")))
            }
            (server, token, _) => local(settings, server, token)?,
        };
        reach::check(&server)?;
        Ok(Self {
            agent: reach::agent(&server, TIMEOUT, ca_file.as_deref())?,
            server,
            token,
            token_source,
            reason: args.reason.clone(),
            ca_file,
        })
    }

    /// The server of this process itself, with a token of its own making.
    pub(super) fn own(server: &str, token: Secret, reason: &str) -> Outcome<Self> {
        Ok(Self {
            agent: reach::agent(server, TIMEOUT, None)?,
            server: server.to_owned(),
            token,
            token_source: "this server".to_owned(),
            reason: Some(reason.to_owned()),
            ca_file: None,
        })
    }

    /// The same, for requests that may take long.
    pub(super) fn patient(mut self) -> Outcome<Self> {
        self.agent = reach::agent(&self.server, LONG_TIMEOUT, self.ca_file.as_deref())?;
        Ok(self)
    }

    /// The URL of the server.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// `GET` of a path that follows `/api/v1`.
    ///
    /// # Errors
    /// As the server says, in words, with the exit code that belongs to it.
    pub(super) fn get(&self, path: &str, query: &[(&str, &str)]) -> Outcome<Value> {
        self.ask("GET", path, query, Vec::new())
    }

    /// The same, read as what it is: for answers that are long.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub(super) fn get_as<T: serde::de::DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Outcome<T> {
        let response = self.exchange("GET", path, query, Vec::new())?;
        answer::read_as(response, ANSWER_BYTES_MAX, &self.server, &self.token_source)
    }

    /// `POST`, with `?reason=`.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub(super) fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        self.ask("POST", path, &self.why(), body.to_string().into_bytes())
    }

    /// `POST` of a document, with more parameters and `?reason=`. Its mistakes are told by whoever has its files.
    ///
    /// # Errors
    /// As [`Remote::get`], but for what does not fit: that is in the answer.
    pub(super) fn send_document(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Outcome<Result<Value, Vec<Violation>>> {
        let response = self.exchange("POST", path, &[parameters, &self.why()].concat(), body)?;
        answer::read_document(response, ANSWER_BYTES_MAX, &self.server, &self.token_source)
    }

    /// `PATCH` that replaces and removes members, with `?reason=`.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub(super) fn patch(&self, path: &str, operations: &[Value]) -> Outcome<Value> {
        let body = json!({"Operations": operations}).to_string();
        self.ask("PATCH", path, &self.why(), body.into_bytes())
    }

    /// `DELETE`, with `?reason=`.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub(super) fn delete(&self, path: &str, cascade: bool) -> Outcome {
        let mut query = self.why();
        query.extend(cascade.then_some(("cascade", "true")));
        self.ask("DELETE", path, &query, Vec::new()).map(|_| ())
    }

    /// Everything that fits a filter, page by page: `each` gets one page at a time. What is added or removed meanwhile
    /// moves nothing else out of sight, since each page goes on after the last id. That is by age, to the millisecond.
    ///
    /// # Errors
    /// As [`Remote::get`], and what `each` fails with.
    pub(super) fn every(
        &self,
        path: &str,
        filter: Option<&str>,
        mut each: impl FnMut(Vec<Value>) -> Outcome,
    ) -> Outcome {
        let count = PAGE_MAX.to_string();
        let mut after: Option<String> = None;
        loop {
            let filter = match (filter, &after) {
                (Some(filter), Some(after)) => Some(format!("({filter}) and id gt \"{after}\"")),
                (None, Some(after)) => Some(format!("id gt \"{after}\"")),
                (filter, None) => filter.map(str::to_owned),
            };
            let mut query = vec![("count", count.as_str()), ("sortBy", "id"), ("sortOrder", "ascending")];
            query.extend(filter.as_deref().map(|filter| ("filter", filter)));
            let page = items(self.get(path, &query)?);
            let last = page.last().and_then(|item| item["id"].as_str()).map(str::to_owned);
            let is_full = page.len() == PAGE_MAX;
            each(page)?;
            match last {
                Some(last) if is_full => after = Some(last),
                _ => return Ok(()),
            }
        }
    }

    /// `POST` of a module, with `?reason=` and its signature: `body` is read to its end.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub(super) fn upload(&self, path: &str, body: &mut dyn std::io::Read, signature: Option<&[u8]>) -> Outcome<Value> {
        let mut request = self.request("POST", path, &self.why()).header("content-type", "application/wasm");
        if let Some(signature) = signature {
            request = request.header("grantd-signature", BASE64_STANDARD.encode(signature));
        }
        let request = request.body(ureq::SendBody::from_reader(body)).map_err(|error| self.unaskable(&error))?;
        let response = self.agent.run(request).map_err(|error| answer::unreachable(&self.server, &error))?;
        answer::read(response, ANSWER_BYTES_MAX, &self.server, &self.token_source)
    }

    /// `GET` of a file.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub(super) fn download(&self, path: &str) -> Outcome<Vec<u8>> {
        let request = self.request("GET", path, &[]).body(()).map_err(|error| self.unaskable(&error))?;
        let mut response = self.agent.run(request).map_err(|error| answer::unreachable(&self.server, &error))?;
        if !response.status().is_success() {
            answer::read(response, ANSWER_BYTES_MAX, &self.server, &self.token_source)?;
            return Ok(Vec::new());
        }
        let bytes = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        bytes.map_err(|error| answer::unreachable(&self.server, &error))
    }

    fn why(&self) -> Vec<(&'static str, &str)> {
        self.reason.as_deref().map(|reason| ("reason", reason)).into_iter().collect()
    }

    fn ask(&self, method: &str, path: &str, query: &[(&str, &str)], body: Vec<u8>) -> Outcome<Value> {
        let response = self.exchange(method, path, query, body)?;
        answer::read(response, ANSWER_BYTES_MAX, &self.server, &self.token_source)
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Outcome<ureq::http::Response<ureq::Body>> {
        // As where a shell puts a variable that is not set: the list of all would answer.
        if path.split('/').skip(1).any(str::is_empty) {
            return Err(Failure::Usage("an id or a name on the command line is empty".to_owned()));
        }
        let request = self.request(method, path, query).header("content-type", "application/json").body(body);
        let request = request.map_err(|error| self.unaskable(&error))?;
        self.agent.run(request).map_err(|error| answer::unreachable(&self.server, &error))
    }

    /// A request but for its body.
    fn request(&self, method: &str, path: &str, query: &[(&str, &str)]) -> ureq::http::request::Builder {
        let encoded = |text: &str| utf8_percent_encode(text, KEPT).to_string();
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("{}/api/v1{path}{mark}{}", reach::base(&self.server), query.join("&"));
        let bearer = format!("Bearer {}", self.token.expose());
        ureq::http::Request::builder().method(method).uri(url).header("authorization", bearer)
    }

    fn unaskable(&self, error: &ureq::http::Error) -> Failure {
        Failure::failed(format!("this cannot be asked of {}: {error}", self.server))
    }
}

/// A part of a path, with whatever a person typed made harmless.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// The `Resources` of a list.
pub(super) fn items(mut list: Value) -> Vec<Value> {
    match list.get_mut("Resources").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

/// The profile that was named, which must exist, or the default one, which need not.
fn named_profile(args: &RemoteArgs) -> Outcome<Option<(String, Profile)>> {
    let Some(name) = &args.profile else {
        // Whoever says both needs no file, and minds no broken one.
        if args.server.is_some() && args.token.is_some() {
            return Ok(None);
        }
        let Ok(path) = profile::path() else { return Ok(None) };
        let found = profile::read(&path, profile::DEFAULT)?;
        return Ok(found.map(|profile| (profile::DEFAULT.to_owned(), profile)));
    };
    let path = profile::path()?;
    let found = profile::read(&path, name)?;
    let missing = || {
        let known = profile::names(&path).unwrap_or_default();
        let near = grantd::model::fields::nearest(name, known.iter().map(String::as_str));
        let hint =
            near.map_or_else(|| "; `grantd login` makes one".to_owned(), |near| format!("; did you mean {near}?"));
        Failure::NotFound(format!("there is no profile {name} in {}{hint}", path.display()))
    };
    Ok(Some((name.clone(), found.ok_or_else(missing)?)))
}

type Access = (String, (Secret, String));

/// The server of this directory's configuration, and the API token that its `dev` made.
fn local(settings: &Settings, server: Option<String>, token: Option<(Secret, String)>) -> Outcome<Access> {
    let config = settings.load(figment::value::Dict::new())?;
    let server = match server {
        Some(server) => server,
        None => own_address(&config)?,
    };
    let token = match token {
        Some(token) => token,
        None => dev::token(&config, &server)?,
    };
    Ok((server, token))
}

/// Where the server of this configuration is reached from this machine.
///
/// # Errors
/// When `listen` is no address.
pub(super) fn own_address(config: &Config) -> grantd::Result<String> {
    let listening = config.listen_address()?;
    Ok(match &listening {
        ListenAddress::Unix(_) => address_of(&listening),
        ListenAddress::Tcp(_) => config.public_url(&listening),
    })
}

/// Where what listens there, without TLS, is reached from this machine, past any proxy.
pub(super) fn address_of(listening: &ListenAddress) -> String {
    match listening {
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
        ListenAddress::Tcp(address) if address.ip().is_unspecified() => format!("http://localhost:{}", address.port()),
        ListenAddress::Tcp(address) => format!("http://{address}"),
    }
}

fn no_token(server: &str) -> Failure {
    Failure::Denied(format!(
        "there is no API token for {server}: put one into GRANTD_TOKEN, or keep it with `grantd login` (in the \
         directory of a `grantd dev`, its own is used, for that server alone)"
    ))
}
