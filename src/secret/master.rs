//! The master key: 32 bytes that everything sealed or hashed in a database depends on.
//!
//! It is read from, in this order: the file named in the configuration, `GRANTD_MASTER_KEY`, systemd's
//! credential `grantd-master-key`, the file `<database>.key`. Its text form is 43 characters of base64url.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::files;

/// The environment variable that may hold the key's text.
pub const MASTER_KEY_VARIABLE: &str = "GRANTD_MASTER_KEY";
/// The name of the systemd credential (`LoadCredential=`) that may hold it.
const SYSTEMD_CREDENTIAL: &str = "grantd-master-key";
/// Longer files are not keys: nothing of them is read.
const KEY_FILE_BYTES_MAX: u64 = 1024;

/// The master key itself. Wiped when dropped.
#[derive(ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[master key]")
    }
}

/// Where a master key was found, or would be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file.
    File(PathBuf),
    /// The environment variable [`MASTER_KEY_VARIABLE`].
    Environment,
}

impl std::fmt::Display for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment => write!(f, "the environment variable {MASTER_KEY_VARIABLE}"),
        }
    }
}

impl MasterKey {
    /// From raw bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn parse(text: &str, source: &KeySource) -> Result<Self> {
        let decoded = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(text.trim()).unwrap_or_default());
        let bytes: [u8; 32] = decoded.as_slice().try_into().map_err(|_| {
            Error::Setup(format!(
                "{source} does not hold a master key: 43 characters of base64url (32 bytes) are expected"
            ))
        })?;
        Ok(Self(bytes))
    }
}

/// Where the key of the database at `database` comes from: see the head of this file.
#[must_use]
pub fn source(configured: Option<&Path>, database: &Path) -> KeySource {
    if let Some(path) = configured {
        return KeySource::File(path.to_owned());
    }
    if std::env::var_os(MASTER_KEY_VARIABLE).is_some() {
        return KeySource::Environment;
    }
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY").map(|dir| Path::new(&dir).join(SYSTEMD_CREDENTIAL));
    if let Some(path) = credential.filter(|path| path.exists()) {
        return KeySource::File(path);
    }
    KeySource::File(files::beside(database, ".key"))
}

/// Reads the key; `None` if its file does not exist.
///
/// # Errors
/// `Setup` when what is there cannot be read or is no key.
pub fn read(source: &KeySource) -> Result<Option<MasterKey>> {
    let text = match source {
        KeySource::Environment => Zeroizing::new(
            std::env::var(MASTER_KEY_VARIABLE).map_err(|error| Error::Setup(format!("{source}: {error}")))?,
        ),
        KeySource::File(path) => {
            let failed =
                |error: std::io::Error| Error::Setup(format!("the master key file {source} cannot be read: {error}"));
            match std::fs::metadata(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(failed(error)),
                Ok(meta) if meta.len() > KEY_FILE_BYTES_MAX => {
                    return Err(Error::Setup(format!("{source} is too large for a master key file")));
                }
                Ok(_) => Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?),
            }
        }
    };
    MasterKey::parse(&text, source).map(Some)
}

/// Makes a new key and writes it to `path` with mode 0600. An existing file is never touched.
///
/// # Errors
/// `Setup` when the file cannot be made.
pub fn create(path: &Path, clock: &Clock) -> Result<MasterKey> {
    let failed =
        |error: std::io::Error| Error::Setup(format!("the master key file {} cannot be made: {error}", path.display()));
    let mut key = MasterKey([0; 32]);
    clock.fill(&mut key.0);
    let text = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(key.0) + "\n");
    // Written beside and then named, so that a start which is cut short leaves no half key behind.
    let unnamed = files::beside(path, ".new");
    let _ = std::fs::remove_file(&unnamed);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    files::owner_only(&mut options);
    let written = options.open(&unnamed).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        name_file(&unnamed, path)?;
        files::sync_directory_of(path)
    });
    let _ = std::fs::remove_file(&unnamed);
    written.map_err(failed)?;
    Ok(key)
}

/// Gives a file its name, unless the name is taken.
fn name_file(unnamed: &Path, path: &Path) -> std::io::Result<()> {
    match std::fs::hard_link(unnamed, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists && !path.exists() => {
            // A file system without links.
            std::fs::rename(unnamed, path)
        }
        linked => linked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_is_read_back_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        let source = KeySource::File(path.clone());
        assert!(read(&source).unwrap().is_none());
        let made = create(&path, &Clock::system()).unwrap();
        assert_eq!(read(&source).unwrap().unwrap().0, made.0);
        assert!(create(&path, &Clock::system()).is_err());
        assert_eq!(read(&source).unwrap().unwrap().0, made.0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, "not a key").unwrap();
        let error = read(&source).unwrap_err().to_string();
        assert!(error.contains("43 characters of base64url"), "{error}");
    }
}
