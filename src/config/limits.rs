//! `[limits]`: what a server has room for, and how long it waits for callers.

use serde::{Deserialize, Serialize};

/// Longest of the times, in seconds: a year. What is far longer is beyond the clock that it is added to.
const SECONDS_MAX: u64 = 365 * 24 * 3600;

/// Bounds. None may be 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Clients kept in memory, as they ask (about 1.5 KiB each).
    pub clients_cached: usize,
    /// SQLite's page cache, for each of its up to nine connections.
    pub page_cache_kib: u32,
    /// Connections that are open at a time, for each worker.
    pub connections: usize,
    /// Connections of one address (of IPv6, of one /64 network) that are open at a time. Trusted proxies are not counted.
    pub connections_per_address: usize,
    /// Requests over HTTP/2 that are under way at a time, for each worker; at most 100 of them on one connection.
    pub requests: usize,
    /// Seconds that a client may take to send its request's head.
    pub request_head_seconds: u64,
    /// Seconds that a client may take for a piece of an answer; when none was taken for so long, its connection ends.
    pub answer_seconds: u64,
    /// Seconds for which an idle connection is kept.
    pub keep_alive_seconds: u64,
    /// Seconds that requests under way get to finish when the server stops.
    pub shutdown_seconds: u64,
    /// Slow secret hashes (19 MiB and 26 ms each) that run at a time.
    pub slow_hashes: usize,
}

impl LimitsConfig {
    /// The first time that is too long.
    pub(super) fn misfit(&self) -> Option<String> {
        let times = [
            ("request_head_seconds", self.request_head_seconds),
            ("answer_seconds", self.answer_seconds),
            ("keep_alive_seconds", self.keep_alive_seconds),
            ("shutdown_seconds", self.shutdown_seconds),
        ];
        let (key, _) = times.into_iter().find(|(_, seconds)| *seconds > SECONDS_MAX)?;
        Some(format!("limits.{key} must be at most {SECONDS_MAX}"))
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            clients_cached: 100_000,
            page_cache_kib: 4096,
            connections: 10_000,
            connections_per_address: 5_000,
            requests: 4_000,
            request_head_seconds: 10,
            answer_seconds: 30,
            keep_alive_seconds: 75,
            shutdown_seconds: 10,
            slow_hashes: 2,
        }
    }
}
