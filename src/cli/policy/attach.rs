//! `grantd policy attach` and `set`: a module becomes a policy, and a policy another one.

use std::io::Read;
use std::path::Path;

use clap::{Args, ValueEnum};
use grantd::policy::cases::{parse_settings, put_files};
use serde_json::{Value, json};

use super::caseload::read_text;
use super::module::{self, found};
use super::show;

use crate::cli::members::{Changes, Members};
use crate::cli::names::{ACCOUNT, API, CLIENT, POLICY, find};
use crate::cli::output::{Form, text};
use crate::cli::remote::Remote;
use crate::cli::{Failure, Outcome};

/// Largest file of settings: the server takes 256 KiB of JSON, and YAML may be longer than what it says.
const SETTINGS_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Args)]
pub(super) struct AttachArgs {
    /// The module: its name, name@version or digest; or a file, which is handed in first
    module: String,
    /// Where: server, api:NAME, client:NAME or account:NAME
    #[arg(long, value_name = "PLACE")]
    to: String,
    /// What the policy is called [default: MODULE at PLACE]
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
pub(super) struct SetArgs {
    /// The policy: its name, or an id
    policy: String,
    /// Another module: its name, name@version or digest; or a file, which is handed in first
    #[arg(long)]
    module: Option<String>,
    /// Another place: server, api:NAME, client:NAME or account:NAME
    #[arg(long, value_name = "PLACE")]
    to: Option<String>,
    /// Another name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
struct How {
    /// What the module is told: JSON, or a file of JSON or YAML, or - for standard input [default: {}]
    #[arg(long, value_name = "JSON | FILE")]
    settings: Option<String>,
    /// Whether its answer is applied, or only recorded [default: enforce]
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Policies at one place are asked from the lowest to the highest [default: 0]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    order: Option<i64>,
    /// Whether it is asked at all [default: true]
    #[arg(long, value_name = "BOOLEAN")]
    active: Option<bool>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Its answer is applied
    Enforce,
    /// Its answer is recorded beside the result, and never applied
    Shadow,
    /// It is not asked
    Off,
}

impl Mode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
            Self::Off => "off",
        }
    }
}

impl AttachArgs {
    pub(super) fn run(&self, remote: &Remote, form: Form) -> Outcome {
        // Everything that can be wrong here is looked at before a module is handed in.
        let place = place(remote, &self.to)?;
        let settings = self.how.settings()?;
        let module = module_named(remote, &self.module)?;
        let name = self.name.clone().unwrap_or_else(|| format!("{} at {}", text(&module, "name"), self.to));
        let mut members = Members::default();
        members.put("name", Some(name));
        members.put("moduleDigest", Some(module["digest"].clone()));
        members.put("attachedTo", Some(place));
        members.put("settings", settings);
        members.put("mode", self.how.mode.map(Mode::as_str));
        members.put("order", self.how.order);
        members.put("active", self.how.active);
        show(remote, form, remote.post(POLICY.path, &members.into_body())?)
    }
}

impl SetArgs {
    pub(super) fn run(&self, remote: &Remote, form: Form) -> Outcome {
        let policy = find(remote, &POLICY, &self.policy)?;
        let place = self.to.as_deref().map(|to| place(remote, to)).transpose()?;
        let settings = self.how.settings()?;
        let module = self.module.as_deref().map(|module| module_named(remote, module)).transpose()?;
        let mut changes = Changes::default();
        changes.replace("name", self.name.clone());
        changes.replace("moduleDigest", module.map(|module| module["digest"].clone()));
        changes.replace("attachedTo", place);
        changes.replace("settings", settings);
        changes.replace("mode", self.how.mode.map(Mode::as_str));
        changes.replace("order", self.how.order);
        changes.replace("active", self.how.active);
        show(remote, form, remote.patch(&POLICY.path_of(&policy), &changes.into_operations()?)?)
    }
}

impl How {
    fn settings(&self) -> Outcome<Option<Value>> {
        self.settings.as_deref().map(read_settings).transpose()
    }
}

/// Settings as they were typed, or out of a file.
pub(super) fn read_settings(given: &str) -> Outcome<Value> {
    let unfit = |what: String| Failure::Usage(format!("--settings: {what}"));
    if given.trim_start().starts_with('{') {
        return parse_settings(given).map_err(unfit);
    }
    let text = if given == "-" { bounded(std::io::stdin()) } else { std::fs::File::open(given).and_then(bounded) };
    let text = text.map_err(|error| match serde_json::from_str::<Value>(given) {
        // JSON that names no file was meant as what it is.
        Ok(_) => unfit(format!("settings are an object, and {given} is none")),
        Err(_) => unfit(format!("{given}: {error}")),
    })?;
    match parse_settings(&text) {
        Ok(mut settings) if settings.is_object() => {
            // A policy in Rego or Cedar lies in a file of its own, beside the settings that name it.
            let folder = Path::new(given).parent().unwrap_or(Path::new(""));
            put_files(&mut settings, &|name| read_text(folder, name))
                .map_err(|what| unfit(format!("{given}: {what}")))?;
            Ok(settings)
        }
        Ok(_) => Err(unfit(format!("{given} holds no object"))),
        Err(error) => Err(unfit(format!("{given}: {error}"))),
    }
}

fn bounded(from: impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    let bytes = from.take(SETTINGS_BYTES_MAX + 1).read_to_string(&mut text)? as u64;
    if bytes > SETTINGS_BYTES_MAX {
        return Err(std::io::Error::other(format!("it is larger than {SETTINGS_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// A place as the admin API writes it.
fn place(remote: &Remote, to: &str) -> Outcome<Value> {
    let unfit = || Failure::Usage(format!("--to: {to:?} is none of server, api:NAME, client:NAME and account:NAME"));
    if to == "server" {
        return Ok(json!({"type": "server"}));
    }
    let (word, name) = to.split_once(':').filter(|(_, name)| !name.is_empty()).ok_or_else(unfit)?;
    let noun = match word {
        "api" => &API,
        "client" => &CLIENT,
        "account" => &ACCOUNT,
        _ => return Err(unfit()),
    };
    Ok(json!({"type": word, "id": find(remote, noun, name)?["id"]}))
}

/// A module that is there, or the one in a file, handed in.
fn module_named(remote: &Remote, named: &str) -> Outcome<Value> {
    let path = Path::new(named);
    let is_file = path.extension().is_some_and(|extension| extension == "wasm") || named.contains(['/', '\\']);
    if is_file { module::hand_in(remote, path) } else { found(remote, named) }
}
