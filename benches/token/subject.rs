//! A server to measure: how to start it, where it listens, what request makes it give a token.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::load::Requests;
use crate::process::{Cores, Server};
use crate::{Alg, Ask, Fallible, Policies, exchange, fill, floor, writes};

/// A typical policy in Rust.
const MODULE: &[u8] = include_bytes!("../../policies/scope-allowlist/policy.wasm");

/// What `grantd dev` may take to make a database with its sample and to say that it is ready.
const READY_MAX: Duration = Duration::from_secs(30);
/// How much of a server's log an error shows.
const LOG_TAIL_BYTES: usize = 2048;

pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    /// One request for a token.
    pub(crate) request: Vec<u8>,
    /// What it is loaded with.
    pub(crate) requests: Arc<Requests>,
    /// Starts it again at the same address, on what it left.
    command: Command,
    log: Option<PathBuf>,
}

impl Subject {
    /// This executable again, as the floor.
    pub(crate) fn start_floor(cores: &Cores, alg: Alg) -> Fallible<Self> {
        let command = |port: u16| -> Fallible<Command> {
            let mut command = cores.server_command(&std::env::current_exe()?);
            command.args([floor::ARGUMENT, alg.name(), &port.to_string()]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            Ok(command)
        };
        let mut child = command(0)?.spawn()?;
        let stdout = child.stdout.take().ok_or("the floor has no output")?;
        let server = Server { child };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let port: u16 = line.trim().parse().map_err(|_| "the floor did not start")?;

        let address = SocketAddr::from(([127, 0, 0, 1], port));
        // As long as grantd's own: an identifier of 32 characters and a secret of about 55.
        let form = form(&"c".repeat(32), &format!("gsec_{}", "s".repeat(50)), "write");
        let request = exchange::form_request(address, "/oauth2/token", &borrowed(&form));
        let requests = Requests::repeated(vec![request.clone()], exchange::TOKEN);
        Ok(Self { name: "floor".to_owned(), server, address, request, requests, command: command(port)?, log: None })
    }

    /// Another token server: a shell command that listens on `PORT` of its environment (0 takes a free one) and then
    /// prints one line: `{"port": …, "path": "/token", "form": {…}}`.
    pub(crate) fn start_peer(cores: &Cores, name: &str, shell: &str) -> Fallible<Self> {
        let command = |port: u16| {
            let mut command = cores.server_command(Path::new("sh"));
            command.args(["-c", &format!("exec {shell}")]).env("PORT", port.to_string());
            command.stdin(Stdio::null()).stdout(Stdio::piped());
            command
        };
        let mut child = command(0).spawn()?;
        let stdout = child.stdout.take().ok_or("the peer has no output")?;
        let server = Server { child };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let peer: Peer = serde_json::from_str(&line).map_err(|error| format!("{name} did not start: {error}"))?;
        let address = SocketAddr::from(([127, 0, 0, 1], peer.port));
        let form: Vec<(&str, &str)> = peer.form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = exchange::form_request(address, &peer.path, &form);
        let requests = Requests::repeated(vec![request.clone()], exchange::TOKEN);
        Ok(Self { name: name.to_owned(), server, address, request, requests, command: command(peer.port), log: None })
    }

    /// `grantd dev` on a new database in `dir`, its sample API set to sign with `alg`, `policies` attached to the server,
    /// and filled up as `setup` says.
    pub(crate) fn start_grantd(cores: &Cores, setup: &Setup, name: &str, dir: &Path) -> Fallible<Self> {
        let Setup { alg, policies, .. } = *setup;
        let log = dir.join("grantd.log");
        let ready_file = dir.join("ready.json");
        let mut command = grantd_command(cores, policies, dir, &log, "127.0.0.1:0")?;
        let mut server = Server { child: command.spawn()? };
        let ready = wait_for_ready(&mut server, &ready_file)
            .map_err(|error| format!("grantd did not start: {error}{}", tail(&log)))?;
        set_signing_alg(&ready, alg).map_err(|error| format!("signingAlg was not set: {error}{}", tail(&log)))?;

        attach(&ready, policies).map_err(|error| format!("policies were not attached: {error}{}", tail(&log)))?;

        let (address, path, scope) = (ready.listen, ready.token_path()?, ready.scope()?);
        let token_request =
            |id: &str, secret: &str| exchange::form_request(address, path, &borrowed(&form(id, secret, scope)));
        let request = token_request(&ready.client_id, &ready.client_secret);
        let mut command = grantd_command(cores, policies, dir, &log, &address.to_string())?;
        let mut asking = Vec::new();
        if setup.accounts > 1 {
            server.stop()?;
            asking = fill::accounts(&dir.join("bench.db"), &ready.api, scope, setup)?;
            server = Server { child: command.spawn()? };
            exchange::first_token(address, &request).map_err(|error| format!("{name}: {error}{}", tail(&log)))?;
        }
        let requests = match setup.ask {
            Ask::Token if asking.is_empty() => Requests::repeated(vec![request.clone()], exchange::TOKEN),
            Ask::Token => {
                let list = asking.iter().map(|(id, secret)| token_request(id, secret.expose())).collect();
                Requests::repeated(list, exchange::TOKEN)
            }
            Ask::Introspection => {
                let body: serde_json::Value = serde_json::from_slice(&exchange::token_body(address, &request)?)?;
                let token = body["access_token"].as_str().ok_or("no token")?;
                let form =
                    [("client_id", &*ready.client_id), ("client_secret", &*ready.client_secret), ("token", token)];
                let list = vec![exchange::form_request(address, "/oauth2/introspect", &form)];
                Requests::repeated(list, exchange::ACTIVE)
            }
            Ask::Writes => Requests::once(writes::requests(address, &ready.api_token, setup.asking), exchange::MADE),
        };
        Ok(Self { name: name.to_owned(), server, address, request, requests, command, log: Some(log) })
    }

    /// Starts the process again and returns at once; the one before has ended.
    pub(crate) fn restart(&mut self) -> Fallible<()> {
        self.server = Server { child: self.command.spawn()? };
        Ok(())
    }

    /// How many answers of this grantd have no record, and will have none.
    pub(crate) fn unrecorded(&self) -> Fallible<u64> {
        let page = ureq::get(format!("http://{}/metrics", self.address)).call()?.body_mut().read_to_string()?;
        let missing = page.lines().filter(|line| line.starts_with("grantd_decisions_not_written_total"));
        let counts: Vec<u64> =
            missing.map(|line| line.rsplit(' ').next().unwrap_or_default().parse()).collect::<Result<_, _>>()?;
        if counts.is_empty() {
            Err("its metrics do not say whether records are missing".into())
        } else {
            Ok(counts.iter().sum())
        }
    }

    /// The end of its log on lines of its own, for an error message.
    pub(crate) fn log_tail(&self) -> String {
        self.log.as_deref().map(tail).unwrap_or_default()
    }
}

/// What grantd has and is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) alg: Alg,
    pub(crate) policies: Policies,
    pub(crate) ask: Ask,
    /// Accounts, each with a client and a grant.
    pub(crate) accounts: usize,
    /// How many of their clients ask, in turn; how many accounts can be written, for [`Ask::Writes`].
    pub(crate) asking: usize,
}

