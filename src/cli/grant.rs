//! `grantd grant`: which account may have which scopes at which API, and until when.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::members::{Changes, Members};
use super::names::{ACCOUNT, API, GRANT, find, put_names};
use super::output::{Column, Form, OutputArgs, exact_moment, moment, text, texts};
use super::remote::{Remote, RemoteArgs, items};
use super::resource::{self, DeleteArgs, Doomed, ListArgs, Listing, delete_all};
use super::time::{self, Day};
use super::{Failure, Outcome, Settings};

#[derive(Args)]
pub(super) struct GrantArgs {
    #[command(subcommand)]
    command: GrantCommand,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Subcommand)]
enum GrantCommand {
    /// Grant scopes to an account
    Add(AddArgs),
    /// List grants
    List {
        /// Only those of this account
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
        /// Only those at this API
        #[arg(long, value_name = "API")]
        api: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show a grant
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Change a grant
    Set(SetArgs),
    /// Delete a grant
    Delete {
        #[command(flatten)]
        which: Which,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// Grants have no names: an id, or whom it is for and at what.
#[derive(Args)]
struct Which {
    /// The grant's id; or the account, followed by the API
    #[arg(value_name = "GRANT | ACCOUNT API")]
    first: String,
    #[arg(value_name = "API", hide = true)]
    api: Option<String>,
}

#[derive(Args)]
struct AddArgs {
    /// Who gets it: a user name, or an id
    account: String,
    /// At which API: an app id, an audience, or an id
    api: String,
    /// What it may do there
    #[arg(required = true, value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Not before this: a date, a date-time, or a time from now
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Until this: a date (all of it, in UTC), a date-time, or a time from now (30d, 12h)
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
}

#[derive(Args)]
struct SetArgs {
    #[command(flatten)]
    which: Which,
    /// The scopes it holds from now on, instead of those it holds
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// A scope that it holds too
    #[arg(long = "add-scope", value_name = "SCOPE", conflicts_with = "scopes")]
    added: Vec<String>,
    /// A scope that it holds no longer
    #[arg(long = "remove-scope", value_name = "SCOPE", conflicts_with = "scopes")]
    removed: Vec<String>,
    /// Not before this: a date, a date-time, a time from now, or always
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Until this: a date (all of it, in UTC), a date-time, a time from now, or forever
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
}

const COLUMNS: &[Column] = &[
    Column::new("ACCOUNT", |item| text(item, "account")),
    Column::new("API", |item| text(item, "api")),
    Column::new("SCOPES", |item| texts(item, "scopes")),
    Column::new("BEGINS", |item| moment(&item["notBefore"])),
    Column::new("ENDS", ends),
    Column::new("REASON", |item| text(item, "reason")),
    Column::id("ID", |item| text(item, "id")),
];

pub(super) fn run(settings: &Settings, args: &GrantArgs) -> Outcome {
    let remote = Remote::connect(settings, &args.remote)?;
    let form = args.output.output;
    match &args.command {
        GrantCommand::Add(add) => {
            let body = add.body(&remote, args.remote.reason.as_deref())?;
            show(&remote, form, remote.post(GRANT.path, &body)?)
        }
        GrantCommand::List { account, api, list } => {
            let account = condition_on(&remote, &ACCOUNT, account.as_deref(), "serviceAccountId")?;
            let api = condition_on(&remote, &API, api.as_deref(), "apiId")?;
            let both: Vec<String> = account.into_iter().chain(api).collect();
            let condition = (!both.is_empty()).then(|| both.join(" and "));
            let prepare = &|remote: &Remote, items: &mut [Value]| put_both_names(remote, items);
            let listing = Listing { columns: COLUMNS, prepare, newest_first_by: None };
            listing.print(&remote, GRANT.path, list, condition, form)
        }
        GrantCommand::Show { which } => show(&remote, form, which.find(&remote)?),
        GrantCommand::Set(set) => {
            let grant = set.which.find(&remote)?;
            let operations = set.operations(args.remote.reason.as_deref())?;
            show(&remote, form, remote.patch(&GRANT.path_of(&grant), &operations)?)
        }
        GrantCommand::Delete { which, yes } => {
            let mut grant = which.find(&remote)?;
            put_both_names(&remote, std::slice::from_mut(&mut grant))?;
            let name = format!(
                "the grant of {} at {} to {}",
                texts(&grant, "scopes"),
                text(&grant, "api"),
                text(&grant, "account")
            );
            let doomed = Doomed { path: GRANT.path_of(&grant), name, dependents: Vec::new(), loss: String::new() };
            delete_all(&remote, &[doomed], &DeleteArgs { yes: *yes, cascade: false })
        }
    }
}

use super::client::condition_on;

impl Which {
    fn find(&self, remote: &Remote) -> Outcome<Value> {
        let Some(api) = &self.api else { return find(remote, &GRANT, &self.first) };
        let (account, api) = (find(remote, &ACCOUNT, &self.first)?, find(remote, &API, api)?);
        let filter = format!("serviceAccountId eq \"{}\" and apiId eq \"{}\"", text(&account, "id"), text(&api, "id"));
        let mut found = items(remote.get(GRANT.path, &[("filter", &filter)])?);
        let names = format!("{} at {}", text(&account, "userName"), text(&api, "appId"));
        match found.len() {
            1 => Ok(found.swap_remove(0)),
            0 => Err(Failure::NotFound(format!("there is no grant to {names}"))),
            _ => {
                let each: Vec<String> =
                    found.iter().map(|grant| format!("{} ({})", text(grant, "id"), texts(grant, "scopes"))).collect();
                Err(Failure::failed(format!(
                    "there are several grants to {names}: name one by its id: {}",
                    each.join(", ")
                )))
            }
        }
    }
}

impl AddArgs {
    fn body(&self, remote: &Remote, reason: Option<&str>) -> Outcome<Value> {
        let now = time::now();
        let moment = |flag, text: &Option<String>, day| {
            text.as_deref().map(|text| time::parse(flag, text, day, now)).transpose()
        };
        let (from, until) = (moment("--from", &self.from, Day::Begins)?, moment("--until", &self.until, Day::Ends)?);
        let mut members = Members::default();
        members.put("serviceAccountId", Some(find(remote, &ACCOUNT, &self.account)?["id"].clone()));
        members.put("apiId", Some(find(remote, &API, &self.api)?["id"].clone()));
        members.put("scopes", Some(self.scopes.clone()));
        members.put("notBefore", from.map(|time| time.to_string()));
        members.put("expiresAt", until.map(|time| time.to_string()));
        members.put("reason", reason);
        Ok(members.into_body())
    }
}

impl SetArgs {
    fn operations(&self, reason: Option<&str>) -> Outcome<Vec<Value>> {
        let mut changes = Changes::default();
        if !self.scopes.is_empty() {
            changes.replace("scopes", Some(self.scopes.clone()));
        }
        if !self.added.is_empty() {
            changes.add("scopes", &json!(self.added));
        }
        for scope in &self.removed {
            changes.remove(&format!("scopes[value eq {}]", super::names::literal(scope)));
        }
        changes.replace("notBefore", time::change("--from", self.from.as_deref(), "always", Day::Begins)?);
        changes.replace("expiresAt", time::change("--until", self.until.as_deref(), "forever", Day::Ends)?);
        let operations = changes.into_operations()?;
        // The reason goes with a change, and is none by itself.
        let said = reason.map(|reason| json!({"op": "replace", "path": "reason", "value": reason}));
        Ok(operations.into_iter().chain(said).collect())
    }
}

fn put_both_names(remote: &Remote, grants: &mut [Value]) -> Outcome {
    put_names(remote, &ACCOUNT, grants, "serviceAccountId", "account")?;
    put_names(remote, &API, grants, "apiId", "api")
}

fn ends(grant: &Value) -> String {
    if grant["expiresAt"].is_string() { moment(&grant["expiresAt"]) } else { "never".to_owned() }
}

fn show(remote: &Remote, form: Form, mut grant: Value) -> Outcome {
    if form != Form::Table {
        return resource::show(form, &grant, &[]);
    }
    put_both_names(remote, std::slice::from_mut(&mut grant))?;
    let members = [
        ("account", text(&grant, "account")),
        ("API", text(&grant, "api")),
        ("scopes", texts(&grant, "scopes")),
        ("begins", exact_moment(&grant["notBefore"])),
        ("ends", if grant["expiresAt"].is_null() { "never".to_owned() } else { exact_moment(&grant["expiresAt"]) }),
        ("reason", text(&grant, "reason")),
        ("id", text(&grant, "id")),
        ("created", exact_moment(&grant["meta"]["created"])),
        ("changed", exact_moment(&grant["meta"]["lastModified"])),
        ("revision", grant["meta"]["revision"].to_string()),
    ];
    resource::show(form, &grant, &members)
}
