//! What grantd does with files beyond reading and writing: names beside them, which names are one file's, rights, and
//! making them last.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Files that this process wrote beside others: two at a time never meet.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// How the name of a file ends that is not yet written whole.
pub const UNFINISHED: &str = ".part";

/// The file beside `path` whose name goes on with `suffix`: `grantd.db` and `-wal` make `grantd.db-wal`.
#[must_use]
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether two paths lead to one file: by whatever links, and also while nothing stands there.
#[must_use]
pub fn is_same(one: &Path, other: &Path) -> bool {
    place(one).is_some_and(|found| place(other) == Some(found)) || is_one_inode(one, other)
}

/// Where a path leads. Where nothing stands yet, its directory says so.
fn place(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| Some(directory_of(path).canonicalize().ok()?.join(path.file_name()?)))
}

/// Hard links are one file under several names, none of which leads to another.
#[cfg(unix)]
fn is_one_inode(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = |path: &Path| std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    inode(one).is_some_and(|found| inode(other) == Some(found))
}

#[cfg(not(unix))]
fn is_one_inode(_: &Path, _: &Path) -> bool {
    false
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
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
    std::fs::File::open(directory_of(path))?.sync_all()
}

/// Writes a file that its owner alone may read, whole or not at all: a half written one is never seen, also after a loss of
/// power. Done means on the disk.
///
/// # Errors
/// What the system says.
pub fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let count = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let beside = beside(path, &format!(".{}-{count}{UNFINISHED}", std::process::id()));
    let mut options = OpenOptions::new();
    // Never through a file or a link that somebody else put there.
    options.write(true).create_new(true);
    owner_only(&mut options);
    let _ = std::fs::remove_file(&beside);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        sync_directory_of(path)
    });
    if written.is_err() {
        // What is left of a failed attempt is of no use; the error tells of the attempt itself.
        let _ = std::fs::remove_file(&beside);
    }
    written
}
