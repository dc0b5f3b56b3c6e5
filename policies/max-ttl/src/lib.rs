//! `max-ttl`: the more a scope can do, the shorter its token lives.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use grantd_policy::{Decision, Manifest, Pattern, Permit, Policy, Request, export_policy, manifest, settings};

/// The policy.
pub struct MaxTtl;

/// How long tokens may live. A token lives as long as the shortest-lived of its scopes.
#[settings]
pub struct Settings {
    /// Lifetimes by scope. Where several rules match a scope, the shortest counts.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// The lifetime for scopes that no rule matches; as offered unless said.
    #[serde(default)]
    pub otherwise: Option<u32>,
}

/// How long a token with one of these scopes may live.
#[settings]
pub struct Rule {
    /// Scopes; `*` stands for any run of characters.
    pub scopes: Vec<Pattern>,
    /// Seconds.
    pub seconds: u32,
}

impl Policy for MaxTtl {
    type Settings = Settings;
    const MANIFEST: Manifest = manifest!();

    fn validate(settings: &Settings) -> Result<(), String> {
        if settings.rules.is_empty() && settings.otherwise.is_none() {
            return Err("settings: name a rule, or a lifetime for all scopes under otherwise".into());
        }
        if settings.otherwise == Some(0) {
            return Err("settings.otherwise: a lifetime is at least 1 second".into());
        }
        for (index, rule) in settings.rules.iter().enumerate() {
            if rule.scopes.is_empty() {
                return Err(format!("settings.rules[{index}].scopes: name the scopes that the rule is for"));
            }
            if rule.seconds == 0 {
                return Err(format!("settings.rules[{index}].seconds: a lifetime is at least 1 second"));
            }
        }
        Ok(())
    }

    fn evaluate(request: &Request, settings: &Settings) -> Decision {
        let limited = request.offered.iter().filter_map(|scope| Some((seconds(scope, settings)?, scope)));
        match limited.min_by_key(|(seconds, _)| *seconds) {
            Some((seconds, scope)) if seconds < request.ttl_seconds => {
                Permit::all(request).ttl_seconds(seconds).note(format!("{seconds} s, because of {scope}")).into()
            }
            _ => Decision::permit_all(request),
        }
    }
}

export_policy!(MaxTtl);

/// How long a token with this scope may live.
fn seconds(scope: &str, settings: &Settings) -> Option<u32> {
    let matching = settings.rules.iter().filter(|rule| rule.scopes.iter().any(|pattern| pattern.matches(scope)));
    matching.map(|rule| rule.seconds).min().or(settings.otherwise)
}
