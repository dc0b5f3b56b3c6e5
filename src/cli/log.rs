//! Logs: text for people on a terminal, JSON for collectors otherwise, always on standard error.

use std::io::IsTerminal;

use grantd::config::{LogConfig, LogFormat};
use grantd::{Error, Result};
use tracing_subscriber::EnvFilter;

/// What actix says of its own threads at each start, and a compiler of each function, is for nobody but their debuggers:
/// who names a target gets what that asks for.
const QUIET: &[&str] = &[
    "actix_server",
    "cranelift_codegen",
    "cranelift_frontend",
    "regalloc2",
    "wasmtime",
    "wasmtime_internal_cranelift",
];

/// What strangers send that is no HTTP is an error to it: they must not fill the log.
const MUTE: &str = "actix_http";

/// Starts logging.
pub(super) fn start(config: &LogConfig) -> Result<()> {
    let level = if config.level.contains(['=', ',']) {
        config.level.clone()
    } else {
        let quiet: Vec<String> = QUIET.iter().map(|name| format!(",{name}=warn")).collect();
        format!("{}{},{MUTE}=off", config.level, quiet.concat())
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
