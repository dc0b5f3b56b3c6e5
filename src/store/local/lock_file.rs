//! The file beside a database that keeps a second server out, by being locked.
//!
//! It belongs to whom the database belongs to, whoever made it. Where no database came of it, it goes again.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::files;

/// How often the file is opened again because another took it away meanwhile, or has it: each takes another such moment.
const LOOKS_MAX: u32 = 50;
/// Between two of them when another has it. Who only asks whether it is in use has it for less, and so has a child of this
/// process, which has all of its files until it becomes another program.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The lock, held. It ends with the process, however that ends.
pub(crate) struct Lock {
    path: PathBuf,
    database: PathBuf,
    is_made: bool,
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.is_made && self.database.try_exists().is_ok_and(|is_there| !is_there) {
            // Still locked: whoever opened it meanwhile sees that it is gone, and looks again.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Takes the lock that keeps a second server out; `None` when there is nothing to lock, and `make` does not make it.
/// `file` is what `database` leads to.
///
/// # Errors
/// `Setup` when another has it, or the file is not to be had.
pub(crate) fn lock(file: &Path, database: &Path, make: bool) -> Result<Option<Lock>> {
    let path = files::beside(file, "-lock");
    for _ in 0..LOOKS_MAX {
        let opened = open(&path, make).map_err(|error| refusal(&path, file, &error))?;
        let Some((held, is_made)) = opened else { return Ok(None) };
        if is_made {
            give_to_owner_of(file, &held);
        }
        match held.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(LOOK_AGAIN);
                continue;
            }
            Err(TryLockError::Error(error)) => {
                return Err(Error::Setup(format!(
                    "{} cannot be locked: {error}; keep the database on a file system that has locks",
                    path.display()
                )));
            }
        }
        if is_at(&held, &path) {
            return Ok(Some(Lock { path, database: file.to_owned(), is_made, _file: held }));
        }
    }
    Err(Error::Setup(format!(
        "{} is in use by another grantd; stop it, or choose another file with --database",
        database.display()
    )))
}

/// Whether a server has the database open now. Makes and changes nothing.
#[must_use]
pub fn is_in_use(database: &Path) -> bool {
    let file = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let file = File::options().read(true).write(true).open(files::beside(&file, "-lock"));
    // Shared: several may ask at a time, and do not take each other for a server.
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// The file, and whether it was made here and now.
fn open(path: &Path, make: bool) -> std::io::Result<Option<(File, bool)>> {
    let mut options = File::options();
    options.read(true).write(true);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        opened => return Ok(Some((opened?, false))),
    }
    if !make {
        return Ok(None);
    }
    files::owner_only(&mut options);
    match options.create_new(true).open(path) {
        // Another made it at this moment.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Ok(Some((options.create_new(false).open(path)?, false)))
        }
        made => Ok(Some((made?, true))),
    }
}

/// What root makes would lock the server's own user out.
#[cfg(unix)]
fn give_to_owner_of(database: &Path, made: &File) {
    use std::os::unix::fs::MetadataExt;
    let (Ok(theirs), Ok(ours)) = (std::fs::metadata(database), made.metadata()) else { return };
    if (theirs.uid(), theirs.gid()) != (ours.uid(), ours.gid()) {
        // Others than root may not, and are told by `refusal` when it matters.
        let _ = std::os::unix::fs::fchown(made, Some(theirs.uid()), Some(theirs.gid()));
    }
}

#[cfg(not(unix))]
fn give_to_owner_of(_: &Path, _: &File) {}

/// Whether this is the file that has the name now: a lock on one that was taken away keeps nobody out.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(held), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    (held.dev(), held.ino()) == (there.dev(), there.ino())
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

fn refusal(path: &Path, database: &Path, error: &std::io::Error) -> Error {
    let name = path.display();
    Error::Setup(if path.symlink_metadata().is_ok() {
        format!("{name} is there and cannot be opened: {error}; {}", way_out(path, database))
    } else {
        format!("{name} cannot be made: {error}; check the directory of --database and its rights")
    })
}

fn way_out(path: &Path, database: &Path) -> String {
    let remove = "remove it while no grantd runs on that database";
    match owners(path, database) {
        Some((owner, user, group)) if owner != user => format!(
            "it belongs to user {owner}, and the database to user {user}: `chown {user}:{group} {}`, or {remove}",
            path.display()
        ),
        _ => remove.to_owned(),
    }
}

/// The user whose file this is, and the user and the group whose database it is for.
#[cfg(unix)]
fn owners(path: &Path, database: &Path) -> Option<(u32, u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let database = std::fs::metadata(database).ok()?;
    Some((path.symlink_metadata().ok()?.uid(), database.uid(), database.gid()))
}

#[cfg(not(unix))]
fn owners(_: &Path, _: &Path) -> Option<(u32, u32, u32)> {
    None
}
