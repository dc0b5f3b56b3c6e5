//! `grantd policy diff`: a candidate in the place of a policy, over what was decided. Who would have gained, lost or got
//! something else, before it changes anything.

mod end;
mod weigh;

use std::collections::{BTreeMap, HashMap};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};

use clap::Args;
use grantd::clock::Timestamp;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::attach::read_settings;
use super::caseload::{CompileArgs, OnBench};
use crate::cli::names::{POLICY, find};
use crate::cli::output::{Form, Tone, grid, printable, text, whole};
use crate::cli::remote::Remote;
use crate::cli::{Failure, Outcome, Settings, note, say, time};
use end::End;
use weigh::{Compared, Explained, Recorded, Scales};

/// Rows that a table shows unless it is to show all.
const SHOWN_MAX: usize = 50;
/// Decisions of one kind that are named.
const NAMED_MAX: usize = 5;
/// Pages that are read ahead, while the candidate is asked.
const AHEAD_MAX: usize = 1;
/// Explanations that are kept read.
const EXPLAINED_MAX: usize = 50_000;

#[derive(Args)]
pub(super) struct DiffArgs {
    /// The candidate: a .wasm file
    file: PathBuf,
    /// What it is told: JSON, or a file of JSON or YAML, or - for standard input [default: what the policy is told]
    #[arg(long, value_name = "JSON | FILE")]
    settings: Option<String>,
    /// Over the decisions from then on: a time ago (24h, 7d) or a date-time
    #[arg(long, value_name = "TIME", default_value = "24h")]
    since: String,
    /// The policy whose place it takes: its name, or an id [default: the one whose module has the candidate's name]
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// Show every difference, not only the first of them
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    compile: CompileArgs,
}

/// A page of what a policy was asked.
#[derive(Deserialize)]
struct Page {
    first: Option<i64>,
    last: i64,
    next: Option<i64>,
    explanations: HashMap<String, Box<RawValue>>,
    decisions: Vec<Recorded>,
}

/// Differences that read the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    kind: &'static str,
    account: String,
    client: String,
    api: String,
    then: String,
    now: String,
}

/// Decisions, counted, and some of them by name.
#[derive(Default)]
struct Counted {
    count: u64,
    ids: Vec<String>,
}

impl Counted {
    fn add(&mut self, id: &str) {
        self.count += 1;
        if self.ids.len() < NAMED_MAX {
            self.ids.push(id.to_owned());
        }
    }
}

#[derive(Default)]
struct Report {
    decisions: u64,
    same: u64,
    differences: BTreeMap<Difference, Counted>,
    untold: BTreeMap<String, Counted>,
    modules: BTreeMap<String, (String, Counted)>,
    /// In so many the policy was in mode shadow.
    shadowed: u64,
}

impl DiffArgs {
    pub(super) fn run(&self, settings: &Settings, remote: &Remote, form: Form) -> Outcome {
        let since = self.since()?;
        let candidate = OnBench::open(settings, &self.file, &self.compile)?;
        let policies = every(remote)?;
        let policy = self.policy(remote, &policies, &candidate)?;
        let told = match &self.settings {
            Some(given) => read_settings(given)?,
            None => policy["settings"].clone(),
        };
        let unfit = |what: String| Failure::failed(format!("{}: {what}", self.file.display()));
        let fits = candidate.bench.validate_settings(&candidate.specimen, &told.to_string());
        if let Err(why) = fits.map_err(|failure| unfit(failure.at_length()))? {
            let whose = if self.settings.is_some() { "these settings" } else { "the settings that the policy has" };
            return Err(unfit(format!("it refuses {whose}: {why}; give it others with --settings")));
        }
        let id = text(&policy, "id");
        let is_other =
            |other: &&Value| other["id"] != policy["id"] && other["mode"] == "enforce" && other["active"] == true;
        let mut scales = Scales::new(remote, &candidate, &told, &id, policies.iter().any(|other| is_other(&other)));
        let mut report = Report::default();
        walk(remote, &id, since, |page, explained| {
            for recorded in &page.decisions {
                if let Some(explained) = explained.get(&recorded.explanation) {
                    let compared = scales.compare(recorded, explained)?;
                    report.add(recorded, explained, &id, compared);
                }
            }
            Ok(())
        })?;
        report.print(form, self.all, &policy, since, remote)
    }

    fn since(&self) -> Outcome<Timestamp> {
        match Timestamp::parse(&self.since) {
            Some(moment) => Ok(moment),
            None => Ok(time::now().plus_seconds(-time::seconds("--since", &self.since)?)),
        }
    }

