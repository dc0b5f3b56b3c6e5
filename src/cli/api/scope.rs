//! `grantd api scope`: one scope at a time, the others left as they are.

use clap::{Args, Subcommand, ValueEnum};
use grantd::model::fields::nearest;
use serde_json::{Value, json};

use crate::cli::members::{Changes, Members};
use crate::cli::names::{API, find, literal};
use crate::cli::output::{Column, Form, flag, table, text, whole};
use crate::cli::remote::Remote;
use crate::cli::{Failure, Outcome};

#[derive(Subcommand)]
pub(super) enum ScopeCommand {
    /// Define another scope
    Add(ScopeArgs),
    /// List the scopes of an API
    List {
        /// Its app id, its audience, or its id
        api: String,
    },
    /// Change what a scope says of itself
    Set(ScopeArgs),
    /// Take a scope away; no grant may hold it
    Delete {
        /// Its app id, its audience, or its id
        api: String,
        /// What requests call it
        scope: String,
    },
}

#[derive(Args)]
pub(super) struct ScopeArgs {
    /// The API's app id, audience, or id
    api: String,
    /// What requests call it (RFC 6749 3.3)
    scope: String,
    /// Its name for people
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// What it allows
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// How much harm it can do
    #[arg(long, value_name = "HOW")]
    sensitivity: Option<Sensitivity>,
    /// Whether a request that names no scope gets it
    #[arg(long, value_name = "true|false")]
    default: Option<bool>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sensitivity {
    Low,
    Medium,
    High,
}

impl Sensitivity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

const COLUMNS: &[Column] = &[
    Column::new("SCOPE", |item| text(item, "identifier")),
    Column::new("DISPLAY NAME", |item| text(item, "displayName")),
    Column::new("SENSITIVITY", |item| text(item, "sensitivity")),
    Column::new("DEFAULT", |item| flag(item, "default")),
    Column::new("DESCRIPTION", |item| text(item, "description")),
];

pub(super) fn run(remote: &Remote, form: Form, command: &ScopeCommand) -> Outcome {
    let (name, mut changes) = match command {
        ScopeCommand::List { api } => {
            let api = find(remote, &API, api)?;
            return if form == Form::Table { table(COLUMNS, scopes_of(&api)) } else { whole(form, &api["scopes"]) };
        }
        ScopeCommand::Add(args) | ScopeCommand::Set(args) => (&args.api, Changes::default()),
        ScopeCommand::Delete { api, .. } => (api, Changes::default()),
    };
    let api = find(remote, &API, name)?;
    match command {
        ScopeCommand::Add(args) if has(&api, &args.scope) => {
            return Err(Failure::failed(format!(
                "the API {} defines {} already: `grantd api scope set` changes it",
                text(&api, "appId"),
                args.scope
            )));
        }
        ScopeCommand::Add(args) => changes.add("scopes", &json!([args.body()])),
        ScopeCommand::Set(args) => args.replace(&api, &mut changes)?,
        ScopeCommand::Delete { scope, .. } => changes.remove(&item(&api, scope)?),
        ScopeCommand::List { .. } => {}
    }
    super::show(form, &remote.patch(&API.path_of(&api), &changes.into_operations()?)?)
}

impl ScopeArgs {
    fn body(&self) -> Value {
        let mut members = Members::default();
        members.put("identifier", Some(self.scope.as_str()));
        members.put("displayName", self.display_name.as_deref());
        members.put("description", self.description.as_deref());
        members.put("sensitivity", self.sensitivity.map(Sensitivity::as_str));
        members.put("default", self.default);
        members.into_body()
    }

    fn replace(&self, api: &Value, changes: &mut Changes) -> Outcome {
        let item = item(api, &self.scope)?;
        changes.replace(&format!("{item}.displayName"), self.display_name.as_deref());
        changes.replace(&format!("{item}.description"), self.description.as_deref());
        changes.replace(&format!("{item}.sensitivity"), self.sensitivity.map(Sensitivity::as_str));
        changes.replace(&format!("{item}.default"), self.default);
        Ok(())
    }
}

/// The path of one scope, which the API must define.
fn item(api: &Value, scope: &str) -> Outcome<String> {
    if has(api, scope) {
        return Ok(format!("scopes[identifier eq {}]", literal(scope)));
    }
    let near = nearest(scope, identifiers(api).into_iter());
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Err(Failure::NotFound(format!("the API {} defines no scope {scope}{hint}", text(api, "appId"))))
}

fn has(api: &Value, scope: &str) -> bool {
    identifiers(api).contains(&scope)
}

fn scopes_of(api: &Value) -> &[Value] {
    api["scopes"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What requests call the scopes of an API.
pub(super) fn identifiers(api: &Value) -> Vec<&str> {
    scopes_of(api).iter().filter_map(|scope| scope["identifier"].as_str()).collect()
}

/// A line for each scope.
pub(super) fn in_words(api: &Value) -> String {
    let line = |scope: &Value| {
        let identifier = text(scope, "identifier");
        let name = Some(text(scope, "displayName")).filter(|name| *name != identifier);
        let default = scope["default"].as_bool().unwrap_or_default().then(|| "by default".to_owned());
        let sensitivity = Some(text(scope, "sensitivity")).filter(|word| word != "low");
        let more: Vec<String> =
            [name, sensitivity, default].into_iter().flatten().filter(|part| !part.is_empty()).collect();
        if more.is_empty() { identifier } else { format!("{identifier} ({})", more.join(", ")) }
    };
    scopes_of(api).iter().map(line).collect::<Vec<_>>().join("\n")
}
