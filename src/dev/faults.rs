//! Faults on demand: what the next token requests answer instead of a token, or how long they take, so that a client's
//! handling of them can be tried.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::model::fields::Fields;

/// Different faults that may wait.
const WAITING_MAX: usize = 100;

/// What a token endpoint may answer as `error`, with its status (RFC 6749 5.2, 4.1.2.1; RFC 8707 2).
const FAULT_CODES: &[(&str, u16)] = &[
    ("invalid_request", 400),
    ("invalid_client", 401),
    ("invalid_grant", 400),
    ("unauthorized_client", 400),
    ("unsupported_grant_type", 400),
    ("invalid_scope", 400),
    ("invalid_target", 400),
    ("access_denied", 400),
    ("server_error", 500),
    ("temporarily_unavailable", 503),
];

/// Statuses that may be answered, in place of the error's own.
const STATUSES: &[i64] = &[400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504];
/// Token requests that one fault may be for.
const COUNT: std::ops::RangeInclusive<i64> = 1..=10_000;
/// Longest delay.
const DELAY_MILLISECONDS: std::ops::RangeInclusive<i64> = 0..=60_000;

/// What a token request suffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Time that passes before anything is answered.
    pub(crate) delay: Duration,
    /// The `error` to answer and its status; the request goes on as usual without one.
    pub(crate) failure: Option<(&'static str, u16)>,
}

impl Fault {
    /// Reads `{"error": …, "status": …, "delayMilliseconds": …, "count": …}`, each optional, but not all: what a request
    /// suffers, and how many of them.
    pub(crate) fn read(body: &Map<String, Value>) -> Result<(u32, Self)> {
        let mut fields = Fields::new(body, "");
        let count = fields.integer("count", COUNT, 1);
        let delay = fields.integer("delayMilliseconds", DELAY_MILLISECONDS, 0);
        let named = fields.raw("error").is_some() || fields.raw("status").is_some();
        let codes: Vec<_> = FAULT_CODES.iter().map(|code| (code.0, *code)).collect();
        let (code, own_status) = fields.choice("error", &codes, ("server_error", 500));
        let status = fields.integer("status", 0..=i64::from(u16::MAX), i64::from(own_status));
        if !STATUSES.contains(&status) {
            let all: Vec<String> = STATUSES.iter().map(ToString::to_string).collect();
            fields.violate("status", format!("must be one of {}", all.join(", ")));
        }
        if !named && delay == 0 {
            fields.violate("", "say what the requests suffer: error, status or delayMilliseconds");
        }
        let violations = fields.finish(&[]);
        if !violations.is_empty() {
            return Err(Error::Invalid(violations));
        }
        let number = |number: i64| u32::try_from(number).unwrap_or_default();
        let status = u16::try_from(status).unwrap_or(own_status);
        let delay = Duration::from_millis(number(delay).into());
        Ok((number(count), Self { delay, failure: named.then_some((code, status)) }))
    }

    /// As it was sent, with the number of requests that it is still for.
    pub(crate) fn to_json(&self, count: u32) -> Value {
        json!({
            "count": count,
            "delayMilliseconds": u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX),
            "error": self.failure.map(|(code, _)| code),
            "status": self.failure.map(|(_, status)| status),
        })
    }
}

/// Faults that wait for token requests, in order.
#[derive(Default)]
pub(super) struct Faults(VecDeque<(u32, Fault)>);

impl Faults {
    pub(super) fn add(&mut self, count: u32, fault: Fault) -> Result<()> {
        if self.0.len() >= WAITING_MAX {
            return Err(Error::InUse { detail: format!("{WAITING_MAX} faults wait already: DELETE takes them back") });
        }
        self.0.push_back((count, fault));
        Ok(())
    }

    pub(super) fn take(&mut self) -> Option<Fault> {
        let (left, fault) = self.0.front_mut()?;
        let fault = fault.clone();
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.0.pop_front();
        }
        Some(fault)
    }

    pub(super) fn waiting(&self) -> Vec<(u32, Fault)> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_taken_in_order_and_used_up() {
        let fault = |code| Fault { delay: Duration::ZERO, failure: Some((code, 500)) };
        let mut faults = Faults::default();
        faults.add(2, fault("server_error")).unwrap();
        faults.add(1, fault("invalid_client")).unwrap();
        let codes: Vec<_> = std::iter::from_fn(|| faults.take()).filter_map(|fault| fault.failure).collect();
        assert_eq!(codes, [("server_error", 500), ("server_error", 500), ("invalid_client", 500)]);
        for _ in 0..WAITING_MAX {
            faults.add(1, fault("invalid_client")).unwrap();
        }
        assert!(faults.add(1, fault("invalid_client")).is_err());
    }
}
