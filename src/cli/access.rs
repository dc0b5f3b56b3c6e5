//! `grantd who-can` and `grantd can`: who would get what now, and which policy stands in the way.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::net::IpAddr;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::output::{Form, OutputArgs, Sequence, Tone, grid, printable, text, texts, whole};
use super::remote::{Remote, RemoteArgs, items};
use super::{Failure, Outcome, Settings, note, say};

const PATH: &str = "/access";
/// Rows of each kind that a table shows.
const SHOWN_MAX: usize = 50;

#[derive(Args)]
pub(super) struct WhoCanArgs {
    /// The scope
    scope: String,
    #[command(flatten)]
    place: Place,
    /// Show every account, not only the first of each kind
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Args)]
pub(super) struct CanArgs {
    /// The account: its userName, or an id
    account: String,
    /// This scope alone, instead of each that it holds and all together
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Args)]
struct Place {
    /// The API: its appId, or an id
    #[arg(long, value_name = "API")]
    api: String,
    /// At this time, instead of now
    #[arg(long, value_name = "DATE-TIME")]
    at: Option<String>,
    /// From this IP address: for policies that look at it
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    address: Option<String>,
}

impl Place {
    fn query(&self) -> Vec<(&'static str, &str)> {
        let mut query = vec![("api", self.api.as_str())];
        query.extend(self.at.as_deref().map(|at| ("at", at)));
        query.extend(self.address.as_deref().map(|address| ("remoteAddress", address)));
        query
    }
}

fn address(text: &str) -> Result<String, std::net::AddrParseError> {
    text.parse::<IpAddr>().map(|address| address.to_string())
}

/// Rows of one kind, as many as are shown.
#[derive(Default)]
struct Kind {
    count: u64,
    rows: Vec<Value>,
}

impl Kind {
    fn add(&mut self, row: &Value, most: usize) {
        self.count += 1;
        if self.rows.len() < most {
            self.rows.push(row.clone());
        }
    }
}

pub(super) fn who_can(settings: &Settings, args: &WhoCanArgs) -> Outcome {
    let remote = Remote::connect(settings, &args.remote)?;
    let most = if args.all { usize::MAX } else { SHOWN_MAX };
    let form = args.output.output;
    let mut sequence = Sequence::begin(form);
    let (mut get, mut kept_back) = (Kind::default(), Kind::default());
    let mut causes: BTreeMap<String, u64> = BTreeMap::new();
    let (mut unknown, mut unasked) = (BTreeSet::new(), 0);
    every_page(&remote, &args.place, &args.scope, |page| {
        unasked += unasked_of(&page);
        unknown.extend(unknown_of(&page));
        for row in &items(page) {
            if form != Form::Table {
                sequence.item(row)?;
            }
            if gets(row) {
                get.add(row, most);
            } else {
                kept_back.add(row, most);
                *causes.entry(cause(row)).or_default() += 1;
            }
        }
        Ok(())
    })?;
    tell_unknown(&unknown);
    tell_unasked(unasked);
    if form != Form::Table {
        return sequence.end();
    }
    let rows: Vec<_> = get.rows.iter().chain(&kept_back.rows).map(|row| line(row, false)).collect();
    if !rows.is_empty() {
        grid(&["ACCOUNT", "CLIENT", "GETS", "FOR", "IN THE WAY"], &rows)?;
        say("")?;
    }
    let total = get.count + kept_back.count;
    say(&format!("{} of {total} would get {} at {}", get.count, args.scope, args.place.api))?;
    for (cause, count) in &causes {
        say(&printable(&format!("{count} kept back: {cause}")))?;
    }
    let shown = (get.rows.len() + kept_back.rows.len()) as u64;
    if shown < total {
        note(&format!("the first {shown} of them are shown: --all shows every one"));
    }
    Ok(())
}

/// Walks all pages, with a bar on a terminal.
fn every_page(remote: &Remote, place: &Place, scope: &str, mut each: impl FnMut(Value) -> Outcome) -> Outcome {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} accounts, {eta} to go") {
        bar.set_style(style);
    }
    let mut after: Option<String> = None;
    let mut walked: Outcome = Ok(());
    while walked.is_ok() {
        let mut query = place.query();
        query.push(("scope", scope));
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page = match remote.get(PATH, &query) {
            Ok(page) => page,
            Err(failure) => {
                walked = Err(failure);
                break;
            }
        };
        if let Some(total) = page["total"].as_u64() {
            bar.set_length(total);
        }
        bar.inc(page["Resources"].as_array().map_or(0, Vec::len) as u64);
        let next = page["next"].as_str().map(str::to_owned);
        walked = each(page);
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    bar.finish_and_clear();
    walked
}

