//! What this process asks of the system for itself: that its memory stays its own, and room for its connections.

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

/// Raises the limit of open files as far as it may be raised: each connection is one, and systems begin with 1024.
#[cfg(unix)]
pub(super) fn make_room_for_connections() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// There is no such limit here.
#[cfg(not(unix))]
pub(super) fn make_room_for_connections() {}
