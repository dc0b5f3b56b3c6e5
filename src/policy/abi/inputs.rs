//! The inputs that change from request to request: a policy gets those that its manifest lists.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CODE_CHARS_MAX, wit};
use crate::clock::Timestamp;
use crate::model::caller::RequestId;

/// Parameters that carry credentials: no policy sees them.
const CREDENTIAL_PARAMETERS: &[&str] = &[
    "client_secret",
    "client_assertion",
    "assertion",
    "subject_token",
    "actor_token",
    "refresh_token",
    "code",
    "code_verifier",
    "device_code",
    "auth_req_id",
    "password",
];

/// A moment in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the WIT documents them")]
pub struct Instant {
    pub unix_seconds: u32,
    pub hour: u8,
    pub minute: u8,
    pub weekday: u8,
}

/// The changing inputs, each left out unless the manifest lists it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the WIT documents them")]
pub struct Context {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<(String, String)>,
}

/// How far a time is truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum TimeStep {
    Second,
    Minute,
    Hour,
    Day,
}

impl TimeStep {
    fn seconds(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
        }
    }
}

/// A changing input that a policy looks at: `{"time":"minute"}`, `"requestId"`, `{"parameter":"purpose"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the WIT documents them")]
pub enum Input {
    Time(TimeStep),
    RequestId,
    RemoteAddress,
    UserAgent,
    Parameter(String),
}

impl Instant {
    /// A moment, truncated to `step`.
    #[must_use]
    pub fn at(time: Timestamp, step: TimeStep) -> Self {
        let seconds = time.unix_seconds() / step.seconds() * step.seconds();
        let of_day = seconds % 86_400;
        // 1970-01-01 was a Thursday. Every figure is bounded by its divisor; years end in 2106 by the WIT.
        Self {
            unix_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
            hour: u8::try_from(of_day / 3600).unwrap_or_default(),
            minute: u8::try_from(of_day % 3600 / 60).unwrap_or_default(),
            weekday: u8::try_from((seconds / 86_400 + 3) % 7 + 1).unwrap_or(1),
        }
    }
}

impl Context {
    /// Only what the manifest lists, out of everything that is known of a request.
    #[must_use]
    pub fn restricted_to(inputs: &[Input], now: Timestamp, known: &Circumstances) -> Self {
        let mut context = Self::default();
        for input in inputs {
            match input {
                Input::Time(step) => context.time = Some(Instant::at(now, *step)),
                Input::RequestId => context.request_id = Some(known.request_id.as_str().to_owned()),
                Input::RemoteAddress => context.remote_address = known.remote_address.as_ref().map(ToString::to_string),
                Input::UserAgent => context.user_agent = known.user_agent.as_deref().map(str::to_owned),
                Input::Parameter(name) => {
                    let sent = known.parameters.iter().find(|(sent, _)| sent == name);
                    context.parameters.extend(sent.cloned());
                }
            }
        }
        context
    }

    /// Drops what the manifest does not list.
    pub(crate) fn keep(&mut self, inputs: &[Input]) {
        let lists = |input: &Input| inputs.contains(input);
        if !inputs.iter().any(|input| matches!(input, Input::Time(_))) {
            self.time = None;
        }
        self.request_id.take_if(|_| !lists(&Input::RequestId));
        self.remote_address.take_if(|_| !lists(&Input::RemoteAddress));
        self.user_agent.take_if(|_| !lists(&Input::UserAgent));
        self.parameters.retain(|(name, _)| lists(&Input::Parameter(name.clone())));
    }

    pub(super) fn lent<'a>(&'a self, parameters: &'a [(&'a str, &'a str)]) -> wit::Context<'a> {
        wit::Context {
            time: self.time.map(|time| wit::Instant {
                unix_seconds: time.unix_seconds,
                hour: time.hour,
                minute: time.minute,
                weekday: time.weekday,
            }),
            request_id: self.request_id.as_deref(),
            remote_address: self.remote_address.as_deref(),
            user_agent: self.user_agent.as_deref(),
            parameters,
        }
    }
}

