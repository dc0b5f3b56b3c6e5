//! Step 4 of the pipeline: policies narrow what the grants offer, in a sandbox, at a cost that nobody notices.
//!
//! In reading order: `chain.rs` asks the policies of one request one after another, and `effect.rs` says what each
//! leaves; `answers.rs` knows what was answered before, and `endings.rs` what all of them said together; `modules.rs`
//! keeps modules compiled and loads them; `sandbox.rs` runs them under every limit, in the engine of `engine.rs`, which
//! `late.rs` starts at the first need, with the bounds of `guest.rs`; `pace.rs` knows which thread may ask them; `abi.rs`
//! holds the words that cross the wall, `failure.rs` what can go wrong.
//! `workbench.rs` is the same engine for those who write policies, `shelf.rs` where it keeps what it compiled,
//! `wasi.rs` what it lets them print with, and `grounds.rs` finds what an answer rests on. Nothing here names an HTTP
//! type, and nothing here can widen a grant.

pub mod abi;
mod answers;
pub mod cases;
mod chain;
mod effect;
mod endings;
mod engine;
mod failure;
pub mod grounds;
mod guest;
mod late;
mod modules;
mod pace;
mod sandbox;
mod shelf;
mod ticker;
pub mod trust;
mod wasi;
mod workbench;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use answers::Reuse;
pub use chain::Offer;
pub(crate) use chain::given;
pub(crate) use effect::effect;
pub use effect::{CLAIM_CONFLICT, claim_conflict, claim_in_words};
pub use failure::{Failure, FailureKind};
pub use modules::Admitted;
pub use sandbox::CONTRACT;
pub use shelf::Shelf;
pub use workbench::{Specimen, Workbench};

use crate::clock::Clock;
use crate::config::PoliciesConfig;
use crate::decision::Explanation;
use crate::error::{Error, Result};
use crate::secret::ServerKeys;
use crate::store::Store;
use abi::{Decision, Manifest, Request};
use answers::Answers;
use chain::{Chain, Progress, Room};
use endings::{Ending, Endings};
use late::Late;
use modules::Modules;
use sandbox::{Loaded, Run, Sandbox};

/// How long after the engine could not start it is tried again: starting takes milliseconds.
const START_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What is left of an offer when every policy has spoken.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The token's scopes: each of them was offered.
    pub scopes: Vec<String>,
    /// The token's lifetime: at most what was offered.
    pub lifetime_seconds: i64,
    /// Claims that policies add.
    pub claims: Map<String, Value>,
}

/// What a module answered to one request, and what that cost.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Its decision, as it gave it: not yet held against what was offered.
    pub decision: Decision,
    /// Units of fuel burned.
    pub fuel: u64,
    /// How long it took, instantiation included.
    pub elapsed: Duration,
    /// The peak of its memory.
    pub memory_bytes: usize,
    /// What it printed: only on a workbench that lets it.
    pub printed: String,
}

impl From<Run<Decision>> for Evaluation {
    fn from(run: Run<Decision>) -> Self {
        let Run { answer, fuel, elapsed, memory_bytes, printed } = run;
        Self { decision: answer, fuel, elapsed, memory_bytes, printed }
    }
}

/// The policy engine of one server.
pub struct Policies {
    limits: PoliciesConfig,
    clock: Clock,
    store: Arc<Store>,
    /// Started when the first policy needs it: a server without policies pays nothing.
    sandbox: Late<Sandbox>,
    modules: Modules,
    answers: Answers,
    endings: Endings,
    turns: Arc<Semaphore>,
    /// As many more, for calls that the requests' own threads make. They never wait.
    brief_turns: Semaphore,
}

