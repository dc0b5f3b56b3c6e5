//! `grantd policy sign`: a detached signature beside a module, for servers that run signed modules alone.

use std::fs;
use std::path::PathBuf;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use grantd::apply::file::SIGNATURE_END;
use grantd::files;

use super::module::read_file;
use crate::cli::{Failure, Outcome, note, say};

/// Largest file that is read as a key.
const KEY_BYTES_MAX: u64 = 16 * 1024;

#[derive(Args)]
pub(super) struct SignArgs {
    /// Components: .wasm files; the signature of each goes into FILE.sig
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The private key: an Ed25519 key in PKCS#8, as `openssl genpkey -algorithm ed25519` writes it
    #[arg(long, value_name = "PEM")]
    key: PathBuf,
}

impl SignArgs {
    pub(super) fn run(&self) -> Outcome {
        let unfit = |what: &str| Failure::failed(format!("{}: {what}", self.key.display()));
        let size = fs::metadata(&self.key).map_err(|error| unfit(&error.to_string()))?.len();
        if size > KEY_BYTES_MAX {
            return Err(unfit("this is no key"));
        }
        let pem = fs::read_to_string(&self.key).map_err(|error| unfit(&error.to_string()))?;
        let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        let is_private = pem.contains("-----BEGIN PRIVATE KEY-----");
        let key = BASE64_STANDARD.decode(lines).ok().filter(|_| is_private);
        let key = key.and_then(|key| Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key).ok());
        let key = key.ok_or_else(|| {
            unfit("this is no Ed25519 key in PKCS#8: `openssl genpkey -algorithm ed25519 -out KEY.pem` makes one")
        })?;
        for file in &self.files {
            let signature = key.sign(&read_file(file)?);
            let path = files::beside(file, SIGNATURE_END);
            fs::write(&path, signature.as_ref())
                .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
            note(&format!("{} is signed: {}", file.display(), path.display()));
        }
        say(&format!("trusted_keys = [{:?}]", BASE64_STANDARD.encode(key.public_key().as_ref())))?;
        Ok(())
    }
}
