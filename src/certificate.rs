//! The server's TLS certificate and its private key, out of two PEM files: whether they belong together, and when the
//! certificate holds. It opens no socket, and trusts nobody: whether a chain leads to an authority is the client's business.

mod validity;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::config::TlsFiles;
use crate::error::{Error, Result};

/// A chain has a few kilobytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A certificate, its chain and its key, that belong together.
pub(crate) struct Certificate {
    pub(crate) certified: Arc<CertifiedKey>,
    /// From when it holds.
    pub(crate) begins: Timestamp,
    /// Until when it holds.
    pub(crate) ends: Timestamp,
}

/// What both files hold, unread.
pub(crate) struct Files {
    chain: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

/// The library that also signs tokens.
pub(crate) fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

impl Files {
    /// Reads both.
    ///
    /// # Errors
    /// `Setup`, naming the file.
    pub(crate) fn read(files: &TlsFiles) -> Result<Self> {
        let chain = read("tls.cert", &files.cert)?.to_vec();
        Ok(Self { chain, key: read("tls.key", &files.key)? })
    }

    /// Differs whenever the files do, and tells nothing of them.
    pub(crate) fn digest(&self) -> digest::Digest {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.chain.len().to_be_bytes());
        context.update(&self.chain);
        context.update(&self.key);
        context.finish()
    }

    /// Makes a certificate of them. Whether it holds now is for the caller.
    ///
    /// # Errors
    /// `Setup`: which of `files` is not what it should be, and what it should be.
    pub(crate) fn certificate(&self, files: &TlsFiles) -> Result<Certificate> {
        let unfit =
            |setting: &str, path: &Path, what: String| Error::Setup(format!("{setting} {}: {what}", path.display()));
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&self.chain)
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| unfit("tls.cert", &files.cert, defect(&error).to_owned()))?;
        let Some(first) = chain.first() else {
            let what = "there is no certificate in it (PEM, the server's first, then those that lead to its authority)";
            return Err(unfit("tls.cert", &files.cert, what.to_owned()));
        };
        let (begins, ends) = validity::of(first)
            .ok_or_else(|| unfit("tls.cert", &files.cert, "its first certificate is no X.509".to_owned()))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| {
            let what = match error {
                pem::Error::NoItemsFound => "there is no private key in it (PEM, without a passphrase)",
                error => defect(&error),
            };
            unfit("tls.key", &files.key, what.to_owned())
        })?;
        let certified = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Error::Setup(format!(
                "tls.key {} is not the key of the first certificate in tls.cert {}",
                files.key.display(),
                files.cert.display()
            )),
            error @ rustls::Error::InvalidCertificate(_) => {
                unfit("tls.cert", &files.cert, format!("it cannot be used: {error}"))
            }
            error => unfit("tls.key", &files.key, format!("it cannot be used: {error}")),
        })?;
        Ok(Certificate { certified: Arc::new(certified), begins, ends })
    }
}

impl Certificate {
    /// Refuses what no client would take.
    ///
    /// # Errors
    /// `Setup`, when it does not hold at `now`.
    pub(crate) fn check_time(&self, files: &TlsFiles, now: Timestamp) -> Result<()> {
        self.check_end(files, now)?;
        if now < self.begins {
            let path = files.cert.display();
            return Err(Error::Setup(format!("tls.cert {path} begins at {}: set this machine's clock", self.begins)));
        }
        Ok(())
    }

    /// Refuses what has ended, and leaves what begins later to the caller.
    ///
    /// # Errors
    /// `Setup`, when it ended before `now`.
    pub(crate) fn check_end(&self, files: &TlsFiles, now: Timestamp) -> Result<()> {
        if self.ends < now {
            let path = files.cert.display();
            return Err(Error::Setup(format!("tls.cert {path} ended at {}: renew it", self.ends)));
        }
        Ok(())
    }
}

/// What is wrong with a PEM file (RFC 7468). In words of our own: the library's quote the bad line or the label, and
/// where line breaks were lost, those are the key.
fn defect(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => {
            "no PEM: a section in it has no END line of the same name: it was cut short, or its line breaks were lost"
        }
        pem::Error::IllegalSectionStart { .. } => {
            "no PEM: a BEGIN line in it is not one line of its own: its line breaks were lost"
        }
        pem::Error::Base64Decode(_) => {
            "no PEM: between BEGIN and END there is something else than whole base64: it was damaged, or has a passphrase"
        }
        _ => "no PEM that can be read",
    }
}

fn read(setting: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |what: String| Error::Setup(format!("{setting} {}: {what}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    // Of its full size from the start: a vector that grows leaves copies behind.
    let bytes = file.metadata().map_err(|error| failed(error.to_string()))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(failed(format!("{bytes} bytes are more than the {FILE_BYTES_MAX} that are read")));
    }
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(bytes).unwrap_or(0) + 1));
    file.take(FILE_BYTES_MAX).read_to_end(&mut content).map_err(|error| failed(error.to_string()))?;
    Ok(content)
}
