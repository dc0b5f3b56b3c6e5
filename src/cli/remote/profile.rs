//! Profiles: servers with their API tokens, in one file that its owner alone may read.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use grantd::Error;
use grantd::secret::Secret;
use serde::Deserialize;

use crate::cli::{Failure, Outcome};

/// The profile that is used when there is one and no other is named.
pub(in crate::cli) const DEFAULT: &str = "default";
/// Longer files are not profiles: nothing of them is read.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// A server and how to be let in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Profile {
    /// Its URL.
    pub(in crate::cli) server: String,
    #[serde(deserialize_with = "secret")]
    pub(in crate::cli) token: Secret,
    /// Certificates to trust instead of the public ones.
    pub(in crate::cli) ca_file: Option<PathBuf>,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// `grantd/profiles.toml` in the directory for configuration of the XDG base directory specification.
///
/// # Errors
/// When no variable says where that is.
pub(in crate::cli) fn path() -> Outcome<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").map(|home| home.join(".config"));
    let directory = absolute("XDG_CONFIG_HOME").or_else(home).or_else(|| absolute("APPDATA"));
    let missing = || Failure::failed("there is no place for profiles: HOME and XDG_CONFIG_HOME are not set");
    Ok(directory.ok_or_else(missing)?.join("grantd").join("profiles.toml"))
}

/// The profile of that name; `None` when there is no such file, or it has no such profile.
///
/// # Errors
/// When others may read the file, or it is not as it should be.
pub(in crate::cli) fn read(path: &Path, name: &str) -> Outcome<Option<Profile>> {
    let Some(table) = table(path)? else { return Ok(None) };
    let Some(value) = table.get(name) else { return Ok(None) };
    // The value holds a token: an error tells of its form, never of its content.
    let profile = value.clone().try_into::<Profile>();
    profile
        .map(Some)
        .map_err(|error| Failure::failed(format!("{}: profile {name}: {}", path.display(), error.message())))
}

/// The names in the file.
///
/// # Errors
/// As [`read`].
pub(in crate::cli) fn names(path: &Path) -> Outcome<Vec<String>> {
    Ok(table(path)?.map(|table| table.keys().cloned().collect()).unwrap_or_default())
}

/// Adds or replaces one profile and keeps the others, with mode 0600, whole or not at all.
///
/// # Errors
/// When the file cannot be written, or what is there is not as it should be.
pub(in crate::cli) fn write(path: &Path, name: &str, profile: &Profile) -> Outcome {
    let mut all = table(path)?.unwrap_or_default();
    let mut entry = toml::Table::new();
    entry.insert("server".to_owned(), profile.server.clone().into());
    entry.insert("token".to_owned(), profile.token.expose().into());
    if let Some(file) = &profile.ca_file {
        entry.insert("ca_file".to_owned(), file.to_string_lossy().into_owned().into());
    }
    all.insert(name.to_owned(), entry.into());
    let failed = |error: std::io::Error| Failure::failed(format!("{} cannot be written: {error}", path.display()));
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    let text = toml::to_string(&all).map_err(|error| Error::Internal(error.to_string()))?;
    grantd::files::write_private(path, text.as_bytes()).map_err(failed)
}

fn table(path: &Path) -> Outcome<Option<toml::Table>> {
    let failed = |error: std::io::Error| Failure::failed(format!("{} cannot be read: {error}", path.display()));
    let meta = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    check_rights(path, &meta)?;
    if meta.len() > FILE_BYTES_MAX {
        return Err(Failure::failed(format!("{} is too large for a file of profiles", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    text.parse().map(Some).map_err(|error: toml::de::Error| {
        Failure::failed(format!("{} is not TOML: {}", path.display(), error.message()))
    })
}

#[cfg(unix)]
fn check_rights(path: &Path, meta: &std::fs::Metadata) -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{} holds API tokens and others may read it (mode {mode:o}): chmod 600 {}",
        path.display(),
        path.display()
    )))
}

#[cfg(not(unix))]
fn check_rights(_: &Path, _: &std::fs::Metadata) -> Outcome {
    Ok(())
}
