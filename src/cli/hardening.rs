//! What keeps the secrets in this process's memory from other processes and from the disk.

use super::note;

/// Turns core dumps off, and with them the access of other processes of the same user (`ptrace`, `/proc/PID/mem`).
#[cfg(target_os = "linux")]
pub(super) fn hide_memory() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    for done in [setrlimit(Resource::Core, none), set_dumpable_behavior(DumpableBehavior::NotDumpable)] {
        if let Err(error) = done {
            note(&format!("grantd: core dumps cannot be turned off: {error}"));
        }
    }
}

/// Other systems write none unless they are told to.
#[cfg(not(target_os = "linux"))]
pub(super) fn hide_memory() {}
