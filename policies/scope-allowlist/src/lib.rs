//! `scope-allowlist`: only the scopes that match a pattern stay.
//!
//! A pattern is a scope in which `*` stands for any run of characters, also none: `users:*`, `*:read`, `*`.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use grantd_policy::{Decision, Manifest, Permit, Policy, Request, export_policy, manifest, settings};

/// The policy.
pub struct ScopeAllowlist;

/// Which scopes may stay.
#[settings]
pub struct Settings {
    /// Scopes that may stay. In a pattern `*` stands for any run of characters: `users:*`.
    pub allow: Vec<String>,
    /// Exceptions: scopes that go although a pattern of `allow` matches.
    #[serde(default)]
    pub except: Vec<String>,
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

    fn validate(settings: &Settings) -> Result<(), String> {
        for (member, patterns) in [("allow", &settings.allow), ("except", &settings.except)] {
            if let Some(index) = patterns.iter().position(|pattern| !is_pattern(pattern)) {
                return Err(format!(
                    "settings.{member}[{index}]: a pattern is a scope (printable ASCII without blank, quote and \
                     backslash) in which * stands for any run of characters, for instance users:*"
                ));
            }
        }
        Ok(())
    }

    fn evaluate(request: &Request, settings: &Settings) -> Decision {
        let stays = |scope: &&String| {
            let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, scope));
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

/// Whether this is a scope-token of RFC 6749 3.3. `*` is one of its characters.
fn is_pattern(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Whether a pattern matches a whole scope, in time proportional to the product of their lengths at worst.
pub fn matches(pattern: &str, scope: &str) -> bool {
    let (pattern, scope) = (pattern.as_bytes(), scope.as_bytes());
    let (mut at, mut next) = (0, 0);
    // Where the last star stands, and how far the scope was read when it was met.
    let mut star: Option<(usize, usize)> = None;
    while next < scope.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, next));
            at += 1;
        } else if pattern.get(at) == Some(&scope[next]) {
            at += 1;
            next += 1;
        } else if let Some((place, read)) = star {
            // Let the star take one character more.
            star = Some((place, read + 1));
            at = place + 1;
            next = read + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}
