//! `grantd policy`: modules, and the policies that they become when they are attached with settings.

mod attach;
mod bench;
mod bounds;
mod caseload;
mod coverage;
mod diff;
mod eval;
mod module;
mod new;
mod replay;
mod scaffold;
mod schema;
mod sign;
mod test;
mod watch;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::names::{ACCOUNT, API, CLIENT, Noun, POLICY, find, names_by_id};
use super::output::{Column, Form, OutputArgs, exact_moment, flag, moment, text, whole};
use super::remote::{Remote, RemoteArgs};
use super::resource::{self, DeleteArgs, ListArgs, Listing};
use super::{Outcome, Settings, log, note};

pub(super) use module::signature_of;
pub(super) use replay::{claims, says, why};

#[derive(Args)]
pub(super) struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Subcommand)]
enum PolicyCommand {
    /// Begin a policy: a directory with a project that builds and passes its own cases
    New(new::NewArgs),
    /// Run a module's cases on this machine
    Test(test::TestArgs),
    /// Ask a module once on this machine: its answer, what that rests on, and what it cost
    Eval(eval::EvalArgs),
    /// Hold what a module costs against every limit, by the requests of its cases
    Bench(bench::BenchArgs),
    /// Build, test and hand over a project whenever it is saved: for `grantd dev`
    Watch(watch::WatchArgs),
    /// Say which answers a module's cases reach, and what they leave untouched
    Coverage(coverage::CoverageArgs),
    /// Sign modules, for servers that run signed ones alone
    Sign(sign::SignArgs),
    /// Look a module over on this machine, as a server would: nothing is sent anywhere
    Inspect(module::InspectArgs),
    /// Hand a module in: it is checked, compiled and kept
    Add(module::AddArgs),
    /// Modules that were handed in
    #[command(subcommand)]
    Module(module::ModuleCommand),
    /// Attach a module with settings to the server, an API, a client or an account
    Attach(attach::AttachArgs),
    /// List policies
    List(ListArgs),
    /// Show a policy
    Show {
        /// Its name, or an id
        policy: String,
    },
    /// Change a policy: its module, settings, place, order and mode together are one change
    Set(attach::SetArgs),
    /// From now on apply what a policy says
    Enforce(Named),
    /// From now on record what a policy says, and never apply it
    Shadow(Named),
    /// From now on do not ask a policy
    Off(Named),
    /// Delete policies
    Delete {
        /// Their names, or ids
        #[arg(required = true)]
        policies: Vec<String>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Ask a policy once what it would say: nothing is issued and nothing is recorded
    Preview(replay::PreviewArgs),
    /// Put a module in the place of a policy, over what was decided: who would gain, lose or get something else
    Diff(diff::DiffArgs),
    /// Evaluate a recorded decision again, and say whether it comes out the same
    Replay(replay::ReplayArgs),
    /// Print the bounds of the sandbox that this machine's configuration sets
    Limits,
    /// Compile every module of a database for this machine, for a server that has no compiler
    Precompile,
}

#[derive(Args)]
struct Named {
    /// Their names, or ids
    #[arg(required = true, value_name = "POLICY")]
    policies: Vec<String>,
}

const COLUMNS: &[Column] = &[
    Column::new("POLICY", |item| text(item, "name")),
    Column::new("ATTACHED TO", |item| text(item, "to")),
    Column::new("ORDER", |item| item["order"].to_string()),
    Column::new("MODE", mode),
    Column::new("MODULE", module_of),
    Column::new("CHANGED", |item| moment(&item["meta"]["lastModified"])),
    Column::id("ID", |item| text(item, "id")),
];

pub(super) fn run(settings: &Settings, args: &PolicyArgs) -> Outcome {
    let form = args.output.output;
    if settings.log_level.is_some() {
        log::start(&settings.load(figment::value::Dict::new())?.log)?;
    }
    // What needs no server first: it must not ask for an API token.
    match &args.command {
        PolicyCommand::New(new) => return new.run(),
        PolicyCommand::Test(test) => return test.run(settings, form),
        PolicyCommand::Eval(eval) => return eval.run(settings, &args.remote, form),
        PolicyCommand::Bench(bench) => return bench.run(settings, form),
        PolicyCommand::Coverage(coverage) => return coverage.run(settings, form),
        PolicyCommand::Watch(watch) => return watch.run(settings, &args.remote),
        PolicyCommand::Sign(sign) => return sign.run(),
        PolicyCommand::Inspect(inspect) => return inspect.run(settings, form),
        PolicyCommand::Limits => return bounds::limits(settings, form),
        PolicyCommand::Precompile => return bounds::precompile(settings),
        _ => {}
    }
    let remote = Remote::connect(settings, &args.remote)?;
    match &args.command {
        PolicyCommand::New(_)
        | PolicyCommand::Test(_)
        | PolicyCommand::Eval(_)
        | PolicyCommand::Bench(_)
        | PolicyCommand::Coverage(_)
        | PolicyCommand::Watch(_)
        | PolicyCommand::Sign(_)
        | PolicyCommand::Inspect(_)
        | PolicyCommand::Limits
        | PolicyCommand::Precompile => Ok(()),
        PolicyCommand::Add(add) => add.run(&remote, form),
        PolicyCommand::Module(command) => command.run(&remote, form),
        PolicyCommand::Attach(attach) => attach.run(&remote, form),
        PolicyCommand::List(list) => {
            let listing = Listing { columns: COLUMNS, prepare: &put_places, newest_first_by: None };
            listing.print(&remote, POLICY.path, list, None, form)
        }
        PolicyCommand::Show { policy } => show(&remote, form, find(&remote, &POLICY, policy)?),
        PolicyCommand::Set(set) => set.run(&remote, form),
        PolicyCommand::Enforce(named) => named.switch(&remote, "enforce", form),
        PolicyCommand::Shadow(named) => named.switch(&remote, "shadow", form),
        PolicyCommand::Off(named) => named.switch(&remote, "off", form),
        PolicyCommand::Delete { policies, yes } => {
            let how = DeleteArgs { yes: *yes, cascade: false };
            resource::delete(&remote, &POLICY, policies, &how, |remote, policy| {
                let mut policy = policy.clone();
                put_places(remote, std::slice::from_mut(&mut policy))?;
                let loss = format!("nothing narrows the tokens of {} in its place", text(&policy, "to"));
                Ok((Vec::new(), if text(&policy, "mode") == "enforce" { loss } else { String::new() }))
            })
        }
        PolicyCommand::Preview(preview) => preview.run(&remote, form),
        PolicyCommand::Diff(diff) => diff.run(settings, &remote, form),
        PolicyCommand::Replay(replay) => replay.run(&remote, form),
    }
}

impl Named {
    /// All are found before the first is changed.
    fn switch(&self, remote: &Remote, mode: &str, form: Form) -> Outcome {
        let found: Vec<Value> = self.policies.iter().map(|name| find(remote, &POLICY, name)).collect::<Outcome<_>>()?;
        let mut switched = Vec::with_capacity(found.len());
        let outcome = found.iter().try_for_each(|policy| {
            let change = |path: &str, value: Value| json!({"op": "replace", "path": path, "value": value});
            let mut changes = vec![change("mode", mode.into())];
            // One that is inactive is not asked, whatever its mode.
            if mode != "off" && policy["active"] == false {
                changes.push(change("active", true.into()));
            }
            switched.push(remote.patch(&POLICY.path_of(policy), &changes)?);
            note(&format!("{} is in mode {mode}, from the next request on", text(policy, "name")));
            Ok(())
        });
        // Those before one that failed are switched.
        if form != Form::Table {
            whole(form, &Value::Array(switched))?;
        }
        outcome
    }
}

fn mode(policy: &Value) -> String {
    if policy["active"] == false { "inactive".to_owned() } else { text(policy, "mode") }
}

/// What the module calls itself.
fn module_of(policy: &Value) -> String {
    format!("{}@{}", text(policy, "moduleName"), text(policy, "moduleVersion"))
}

/// Says beside each policy where it is attached, in names.
fn put_places(remote: &Remote, policies: &mut [Value]) -> Outcome {
    let places: [(&str, &Noun); 3] = [("api", &API), ("client", &CLIENT), ("account", &ACCOUNT)];
    for policy in policies.iter_mut() {
        let place = text(&policy["attachedTo"], "type");
        policy["to"] = place.as_str().into();
        if places.iter().any(|(word, _)| *word == place) {
            let id = policy["attachedTo"]["id"].clone();
            policy[format!("{place}Id")] = id;
        }
    }
    for (word, noun) in places {
        let member = format!("{word}Id");
        let names = names_by_id(remote, noun, policies, &member)?;
        for policy in policies.iter_mut().filter(|policy| policy[&member].is_string()) {
            let id = text(policy, &member);
            policy["to"] = format!("{word} {}", names.get(&id).unwrap_or(&id)).into();
        }
    }
    Ok(())
}

fn show(remote: &Remote, form: Form, mut policy: Value) -> Outcome {
    if form != Form::Table {
        return resource::show(form, &policy, &[]);
    }
    put_places(remote, std::slice::from_mut(&mut policy))?;
    let members = [
        ("policy", text(&policy, "name")),
        ("attached to", text(&policy, "to")),
        ("order", policy["order"].to_string()),
        ("mode", text(&policy, "mode")),
        ("active", flag(&policy, "active")),
        ("module", module_of(&policy)),
        ("digest", text(&policy, "moduleDigest")),
        ("settings", serde_json::to_string_pretty(&policy["settings"]).unwrap_or_default()),
        ("id", text(&policy, "id")),
        ("created", exact_moment(&policy["meta"]["created"])),
        ("changed", exact_moment(&policy["meta"]["lastModified"])),
        ("revision", policy["meta"]["revision"].to_string()),
    ];
    resource::show(form, &policy, &members)
}
