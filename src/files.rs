//! What grantd does with files beyond reading and writing: names beside them, rights, and making them last.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

/// The file beside `path` whose name goes on with `suffix`: `grantd.db` and `-wal` make `grantd.db-wal`.
#[must_use]
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Files made with these options can be read and written by their owner alone.
#[cfg(unix)]
pub fn owner_only(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

/// Rights are the directory's business here.
#[cfg(not(unix))]
pub fn owner_only(_: &mut OpenOptions) {}

/// Makes the entry of a new file last: a file that was synced can still lose its name with the power.
///
/// # Errors
/// What the system says.
pub fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(directory)?.sync_all()
}
