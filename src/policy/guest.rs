//! A running guest, as its store knows it: what it has taken of memory, tables and instances, and the bounds of them.

use wasmtime::ResourceLimiter;

use super::engine::TABLE_ELEMENTS_MAX;
use super::wasi::Printed;
use crate::config::PoliciesConfig;

/// What the store keeps for a running guest: the bounds of its resources.
pub(super) struct Guest {
    /// Of all its memories.
    pub(super) memory_bytes: usize,
    limits: PoliciesConfig,
    /// Empty on a server, where a guest has nothing to print with.
    pub(super) printed: Printed,
}

impl Guest {
    pub(super) fn new(limits: &PoliciesConfig) -> Self {
        Self { memory_bytes: 0, limits: limits.clone(), printed: Printed::default() }
    }
}

/// A component's memories together count, so that eight of them are not eight times the limit.
impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // The engine asks before it holds a memory to its own maximum: what that forbids is never taken.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let all = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if all > self.limits.memory_bytes() {
            return Err(OverMemory.into());
        }
        self.memory_bytes = all;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    fn instances(&self) -> usize {
        self.limits.core_instances as usize
    }

    fn tables(&self) -> usize {
        self.limits.tables as usize
    }

    fn memories(&self) -> usize {
        self.limits.memories as usize
    }
}

/// A guest asked for more memory than it may have.
#[derive(Debug, thiserror::Error)]
#[error("more memory than it may have")]
pub(super) struct OverMemory;
