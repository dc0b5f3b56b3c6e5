//! Who would get what: for every account that holds a scope at an API, what a token request of each of its clients would
//! end with now, and what stands in its way. Nothing is issued, recorded or kept for later.
//!
//! It evaluates the policies as a token request does, off the requests' path: one page at a time for the whole server,
//! each within a bound of accounts and of time, and within one turn at the sandbox, of which requests have more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::policies::{in_turn, unanswered};
use crate::app::App;
use crate::clock::Timestamp;
use crate::decision::{Step, Verdict};
use crate::error::{Error, Result, Violation};
use crate::model::Record;
use crate::model::api::Api;
use crate::model::machine_to_machine::AuthMethod;
use crate::policy::abi::{Circumstances, Input, RemoteAddress};
use crate::policy::{FailureKind, Offer};
use crate::store::{Candidate, CandidateClient, GrantView};
use crate::token::resolve::{self, Resolved};

/// Accounts that are read at once.
const READ_AT_ONCE: usize = 100;
/// Accounts of one page.
pub(crate) const COUNT_MAX: u32 = 1000;
/// When a page ends, however many accounts are left of it.
const PAGE: Duration = Duration::from_millis(250);
/// Answers of policies that one account may cost, and how long it may take, all its clients and scopes together.
const ANSWERS_MAX: usize = 1000;
const ACCOUNT: Duration = Duration::from_secs(5);
/// How often a turn at the sandbox is waited for.
const TRIES_MAX: usize = 20;

/// What is asked.
pub(crate) struct Asked {
    /// The API, by its id or `appId`.
    pub(crate) api: String,
    /// This scope alone; `None` for each one that the account holds, and all of them together.
    pub(crate) scope: Option<String>,
    /// This account alone, by its id or `userName`.
    pub(crate) account: Option<String>,
    /// At this time, instead of now.
    pub(crate) at: Option<Timestamp>,
    /// From this IP address, instead of none.
    pub(crate) remote_address: Option<String>,
    /// The last account of the page before.
    pub(crate) after: String,
    pub(crate) count: u32,
}

/// One page. Blocks.
pub(crate) fn page(app: &App, asked: &Asked) -> Result<Value> {
    let place = app.asides.enter()?;
    let violation = |member: &str, sent: &str, what: &str| {
        Error::Invalid(vec![Violation::new(format!("/{member}"), sent.into(), what)])
    };
    let api = app.store.api_named(&asked.api)?;
    let api = api.ok_or_else(|| violation("api", &asked.api, "there is no Api with this id or appId"))?;
    let api = app.store.resource_by_id::<Api>(api.as_str())?;
    if let Some(scope) = asked.scope.as_deref()
        && !api.value.scopes.iter().any(|known| known.identifier == scope)
    {
        return Err(violation("scope", scope, &format!("the API {} defines no such scope", api.value.app_id)));
    }
    let (ids, total) = match (&asked.account, &asked.scope) {
        (Some(named), _) => {
            let account = app.store.service_account_named(named)?;
            let what = "there is no ServiceAccount with this id or userName";
            (vec![account.ok_or_else(|| violation("account", named, what))?.to_string()], Some(1))
        }
        (None, Some(scope)) => {
            let total = asked.after.is_empty().then(|| app.store.candidate_count(&api.id, scope)).transpose()?;
            (app.store.candidate_ids(&api.id, scope, &asked.after, asked.count.clamp(1, COUNT_MAX))?, total)
        }
        (None, None) => return Err(violation("scope", "", "name a scope, or an account")),
    };
    let _alone = place.alone();
    let weighed = in_some_turn(app, || weigh(app, asked, &api, &ids))??;
    let all = ids.len() == asked.count.clamp(1, COUNT_MAX) as usize && asked.account.is_none();
    let next = if weighed.accounts < ids.len() || all { ids.get(weighed.accounts.wrapping_sub(1)) } else { None };
    Ok(json!({
        "api": {"id": api.id.as_str(), "appId": api.value.app_id},
        "scope": asked.scope,
        "at": weighed.at.to_string(),
        "total": total,
        "unknownInputs": weighed.unknown,
        "unasked": weighed.unasked,
        "Resources": weighed.rows,
        "next": next,
    }))
}

/// Waits for a turn longer than a request would.
fn in_some_turn<T>(app: &App, mut call: impl FnMut() -> T) -> Result<T> {
    let mut tries = 0;
    loop {
        tries += 1;
        match in_turn(app, || Ok(call())) {
            Ok(done) => return Ok(done),
            Err(failure) if failure.kind == FailureKind::Busy && tries < TRIES_MAX => {}
            Err(failure) => return Err(unanswered(&failure, Error::Internal)),
        }
    }
}

struct Weighed {
    at: Timestamp,
    /// How many accounts of the page were looked at.
    accounts: usize,
    rows: Vec<Value>,
    /// Questions that would have taken too long.
    unasked: usize,
    /// Inputs that policies looked at and that nobody said.
    unknown: BTreeSet<String>,
}

