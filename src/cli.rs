//! The command line: what each command takes, and the one way in which all of them end.
//!
//! Exit codes: 0 fine, 1 failed, 2 usage, 3 not found, 4 denied, 10 a dry run would change something.

mod access;
mod account;
mod api;
mod api_token;
mod apply;
mod audit;
mod backup;
mod client;
mod completions;
mod config;
mod decision;
mod doctor;
mod explain;
mod export;
mod grant;
mod hardening;
mod init;
mod key;
mod log;
mod login;
mod members;
mod names;
mod output;
mod policy;
mod ready_file;
mod remote;
mod resource;
mod seed;
mod server;
mod signals;
mod time;
mod token;
mod tour;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Once;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use figment::value::{Dict, Value};
use grantd::{Config, Error, Result};

/// OAuth 2.0 access tokens for machines: one binary, one SQLite file.
#[derive(Parser)]
#[command(name = "grantd", version, disable_help_subcommand = true, subcommand_required = true)]
#[command(after_help = tour::EXIT_CODES)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Start a server in one go, with a sample account, client, API and grant
    Dev(server::DevArgs),
    /// Service accounts: who a token is about
    Account(account::AccountArgs),
    /// Machine-to-machine clients: what authenticates as an account, and its secrets
    M2m(client::ClientArgs),
    /// APIs that are protected, and their scopes
    Api(api::ApiArgs),
    /// Grants: which account may have which scopes at which API, and until when
    Grant(grant::GrantArgs),
    /// Policies: modules that narrow what a grant is worth, and where they are attached
    Policy(Box<policy::PolicyArgs>),
    /// Who would get a scope now, and which policy stands in the way of the others
    WhoCan(access::WhoCanArgs),
    /// What an account would get now, scope by scope, and which policy stands in the way
    Can(access::CanArgs),
    /// Decisions: why each token request ended as it did
    Decision(decision::DecisionArgs),
    /// Explain a token or a refusal, step by step
    Explain(decision::ExplainArgs),
    /// Get an access token from a server (the sample's, unless told which)
    Token(token::TokenArgs),
    /// Make everything be as files say: accounts, clients, APIs, grants and policies
    Apply(apply::ApplyArgs),
    /// Print everything as such a file, without secrets
    Export(export::ExportArgs),
    /// Keep a server's address and an API token in a profile
    Login(login::LoginArgs),
    /// Signing keys
    Key(key::KeyArgs),
    /// Bearers of the admin API
    ApiToken(api_token::ApiTokenArgs),
    /// The audit trail: who changed what, when and why
    Audit(audit::AuditArgs),
    /// Make a database, its master key and the first admin API token, printed once
    Init,
    /// Start a server on a database that exists
    Serve(server::ServerArgs),
    /// Copy the database to a file, while a server uses it
    Backup(backup::BackupArgs),
    /// Put a backup in the place of the database, and keep what stood there
    Restore(backup::RestoreArgs),
    /// Look a database and its server over, and say what to do for each finding
    Doctor(doctor::DoctorArgs),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print the completions of a shell, for it to read
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write one for each command into a directory
    Man(completions::ManArgs),
}

/// What a start says that cannot look for its configuration file.
const NOT_SEARCHED: &str = "warning: the current directory may not be searched, and a grantd.toml in it is not read; name \
    the file with --config or GRANTD_CONFIG";

/// Settings that every command takes. They go before what the environment and the file say.
#[derive(Args, Clone)]
#[command(next_help_heading = "Settings of this machine")]
struct Settings {
    /// Configuration file [default: grantd.toml, where there is one]
    #[arg(long, global = true, env = "GRANTD_CONFIG", value_name = "FILE", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Database file [default: grantd.db]
    #[arg(long, global = true, value_name = "FILE")]
    database: Option<PathBuf>,
    /// Master key file [default: DATABASE.key]
    #[arg(long, global = true, value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// Log level: error, warn, info, debug, trace
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl Settings {
    /// The flags in the form of the configuration.
    fn flags(&self) -> Dict {
        let mut flags = Dict::new();
        let path = |path: &PathBuf| Value::from(path.to_string_lossy().into_owned());
        insert(&mut flags, "database", self.database.as_ref().map(path));
        insert(&mut flags, "master_key_file", self.master_key_file.as_ref().map(path));
        if let Some(level) = &self.log_level {
            flags
                .insert("log".to_owned(), Value::from(Dict::from([("level".to_owned(), Value::from(level.as_str()))])));
        }
        flags
    }

    fn load(&self, more: Dict) -> Result<Config> {
        static TOLD: Once = Once::new();
        if self.config.is_none() && Config::is_default_file_hidden() {
            TOLD.call_once(|| note(NOT_SEARCHED));
        }
        let mut flags = self.flags();
        flags.extend(more);
        Config::load(self.config.as_deref(), &flags)
    }
}

/// Sets a flag that was given.
fn insert(flags: &mut Dict, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        flags.insert(key.to_owned(), value);
    }
}

