//! `grantd account`: service accounts.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::members::{Changes, Members, named_value, object_of};
use super::names::{ACCOUNT, API, CLIENT, GRANT, attached_to, find, put_names};
use super::output::{Column, Form, OutputArgs, exact_moment, flag, moment, text, texts};
use super::remote::{Remote, RemoteArgs};
use super::resource::{self, DeleteArgs, ListArgs, Listing};
use super::{Outcome, Settings};

#[derive(Args)]
pub(super) struct AccountArgs {
    #[command(subcommand)]
    command: AccountCommand,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Subcommand)]
enum AccountCommand {
    /// Make a service account
    Add(AddArgs),
    /// List service accounts
    List(ListArgs),
    /// Show a service account
    Show {
        /// Its user name, or its id
        account: String,
    },
    /// Change a service account
    Set(SetArgs),
    /// Delete service accounts; --cascade deletes their clients, grants and policies too
    Delete {
        /// Their user names, or their ids
        #[arg(required = true, value_name = "ACCOUNT")]
        accounts: Vec<String>,
        #[command(flatten)]
        how: DeleteArgs,
    },
}

#[derive(Args)]
struct AddArgs {
    /// Its user name: unique, and what other commands call it by
    name: String,
    /// Its name for people [default: the user name]
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// Make it, but give it no tokens yet
    #[arg(long)]
    inactive: bool,
    /// An attribute, which policies see and claims can be mapped from; its value is JSON, or else text
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = named_value)]
    attributes: Vec<(String, Value)>,
}

#[derive(Args)]
struct SetArgs {
    /// Its user name, or its id
    account: String,
    /// A new user name
    #[arg(long, value_name = "NAME")]
    user_name: Option<String>,
    /// A new name for people
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
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
    Column::new("ACCOUNT", |item| text(item, "userName")),
    Column::new("DISPLAY NAME", |item| text(item, "displayName")),
    Column::new("ACTIVE", |item| flag(item, "active")),
    Column::new("CHANGED", |item| moment(&item["meta"]["lastModified"])),
];

pub(super) fn run(settings: &Settings, args: &AccountArgs) -> Outcome {
    let remote = Remote::connect(settings, &args.remote)?;
    let form = args.output.output;
    match &args.command {
        AccountCommand::Add(add) => show(form, &remote.post(ACCOUNT.path, &add.body())?),
        AccountCommand::List(list) => {
            let listing = Listing { columns: COLUMNS, prepare: &|_, _| Ok(()), newest_first_by: None };
            listing.print(&remote, ACCOUNT.path, list, None, form)
        }
        AccountCommand::Show { account } => show(form, &find(&remote, &ACCOUNT, account)?),
        AccountCommand::Set(set) => {
            let operations = set.operations()?;
            let account = find(&remote, &ACCOUNT, &set.account)?;
            show(form, &remote.patch(&ACCOUNT.path_of(&account), &operations)?)
        }
        AccountCommand::Delete { accounts, how } => resource::delete(&remote, &ACCOUNT, accounts, how, dependents),
    }
}

impl AddArgs {
    fn body(&self) -> Value {
        let mut members = Members::default();
        members.put("userName", Some(self.name.as_str()));
        members.put("displayName", self.display_name.as_deref());
        members.put("active", Some(!self.inactive));
        members.put("attributes", object_of(&self.attributes));
        members.into_body()
    }
}

impl SetArgs {
    fn operations(&self) -> Outcome<Vec<Value>> {
        let mut changes = Changes::default();
        changes.replace("userName", self.user_name.as_deref());
        changes.replace("displayName", self.display_name.as_deref());
        changes.replace("active", self.active);
        changes.attributes(&self.attributes, &self.removed);
        changes.into_operations()
    }
}

fn show(form: Form, account: &Value) -> Outcome {
    let attributes = account["attributes"].as_object().filter(|all| !all.is_empty());
    let members = [
        ("account", text(account, "userName")),
        ("display name", text(account, "displayName")),
        ("active", flag(account, "active")),
        ("attributes", attributes.map_or_else(String::new, |all| Value::from(all.clone()).to_string())),
        ("id", text(account, "id")),
        ("created", exact_moment(&account["meta"]["created"])),
        ("changed", exact_moment(&account["meta"]["lastModified"])),
        ("revision", account["meta"]["revision"].to_string()),
    ];
    resource::show(form, account, &members)
}

/// Its clients and its grants, and the policies on it and on its clients.
fn dependents(remote: &Remote, account: &Value) -> Outcome<(Vec<String>, String)> {
    let filter = format!("serviceAccountId eq \"{}\"", text(account, "id"));
    let mut named = attached_to(remote, std::slice::from_ref(account))?;
    remote.every(CLIENT.path, Some(&filter), |page| {
        named.extend(page.iter().map(|client| format!("client {}", text(client, "displayName"))));
        named.extend(attached_to(remote, &page)?);
        Ok(())
    })?;
    remote.every(GRANT.path, Some(&filter), |mut page| {
        put_names(remote, &API, &mut page, "apiId", "api")?;
        named.extend(page.iter().map(|grant| format!("grant of {} at {}", texts(grant, "scopes"), text(grant, "api"))));
        Ok(())
    })?;
    Ok((named, String::new()))
}
