//! The base URLs that a server is reached by, and the issuer that each of them speaks for.
//!
//! A request says by its `Host` where it was made. That picks one of the configured URLs and is good for nothing
//! else: whatever is not among them counts as the main one.

use std::net::IpAddr;

use crate::config::AliasIssuer;

/// One base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// Without a slash at its end.
    pub(crate) url: String,
    /// The `iss` of tokens that are asked for here.
    pub(crate) issuer: String,
    authority: String,
}

/// Every base URL of a server, the main one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    main: Base,
    aliases: Vec<Base>,
}

/// What `url` makes the issuer (RFC 8414 2), with the slash.
fn issuer_of(url: &str) -> String {
    format!("{url}/oauth2/")
}

/// Host and port of a URL, in the one form in which they are compared: lower case, without the scheme's own port.
pub(crate) fn authority_of(url: &str) -> String {
    let (rest, port) = match url.strip_prefix("https://") {
        Some(rest) => (rest, ":443"),
        None => (url.strip_prefix("http://").unwrap_or(url), ":80"),
    };
    let authority = rest.trim_end_matches('/');
    authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase()
}

/// Whether a URL leads to this machine. The whole host says so: names that only begin like it belong to anybody.
pub(crate) fn is_local(url: &str) -> bool {
    let authority = authority_of(url);
    let host = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if port.is_empty() || port.starts_with(':') => address,
            _ => "",
        },
        None => authority.split_once(':').map_or(authority.as_str(), |(host, _)| host),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Addresses {
    pub(crate) fn new(public_url: &str, aliases: &[String], mode: AliasIssuer) -> Self {
        let main =
            Base { url: public_url.to_owned(), issuer: issuer_of(public_url), authority: authority_of(public_url) };
        let alias = |url: &String| {
            let url = url.trim_end_matches('/').to_owned();
            let issuer = match mode {
                AliasIssuer::Fixed => main.issuer.clone(),
                AliasIssuer::Own => issuer_of(&url),
            };
            Base { authority: authority_of(&url), url, issuer }
        };
        let aliases = aliases.iter().map(alias).collect();
        Self { main, aliases }
    }

    pub(crate) fn main(&self) -> &Base {
        &self.main
    }

    /// The base URL that a request with this `Host` was made at.
    pub(crate) fn at(&self, host: &str) -> &Base {
        let is_here = |base: &&Base| {
            let port = if base.url.starts_with("https://") { ":443" } else { ":80" };
            host.strip_suffix(port).unwrap_or(host).eq_ignore_ascii_case(&base.authority)
        };
        std::iter::once(&self.main).chain(&self.aliases).find(is_here).unwrap_or(&self.main)
    }

    /// Every issuer that tokens of this server may name.
    pub(crate) fn issuers(&self) -> Vec<&str> {
        let mut all = vec![self.main.issuer.as_str()];
        for base in &self.aliases {
            if !all.contains(&base.issuer.as_str()) {
                all.push(&base.issuer);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(mode: AliasIssuer) -> Addresses {
        let aliases = ["http://grantd:8420", "https://Id.Example.com", "http://[::1]:8420/"].map(str::to_owned);
        Addresses::new("http://localhost:8420", &aliases, mode)
    }

    #[test]
    fn a_host_picks_a_configured_url_or_the_main_one() {
        let all = addresses(AliasIssuer::Own);
        for (host, url) in [
            ("localhost:8420", "http://localhost:8420"),
            ("GRANTD:8420", "http://grantd:8420"),
            ("id.example.com", "https://Id.Example.com"),
            ("id.example.com:443", "https://Id.Example.com"),
            ("[::1]:8420", "http://[::1]:8420"),
            ("grantd", "http://localhost:8420"),
            ("grantd:80", "http://localhost:8420"),
            ("id.example.com:80", "http://localhost:8420"),
            ("evil.example.com", "http://localhost:8420"),
            ("grantd:8420@evil.example.com", "http://localhost:8420"),
            ("grantd:8420/", "http://localhost:8420"),
            ("", "http://localhost:8420"),
        ] {
            assert_eq!(all.at(host).url, url, "{host}");
        }
    }

    #[test]
    fn only_whole_hosts_of_this_machine_are_local() {
        for url in [
            "http://localhost:8420",
            "https://LOCALHOST/",
            "http://127.0.0.1",
            "http://127.9.9.9:1",
            "https://[::1]:443",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in [
            "http://localhost.evil.example",
            "http://localhosts:1",
            "http://127.0.0.1.nip.io:8420",
            "http://127.example",
            "http://[::2]",
            "http://[::1].example",
            "https://0.0.0.0",
            "https://id.example.com",
            "",
        ] {
            assert!(!is_local(url), "{url}");
        }
    }

    #[test]
    fn issuers_are_one_or_one_for_each() {
        assert_eq!(addresses(AliasIssuer::Fixed).issuers(), ["http://localhost:8420/oauth2/"]);
        assert_eq!(addresses(AliasIssuer::Fixed).at("grantd:8420").issuer, "http://localhost:8420/oauth2/");
        let own = addresses(AliasIssuer::Own);
        assert_eq!(own.at("grantd:8420").issuer, "http://grantd:8420/oauth2/");
        assert_eq!(own.issuers().len(), 4);
    }
}
