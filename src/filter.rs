//! The SCIM filter language: `userName eq "ci" and not (active eq false)`.
//!
//! Owns the grammar of RFC 7644 section 3.4.2.2 plus the vendor's `in ["a","b"]` operator: the parsed
//! form ([`Filter`]), its canonical text ([`Filter`]'s `Display`), errors that point at a character,
//! and the evaluation of a filter on a JSON value in memory ([`matches()`]).
//!
//! Deliberately absent: SQL, and any knowledge of which attributes exist or what type they have. A
//! caller that turns a filter into a query decides that, comparing attribute names without regard to
//! ASCII case (RFC 7643 section 2.1). The value filters of RFC 7644 do not nest, so ours do not either.
//!
//! Every input is bounded by the constants below. Reading and printing recurse at most [`DEPTH_MAX`] filters
//! deep; evaluation, as deep as the filter and the value together.

mod lexer;
mod matching;
mod parser;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Number;

pub(crate) use lexer::string_length;
pub use matching::matches;
pub(crate) use matching::{existing_key, steps_max};
pub use parser::parse;

/// Longest filter text, in bytes.
pub const TEXT_BYTES_MAX: usize = 8192;
/// Deepest nesting of `(`, `not (` and `[` together.
pub const DEPTH_MAX: usize = 16;
/// Most attribute expressions (`userName pr`, `active eq true`, `scopes[…]`) in one filter.
pub const TERMS_MAX: usize = 100;
/// Most values in one `in […]` list.
pub const IN_VALUES_MAX: usize = 1000;
/// Most dotted names in one attribute path.
pub const PATH_NAMES_MAX: usize = 16;

/// Most characters of the caller's text that an error message repeats.
const QUOTED_CHARS_MAX: usize = 40;

/// A parsed filter. Its `Display` is canonical: it parses back to an equal filter, unless the added
/// spaces push it over [`TEXT_BYTES_MAX`].
///
/// [`parse`] guarantees that `And` and `Or` hold at least two parts, that `In` holds at least one value
/// and no null, that `co`, `sw` and `ew` compare with a string, that `gt`, `ge`, `lt` and `le`
/// compare with a string or a number, and that no `Within` contains another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Every part matches.
    And(Vec<Filter>),
    /// At least one part matches.
    Or(Vec<Filter>),
    /// The part does not match.
    Not(Box<Filter>),
    /// `displayName pr`: the attribute has a value that is neither null nor empty.
    Present(AttributePath),
    /// `userName eq "ci"`.
    Compare {
        /// The attribute.
        path: AttributePath,
        /// How it must relate to the value.
        op: Op,
        /// What it is compared with.
        value: Literal,
    },
    /// `id in ["a","b"]`, a vendor extension: equal to one of the values.
    In {
        /// The attribute.
        path: AttributePath,
        /// 1 to [`IN_VALUES_MAX`] values, none of them null.
        values: Vec<Literal>,
    },
    /// `scopes[identifier eq "read"]`: one single value of a multi-valued attribute matches.
    Within {
        /// The multi-valued attribute.
        path: AttributePath,
        /// What must hold for that one value; its paths start there.
        filter: Box<Filter>,
    },
}

/// A comparison operator of RFC 7644 table 3, except `pr`, which takes no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `eq`: equal.
    Eq,
    /// `ne`: not equal.
    Ne,
    /// `co`: contains.
    Co,
    /// `sw`: starts with.
    Sw,
    /// `ew`: ends with.
    Ew,
    /// `gt`: greater than.
    Gt,
    /// `ge`: greater than or equal to.
    Ge,
    /// `lt`: less than.
    Lt,
    /// `le`: less than or equal to.
    Le,
}

impl Op {
    /// Every operator, in the order of RFC 7644 table 3.
    const ALL: [Op; 9] = [Op::Eq, Op::Ne, Op::Co, Op::Sw, Op::Ew, Op::Gt, Op::Ge, Op::Lt, Op::Le];

    /// The keyword, in lower case.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Op::Eq => "eq",
            Op::Ne => "ne",
            Op::Co => "co",
            Op::Sw => "sw",
            Op::Ew => "ew",
            Op::Gt => "gt",
            Op::Ge => "ge",
            Op::Lt => "lt",
            Op::Le => "le",
        }
    }
}

