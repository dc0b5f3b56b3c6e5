//! `grantd audit`: who changed what, when and why, and whether that record is what was written.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::output::{Column, Form, OutputArgs, exact_moment, moment, text, whole};
use super::remote::{Remote, RemoteArgs, segment};
use super::resource::{self, ListArgs, Listing};
use super::{Failure, Outcome, Settings, say};

/// Changes that a line of the list names.
const NAMED_MAX: usize = 3;
const COMMITS: &str = "/audit/commits";

#[derive(Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// List commits, newest first
    List(ListArgs),
    /// Show one commit: what it changed, member by member
    Show {
        /// Its id
        commit: String,
    },
    /// Check that no commit was changed or removed after it was sealed
    Verify,
}

const COLUMNS: &[Column] = &[
    Column::new("WHEN", |commit| moment(&commit["createdAt"])),
    Column::new("WHO", |commit| text(&commit["actor"], "displayName")),
    Column::new("WHAT", what),
    Column::new("WHY", |commit| text(commit, "reason")),
    Column::id("COMMIT", |commit| text(commit, "id")),
];

pub(super) fn run(settings: &Settings, args: &AuditArgs) -> Outcome {
    let remote = Remote::connect(settings, &args.remote)?;
    let form = args.output.output;
    match &args.command {
        AuditCommand::List(list) => {
            let newest_first_by = Some("createdAt");
            let listing = Listing { columns: COLUMNS, prepare: &|_, _| Ok(()), newest_first_by };
            listing.print(&remote, COMMITS, list, None, form)
        }
        AuditCommand::Show { commit } => {
            let commit = remote.get(&format!("{COMMITS}/{}", segment(commit)), &[])?;
            show(form, &commit)
        }
        AuditCommand::Verify => verify(form, &remote.get("/audit/verify", &[])?),
    }
}

fn verify(form: Form, verdict: &Value) -> Outcome {
    let number = |member: &str| verdict[member].as_i64().unwrap_or_default();
    if form != Form::Table {
        whole(form, verdict)?;
    }
    if verdict["holds"].as_bool() == Some(true) {
        if form == Form::Table {
            say(&format!(
                "the chain holds over {} commits, {} more wait to be sealed",
                number("sealed"),
                number("waiting")
            ))?;
        }
        return Ok(());
    }
    Err(Failure::failed(format!(
        "commit {} is not as it was sealed, or is missing: compare with a backup; the commits before it are untouched",
        number("brokenAt")
    )))
}

fn changes_of(commit: &Value) -> &[Value] {
    commit["changes"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// `made`, `changed` or `deleted`.
fn verb(change: &Value) -> &'static str {
    match (change["before"].is_null(), change["after"].is_null()) {
        (true, _) => "made",
        (_, true) => "deleted",
        _ => "changed",
    }
}

/// What people call the thing that changed.
fn name(change: &Value) -> String {
    let side = if change["after"].is_null() { &change["before"] } else { &change["after"] };
    let named = ["userName", "appId", "displayName", "name", "last4"].iter().find_map(|member| side[*member].as_str());
    let named = named.filter(|name| !name.is_empty()).map_or_else(|| text(change, "id"), str::to_owned);
    format!("{} {named}", text(change, "resourceType"))
}

fn what(commit: &Value) -> String {
    let all = changes_of(commit);
    let mut lines: Vec<String> =
        all.iter().take(NAMED_MAX).map(|change| format!("{} {}", verb(change), name(change))).collect();
    if all.len() > NAMED_MAX {
        lines.push(format!("and {} more", all.len() - NAMED_MAX));
    }
    lines.join("\n")
}

fn show(form: Form, commit: &Value) -> Outcome {
    let members = [
        ("commit", text(commit, "id")),
        ("when", exact_moment(&commit["createdAt"])),
        ("who", format!("{} ({})", text(&commit["actor"], "displayName"), text(&commit["actor"], "type"))),
        ("why", text(commit, "reason")),
        ("request", text(commit, "requestId")),
        ("correlation", text(commit, "correlation")),
        ("sealed", super::output::flag(commit, "sealed")),
        ("what", changes_of(commit).iter().map(told).collect::<Vec<_>>().join("\n")),
    ];
    resource::show(form, commit, &members)
}

/// One change with the members that differ.
fn told(change: &Value) -> String {
    let mut lines = vec![format!("{} {}", verb(change), name(change))];
    let empty = serde_json::Map::new();
    let before = change["before"].as_object().unwrap_or(&empty);
    let after = change["after"].as_object().unwrap_or(&empty);
    let mut members: Vec<&String> =
        before.keys().chain(after.keys().filter(|key| !before.contains_key(*key))).collect();
    members.retain(|member| before.get(*member) != after.get(*member));
    for member in members {
        lines.push(match (before.get(member), after.get(member)) {
            (Some(old), Some(new)) => format!("  {member}: {old} -> {new}"),
            (None, Some(new)) => format!("  {member}: {new}"),
            (Some(old), None) => format!("  {member}: was {old}"),
            (None, None) => String::new(),
        });
    }
    lines.join("\n")
}
