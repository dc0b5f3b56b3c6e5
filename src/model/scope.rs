//! Scopes: the grammar of RFC 6749 3.3 and the few set operations that a token request needs.
//!
//! A list of scopes keeps the caller's order and holds each once.

/// Scopes that one request may name.
pub const SCOPES_REQUESTED_MAX: usize = 200;
/// Longest scope-token, in bytes.
pub const SCOPE_BYTES_MAX: usize = 256;

/// Checks one scope-token: `1*( %x21 / %x23-5B / %x5D-7E )`. `Err` says what is wrong.
///
/// # Errors
/// What to change.
pub fn check_scope_token(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("a scope must not be empty".to_owned());
    }
    if text.len() > SCOPE_BYTES_MAX {
        return Err(format!("a scope has at most {SCOPE_BYTES_MAX} characters"));
    }
    if !text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
        return Err("a scope is printable ASCII without blank, quote and backslash (RFC 6749 3.3)".to_owned());
    }
    Ok(())
}

/// Parses the `scope` parameter: scope-tokens separated by single blanks.
///
/// # Errors
/// What to change.
pub fn parse_scopes(text: &str) -> Result<Vec<String>, String> {
    let mut scopes: Vec<String> = Vec::new();
    if text.is_empty() {
        return Ok(scopes);
    }
    for token in text.split(' ') {
        if token.is_empty() {
            return Err("scopes are separated by one blank each, with none before or after (RFC 6749 3.3)".to_owned());
        }
        check_scope_token(token)?;
        if scopes.iter().any(|seen| seen == token) {
            continue;
        }
        if scopes.len() == SCOPES_REQUESTED_MAX {
            return Err(format!("a request names at most {SCOPES_REQUESTED_MAX} scopes"));
        }
        scopes.push(token.to_owned());
    }
    Ok(scopes)
}

/// Those of `wanted` that `ceiling` holds too, in the order of `wanted`. Nothing that is not in both comes out.
#[must_use]
pub fn intersect<'a>(wanted: &'a [String], ceiling: &[String]) -> Vec<&'a String> {
    wanted.iter().filter(|scope| ceiling.contains(scope)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_grammar_of_rfc_6749() {
        assert_eq!(parse_scopes("").unwrap(), Vec::<String>::new());
        assert_eq!(parse_scopes("b a b").unwrap(), ["b", "a"]);
        assert_eq!(parse_scopes("urn:x/y?z=[1]!#~").unwrap().len(), 1);
        for bad in [" ", "a ", " a", "a  b", "a\tb", "a\"b", "a\\b", "ä", "a\0"] {
            assert!(parse_scopes(bad).is_err(), "{bad:?}");
        }
        let many = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert!(parse_scopes(&many(SCOPES_REQUESTED_MAX)).is_ok());
        assert!(parse_scopes(&many(SCOPES_REQUESTED_MAX + 1)).is_err());
        assert!(parse_scopes(&"x".repeat(SCOPE_BYTES_MAX + 1)).is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_invents_a_scope(text in ".{0,60}") {
            if let Ok(scopes) = parse_scopes(&text) {
                prop_assert!(scopes.iter().all(|scope| text.split(' ').any(|token| token == scope)));
            }
        }

        #[test]
        fn an_intersection_is_within_both(
            wanted in proptest::collection::vec("[a-e]", 0..8),
            ceiling in proptest::collection::vec("[a-e]", 0..8),
        ) {
            let both = intersect(&wanted, &ceiling);
            prop_assert!(both.iter().all(|scope| wanted.contains(scope) && ceiling.contains(scope)));
            prop_assert!(wanted.iter().filter(|scope| ceiling.contains(scope)).all(|scope| both.contains(&scope)));
        }
    }
}