    fn policy(&self, remote: &Remote, policies: &[Value], candidate: &OnBench) -> Outcome<Value> {
        if let Some(named) = &self.policy {
            return find(remote, &POLICY, named);
        }
        let name = &candidate.specimen.manifest().name;
        let found: Vec<&Value> = policies.iter().filter(|policy| policy["moduleName"] == name.as_str()).collect();
        match found.as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err(Failure::NotFound(format!(
                "no policy runs a module {name}: say with --policy whose place it takes; a policy that is not there yet \
                 is attached with --mode shadow"
            ))),
            several => {
                let names: Vec<String> = several.iter().map(|policy| text(policy, "name")).collect();
                Err(Failure::Usage(format!(
                    "several policies run a module {name}: choose one with --policy: {}",
                    names.join(", ")
                )))
            }
        }
    }
}

fn every(remote: &Remote) -> Outcome<Vec<Value>> {
    let mut all = Vec::new();
    remote.every(POLICY.path, None, |page| {
        all.extend(page);
        Ok(())
    })?;
    Ok(all)
}

/// Reads page after page of what the policy was asked, with a bar on a terminal.
fn walk(
    remote: &Remote,
    policy: &str,
    since: Timestamp,
    mut each: impl FnMut(&Page, &HashMap<String, Explained>) -> Outcome,
) -> Outcome {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} decisions, {eta} to go") {
        bar.set_style(style);
    }
    let since = since.to_string();
    let walked = std::thread::scope(|scope| {
        let (read, pages) = sync_channel(AHEAD_MAX);
        scope.spawn(move || fetch(remote, policy, &since, &read));
        let mut explained: HashMap<String, Explained> = HashMap::new();
        let mut first = 0;
        for page in pages {
            let page = page?;
            if explained.len() > EXPLAINED_MAX {
                explained.clear();
            }
            for (digest, written) in &page.explanations {
                if !explained.contains_key(digest) {
                    let unreadable = |error| Failure::failed(format!("a record cannot be read: {error}"));
                    explained.insert(digest.clone(), serde_json::from_str(written.get()).map_err(unreadable)?);
                }
            }
            first = page.first.unwrap_or(first);
            bar.set_length(u64::try_from(page.last - first + 1).unwrap_or_default());
            bar.set_position(u64::try_from(page.next.unwrap_or(page.last) - first + 1).unwrap_or_default());
            each(&page, &explained)?;
        }
        Ok(())
    });
    bar.finish_and_clear();
    walked
}

/// Reads one page after another until there are no more, or nobody takes them.
fn fetch(remote: &Remote, policy: &str, since: &str, read: &SyncSender<Outcome<Page>>) {
    let mut after = None::<String>;
    loop {
        let mut query = vec![("policy", policy), ("since", since)];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: Outcome<Page> = remote.get_as("/decision-questions", &query);
        after = page.as_ref().ok().and_then(|page| page.next).map(|next| next.to_string());
        if read.send(page).is_err() || after.is_none() {
            return;
        }
    }
}

impl Report {
    fn add(&mut self, recorded: &Recorded, explained: &Explained, policy_id: &str, compared: weigh::Verdicts) {
        self.decisions += 1;
        if let Some(step) = explained.steps.iter().find(|step| step.policy_id == policy_id) {
            self.shadowed += u64::from(step.mode == "shadow");
            let entry = self.modules.entry(step.module_digest.clone());
            entry.or_insert_with(|| (step.module.clone(), Counted::default())).1.add(&recorded.id);
        }
        let Compared { then, now, at_most } = match compared {
            Ok(compared) => compared,
            Err(why) => return self.untold.entry(why).or_default().add(&recorded.id),
        };
        let Some(kind) = kind(&then, &now) else {
            self.same += 1;
            return;
        };
        let limit = if at_most { "at most " } else { "" };
        let given = explained.given.as_ref();
        let difference = Difference {
            kind,
            account: given.map(|given| given.account.user_name.clone()).unwrap_or_default(),
            client: recorded.client_id.clone().unwrap_or_default(),
            api: given.map(|given| given.api.app_id.clone()).unwrap_or_default(),
            then: then.in_words(),
            now: format!("{limit}{}", now.in_words()),
        };
        self.differences.entry(difference).or_default().add(&recorded.id);
    }

    fn count(&self, kind: &str) -> u64 {
        self.differences.iter().filter(|(difference, _)| difference.kind == kind).map(|(_, some)| some.count).sum()
    }

