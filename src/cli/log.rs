//! Logs: text for people on a terminal, JSON for collectors otherwise, always on standard error.

use std::io::IsTerminal;

use grantd::config::{LogConfig, LogFormat};
use grantd::{Error, Result};
use tracing_subscriber::EnvFilter;

/// Starts logging.
pub(super) fn start(config: &LogConfig) -> Result<()> {
    // What actix says of its own threads at each start is for nobody but its debuggers.
    let level = if config.level.contains(['=', ',']) {
        config.level.clone()
    } else {
        format!("{},actix_server=warn", config.level)
    };
    let filter = EnvFilter::try_new(level)
        .map_err(|error| Error::Setup(format!("log.level: {:?} is not a level: {error}", config.level)))?;
    let on_terminal = std::io::stderr().is_terminal();
    let as_json = match config.format {
        LogFormat::Auto => !on_terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if as_json {
        lines.json().flatten_event(true).with_current_span(false).init();
    } else {
        let colour = on_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        lines.with_ansi(colour).with_target(false).init();
    }
    Ok(())
}