impl Policies {
    pub(crate) fn new(store: &Arc<Store>, keys: &Arc<ServerKeys>, clock: &Clock, limits: &PoliciesConfig) -> Self {
        Self {
            limits: limits.clone(),
            clock: clock.clone(),
            store: Arc::clone(store),
            sandbox: Late::new(START_AGAIN_AFTER),
            modules: Modules::new(Arc::clone(store), Arc::clone(keys), clock.clone(), limits),
            answers: Answers::new(limits),
            endings: Endings::new(limits),
            turns: Arc::new(Semaphore::new(limits.turns())),
            brief_turns: Semaphore::new(limits.turns()),
        }
    }

    /// Asks the policies of the server, the API, the client and the account, in that order. The explanation says
    /// what each was given and what it said, also when the outcome is an error; there is none without policies.
    ///
    /// # Errors
    /// `OAuth` `access_denied` when a policy said no, `server_error` when one failed; `Unavailable` when there was no
    /// room to ask.
    pub async fn decide(self: &Arc<Self>, offer: Offer) -> (Result<Decided>, Option<Arc<Explanation>>) {
        if !offer.has_policies() {
            return (Ok(offer.undiminished()), None);
        }
        if let Some(ending) = offer.key(self).and_then(|key| self.endings.get(key.as_bytes())) {
            let (outcome, explanation) = ending.again();
            self.answers.note_hits(explanation.steps.len());
            return (outcome, Some(explanation));
        }
        // Apart: a future is moved with all that it may come to hold, also where it never does.
        let chain = match Box::pin(self.ask(Chain::new(offer))).await {
            Ok(chain) => chain,
            Err(error) => return (Err(error), None),
        };
        // Only now is every module at hand.
        let key = chain.key(self);
        let (outcome, explanation) = chain.finish();
        if let (Some(key), Some(ending)) = (key, Ending::of(&outcome, &explanation)) {
            self.endings.put(key.finish(), ending);
        }
        (outcome, Some(Arc::new(explanation)))
    }

    /// Asks the policies one after another, each where it may be asked.
    async fn ask(self: &Arc<Self>, mut chain: Chain) -> Result<Chain> {
        while chain.advance(self, Room::AtHand) == Progress::NeedsSandbox {
            match self.turn().await {
                Ok(turn) => {
                    let policies = Arc::clone(self);
                    let rest = tokio::task::spawn_blocking(move || {
                        chain.advance(&policies, Room::Sandbox);
                        drop(turn);
                        chain
                    });
                    match rest.await {
                        Ok(rest) => chain = rest,
                        Err(error) => return Err(Error::Internal(format!("a policy's thread ended: {error}"))),
                    }
                }
                Err(failure) => chain.fail(failure),
            }
        }
        Ok(chain)
    }

    /// Asks the policies as [`Policies::decide`] does, for nobody's request: no answer is reused and none is kept. Blocks;
    /// whoever asks so holds a turn.
    pub(crate) fn decide_apart(&self, offer: Offer) -> (Result<Decided>, Explanation) {
        let mut chain = Chain::apart(offer);
        chain.advance(self, Room::Sandbox);
        chain.finish()
    }

    /// Looks a module over without storing it: signature, size, form, contract, manifest; compiles it. Blocks, up to seconds.
    ///
    /// # Errors
    /// `Invalid` with the reason, in an author's words; `Unavailable` when there is no room to look it over now; `Setup`
    /// when the engine cannot start.
    pub fn admit(&self, bytes: &[u8], signature: Option<&[u8]>) -> Result<Admitted> {
        let sandbox = self.sandbox().map_err(|failure| Error::Setup(failure.to_string()))?;
        self.modules.admit(sandbox, bytes, signature)
    }

    /// Whether a module with this signature may be run here.
    ///
    /// # Errors
    /// `Invalid` with the reason.
    pub fn check_signature(&self, bytes: &[u8], signature: Option<&[u8]>) -> Result<()> {
        self.modules.check_signature(bytes, signature)
    }

    /// Whether modules have to be signed here.
    #[must_use]
    pub fn are_signed(&self) -> bool {
        self.modules.are_signed()
    }