    fn print(&self, form: Form, all: bool, policy: &Value, since: Timestamp, remote: &Remote) -> Outcome {
        let untold: u64 = self.untold.values().map(|some| some.count).sum();
        let (gain, lose, change) = (self.count("gains"), self.count("loses"), self.count("changes"));
        if form == Form::Table {
            let rows: Vec<_> =
                self.differences.iter().take(if all { usize::MAX } else { SHOWN_MAX }).map(row).collect();
            if !rows.is_empty() {
                grid(&["", "ACCOUNT", "CLIENT", "API", "THEN", "NOW", "DECISIONS", "ONE OF THEM"], &rows)?;
                say("")?;
            }
            say(&format!(
                "{} decisions of the policy {} since {since}: {gain} gain, {lose} lose, {change} change, {} stay the \
                 same, {untold} cannot be told",
                self.decisions,
                text(policy, "name"),
                self.same
            ))?;
            if self.shadowed > 0 {
                say(&format!(
                    "in {} of them it was in mode shadow: what it said was recorded and not applied, and gains and loses \
                     are against what it said then",
                    self.shadowed
                ))?;
            }
            for (why, some) in &self.untold {
                let more = if some.count > some.ids.len() as u64 { " …" } else { "" };
                let ids = some.ids.join(", ");
                say(&printable(&format!("{} cannot be told: {why} ({ids}{more})", some.count)))?;
            }
            if self.differences.len() > rows.len() {
                note(&format!(
                    "{} of {} differences are shown: --all shows every one",
                    rows.len(),
                    self.differences.len()
                ));
            }
            self.tell_removed(remote)?;
        } else {
            let shown = |(difference, some): (&Difference, &Counted)| {
                json!({
                    "kind": difference.kind, "account": difference.account, "clientId": difference.client,
                    "api": difference.api, "then": difference.then, "now": difference.now,
                    "decisions": some.count, "some": some.ids,
                })
            };
            let untold =
                |(why, some): (&String, &Counted)| json!({"why": why, "decisions": some.count, "some": some.ids});
            whole(
                form,
                &json!({
                    "policy": text(policy, "name"), "since": since.to_string(), "decisions": self.decisions,
                    "inShadow": self.shadowed, "gain": gain, "lose": lose, "change": change, "same": self.same,
                    "differences": self.differences.iter().map(shown).collect::<Vec<_>>(),
                    "untold": self.untold.iter().map(untold).collect::<Vec<_>>(),
                }),
            )?;
        }
        if gain + lose + change > 0 {
            return Err(Failure::Different);
        }
        // Who waits for the exit code must not take silence for a promise.
        if untold > 0 && untold == self.decisions {
            return Err(Failure::failed(
                "of no decision can it be told what would have come out: that is no evidence that nothing changes",
            ));
        }
        Ok(())
    }

    /// Modules that took part and are gone: their answers stand in the records, and cannot be checked any more.
    fn tell_removed(&self, remote: &Remote) -> Outcome {
        for (digest, (module, some)) in &self.modules {
            if let Err(Failure::NotFound(_)) = super::module::found(remote, digest) {
                let short: String = digest.chars().take(12).collect();
                let more = if some.count > some.ids.len() as u64 { " …" } else { "" };
                note(&format!(
                    "{} were decided by {module} ({short}), which was removed: what it said is taken from the records ({}{more})",
                    some.count,
                    some.ids.join(", ")
                ));
            }
        }
        Ok(())
    }
}

/// What became of a request; `None` when nothing did.
fn kind(then: &End, now: &End) -> Option<&'static str> {
    match (then, now) {
        _ if then == now => None,
        (End::Denied { .. }, End::Token { .. }) => Some("gains"),
        (End::Token { .. }, End::Denied { .. }) => Some("loses"),
        (End::Denied { .. }, End::Denied { .. }) => Some("changes"),
        (End::Token { scopes: then, .. }, End::Token { scopes: now, .. }) => {
            let gains = now.iter().any(|scope| !then.contains(scope));
            let loses = then.iter().any(|scope| !now.contains(scope));
            Some(match (gains, loses) {
                (true, false) => "gains",
                (false, true) => "loses",
                _ => "changes",
            })
        }
    }
}

fn row((difference, some): (&Difference, &Counted)) -> Vec<(String, Tone)> {
    let tone = match difference.kind {
        "gains" => Tone::Good,
        "loses" => Tone::Bad,
        _ => Tone::Plain,
    };
    vec![
        (difference.kind.to_owned(), tone),
        (difference.account.clone(), Tone::Plain),
        (difference.client.clone(), Tone::Faint),
        (difference.api.clone(), Tone::Plain),
        (difference.then.clone(), Tone::Plain),
        (difference.now.clone(), tone),
        (some.count.to_string(), Tone::Plain),
        (some.ids.first().cloned().unwrap_or_default(), Tone::Faint),
    ]
}
