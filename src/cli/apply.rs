//! `grantd apply`: files say what there should be, and a server is made so, or is told how it differs.

use std::fmt::Write;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use grantd::apply::file::{Files, Format, Module};
use grantd::apply::{OWNER_DEFAULT, PRUNES_ALL};
use indicatif::ProgressBar;
use serde_json::Value;

use super::output::{Form, OutputArgs, has_colour, printable, text, whole};
use super::remote::{Remote, RemoteArgs, segment};
use super::{Failure, Outcome, Settings, note, resource, say, say_once};

/// How often the line moves that shows that something is being done.
const TICK: Duration = Duration::from_millis(100);
const SECRETS_LOST: &str = "nobody saw the new secrets: `grantd m2m secret add CLIENT` makes others";

#[derive(Args)]
pub(super) struct ApplyArgs {
    /// Files in TOML, YAML or JSON, or directories of them; - is standard input
    #[arg(short, long = "file", required = true, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only show what would change: exit code 0 when nothing would, 10 when something would
    #[arg(long)]
    dry_run: bool,
    /// Also delete what an earlier apply made and the files no longer have; never what anybody else made
    #[arg(long)]
    prune: bool,
    /// Under which name things are made, so that --prune with some files leaves those of others alone
    #[arg(long, value_name = "NAME", default_value = OWNER_DEFAULT)]
    owner: String,
    /// How standard input is written [default: as it looks]
    #[arg(long, value_name = "FORMAT")]
    format: Option<DocumentFormat>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum DocumentFormat {
    Toml,
    Yaml,
    Json,
}

impl DocumentFormat {
    pub(super) fn format(self) -> Format {
        match self {
            Self::Toml => Format::Toml,
            Self::Yaml => Format::Yaml,
            Self::Json => Format::Json,
        }
    }
}

pub(super) fn run(settings: &Settings, args: &ApplyArgs) -> Outcome {
    let remote = Remote::connect(settings, &args.remote)?.patient()?;
    let progress = Progress::begin();
    progress.step("reading the files");
    let files = Files::read(&args.files, args.format.map(DocumentFormat::format))?;
    for warning in &files.warnings {
        progress.aside(warning);
    }
    // Here too: an older server would do it.
    if args.prune && count(&files) == 0 {
        return Err(Failure::failed(PRUNES_ALL));
    }
    let report = send(&remote, &files, args, &progress)?;
    progress.end();
    match args.output.output {
        Form::Table => tell(&report, args.dry_run)?,
        form if has_secrets(&report) => resource::show_once(form, &report, &[], SECRETS_LOST)?,
        form => whole(form, &report)?,
    }
    if args.dry_run && report["different"].as_bool() == Some(true) {
        return Err(Failure::Different);
    }
    Ok(())
}

fn send(remote: &Remote, files: &Files, args: &ApplyArgs, progress: &Progress) -> Outcome<Value> {
    if !args.dry_run {
        for module in &files.modules {
            progress.step(&format!("uploading {}", module.path.display()));
            upload(remote, module)?;
        }
    }
    progress.step(&format!(
        "{} {} things at {}",
        if args.dry_run { "comparing" } else { "applying" },
        count(files),
        remote.server()
    ));
    let flag = |set: bool| if set { "true" } else { "false" };
    let parameters = [("dryRun", flag(args.dry_run)), ("prune", flag(args.prune)), ("owner", args.owner.as_str())];
    apply(remote, files, &parameters)
}

/// How much the files declare.
fn count(files: &Files) -> usize {
    files.document.as_object().into_iter().flatten().filter_map(|(_, all)| all.as_array()).map(Vec::len).sum()
}

/// Sends the document, and tells its mistakes by file, line and column.
pub(super) fn apply(remote: &Remote, files: &Files, parameters: &[(&str, &str)]) -> Outcome<Value> {
    let body = files.document.to_string().into_bytes();
    match remote.send_document("/apply", parameters, body) {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(violations)) => Err(Failure::failed(files.explain(&violations))),
        Err(Failure::NotFound(_)) => Err(Failure::failed(format!(
            "{} has nothing to apply documents with: it is older than this program",
            remote.server()
        ))),
        Err(other) => Err(other),
    }
}

/// Hands a module in that the server does not have yet. The same bytes are the same module.
pub(super) fn upload(remote: &Remote, module: &Module) -> Outcome {
    let signature = module.signature.as_deref();
    if signature.is_none() && remote.get(&format!("/policy-modules/{}", segment(&module.digest)), &[]).is_ok() {
        return Ok(());
    }
    // One that is there may come with a signature now.
    remote.upload("/policy-modules", &mut module.bytes()?.as_slice(), signature).map(|_| ())
}

/// Prints what was, or would be, done; and the secrets that were made, which nobody can print again.
pub(super) fn tell(report: &Value, is_dry_run: bool) -> Outcome {
    let colour = has_colour(&std::io::stdout());
    let mut lines = String::new();
    for change in report["changes"].as_array().into_iter().flatten() {
        // Writing to a string cannot fail.
        let _ = write!(lines, "{}", in_words(change, is_dry_run, colour));
    }
    let number = |member: &str| report[member].as_u64().unwrap_or_default();
    if number("changesNotTold") > 0 {
        let _ = writeln!(lines, "and {} more", number("changesNotTold"));
    }
    let would = if is_dry_run { " would be" } else { "" };
    let _ = write!(
        lines,
        "{}{would} made, {} changed, {} deleted; {} as they should be",
        number("created"),
        number("changed"),
        number("deleted"),
        number("unchanged")
    );
    say(&lines)?;
    for made in report["secrets"].as_array().into_iter().flatten() {
        let name = printable(&text(made, "displayName"));
        let (client_id, secret) = (text(made, "clientId"), text(made, "clientSecret"));
        say_once(&format!("secret of {name}, client id {client_id}: {secret}"), SECRETS_LOST)?;
    }
    if has_secrets(report) {
        note("The secrets are shown this once.");
    }
    Ok(())
}

fn has_secrets(report: &Value) -> bool {
    report["secrets"].as_array().is_some_and(|made| !made.is_empty())
}

/// `+ grant cleanup at orders`, and with `members` what differs, one line for each.
fn in_words(change: &Value, members: bool, colour: bool) -> String {
    let (mark, code) = match change["action"].as_str() {
        Some("create") => ("+", "32"),
        Some("delete") => ("-", "31"),
        _ => ("~", "33"),
    };
    let kind = match change["resourceType"].as_str() {
        Some("ServiceAccount") => "account",
        Some("MachineToMachine") => "client",
        Some("Credential") => "secret of",
        Some("Api") => "api",
        Some("Grant") => "grant",
        Some(_) | None => "policy",
    };
    let paint = |text: &str| if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() };
    let mut lines = format!("{}\n", paint(&format!("{mark} {kind} {}", printable(&text(change, "name")))));
    if !members {
        return lines;
    }
    for member in change["members"].as_array().into_iter().flatten() {
        let name = text(member, "member");
        let (before, after) = (&member["before"], &member["after"]);
        let told = match (mark, before, after) {
            ("+", _, after) => format!("{name}: {after}"),
            (_, before, Value::Null) => format!("{name}: was {before}"),
            (_, Value::Null, after) => format!("{name}: {after}"),
            (_, before, after) => format!("{name}: {before} -> {after}"),
        };
        let _ = writeln!(lines, "    {}", printable(&told));
    }
    lines
}

/// A line on a terminal's standard error that says what is being done; nothing elsewhere.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn begin() -> Self {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    pub(super) fn step(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    fn aside(&self, text: &str) {
        self.0.suspend(|| note(text));
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}