/// How a command failed.
enum Failure {
    /// Exit code 1.
    Failed(Error),
    /// The command line asks for something that does not fit together: exit code 2.
    Usage(String),
    /// What was named does not exist: exit code 3.
    NotFound(String),
    /// A server refused: exit code 4.
    Denied(String),
    /// A dry run would change something, and has said what: exit code 10.
    Different,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Failure {
    /// Exit code 1, in one line with the way out.
    fn failed(text: impl Into<String>) -> Self {
        Self::Failed(Error::Setup(text.into()))
    }

    fn told(self) -> (String, u8) {
        match self {
            Self::Failed(error) => (error.for_operator(), 1),
            Self::Usage(text) => (text, 2),
            Self::NotFound(text) => (text, 3),
            Self::Denied(text) => (text, 4),
            Self::Different => (String::new(), 10),
        }
    }
}

/// What a command ends with.
type Outcome<T = ()> = std::result::Result<T, Failure>;

/// The whole command line, as completions, manual pages and help are made from it.
fn definition() -> clap::Command {
    tour::arrange(CommandLine::command())
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let parsed = CommandLine::from_arg_matches(&definition().get_matches());
    let CommandLine { command, settings } = parsed.unwrap_or_else(|error| error.exit());
    match run(command, &settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (text, code) = failure.told();
            if !text.is_empty() {
                note(&format!("grantd: {text}"));
            }
            ExitCode::from(code)
        }
    }
}

fn run(command: Command, settings: &Settings) -> Outcome {
    hardening::hide_memory();
    match command {
        Command::Dev(args) => server::dev(settings, &args),
        Command::Account(args) => account::run(settings, &args),
        Command::M2m(args) => client::run(settings, &args),
        Command::Api(args) => api::run(settings, &args),
        Command::Grant(args) => grant::run(settings, &args),
        Command::Policy(args) => policy::run(settings, &args),
        Command::WhoCan(args) => access::who_can(settings, &args),
        Command::Can(args) => access::can(settings, &args),
        Command::Decision(args) => decision::run(settings, &args),
        Command::Explain(args) => decision::run_explain(settings, &args),
        Command::Token(args) => token::run(settings, &args),
        Command::Apply(args) => apply::run(settings, &args),
        Command::Export(args) => export::run(settings, &args),
        Command::Login(args) => login::run(settings, &args),
        Command::Key(args) => key::run(settings, &args),
        Command::ApiToken(args) => api_token::run(settings, &args),
        Command::Audit(args) => audit::run(settings, &args),
        Command::Init => init::run(settings),
        Command::Serve(args) => server::serve(settings, &args),
        Command::Backup(args) => backup::back_up(settings, &args),
        Command::Restore(args) => backup::restore(settings, &args),
        Command::Doctor(args) => doctor::run(settings, &args),
        Command::Config(command) => config::run(settings, &command),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => completions::man(&args),
    }
}

/// Prints to standard output. A reader that went away is no error.
fn say(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::Setup(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints to standard output what can be printed this once. Where it cannot, even because its reader went away, that is
/// an error, which says what to do about the `loss`.
fn say_once(text: &str, loss: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}")
        .map_err(|error| Error::Setup(format!("standard output cannot be written: {error}; {loss}")))
}

/// Prints to standard error, for people only: what a script reads is on standard output. Much of it is what servers and
/// modules say, so nothing in it steers the terminal.
fn note(text: &str) {
    // Nothing is left to try when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{}", output::printable(text));
}
