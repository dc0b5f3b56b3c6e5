//! How many tokens a second one core of grantd gives, as a ratio against a floor measured in the same run.
//!
//! Run it with `cargo bench --bench token -- --help`.
//!
//! The floor (`token/floor.rs`) is the same HTTP stack that answers every request with one bare signature and no
//! logic: what remains between the two is what grantd's own work costs. Both answer the same client (`token/load.rs`)
//! in alternating rounds, because a figure of one machine at one moment says little and a ratio says more.
//!
//! What keeps it honest:
//! - every response is checked, and one wrong response ends the run without a figure; so does a decision without a record;
//! - the server that is not measured is stopped (SIGSTOP), so neither takes time from the other, and work that grantd
//!   puts off (writing decisions) is paid in its own next round;
//! - both are started anew for every round: where a process happens to lie in memory changes what it costs by 5 % and more,
//!   for as long as it runs;
//! - the server's CPU time is shown, so that a client that is the limit cannot pass for a slow floor;
//! - the client never sleeps, since the cost of waking it would fall on the slower server (`token/load.rs`);
//! - tokens of both are compared by algorithm and size before anything is measured.
//!
//! It does not judge: there is no threshold here, since a timed pass or fail breaks on a busy machine.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "a benchmark's product is what it prints")]
#![expect(clippy::print_stderr, reason = "errors of a command-line program")]

#[path = "token/exchange.rs"]
mod exchange;
#[path = "token/fill.rs"]
mod fill;
#[path = "token/floor.rs"]
mod floor;
#[path = "token/load.rs"]
mod load;
#[path = "token/machine.rs"]
mod machine;
#[path = "token/process.rs"]
mod process;
#[path = "token/report.rs"]
mod report;
#[path = "token/soak.rs"]
mod soak;
#[path = "token/subject.rs"]
mod subject;
#[path = "token/writes.rs"]
mod writes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use tokio::runtime::{Builder, Runtime};

use crate::load::{Plan, Run};
use crate::process::Cores;
use crate::report::{Report, Side};
use crate::subject::{Setup, Subject};

/// Whatever went wrong, in words; every error ends the benchmark.
pub(crate) type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Load before each measured window: connections are open and caches warm when the window begins.
const WARM_UP: Duration = Duration::from_millis(500);
/// After the first requests of many clients: twice what a server lets pass before it writes down when each last asked.
const CATCH_UP: Duration = Duration::from_secs(1);
/// Between a server's start and the reading of its idle memory.
const SETTLE: Duration = Duration::from_millis(200);

/// Compares grantd with a bare signer behind the same HTTP stack, on one core each.
#[derive(Parser)]
#[command(name = "cargo bench --bench token --")]
struct Args {
    /// Measured seconds for each server in each round
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rounds; each starts and measures the floor, then grantd
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Keep-alive connections, each with one request under way
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    connections: u32,
    /// What the tokens are signed with
    #[arg(long, value_enum, ignore_case = true, default_value_t = Alg::EdDsa)]
    alg: Alg,
    /// Policies that grantd asks for every token
    #[arg(long, value_enum, default_value_t = Policies::None)]
    policies: Policies,
    /// What grantd is compared with
    #[arg(long, value_enum, default_value_t = Base::Floor)]
    base: Base,
    /// What is asked for
    #[arg(long, value_enum, default_value_t = Ask::Token)]
    ask: Ask,
    /// Accounts that grantd has, each with a client and a grant
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    accounts: u32,
    /// How many different clients ask, in turn
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    asking: u32,
    /// Accounts of the grantd that it is compared with by `--base grantd`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    base_accounts: u32,
    /// Compares with another server instead: the shell command that starts it (see `Subject::start_peer`)
    #[arg(long, value_name = "COMMAND", requires = "peer_name")]
    peer: Option<String>,
    /// What it is called
    #[arg(long, value_name = "NAME")]
    peer_name: Option<String>,
    /// Loads grantd alone, for so long, and shows after each minute what it takes of memory, files and disk
    #[arg(long, value_name = "MINUTES", conflicts_with_all = ["peer", "base", "seconds", "rounds", "json"])]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=10_000))]
    soak: Option<u32>,
    /// Writes the result to FILE too, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Passed by `cargo bench`, and not by `cargo test --all-targets`
    #[arg(long, hide = true)]
    bench: bool,
}

