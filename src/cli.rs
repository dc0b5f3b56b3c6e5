//! The command line: what each command takes, and the one way in which all of them end.
//!
//! Exit codes: 0 fine, 1 failed, 2 usage, 4 denied.

mod config;
mod doctor;
mod init;
mod log;
mod ready_file;
mod server;
mod token;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use figment::value::{Dict, Value};
use grantd::{Config, Error, Result};

/// OAuth 2.0 access tokens for machines: one binary, one SQLite file.
///
/// Start with `grantd dev`: it prints a client id, a secret, and the curl that gets a token.
#[derive(Parser)]
#[command(name = "grantd", version, disable_help_subcommand = true, subcommand_required = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Start a server in one go, with a sample account, client, API and grant
    Dev(server::ServerArgs),
    /// Get an access token from a server (the sample's, unless told which)
    Token(token::TokenArgs),
    /// Make a database, its master key and the first admin API token, printed once
    Init,
    /// Start a server on a database that exists
    Serve(server::ServerArgs),
    /// Look a database over while no server uses it, and say what to do for each finding
    Doctor,
    /// Check or show the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// Settings that every command takes. They go before what the environment and the file say.
#[derive(Args, Clone)]
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
    /// A server refused: exit code 4.
    Denied(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What a command ends with.
type Outcome = std::result::Result<(), Failure>;

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let CommandLine { command, settings } = CommandLine::parse();
    let outcome = match command {
        Command::Dev(args) => server::dev(&settings, &args),
        Command::Serve(args) => server::serve(&settings, &args),
        Command::Init => init::run(&settings),
        Command::Token(args) => token::run(&settings, &args),
        Command::Doctor => doctor::run(&settings),
        Command::Config(command) => config::run(&settings, &command),
    };
    let (text, code) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => {
            let cause = error.cause().map_or_else(String::new, |cause| format!(" ({cause})"));
            (format!("{error}{cause}"), 1)
        }
        Err(Failure::Denied(text)) => (text, 4),
    };
    // Nothing is left to try when standard error is closed.
    let _ = writeln!(std::io::stderr(), "grantd: {text}");
    ExitCode::from(code)
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
