//! `grantd api`: what is protected, and its scopes.

mod scope;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::members::{Changes, Members, named_text, named_value, object_of};
use super::names::{ACCOUNT, API, GRANT, attached_to, find, put_names};
use super::output::{Column, Form, OutputArgs, exact_moment, flag, text, texts};
use super::remote::{Remote, RemoteArgs};
use super::resource::{self, DeleteArgs, ListArgs, Listing};
use super::{Outcome, Settings, time};

#[derive(Args)]
pub(super) struct ApiArgs {
    #[command(subcommand)]
    command: ApiCommand,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Subcommand)]
enum ApiCommand {
    /// Make an API, with its scopes
    Add(AddArgs),
    /// List APIs
    List(ListArgs),
    /// Show an API and its scopes
    Show {
        /// Its app id, its audience, or its id
        api: String,
    },
    /// Change an API
    Set(SetArgs),
    /// Delete APIs; --cascade deletes the grants at them and the policies on them too
    Delete {
        /// Their app ids, audiences, or ids
        #[arg(required = true, value_name = "API")]
        apis: Vec<String>,
        #[command(flatten)]
        how: DeleteArgs,
    },
    /// The scopes of an API
    #[command(subcommand)]
    Scope(scope::ScopeCommand),
}

#[derive(Args)]
struct AddArgs {
    /// Its app id: what requests name it by, and what tokens carry as their audience
    app_id: String,
    /// A scope that it defines, with a name for people if you like (repeat for more)
    #[arg(long = "scope", value_name = "SCOPE[=NAME]")]
    scopes: Vec<String>,
    #[command(flatten)]
    both: BothArgs,
    /// Make it, but give nobody a token for it yet
    #[arg(long)]
    inactive: bool,
}

#[derive(Args)]
struct SetArgs {
    /// Its app id, its audience, or its id
    api: String,
    /// A new app id
    #[arg(long, value_name = "ID")]
    app_id: Option<String>,
    #[command(flatten)]
    both: BothArgs,
    /// Whether there are tokens for it
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
    /// Take an attribute away
    #[arg(long = "no-attribute", value_name = "NAME")]
    removed: Vec<String>,
    /// Take a claim away
    #[arg(long = "no-claim", value_name = "NAME")]
    removed_claims: Vec<String>,
}

#[derive(Args)]
struct BothArgs {
    /// Its name for people [default: the app id]
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// A URI that tokens carry as their audience instead of the app id
    #[arg(long, value_name = "URI")]
    audience: Option<String>,
    /// How its tokens are signed: RS256 suits every verifier, ES256 and EdDSA sign 20 to 60 times faster
    #[arg(long, value_name = "ALG")]
    signing_alg: Option<Alg>,
    /// How long its tokens live: 10m, 1h, or seconds [default: 1h]
    #[arg(long, value_name = "TIME")]
    lifetime: Option<String>,
    /// A claim that its tokens carry, always with this value (JSON, or else text)
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = named_value)]
    claims: Vec<(String, Value)>,
    /// A claim that its tokens carry, from an attribute of the account
    #[arg(long = "claim-from", value_name = "NAME=ATTRIBUTE", value_parser = named_text)]
    mapped_claims: Vec<(String, String)>,
    /// An attribute, which policies see; its value is JSON, or else text
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = named_value)]
    attributes: Vec<(String, Value)>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Alg {
    #[value(name = "RS256")]
    Rs256,
    #[value(name = "ES256")]
    Es256,
    #[value(name = "EdDSA")]
    EdDsa,
}

