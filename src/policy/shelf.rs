//! The author's shelf: compiled modules in a directory that belongs to the user alone, so that the author's tools start at
//! once.
//!
//! A compiled form is machine code. One is loaded only under a seal by a key of this user's, and only out of a directory
//! and files that nobody else can write to; all else is as if it were not there. Nothing here makes a command fail: what
//! is missing is compiled, and what cannot be kept is compiled again. The server has its own place, its database.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::clock::{Clock, Timestamp};
use crate::files;
use crate::model::digest::sha256_hex;
use crate::secret::{Hash, LocalKey, hashes_equal};

/// Compiled modules that are kept; the ones used longest ago go first.
const KEPT_MAX: usize = 64;
/// What they may take together: some three of the largest, which are in Python.
const KEPT_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// How old what another process did not finish writing must be before it is taken for left behind.
const UNFINISHED_FOR_SECONDS: i64 = 3600;
/// The file of the key.
const KEY: &str = "key";
/// Bytes of the key.
const KEY_BYTES: usize = 32;
/// How the name of a compiled module ends.
const COMPILED: &str = ".compiled";

/// Where compiled modules are kept.
pub struct Shelf {
    directory: PathBuf,
    key: LocalKey,
    clock: Clock,
}

impl Shelf {
    /// Uses a directory, which is made if it is not there, with a key of its own.
    ///
    /// # Errors
    /// Why nothing is kept there.
    pub fn open(directory: &Path, clock: &Clock) -> Result<Self, String> {
        let unfit = |what: String| format!("{}: {what}", directory.display());
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(directory).map_err(|error| unfit(error.to_string()))?;
        // Not where a link leads: what stands behind it may be another's tomorrow.
        let meta = fs::symlink_metadata(directory).map_err(|error| unfit(error.to_string()))?;
        if !meta.is_dir() || !is_own(&meta) {
            return Err(unfit("it is not a directory that this user alone can write to".to_owned()));
        }
        let key = key(&directory.join(KEY), clock).map_err(unfit)?;
        Ok(Self { directory: directory.to_owned(), key, clock: clock.clone() })
    }

    /// The compiled form of a module for an engine, if it is here and nobody touched it.
    pub(super) fn take(&self, engine: &str, digest: &str) -> Option<Vec<u8>> {
        let path = self.path(engine, digest);
        let bytes = match read_own(&path, KEPT_BYTES_MAX) {
            Ok(bytes) => bytes?,
            Err(what) => {
                tracing::warn!(path = %path.display(), "a compiled module is not used, and made anew: {what}");
                return None;
            }
        };
        let parts = bytes.split_at_checked(size_of::<Hash>());
        let Some((_, code)) = parts.filter(|(seal, code)| hashes_equal(seal, &self.seal(engine, digest, code))) else {
            tracing::warn!(path = %path.display(), "a compiled module was changed: it is not used, and made anew");
            return None;
        };
        tracing::debug!(digest, path = %path.display(), "a module is not compiled again");
        // It counts as used now; where that cannot be noted, it goes the sooner.
        let _ = File::open(&path).and_then(|file| file.set_modified(self.clock.now().for_file()));
        Some(code.to_vec())
    }

    /// Keeps a compiled form, and makes room for it.
    pub(super) fn put(&self, engine: &str, digest: &str, code: &[u8]) {
        let path = self.path(engine, digest);
        let sealed = [&self.seal(engine, digest, code)[..], code].concat();
        if sealed.len() as u64 > KEPT_BYTES_MAX {
            return;
        }
        match files::write_private(&path, &sealed) {
            Ok(()) => tracing::debug!(digest, path = %path.display(), "a module was compiled, and is kept so"),
            Err(error) => tracing::debug!(path = %path.display(), "a compiled module cannot be kept: {error}"),
        }
        if let Err(error) = self.make_room() {
            tracing::debug!(path = %self.directory.display(), "old compiled modules cannot be removed: {error}");
        }
    }

