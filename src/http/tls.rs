//! TLS of the listener: HTTP/2 and HTTP/1.1, and a certificate that is looked for again while the server runs.
//!
//! Its files are read every few seconds. New ones are used from the next handshake on, and connections that are open
//! go on as they are; files that do not fit change nothing and are told in the log, once for each version of them. A
//! certificate that begins later is kept until then.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest::Digest;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::certificate::{Certificate, Files, provider};
use crate::clock::{Clock, Timestamp};
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
    seen: Mutex<Seen>,
}

/// What was read last, whether it is used or not.
#[derive(Default)]
struct Seen {
    digest: Option<Digest>,
    /// Fit to be used, but not before it begins.
    coming: Option<Certificate>,
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
        Self::open_on(files, Clock::system())
    }

    fn open_on(files: TlsFiles, clock: Clock) -> Result<Arc<Self>> {
        let read = Files::read(&files)?;
        let certificate = read.certificate(&files)?;
        certificate.check_time(&files, clock.now())?;
        let seen = Mutex::new(Seen { digest: Some(read.digest()), coming: None });
        Ok(Arc::new(Self { files, clock, current: RwLock::new(certificate.certified), seen }))
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
        let now = self.clock.now();
        match self.renewed(now) {
            Ok(Some(certificate)) if now < certificate.begins => {
                let begins = certificate.begins;
                self.seen.lock().unwrap_or_else(PoisonError::into_inner).coming = Some(certificate);
                let cert = self.files.cert.display();
                tracing::warn!(%cert, %begins, "the new certificate begins later, and the old one stays in use until then");
            }
            Ok(Some(certificate)) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = certificate.certified;
                tracing::info!(cert = %self.files.cert.display(), "a new certificate is in use");
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the new certificate is not used, and the old one stays in use"),
        }
    }

    /// Another certificate than the one in use: out of the files if they are new, or one whose time has come.
    fn renewed(&self, now: Timestamp) -> Result<Option<Certificate>> {
        let read = Files::read(&self.files);
        let digest = read.as_ref().ok().map(Files::digest);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = seen.digest.as_ref().map(Digest::as_ref) == digest.as_ref().map(Digest::as_ref);
        let certificate = if is_same {
            seen.coming.take_if(|coming| coming.begins <= now)
        } else {
            *seen = Seen { digest, coming: None };
            Some(read?.certificate(&self.files)?)
        };
        let Some(certificate) = certificate else { return Ok(None) };
        certificate.check_end(&self.files, now)?;
        Ok(Some(certificate))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// Writes a certificate that holds from one year to another, and says how it is known again.
    fn write(files: &TlsFiles, (from, to): (i32, i32)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(&files.cert, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        certificate.der().to_vec()
    }

    #[test]
    fn a_certificate_that_begins_later_is_taken_up_when_it_does() {
        let dir = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
        let clock = Clock::manual(Timestamp::parse("2027-06-01T00:00:00Z").unwrap(), 1);
        let at = |text: &str| clock.set(Timestamp::parse(text).unwrap());
        write(&files, (2028, 2029));
        let refused = Certificates::open_on(files.clone(), clock.clone()).unwrap_err().to_string();
        assert!(refused.contains("begins at 2028-01-01"), "{refused}");

        let first = write(&files, (2027, 2030));
        let shown = Certificates::open_on(files.clone(), clock.clone()).unwrap();
        let looked = || {
            shown.look();
            shown.current.read().unwrap().cert[0].to_vec()
        };
        let coming = write(&files, (2028, 2031));
        assert_eq!(looked(), first);
        at("2027-12-31T23:59:59Z");
        assert_eq!((looked(), looked()), (first.clone(), first.clone()));
        at("2028-01-01T00:00:00Z");
        assert_eq!(looked(), coming);

        // One that is replaced before its time is forgotten, and so is one whose files are gone.
        write(&files, (2029, 2031));
        assert_eq!(looked(), coming);
        std::fs::write(&files.cert, "garbage").unwrap();
        assert_eq!(looked(), coming);
        at("2029-02-01T00:00:00Z");
        assert_eq!(looked(), coming);
        // One that has ended when somebody looks again is never shown.
        write(&files, (2030, 2031));
        assert_eq!(looked(), coming);
        at("2031-02-01T00:00:00Z");
        assert_eq!((looked(), looked()), (coming.clone(), coming));
    }
}
