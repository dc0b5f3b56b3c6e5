//! The file that tells a test suite that the server answers, and how to reach it.

use std::io::{ErrorKind, Write};
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
    write_private(path, format!("{content}\n").as_bytes()).map_err(|error| failed(path, &error))
}

/// Writes a file that its owner alone may read, whole or not at all: a half written one is never seen.
pub(super) fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let beside = files::beside(path, &format!(".{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    // Never through a file or a link that somebody else put there.
    options.write(true).create_new(true);
    files::owner_only(&mut options);
    let _ = std::fs::remove_file(&beside);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(content)?;
        std::fs::rename(&beside, path)
    });
    if written.is_err() {
        // What is left of a failed attempt is of no use; the error tells of the attempt itself.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// Removes the file when the server stops: nobody is to wait for a server that is gone.
pub(super) fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(%error, path = %path.display(), "the ready file stays behind");
    }
}
