//! How long another value may be. The case file has the same bound, and holds it against grantd's own.

use claims_from_attributes::ClaimsFromAttributes;
use grantd_policy::{json, validate};

/// What is said of settings with this text for those who have no team.
fn said(otherwise: String) -> Result<(), String> {
    let settings = json!({"claims": {"team": {"from": "account.attributes.team", "otherwise": otherwise}}});
    validate::<ClaimsFromAttributes>(&settings.to_string())
}

#[test]
fn a_text_that_no_token_could_carry_is_refused() {
    let fits = 4096 - r#"{"team":""}"#.len();
    assert_eq!(said("x".repeat(fits)), Ok(()));
    let refused = said("x".repeat(fits + 1)).unwrap_err();
    assert!(refused.starts_with("settings.claims.team.otherwise: this claim alone has 4097 bytes"), "{refused}");
}

/// It is the claims' JSON that counts, as grantd gets it.
#[test]
fn what_json_escapes_counts_as_it_is_written() {
    let fits = (4096 - r#"{"team":""}"#.len()) / 2;
    assert_eq!(said("\n".repeat(fits)), Ok(()));
    assert!(said("\n".repeat(fits + 1)).is_err());
}