impl Alg {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

const COLUMNS: &[Column] = &[
    Column::new("API", |item| text(item, "appId")),
    Column::new("DISPLAY NAME", |item| text(item, "displayName")),
    Column::new("SCOPES", |item| scope::identifiers(item).join(" ")),
    Column::new("SIGNING", |item| text(item, "signingAlg")),
    Column::new("LIFETIME", lifetime),
    Column::new("ACTIVE", |item| flag(item, "active")),
];

pub(super) fn run(settings: &Settings, args: &ApiArgs) -> Outcome {
    let remote = Remote::connect(settings, &args.remote)?;
    let form = args.output.output;
    match &args.command {
        ApiCommand::Add(add) => show(form, &remote.post(API.path, &add.body()?)?),
        ApiCommand::List(list) => {
            let listing = Listing { columns: COLUMNS, prepare: &|_, _| Ok(()), newest_first_by: None };
            listing.print(&remote, API.path, list, None, form)
        }
        ApiCommand::Show { api } => show(form, &find(&remote, &API, api)?),
        ApiCommand::Set(set) => {
            let operations = set.operations()?;
            let api = find(&remote, &API, &set.api)?;
            show(form, &remote.patch(&API.path_of(&api), &operations)?)
        }
        ApiCommand::Delete { apis, how } => resource::delete(&remote, &API, apis, how, dependents),
        ApiCommand::Scope(command) => scope::run(&remote, form, command),
    }
}

impl AddArgs {
    fn body(&self) -> Outcome<Value> {
        let mut members = Members::default();
        members.put("appId", Some(self.app_id.as_str()));
        members.put("displayName", self.both.display_name.as_deref());
        members.put("audience", self.both.audience.as_deref());
        members.put("active", Some(!self.inactive));
        members.put("scopes", Some(self.scopes.iter().map(|text| new_scope(text)).collect::<Value>()));
        members.put("signingAlg", self.both.signing_alg.map(Alg::as_str));
        members.put("tokenLifetimeSeconds", self.both.lifetime_seconds()?);
        members.put("claims", self.both.claims());
        members.put("attributes", object_of(&self.both.attributes));
        Ok(members.into_body())
    }
}

/// `read`, or `read=Read things`.
fn new_scope(text: &str) -> Value {
    match text.split_once('=') {
        Some((identifier, name)) => json!({"identifier": identifier, "displayName": name}),
        None => json!({"identifier": text}),
    }
}

impl SetArgs {
    fn operations(&self) -> Outcome<Vec<Value>> {
        let mut changes = Changes::default();
        changes.replace("appId", self.app_id.as_deref());
        changes.replace("displayName", self.both.display_name.as_deref());
        // An empty one takes it away: tokens carry the app id again.
        changes.replace(
            "audience",
            self.both.audience.as_deref().map(|uri| if uri.is_empty() { Value::Null } else { uri.into() }),
        );
        changes.replace("active", self.active);
        changes.replace("signingAlg", self.both.signing_alg.map(Alg::as_str));
        changes.replace("tokenLifetimeSeconds", self.both.lifetime_seconds()?);
        if let Some(claims) = self.both.claims() {
            changes.add("claims", &claims);
        }
        changes.remove_members("claims", &self.removed_claims);
        changes.attributes(&self.both.attributes, &self.removed);
        changes.into_operations()
    }
}

impl BothArgs {
    fn lifetime_seconds(&self) -> Outcome<Option<i64>> {
        self.lifetime.as_deref().map(|text| time::seconds("--lifetime", text)).transpose()
    }

    fn claims(&self) -> Option<Value> {
        let mut all = Map::new();
        all.extend(self.claims.iter().map(|(name, value)| (name.clone(), json!({"value": value}))));
        all.extend(self.mapped_claims.iter().map(|(name, path)| (name.clone(), json!({"attribute": path}))));
        (!all.is_empty()).then_some(Value::Object(all))
    }
}

fn lifetime(api: &Value) -> String {
    let seconds = api["tokenLifetimeSeconds"].as_i64().unwrap_or_default();
    match (seconds % 3600, seconds % 60) {
        (0, _) => format!("{} h", seconds / 3600),
        (_, 0) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

pub(super) fn show(form: Form, api: &Value) -> Outcome {
    let object = |member: &str| {
        let all = api[member].as_object().filter(|all| !all.is_empty());
        all.map_or_else(String::new, |all| Value::from(all.clone()).to_string())
    };
    let members = [
        ("API", text(api, "appId")),
        ("display name", text(api, "displayName")),
        ("audience", text(api, "audience")),
        ("active", flag(api, "active")),
        ("scopes", scope::in_words(api)),
        ("signing", text(api, "signingAlg")),
        ("lifetime", lifetime(api)),
        ("claims", object("claims")),
        ("attributes", object("attributes")),
        ("id", text(api, "id")),
        ("created", exact_moment(&api["meta"]["created"])),
        ("changed", exact_moment(&api["meta"]["lastModified"])),
        ("revision", api["meta"]["revision"].to_string()),
    ];
    resource::show(form, api, &members)
}

/// The grants at it, and the policies on it.
fn dependents(remote: &Remote, api: &Value) -> Outcome<(Vec<String>, String)> {
    let filter = format!("apiId eq \"{}\"", text(api, "id"));
    let mut named = attached_to(remote, std::slice::from_ref(api))?;
    remote.every(GRANT.path, Some(&filter), |mut page| {
        put_names(remote, &ACCOUNT, &mut page, "serviceAccountId", "account")?;
        let grant = |grant: &Value| format!("grant of {} to {}", texts(grant, "scopes"), text(grant, "account"));
        named.extend(page.iter().map(grant));
        Ok(())
    })?;
    Ok((named, String::new()))
}
