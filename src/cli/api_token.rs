//! `grantd api-token`: bearers of the admin API.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::members::{Changes, Members};
use super::names::{API_TOKEN, find};
use super::output::{Column, Form, OutputArgs, exact_moment, flag, moment, text};
use super::remote::{Remote, RemoteArgs};
use super::resource::{self, DeleteArgs, ListArgs, Listing};
use super::time::{self, Day};
use super::{Outcome, Settings, note};

#[derive(Args)]
pub(super) struct ApiTokenArgs {
    #[command(subcommand)]
    command: ApiTokenCommand,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Subcommand)]
enum ApiTokenCommand {
    /// Make an API token; it is printed, this once
    Add(AddArgs),
    /// List API tokens: what they may do, and when they were last used
    List(ListArgs),
    /// Show an API token, without the token
    Show {
        /// Its name, or its id
        name: String,
    },
    /// Change an API token: the next request that bears it is judged by what it is then
    Set(SetArgs),
    /// End API tokens: the next request that bears one is refused
    Delete {
        /// Their names, or their ids
        #[arg(required = true, value_name = "TOKEN")]
        tokens: Vec<String>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Args)]
struct AddArgs {
    /// What it is for
    name: String,
    /// What it may do: each role includes the ones before it
    #[arg(long)]
    role: Role,
    /// Until this: a date (all of it, in UTC), a date-time, or a time from now (30d, 12h) [default: for ever]
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
}

#[derive(Args)]
struct SetArgs {
    /// Its name, or its id
    #[arg(value_name = "TOKEN")]
    api_token: String,
    /// A new name: what it is for
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// What it may do: each role includes the ones before it
    #[arg(long)]
    role: Option<Role>,
    /// Whether it is accepted
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
    /// Until this: a date (all of it, in UTC), a date-time, a time from now, or forever
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
}

impl SetArgs {
    fn operations(&self) -> Outcome<Vec<Value>> {
        let mut changes = Changes::default();
        changes.replace("displayName", self.name.as_deref());
        changes.replace("role", self.role.map(Role::as_str));
        changes.replace("active", self.active);
        changes.replace("expiresAt", time::change("--until", self.until.as_deref(), "forever", Day::Ends)?);
        changes.into_operations()
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    /// Reads
    Reader,
    /// Writes resources and client secrets too
    Editor,
    /// Handles API tokens and keys too
    Admin,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

const COLUMNS: &[Column] = &[
    Column::new("API TOKEN", |item| text(item, "displayName")),
    Column::new("ROLE", |item| text(item, "role")),
    Column::new("ENDS WITH", |item| format!("…{}", text(item, "last4"))),
    Column::new("ACTIVE", |item| flag(item, "active")),
    Column::new("MADE", |item| moment(&item["issuedAt"])),
    Column::new("EXPIRES", |item| moment(&item["expiresAt"])),
    Column::new("LAST USED", last_used),
    Column::id("ID", |item| text(item, "id")),
];

pub(super) fn run(settings: &Settings, args: &ApiTokenArgs) -> Outcome {
    let remote = Remote::connect(settings, &args.remote)?;
    let form = args.output.output;
    match &args.command {
        ApiTokenCommand::Add(add) => {
            let until = add.until.as_deref().map(|text| time::parse("--until", text, Day::Ends, time::now()));
            let mut members = Members::default();
            members.put("displayName", Some(add.name.as_str()));
            members.put("role", Some(add.role.as_str()));
            members.put("expiresAt", until.transpose()?.map(|time| time.to_string()));
            let made = remote.post(API_TOKEN.path, &members.into_body())?;
            let id = text(&made, "id");
            let loss = format!("nobody saw the API token: end it with `grantd api-token delete {id}`");
            resource::show_once(form, &made, &members_of(&made), &loss)?;
            note("The token is shown this once.");
            Ok(())
        }
        ApiTokenCommand::List(list) => {
            let listing = Listing { columns: COLUMNS, prepare: &|_, _| Ok(()), newest_first_by: None };
            listing.print(&remote, API_TOKEN.path, list, None, form)
        }
        ApiTokenCommand::Show { name } => show(form, &find(&remote, &API_TOKEN, name)?),
        ApiTokenCommand::Set(set) => {
            let operations = set.operations()?;
            let token = find(&remote, &API_TOKEN, &set.api_token)?;
            show(form, &remote.patch(&API_TOKEN.path_of(&token), &operations)?)
        }
        ApiTokenCommand::Delete { tokens, yes } => {
            let how = DeleteArgs { yes: *yes, cascade: false };
            resource::delete(&remote, &API_TOKEN, tokens, &how, |_, token| {
                Ok((Vec::new(), format!("role {}, last used: {}", text(token, "role"), last_used(token))))
            })
        }
    }
}

fn last_used(token: &Value) -> String {
    if token["lastUsedAt"].is_string() { moment(&token["lastUsedAt"]) } else { "never".to_owned() }
}

fn show(form: Form, token: &Value) -> Outcome {
    resource::show(form, token, &members_of(token))
}

fn members_of(token: &Value) -> [(&'static str, String); 9] {
    [
        ("API token", text(token, "displayName")),
        ("token", text(token, "signedToken")),
        ("role", text(token, "role")),
        ("active", flag(token, "active")),
        ("ends with", format!("…{}", text(token, "last4"))),
        ("made", exact_moment(&token["issuedAt"])),
        ("expires", exact_moment(&token["expiresAt"])),
        ("last used", last_used(token)),
        ("id", text(token, "id")),
    ]
}