/// The value an attribute is compared with: a JSON scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// A JSON string, unescaped.
    String(String),
    /// An integer of 64 bits, signed or not, or else a finite float.
    Number(Number),
    /// `true` or `false`.
    Bool(bool),
    /// `null`: equal to an attribute that is absent (RFC 7643 section 2.5).
    Null,
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<bool> for Literal {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

/// Where an attribute is: `userName`, or `attributes.team` as its dotted names. A schema URN in front
/// (RFC 7644 section 3.10) is accepted and dropped. Names keep the caller's spelling; compare them
/// without regard to ASCII case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttributePath {
    names: Vec<String>,
}

impl AttributePath {
    /// Reads `meta.created` or `urn:ietf:params:scim:schemas:core:2.0:User:userName`.
    ///
    /// # Errors
    /// [`FilterError`] when a name is empty, does not start with an ASCII letter, `_` or `$`, or goes
    /// on with anything but ASCII letters, digits, `-` and `_`, and when there are more than
    /// [`PATH_NAMES_MAX`] names.
    pub fn parse(text: &str) -> Result<AttributePath, FilterError> {
        let names: Vec<String> = without_schema(text).split('.').map(str::to_owned).collect();
        if !names.iter().all(|name| is_attribute_name(name)) {
            let message = format!(
                "expected an attribute name (a letter, then letters, digits, \"-\" or \"_\"; dots \
                 between names), found {}",
                quoted(text)
            );
            return Err(FilterError::new(1, message));
        }
        if names.len() > PATH_NAMES_MAX {
            let message = format!("expected at most {PATH_NAMES_MAX} dotted names, found {}", names.len());
            return Err(FilterError::new(1, message));
        }
        Ok(AttributePath { names })
    }

    /// The dotted names, outermost first; never empty.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// `$` opens the sub-attribute `$ref` (RFC 7643 section 2.4); `_` is common in custom attributes.
fn is_attribute_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_' || first == '$')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// The attribute after a schema URN, else the text itself. The URN ends at the last colon: its own
/// version (`2.0`) holds a dot, an attribute name holds no colon.
pub(crate) fn without_schema(text: &str) -> &str {
    let is_urn = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
    match text.rsplit_once(':') {
        Some((_, attribute)) if is_urn => attribute,
        _ => text,
    }
}

/// Why a filter was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// The offending character's column: the first character of the filter is 1.
    pub position: usize,
    /// What was expected there and what was found, for the caller to read.
    pub message: String,
}

impl FilterError {
    fn new(position: usize, message: String) -> FilterError {
        FilterError { position, message }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.position, self.message)
    }
}

impl std::error::Error for FilterError {}

/// A piece of the caller's text for an error message: in quotes, shortened, control characters escaped
/// so that it can be logged.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Filter::And(parts) => {
                write_joined(f, parts, " and ", |part| matches!(part, Filter::And(_) | Filter::Or(_)))
            }
            Filter::Or(parts) => write_joined(f, parts, " or ", |part| matches!(part, Filter::Or(_))),
            Filter::Not(filter) => write!(f, "not ({filter})"),
            Filter::Present(path) => write!(f, "{path} pr"),
            Filter::Compare { path, op, value } => write!(f, "{path} {} {value}", op.keyword()),
            Filter::In { path, values } => {
                write!(f, "{path} in [")?;
                for (index, value) in values.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{value}")?;
                }
                f.write_str("]")
            }
            Filter::Within { path, filter } => write!(f, "{path}[{filter}]"),
        }
    }
}

/// Parentheses go around a part only where leaving them out would parse to another filter.
fn write_joined(
    f: &mut fmt::Formatter<'_>,
    parts: &[Filter],
    separator: &str,
    needs_parentheses: fn(&Filter) -> bool,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        if needs_parentheses(part) {
            write!(f, "({part})")?;
        } else {
            write!(f, "{part}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::String(text) => f.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?),
            Literal::Number(number) => write!(f, "{number}"),
            Literal::Bool(flag) => write!(f, "{flag}"),
            Literal::Null => f.write_str("null"),
        }
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join("."))
    }
}