    fn make_room(&self) -> std::io::Result<()> {
        let mut kept: Vec<(Timestamp, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let (name, meta) = (entry.file_name(), entry.metadata()?);
            let (name, used) = (name.to_string_lossy(), Timestamp::of_file(meta.modified()?));
            if name.ends_with(COMPILED) {
                kept.push((used, meta.len(), entry.path()));
            } else if name.ends_with(files::UNFINISHED) && used.plus_seconds(UNFINISHED_FOR_SECONDS) < self.clock.now()
            {
                fs::remove_file(entry.path())?;
            }
        }
        kept.sort_by(|one, other| other.cmp(one));
        let mut bytes = 0;
        for (index, (_, size, path)) in kept.iter().enumerate() {
            bytes += size;
            if index >= KEPT_MAX || bytes > KEPT_BYTES_MAX {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn path(&self, engine: &str, digest: &str) -> PathBuf {
        self.directory.join(sha256_hex(format!("{engine}\n{digest}").as_bytes()) + COMPILED)
    }

    fn seal(&self, engine: &str, digest: &str, code: &[u8]) -> Hash {
        self.key.mac(&[engine.as_bytes(), digest.as_bytes(), code])
    }
}

/// The key in a file; a new one where there is none that this user alone knows.
fn key(path: &Path, clock: &Clock) -> Result<LocalKey, String> {
    let known = |path: &Path| -> Option<[u8; KEY_BYTES]> {
        let bytes = read_own(path, KEY_BYTES as u64).ok()??;
        <[u8; KEY_BYTES]>::try_from(bytes).ok().filter(|_| is_secret(path))
    };
    if let Some(bytes) = known(path) {
        return Ok(LocalKey::new(&bytes));
    }
    let mut bytes = [0; KEY_BYTES];
    clock.fill(&mut bytes);
    files::write_private(path, &bytes).map_err(|error| format!("its key cannot be written: {error}"))?;
    // Of two processes that begin at a time, the later one's key stands.
    let bytes = known(path).ok_or("its key cannot be read again")?;
    Ok(LocalKey::new(&bytes))
}

/// A file that nobody else can have written; `None` where there is none.
fn read_own(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, String> {
    let told = |error: std::io::Error| error.to_string();
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(told)?,
    };
    // Of what was opened, not of what bears the name by now.
    let meta = file.metadata().map_err(told)?;
    if !meta.is_file() || !is_own(&meta) {
        return Err("it is not a file that this user alone can write to".to_owned());
    }
    if meta.len() > bytes_max {
        return Err(format!("it has {} bytes, and may have {bytes_max}", meta.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or_default());
    file.take(bytes_max).read_to_end(&mut bytes).map_err(told)?;
    Ok(Some(bytes))
}

#[cfg(unix)]
fn is_own(meta: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0
}

#[cfg(unix)]
fn is_secret(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o077 == 0)
}

/// Rights are the directory's business here, which lies in the user's own profile.
#[cfg(not(unix))]
fn is_own(_: &Metadata) -> bool {
    true
}

#[cfg(not(unix))]
fn is_secret(_: &Path) -> bool {
    true
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn clock() -> Clock {
        Clock::manual(Timestamp::from_ms(1_000_000), 1)
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn only_compiled(directory: &Path) -> PathBuf {
        let mut found = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        found.find(|path| path.to_string_lossy().ends_with(COMPILED)).unwrap()
    }

    #[test]
    fn what_was_kept_comes_back_for_the_same_engine_and_module_alone() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/b");
        let shelf = Shelf::open(&directory, &clock()).unwrap();
        assert_eq!(shelf.take("one", "d"), None);
        shelf.put("one", "d", b"code");
        assert_eq!(shelf.take("one", "d").as_deref(), Some(&b"code"[..]));
        assert_eq!((shelf.take("two", "d"), shelf.take("one", "e")), (None, None));
        // One name in the place of another is found out too.
        fs::copy(only_compiled(&directory), shelf.path("one", "e")).unwrap();
        assert_eq!(shelf.take("one", "e"), None);
        let again = Shelf::open(&directory, &Clock::manual(Timestamp::from_ms(0), 2)).unwrap();
        assert_eq!(again.take("one", "d").as_deref(), Some(&b"code"[..]));
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&directory.join(KEY))), (0o700, 0o600));
        assert_eq!(mode(&shelf.path("one", "d")), 0o600);
    }

    #[test]
    fn what_was_touched_is_not_taken() {
        let home = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(home.path(), &clock()).unwrap();
        shelf.put("one", "d", b"code");
        let path = only_compiled(home.path());
        let kept = fs::read(&path).unwrap();
        for bit in 0..8 * kept.len() {
            let mut other = kept.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, other).unwrap();
            assert_eq!(shelf.take("one", "d"), None, "bit {bit}");
        }
        for length in 0..kept.len() {
            fs::write(&path, &kept[..length]).unwrap();
            assert_eq!(shelf.take("one", "d"), None, "{length}");
        }
        fs::write(&path, &kept).unwrap();
        assert!(shelf.take("one", "d").is_some());
        chmod(&path, 0o622);
        assert_eq!(shelf.take("one", "d"), None);
        // Under another key nothing holds that was sealed under the first.
        chmod(&path, 0o600);
        fs::write(home.path().join(KEY), [7; KEY_BYTES]).unwrap();
        assert_eq!(Shelf::open(home.path(), &clock()).unwrap().take("one", "d"), None);
    }

