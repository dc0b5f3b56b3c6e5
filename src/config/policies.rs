//! `[policies]`: the bounds of the sandbox.

use serde::{Deserialize, Serialize};

use crate::policy::trust::Trust;

/// The policy sandbox: every bound is always on, and none may be 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoliciesConfig {
    /// Units of fuel that one call may burn: about one for each instruction.
    pub fuel: u64,
    /// Milliseconds that one call may take, whatever it burns.
    pub deadline_ms: u64,
    /// Memory of one instance, all its memories together; 256 at most.
    pub memory_mib: u32,
    /// Stack of one call.
    pub stack_kib: u32,
    /// Size of a module; 24576 at most, which a policy in Python needs most of.
    pub module_kib: u32,
    /// What one answer may carry out of the sandbox.
    pub boundary_kib: u32,
    /// Core instances of one component.
    pub core_instances: u32,
    /// Memories of one component.
    pub memories: u32,
    /// Tables of one component.
    pub tables: u32,
    /// Evaluations that run at a time; as many as there are cores, and 2 at least, when it is not set.
    pub concurrent: Option<usize>,
    /// Milliseconds that a request waits for its turn to evaluate.
    pub wait_ms: u64,
    /// Whether answers are reused. Without it every policy is asked for every token: for measuring.
    pub reuse: bool,
    /// Memory for answers that may be reused: half for those of single policies, half for those of all policies of a request.
    pub answers_kib: u32,
    /// Modules that are kept loaded.
    pub modules_loaded: usize,
    /// Ed25519 public keys in base64: with one or more, only modules are run that one of them has signed.
    pub trusted_keys: Vec<String>,
}

impl Default for PoliciesConfig {
    fn default() -> Self {
        Self {
            fuel: 20_000_000,
            deadline_ms: 250,
            memory_mib: 16,
            stack_kib: 512,
            module_kib: 4096,
            boundary_kib: 256,
            core_instances: 64,
            memories: 8,
            tables: 64,
            concurrent: None,
            wait_ms: 100,
            reuse: true,
            answers_kib: 16384,
            modules_loaded: 256,
            trusted_keys: Vec::new(),
        }
    }
}

impl PoliciesConfig {
    /// The memory of one instance.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.memory_mib as usize * 1024 * 1024
    }

    /// Evaluations that run at a time.
    #[must_use]
    pub fn turns(&self) -> usize {
        self.concurrent.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from).max(2))
    }

    /// Instances that there is room for: a slot that is taken fails instead of queueing, so there are some for the brief
    /// calls on requests' own threads, and some to spare.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.turns().saturating_mul(3)
    }

    /// The first bound that does not fit, in words.
    pub(super) fn misfit(&self) -> Option<String> {
        const MEMORY_MIB_MAX: u32 = 256;
        const MODULE_KIB_MAX: u32 = 24 * 1024;
        const CONCURRENT_MAX: usize = 256;
        let zero = [
            ("fuel", self.fuel == 0),
            ("deadline_ms", self.deadline_ms == 0),
            ("memory_mib", self.memory_mib == 0),
            ("stack_kib", self.stack_kib == 0),
            ("module_kib", self.module_kib == 0),
            ("boundary_kib", self.boundary_kib == 0),
            ("core_instances", self.core_instances == 0),
            ("memories", self.memories == 0),
            ("tables", self.tables == 0),
            ("concurrent", self.concurrent == Some(0)),
            ("wait_ms", self.wait_ms == 0),
            ("answers_kib", self.answers_kib == 0),
            ("modules_loaded", self.modules_loaded == 0),
        ];
        let zero =
            zero.iter().find(|(_, is_zero)| *is_zero).map(|(key, _)| format!("policies.{key} must be at least 1"));
        let over =
            |key: &str, is_over: bool, most: usize| is_over.then(|| format!("policies.{key} must be at most {most}"));
        let untrusted = || Trust::parse(&self.trusted_keys).err().map(|why| format!("policies.trusted_keys: {why}"));
        zero.or_else(untrusted)
            .or_else(|| over("memory_mib", self.memory_mib > MEMORY_MIB_MAX, MEMORY_MIB_MAX as usize))
            .or_else(|| over("module_kib", self.module_kib > MODULE_KIB_MAX, MODULE_KIB_MAX as usize))
            .or_else(|| over("stack_kib", self.stack_kib > 1024, 1024))
            .or_else(|| over("concurrent", self.turns() > CONCURRENT_MAX, CONCURRENT_MAX))
    }
}
