//! Where a server is reached: its public URL, and other names for it.

use serde::{Deserialize, Serialize};

use super::Config;
use crate::address::authority_of;
use crate::error::{Error, Result};

/// Other names that one server may have.
const ALIASES_MAX: usize = 20;

/// What the issuer is at an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AliasIssuer {
    /// That of the public URL: tokens are the same wherever they are asked for.
    Fixed,
    /// The alias's own: tokens name the URL that they were asked for at.
    Own,
}

impl Config {
    /// Checks the public URL and the aliases.
    pub(super) fn check_urls(&self) -> Result<()> {
        if let Some(url) = &self.public_url {
            check_base_url("public_url", url)?;
        }
        if self.issuer_aliases.len() > ALIASES_MAX {
            return Err(Error::Setup(format!("issuer_aliases: at most {ALIASES_MAX} fit")));
        }
        let mut seen: Vec<String> = self.public_url.iter().map(|url| authority_of(url)).collect();
        for url in &self.issuer_aliases {
            check_base_url("issuer_aliases", url)?;
            let authority = authority_of(url);
            if seen.contains(&authority) {
                return Err(Error::Setup(format!(
                    "issuer_aliases: {url:?} has the host and port of another URL of this server, and a request names \
                     no more than those"
                )));
            }
            seen.push(authority);
        }
        Ok(())
    }
}

/// RFC 8414 2: an issuer has no query and no fragment. grantd adds its own path.
fn check_base_url(setting: &str, url: &str) -> Result<()> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.trim_end_matches('/'));
    let fits = host.is_some_and(|host| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && !b"/?#@\"\\<>".contains(&b))
    });
    if fits {
        return Ok(());
    }
    Err(Error::Setup(format!(
        "{setting}: {url:?} must be http:// or https:// with a host and perhaps a port, and no path"
    )))
}
