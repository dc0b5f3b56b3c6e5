//! What comes out of a policy.

use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use crate::Request;

/// Claims that grantd alone sets. A permit that sets one fails, and a failed policy denies.
pub const RESERVED_CLAIMS: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "scope",
    "scp",
    "cnf",
    "act",
    "may_act",
    "azp",
    "auth_time",
    "acr",
    "amr",
    "nonce",
    "sid",
    "typ",
    "events",
];

/// Yes, within bounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Permit {
    /// Those scopes that remain. If nothing is left, grantd denies the request.
    pub scopes: Vec<String>,
    /// A shorter lifetime. None, or more than was offered, leaves it as it is.
    pub ttl_seconds: Option<u32>,
    /// Claims to add to the token, 4 KiB at most. None of [`RESERVED_CLAIMS`].
    pub claims: Map<String, Value>,
    /// A remark for the decision record.
    pub note: Option<String>,
}

/// No.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Denial {
    /// For programs: `[a-z0-9-]{1,64}`.
    pub code: String,
    /// For people: told to the caller, so it names what to change and no secret.
    pub reason: String,
}

/// A policy's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Yes, within bounds.
    Permit(Permit),
    /// No.
    Deny(Denial),
}

impl Permit {
    /// Everything that was offered, as it was offered.
    #[must_use]
    pub fn all(request: &Request) -> Self {
        Self::scopes(request.offered.iter().cloned())
    }

    /// These scopes, with the lifetime that was offered.
    pub fn scopes(scopes: impl IntoIterator<Item = String>) -> Self {
        Self { scopes: scopes.into_iter().collect(), ..Self::default() }
    }

    /// With a shorter lifetime.
    #[must_use]
    pub fn ttl_seconds(mut self, seconds: u32) -> Self {
        self.ttl_seconds = Some(seconds);
        self
    }

    /// With one more claim in the token.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// With a remark for the decision record.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

impl Decision {
    /// Everything that was offered, as it was offered.
    #[must_use]
    pub fn permit_all(request: &Request) -> Self {
        Permit::all(request).into()
    }

    /// No: `code` for programs (`[a-z0-9-]{1,64}`), `reason` for the caller.
    pub fn deny(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Deny(Denial { code: code.into(), reason: reason.into() })
    }
}

impl From<Permit> for Decision {
    fn from(permit: Permit) -> Self {
        Self::Permit(permit)
    }
}

impl From<Denial> for Decision {
    fn from(denial: Denial) -> Self {
        Self::Deny(denial)
    }
}
