//! A recorded decision with another module in the place of one of its policies: what would have come out.
//!
//! The policy's question is in the record, and so are the answers of those before and after it. A later one is asked again,
//! with its own module and settings of then, only where it would have been asked something else.

use std::collections::{BTreeSet, HashMap};

use grantd::clock::Timestamp;
use grantd::decision::{Given, Step, Verdict};
use grantd::model::caller::RequestId;
use grantd::model::digest::sha256_hex;
use grantd::policy::abi::{Circumstances, Context, Input, Manifest, RemoteAddress, Request};
use grantd::policy::{CLAIM_CONFLICT, Specimen};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::caseload::OnBench;
use super::end::{End, claims_of, conflict, end_of, said, with_claims};
use crate::cli::names::API;
use crate::cli::remote::{Remote, segment};
use crate::cli::{Failure, Outcome};

/// Answers that are remembered: the same question comes back with every token of a client.
const REMEMBERED_MAX: usize = 100_000;

/// A recorded decision, as the server hands it out here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recorded {
    pub(super) id: String,
    at: String,
    request_id: String,
    pub(super) client_id: Option<String>,
    api_id: Option<String>,
    outcome: String,
    error: Option<String>,
    #[serde(default)]
    requested: Vec<String>,
    #[serde(default)]
    requested_left_out: u64,
    #[serde(default)]
    issued: Vec<String>,
    lifetime_seconds: Option<u32>,
    pub(super) explanation: String,
}

/// What the policies had to do with it; many decisions share one.
#[derive(Deserialize)]
pub(super) struct Explained {
    #[serde(default)]
    pub(super) given: Option<Given>,
    #[serde(default)]
    pub(super) steps: Vec<Step>,
    #[serde(default)]
    claims: Map<String, Value>,
}

/// Then and now.
#[derive(Clone)]
pub(super) struct Compared {
    pub(super) then: End,
    pub(super) now: End,
    /// Then this policy or a later one ended the request; who would have been asked after it may take more.
    pub(super) at_most: bool,
}

/// Either both ends, or why they cannot be told.
pub(super) type Verdicts = Result<Compared, String>;

/// The candidate on the scales.
pub(super) struct Scales<'a> {
    remote: &'a Remote,
    candidate: &'a OnBench,
    settings: String,
    policy_id: &'a str,
    /// Whether any other policy is enforced anywhere now.
    has_others: bool,
    modules: HashMap<String, Option<Specimen>>,
    settings_known: HashMap<String, Option<String>>,
    manifests: HashMap<String, Option<Manifest>>,
    /// The claims that an API sets itself, by its id.
    claims_of_apis: HashMap<String, BTreeSet<String>>,
    remembered: HashMap<String, Verdicts>,
}

impl<'a> Scales<'a> {
    pub(super) fn new(
        remote: &'a Remote,
        candidate: &'a OnBench,
        settings: &Value,
        policy_id: &'a str,
        has_others: bool,
    ) -> Self {
        Self {
            remote,
            candidate,
            settings: settings.to_string(),
            policy_id,
            has_others,
            modules: HashMap::new(),
            settings_known: HashMap::new(),
            manifests: HashMap::new(),
            claims_of_apis: HashMap::new(),
            remembered: HashMap::new(),
        }
    }

    /// What came out then, and what would have come out.
    pub(super) fn compare(&mut self, recorded: &Recorded, explained: &Explained) -> Outcome<Verdicts> {
        let at = explained.steps.iter().position(|step| step.policy_id == self.policy_id);
        let (Some(at), Some(given)) = (at, &explained.given) else {
            return Ok(Err("the record does not hold what the policy was asked".to_owned()));
        };
        if recorded.requested_left_out > 0 {
            return Ok(Err("more scopes were asked for than the record holds".to_owned()));
        }
        let context = match self.context(recorded, &explained.steps, at)? {
            Ok(context) => context,
            Err(unknown) => return Ok(Err(unknown)),
        };
        let context_text = serde_json::to_string(&context).unwrap_or_default();
        let key = format!(
            "{} {} {} {} {context_text}",
            recorded.explanation,
            recorded.requested.join(" "),
            recorded.outcome,
            recorded.issued.join(" ")
        );
        if let Some(known) = self.remembered.get(&key) {
            return Ok(known.clone());
        }
        let verdicts = self.weigh(recorded, explained, given, at, context)?;
        if self.remembered.len() >= REMEMBERED_MAX {
            self.remembered.clear();
        }
        self.remembered.insert(key, verdicts.clone());
        Ok(verdicts)
    }