    #[test]
    fn a_key_that_others_may_know_is_made_anew() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(KEY);
        let open = |seed| Shelf::open(home.path(), &Clock::manual(Timestamp::from_ms(0), seed)).map(|_| ());
        open(1).unwrap();
        let first = fs::read(&path).unwrap();
        open(2).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
        for (seed, mode) in [(3, 0o644), (4, 0o640), (5, 0o602)] {
            let before = fs::read(&path).unwrap();
            chmod(&path, mode);
            open(seed).unwrap();
            assert_ne!(fs::read(&path).unwrap(), before, "{mode:o}");
        }
        fs::write(&path, [7; KEY_BYTES - 1]).unwrap();
        open(6).unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), KEY_BYTES);
    }

    #[test]
    fn a_place_that_others_can_write_to_is_none() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("open");
        Shelf::open(&directory, &clock()).unwrap();
        for mode in [0o777, 0o770, 0o702] {
            chmod(&directory, mode);
            assert!(Shelf::open(&directory, &clock()).is_err(), "{mode:o}");
        }
        chmod(&directory, 0o755);
        assert!(Shelf::open(&directory, &clock()).is_ok());
        symlink(&directory, home.path().join("link")).unwrap();
        assert!(Shelf::open(&home.path().join("link"), &clock()).is_err());
        fs::write(home.path().join("file"), "").unwrap();
        assert!(Shelf::open(&home.path().join("file"), &clock()).is_err());
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let home = tempfile::tempdir().unwrap();
        let clock = clock();
        let shelf = Shelf::open(home.path(), &clock).unwrap();
        let touch = |path: &Path, second: i64| {
            let time = Timestamp::from_ms(second * 1000).for_file();
            File::open(path).unwrap().set_modified(time).unwrap();
        };
        for index in 0..KEPT_MAX {
            shelf.put("one", &index.to_string(), b"code");
            touch(&shelf.path("one", &index.to_string()), i64::try_from(index).unwrap());
        }
        let (old, new) = (home.path().join("old.part"), home.path().join("new.part"));
        for (path, second) in [(&old, 1), (&new, 10_000)] {
            fs::write(path, "").unwrap();
            touch(path, second);
        }
        clock.set(Timestamp::from_ms(10_000_000));
        assert!(shelf.take("one", "0").is_some());
        shelf.put("one", "more", b"code");
        let kept: Vec<bool> = ["0", "1", "2", "more"].map(|name| shelf.path("one", name).exists()).to_vec();
        assert_eq!(kept, [true, false, true, true]);
        assert_eq!((old.exists(), new.exists()), (false, true));
    }
}
