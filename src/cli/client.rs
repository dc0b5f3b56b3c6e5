//! `grantd m2m`: machine-to-machine clients, which authenticate as a service account.

mod secret;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::members::{Changes, Members, named_value, object_of};
use super::names::{ACCOUNT, CLIENT, Noun, attached_to, find, put_names};
use super::output::{Column, Form, OutputArgs, exact_moment, flag, moment, text, texts};
use super::remote::{Remote, RemoteArgs};
use super::resource::{self, DeleteArgs, ListArgs, Listing};
use super::{Outcome, Settings, note};

#[derive(Args)]
pub(super) struct ClientArgs {
    #[command(subcommand)]
    command: ClientCommand,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Subcommand)]
enum ClientCommand {
    /// Make a client for an account; its secret is printed, this once
    Add(AddArgs),
    /// List clients
    List {
        /// Only those of this account
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show a client and its secrets
    Show {
        /// Its client id, its name, or its id
        client: String,
    },
    /// Change a client
    Set(SetArgs),
    /// Delete clients
    Delete {
        /// Their client ids, names, or ids
        #[arg(required = true, value_name = "CLIENT")]
        clients: Vec<String>,
        #[command(flatten)]
        how: DeleteArgs,
    },
    /// The secrets of a client
    #[command(subcommand)]
    Secret(secret::SecretCommand),
}

#[derive(Args)]
struct AddArgs {
    /// Its name for people
    name: String,
    /// Whom it authenticates as
    #[arg(long, value_name = "ACCOUNT")]
    account: String,
    /// Its client id, fixed for life [default: a new one]
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Take its secret from this file (- is standard input) instead of making one
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// How it may authenticate [default: every way]
    #[arg(long = "auth-method", value_name = "METHOD")]
    methods: Vec<Method>,
    /// Make it, but give it no tokens yet
    #[arg(long)]
    inactive: bool,
    /// An attribute, which policies see; its value is JSON, or else text
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = named_value)]
    attributes: Vec<(String, Value)>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Method {
    #[value(name = "client_secret_basic")]
    Basic,
    #[value(name = "client_secret_post")]
    Post,
}

#[derive(Args)]
struct SetArgs {
    /// Its client id, its name, or its id
    client: String,
    /// A new name for people
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Whom it authenticates as
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// How it may authenticate
    #[arg(long = "auth-method", value_name = "METHOD")]
    methods: Vec<Method>,
    /// Whether it gets tokens
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
    /// Set an attribute; its value is JSON, or else text
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = named_value)]
    attributes: Vec<(String, Value)>,
    /// Take an attribute away
    #[arg(long = "no-attribute", value_name = "NAME")]
    removed: Vec<String>,
}

const COLUMNS: &[Column] = &[
    Column::new("CLIENT", |item| text(item, "displayName")),
    Column::id("CLIENT ID", |item| text(item, "clientId")),
    Column::new("ACCOUNT", |item| text(item, ACCOUNT_NAME)),
    Column::new("ACTIVE", |item| flag(item, "active")),
    Column::new("SECRETS", |item| secrets_of(item).len().to_string()),
    Column::new("LAST USED", last_used),
];

/// Where a table keeps the name of a client's account.
const ACCOUNT_NAME: &str = "account";

pub(super) fn run(settings: &Settings, args: &ClientArgs) -> Outcome {
    let remote = Remote::connect(settings, &args.remote)?;
    let form = args.output.output;
    match &args.command {
        ClientCommand::Add(add) => add.run(&remote, form),
        ClientCommand::List { account, list } => {
            let condition = condition_on(&remote, &ACCOUNT, account.as_deref(), "serviceAccountId")?;
            listing().print(&remote, CLIENT.path, list, condition, form)
        }
        ClientCommand::Show { client } => {
            let client = find(&remote, &CLIENT, client)?;
            show(&remote, form, client)
        }
        ClientCommand::Set(set) => set.run(&remote, form),
        ClientCommand::Delete { clients, how } => resource::delete(&remote, &CLIENT, clients, how, loss),
        ClientCommand::Secret(command) => secret::run(&remote, form, command),
    }
}

fn listing() -> Listing<'static> {
    let prepare =
        &|remote: &Remote, items: &mut [Value]| put_names(remote, &ACCOUNT, items, "serviceAccountId", ACCOUNT_NAME);
    Listing { columns: COLUMNS, prepare, newest_first_by: None }
}

/// The filter for what refers to the one that `name` names.
pub(super) fn condition_on(remote: &Remote, noun: &Noun, name: Option<&str>, member: &str) -> Outcome<Option<String>> {
    let Some(name) = name else { return Ok(None) };
    Ok(Some(format!("{member} eq \"{}\"", text(&find(remote, noun, name)?, "id"))))
}