pub(super) fn can(settings: &Settings, args: &CanArgs) -> Outcome {
    let remote = Remote::connect(settings, &args.remote)?;
    let mut query = args.place.query();
    query.push(("account", args.account.as_str()));
    query.extend(args.scope.as_deref().map(|scope| ("scope", scope)));
    let page = remote.get(PATH, &query)?;
    tell_unknown(&unknown_of(&page));
    tell_unasked(unasked_of(&page));
    let rows = items(page);
    let form = args.output.output;
    if form != Form::Table {
        whole(form, &Value::from(rows.as_slice()))?;
    } else if !rows.is_empty() {
        let lines: Vec<_> = rows.iter().map(|row| line(row, true)).collect();
        grid(&["ASKS FOR", "CLIENT", "GETS", "FOR", "IN THE WAY"], &lines)?;
    }
    // A question with one answer can be asked by a script, whatever form it is printed in.
    if rows.is_empty() {
        return Err(Failure::Denied(format!("{} holds nothing at {}", args.account, args.place.api)));
    }
    if rows.iter().any(gets) { Ok(()) } else { Err(Failure::Denied(format!("{} gets nothing there", args.account))) }
}

fn unknown_of(page: &Value) -> BTreeSet<String> {
    page["unknownInputs"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn tell_unknown(inputs: &BTreeSet<String>) {
    if !inputs.is_empty() {
        let hint = if inputs.contains("remoteAddress") { "; --address says the address" } else { "" };
        let names: Vec<&str> = inputs.iter().map(String::as_str).collect();
        note(&format!("policies look at {}, which no request gives here{hint}", names.join(", ")));
    }
}

fn unasked_of(page: &Value) -> u64 {
    page["unasked"].as_u64().unwrap_or_default()
}

fn tell_unasked(count: u64) {
    if count > 0 {
        note(&format!(
            "{count} questions of accounts with very many clients and scopes were not asked, since they would have \
             taken too long: `grantd can ACCOUNT --scope SCOPE` asks fewer"
        ));
    }
}

fn gets(row: &Value) -> bool {
    row["gets"].as_array().is_some_and(|scopes| !scopes.is_empty())
}

/// What keeps a row from getting anything: the last that stands in the way, which ended it.
fn cause(row: &Value) -> String {
    let last = row["inTheWay"].as_array().and_then(|all| all.last()).cloned().unwrap_or_else(|| json!({}));
    match last["policy"].as_str() {
        Some(policy) => format!("policy {policy} ({})", text(&last, "code")),
        // A grant's end is another for each: they count together.
        None if last["what"] == "grant" => "no grant is valid now".to_owned(),
        None => text(&last, "reason"),
    }
}

fn line(row: &Value, of_account: bool) -> Vec<(String, Tone)> {
    let first = if of_account { texts(row, "asked") } else { text(&row["account"], "userName") };
    let client = row["client"]["displayName"].as_str().unwrap_or("none");
    let client = row["authMethod"].as_str().map_or_else(|| client.to_owned(), |method| format!("{client} ({method})"));
    let in_the_way: Vec<String> =
        row["inTheWay"].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(in_the_way).collect();
    let (scopes, seconds) = (texts(row, "gets"), row["lifetimeSeconds"].as_i64().unwrap_or_default());
    let (gets, tone) = if scopes.is_empty() { ("nothing".to_owned(), Tone::Bad) } else { (scopes, Tone::Good) };
    let lifetime = if tone == Tone::Good { format!("{seconds} s") } else { String::new() };
    vec![
        (first, Tone::Plain),
        (client, Tone::Faint),
        (gets, tone),
        (lifetime, Tone::Plain),
        (in_the_way.join("; "), Tone::Plain),
    ]
}

fn in_the_way(one: &Value) -> String {
    let Some(policy) = one["policy"].as_str() else { return text(one, "reason") };
    let level = text(one, "level");
    match (one["code"].as_str(), one["reason"].as_str()) {
        (Some(code), Some(reason)) => format!("policy {policy} ({level}): {code}, {reason}"),
        _ => format!("policy {policy} ({level}) drops {}", texts(one, "dropped")),
    }
}
