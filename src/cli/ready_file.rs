//! The file that tells a test suite that the server answers, and how to reach it.

use std::path::Path;

use grantd::backup::check_target;
use grantd::store::is_in_use;
use grantd::{Config, Error, Result, files};
use serde_json::Value;

/// Larger files are no ready files: nothing of them is read.
const BYTES_MAX: u64 = 64 * 1024;

/// Removes what a server that was killed left behind, before anything can fail: nobody is to take it for this one's.
/// Whatever else stands there stays, until this server has something to say in its place.
pub(super) fn forget(path: &Path) -> Result<()> {
    if found(path).is_none_or(|content| is_running(&content)) {
        return Ok(());
    }
    std::fs::remove_file(path).map_err(|error| failed(path, &error))
}

/// Refuses a name under which the file would take the place of something that is not its to replace.
pub(super) fn check(config: &Config, path: &Path) -> Result<()> {
    check_target(config, path).map_err(|error| Error::Setup(format!("--ready-file: {error}")))
}

/// Writes `content` whole or not at all, readable by its owner alone.
pub(super) fn write(path: &Path, content: &Value) -> Result<()> {
    files::write_private(path, format!("{content}\n").as_bytes()).map_err(|error| failed(path, &error))
}

/// Removes the file that says what was `written` when the server stops: nobody is to wait for a server that is gone. One
/// that another server has written there since is that server's.
pub(super) fn remove(path: &Path, written: &Value) {
    if found(path).is_some_and(|content| content == *written)
        && let Err(error) = std::fs::remove_file(path)
    {
        tracing::warn!(%error, path = %path.display(), "the ready file stays behind");
    }
}

/// The ready file that stands there; `None` for nothing, and for whatever else it is.
fn found(path: &Path) -> Option<Value> {
    // Not through a link, and not from a pipe, which would be waited for.
    let meta = path.symlink_metadata().ok()?;
    if !meta.is_file() || meta.len() > BYTES_MAX {
        return None;
    }
    let content: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (content["pid"].is_u64() && content["token_endpoint"].is_string()).then_some(content)
}

/// Whether the server that wrote it may still be there: it is not to lose its ready file to one that finds its place taken.
fn is_running(content: &Value) -> bool {
    match content["database"].as_str() {
        // Its number may be another's since the machine or the container was started again; the lock goes with it.
        Some(database) => is_in_use(Path::new(database)),
        None => is_process(content),
    }
}

/// Whether there is a process of that number beside this one.
#[cfg(unix)]
fn is_process(content: &Value) -> bool {
    // In a container, this process may have the number of the one before it.
    if content["pid"] == std::process::id() {
        return false;
    }
    let pid = content["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    let pid = pid.and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn is_process(_: &Value) -> bool {
    false
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::Setup(format!("--ready-file {}: {error}", path.display()))
}
