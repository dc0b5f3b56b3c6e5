//! `grantd dev` and `grantd serve`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use figment::value::{Dict, Value};
use grantd::dev::{self, DevOptions, Sample};
use grantd::{App, Config, Listener, Missing, Result};
use serde_json::json;

use super::signals::Signals;
use super::{Failure, Outcome, Settings, hardening, insert, log, ready_file, remote, say, seed};

#[derive(Args)]
pub(super) struct ServerArgs {
    /// Where to listen: ADDRESS:PORT (port 0 takes a free one) or unix:PATH [default: 127.0.0.1:8420]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// URL that clients reach this server by, without a path [default: from --listen]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Another URL that clients reach this server by; may be repeated
    #[arg(long, value_name = "URL")]
    issuer_alias: Vec<String>,
    /// What the issuer is at an alias: that of the public URL, or the alias's own [default: fixed]
    #[arg(long, value_name = "WHICH", value_parser = ["fixed", "own"])]
    alias_issuer: Option<String>,
    /// PEM file with the certificate to show, then those that lead to its authority; read again when it changes
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Listen without TLS where other machines reach it: for a proxy that speaks TLS
    #[arg(long)]
    allow_plain: bool,
    /// Once requests are served, write a JSON object about this server to FILE (mode 0600)
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Apply this file, or the files of this directory, before anything is served; as `grantd apply` does
    #[arg(long, value_name = "FILE")]
    seed: Vec<PathBuf>,
}

/// What only `grantd dev` takes.
#[derive(Args)]
pub(super) struct DevArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Sign with keys that everybody knows, the same in every run: for tests that keep tokens or key sets
    #[arg(long)]
    fixed_keys: bool,
    /// Apply the seed again whenever its files change; what they no longer have is deleted, if a seed made it
    #[arg(long, requires = "seed")]
    watch: bool,
}

impl ServerArgs {
    fn flags(&self) -> Dict {
        let mut flags = Dict::new();
        insert(&mut flags, "listen", self.listen.as_deref().map(Value::from));
        insert(&mut flags, "public_url", self.public_url.as_deref().map(Value::from));
        let aliases = (!self.issuer_alias.is_empty()).then(|| Value::from(self.issuer_alias.clone()));
        insert(&mut flags, "issuer_aliases", aliases);
        insert(&mut flags, "alias_issuer", self.alias_issuer.as_deref().map(Value::from));
        let mut tls = Dict::new();
        let path = |path: &PathBuf| Value::from(path.to_string_lossy().into_owned());
        insert(&mut tls, "cert", self.tls_cert.as_ref().map(path));
        insert(&mut tls, "key", self.tls_key.as_ref().map(path));
        insert(&mut tls, "allow_plain", self.allow_plain.then(|| Value::from(true)));
        insert(&mut flags, "tls", (!tls.is_empty()).then(|| Value::from(tls)));
        flags
    }
}

/// Why `--watch` cannot be.
const NO_TOKEN: &str =
    "--watch applies the seed with the sample's API token, and that was deleted: make another database";

/// It applies changes through its own front door, and need not know which authority its certificate leads to.
const WATCH_AND_TLS: &str = "--watch works on a server without TLS only";

pub(super) fn dev(settings: &Settings, args: &DevArgs) -> Outcome {
    let config = load(settings, &args.server)?;
    log::start(&config.log)?;
    if args.watch && config.tls.is_on() {
        return Err(Failure::Usage(WATCH_AND_TLS.to_owned()));
    }
    let app = App::open_dev(config, &DevOptions { fixed_keys: args.fixed_keys, clock: None })?;
    let sample = dev::prepare(&app)?;
    let listener = Listener::bind(app.config())?;
    remote::dev::leave(app.config(), listener.address(), sample.api_token.is_none())?;
    let seeded = seed::at_start(&app, &args.server.seed, true)?;
    if args.watch {
        let token = sample.api_token.clone().ok_or_else(|| Failure::failed(NO_TOKEN))?;
        let front_door = remote::address_of(listener.address());
        seed::watch(seeded, &front_door, token)?;
    }
    run(app, listener, &args.server, Some(&sample))?;
    Ok(())
}

pub(super) fn serve(settings: &Settings, args: &ServerArgs) -> Outcome {
    let config = load(settings, args)?;
    log::start(&config.log)?;
    let app = App::open_with(config, grantd::clock::Clock::system(), Missing::Refuse)?;
    let listener = Listener::bind(app.config())?;
    // Nobody reads what a server prints: it makes no secret that has to be read.
    seed::at_start(&app, &args.seed, false)?;
    run(app, listener, args, None)?;
    Ok(())
}

/// The configuration, and a ready file that may be written: the first thing that a start sees to.
fn load(settings: &Settings, args: &ServerArgs) -> Result<Config> {
    let Some(path) = &args.ready_file else { return settings.load(args.flags()) };
    ready_file::forget(path)?;
    let config = settings.load(args.flags())?;
    ready_file::check(&config, path)?;
    Ok(config)
}

