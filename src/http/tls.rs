//! TLS of the listener: HTTP/2 and HTTP/1.1, and a certificate that is looked for again while the server runs.
//!
//! Its files are read every few seconds. New ones are used from the next handshake on, and connections that are open
//! go on as they are; files that do not fit change nothing and are told in the log, once for each version of them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest::Digest;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::certificate::{Files, provider};
use crate::clock::Clock;
use crate::config::TlsFiles;
use crate::error::{Error, Result};

/// How often the files are read.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The certificate that the next handshake shows.
pub(super) struct Certificates {
    files: TlsFiles,
    /// Clients look at a clock of their own: the machine's is near it, one that a test sets is not.
    clock: Clock,
    current: RwLock<Arc<CertifiedKey>>,
    /// What was read last, whether it is used or not.
    seen: Mutex<Option<Digest>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Certificates {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// `Setup`: files that cannot be read, do not belong together, or hold at another time.
    pub(super) fn open(files: TlsFiles) -> Result<Arc<Self>> {
        let clock = Clock::system();
        let read = Files::read(&files)?;
        let certificate = read.certificate(&files)?;
        certificate.check_time(&files, clock.now())?;
        let (current, seen) = (RwLock::new(certificate.certified), Mutex::new(Some(read.digest())));
        Ok(Arc::new(Self { files, clock, current, seen }))
    }

    /// What a listener needs. Which protocols are offered is added by whoever serves them.
    ///
    /// # Errors
    /// `Internal`, when the library has no protocol to offer.
    pub(super) fn server_config(self: &Arc<Self>) -> Result<ServerConfig> {
        let config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Internal(format!("TLS: {error}")))?;
        Ok(config.with_no_client_auth().with_cert_resolver(Arc::<Self>::clone(self)))
    }

    /// Looks for new files, for as long as it is polled.
    pub(super) async fn keep_fresh(self: Arc<Self>) {
        loop {
            actix_web::rt::time::sleep(LOOK_EVERY).await;
            let this = Arc::clone(&self);
            // A panic in there has been told, and the next look may fare better.
            let _ = actix_web::rt::task::spawn_blocking(move || this.look()).await;
        }
    }

    fn look(&self) {
        match self.renewed() {
            Ok(Some(certified)) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = certified;
                tracing::info!(cert = %self.files.cert.display(), "a new certificate is in use");
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the new certificate is not used, and the old one stays in use"),
        }
    }

    /// Another certificate than the one in use, if the files have one.
    fn renewed(&self) -> Result<Option<Arc<CertifiedKey>>> {
        let read = Files::read(&self.files);
        let digest = read.as_ref().ok().map(Files::digest);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = seen.as_ref().map(Digest::as_ref) == digest.as_ref().map(Digest::as_ref);
        *seen = digest;
        if is_same {
            return Ok(None);
        }
        let certificate = read?.certificate(&self.files)?;
        certificate.check_time(&self.files, self.clock.now())?;
        Ok(Some(certificate.certified))
    }
}