    /// The modules in use that may not be run here, each with the reason. Nothing where nobody has to sign.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub(crate) fn untrusted(&self) -> Result<Vec<(String, Failure)>> {
        self.modules.untrusted()
    }

    /// Asks a stored module whether settings fit; the inner error is the module's own. Blocks.
    ///
    /// # Errors
    /// How the module failed.
    pub fn validate_settings(&self, digest: &str, settings: &str) -> Result<Result<(), String>, Failure> {
        let loaded = self.load(digest)?;
        Ok(self.sandbox()?.validate_settings(&loaded, settings)?.answer)
    }

    /// Asks a stored module once, afresh: nothing is reused, and nothing is remembered. Blocks.
    ///
    /// # Errors
    /// How the module failed.
    pub fn evaluate(&self, digest: &str, request: &Request, settings: &str) -> Result<Evaluation, Failure> {
        let loaded = self.load(digest)?;
        Ok(self.run(&loaded, request, settings)?.into())
    }

    /// What a stored module says of itself. Blocks.
    ///
    /// # Errors
    /// How the module failed.
    pub fn manifest(&self, digest: &str) -> Result<Manifest, Failure> {
        self.load(digest).map(|loaded| loaded.manifest.clone())
    }

    /// Compiles stored modules for this engine, those `in_use` or all, and tells `each` how it went. Blocks.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database; `Setup` when the engine cannot start.
    pub fn prepare(&self, in_use: bool, mut each: impl FnMut(&str, Result<bool, Failure>)) -> Result<()> {
        let digests = self.store.policy_modules_uncompiled(self.modules.engine(), in_use)?;
        if digests.is_empty() {
            return Ok(());
        }
        let sandbox = self.sandbox().map_err(|failure| Error::Setup(failure.to_string()))?;
        for digest in digests {
            each(&digest, self.modules.prepare(sandbox, &digest));
        }
        Ok(())
    }

    /// Waits for a turn at the sandbox, as a request does. Whoever evaluates off a request's path takes one too.
    ///
    /// # Errors
    /// `Busy` when none came in time.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let wait = Duration::from_millis(self.limits.wait_ms);
        match tokio::time::timeout(wait, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => {
                let what = format!("no turn at the sandbox within {} ms (policies.wait_ms)", self.limits.wait_ms);
                Err(Failure { kind: FailureKind::Busy, ..Failure::unavailable(what) })
            }
        }
    }

    /// The bounds in force.
    #[must_use]
    pub fn limits(&self) -> &PoliciesConfig {
        &self.limits
    }

    /// How often answers were reused.
    #[must_use]
    pub fn reuse(&self) -> Reuse {
        let answers = self.answers.reuse();
        Reuse { bytes: answers.bytes + self.endings.bytes(), ..answers }
    }

    fn load(&self, digest: &str) -> Result<Arc<Loaded>, Failure> {
        self.modules.load(self.sandbox()?, digest)
    }

    fn run(&self, loaded: &Loaded, request: &Request, settings: &str) -> Result<Run<Decision>, Failure> {
        self.sandbox()?.evaluate(loaded, request, settings)
    }

    /// On a thread that may not block: `None` when it is to be run where that is no matter.
    fn run_briefly(
        &self,
        loaded: &Loaded,
        request: &Request,
        settings: &str,
    ) -> Option<Result<Run<Decision>, Failure>> {
        let _turn = self.brief_turns.try_acquire().ok()?;
        self.sandbox().ok()?.evaluate_briefly(loaded, request, settings)
    }

    fn sandbox(&self) -> Result<&Sandbox, Failure> {
        let start = || Sandbox::new(&self.limits, &self.clock).map_err(|error| error.to_string());
        self.sandbox.get(&self.clock, start).map_err(Failure::unavailable)
    }
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies").field("limits", &self.limits).finish_non_exhaustive()
    }
}