impl AddArgs {
    fn run(&self, remote: &Remote, form: Form) -> Outcome {
        let mut members = Members::default();
        members.put("displayName", Some(self.name.as_str()));
        let account = find(remote, &ACCOUNT, &self.account)?;
        members.put("serviceAccountId", Some(account["id"].clone()));
        members.put("clientId", self.client_id.as_deref());
        members.put("active", Some(!self.inactive));
        members.put("allowedAuthMethods", methods(&self.methods));
        members.put("attributes", object_of(&self.attributes));
        if let Some(file) = &self.secret_file {
            members.put("clientSecret", Some(secret::from_file(file)?.expose()));
        }
        let made = remote.post(CLIENT.path, &members.into_body())?;
        // One that was brought is not shown.
        if text(&made, "clientSecret").is_empty() {
            return show(remote, form, made);
        }
        let id = text(&made, "clientId");
        let loss =
            format!("the client was made, and nobody saw its secret: `grantd m2m secret add {id}` makes another");
        resource::show_once(form, &made, &members_of(&made, &ACCOUNT.name_of(&account)), &loss)?;
        note("The secret is shown this once. With a grant for its account, this gets a token:");
        note(&format!("  grantd token --client-id {id} --client-secret SECRET --scope SCOPE"));
        Ok(())
    }
}

impl SetArgs {
    fn run(&self, remote: &Remote, form: Form) -> Outcome {
        let mut changes = Changes::default();
        changes.replace("displayName", self.name.as_deref());
        if let Some(account) = &self.account {
            changes.replace("serviceAccountId", Some(find(remote, &ACCOUNT, account)?["id"].clone()));
        }
        changes.replace("allowedAuthMethods", methods(&self.methods));
        changes.replace("active", self.active);
        changes.attributes(&self.attributes, &self.removed);
        let operations = changes.into_operations()?;
        let client = find(remote, &CLIENT, &self.client)?;
        show(remote, form, remote.patch(&CLIENT.path_of(&client), &operations)?)
    }
}

fn methods(given: &[Method]) -> Option<Value> {
    let name = |method: &Method| method.to_possible_value().map(|value| Value::from(value.get_name()));
    (!given.is_empty()).then(|| given.iter().filter_map(name).collect())
}

fn secrets_of(client: &Value) -> &[Value] {
    client["credentials"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// When any of its secrets was last used.
fn last_used(client: &Value) -> String {
    // RFC 3339 in UTC with milliseconds: the later one is the greater text.
    let latest = secrets_of(client).iter().filter_map(|secret| secret["lastUsedAt"].as_str()).max();
    latest.map_or_else(|| "never".to_owned(), |latest| moment(&latest.into()))
}

fn show(remote: &Remote, form: Form, mut client: Value) -> Outcome {
    if form != Form::Table {
        return resource::show(form, &client, &[]);
    }
    put_names(remote, &ACCOUNT, std::slice::from_mut(&mut client), "serviceAccountId", ACCOUNT_NAME)?;
    resource::show(form, &client, &members_of(&client, &text(&client, ACCOUNT_NAME)))
}

fn members_of(client: &Value, account: &str) -> [(&'static str, String); 12] {
    let attributes = client["attributes"].as_object().filter(|all| !all.is_empty());
    [
        ("client", text(client, "displayName")),
        ("client id", text(client, "clientId")),
        ("client secret", text(client, "clientSecret")),
        ("account", account.to_owned()),
        ("active", flag(client, "active")),
        ("auth methods", texts(client, "allowedAuthMethods")),
        ("attributes", attributes.map_or_else(String::new, |all| Value::from(all.clone()).to_string())),
        ("secrets", secrets_of(client).iter().map(secret::in_words).collect::<Vec<_>>().join("\n")),
        ("id", text(client, "id")),
        ("created", exact_moment(&client["meta"]["created"])),
        ("changed", exact_moment(&client["meta"]["lastModified"])),
        ("revision", client["meta"]["revision"].to_string()),
    ]
}

/// The policies on it, and what stops working.
fn loss(remote: &Remote, client: &Value) -> Outcome<(Vec<String>, String)> {
    let secrets = secrets_of(client).len();
    let plural = if secrets == 1 { "" } else { "s" };
    Ok((
        attached_to(remote, std::slice::from_ref(client))?,
        format!(
            "client id {} with its {secrets} secret{plural}, last used: {}",
            text(client, "clientId"),
            last_used(client)
        ),
    ))
}