fn weigh(app: &App, asked: &Asked, api: &Record<Api>, ids: &[String]) -> Result<Weighed> {
    let watch = app.clock.stopwatch();
    let at = asked.at.unwrap_or_else(|| app.clock.now());
    let mut scale = Scale { app, asked, api, at, answers: 0, modules: BTreeSet::new() };
    let (mut accounts, mut rows, mut unasked) = (0, Vec::new(), 0);
    // Read in parts, so that little is read in vain when the time is up.
    'page: for some in ids.chunks(READ_AT_ONCE) {
        for candidate in &app.store.candidates(&api.id, some, at)? {
            let weighed = scale.weigh(candidate)?;
            rows.extend(weighed.rows);
            unasked += weighed.unasked;
            if watch.elapsed() > PAGE {
                // Those before it that were deleted meanwhile are done with, too.
                let place = some.iter().position(|id| id == candidate.account_id.as_str());
                accounts += place.map_or(0, |place| place + 1);
                break 'page;
            }
        }
        accounts += some.len();
    }
    let mut unknown = BTreeSet::new();
    for module in &scale.modules {
        let inputs = app.policies.manifest(module).map(|manifest| manifest.inputs).unwrap_or_default();
        unknown.extend(inputs.iter().filter_map(|input| scale.unknown(input)));
    }
    Ok(Weighed { at, accounts, rows, unasked, unknown })
}

/// What a request would end with, and what kept it from more.
#[derive(Default, PartialEq)]
struct Outcome {
    scopes: Vec<String>,
    lifetime_seconds: i64,
    claims: Map<String, Value>,
    in_the_way: Vec<Value>,
    /// How the client would have to authenticate; `None` where every way that it may take ends so.
    auth_method: Option<AuthMethod>,
}

impl Outcome {
    fn nothing(what: &str, reason: &str) -> Self {
        Self { in_the_way: vec![json!({"what": what, "reason": reason})], ..Self::default() }
    }
}

/// What became of one account's questions.
struct OfAccount {
    rows: Vec<Value>,
    unasked: usize,
}

struct Scale<'a> {
    app: &'a App,
    asked: &'a Asked,
    api: &'a Record<Api>,
    at: Timestamp,
    /// Answers that the account at hand has cost.
    answers: usize,
    modules: BTreeSet<String>,
}

