//! The build script of every policy (`build = "…/link.rs"` in its `Cargo.toml`): how its component lays out memory.
//!
//! Every call gets a fresh instance, and what the call before has touched is restored first. So what a call touches
//! should lie close together, and be there from the start: asking for more costs two system calls.

/// The stack lies below the data, so that running out of it traps. The linker's own measure is a mebibyte.
const STACK_BYTES: u32 = 64 * 1024;
/// What can be allocated before memory has to grow. Less than 64 KiB is of no use: the allocator asks for that much.
const HEAP_BYTES: u32 = 64 * 1024;

pub(crate) fn main() {
    println!("cargo::rerun-if-env-changed=CARGO_CFG_TARGET_FAMILY");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size={STACK_BYTES}");
        println!("cargo::rustc-link-arg-cdylib=--initial-heap={HEAP_BYTES}");
    }
}