/// What stands between the grant and the token.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Policies {
    /// Nothing
    None,
    /// One policy whose answers are reused
    One,
    /// Five policies whose answers are reused
    Five,
    /// One policy that is asked afresh for every token
    Fresh,
}

impl Policies {
    pub(crate) fn count(self) -> usize {
        match self {
            Self::None => 0,
            Self::One | Self::Fresh => 1,
            Self::Five => 5,
        }
    }
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Base {
    /// A bare signature behind the same HTTP stack
    Floor,
    /// grantd without policies
    Grantd,
}

/// What the load asks for.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Ask {
    /// Tokens
    Token,
    /// What a token is worth (RFC 7662)
    Introspection,
    /// Accounts to be made through the admin API, compared with plain rusqlite that writes the same rows
    Writes,
}

/// The signature algorithms that grantd offers, by their JOSE names (RFC 7518, RFC 8037).
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Alg {
    #[value(name = "EdDSA")]
    EdDsa,
    #[value(name = "ES256")]
    Es256,
    #[value(name = "RS256")]
    Rs256,
}

impl Alg {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some(floor::ARGUMENT) => floor::serve(std::env::args().skip(2)),
        _ => bench(&Args::parse()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Fallible<()> {
    if !args.bench {
        println!("nothing measured: this is a benchmark, run it with cargo bench --bench token");
        return Ok(());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let cores = Cores::pin_self();
    let dir = tempfile::tempdir()?;
    let machine = machine::description();

    if let Some(minutes) = args.soak {
        return soak::bench(args, minutes, &runtime, &cores, dir.path());
    }
    if args.ask == Ask::Writes {
        return writes::bench(args, &runtime, &cores, dir.path());
    }
    let mut floor = start_base(args, &cores, dir.path())?;
    let mut grantd = Subject::start_grantd(&cores, &setup(args), "grantd", dir.path())?;
    let mut sides = (Side::idle(&floor)?, Side::idle(&grantd)?);
    if sides.0.alg != sides.1.alg {
        return Err(format!("the one signs {} and the other {}", sides.0.alg, sides.1.alg).into());
    }
    floor.server.pause()?;
    grantd.server.pause()?;
    for round in 1..=args.rounds {
        for (subject, side) in [(&mut floor, &mut sides.0), (&mut grantd, &mut sides.1)] {
            side.starts_ms.push(start_again(subject)?);
            prime(&runtime, args, &cores, subject)?;
            let run = measure(&runtime, args, &cores, subject)?;
            println!("round {round}: {:6} {run}", subject.name);
            side.runs.push(run);
            side.loaded_mib = subject.server.resident_mib();
        }
        grantd.server.resume()?;
        let unrecorded = grantd.unrecorded()?;
        if unrecorded > 0 {
            return Err(format!("no figure: {unrecorded} decisions were not recorded{}", grantd.log_tail()).into());
        }
        grantd.server.pause()?;
    }
    let base_name = floor.name.clone();
    drop((floor, grantd));

    let report = Report {
        alg: args.alg.name(),
        machine,
        settings: settings(args, &cores, dir.path()),
        base_name: base_name.clone(),
        asked: if args.ask == Ask::Token { "tokens" } else { "introspections" },
        base: sides.0,
        grantd: sides.1,
    };
    println!("\n{report}");
    if let Some(file) = &args.json {
        std::fs::write(file, report.json().to_string())?;
    }
    Ok(())
}

fn setup(args: &Args) -> Setup {
    let (accounts, asking) = (args.accounts as usize, args.asking as usize);
    Setup { alg: args.alg, policies: args.policies, ask: args.ask, accounts: accounts.max(asking), asking }
}

/// What grantd is compared with.
fn start_base(args: &Args, cores: &Cores, dir: &Path) -> Fallible<Subject> {
    if let (Some(command), Some(name)) = (&args.peer, &args.peer_name) {
        return Subject::start_peer(cores, name, command);
    }
    if args.base == Base::Floor {
        return Subject::start_floor(cores, args.alg);
    }
    let plain = dir.join("plain");
    std::fs::create_dir(&plain)?;
    // As many ask there, as far as there are so many.
    let accounts = args.base_accounts as usize;
    let asking = (args.asking as usize).min(accounts);
    Subject::start_grantd(cores, &Setup { policies: Policies::None, accounts, asking, ..setup(args) }, "plain", &plain)
}

fn plan(args: &Args, cores: &Cores, subject: &Subject) -> Plan {
    Plan {
        address: subject.address,
        requests: Arc::clone(&subject.requests),
        connections: args.connections,
        sleepless: matches!(cores, Cores::Apart),
        warm_up: WARM_UP,
        window: Duration::from_secs(args.seconds),
    }
}

/// Where several clients ask, lets every one ask once, and the server write down what it put off. A grantd that this is
/// compared with answers as often: its database has then as much to do as the other's.
fn prime(runtime: &Runtime, args: &Args, cores: &Cores, subject: &Subject) -> Fallible<()> {
    let count = args.asking as usize;
    if count > 1 {
        subject.server.resume()?;
        let rate = runtime.block_on(load::prime(&plan(args, cores, subject), count))?;
        println!("{} asked {count} times, by {} clients: {rate:.0} /s", subject.name, subject.requests.len());
        std::thread::sleep(CATCH_UP);
        subject.server.pause()?;
    }
    Ok(())
}

/// One window of one server, which runs only for that long.
fn measure(runtime: &Runtime, args: &Args, cores: &Cores, subject: &Subject) -> Fallible<Run> {
    subject.server.resume()?;
    let plan = plan(args, cores, subject);
    let run = runtime
        .block_on(load::run(&plan, &subject.server))
        .map_err(|error| format!("no figure, a run of {} failed: {error}{}", subject.name, subject.log_tail()))?;
    subject.server.pause()?;
    Ok(run)
}

/// Milliseconds from starting the process anew, on the database it already has, to its first token.
fn start_again(subject: &mut Subject) -> Fallible<f64> {
    // A paused one could not end by SIGTERM.
    subject.server.resume()?;
    subject.server.stop()?;
    let begin = Instant::now();
    subject.restart()?;
    exchange::first_token(subject.address, &subject.request)
        .map_err(|error| format!("no token from {} after its start: {error}{}", subject.name, subject.log_tail()))?;
    let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
    subject.server.pause()?;
    Ok(milliseconds)
}

fn settings(args: &Args, cores: &Cores, dir: &Path) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{} rounds of {} s after a start and {} s of warm-up, {} connections, one request under way on each",
            args.rounds,
            args.seconds,
            WARM_UP.as_secs_f64(),
            args.connections
        ),
        cores.to_string(),
        format!("database in {} ({}), as `grantd dev` sets it up, one worker", dir.display(), machine::filesystem(dir)),
    ];
    match args.policies {
        Policies::None => {}
        Policies::Fresh => lines.push("one policy (scope-allowlist), asked afresh for every token".to_owned()),
        reused => lines.push(format!("policies: {} (scope-allowlist), their answers reused", reused.count())),
    }
    if args.accounts > 1 || args.asking > 1 {
        lines.push(format!(
            "{} accounts with clients and grants, {} of which ask in turn",
            args.accounts.max(args.asking),
            args.asking
        ));
    }
    if args.base == Base::Grantd {
        lines.push(format!("plain: grantd without policies, with {} accounts", args.base_accounts));
    }
    if cfg!(debug_assertions) {
        lines.push("WARNING: built without optimisation, the figures mean nothing".to_owned());
    }
    lines
}
