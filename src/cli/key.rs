//! `grantd key`: signing keys.

use clap::{Args, Subcommand};
use grantd::model::fields::nearest;
use serde_json::Value;

use super::api::Alg;
use super::members::Members;
use super::output::{Column, Form, OutputArgs, exact_moment, moment, table, text, whole};
use super::remote::{Remote, RemoteArgs, items, segment};
use super::resource::{self, DeleteArgs, Doomed};
use super::{Failure, Outcome, Settings};

#[derive(Args)]
pub(super) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Subcommand)]
enum KeyCommand {
    /// List signing keys, each with its place in its life
    List,
    /// Show a signing key, with its public half
    Show {
        /// Its id: the `kid` in the header of what it signs
        kid: String,
    },
    /// Take retired keys out of the JWKS before their time, as after a leak
    Delete {
        /// Their ids
        #[arg(required = true, value_name = "KID")]
        kids: Vec<String>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Let the next key sign, and announce another after it
    Rotate {
        /// Only keys of this algorithm [default: all]
        #[arg(long, value_name = "ALG")]
        alg: Option<Alg>,
        /// Even when the next key was not announced long enough for every verifier to know it
        #[arg(long)]
        force: bool,
    },
}

const COLUMNS: &[Column] = &[
    Column::id("KEY", |key| text(key, "kid")),
    Column::new("ALG", |key| text(key, "alg")),
    Column::new("STATE", |key| text(key, "state")),
    Column::new("MADE", |key| moment(&key["createdAt"])),
    Column::new("SIGNS SINCE", |key| moment(&key["activatedAt"])),
    Column::new("RETIRED", |key| moment(&key["retiredAt"])),
    Column::new("PUBLISHED UNTIL", |key| moment(&key["removeAt"])),
];

pub(super) fn run(settings: &Settings, args: &KeyArgs) -> Outcome {
    let remote = Remote::connect(settings, &args.remote)?;
    let form = args.output.output;
    match &args.command {
        KeyCommand::List => list(form, remote.get("/keys", &[])?),
        KeyCommand::Show { kid } => show(form, &find(&remote, kid)?),
        KeyCommand::Delete { kids, yes } => delete(&remote, kids, *yes),
        KeyCommand::Rotate { alg, force } => {
            let mut members = Members::default();
            members.put("alg", alg.map(Alg::as_str));
            members.put("force", force.then_some(true));
            list(form, remote.post("/keys/rotate", &members.into_body())?)
        }
    }
}

fn list(form: Form, keys: Value) -> Outcome {
    let keys = items(keys);
    if form == Form::Table { table(COLUMNS, &keys) } else { whole(form, &Value::Array(keys)) }
}

/// The key of that id, out of the few there are.
fn find(remote: &Remote, kid: &str) -> Outcome<Value> {
    let keys = items(remote.get("/keys", &[])?);
    let known: Vec<&str> = keys.iter().filter_map(|key| key["kid"].as_str()).collect();
    let near = nearest(kid, known.iter().copied()).map_or_else(String::new, |near| format!("; did you mean {near}?"));
    let missing = format!("there is no signing key {kid} at {}{near}", remote.server());
    keys.into_iter().find(|key| key["kid"] == kid).ok_or(Failure::NotFound(missing))
}

fn show(form: Form, key: &Value) -> Outcome {
    let members = [
        ("key", text(key, "kid")),
        ("alg", text(key, "alg")),
        ("state", text(key, "state")),
        ("made", exact_moment(&key["createdAt"])),
        ("signs since", exact_moment(&key["activatedAt"])),
        ("retired", exact_moment(&key["retiredAt"])),
        ("published until", exact_moment(&key["removeAt"])),
        ("public half", key["publicJwk"].to_string()),
    ];
    resource::show(form, key, &members)
}

fn delete(remote: &Remote, kids: &[String], yes: bool) -> Outcome {
    let mut doomed = Vec::with_capacity(kids.len());
    for kid in kids {
        let key = find(remote, kid)?;
        if key["state"] != "retired" {
            return Err(Failure::failed(format!(
                "the {} key {kid} is {}, and only retired keys can go: `grantd key rotate --alg {0}` until it is",
                text(&key, "alg"),
                text(&key, "state"),
            )));
        }
        let until = moment(&key["removeAt"]);
        doomed.push(Doomed {
            path: format!("/keys/{}", segment(kid)),
            name: format!("{} key {kid}", text(&key, "alg")),
            dependents: Vec::new(),
            loss: format!(
                "what it signed is refused by whoever looks at the JWKS again; by itself it would go {until}"
            ),
        });
    }
    resource::delete_all(remote, &doomed, &DeleteArgs { yes, cascade: false })
}
