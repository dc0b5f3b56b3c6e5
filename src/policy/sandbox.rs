//! The sandbox: one wasmtime engine, its limits, and the three calls that cross its wall.
//!
//! Every call gets a fresh instance, so a policy cannot remember anything between two. Fuel is the limit, since it
//! is the same on every machine; the epoch is the backstop for what fuel does not count. What goes wrong comes back
//! as a [`Failure`] that names the module, the export and the limit. Nothing here knows the database or a request.

#[cfg(feature = "compiler")]
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store, Trap};

use super::abi::bindings::{self, PolicyPre};
use super::abi::{Decision, Manifest, Request};
use super::engine;
use super::failure::{Failure, FailureKind};
use super::guest::{Guest, OverMemory};
use super::pace::Pace;
use super::ticker::{TICK, Ticker};
use super::wasi;
use crate::clock::Clock;
use crate::config::PoliciesConfig;
use crate::error::Result;

/// What a module exports, up to its version.
const EXPORT: &str = "grantd:policy/evaluator@";
/// The types that the export speaks of: the one import, which holds no function.
const TYPES: &str = "grantd:policy/types@";
/// The contract that this server speaks.
pub const CONTRACT: &str = "1.0.0";
/// Fuel of a call that the request's own thread may make: some 50 µs, of which a policy in Rust needs a fifth. That is
/// what two signatures take, and less than changing threads twice, as longer calls do.
const BRIEF_FUEL: u64 = 250_000;
/// Time of such a call, for what fuel does not count.
const BRIEF: Duration = Duration::from_millis(1);

/// One engine with its limits.
pub(super) struct Sandbox {
    engine: Engine,
    linker: Linker<Guest>,
    limits: PoliciesConfig,
    clock: Clock,
    ticker: Ticker,
}

/// A module that can be called.
pub(super) struct Loaded {
    pub(super) pre: PolicyPre<Guest>,
    /// What it says of itself.
    pub(super) manifest: Manifest,
    /// Where it is asked next.
    pub(super) pace: Pace,
}

/// What one call may burn, and how often the clock may tick meanwhile.
#[derive(Clone, Copy)]
struct Budget {
    fuel: u64,
    ticks: u64,
}

/// Whose imports a component may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Imports {
    /// Nobody's, as on a server.
    None,
    /// WASI's, as far as an author needs it.
    Wasi,
}

/// What a call answered and what it cost.
#[derive(Clone, Debug)]
pub(super) struct Run<T> {
    pub(super) answer: T,
    /// Units of fuel burned; the same for the same module and request.
    pub(super) fuel: u64,
    /// How long it took, instantiation included.
    pub(super) elapsed: Duration,
    /// Linear memory at the end, which is its peak: it never shrinks.
    pub(super) memory_bytes: usize,
    /// What the guest printed, for its author.
    pub(super) printed: String,
}

impl Sandbox {
    /// Starts an engine.
    pub(super) fn new(limits: &PoliciesConfig, clock: &Clock) -> Result<Self> {
        let engine = engine::start(limits)?;
        let linker = Linker::new(&engine);
        let ticker = Ticker::start(engine.clone())?;
        Ok(Self { engine, linker, limits: limits.clone(), clock: clock.clone(), ticker })
    }

    /// Compiles a module's bytes, which the caller has bounded. Takes 50 ms for a small one, seconds for a hostile one.
    #[cfg(feature = "compiler")]
    pub(super) fn compile(&self, bytes: &[u8]) -> Result<(Component, Duration), Failure> {
        check_header(bytes)?;
        let watch = self.clock.stopwatch();
        let component = Component::new(&self.engine, bytes)
            .map_err(|error| Failure::looked_over(&error, format!("it is not a valid component: {}", root(&error))))?;
        Ok((component, watch.elapsed()))
    }

    /// The compiled form, to be loaded again by [`Sandbox::revive`].
    #[cfg(feature = "compiler")]
    pub(super) fn freeze(component: &Component) -> Result<Vec<u8>, Failure> {
        let failed =
            |error: wasmtime::Error| Failure::unavailable(format!("it cannot be kept compiled: {}", root(&error)));
        component.serialize().map_err(failed)
    }