/// What a peer says of itself.
#[derive(Deserialize)]
struct Peer {
    port: u16,
    path: String,
    form: BTreeMap<String, String>,
}

/// The part of `grantd dev`'s ready file that a client needs.
#[derive(Deserialize)]
struct Ready {
    listen: SocketAddr,
    token_endpoint: String,
    admin_api: String,
    api_token: String,
    client_id: String,
    client_secret: String,
    api: String,
    scopes: Vec<String>,
}

impl Ready {
    /// One scope, as the floor's answer has one.
    fn scope(&self) -> Fallible<&str> {
        let write = self.scopes.iter().find(|scope| *scope == "write");
        Ok(write.or(self.scopes.first()).ok_or("the ready file names no scope")?)
    }

    fn token_path(&self) -> Fallible<&str> {
        let (_, rest) = self.token_endpoint.split_once("://").ok_or("token_endpoint is no URL")?;
        Ok(rest.find('/').map_or("/", |slash| &rest[slash..]))
    }
}

fn grantd_command(cores: &Cores, policies: Policies, dir: &Path, log: &Path, listen: &str) -> Fallible<Command> {
    let mut command = cores.server_command(Path::new(env!("CARGO_BIN_EXE_grantd")));
    // Nothing of the caller's own configuration: neither a file in this folder nor the environment.
    command.current_dir(dir);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GRANTD_")) {
        command.env_remove(name);
    }
    if policies == Policies::Fresh {
        command.env("GRANTD_POLICIES__REUSE", "false");
    }
    command.env("GRANTD_WORKERS", "1").args(["dev", "--listen", listen]);
    command.arg("--database").arg(dir.join("bench.db")).arg("--ready-file").arg(dir.join("ready.json"));
    let log = File::options().create(true).append(true).open(log)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command)
}

