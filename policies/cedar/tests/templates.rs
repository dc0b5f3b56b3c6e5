//! Templates in settings that nobody validates any more: an older module took them when they were saved.

use cedar::{CedarPolicies, Settings};
use grantd_policy::{Decision, Policy, Request};

fn settings(policies: &str) -> Settings {
    Settings { policies: policies.to_owned(), schema: None, entities: Vec::new() }
}

#[test]
fn a_template_that_was_saved_already_denies() {
    for (policies, name) in [
        ("permit(principal, action, resource); forbid(principal == ?principal, action, resource);", "policy1"),
        ("permit(principal, action, resource == ?resource); permit(principal, action, resource);", "policy0"),
        (r#"@id("none") permit(principal in ?principal, action, resource);"#, "none"),
    ] {
        let Decision::Deny(denial) = CedarPolicies::evaluate(&Request::sample(), &settings(policies)) else {
            panic!("permitted: {policies}")
        };
        assert_eq!(denial.code, "cedar-error", "{policies}");
        let begin = format!("settings.policies: {name} is a template: ");
        assert!(denial.reason.starts_with(&begin), "{policies}: {}", denial.reason);
        assert_eq!(CedarPolicies::validate(&settings(policies)), Err(denial.reason));
    }
}

#[test]
fn what_has_no_slot_is_no_template() {
    let settings = settings("permit(principal, action, resource);");
    assert_eq!(CedarPolicies::validate(&settings), Ok(()));
    assert!(matches!(CedarPolicies::evaluate(&Request::sample(), &settings), Decision::Permit(_)));
}
