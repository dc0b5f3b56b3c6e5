//! The address of a caller behind reverse proxies. `X-Forwarded-For` is believed from those proxies that the
//! configuration names, and from nobody else: anyone can send that header.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// Proxies that one request may have come through.
const HOPS_MAX: usize = 32;
/// What stands for whoever connects to a Unix socket.
const UNIX: &str = "unix";

/// Reverse proxies that are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

impl TrustedProxies {
    /// Reads networks and addresses, and `unix`. `Err` names the one that is none.
    pub(crate) fn parse(texts: &[String]) -> Result<Self, String> {
        let mut proxies = Self::default();
        for text in texts {
            if text == UNIX {
                proxies.unix = true;
                continue;
            }
            let address = text.parse::<IpAddr>().map(IpNet::from);
            let network = address
                .or_else(|_| text.parse::<IpNet>())
                .map_err(|_| format!("{text:?} is no address, no network such as 10.0.0.0/8, and not \"{UNIX}\""))?;
            proxies.networks.push(network);
        }
        Ok(proxies)
    }

    /// Who made a request: the peer, or whom trusted proxies name, from the last of them back to the first address
    /// that is not one of theirs; an IPv4 address as one, also where a listener for both shows it in IPv6. `None` when a
    /// trusted proxy names nothing that is an address.
    pub(crate) fn caller<'a>(
        &self,
        peer: Option<IpAddr>,
        forwarded_for: impl DoubleEndedIterator<Item = Option<&'a str>>,
    ) -> Option<IpAddr> {
        let peer = peer.map(|address| address.to_canonical());
        let is_trusted = match peer {
            Some(address) => self.trusts(address),
            None => self.unix,
        };
        let mut caller = peer;
        if !is_trusted {
            return caller;
        }
        let values = forwarded_for.rev().flat_map(|value| value.unwrap_or_default().rsplit(','));
        for (hops, value) in values.enumerate() {
            let address = address(value.trim()).filter(|_| hops < HOPS_MAX)?;
            caller = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        caller
    }

    /// Whether it is one of them.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// An address; some proxies add the port.
fn address(text: &str) -> Option<IpAddr> {
    let address = text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(trusted: &[&str], peer: &str, headers: &[&str]) -> Option<String> {
        let trusted: Vec<String> = trusted.iter().map(|text| (*text).to_owned()).collect();
        let proxies = TrustedProxies::parse(&trusted).unwrap();
        let headers = headers.iter().map(|value| Some(*value));
        proxies.caller(peer.parse().ok(), headers).map(|address| address.to_string())
    }

    #[test]
    fn nobody_is_believed_unless_named() {
        assert_eq!(caller(&[], "192.0.2.1", &["10.0.0.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(caller(&["10.0.0.0/8"], "192.0.2.1", &["10.0.0.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(caller(&["10.0.0.0/8"], "", &["192.0.2.1"]), None);
        assert_eq!(caller(&[], "::ffff:192.0.2.1", &[]).as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn a_trusted_proxy_names_the_caller() {
        assert_eq!(caller(&["10.0.0.1"], "10.0.0.1", &["192.0.2.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(caller(&["10.0.0.1"], "::ffff:10.0.0.1", &["192.0.2.1:4711"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(caller(&["10.0.0.1"], "::ffff:10.0.0.1", &[]).as_deref(), Some("10.0.0.1"));
        assert_eq!(caller(&["10.0.0.1"], "10.0.0.1", &["::ffff:192.0.2.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(caller(&["::1"], "::1", &["[2001:db8::1]:80"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(caller(&["unix"], "", &["192.0.2.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(caller(&["10.0.0.1"], "10.0.0.1", &[]).as_deref(), Some("10.0.0.1"));
    }

    /// What a caller writes into the header itself stands left of what the proxies add.
    #[test]
    fn the_last_address_that_is_no_proxy_counts() {
        let trusted = &["10.0.0.0/8"];
        assert_eq!(caller(trusted, "10.0.0.1", &["203.0.113.9, 192.0.2.1, 10.0.0.2"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(caller(trusted, "10.0.0.1", &["203.0.113.9", "192.0.2.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(caller(trusted, "10.0.0.1", &["10.0.0.3, 10.0.0.2"]).as_deref(), Some("10.0.0.3"));
    }

    #[test]
    fn what_is_no_address_leaves_the_caller_unknown() {
        for header in ["", "unknown", "192.0.2.1,", "192.0.2.1, _hidden", "192.0.2.256"] {
            assert_eq!(caller(&["10.0.0.1"], "10.0.0.1", &[header]), None, "{header}");
        }
        let long = ["10.0.0.2"; 40].join(",");
        assert_eq!(caller(&["10.0.0.0/8"], "10.0.0.1", &[&long]), None);
        let unreadable = TrustedProxies::parse(&["10.0.0.1".to_owned()]).unwrap();
        assert_eq!(unreadable.caller("10.0.0.1".parse().ok(), [None].into_iter()), None);
    }

    #[test]
    fn a_name_is_no_proxy() {
        let error = TrustedProxies::parse(&["proxy.example".to_owned()]).unwrap_err();
        assert!(error.contains("\"proxy.example\" is no address"), "{error}");
    }
}
