//! A grantd policy: a settings struct, a list of inputs, and one function.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

use grantd_policy::{Decision, Manifest, Pattern, Permit, Policy, Request, export_policy, manifest, settings};

/// The policy.
pub struct DropScopes;

/// What can be set. These comments are shown to the people who set it.
#[settings]
pub struct Settings {
    /// Scopes that no token carries; `*` stands for any run of characters.
    pub drop: Vec<Pattern>,
}

impl Policy for DropScopes {
    type Settings = Settings;
    // Inputs that change from request to request go in here, for instance Input::Time(TimeStep::Hour).
    const MANIFEST: Manifest = manifest!();

    fn evaluate(request: &Request, settings: &Settings) -> Decision {
        let is_dropped = |scope: &&String| settings.drop.iter().any(|pattern| pattern.matches(scope));
        let (dropped, kept): (Vec<&String>, Vec<&String>) = request.offered.iter().partition(is_dropped);
        if kept.is_empty() && !dropped.is_empty() {
            return Decision::deny("nothing-left", "every scope that was asked for is dropped by this policy");
        }
        Permit::scopes(kept.into_iter().cloned()).into()
    }
}

export_policy!(DropScopes);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_an_ordinary_function() {
        let settings = grantd_policy::parse_settings(r#"{"drop": ["admin:*"]}"#).unwrap();
        let request = Request { offered: vec!["read".into(), "admin:users".into()], ..Request::default() };
        let Decision::Permit(permit) = DropScopes::evaluate(&request, &settings) else { panic!("denied") };
        assert_eq!(permit.scopes, ["read"]);
    }
}
