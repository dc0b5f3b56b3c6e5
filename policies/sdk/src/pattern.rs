//! Patterns over scopes, the same in every policy that has them.

use alloc::string::String;

/// A pattern over scopes: a scope in which `*` stands for any run of characters, also none. `users:*`, `*:read`, `*`.
#[crate::settings]
#[serde(try_from = "String")]
#[derive(PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern that matches every scope.
    #[must_use]
    pub fn any() -> Self {
        Self(String::from("*"))
    }

    /// The text of the pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern matches the whole of a scope. Takes at worst the product of both lengths.
    #[must_use]
    pub fn matches(&self, scope: &str) -> bool {
        let (pattern, scope) = (self.0.as_bytes(), scope.as_bytes());
        let (mut at, mut read) = (0, 0);
        // Where the last star stands, and how much of the scope was read when it was met.
        let mut star: Option<(usize, usize)> = None;
        while read < scope.len() {
            if pattern.get(at) == Some(&b'*') {
                star = Some((at, read));
                at += 1;
            } else if pattern.get(at) == Some(&scope[read]) {
                at += 1;
                read += 1;
            } else if let Some((place, taken)) = star {
                // Let the star take one character more.
                star = Some((place, taken + 1));
                at = place + 1;
                read = taken + 1;
            } else {
                return false;
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }
}

impl TryFrom<String> for Pattern {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_scope = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if text.is_empty() || !text.bytes().all(is_scope) {
            return Err(
                "a pattern is a scope (printable ASCII without blank, quote and backslash), in which * stands \
                        for any run of characters: users:*",
            );
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything_and_nothing() {
        let matches = |pattern: &str, scope: &str| Pattern::try_from(String::from(pattern)).unwrap().matches(scope);
        for (pattern, scope) in
            [("*", ""), ("*", "x"), ("a*", "a"), ("*a", "aaa"), ("a*b*c", "aXbYbZc"), ("**", "x"), ("a*a", "aa")]
        {
            assert!(matches(pattern, scope), "{pattern} {scope}");
        }
        for (pattern, scope) in [("a", ""), ("a", "ab"), ("a", "ba"), ("a*a", "a"), ("a*b*c", "aXcYb"), ("A", "a")] {
            assert!(!matches(pattern, scope), "{pattern} {scope}");
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = Pattern::try_from("a*".repeat(100) + "b").unwrap();
        assert!(!pattern.matches(&"a".repeat(250)));
    }
}
