//! The engine of the sandbox: what wasmtime is told of limits, memory and the pool that instances come from.

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::config::PoliciesConfig;
use crate::error::{Error, Result};

/// Guard pages behind every memory: bounds that are checked by the code need no gigabytes.
const GUARD_BYTES: u64 = 64 * 1024;
/// The first bytes of a slot that has been used are restored by hand instead of being given back: cheaper than a page fault
/// for each page. The components of the SDK lie within them.
const KEEP_RESIDENT_BYTES: usize = 256 * 1024;
/// Elements of one table.
pub(super) const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Starts an engine. Where the address space is too small for the pool, instances are made on demand.
pub(super) fn start(limits: &PoliciesConfig) -> Result<Engine> {
    let failed = |error: wasmtime::Error| Error::Setup(format!("the policy engine cannot start: {error:#}"));
    match Engine::new(&engine_config(limits, Some(pool(limits)))) {
        Ok(engine) => Ok(engine),
        Err(error) => {
            tracing::warn!(
                cause = format!("{error:#}"),
                "no room for the pool of policy instances: each is made on demand"
            );
            Engine::new(&engine_config(limits, None)).map_err(failed)
        }
    }
}

fn engine_config(limits: &PoliciesConfig, pool: Option<PoolingAllocationConfig>) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_kib as usize * 1024)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .memory_reservation(limits.memory_bytes() as u64)
        .memory_reservation_for_growth(0)
        .memory_guard_size(GUARD_BYTES);
    // The same answer on every machine. Only the compiler can be told.
    #[cfg(feature = "compiler")]
    config.cranelift_nan_canonicalization(true);
    if let Some(pool) = pool {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

fn pool(limits: &PoliciesConfig) -> PoolingAllocationConfig {
    let slots = u32::try_from(limits.slots()).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(limits.core_instances))
        .total_memories(slots.saturating_mul(limits.memories))
        .total_tables(slots.saturating_mul(limits.tables))
        .max_core_instances_per_component(limits.core_instances)
        .max_memories_per_component(limits.memories)
        .max_tables_per_component(limits.tables)
        .max_memories_per_module(limits.memories)
        .max_tables_per_module(limits.tables)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(limits.memory_bytes())
        // The kernel could say which pages were touched, but not of those that are swapped out: they would be left as they are.
        .pagemap_scan(Enabled::No)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES);
    pool
}
