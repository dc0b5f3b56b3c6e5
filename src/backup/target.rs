//! Where a file may be put: never in the place of the database, of what lies beside it or of its key, and never in the
//! place of what is no file.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::files;
use crate::secret::master::{self, KeySource};

/// How the names of a database's own files go on. Some come and go: their names are its own while they are away, too.
const OWN: [&str; 7] = ["", "-wal", "-shm", "-journal", "-lock", "-dev", ".key"];

/// Refuses a name that no file of another purpose may take: that of a file of the database of `config`, however it is
/// spelled, and that of a device, a pipe or a link, which would be gone.
///
/// # Errors
/// `Setup`: one line with the way out.
pub fn check_target(config: &Config, file: &Path) -> Result<()> {
    let refused = |why: &str| -> Result<()> { Err(Error::Setup(format!("{} {why}", file.display()))) };
    if file.as_os_str() == "-" {
        return refused("is not standard output here; say ./- for a file of that name");
    }
    if own_files(config).iter().any(|own| files::is_same(own, file)) {
        return refused("belongs to the database itself; choose another name");
    }
    match file.symlink_metadata().map(|meta| meta.file_type()) {
        Ok(kind) if kind.is_symlink() => refused("is a link; name the file itself that it leads to"),
        Ok(kind) if kind.is_dir() => refused("is a directory; name a file in it"),
        Ok(kind) if !kind.is_file() => refused("is a device, a pipe or a socket; choose another name"),
        // What cannot be looked at cannot be made either, which says more.
        _ => Ok(()),
    }
}

fn own_files(config: &Config) -> Vec<PathBuf> {
    // Beside a link to a database lies its key; beside what it leads to, its log and its lock.
    let named = std::iter::once(config.database.clone()).chain(config.database.canonicalize());
    let mut own: Vec<PathBuf> = named.flat_map(|path| OWN.map(|suffix| files::beside(&path, suffix))).collect();
    if let KeySource::File(path) = master::source(config.master_key_file.as_deref(), &config.database) {
        own.push(path);
    }
    own
}
