//! `[throttle]`: how often one may fail to authenticate, and how many tokens a client may ask for.

use serde::{Deserialize, Serialize};

/// How often one may fail, and ask. No bound may be 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThrottleConfig {
    /// Failed authentications a minute as one client from one address (of IPv6, from one /64 network).
    pub failures_per_minute: u32,
    /// Failed authentications a minute from one address, as whichever client.
    pub failures_per_minute_and_address: u32,
    /// Tokens a minute that one client may ask for; any number when it is not set.
    pub tokens_per_minute: Option<u32>,
    /// What becomes of a request over that number.
    pub tokens_mode: QuotaMode,
}

/// What becomes of a request over a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuotaMode {
    /// It is refused by 429.
    Enforce,
    /// It is answered, and a warning logged: to find out who would be refused.
    Warn,
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        Self {
            failures_per_minute: 30,
            failures_per_minute_and_address: 300,
            tokens_per_minute: None,
            tokens_mode: QuotaMode::Enforce,
        }
    }
}

impl ThrottleConfig {
    /// Each bound by its key, with whether it is 0.
    pub(super) fn zero(&self) -> [(&'static str, bool); 3] {
        [
            ("throttle.failures_per_minute", self.failures_per_minute == 0),
            ("throttle.failures_per_minute_and_address", self.failures_per_minute_and_address == 0),
            ("throttle.tokens_per_minute", self.tokens_per_minute == Some(0)),
        ]
    }
}
