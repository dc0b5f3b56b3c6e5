//! The policies of one token request, asked one after another: each sees what the one before left, and none can
//! raise it. The host intersects and takes minima itself, whatever a policy answers.
//!
//! A chain runs in two rooms. With the answers that are at hand, and policies that are known to take a moment only, it
//! runs where the request runs; at the first question that may take longer it stops, and goes on where it may block.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::abi::{self, Circumstances, Context, Decision, Denial};
use super::answers::{Answer, Question, add_context};
use super::effect::{CLAIM_CONFLICT, Left, Stop, claim_conflict, claim_in_words, effect};
use super::failure::{Failure, FailureKind};
use super::{Decided, Policies};
use crate::clock::Timestamp;
use crate::decision::{Effect, Explanation, Given, Step};
use crate::error::{Error, OAuthCode, Result};
use crate::exact::Key;
use crate::model::api::ClaimSource;
use crate::model::machine_to_machine::AuthMethod;
use crate::model::policy::Mode;
use crate::store::{ApiView, ClientView, PolicyView};

/// After so much of them, further calls of one request are made where they may block, brief as they may be.
const BRIEF_MICROS_MAX: u64 = 1000;
/// The one grant type there is.
const GRANT_TYPE: &str = "client_credentials";

/// What the grants offer to one token request, and what is known of it.
#[derive(Debug)]
pub struct Offer {
    /// Who asks, and for whom.
    pub client: Arc<ClientView>,
    /// How the client authenticated.
    pub auth_method: AuthMethod,
    /// What the token is for.
    pub api: Arc<ApiView>,
    /// What was asked for; empty when no scope was named.
    pub requested: Vec<String>,
    /// What the grants allow of it.
    pub scopes: Vec<String>,
    /// The longest lifetime.
    pub lifetime_seconds: i64,
    /// The time of the request.
    pub now: Timestamp,
    /// Where the changing inputs come from.
    pub circumstances: Circumstances,
}

impl Offer {
    fn applies(&self, policy: &PolicyView) -> bool {
        policy.api_id.as_ref().is_none_or(|api| *api == self.api.id)
    }

    /// The policies that apply, in their order.
    fn applying(&self) -> impl Iterator<Item = &Arc<PolicyView>> {
        self.client.policies.iter().filter(|policy| self.applies(policy))
    }

    /// Whether any policy applies.
    pub(super) fn has_policies(&self) -> bool {
        self.applying().next().is_some()
    }

    /// What makes this request's questions different from every other's, all together; `None` while a module is not
    /// loaded, since only it knows what it looks at.
    pub(super) fn key(&self, policies: &Policies) -> Option<Key> {
        let mut key = Key::new();
        key.fixed(self.client.digest).fixed(self.api.digest).text(self.auth_method.as_str());
        key.texts(&self.requested).texts(&self.scopes).fixed(self.lifetime_seconds.to_le_bytes());
        for policy in self.applying() {
            let loaded = policies.modules.at_hand(&policy.module_digest)?.ok()?;
            // A policy's revision counts everything about it, its module and its settings too.
            key.text(policy.id.as_str()).fixed(policy.revision.to_le_bytes());
            add_context(&mut key, &Context::restricted_to(&loaded.manifest.inputs, self.now, &self.circumstances));
        }
        Some(key)
    }

    /// All of it: what no policy lowers.
    pub(super) fn undiminished(self) -> Decided {
        Decided { scopes: self.scopes, lifetime_seconds: self.lifetime_seconds, claims: Map::new() }
    }
}

/// Where a chain runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// On the request's thread: answers at hand, and brief calls.
    AtHand,
    /// On a thread that may block: modules are loaded and run.
    Sandbox,
}

/// How far a chain came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Every policy spoke, or one ended it.
    Done,
    /// The next one has to be asked in the sandbox.
    NeedsSandbox,
}

/// One request's way through its policies.
pub(super) struct Chain {
    offer: Offer,
    next: usize,
    scopes: Vec<String>,
    ttl_seconds: u32,
    claims: Map<String, Value>,
    steps: Vec<Step>,
    ended: Option<Error>,
    /// Nobody waits for this answer: it is not kept, and pushes none out that requests rest on.
    apart: bool,
    /// Microseconds that brief calls took of the request's own thread.
    brief_micros: u64,
}

/// What one policy said: its decision and what it cost, or how it failed.
struct Said {
    outcome: Result<Arc<Answer>, Failure>,
    reused: bool,
    module: String,
    context: Context,
}

impl Chain {
    pub(super) fn new(offer: Offer) -> Self {
        let ttl_seconds = u32::try_from(offer.lifetime_seconds).unwrap_or(u32::MAX);
        let scopes = offer.scopes.clone();
        Self {
            offer,
            next: 0,
            scopes,
            ttl_seconds,
            claims: Map::new(),
            steps: Vec::new(),
            ended: None,
            apart: false,
            brief_micros: 0,
        }
    }

