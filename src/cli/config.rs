//! `grantd config check` and `grantd config show`.

use clap::Subcommand;
use figment::providers::{Format, Toml};
use grantd::Error;

use super::{Outcome, Settings, say};

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Say whether the configuration is right, and what is wrong
    Check,
    /// Print what is in force, from every source, as TOML
    Show,
}

pub(super) fn run(settings: &Settings, command: &ConfigCommand) -> Outcome {
    let config = settings.load(figment::value::Dict::new())?;
    match command {
        ConfigCommand::Check => say("the configuration is right")?,
        ConfigCommand::Show => {
            let text = toml::to_string(&config)
                .map_err(|error| Error::Internal(format!("the configuration cannot be written: {error}")))?;
            // What is shown can be used: it is read back before it is printed.
            Toml::from_str::<grantd::Config>(&text).map_err(|error| Error::Internal(error.to_string()))?;
            say(text.trim_end())?;
        }
    }
    Ok(())
}
