//! The decision record: why one token request ended as it did, complete enough to be explained and repeated.
//!
//! Plain data. `token.rs` and `policy/chain.rs` fill it, the recorder writes it behind the request, the admin API and
//! the command line show it. On the wire it is one JSON object; in a database its
//! parts lie apart, so that what many decisions share is kept once.

mod content;
mod explanation;
mod known;
mod outcomes;
mod recorder;
mod strangers;

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::error::Error;
use crate::model::caller::{RequestId, printable};
use crate::model::id::Id;
use crate::model::machine_to_machine::AuthMethod;
use crate::policy::Decided;
use crate::policy::abi;
use crate::store::ClientView;
use crate::token::request::TokenRequest;
use crate::token::resolve::Resolved;

pub(crate) use content::Content;
pub use explanation::Explanation;
pub(crate) use recorder::Recorder;

/// How a token request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// With a token.
    Issued,
    /// Refused: the caller has to change something, or may not have it.
    Refused,
    /// The server or a policy failed, and so no token was issued.
    Failed,
}

impl Outcome {
    /// As stored and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Why one token request ended as it did.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Its id, told to the caller on refusal.
    pub id: Id,
    /// When.
    pub at: Timestamp,
    /// The request's `X-Request-Id`.
    pub request_id: RequestId,
    /// Who asked.
    pub by: Asker,
    /// From where, if nobody was authenticated: nothing else that is recorded of a stranger is more than its own word.
    pub stranger_address: Option<IpAddr>,
    /// The API, once it is resolved.
    pub api_id: Option<Id>,
    /// How it ended.
    pub outcome: Outcome,
    /// The error: an RFC 6749 code, or a policy's failure by name.
    pub error: Option<String>,
    /// What the caller was told, or the operator's text of a failure.
    pub reason: Option<String>,
    /// What the caller asked for; empty when it named no scope.
    pub requested: Vec<String>,
    /// What the grants offered of it; `None`: just that.
    pub granted: Option<Vec<String>>,
    /// What the token says; `None`: all that was granted.
    pub issued: Option<Vec<String>>,
    /// The token's lifetime.
    pub lifetime_seconds: Option<i64>,
    /// How the client authenticated.
    pub auth_method: Option<AuthMethod>,
    /// The lifetime that the API and the grants offered.
    pub offered_ttl_seconds: Option<i64>,
    /// What the policies had to do with it; none when no policy was asked.
    pub explanation: Option<Arc<Explanation>>,
}

/// Who asked for a token.
#[derive(Clone, Debug)]
pub enum Asker {
    /// Nobody knows: its request could not be read.
    Unread,
    /// Nobody that was authenticated. What it claimed as its `client_id`, bounded and printable.
    Stranger(String),
    /// An authenticated client, with its account as it was then.
    Client(Arc<ClientView>),
}

/// The part of a recorded decision that says what its policies had to do with it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Detail {
    /// What every policy of this request was given; none when no policy was asked.
    pub given: Option<Given>,
    /// Each policy in the order in which they were asked.
    pub steps: Vec<Step>,
}

/// The part of a policy's request that is the same for every policy of one token request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the WIT documents them")]
pub struct Given {
    pub account: abi::Account,
    pub client: abi::Client,
    pub api: abi::Api,
    pub grant_type: String,
}

impl Given {
    /// The request of one policy: this, and what is its own.
    pub(crate) fn request(
        self,
        requested: Vec<String>,
        offered: Vec<String>,
        ttl_seconds: u32,
        context: abi::Context,
        settings: Value,
    ) -> abi::Request {
        let Self { account, client, api, grant_type } = self;
        let extra = Map::new();
        abi::Request { account, client, api, grant_type, requested, offered, ttl_seconds, context, settings, extra }
    }
}

/// What one policy said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It permitted some of what it was offered.
    Permit,
    /// It denied, or left nothing, or permitted with a claim that is set already (`policy::CLAIM_CONFLICT`).
    Deny,
    /// It failed, which denies.
    Failed,
}

/// One policy's part in a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The policy's id.
    pub policy_id: String,
    /// Its name.
    pub policy: String,
    /// Where it is attached: `server`, `api`, `client` or `account`.
    pub level: String,
    /// `enforce` or `shadow`: a shadow's answer was not applied.
    pub mode: String,
    /// SHA-256 of the module, in hex.
    pub module_digest: String,
    /// The module's own name and version; empty when it could not be loaded.
    pub module: String,
    /// SHA-256 of the settings' text, in hex: under this digest they are kept.
    pub settings_digest: String,
    /// The policy's revision, which counts its settings.
    pub revision: i64,
    /// The scopes that it was offered.
    pub offered: Vec<String>,
    /// The lifetime that it was offered.
    pub offered_ttl_seconds: u32,
    /// The changing inputs that it was given.
    pub context: abi::Context,
    /// What became of its answer.
    #[serde(flatten)]
    pub effect: Effect,
    /// Whether an earlier answer to the same question was reused.
    pub reused: bool,
    /// Fuel that the evaluation burned, now or when the answer was first given.
    pub fuel: u64,
    /// Microseconds that it took, now or when the answer was first given.
    pub micros: u64,
}

