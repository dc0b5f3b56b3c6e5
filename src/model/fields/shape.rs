//! What a body may hold, found out by running its parser on nothing: the parser is the only description there is,
//! so no other can differ from it.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{Fields, TextRule};

/// A body without a member.
static NOTHING: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

/// A member that a parser looks at.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub shape: Shape,
    /// Whether a body without it is refused.
    pub required: bool,
}

/// What a member may be. Unless it is required, it may be null too, which counts as absent.
#[derive(Clone, Debug)]
pub enum Shape {
    /// The parser looks at the value itself.
    Any,
    /// A string that the rule accepts.
    Text(TextRule),
    /// One of these words.
    Choice(Vec<&'static str>),
    /// True or false.
    Flag,
    /// A whole number within bounds.
    Integer(RangeInclusive<i64>),
    /// An RFC 3339 date-time.
    Time,
    /// Any object, up to this many bytes of JSON.
    FreeObject(usize),
    /// An object with these members.
    Object(Vec<Member>),
    /// Up to so many different strings that the rule accepts.
    Texts(usize, TextRule),
    /// Up to so many objects with these members.
    Objects(usize, Vec<Member>),
}

/// The members that `parse` looks at.
#[must_use]
pub fn members_of(parse: impl FnOnce(&mut Fields<'_>)) -> Vec<Member> {
    let mut fields = Fields::new(&NOTHING, "");
    fields.log = Some(Vec::new());
    parse(&mut fields);
    let mut members = fields.log.take().unwrap_or_default();
    for member in &mut members {
        // Whatever nothing is refused for is required.
        member.required = fields.violations.iter().any(|violation| violation.property_path[1..] == *member.name);
    }
    members
}

impl Fields<'_> {
    /// Notes what a member may be; the first word that says more than nothing counts.
    pub(super) fn note(&mut self, name: &'static str, shape: impl FnOnce() -> Shape) {
        let Some(log) = &mut self.log else { return };
        match log.iter_mut().find(|member| member.name == name) {
            Some(Member { shape: known @ Shape::Any, .. }) => *known = shape(),
            Some(_) => {}
            None => log.push(Member { name, shape: shape(), required: false }),
        }
    }
}

/// What can be told of a rule for texts by trying it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextFacts {
    /// The fewest characters, if more than none.
    pub chars_min: Option<usize>,
    /// The most characters.
    pub chars_max: Option<usize>,
    /// A regular expression (ECMA-262) that tells the accepted texts from most others.
    pub pattern: Option<String>,
}

/// Longer texts are not tried.
const TRIED_CHARS_MAX: usize = 1 << 20;

/// Tries a rule.
#[must_use]
pub fn facts_of(rule: TextRule) -> TextFacts {
    if rule("aaa").is_err() {
        // A rule for something of a form of its own: letters alone tell nothing of it.
        return TextFacts::default();
    }
    let fits = |chars: usize| rule(&"a".repeat(chars)).is_ok();
    TextFacts {
        chars_min: (rule("").is_err()).then(|| (1..=TRIED_CHARS_MAX).find(|chars| fits(*chars)).unwrap_or(1)),
        chars_max: (!fits(TRIED_CHARS_MAX)).then(|| last(1, TRIED_CHARS_MAX, fits)),
        pattern: pattern_of(rule),
    }
}

/// The last number from `fits` on for which it holds, by halving.
fn last(mut fits_at: usize, mut fails_at: usize, fits: impl Fn(usize) -> bool) -> usize {
    while fails_at - fits_at > 1 {
        let middle = fits_at.midpoint(fails_at);
        if fits(middle) { fits_at = middle } else { fails_at = middle }
    }
    fits_at
}

