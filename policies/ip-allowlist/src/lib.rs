//! `ip-allowlist`: scopes only for callers from known networks.
//!
//! The address is the one that grantd sees. Behind a reverse proxy that would be the proxy's own, so name the proxy in
//! grantd's configuration (`trusted_proxies`): grantd then takes the caller's address from what that proxy says.
//! A policy cannot do this itself. It never sees a header, and a parameter of the token request is the caller's to
//! choose: an address in there would be worth nothing.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use grantd_policy::{Decision, Input, Manifest, Pattern, Permit, Policy, Request, export_policy, manifest, settings};
use ipnet::{IpNet, Ipv4Net};

/// The policy.
pub struct IpAllowlist;

/// From where scopes may be had.
#[settings]
pub struct Settings {
    /// Networks (`10.0.0.0/8`, `2001:db8::/32`) and single addresses from which scopes may be had.
    pub allow: Vec<Network>,
    /// Exceptions: networks and addresses within them from which nothing may be had.
    #[serde(default)]
    pub except: Vec<Network>,
    /// The scopes that are bound to these networks; all of them unless said. The others are not touched.
    #[serde(default = "all_scopes")]
    pub scopes: Vec<Pattern>,
}

fn all_scopes() -> Vec<Pattern> {
    vec![Pattern::any()]
}

/// A network in CIDR notation, or one address.
#[settings]
#[serde(try_from = "String")]
#[derive(PartialEq, Eq)]
pub struct Network {
    network: IpNet,
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = match text.contains('/') {
            true => text.parse::<IpNet>().ok(),
            false => text.parse::<IpAddr>().ok().map(IpNet::from),
        };
        let Some(network) = parsed else {
            return Err(format!("{text:?} is no address and no network such as 10.0.0.0/8 or 2001:db8::/32"));
        };
        if network.trunc() != network {
            return Err(format!("{text} has bits beyond its prefix: did you mean {}?", network.trunc()));
        }
        Ok(Self { network: unmapped(network) })
    }
}

/// IPv4 in the form that IPv6 has for it (`::ffff:192.0.2.0/120`) is IPv4.
fn unmapped(network: IpNet) -> IpNet {
    if let IpNet::V6(v6) = network
        && let Some(v4) = v6.network().to_ipv4_mapped()
        && let Some(prefix) = v6.prefix_len().checked_sub(96)
        && let Ok(v4) = Ipv4Net::new(v4, prefix)
    {
        return IpNet::V4(v4);
    }
    network
}

impl Policy for IpAllowlist {
    type Settings = Settings;
    const MANIFEST: Manifest = manifest!(Input::RemoteAddress);

    fn validate(settings: &Settings) -> Result<(), String> {
        if settings.scopes.is_empty() {
            return Err("settings.scopes: an empty list would bind nothing; leave it out for all scopes".into());
        }
        Ok(())
    }

    fn evaluate(request: &Request, settings: &Settings) -> Decision {
        let is_bound = |scope: &&String| settings.scopes.iter().any(|pattern| pattern.matches(scope));
        let (bound, free): (Vec<&String>, Vec<&String>) = request.offered.iter().partition(is_bound);
        let address = request.context.remote_address.as_deref();
        let known = address.and_then(|text| text.parse::<IpAddr>().ok()).is_some_and(|address| {
            let address = address.to_canonical();
            let any = |networks: &[Network]| networks.iter().any(|known| known.network.contains(&address));
            any(&settings.allow) && !any(&settings.except)
        });
        if bound.is_empty() || known {
            return Decision::permit_all(request);
        }
        let bound = bound.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let reason = match address {
            Some(address) => format!("{bound} cannot be had from {address}"),
            None => format!("{bound} cannot be had from an unknown address"),
        };
        if free.is_empty() {
            return Decision::deny("address-not-allowed", reason);
        }
        Permit::scopes(free.into_iter().cloned()).note(reason).into()
    }
}

export_policy!(IpAllowlist);