/// What became of a policy's answer, held against what it was offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// What it said.
    pub verdict: Verdict,
    /// The scopes that it left (a shadow: would have left).
    pub left: Vec<String>,
    /// The lifetime that it left.
    pub ttl_seconds: u32,
    /// The claims that it added.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
    /// Its remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The code of a denial, or the name of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The reason of a denial, or what failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Decision {
    /// The record of a request that has just come in. It is a refusal until it is something else.
    pub(crate) fn begin(id: Id, at: Timestamp, request_id: RequestId) -> Self {
        Self {
            id,
            at,
            request_id,
            by: Asker::Unread,
            stranger_address: None,
            api_id: None,
            outcome: Outcome::Refused,
            error: None,
            reason: None,
            requested: Vec::new(),
            granted: Some(Vec::new()),
            issued: Some(Vec::new()),
            lifetime_seconds: None,
            auth_method: None,
            offered_ttl_seconds: None,
            explanation: None,
        }
    }

    /// It is known what is asked for.
    pub(crate) fn asked(&mut self, request: &TokenRequest) {
        self.requested.clone_from(&request.scopes);
    }

    /// Nobody was authenticated. Keeps what the stranger said of itself, as far as it is safe to keep.
    pub(crate) fn unproven(&mut self, request: &TokenRequest) {
        let claimed = request.unverified_clients.first();
        self.by = Asker::Stranger(claimed.map(|client| printable(&client.client_id)).unwrap_or_default());
    }

    /// It is known who asks.
    pub(crate) fn authenticated(&mut self, client: Arc<ClientView>, method: AuthMethod) {
        self.by = Asker::Client(client);
        self.auth_method = Some(method);
    }

    /// It is known what the grants offer.
    pub(crate) fn resolved(&mut self, resolved: &Resolved) {
        self.api_id = Some(resolved.api.id.clone());
        self.granted = (resolved.offered != self.requested).then(|| resolved.offered.clone());
        self.offered_ttl_seconds = Some(resolved.lifetime_seconds);
    }

    /// A token was signed. Its `jti` is the decision's id.
    pub(crate) fn issued(&mut self, decided: Decided) {
        self.outcome = Outcome::Issued;
        self.issued = (decided.scopes != *self.granted()).then_some(decided.scopes);
        self.lifetime_seconds = Some(decided.lifetime_seconds);
    }

    /// What the grants offered.
    fn granted(&self) -> &[String] {
        self.granted.as_ref().unwrap_or(&self.requested)
    }

    /// Says what was granted and issued in full, whatever becomes of what was requested.
    pub(crate) fn spell_out(&mut self) {
        let granted = self.granted().to_vec();
        self.issued.get_or_insert_with(|| granted.clone());
        self.granted = Some(granted);
    }

    /// How it ended, for a request from that address.
    pub(crate) fn end(&mut self, error: Option<&Error>, address: Option<IpAddr>) {
        self.stranger_address = address.filter(|_| self.is_of_stranger());
        let Some(error) = error else { return };
        let last = self.explanation.as_ref().and_then(|explanation| explanation.steps.last());
        let last = last.filter(|step| step.effect.verdict == Verdict::Failed && step.mode == "enforce");
        let (outcome, code) = match (error, last.and_then(|step| step.effect.code.as_deref())) {
            (_, Some(failure)) => (Outcome::Failed, failure),
            (Error::OAuth { code, .. }, None) => (Outcome::Refused, code.as_str()),
            (Error::TooLarge(_) | Error::Malformed(_), None) => (Outcome::Refused, "invalid_request"),
            (Error::Unavailable { .. }, None) => (Outcome::Failed, "temporarily_unavailable"),
            (Error::TooMany { .. }, None) => (Outcome::Refused, "temporarily_unavailable"),
            _ => (Outcome::Failed, "server_error"),
        };
        self.outcome = outcome;
        self.error = Some(code.to_owned());
        self.reason = Some(match error {
            Error::OAuth { description, .. } => description.clone(),
            other => other.cause().map_or_else(|| other.to_string(), str::to_owned),
        });
    }

    /// About what it takes of memory that it shares with no other.
    pub(crate) fn bytes(&self) -> usize {
        let lists = [Some(&self.requested), self.granted.as_ref(), self.issued.as_ref()];
        let texts = lists.into_iter().flatten().map(|list| explanation::texts_bytes(list)).sum::<usize>();
        let explanation = self.explanation.as_ref().map_or(0, |explanation| explanation.own_bytes());
        size_of::<Self>() + texts + self.reason.as_ref().map_or(0, String::len) + explanation
    }

    /// Whether nobody was authenticated.
    pub(crate) fn is_of_stranger(&self) -> bool {
        matches!(self.by, Asker::Unread | Asker::Stranger(_))
    }

    /// Whether somebody failed to authenticate.
    pub(crate) fn is_of_unproven(&self) -> bool {
        matches!(self.by, Asker::Stranger(_))
    }

    /// The error as its caller sees it: once it is known who asks, it names the decision that explains it, if there is more to
    /// explain than that there was too much.
    pub(crate) fn named_in(&self, error: Error) -> Error {
        if self.is_of_stranger() {
            return error;
        }
        match error {
            Error::OAuth { code, description } => Error::oauth(code, format!("{description}; decision {}", self.id)),
            Error::Unavailable { detail, cause } => {
                Error::Unavailable { detail: format!("{detail}; decision {}", self.id), cause }
            }
            other => other,
        }
    }
}

impl Step {
    /// What the policy was asked, word for word. `settings` are those of `settings_digest`.
    #[must_use]
    pub fn request(&self, given: &Given, requested: &[String], settings: Value) -> abi::Request {
        given.clone().request(
            requested.to_vec(),
            self.offered.clone(),
            self.offered_ttl_seconds,
            self.context.clone(),
            settings,
        )
    }
}