    /// The same, for an answer that is not kept.
    pub(super) fn apart(offer: Offer) -> Self {
        Self { apart: true, ..Self::new(offer) }
    }

    /// As [`Offer::key`].
    pub(super) fn key(&self, policies: &Policies) -> Option<Key> {
        self.offer.key(policies)
    }

    /// The outcome, and what every policy that was asked had to do with it.
    pub(super) fn finish(self) -> (Result<Decided>, Explanation) {
        let decided = Decided {
            scopes: self.scopes,
            lifetime_seconds: self.offer.lifetime_seconds.min(i64::from(self.ttl_seconds)),
            claims: self.claims,
        };
        let claims = if self.ended.is_none() { decided.claims.clone() } else { Map::new() };
        let given = given(&self.offer.client, &self.offer.api, self.offer.auth_method.as_str());
        (self.ended.map_or(Ok(decided), Err), Explanation::new(given, self.steps, claims))
    }

    /// Asks one policy after another, as far as this room allows.
    pub(super) fn advance(&mut self, policies: &Policies, room: Room) -> Progress {
        while self.ended.is_none() {
            let Some(policy) = self.offer.client.policies.get(self.next).cloned() else { break };
            if self.offer.applies(&policy) {
                let Some(said) = self.ask(policies, &policy, room) else { return Progress::NeedsSandbox };
                if room == Room::AtHand && !said.reused {
                    self.brief_micros += said.outcome.as_ref().map_or(BRIEF_MICROS_MAX, |answer| answer.micros);
                }
                self.hear(&policy, said);
            }
            self.next += 1;
        }
        Progress::Done
    }

    /// The policy at which the chain stands cannot be asked at all.
    pub(super) fn fail(&mut self, failure: Failure) {
        if let Some(policy) = self.offer.client.policies.get(self.next).cloned() {
            let said =
                Said { outcome: Err(failure), reused: false, module: String::new(), context: Context::default() };
            self.hear(&policy, said);
            self.next += 1;
        }
    }

    /// `None` when it takes the sandbox and this is not the room for it.
    fn ask(&self, policies: &Policies, policy: &PolicyView, room: Room) -> Option<Said> {
        let loaded = match (policies.modules.at_hand(&policy.module_digest), room) {
            (Some(known), _) => known,
            (None, Room::AtHand) => return None,
            (None, Room::Sandbox) => policies.load(&policy.module_digest),
        };
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(failure) => {
                let context = Context::default();
                return Some(Said { outcome: Err(failure), reused: false, module: String::new(), context });
            }
        };
        let offer = &self.offer;
        let context = Context::restricted_to(&loaded.manifest.inputs, offer.now, &offer.circumstances);
        let module = format!("{}@{}", loaded.manifest.name, loaded.manifest.version);
        let key = (!self.apart).then(|| self.question(policy, &context).key());
        if let Some(answer) = key.as_ref().and_then(|key| policies.answers.get(key)) {
            return Some(Said { outcome: Ok(answer), reused: true, module, context });
        }
        if room == Room::AtHand && !(loaded.pace.is_brief() && self.brief_micros < BRIEF_MICROS_MAX) {
            return None;
        }
        let request = self.request(&context);
        let run = match room {
            Room::AtHand => policies.run_briefly(&loaded, &request, &policy.settings)?,
            Room::Sandbox => policies.run(&loaded, &request, &policy.settings),
        };
        policies.answers.note_miss();
        let outcome = run.map(|run| {
            let micros = u64::try_from(run.elapsed.as_micros()).unwrap_or(u64::MAX);
            let answer = Arc::new(Answer { decision: run.answer, fuel: run.fuel, micros });
            if let Some(key) = key {
                policies.answers.put(key, Arc::clone(&answer));
            }
            answer
        });
        Some(Said { outcome, reused: false, module, context })
    }

    fn question<'a>(&'a self, policy: &'a PolicyView, context: &'a Context) -> Question<'a> {
        Question {
            module_digest: &policy.module_digest,
            settings_digest: &policy.settings_digest,
            subject: &self.offer.client.digest,
            auth_method: self.offer.auth_method.as_str(),
            api: &self.offer.api.digest,
            requested: &self.offer.requested,
            offered: &self.scopes,
            ttl_seconds: self.ttl_seconds,
            context,
        }
    }

    /// What the policy is asked. Its settings go in as text, beside this.
    fn request(&self, context: &Context) -> abi::Request {
        given(&self.offer.client, &self.offer.api, self.offer.auth_method.as_str()).request(
            self.offer.requested.clone(),
            self.scopes.clone(),
            self.ttl_seconds,
            context.clone(),
            Value::Null,
        )
    }

    /// Records what a policy said, and unless it stands in the shadow, applies it.
    fn hear(&mut self, policy: &PolicyView, said: Said) {
        let effect = self.effect(said.outcome.as_ref().map(|answer| &answer.decision));
        let (fuel, micros) = match &said.outcome {
            Ok(answer) => (answer.fuel, answer.micros),
            Err(failure) => (failure.fuel, two_figures(failure.micros)),
        };
        self.steps.push(Step {
            policy_id: policy.id.to_string(),
            policy: policy.name.clone(),
            level: policy.level.as_str().to_owned(),
            mode: policy.mode.as_str().to_owned(),
            module_digest: policy.module_digest.clone(),
            module: said.module,
            settings_digest: policy.settings_digest.clone(),
            revision: policy.revision,
            offered: self.scopes.clone(),
            offered_ttl_seconds: self.ttl_seconds,
            context: said.context,
            effect: Effect::from(&effect),
            reused: said.reused,
            fuel,
            micros,
        });
        if policy.mode == Mode::Enforce {
            self.apply(policy, effect);
        }
    }

    /// Lowers what the request has, or ends it.
    fn apply(&mut self, policy: &PolicyView, effect: Result<Left, Stop>) {
        match effect {
            Ok(left) => {
                self.scopes = left.scopes;
                self.ttl_seconds = left.ttl_seconds;
                self.claims.extend(left.claims);
            }
            Err(Stop::Denied(denial)) => self.ended = Some(denied(policy, &denial)),
            Err(Stop::Failed(failure)) => {
                // What somebody only tries is told to who tries it; what found no room is logged with its answer.
                if !self.apart && failure.kind != FailureKind::Busy {
                    let kind = failure.kind.as_str();
                    tracing::warn!(policy = policy.name, kind, "a policy failed, which denies: {failure}");
                }
                self.ended = Some(failed(policy, &failure));
            }
        }
    }

    /// What is left of what this request has.
    fn effect(&self, outcome: Result<&Decision, &Failure>) -> Result<Left, Stop> {
        effect(&self.scopes, self.ttl_seconds, outcome, |name, value| self.conflict(name, value))
    }

    /// Why a claim cannot be set to this value: who has set it. The API's own claims are nobody else's to set.
    fn conflict(&self, name: &str, value: &Value) -> Option<String> {
        let other = match self.offer.api.claims.get(name) {
            Some(ClaimSource::Value(set)) => format!("{}, set by the API's claims", claim_in_words(name, set)),
            Some(ClaimSource::Attribute(path)) => {
                format!("that of the API's claims, set from the account's attribute {path}")
            }
            None => {
                let set = self.claims.get(name).filter(|set| *set != value)?;
                let is_setter =
                    |step: &&Step| step.mode == Mode::Enforce.as_str() && step.effect.claims.contains_key(name);
                let setter = self.steps.iter().find(is_setter).map_or("before it", |step| step.policy.as_str());
                format!("{}, set by the policy {setter}", claim_in_words(name, set))
            }
        };
        Some(claim_conflict(name, value, &other))
    }
}

