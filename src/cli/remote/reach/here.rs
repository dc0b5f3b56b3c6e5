//! HTTP to this machine: `localhost` is 127.0.0.1 there, as it is to `--listen`, and no other address of that name.
//!
//! The name stays in the URL: a certificate is looked at by it.

use std::net::{Ipv4Addr, SocketAddr};

use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Error, config::Config};

/// A client for servers on this machine.
pub(super) fn agent(config: Config) -> ureq::Agent {
    ureq::Agent::with_parts(config, DefaultConnector::default(), Names::default())
}

#[derive(Debug, Default)]
struct Names(DefaultResolver);

impl Resolver for Names {
    /// The system may name ::1 first, where anybody may listen on the port that a server has on 127.0.0.1.
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        if !uri.host().is_some_and(|host| host.eq_ignore_ascii_case("localhost")) {
            return self.0.resolve(uri, config, timeout);
        }
        let usual_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let mut found = self.empty();
        found.push(SocketAddr::from((Ipv4Addr::LOCALHOST, uri.port_u16().unwrap_or(usual_port))));
        Ok(found)
    }
}
