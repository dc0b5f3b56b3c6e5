//! `scope-allowlist`: only the scopes that match a pattern stay.
//!
//! A pattern is a scope in which `*` stands for any run of characters, also none: `users:*`, `*:read`, `*`.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use grantd_policy::{Decision, Manifest, Pattern, Permit, Policy, Request, export_policy, manifest, settings};

/// The policy.
pub struct ScopeAllowlist;

/// Which scopes may stay.
#[settings]
pub struct Settings {
    /// Scopes that may stay. In a pattern `*` stands for any run of characters: `users:*`.
    pub allow: Vec<Pattern>,
    /// Exceptions: scopes that go although a pattern of `allow` matches.
    #[serde(default)]
    pub except: Vec<Pattern>,
    /// What happens to the other scopes.
    #[serde(default)]
    pub otherwise: Otherwise,
}

/// What happens to a scope that may not stay.
#[settings]
#[derive(Copy, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// It is left out of the token.
    #[default]
    Drop,
    /// The request is denied.
    Deny,
}

impl Policy for ScopeAllowlist {
    type Settings = Settings;
    const MANIFEST: Manifest = manifest!();

    fn evaluate(request: &Request, settings: &Settings) -> Decision {
        let stays = |scope: &&String| {
            let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(scope));
            any(&settings.allow) && !any(&settings.except)
        };
        let (kept, gone): (Vec<&String>, Vec<&String>) = request.offered.iter().partition(stays);
        let gone = gone.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        if gone.is_empty() {
            return Decision::permit_all(request);
        }
        if kept.is_empty() || settings.otherwise == Otherwise::Deny {
            return Decision::deny("scope-not-allowed", format!("not on the list of allowed scopes: {gone}"));
        }
        Permit::scopes(kept.into_iter().cloned()).note(format!("dropped {gone}")).into()
    }
}

export_policy!(ScopeAllowlist);
