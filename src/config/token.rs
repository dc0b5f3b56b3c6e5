//! `[token]` and `[keys]`: what a request for too much gets, and how long signing keys live.

use serde::{Deserialize, Serialize};

/// How token requests are answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenConfig {
    /// What becomes of a request that names a scope which is not granted.
    pub excess_scope: ExcessScope,
}

/// What becomes of a request that names a scope which is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExcessScope {
    /// It is refused, naming the scope.
    Reject,
    /// The token carries the granted ones only.
    Narrow,
}

/// The lives of signing keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysConfig {
    /// A key signs for this many days.
    pub rotate_days: u32,
    /// A key is published for this many hours before it signs.
    pub announce_hours: u32,
}

impl Default for TokenConfig {
    fn default() -> Self {
        Self { excess_scope: ExcessScope::Reject }
    }
}

impl Default for KeysConfig {
    fn default() -> Self {
        Self { rotate_days: 90, announce_hours: 24 }
    }
}