    /// What a compiled form must have been made with to be of use here: the engine to its last digit, the processor, and
    /// every setting that the compiler heeds.
    #[cfg(feature = "compiler")]
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    /// This build compiles nothing, and finds nothing that another one kept.
    #[cfg(not(feature = "compiler"))]
    pub(super) fn fingerprint(&self) -> u64 {
        0
    }

    /// Loads a compiled form that grantd made: `frozen` was authenticated by the caller. `None` when it was made
    /// for another engine.
    #[expect(
        unsafe_code,
        reason = "machine code is loaded, which only grantd itself wrote and sealed with a key of its own"
    )]
    pub(super) fn revive(&self, frozen: &[u8]) -> Option<Component> {
        // SAFETY: the caller has checked the seal over these bytes, and only `freeze` writes sealed ones.
        let revived = unsafe { Component::deserialize(&self.engine, frozen) };
        revived.inspect_err(|error| tracing::info!(cause = %error, "a compiled module is of another engine")).ok()
    }

    /// Checks that a component is a policy of this contract, and makes it ready to be called.
    pub(super) fn link(&self, component: &Component, may_have: Imports) -> Result<PolicyPre<Guest>, Failure> {
        self.check_surface(component, may_have)?;
        let mismatch = |error: wasmtime::Error| {
            let what = format!("its exports are not those of grantd:policy@{CONTRACT}: {}", root(&error));
            Failure::looked_over(&error, what)
        };
        let filled = match may_have {
            Imports::None => None,
            Imports::Wasi => Some(wasi::linker(&self.engine, component).map_err(mismatch)?),
        };
        let linker = filled.as_ref().unwrap_or(&self.linker);
        let pre = linker.instantiate_pre(component).map_err(mismatch)?;
        PolicyPre::new(pre).map_err(mismatch)
    }

    /// Asks a module what it is.
    pub(super) fn describe(&self, pre: &PolicyPre<Guest>) -> Result<Manifest, Failure> {
        let describe =
            |policy: &bindings::Policy, store: &mut Store<Guest>| policy.grantd_policy_evaluator().call_describe(store);
        let run = self.call(pre, "describe", self.budget(), describe)?;
        Manifest::from_wit(run.answer).map_err(|why| Failure::output("describe", why))
    }

    /// Asks a module whether settings fit.
    pub(super) fn validate_settings(
        &self,
        loaded: &Loaded,
        settings: &str,
    ) -> Result<Run<Result<(), String>>, Failure> {
        self.call(&loaded.pre, "validate-settings", self.budget(), |policy, store| {
            policy.grantd_policy_evaluator().call_validate_settings(store, &settings.to_owned())
        })
    }

    /// Asks a module for its decision.
    pub(super) fn evaluate(
        &self,
        loaded: &Loaded,
        request: &Request,
        settings: &str,
    ) -> Result<Run<Decision>, Failure> {
        let run = self.decide(loaded, request, settings, self.budget());
        loaded.pace.was_elsewhere(run.as_ref().is_ok_and(is_brief));
        run
    }

    /// The same where nothing may block: `None` where the answer takes longer than a moment, or probably would. It can
    /// be asked for again, since a policy says the same every time.
    pub(super) fn evaluate_briefly(
        &self,
        loaded: &Loaded,
        request: &Request,
        settings: &str,
    ) -> Option<Result<Run<Decision>, Failure>> {
        // One tick may come at once.
        let budget = Budget { fuel: BRIEF_FUEL.min(self.limits.fuel), ticks: 2 };
        let watch = self.clock.stopwatch();
        let run = self.decide(loaded, request, settings, budget);
        let brief = run.as_ref().is_ok_and(is_brief);
        loaded.pace.was_at_hand(brief, watch.elapsed());
        if brief {
            return Some(run);
        }
        // What burned all it had may have burned more: fuel is looked at where a function or a loop begins.
        let is_cut_short = match &run {
            Ok(run) => run.fuel >= budget.fuel,
            Err(failure) => matches!(failure.kind, FailureKind::Timeout | FailureKind::Busy),
        };
        (!is_cut_short).then_some(run)
    }

    fn decide(
        &self,
        loaded: &Loaded,
        request: &Request,
        settings: &str,
        budget: Budget,
    ) -> Result<Run<Decision>, Failure> {
        let run = request.lend(settings, |request| {
            self.call(&loaded.pre, "evaluate", budget, |policy, store| {
                policy.grantd_policy_evaluator().call_evaluate(store, request)
            })
        })?;
        let Run { answer, fuel, elapsed, memory_bytes, printed } = run;
        match Decision::from_wit(answer) {
            Ok(answer) => Ok(Run { answer, fuel, elapsed, memory_bytes, printed }),
            Err(why) => Err(Failure::output("evaluate", why).after(fuel, elapsed, printed)),
        }
    }

    /// What is configured.
    fn budget(&self) -> Budget {
        // One more tick: the first may come at once.
        Budget { fuel: self.limits.fuel, ticks: self.limits.deadline_ms.div_ceil(TICK.as_millis() as u64) + 1 }
    }

    /// One call into a fresh instance, under every limit.
    fn call<T>(
        &self,
        pre: &PolicyPre<Guest>,
        export: &'static str,
        budget: Budget,
        call: impl FnOnce(&bindings::Policy, &mut Store<Guest>) -> wasmtime::Result<T>,
    ) -> Result<Run<T>, Failure> {
        let watch = self.clock.stopwatch();
        let _ticking = self.ticker.run();
        let mut store = Store::new(&self.engine, Guest::new(&self.limits));
        store.limiter(|guest| guest);
        store.set_hostcall_fuel(self.limits.boundary_kib as usize * 1024);
        store.set_epoch_deadline(budget.ticks);
        let policy = store.set_fuel(budget.fuel).and_then(|()| pre.instantiate(&mut store));
        let is_born = policy.is_ok();
        let answer = policy.and_then(|policy| call(&policy, &mut store));
        let elapsed = watch.elapsed();
        let fuel = budget.fuel - store.get_fuel().unwrap_or_default();
        let Guest { memory_bytes, printed, .. } = store.into_data();
        let printed = printed.into_text();
        match answer {
            Ok(answer) => Ok(Run { answer, fuel, elapsed, memory_bytes, printed }),
            Err(error) if is_born => Err(self.failure(export, &error).after(fuel, elapsed, printed)),
            Err(error) => Err(self.stillborn(export, &error).after(fuel, elapsed, printed)),
        }
    }

    /// What went wrong before a call, when the instance was made.
    fn stillborn(&self, export: &'static str, error: &wasmtime::Error) -> Failure {
        if error.is::<Trap>() || error.is::<OverMemory>() || error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return self.failure(export, error);
        }
        let what = format!("it does not fit grantd:policy@{CONTRACT} or the limits of the sandbox: {error:#}");
        Failure::looked_over(error, what)
    }

    /// What went wrong in a call, in words that name the export and the limit.
    fn failure(&self, export: &'static str, error: &wasmtime::Error) -> Failure {
        let limits = &self.limits;
        if error.is::<OverMemory>() {
            let what = format!("it asked for more than its {} MiB of memory (policies.memory_mib)", limits.memory_mib);
            return Failure::at(FailureKind::Trap, export, what);
        }
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Failure::at(FailureKind::Busy, export, "every place for a policy is taken".to_owned());
        }
        let Some(trap) = error.downcast_ref::<Trap>() else {
            let what = root(error);
            // wasmtime keeps this error's type to itself; a test holds us to its words.
            if what.contains("fuel allocated for hostcalls") {
                let what = format!("its answer is larger than {} KiB (policies.boundary_kib)", limits.boundary_kib);
                return Failure::output(export, what);
            }
            return Failure::output(export, what);
        };
        let (kind, what) = match trap {
            Trap::OutOfFuel => {
                (FailureKind::Timeout, format!("it burned its {} units of fuel (policies.fuel)", limits.fuel))
            }
            Trap::Interrupt => {
                (FailureKind::Timeout, format!("it ran longer than {} ms (policies.deadline_ms)", limits.deadline_ms))
            }
            Trap::StackOverflow => (
                FailureKind::Trap,
                format!("it used more than its {} KiB of stack (policies.stack_kib)", limits.stack_kib),
            ),
            Trap::UnreachableCodeReached => {
                (FailureKind::Trap, "it gave up (unreachable): a panic or a failed allocation, most likely".to_owned())
            }
            Trap::StringOutOfBounds | Trap::ListOutOfBounds | Trap::InvalidDiscriminant | Trap::UnalignedPointer => {
                (FailureKind::Output, format!("its answer is not of the contract's form: {trap}"))
            }
            other => (FailureKind::Trap, format!("it trapped: {other}")),
        };
        let backtrace = error.downcast_ref::<wasmtime::WasmBacktrace>().map(ToString::to_string);
        Failure { backtrace, ..Failure::at(kind, export, what) }
    }

    /// No import but the contract's types, and the contract's export.
    fn check_surface(&self, component: &Component, may_have: Imports) -> Result<(), Failure> {
        let imports = imports(&self.engine, component);
        let is_allowed = |name: &String| may_have == Imports::Wasi && wasi::is_filled(name);
        if !imports.iter().all(is_allowed) {
            return Err(Failure::refused(format!(
                "it imports {}; a policy imports nothing: build it without WASI, or with its stubs",
                imports.join(", ")
            )));
        }
        let surface = component.component_type();
        let mut versions = surface.exports(&self.engine).filter_map(|(name, _)| name.strip_prefix(EXPORT));
        match versions.next() {
            Some(CONTRACT) => Ok(()),
            Some(other) => Err(Failure::refused(format!(
                "it is a policy of grantd:policy@{other}, and this server speaks {CONTRACT}: build it against that"
            ))),
            None => Err(Failure::refused(format!("it does not export {EXPORT}{CONTRACT}: it is no policy"))),
        }
    }
}