/// What is known of a token request beside its parameters' meaning: where the changing inputs come from. Cheap to have, as long
/// as no policy looks at it.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// The `X-Request-Id`, sent or given.
    pub request_id: RequestId,
    /// Where the caller is.
    pub remote_address: Option<RemoteAddress>,
    /// The caller's `User-Agent`, bounded.
    pub user_agent: Option<Arc<str>>,
    /// The parameters of the request but for its credentials.
    pub parameters: Vec<(String, String)>,
}

/// The caller's IP address.
#[derive(Clone, Debug)]
pub enum RemoteAddress {
    /// As the connection has it.
    Ip(IpAddr),
    /// As somebody wrote it who tries a policy.
    Written(String),
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Written(text) => f.write_str(text),
        }
    }
}

/// Whether a parameter must be kept from policies and records.
#[must_use]
pub fn is_credential(parameter: &str) -> bool {
    CREDENTIAL_PARAMETERS.contains(&parameter)
}

impl Input {
    pub(super) fn from_wit(input: wit::Input) -> Result<Self, String> {
        Ok(match input {
            wit::Input::Time(step) => Self::Time(match step {
                wit::TimeStep::Second => TimeStep::Second,
                wit::TimeStep::Minute => TimeStep::Minute,
                wit::TimeStep::Hour => TimeStep::Hour,
                wit::TimeStep::Day => TimeStep::Day,
            }),
            wit::Input::RequestId => Self::RequestId,
            wit::Input::RemoteAddress => Self::RemoteAddress,
            wit::Input::UserAgent => Self::UserAgent,
            wit::Input::Parameter(name) if is_credential(&name) => {
                return Err(format!("the parameter {name} is a credential: no policy may see it"));
            }
            wit::Input::Parameter(name) if name.is_empty() || name.len() > CODE_CHARS_MAX => {
                return Err(format!("the name of a parameter has 1 to {CODE_CHARS_MAX} characters"));
            }
            wit::Input::Parameter(name) => Self::Parameter(name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_truncated_to_its_step() {
        let time = Timestamp::parse("2026-11-24T13:45:59Z").unwrap();
        let at = |step| Instant::at(time, step);
        let minute = Instant { unix_seconds: 1_795_527_900, hour: 13, minute: 45, weekday: 2 };
        assert_eq!(at(TimeStep::Minute), minute);
        assert_eq!(at(TimeStep::Second).unix_seconds, minute.unix_seconds + 59);
        assert_eq!((at(TimeStep::Hour).hour, at(TimeStep::Hour).minute), (13, 0));
        assert_eq!((at(TimeStep::Day).hour, at(TimeStep::Day).weekday), (0, 2));
        let sunday = Timestamp::parse("2026-11-29T00:00:00Z").unwrap();
        assert_eq!(Instant::at(sunday, TimeStep::Day).weekday, 7);
    }

    #[test]
    fn a_policy_gets_what_it_lists_and_no_more() {
        let known = Circumstances {
            request_id: RequestId::Sent("r".into()),
            remote_address: Some(RemoteAddress::Ip([127, 0, 0, 1].into())),
            user_agent: Some("curl".into()),
            parameters: vec![("purpose".into(), "x".into()), ("other".into(), "y".into())],
        };
        let now = Timestamp::from_ms(0);
        assert_eq!(Context::restricted_to(&[], now, &known), Context::default());
        let some = Context::restricted_to(&[Input::UserAgent, Input::Parameter("purpose".into())], now, &known);
        assert_eq!(some.user_agent.as_deref(), Some("curl"));
        assert_eq!(some.parameters, [("purpose".to_owned(), "x".to_owned())]);
        assert_eq!((some.time, some.request_id, some.remote_address), (None, None, None));
    }
}