    fn weigh(
        &mut self,
        recorded: &Recorded,
        explained: &Explained,
        given: &Given,
        at: usize,
        context: Context,
    ) -> Outcome<Verdicts> {
        let steps = &explained.steps;
        let Some(step) = steps.get(at) else { return Ok(Err("the record has no such step".to_owned())) };
        let request = Request { context, ..step.request(given, &recorded.requested, Value::Null) };
        let asked = self.candidate.bench.evaluate(&self.candidate.specimen, &request, &self.settings);
        let now = match asked {
            Ok(evaluation) => end_of(&request, evaluation.decision),
            Err(failure) => End::Denied { code: failure.kind.as_str().to_owned(), reason: failure.to_string() },
        };
        let earlier = claims_of(steps.get(..at).unwrap_or_default());
        let taken = self.claims_of_api(recorded)?;
        let now = conflict(&now, &earlier, &taken).unwrap_or(now);
        if step.mode != "enforce" {
            // Its answer was never applied: answer is held against answer.
            return Ok(Ok(Compared { then: said(step), now, at_most: false }));
        }
        let then = finally(recorded, explained);
        let is_end = |step: &Step| step.mode == "enforce" && step.effect.verdict != Verdict::Permit;
        let was_ended = steps.iter().skip(at).any(is_end);
        if now == said(step) {
            return Ok(Ok(Compared { now: then.clone(), then, at_most: false }));
        }
        let now = match with_claims(now, &earlier) {
            End::Denied { code, reason } => End::Denied { code, reason },
            token => match self.go_on(recorded, given, steps.get(at + 1..).unwrap_or_default(), token, &taken)? {
                Ok(end) => end,
                Err(unknown) => return Ok(Err(unknown)),
            },
        };
        let at_most = was_ended && self.has_others && matches!(now, End::Token { .. });
        Ok(Ok(Compared { then, now, at_most }))
    }

    /// What the policies after it make of what it left.
    fn go_on(
        &mut self,
        recorded: &Recorded,
        given: &Given,
        later: &[Step],
        left: End,
        taken: &BTreeSet<String>,
    ) -> Outcome<Result<End, String>> {
        let mut end = left;
        for step in later.iter().filter(|step| step.mode == "enforce") {
            let End::Token { scopes, seconds, claims } = &end else { break };
            // A denial for a claim's sake says nothing of what the policy answers where the claim is free.
            let is_known = step.effect.code.as_deref() != Some(CLAIM_CONFLICT);
            let now = if is_known && *scopes == step.offered && *seconds == step.offered_ttl_seconds {
                said(step)
            } else {
                let request = step.request(given, &recorded.requested, Value::Null);
                let request = Request { offered: scopes.clone(), ttl_seconds: *seconds, ..request };
                match self.ask_again(step, &request)? {
                    Ok(end) => end,
                    Err(unknown) => return Ok(Err(unknown)),
                }
            };
            end = match conflict(&now, claims, taken) {
                Some(denied) => denied,
                None => with_claims(now, claims),
            };
        }
        Ok(Ok(end))
    }

    /// Asks a later policy as it was then.
    fn ask_again(&mut self, step: &Step, request: &Request) -> Outcome<Result<End, String>> {
        let digest = &step.module_digest;
        if !self.modules.contains_key(digest) {
            let found = self.fetch(digest)?;
            self.modules.insert(digest.clone(), found);
        }
        if !self.settings_known.contains_key(&step.settings_digest) {
            let path = format!("/policy-settings/{}", segment(&step.settings_digest));
            let found = missing_is_none(self.remote.get(&path, &[]))?;
            let text = found.map(|found| found["settings"].to_string());
            self.settings_known.insert(step.settings_digest.clone(), text);
        }
        let short: String = digest.chars().take(12).collect();
        let Some(Some(specimen)) = self.modules.get(digest) else {
            return Ok(Err(format!(
                "the policy {} would be asked something else, and its module {} ({short}) was removed: hand it in again",
                step.policy, step.module
            )));
        };
        let Some(Some(settings)) = self.settings_known.get(&step.settings_digest) else {
            return Ok(Err(format!("the settings that the policy {} had then are not kept any more", step.policy)));
        };
        Ok(Ok(match self.candidate.bench.evaluate(specimen, request, settings) {
            Ok(evaluation) => end_of(request, evaluation.decision),
            Err(failure) => End::Denied { code: failure.kind.as_str().to_owned(), reason: failure.to_string() },
        }))
    }

