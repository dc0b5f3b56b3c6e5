//! The file that tells a test suite that the server answers, and how to reach it.

use std::io::Write;
use std::path::Path;

use grantd::{Error, Result};
use serde_json::Value;

/// Writes `content` whole or not at all, readable by its owner alone.
pub(super) fn write(path: &Path, content: &Value) -> Result<()> {
    let failed = |error: std::io::Error| Error::Setup(format!("--ready-file {}: {error}", path.display()));
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = Path::new(&beside);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(beside).and_then(|mut file| {
        file.write_all(content.to_string().as_bytes())?;
        file.write_all(b"\n")?;
        std::fs::rename(beside, path)
    });
    if written.is_err() {
        // What is left of a failed attempt is of no use; the error tells of the attempt itself.
        let _ = std::fs::remove_file(beside);
    }
    written.map_err(failed)
}

/// Removes the file when the server stops: nobody is to wait for a server that is gone.
pub(super) fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(%error, path = %path.display(), "the ready file stays behind");
    }
}
