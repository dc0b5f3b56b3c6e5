//! `[limits]`: what a server has room for, and how long it waits for callers.

use serde::{Deserialize, Serialize};

/// Bounds. None may be 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Clients kept in memory, as they ask (about 2 KiB each).
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
