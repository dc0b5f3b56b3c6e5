//! `[log]`: what is told of what happens, and how it looks.

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;

/// Logs, written to standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives by module.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Auto }
    }
}

impl LogConfig {
    /// Directives by module are for `tracing-subscriber` to read, to which any word alone would be a module.
    pub(super) fn misfit(&self) -> Option<String> {
        let is_read = self.level.contains(['=', ',']) || self.level.parse::<LevelFilter>().is_ok();
        (!is_read).then(|| format!("log.level is off, error, warn, info, debug or trace, not {:?}", self.level))
    }
}