    /// A module of the server's, on this machine's workbench; `None` when the server has it no more.
    fn fetch(&self, digest: &str) -> Outcome<Option<Specimen>> {
        let bytes = match self.remote.download(&format!("/policy-modules/{}/wasm", segment(digest))) {
            Ok(bytes) if sha256_hex(&bytes) == digest => bytes,
            Ok(_) | Err(Failure::NotFound(_)) => return Ok(None),
            Err(other) => return Err(other),
        };
        let specimen = self.candidate.bench.examine(&bytes);
        let unfit = |failure| Failure::failed(format!("the module {digest} does not run here: {failure}"));
        specimen.map(Some).map_err(unfit)
    }

    /// What the candidate would have been given of what changes; the inner error names what is not in the record.
    fn context(&mut self, recorded: &Recorded, steps: &[Step], at: usize) -> Outcome<Result<Context, String>> {
        let inputs = &self.candidate.specimen.manifest().inputs;
        let mut known = Circumstances {
            request_id: RequestId::Sent(recorded.request_id.as_str().into()),
            ..Circumstances::default()
        };
        for step in steps {
            let Context { remote_address, user_agent, parameters, .. } = &step.context;
            known.remote_address = known.remote_address.or_else(|| remote_address.clone().map(RemoteAddress::Written));
            known.user_agent = known.user_agent.or_else(|| user_agent.as_deref().map(Into::into));
            known.parameters.extend(parameters.iter().cloned());
        }
        let missing: Vec<Input> = inputs.iter().filter(|input| is_missing(input, &known)).cloned().collect();
        if let (false, Some(step)) = (missing.is_empty(), steps.get(at)) {
            // Where the module of then looked at it too, the request had none.
            let looked =
                self.manifest(&step.module_digest)?.map(|manifest| manifest.inputs.clone()).unwrap_or_default();
            if let Some(unknown) = missing.iter().find(|input| !looked.contains(input)) {
                return Ok(Err(format!("it looks at {}, which was not recorded then", named(unknown))));
            }
        }
        let now = Timestamp::parse(&recorded.at).unwrap_or(Timestamp::from_ms(0));
        Ok(Ok(Context::restricted_to(&self.candidate.specimen.manifest().inputs, now, &known)))
    }

    /// The claims that the API of a decision sets itself, as it is now: no policy may set them. None where it is gone.
    fn claims_of_api(&mut self, recorded: &Recorded) -> Outcome<BTreeSet<String>> {
        let Some(id) = &recorded.api_id else { return Ok(BTreeSet::new()) };
        if let Some(known) = self.claims_of_apis.get(id) {
            return Ok(known.clone());
        }
        let found = missing_is_none(self.remote.get(&format!("{}/{}", API.path, segment(id)), &[]))?;
        let claims = found.as_ref().and_then(|api| api["claims"].as_object());
        let names: BTreeSet<String> = claims.into_iter().flat_map(|claims| claims.keys().cloned()).collect();
        self.claims_of_apis.insert(id.clone(), names.clone());
        Ok(names)
    }

    fn manifest(&mut self, digest: &str) -> Outcome<Option<&Manifest>> {
        if !self.manifests.contains_key(digest) {
            let found = missing_is_none(self.remote.get(&format!("/policy-modules/{}", segment(digest)), &[]))?;
            let manifest = found.and_then(|mut found| serde_json::from_value(found["manifest"].take()).ok());
            self.manifests.insert(digest.to_owned(), manifest);
        }
        Ok(self.manifests.get(digest).and_then(Option::as_ref))
    }
}

fn missing_is_none(answer: Outcome<Value>) -> Outcome<Option<Value>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Failure::NotFound(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

fn is_missing(input: &Input, known: &Circumstances) -> bool {
    match input {
        Input::Time(_) | Input::RequestId => false,
        Input::RemoteAddress => known.remote_address.is_none(),
        Input::UserAgent => known.user_agent.is_none(),
        Input::Parameter(name) => !known.parameters.iter().any(|(sent, _)| sent == name),
    }
}

fn named(input: &Input) -> String {
    match input {
        Input::RemoteAddress => "the caller's address".to_owned(),
        Input::UserAgent => "the caller's program".to_owned(),
        Input::Parameter(name) => format!("the parameter {name}"),
        other => format!("{other:?}"),
    }
}

/// How the request ended, by its record.
fn finally(recorded: &Recorded, explained: &Explained) -> End {
    if recorded.outcome == "issued" {
        let seconds = recorded.lifetime_seconds.unwrap_or_default();
        return End::Token { scopes: recorded.issued.clone(), seconds, claims: explained.claims.clone() };
    }
    let ended =
        explained.steps.iter().rev().find(|step| step.mode == "enforce" && step.effect.verdict != Verdict::Permit);
    ended.map_or_else(|| End::Denied { code: recorded.error.clone().unwrap_or_default(), reason: String::new() }, said)
}