/// A ready file that does not parse yet is still being written; the last error is told when time is up.
fn wait_for_ready(server: &mut Server, path: &Path) -> Fallible<Ready> {
    let deadline = Instant::now() + READY_MAX;
    loop {
        let ready = std::fs::read(path).map_err(Into::into).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
        match ready {
            Ok(ready) => return Ok(ready),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => {}
        }
        if let Some(status) = server.child.try_wait()? {
            return Err(format!("it ended with {status}").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Finds the sample API by its `appId` and replaces `signingAlg`, as an operator would.
fn set_signing_alg(ready: &Ready, alg: Alg) -> Fallible<()> {
    let authorization = format!("Bearer {}", ready.api_token);
    let resources = format!("{}/resources/cid/Api", ready.admin_api.trim_end_matches('/'));
    let filter = format!("appId eq \"{}\"", ready.api);
    let found: serde_json::Value = ureq::get(&resources)
        .query("filter", &filter)
        .header("Authorization", &authorization)
        .call()?
        .body_mut()
        .read_json()?;
    let id = found["Resources"][0]["id"].as_str().ok_or_else(|| format!("no Api with {filter}"))?;
    let operation = serde_json::json!({ "op": "replace", "path": "signingAlg", "value": alg.name() });
    ureq::patch(format!("{resources}/{id}"))
        .header("Authorization", &authorization)
        .send_json(serde_json::json!({ "Operations": [operation] }))?;
    Ok(())
}

/// Uploads a module and attaches it to the server, as often as `policies` says.
fn attach(ready: &Ready, policies: Policies) -> Fallible<()> {
    let authorization = format!("Bearer {}", ready.api_token);
    let admin_api = ready.admin_api.trim_end_matches('/');
    for number in 0..policies.count() {
        let module: serde_json::Value = ureq::post(format!("{admin_api}/policy-modules"))
            .header("Authorization", &authorization)
            .header("Content-Type", "application/wasm")
            .send(MODULE)?
            .body_mut()
            .read_json()?;
        let policy = serde_json::json!({
            "name": format!("bench-{number}"),
            "moduleDigest": module["digest"],
            // Five of one module, each with settings of its own: none has another's answers.
            "settings": {"allow": ["*"], "except": [format!("never-{number}")]},
            "attachedTo": {"type": "server"},
            "order": number,
            "mode": "enforce",
        });
        ureq::post(format!("{admin_api}/resources/cid/Policy"))
            .header("Authorization", &authorization)
            .send_json(policy)?;
    }
    Ok(())
}

fn form(client_id: &str, client_secret: &str, scope: &str) -> [(&'static str, String); 4] {
    [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", client_id.to_owned()),
        ("client_secret", client_secret.to_owned()),
        ("scope", scope.to_owned()),
    ]
}

fn borrowed<'a>(form: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    form.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn tail(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let end = &bytes[bytes.len().saturating_sub(LOG_TAIL_BYTES)..];
    if end.is_empty() { String::new() } else { format!("\nits log ends:\n{}", String::from_utf8_lossy(end)) }
}
