//! `[decisions]`: how the record of every token request is kept.

use serde::{Deserialize, Serialize};

/// The record of every token request. No bound may be 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionsConfig {
    /// An answer waits until its record is on the disk. Otherwise a crash may lose the last 100 ms of records.
    pub durable: bool,
    /// Records are kept for this many days.
    pub keep_days: u32,
    /// At most this many are kept, the newest.
    pub keep_rows: u64,
}

impl Default for DecisionsConfig {
    fn default() -> Self {
        Self { durable: false, keep_days: 30, keep_rows: 1_000_000 }
    }
}

impl DecisionsConfig {
    /// Each bound by its key, with whether it is 0.
    pub(super) fn zero(&self) -> [(&'static str, bool); 2] {
        [("decisions.keep_days", self.keep_days == 0), ("decisions.keep_rows", self.keep_rows == 0)]
    }
}