impl Loaded {
    pub(super) fn new(pre: PolicyPre<Guest>, manifest: Manifest) -> Self {
        Self { pre, manifest, pace: Pace::default() }
    }

    /// What it imports beside the contract's types.
    pub(super) fn imports(&self) -> Vec<String> {
        let pre = self.pre.instance_pre();
        imports(pre.engine(), pre.component())
    }
}

/// What a component imports beside the contract's types, which hold no function.
fn imports(engine: &Engine, component: &Component) -> Vec<String> {
    let surface = component.component_type();
    let is_types = |name: &str, item: &ComponentItem| {
        let ComponentItem::ComponentInstance(instance) = item else { return false };
        let mut exports = instance.exports(engine);
        name.starts_with(TYPES) && exports.all(|(_, export)| matches!(export.ty, ComponentItem::Type(_)))
    };
    let imports = surface.imports(engine).filter(|(name, import)| !is_types(name, &import.ty));
    imports.map(|(name, _)| name.to_owned()).collect()
}

fn is_brief(run: &Run<Decision>) -> bool {
    run.fuel < BRIEF_FUEL && run.elapsed <= BRIEF
}

/// The innermost cause, which says most.
fn root(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

/// Tells apart what people upload by mistake.
#[cfg(feature = "compiler")]
fn check_header(bytes: &[u8]) -> Result<(), Failure> {
    match bytes {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(Failure::refused(
            "it is a core WebAssembly module, and a policy is a component: wrap it with `wasm-tools component new`"
                .to_owned(),
        )),
        [0, b'a', b's', b'm', ..] => {
            Err(Failure::refused("it is WebAssembly of a version that this server does not know".to_owned()))
        }
        _ => Err(Failure::refused("it is not WebAssembly".to_owned())),
    }
}
