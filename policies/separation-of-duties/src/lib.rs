//! `separation-of-duties`: who enters a payment does not approve it.
//!
//! It keeps scopes apart within one token. An account that is granted both can still get two tokens: where that must
//! not be, grant them to two accounts.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use grantd_policy::{Decision, Manifest, Pattern, Permit, Policy, Request, export_policy, manifest, settings};

/// The policy.
pub struct SeparationOfDuties;

/// Which scopes may not meet.
#[settings]
pub struct Settings {
    /// The rules; each is looked at on its own.
    pub rules: Vec<Rule>,
}

/// Duties of which a token carries one.
#[settings]
pub struct Rule {
    /// What the rule is called in reasons: `payments`.
    pub name: String,
    /// The duties, at least two. A scope belongs to the first that has a pattern for it; `*` stands for any run of
    /// characters.
    pub duties: Vec<Vec<Pattern>>,
    /// What happens to a token with more than one of them.
    #[serde(default)]
    pub conflict: Conflict,
}

/// What happens when duties meet.
#[settings]
#[derive(Copy, Default, PartialEq, Eq)]
pub enum Conflict {
    /// The request is denied: the caller has to say which duty it wants.
    #[default]
    Deny,
    /// The duty that the rule names first stays, and the scopes of the others are dropped.
    Drop,
}

impl Policy for SeparationOfDuties {
    type Settings = Settings;
    const MANIFEST: Manifest = manifest!();

    fn validate(settings: &Settings) -> Result<(), String> {
        if settings.rules.is_empty() {
            return Err("settings.rules: name a rule, or there is nothing to separate".into());
        }
        for (index, rule) in settings.rules.iter().enumerate() {
            if rule.duties.len() < 2 {
                return Err(format!(
                    "settings.rules[{index}].duties: name at least two, or there is nothing to separate"
                ));
            }
            if let Some(empty) = rule.duties.iter().position(Vec::is_empty) {
                return Err(format!("settings.rules[{index}].duties[{empty}]: name the scopes of this duty"));
            }
            if let Some(idle) = rule.idle() {
                return Err(format!(
                    "settings.rules[{index}].duties[{idle}]: all its scopes belong to duties before it, so it \
                     separates nothing; name other scopes, or put the narrower duty first"
                ));
            }
        }
        Ok(())
    }

    fn evaluate(request: &Request, settings: &Settings) -> Decision {
        let mut scopes: Vec<&String> = request.offered.iter().collect();
        let mut notes: Vec<String> = Vec::new();
        for rule in &settings.rules {
            let Some(first) = scopes.iter().filter_map(|scope| rule.duty(scope)).min() else { continue };
            let is_other = |scope: &&String| rule.duty(scope).is_some_and(|duty| duty != first);
            let others: Vec<&str> = scopes.iter().copied().filter(is_other).map(String::as_str).collect();
            if others.is_empty() {
                continue;
            }
            let others = others.join(" ");
            if rule.conflict == Conflict::Deny {
                let kept: Vec<&str> =
                    scopes.iter().filter(|scope| rule.duty(scope) == Some(first)).map(|scope| scope.as_str()).collect();
                let kept = kept.join(" ");
                let reason = format!("one token cannot carry {kept} and {others} ({}): ask for them apart", rule.name);
                return Decision::deny("duties-not-separated", reason);
            }
            notes.push(format!("dropped {others} ({})", rule.name));
            scopes.retain(|scope| !is_other(scope));
        }
        let permit = Permit::scopes(scopes.into_iter().cloned());
        if notes.is_empty() { permit.into() } else { permit.note(notes.join("; ")).into() }
    }
}

impl Rule {
    /// Which duty a scope belongs to.
    fn duty(&self, scope: &str) -> Option<usize> {
        self.duties.iter().position(|duty| duty.iter().any(|pattern| pattern.matches(scope)))
    }

    /// A duty to which no scope can belong, since those before it have each of its patterns, or a wider one.
    fn idle(&self) -> Option<usize> {
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        let mut wide: Vec<&Pattern> = Vec::new();
        self.duties.iter().position(|duty| {
            // Only a `*` matches a `*`, so a pattern that matches another's text matches whatever that one does.
            let is_taken = |text: &str| taken.contains(text) || wide.iter().any(|pattern| pattern.matches(text));
            let is_idle = duty.iter().all(|pattern| is_taken(pattern.as_str()));
            taken.extend(duty.iter().map(Pattern::as_str));
            wide.extend(duty.iter().filter(|pattern| pattern.as_str().contains('*')));
            is_idle
        })
    }
}

export_policy!(SeparationOfDuties);
