//! `grantd key`: signing keys.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::Alg;
use super::members::Members;
use super::output::{Column, Form, OutputArgs, moment, table, text, whole};
use super::remote::{Remote, RemoteArgs, items};
use super::{Outcome, Settings};

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
    let keys = match &args.command {
        KeyCommand::List => remote.get("/keys", &[])?,
        KeyCommand::Rotate { alg, force } => {
            let mut members = Members::default();
            members.put("alg", alg.map(Alg::as_str));
            members.put("force", force.then_some(true));
            remote.post("/keys/rotate", &members.into_body())?
        }
    };
    let keys = items(keys);
    if args.output.output == Form::Table {
        table(COLUMNS, &keys)
    } else {
        whole(args.output.output, &Value::Array(keys))
    }
}