/// Rounded down to two figures. A policy that fails is asked anew by every request, and to the microsecond no two of its
/// failures would be alike: what they say would be kept once for each of them, instead of once for all.
fn two_figures(micros: u64) -> u64 {
    let unit = 10_u64.pow(micros.max(1).ilog10().saturating_sub(1));
    micros / unit * unit
}

fn denied(policy: &PolicyView, denial: &Denial) -> Error {
    // Where claims conflict, the policy itself permits.
    let how = if denial.code == CLAIM_CONFLICT { "at" } else { "by" };
    let text = format!("denied {how} the policy {}: {} ({})", policy.name, denial.reason, denial.code);
    Error::oauth(OAuthCode::AccessDenied, text)
}

fn failed(policy: &PolicyView, failure: &Failure) -> Error {
    let kind = failure.kind;
    if kind == FailureKind::Busy {
        return Error::Unavailable {
            detail: format!("{}: the policy {} cannot be asked at this moment: try again", kind.as_str(), policy.name),
            cause: format!("the policy {}: {failure}", policy.name),
        };
    }
    // A caller is told which policy failed and how, not what its author left in a panic.
    let text = format!("{}: the policy {} failed, and so nothing is issued", kind.as_str(), policy.name);
    Error::oauth(OAuthCode::ServerError, text)
}

/// What every policy of a request is given, out of what the database holds of client, account and API.
pub(crate) fn given(client: &ClientView, api: &ApiView, auth_method: &str) -> Given {
    Given {
        account: abi::Account {
            id: client.account_id.to_string(),
            user_name: client.account_user_name.clone(),
            display_name: client.account_display_name.clone(),
            attributes: client.account_attributes.clone(),
        },
        client: abi::Client {
            client_id: client.client_id.clone(),
            display_name: client.display_name.clone(),
            auth_method: auth_method.to_owned(),
            attributes: client.attributes.clone(),
        },
        api: abi::Api {
            app_id: api.app_id.clone(),
            audience: api.aud().to_owned(),
            scopes: api.scopes.clone(),
            attributes: api.attributes.clone(),
        },
        grant_type: GRANT_TYPE.to_owned(),
    }
}