impl Scale<'_> {
    /// What is not known of a request that nobody made.
    fn unknown(&self, input: &Input) -> Option<String> {
        match input {
            Input::Time(_) => None,
            Input::RemoteAddress if self.asked.remote_address.is_some() => None,
            Input::RemoteAddress => Some("remoteAddress".to_owned()),
            Input::RequestId => Some("requestId".to_owned()),
            Input::UserAgent => Some("userAgent".to_owned()),
            Input::Parameter(name) => Some(format!("parameters.{name}")),
        }
    }

    /// A row for each client and each set of scopes that is asked about.
    fn weigh(&mut self, candidate: &Candidate) -> Result<OfAccount> {
        let mut wanted: Vec<Vec<String>> = Vec::new();
        match &self.asked.scope {
            Some(scope) => wanted.push(vec![scope.clone()]),
            None => {
                let mut held: Vec<String> = Vec::new();
                for (scope, _) in candidate.grants.iter().flat_map(|grant| &grant.scopes) {
                    if !held.contains(scope) {
                        held.push(scope.clone());
                    }
                }
                wanted.extend(held.iter().map(|scope| vec![scope.clone()]));
                if held.len() != 1 {
                    wanted.push(held);
                }
            }
        }
        self.weigh_each(candidate, &wanted)
    }

    /// Its clients and sets of scopes one by one, as long as that does not take too long.
    fn weigh_each(&mut self, candidate: &Candidate, wanted: &[Vec<String>]) -> Result<OfAccount> {
        let watch = self.app.clock.stopwatch();
        let mut weighed = OfAccount { rows: Vec::new(), unasked: 0 };
        self.answers = 0;
        for scopes in wanted {
            if candidate.clients.is_empty() {
                let outcome = Outcome::nothing("client", "the account has no client to ask with");
                weighed.rows.push(row(candidate, None, scopes, outcome));
            }
            for client in &candidate.clients {
                if self.answers >= ANSWERS_MAX || watch.elapsed() > ACCOUNT {
                    weighed.unasked += 1;
                    continue;
                }
                let outcomes = self.outcomes(candidate, client, scopes)?;
                weighed.rows.extend(outcomes.into_iter().map(|outcome| row(candidate, Some(client), scopes, outcome)));
            }
        }
        Ok(weighed)
    }

    /// One outcome, or one for each way to authenticate where they differ.
    fn outcomes(&mut self, candidate: &Candidate, client: &CandidateClient, scopes: &[String]) -> Result<Vec<Outcome>> {
        let resolved = match self.resolved(candidate, client, scopes)? {
            Ok(resolved) => resolved,
            Err(nothing) => {
                self.answers += 1;
                return Ok(vec![nothing]);
            }
        };
        let mut outcomes: Vec<Outcome> = Vec::new();
        for method in &client.view.allowed_auth_methods {
            let (outcome, answers) = self.decided(client, *method, scopes, &resolved);
            self.answers += answers.max(1);
            outcomes.push(outcome);
            // Only policies look at the method.
            if answers == 0 {
                break;
            }
        }
        if outcomes.iter().all(|outcome| Some(outcome) == outcomes.first()) {
            outcomes.truncate(1);
            return Ok(outcomes);
        }
        for (outcome, method) in outcomes.iter_mut().zip(&client.view.allowed_auth_methods) {
            outcome.auth_method = Some(*method);
        }
        Ok(outcomes)
    }

    /// What policies would be offered; the inner error is what ends a request before them.
    fn resolved(
        &self,
        candidate: &Candidate,
        client: &CandidateClient,
        scopes: &[String],
    ) -> Result<Result<Resolved, Outcome>> {
        let missing = [
            (!self.api.value.active, "api", "the API is inactive"),
            (!client.view.active, "client", "the client is inactive"),
            (!candidate.active, "account", "the account is inactive"),
            (!client.has_secret, "client", "the client has no secret that is valid then"),
            (client.view.allowed_auth_methods.is_empty(), "client", "the client may not authenticate in any way"),
            (scopes.is_empty(), "grant", "nothing is granted at this API"),
        ];
        if let Some((_, what, reason)) = missing.into_iter().find(|(is_missing, ..)| *is_missing) {
            return Ok(Err(Outcome::nothing(what, reason)));
        }
        let (target, excess) = (self.api.value.app_id.as_str(), self.app.config.token.excess_scope);
        match resolve::resolve(&client.view, scopes, Some(target), self.at, excess) {
            Ok(resolved) => Ok(Ok(resolved)),
            Err(Error::OAuth { description, .. }) => {
                let holds = |grant: &&GrantView| scopes.iter().all(|scope| grant.includes(scope));
                let mut holding = candidate.grants.iter().filter(holds);
                let reason = holding
                    .find_map(|grant| Some(format!("its grant {}", grant.not_now(self.at)?)))
                    .unwrap_or(description);
                Ok(Err(Outcome::nothing("grant", &reason)))
            }
            Err(other) => Err(other),
        }
    }

    /// What the policies make of it, and how many were asked.
    fn decided(
        &mut self,
        client: &CandidateClient,
        auth_method: AuthMethod,
        scopes: &[String],
        resolved: &Resolved,
    ) -> (Outcome, usize) {
        let offer = Offer {
            client: Arc::clone(&client.view),
            auth_method,
            api: Arc::clone(&resolved.api),
            requested: scopes.to_vec(),
            scopes: resolved.offered.clone(),
            lifetime_seconds: resolved.lifetime_seconds,
            now: self.at,
            circumstances: Circumstances {
                remote_address: self.asked.remote_address.clone().map(RemoteAddress::Written),
                ..Circumstances::default()
            },
        };
        let (decided, explanation) = self.app.policies.decide_apart(offer);
        for step in &explanation.steps {
            if !self.modules.contains(&step.module_digest) {
                self.modules.insert(step.module_digest.clone());
            }
        }
        let in_the_way = explanation.steps.iter().filter(|step| step.mode == "enforce").filter_map(told).collect();
        let mut outcome = Outcome { in_the_way, ..Outcome::default() };
        if let Ok(decided) = decided {
            // In the order in which they were offered, as the token has them.
            let is_left = |scope: &&String| decided.scopes.contains(scope);
            outcome.scopes = resolved.offered.iter().filter(is_left).cloned().collect();
            outcome.lifetime_seconds = decided.lifetime_seconds;
            outcome.claims = decided.claims;
        }
        (outcome, explanation.steps.len())
    }
}

/// What a policy took, if it took anything.
fn told(step: &Step) -> Option<Value> {
    let dropped: Vec<&String> = step.offered.iter().filter(|scope| !step.effect.left.contains(scope)).collect();
    let is_permit = step.effect.verdict == Verdict::Permit;
    if is_permit && dropped.is_empty() {
        return None;
    }
    Some(json!({
        "what": "policy",
        "policyId": step.policy_id,
        "policy": step.policy,
        "level": step.level,
        "verdict": step.effect.verdict,
        "dropped": dropped,
        "code": step.effect.code,
        "reason": step.effect.reason.as_ref().or(step.effect.note.as_ref()),
    }))
}

fn row(candidate: &Candidate, client: Option<&CandidateClient>, scopes: &[String], outcome: Outcome) -> Value {
    let client = client.map(|client| &client.view).map(
        |client| json!({"id": client.id.as_str(), "clientId": client.client_id, "displayName": client.display_name}),
    );
    let Outcome { scopes: gets, lifetime_seconds, claims, in_the_way, auth_method } = outcome;
    json!({
        "account": {"id": candidate.account_id.as_str(), "userName": candidate.user_name},
        "client": client,
        "authMethod": auth_method.map(AuthMethod::as_str),
        "asked": scopes,
        "gets": gets,
        "lifetimeSeconds": lifetime_seconds,
        "claims": claims,
        "inTheWay": in_the_way,
    })
}
