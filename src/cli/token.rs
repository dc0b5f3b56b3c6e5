//! `grantd token`: an access token from a running server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use clap::{Args, ValueEnum};
use grantd::secret::{ServerKeys, master};
use grantd::{Config, Error, Result, dev};
use serde_json::{Value, json};
use ureq::http::StatusCode;

use super::output::Form;
use super::remote::{self, Remote, RemoteArgs, own_address, reach};
use super::{Failure, Outcome, Settings, note, say};

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(super) struct TokenArgs {
    /// URL of the server, or unix:PATH of its socket [default: from the configuration of this directory]
    #[arg(long, env = "GRANTD_SERVER", value_name = "URL")]
    server: Option<String>,
    /// Certificates (PEM) that the server's must lead to, instead of the public authorities
    #[arg(long, env = "GRANTD_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Client id [default: the sample's of `grantd dev`]
    #[arg(long, env = "GRANTD_CLIENT_ID", value_name = "ID", requires = "client_secret")]
    client_id: Option<String>,
    /// Client secret; better put into the environment, where no other user sees it
    #[arg(long, env = "GRANTD_CLIENT_SECRET", value_name = "SECRET", hide_env_values = true, requires = "client_id")]
    client_secret: Option<String>,
    /// Scopes, separated by blanks [default: write with the sample's client, else the default scopes of the API]
    #[arg(long)]
    scope: Option<String>,
    /// API to get the token for, where the scopes do not say it
    #[arg(long, value_name = "API")]
    resource: Option<String>,
    /// What to print
    #[arg(long, value_enum, default_value = "token")]
    output: Output,
    /// Say below the token why the request ended as it did, which takes an API token
    /// [default: GRANTD_TOKEN, else the profile's, else that of `grantd dev` in this directory]
    #[arg(long)]
    explain: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// The access token alone
    Token,
    /// The server's whole answer
    Json,
    /// The header and the claims of the token, decoded
    Claims,
}

pub(super) fn run(settings: &Settings, args: &TokenArgs) -> Outcome {
    let config = settings.load(figment::value::Dict::new())?;
    let mut scope = args.scope.clone();
    let (client_id, client_secret) = match (&args.client_id, &args.client_secret) {
        (Some(id), Some(secret)) => (id.clone(), secret.clone()),
        _ => {
            scope.get_or_insert_with(|| "write".to_owned());
            sample_client(&config)?
        }
    };
    let server = match &args.server {
        Some(url) => {
            reach::check(url)?;
            if args.client_id.is_none() && !remote::dev::is_its(&config, url)? {
                return Err(Failure::Usage(format!(
                    "the sample's client is for the `grantd dev` of this directory, which was not at {url}: name a client that \
                     is known there with --client-id and --client-secret"
                )));
            }
            reach::trimmed(url).to_owned()
        }
        None => own_address(&config)?,
    };
    if args.client_id.is_none() {
        remote::dev::check_runs(&config, &server)?;
    }
    let mut form =
        vec![("grant_type", "client_credentials"), ("client_id", &client_id), ("client_secret", &client_secret)];
    form.extend(scope.as_deref().map(|scope| ("scope", scope)));
    form.extend(args.resource.as_deref().map(|resource| ("resource", resource)));
    let answer = match post(&server, args.ca_file.as_deref(), &form)? {
        Ok(answer) => answer,
        Err(refusal) => {
            // The refusal is the answer, explained or not.
            if args.explain
                && let Err(failure) = explain_refusal(settings, args, &server, &refusal)
            {
                note(&format!("the refusal cannot be explained: {}", failure.told().0));
            }
            return Err(refusal.into());
        }
    };
    let token = answer.get("access_token").and_then(Value::as_str);
    let token = token.ok_or_else(|| Error::Setup(format!("{server} answers, but not with an access token")))?;
    let text = match args.output {
        Output::Token => token.to_owned(),
        Output::Json => pretty(&answer),
        Output::Claims => pretty(&decode(token)?),
    };
    say(&text)?;
    if args.explain {
        let jti = decode(token)?["claims"]["jti"].as_str().unwrap_or_default().to_owned();
        explain(settings, args, &server, &jti)?;
    }
    Ok(())
}

/// A request that was answered without a token.
struct Refusal {
    said: String,
    /// The caller has to change something. Otherwise something failed, and who asks again later may get it.
    is_denial: bool,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        if refusal.is_denial { Self::Denied(refusal.said) } else { Self::failed(refusal.said) }
    }
}

/// Why a request was refused, where its refusal names a decision: only an authenticated client is told one.
fn explain_refusal(settings: &Settings, args: &TokenArgs, server: &str, refusal: &Refusal) -> Outcome {
    let Some((_, id)) = refusal.said.rsplit_once("; decision ") else {
        let why = if refusal.is_denial { "nobody was authenticated, so the" } else { "the" };
        note(&format!("{why} refusal names no decision; `grantd decision list` shows it"));
        return Ok(());
    };
    explain(settings, args, server, id)
}

fn explain(settings: &Settings, args: &TokenArgs, server: &str, decision: &str) -> Outcome {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let args = RemoteArgs {
        server: Some(server.to_owned()),
        token: variable("GRANTD_TOKEN"),
        profile: variable("GRANTD_PROFILE"),
        ca_file: args.ca_file.clone(),
        reason: None,
    };
    super::decision::show(&Remote::connect(settings, &args)?, Form::Table, decision)
}

/// The client that `grantd dev` made here: it follows from the master key.
fn sample_client(config: &Config) -> Result<(String, String)> {
    let source = master::source(config.master_key_file.as_deref(), &config.database);
    let master = master::read(&source)?.ok_or_else(|| {
        Error::Setup("no --client-id and --client-secret, and no `grantd dev` has run in this directory".to_owned())
    })?;
    let (id, secret) = dev::client_of(&ServerKeys::derive(&master)?);
    Ok((id, secret.expose().to_owned()))
}

fn post(server: &str, ca_file: Option<&Path>, form: &[(&str, &str)]) -> Outcome<std::result::Result<Value, Refusal>> {
    let agent = reach::agent(server, TIMEOUT, ca_file)?;
    let failed = |error: ureq::Error| {
        Error::Setup(format!("{server} cannot be asked: {error}; is the server running? --server names another"))
    };
    let mut response =
        agent.post(format!("{}/oauth2/token", reach::base(server))).send_form(form.iter().copied()).map_err(failed)?;
    let status = response.status();
    let answer: Value = response.body_mut().read_json().map_err(failed)?;
    if status.is_success() {
        return Ok(Ok(answer));
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    let said = format!("{}: {}", text("error"), text("error_description"));
    let is_denial = !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS;
    Ok(Err(Refusal { said, is_denial }))
}

/// Header and claims, for people to read: nothing is verified.
pub(super) fn decode(token: &str) -> Result<Value> {
    let part = |index: usize| {
        let bytes = token.split('.').nth(index).and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
        bytes.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
    };
    match (part(0), part(1)) {
        (Some(header), Some(claims)) => Ok(json!({"header": header, "claims": claims})),
        _ => Err(Error::Setup("the token is not a JWT: --output json shows the whole answer".to_owned())),
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}
