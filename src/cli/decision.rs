//! `grantd decision` and `grantd explain`: why token requests ended as they did.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::explain::{explain, explain_grounds};
use super::names::{ACCOUNT, API, CLIENT, POLICY, find, literal, put_names};
use super::output::{Column, Form, OutputArgs, moment, text, texts, whole};
use super::remote::{Remote, RemoteArgs, segment};
use super::resource::{ListArgs, Listing};
use super::{Failure, Outcome, Settings, note};

const DECISIONS: &str = "/decisions";

#[derive(Args)]
pub(super) struct DecisionArgs {
    #[command(subcommand)]
    command: DecisionCommand,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Subcommand)]
enum DecisionCommand {
    /// List decisions, newest first
    List {
        /// Only those of this client: its name, client id, or id
        #[arg(long)]
        client: Option<String>,
        /// Only those about this account
        #[arg(long)]
        account: Option<String>,
        /// Only those at this API
        #[arg(long)]
        api: Option<String>,
        /// Only those that this policy took part in
        #[arg(long)]
        policy: Option<String>,
        /// Only those that ended so
        #[arg(long, value_name = "OUTCOME", value_parser = ["issued", "refused", "failed"])]
        outcome: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show one decision: from what was requested to what was issued, and why
    Show {
        /// Its id, or the jti of the token that it issued
        decision: String,
    },
}

/// `grantd explain`
#[derive(Args)]
pub(super) struct ExplainArgs {
    /// The id of a decision, the jti of a token, or the token itself
    decision: String,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

const COLUMNS: &[Column] = &[
    Column::new("WHEN", |item| moment(&item["at"])),
    Column::new("OUTCOME", |item| if item["error"].is_null() { text(item, "outcome") } else { text(item, "error") }),
    Column::new("CLIENT", |item| text(item, "client")),
    Column::new("ACCOUNT", |item| text(item, "account")),
    Column::new("API", |item| text(item, "api")),
    Column::new(
        "SCOPES",
        |item| {
            if item["outcome"] == "issued" { texts(item, "issued") } else { texts(item, "requested") }
        },
    ),
    Column::id("DECISION", |item| text(item, "id")),
];

pub(super) fn run(settings: &Settings, args: &DecisionArgs) -> Outcome {
    let remote = Remote::connect(settings, &args.remote)?;
    let form = args.output.output;
    match &args.command {
        DecisionCommand::Show { decision } => show(&remote, form, decision),
        DecisionCommand::List { client, account, api, policy, outcome, list } => {
            let named = |noun, name: &Option<String>, from: &str, member: &str| -> Outcome<Option<String>> {
                let Some(name) = name else { return Ok(None) };
                let value = match find(&remote, noun, name) {
                    Ok(found) => text(&found, from),
                    // A decision outlives what it is about.
                    Err(Failure::NotFound(_)) if member == "clientId" => name.clone(),
                    Err(failure) => return Err(failure),
                };
                Ok(Some(format!("{member} eq {}", literal(&value))))
            };
            let conditions = [
                named(&CLIENT, client, "clientId", "clientId")?,
                named(&ACCOUNT, account, "id", "serviceAccountId")?,
                named(&API, api, "id", "apiId")?,
                named(&POLICY, policy, "id", "steps.policyId")?,
                outcome.as_ref().map(|outcome| format!("outcome eq {}", literal(outcome))),
            ];
            let all: Vec<String> = conditions.into_iter().flatten().collect();
            let condition = (!all.is_empty()).then(|| all.join(" and "));
            let listing = Listing { columns: COLUMNS, prepare: &put_all_names, newest_first_by: None };
            listing.print(&remote, DECISIONS, list, condition, form)
        }
    }
}

/// `grantd explain`
pub(super) fn run_explain(settings: &Settings, args: &ExplainArgs) -> Outcome {
    // A whole token says which one it is; nothing of it is believed but that.
    let claims = super::token::decode(&args.decision).ok();
    let jti = claims.as_ref().and_then(|token| token["claims"]["jti"].as_str());
    let remote = Remote::connect(settings, &args.remote)?;
    show(&remote, args.output.output, jti.unwrap_or(&args.decision))
}

/// Shows the decision with this id.
pub(super) fn show(remote: &Remote, form: Form, id: &str) -> Outcome {
    let mut decision = remote.get(&format!("{DECISIONS}/{}", segment(id)), &[])?;
    if form != Form::Table {
        return whole(form, &decision);
    }
    put_all_names(remote, std::slice::from_mut(&mut decision))?;
    explain(&decision)?;
    if decision["steps"].as_array().is_none_or(Vec::is_empty) {
        return Ok(());
    }
    match remote.get(&format!("{DECISIONS}/{}/grounds", segment(id)), &[]) {
        Ok(grounds) => explain_grounds(&grounds),
        // A server of before has no such answer.
        Err(Failure::NotFound(_)) => Ok(()),
        // What is known stands there already.
        Err(failure) => {
            note(&format!("what the answers rest on cannot be told now: {}", failure.told().0));
            Ok(())
        }
    }
}

/// Says beside the ids what they are called, where that is still there.
fn put_all_names(remote: &Remote, decisions: &mut [Value]) -> Outcome {
    put_names(remote, &ACCOUNT, decisions, "serviceAccountId", "account")?;
    put_names(remote, &API, decisions, "apiId", "api")?;
    for decision in decisions {
        decision["client"] = decision["clientId"].clone();
    }
    Ok(())
}
