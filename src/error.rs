//! The one error of the library. It names no HTTP type: `http/error.rs` alone maps it to the wire.
//!
//! Every variant carries the caller's text (what was wrong and what to change). Only
//! [`Error::Unavailable`] and [`Error::Internal`] also carry an operator's text, which is logged once,
//! at the boundary, and never sent.

use serde_json::Value;

/// What the library's operations answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A token request that is refused in the words of RFC 6749 5.2.
    #[error("{}: {description}", code.as_str())]
    OAuth {
        /// The `error` member.
        code: OAuthCode,
        /// The `error_description` member: says what to change.
        description: String,
    },
    /// No credentials, or none that are known and valid now.
    #[error("client is not authenticated.")]
    Unauthenticated,
    /// Known, but not allowed to do this. The text says what it would take.
    #[error("the request action is forbidden.")]
    Forbidden {
        /// What the caller lacks.
        detail: String,
    },
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The request is not of the form it must have, as a whole.
    #[error("{0}")]
    Malformed(String),
    /// Members of the body do not fit; every one is named.
    #[error("{} of the request {}", if .0.len() == 1 { "a member" } else { "members" }, if .0.len() == 1 { "does not fit" } else { "do not fit" })]
    Invalid(Vec<Violation>),
    /// A name that must be unique is taken.
    #[error("{0}")]
    Taken(Violation),
    /// Others depend on what was to be removed.
    #[error("{detail}")]
    InUse {
        /// Names the users and the way out.
        detail: String,
    },
    /// It changed since the caller read it.
    #[error("{0}")]
    Stale(String),
    /// The body is larger than its bound.
    #[error("{0}")]
    TooLarge(String),
    /// Too often; the same request may succeed after a while.
    #[error("{detail}")]
    TooMany {
        /// What there was too much of.
        detail: String,
        /// When to come back.
        retry_after_seconds: u64,
    },
    /// Not now; the same request may succeed later.
    #[error("{detail}")]
    Unavailable {
        /// For the caller.
        detail: String,
        /// For the operator's log.
        cause: String,
    },
    /// A fault of the server or its surroundings.
    #[error("the server failed; its log has the cause under this request's id")]
    Internal(String),
    /// The server cannot start, or a command cannot run: one line with the way out.
    #[error("{0}")]
    Setup(String),
}

impl Error {
    /// A token request's refusal.
    pub fn oauth(code: OAuthCode, description: impl Into<String>) -> Self {
        Self::OAuth { code, description: description.into() }
    }

    /// For who runs the server: with the cause, which callers are not told.
    #[must_use]
    pub fn for_operator(&self) -> String {
        match self {
            Self::Internal(cause) => cause.clone(),
            Self::Unavailable { detail, cause } => format!("{detail} ({cause})"),
            other => other.to_string(),
        }
    }

    /// The text for the operator's log, where it says more than the caller was told.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Unavailable { cause, .. } | Self::Internal(cause) => Some(cause),
            _ => None,
        }
    }
}

/// The error codes of the OAuth endpoints: RFC 6749 5.2, `invalid_target` of RFC 8707 2, and
/// `unsupported_token_type` of RFC 7009 2.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum OAuthCode {
    InvalidRequest,
    InvalidClient,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    InvalidTarget,
    InvalidGrant,
    UnsupportedTokenType,
    AccessDenied,
    ServerError,
}

impl OAuthCode {
    /// As written on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::AccessDenied => "access_denied",
            Self::ServerError => "server_error",
        }
    }
}

/// One member that does not fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// A JSON pointer to the member (RFC 6901): `/scopes/0/identifier`.
    pub property_path: String,
    /// What was sent there; null when nothing was.
    pub invalid_value: Value,
    /// What to change.
    pub message: String,
}

impl Violation {
    /// A violation at `property_path`.
    pub fn new(property_path: impl Into<String>, invalid_value: Value, message: impl Into<String>) -> Self {
        Self { property_path: property_path.into(), invalid_value, message: message.into() }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.property_path, self.message)
    }
}
