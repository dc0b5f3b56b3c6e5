//! The certificate that the server shows: whether its files are fit, whose they are, and when it ends.

use super::Report;
use crate::certificate::Files;
use crate::clock::Clock;
use crate::config::{Config, ListenAddress};

/// A certificate that ends within this time should have been renewed.
const SOON_SECONDS: i64 = 14 * 86_400;

pub(super) fn check(report: &mut Report, config: &Config, clock: &Clock) {
    let Some(files) = config.tls.files() else {
        return check_plain(report, config);
    };
    #[cfg(unix)]
    if let Ok(meta) = std::fs::metadata(&files.key) {
        use std::os::unix::fs::PermissionsExt;
        // A group of its own often shares a certificate's key: everybody is too many.
        if meta.permissions().mode() & 0o007 != 0 {
            let path = files.key.display();
            report.problem(format!("tls.key {path} can be read or written by everybody"), format!("chmod o= {path}"));
        }
    }
    let certificate = Files::read(&files).and_then(|read| read.certificate(&files));
    let now = clock.now();
    let checked = certificate.and_then(|certificate| {
        certificate.check_time(&files, now)?;
        Ok(certificate)
    });
    let certificate = match checked {
        Ok(certificate) => certificate,
        Err(error) => {
            return report.problem(error.to_string(), "a running server goes on with the one it has; a start fails");
        }
    };
    let what = format!("tls.cert {} ends at {}", files.cert.display(), certificate.ends);
    if certificate.ends < now.plus_seconds(SOON_SECONDS) {
        report.soon(what, "renew it: the server takes it up by itself, without a restart");
    } else {
        report.fine(what);
    }
}

fn check_plain(report: &mut Report, config: &Config) {
    let Ok(ListenAddress::Tcp(address)) = config.listen_address() else { return };
    if !address.ip().is_loopback() && !config.tls.allow_plain {
        report.problem(
            format!(
                "listen is {address}, where other machines reach it, and there is no TLS: the server will not start"
            ),
            "set tls.cert and tls.key, or tls.allow_plain where a proxy speaks TLS for it",
        );
    }
}
