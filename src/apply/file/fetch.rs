//! What a document has its reader fetch: secrets (`env:NAME`, `file:PATH`), and policy modules by their paths.
//!
//! Nothing of a secret goes into a message.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Source;
use crate::apply::document::{FETCHED, GENERATE};
use crate::error::{Error, Result};
use crate::files;
use crate::model::digest::sha256_hex;
use crate::policy::trust::read_signature;

/// Longer files hold no secret: nothing of them is read.
const SECRET_BYTES_MAX: u64 = 4096;
/// What the name of a module's signature ends with, after all of the module's.
pub const SIGNATURE_END: &str = ".sig";
/// Largest policy module, as the admin API takes it.
const MODULE_BYTES_MAX: u64 = 24 * 1024 * 1024;

/// A policy module that a document names by its path.
#[derive(Clone, Debug)]
pub struct Module {
    /// Where it is.
    pub path: PathBuf,
    /// The SHA-256 of what it held when the document was read.
    pub digest: String,
    /// The signature that lies beside it, in a file of its name with `.sig`.
    pub signature: Option<Vec<u8>>,
}

impl Module {
    /// Its bytes.
    ///
    /// # Errors
    /// `Setup` when it cannot be read, or is another one by now.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let bytes = read(&self.path, MODULE_BYTES_MAX)
            .map_err(|error| Error::Setup(format!("{}: {error}", self.path.display())))?;
        if sha256_hex(&bytes) != self.digest {
            return Err(Error::Setup(format!("{} changed while it was read: try again", self.path.display())));
        }
        Ok(bytes)
    }
}

#[derive(Default)]
pub(super) struct Fetched {
    pub(super) modules: Vec<Module>,
    pub(super) warnings: Vec<String>,
}

/// Puts what was fetched in the place of where it is to be had.
pub(super) fn fetch(source: &Source, sections: &mut Map<String, Value>) -> Result<Fetched> {
    let mut fetched = Fetched::default();
    let mut in_clear = None;
    for (index, client) in items(sections, "clients").enumerate() {
        let path = format!("/clients/{index}");
        if let Some(secret) = client.get_mut("secret") {
            fetch_secret(source, secret, &format!("{path}/secret"), &mut in_clear)?;
        }
        let several = client.get_mut("secrets").and_then(Value::as_array_mut);
        for (number, secret) in several.into_iter().flatten().enumerate() {
            fetch_secret(source, secret, &format!("{path}/secrets/{number}"), &mut in_clear)?;
        }
    }
    if let Some(path) = in_clear.filter(|_| source.is_open) {
        let message = format!(
            "warning: a secret in clear, in a file that everyone on this machine may read: chmod 600 {}, or write \
             env:NAME or file:PATH",
            source.name
        );
        fetched.warnings.push(source.at(&path, &message));
    }
    for (index, policy) in items(sections, "policies").enumerate() {
        if let Some(module) = policy.get_mut("module") {
            let found = fetch_module(source, module, &format!("/policies/{index}/module"))?;
            fetched.modules.extend(found);
        }
    }
    Ok(fetched)
}

fn items<'a>(sections: &'a mut Map<String, Value>, name: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let all = sections.get_mut(name).and_then(Value::as_array_mut);
    all.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Notes in `in_clear` where the first secret stands that is written out.
fn fetch_secret(source: &Source, written: &mut Value, pointer: &str, in_clear: &mut Option<String>) -> Result<()> {
    let (text, pointer) = match written {
        Value::Object(members) => match members.get_mut("value") {
            Some(value) => (value, format!("{pointer}/value")),
            None => return Ok(()),
        },
        other => (other, pointer.to_owned()),
    };
    // What is no text is for the document's reader to refuse.
    let Some(found) = text.as_str() else { return Ok(()) };
    let refused = |message: String| Error::Setup(source.at(&pointer, &message));
    let [from_variable, from_file] = FETCHED;
    let secret = if let Some(name) = found.strip_prefix(from_variable) {
        std::env::var(name).map_err(|_| refused(format!("there is no variable {name} with text in the environment")))?
    } else if let Some(file) = found.strip_prefix(from_file) {
        let path = source.directory.join(file);
        let bytes = read(&path, SECRET_BYTES_MAX).map_err(|error| refused(format!("{}: {error}", path.display())))?;
        let text = String::from_utf8(bytes).map_err(|_| refused(format!("{} is not text", path.display())))?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        if found != GENERATE && !found.is_empty() {
            in_clear.get_or_insert(pointer);
        }
        return Ok(());
    };
    if secret == GENERATE || secret.is_empty() || FETCHED.iter().any(|prefix| secret.starts_with(prefix)) {
        return Err(refused("what it leads to is no secret".to_owned()));
    }
    *text = secret.into();
    Ok(())
}

/// A path is taken for one by its slash or its end; anything else names a module that the server has.
fn fetch_module(source: &Source, written: &mut Value, pointer: &str) -> Result<Option<Module>> {
    let Some(text) = written.as_str() else { return Ok(None) };
    let is_path = text.contains(['/', '\\']) || Path::new(text).extension().is_some_and(|end| end == "wasm");
    if !is_path {
        return Ok(None);
    }
    let path = source.directory.join(text);
    let refused = |error: std::io::Error| Error::Setup(source.at(pointer, &format!("{}: {error}", path.display())));
    let digest = sha256_hex(&read(&path, MODULE_BYTES_MAX).map_err(refused)?);
    *written = digest.as_str().into();
    let signature = signature_beside(&path).map_err(|what| Error::Setup(source.at(pointer, &what)))?;
    Ok(Some(Module { path, digest, signature }))
}

/// The signature of a module: what lies beside it under its name with `.sig`, if anything does.
///
/// # Errors
/// What is wrong with it.
pub fn signature_beside(module: &Path) -> std::result::Result<Option<Vec<u8>>, String> {
    let path = files::beside(module, SIGNATURE_END);
    match read(&path, SECRET_BYTES_MAX) {
        Ok(written) => read_signature(&written).map(Some).map_err(|what| format!("{}: {what}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn read(path: &Path, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(std::io::Error::other(format!("larger than {bytes_max} bytes")));
    }
    Ok(bytes)
}