/// Serves until a signal ends it.
fn run(app: App, listener: Listener, args: &ServerArgs, sample: Option<&Sample>) -> Result<()> {
    hardening::make_room_for_connections();
    let listening = listener.to_string();
    let url = app.config().public_url(listener.address());
    let console = console_link(&app, &url, sample)?;
    match sample {
        Some(sample) => {
            // Other commands know what the configuration says, not what a flag said here.
            let is_found = args.listen.is_none() || app.config().tls.is_on();
            let server = (!is_found).then(|| remote::address_of(listener.address()));
            say(&welcome(&app, &url, sample, console.as_deref(), server.as_deref()))?;
        }
        None => say(&format!("grantd listens on {listening} as {url}/oauth2/"))?,
    }
    if app.has_fixed_keys() {
        tracing::warn!("this server signs with fixed keys that everybody knows: nobody may rely on its tokens");
    }
    tracing::info!(listen = listening, issuer = format!("{url}/oauth2/"), "started");
    let ready = args.ready_file.clone();
    let content = ready_content(app.config(), &listening, &url, sample, console.as_deref());
    actix_web::rt::System::new().block_on(async move {
        let signals = Signals::new()?;
        // The socket is bound: whoever reads the file and connects is served.
        if let Some(path) = &ready {
            ready_file::write(path, &content)?;
        }
        let ended = grantd::run(app, listener, signals.wait()).await;
        if let Some(path) = &ready {
            ready_file::remove(path, &content);
        }
        ended
    })
}

/// Where the console is: for `dev` a link that signs in once. `None` when there is no console.
fn console_link(app: &App, url: &str, sample: Option<&Sample>) -> Result<Option<String>> {
    if !app.config().console.enabled {
        return Ok(None);
    }
    let path = match sample.and_then(|sample| sample.api_token.as_ref()) {
        Some(token) => app.sign_in_path(token)?,
        None => None,
    };
    Ok(Some(format!("{url}{}", path.as_deref().unwrap_or("/console"))))
}

fn ready_content(
    config: &Config,
    listening: &str,
    url: &str,
    sample: Option<&Sample>,
    console: Option<&str>,
) -> serde_json::Value {
    let database = std::path::absolute(&config.database).unwrap_or_else(|_| config.database.clone());
    let client = sample.and_then(|sample| sample.client.as_ref());
    json!({
        "pid": std::process::id(),
        "listen": listening,
        "issuer": format!("{url}/oauth2/"),
        "token_endpoint": format!("{url}/oauth2/token"),
        "admin_api": format!("{url}/api/v1"),
        "console": console,
        "database": database,
        "api_token": sample.and_then(|sample| sample.api_token.as_ref()).map(|token| token.expose()),
        "client_id": client.map(|(id, _)| id),
        "client_secret": client.map(|(_, secret)| secret.expose()),
        "api": sample.map(|sample| sample.api),
        "scopes": sample.map(|sample| sample.scopes),
    })
}

/// What `dev` prints: everything for the first token, ready to paste. `server` is for commands that would not find it.
fn welcome(app: &App, url: &str, sample: &Sample, console: Option<&str>, server: Option<&str>) -> String {
    let mut text = String::new();
    let config = app.config();
    let made = if app.is_new() { "made now" } else { "kept from before" };
    let database = std::path::absolute(&config.database).unwrap_or_else(|_| config.database.clone());
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<14} {value}");
    };
    line("issuer", &format!("{url}/oauth2/"));
    line("admin API", &format!("{url}/api/v1"));
    if app.has_fixed_keys() {
        line("signing keys", "fixed: everybody knows them, and whoever trusts this issuer trusts everybody");
    }
    line("clock, faults", &format!("{url}/dev/clock, {url}/dev/faults"));
    line("database", &format!("{} ({made})", database.display()));
    line("master key", &format!("{} (everything sealed in the database needs it)", app.master_key_source()));
    match &sample.client {
        Some((id, secret)) => {
            line("client id", id);
            line("client secret", secret.expose());
        }
        None => line("client", "the sample's was deleted; make another through the admin API"),
    }
    match &sample.api_token {
        Some(token) => line("API token", token.expose()),
        None => line("API token", "the sample's was deleted"),
    }
    if let Some(console) = console {
        line("console", &format!("{console}\n{:17}(this link signs in once; after that, the API token does)", ""));
    }
    let curl = sample.client.as_ref().map(|(id, secret)| {
        let socket = match config.listen.strip_prefix("unix:") {
            Some(path) => format!(" --unix-socket {path}"),
            None => String::new(),
        };
        let mut token = "grantd token".to_owned();
        if let Some(server) = server {
            token += &format!(" --server {server}");
        }
        if config.database != Config::default().database {
            token += &format!(" --database {}", config.database.display());
        }
        format!(
            "\nGet a token:\n\n  curl{socket} -X POST {url}/oauth2/token \\\n    -F grant_type=client_credentials \\\n    \
             -F client_id={id} \\\n    -F client_secret={} \\\n    -F scope='{}'\n\nor, in this directory: {token}\n",
            secret.expose(),
            sample.scopes.join(" "),
        )
    });
    format!("grantd dev\n\n{text}{}\nCtrl-C stops it; the next start keeps everything.", curl.unwrap_or_default())
}
