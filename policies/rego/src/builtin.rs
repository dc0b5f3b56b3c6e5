//! `net.cidr_contains`, which a policy about addresses needs, and which regorus has only together with the standard
//! library.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

use anyhow::{Result, anyhow};
use ipnet::IpNet;
use regorus::{Engine, Value};

/// Adds the builtin to an engine.
pub fn add(engine: &mut Engine) -> Result<()> {
    engine.add_extension("net.cidr_contains".into(), 2, Box::new(|arguments: Vec<Value>| cidr_contains(&arguments)))
}

/// `net.cidr_contains(network, network or address)`.
fn cidr_contains(arguments: &[Value]) -> Result<Value> {
    let [network, inner] = arguments else { return Err(anyhow!("net.cidr_contains takes two arguments")) };
    let network: IpNet = parsed(network)?;
    let inner = match parsed::<IpAddr>(inner) {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_) => parsed(inner)?,
    };
    Ok(Value::from(network.contains(&inner)))
}

fn parsed<T: core::str::FromStr>(value: &Value) -> Result<T> {
    let text = value.as_string()?;
    text.parse().map_err(|_| anyhow!("{text:?} is no address and no network such as 10.0.0.0/8"))
}