fn pattern_of(rule: TextRule) -> Option<String> {
    let within = |c: char| rule(&format!("a{c}a")).is_ok();
    let class = match ('\u{20}'..'\u{7f}').all(within) && within('\u{e4}') {
        true if within('\u{7}') => return None,
        true if within('\n') => r"[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]".to_owned(),
        true => r"[^\u0000-\u001f\u007f-\u009f]".to_owned(),
        false => format!("[{}]", ranges_of(within)),
    };
    // The other way round the same: what a blank must not stand at.
    let ends = if rule("a a").is_ok() && rule(" a").is_err() { r"(?!\s)" } else { "" };
    let last = if ends.is_empty() { "" } else { r"(?<!\s)" };
    let blank = if rule("   ").is_err() && rule(" a").is_ok() { r"(?=[\s\S]*\S)" } else { "" };
    Some(format!("^{ends}{blank}{class}*{last}$"))
}

/// The printable ASCII characters for which `within` holds, as the inside of a character class.
fn ranges_of(within: impl Fn(char) -> bool) -> String {
    let mut class = String::new();
    let mut chars = ('\u{20}'..'\u{7f}').filter(|c| within(*c)).peekable();
    while let Some(first) = chars.next() {
        let mut end = first;
        while let Some(next) = chars.next_if(|next| u32::from(*next) == u32::from(end) + 1) {
            end = next;
        }
        class.push_str(&escaped(first));
        if end != first {
            class.push('-');
            class.push_str(&escaped(end));
        }
    }
    class
}

fn escaped(c: char) -> String {
    if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) }
}

#[cfg(test)]
mod tests {
    use super::super::{display_name, free_text, reference_name, token_name};
    use super::*;
    use crate::model::scope::check_scope_token;

    #[test]
    fn a_parser_describes_itself() {
        let members = members_of(|fields| {
            fields.text("userName", reference_name);
            fields.flag("active", false);
            fields.raw("any");
            if fields.raw("role").is_none() {
                fields.violate("role", "must be there");
            }
            fields.choice("role", &[("admin", 1), ("reader", 2)], 1);
            fields.object_list("scopes", 5, |inner| {
                inner.text("identifier", token_name);
                inner.time("until");
            });
        });
        insta::assert_debug_snapshot!(members.iter().map(|member| (member.name, member.required, member.shape.clone())).collect::<Vec<_>>().iter().map(|(name, required, shape)| {
            let shape = format!("{shape:?}");
            format!("{name} {required} {}", shape.split("0x").next().unwrap_or_default())
        }).collect::<Vec<_>>(), @r#"
        [
            "userName true Text(",
            "active false Flag",
            "any false Any",
            "role true Choice([\"admin\", \"reader\"])",
            "scopes false Objects(5, [Member { name: \"identifier\", shape: Text(",
        ]
        "#);
        let Shape::Objects(5, inner) = &members[4].shape else { panic!("{:?}", members[4]) };
        assert_eq!((inner[0].required, inner[1].required), (true, false));
    }

    #[test]
    fn rules_are_told_by_trying_them() {
        let told = |rule: TextRule| {
            let facts = facts_of(rule);
            (facts.chars_min, facts.chars_max, facts.pattern.unwrap_or_default())
        };
        let text = |pattern: &str| pattern.to_owned();
        assert_eq!(told(free_text), (None, Some(2000), text(r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$")));
        assert_eq!(
            told(display_name),
            (Some(1), Some(256), text(r"^(?=[\s\S]*\S)[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"))
        );
        assert_eq!(told(reference_name), (Some(1), Some(200), text(r"^(?!\s)[^\u0000-\u001f\u007f-\u009f]*(?<!\s)$")));
        assert_eq!(told(token_name), (Some(1), Some(200), text(r"^[\u0021-\u007e]*$")));
        assert_eq!(told(check_scope_token), (Some(1), Some(256), text(r"^[\u0021\u0023-\u005b\u005d-\u007e]*$")));
        assert_eq!(facts_of(|_| Ok(())), TextFacts::default());
        assert_eq!(facts_of(|_| Err(String::new())), TextFacts::default());
    }
}
