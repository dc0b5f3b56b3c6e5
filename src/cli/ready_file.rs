//! The file that tells a test suite that the server answers, and how to reach it.

use std::io::ErrorKind;
use std::path::Path;

use grantd::{Error, Result, files};
use serde_json::Value;

/// Removes what a server that was killed left behind: nobody is to take it for this one's.
pub(super) fn forget(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(path, &error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::Setup(format!("--ready-file {}: {error}", path.display()))
}

/// Writes `content` whole or not at all, readable by its owner alone.
pub(super) fn write(path: &Path, content: &Value) -> Result<()> {
    files::write_private(path, format!("{content}\n").as_bytes()).map_err(|error| failed(path, &error))
}

/// Removes the file when the server stops: nobody is to wait for a server that is gone.
pub(super) fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(%error, path = %path.display(), "the ready file stays behind");
    }
}
