//! `[tls]`: the certificate that the server shows, and whether it may do without.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// TLS of the listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM file with the certificate, and after it those that lead to its authority.
    pub cert: Option<PathBuf>,
    /// PEM file with its private key.
    pub key: Option<PathBuf>,
    /// Whether the server may listen without TLS where other machines reach it.
    pub allow_plain: bool,
}

/// Both files of a server that speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl TlsConfig {
    /// The files; `None` without TLS.
    pub(crate) fn files(&self) -> Option<TlsFiles> {
        Some(TlsFiles { cert: self.cert.clone()?, key: self.key.clone()? })
    }

    /// Whether the server speaks TLS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.cert.is_some() && self.key.is_some()
    }

    /// What does not fit together.
    pub(super) fn misfit(&self) -> Option<String> {
        match (&self.cert, &self.key) {
            (Some(_), None) => Some("tls.cert needs tls.key, the file with its private key".to_owned()),
            (None, Some(_)) => Some("tls.key needs tls.cert, the file with its certificate".to_owned()),
            _ => None,
        }
    }
}
