//! How far a list looks. What has no bound of its own is found by an index, or looked through from the newest on as far
//! as a page for a person may take; the page says so. The admin API looks at everything, and takes its time.

use super::engine::{Statement, Value, params};
use crate::filter::{AttributePath, Filter, Literal, Op};

/// Rows that a bounded list counts.
pub(crate) const COUNTED_MAX: i64 = 1000;
/// Rows that an index may hand to a condition which needs to see them all.
pub(crate) const CANDIDATES_MAX: i64 = 1000;
/// Characters that stand in a row in one entry of a name's index.
const GRAM_CHARS: usize = 3;
/// Entries that a text is looked up by: more do not make it rarer, and each takes its time.
const GRAMS_MAX: usize = 12;

/// How the rows of a table that grows without bound are reached. It is ordered by `t.seq`.
pub(crate) struct Reach {
    /// Holds for the newest rows, once a number follows.
    pub(crate) newest: &'static str,
    /// How many rows lie between the oldest and the newest one.
    pub(crate) span: &'static str,
    /// How many of the newest are looked through.
    pub(crate) rows: u32,
    /// Attributes of which one value leads, by an index, to its rows in the order of the list.
    pub(crate) ordered: &'static [&'static str],
    /// Attributes of which each value has one row.
    pub(crate) unique: &'static [&'static str],
    /// Indexes that name candidates for a condition.
    pub(crate) sources: &'static [Source],
}

/// An index that names candidates: rows that a condition may hold for, and all that it holds for.
pub(crate) struct Source {
    pub(crate) attributes: &'static [&'static str],
    pub(crate) by: By,
    /// Their `seq` for ?1: of what is indexed the newest, no more than ?2, and all that is not indexed yet.
    pub(crate) select: &'static str,
    /// How many there are for ?1, and no more than ?2.
    pub(crate) count: &'static str,
    /// Whether lists without bounds are read by it too, where it names few: SQLite finds no such way by itself.
    pub(crate) always: bool,
}

/// What a source is asked with.
pub(crate) enum By {
    /// A value that the attribute equals, one of these; any value where these are none.
    Value(&'static [&'static str]),
    /// The characters of a text that stands in the attribute.
    Grams,
}

/// How a list is read.
pub(crate) enum Way {
    /// In its own order, as far as it takes.
    Along,
    /// The newest rows alone.
    Newest(&'static Reach),
    /// What an index names for this value, at most so many where there is a number, and what is not in it yet.
    Candidates { source: &'static Source, value: Value, max: Option<i64> },
}

impl Source {
    /// Counts the candidates up to one more than there may be.
    pub(crate) fn probe(&self, value: &Value) -> Statement {
        Statement::new(self.count, vec![value.clone(), Value::Integer(CANDIDATES_MAX + 1)])
    }
}

impl Way {
    /// The way through a list that looks no further than it may.
    pub(crate) fn bounded(reach: &'static Reach, filter: &Filter) -> Self {
        if reach.leads_straight(filter) {
            return Self::Along;
        }
        reach.candidates(filter, Some(CANDIDATES_MAX)).unwrap_or(Self::Newest(reach))
    }

    /// Counts the rows that fit, where the candidates are just those.
    pub(crate) fn count_of(&self, filter: &Filter) -> Option<Statement> {
        match (self, filter) {
            (
                Self::Candidates { source: source @ Source { by: By::Value(_), .. }, value, .. },
                Filter::Compare { .. },
            ) => Some(source.probe(value)),
            _ => None,
        }
    }

    /// What says how many rows there are to look at, and how many of them are.
    pub(crate) fn limit(&self) -> Option<(Statement, i64)> {
        match self {
            Self::Candidates { source, value, max: Some(max) } => Some((source.probe(value), *max)),
            Self::Newest(reach) => Some((Statement::new(reach.span, params![]), i64::from(reach.rows))),
            _ => None,
        }
    }
}

impl Reach {
    /// Whether the filter is one comparison that an index answers in the order of the list.
    fn leads_straight(&self, filter: &Filter) -> bool {
        match filter {
            Filter::Compare { path, op: Op::Eq, .. } => named(self.ordered, path) || named(self.unique, path),
            Filter::In { path, .. } => named(self.unique, path),
            _ => false,
        }
    }

    /// The candidates that the first fitting source names.
    fn candidates(&self, filter: &Filter, max: Option<i64>) -> Option<Way> {
        let way = |source: &'static Source| {
            let value = Value::Text(source.asked(filter)?);
            Some(Way::Candidates { source, value, max })
        };
        self.sources.iter().find_map(way)
    }

    /// All the candidates that a list without bounds is read by.
    pub(crate) fn all_candidates(&self, filter: &Filter) -> Option<Way> {
        self.candidates(filter, None)
            .filter(|way| matches!(way, Way::Candidates { source: Source { always: true, .. }, .. }))
    }
}

impl Source {
    /// What to ask it with, so that it names every row that the filter holds for; `None` where it cannot tell.
    fn asked(&self, filter: &Filter) -> Option<String> {
        match (&self.by, filter) {
            (_, Filter::And(parts)) => {
                let mut asked = parts.iter().filter_map(|part| self.asked(part));
                match self.by {
                    By::Value(_) => asked.next(),
                    By::Grams => joined(asked.collect(), " AND "),
                }
            }
            (By::Grams, Filter::Or(parts)) => {
                joined(parts.iter().map(|part| self.asked(part)).collect::<Option<Vec<_>>>()?, " OR ")
            }
            (By::Value(values), Filter::Compare { path, op: Op::Eq, value: Literal::String(text) })
                if named(self.attributes, path) =>
            {
                (values.is_empty() || values.contains(&text.as_str())).then(|| text.clone())
            }
            (
                By::Grams,
                Filter::Compare { path, op: Op::Eq | Op::Co | Op::Sw | Op::Ew, value: Literal::String(text) },
            ) if named(self.attributes, path) => grams(text),
            _ => None,
        }
    }
}

fn named(attributes: &[&str], path: &AttributePath) -> bool {
    let [name] = path.names() else { return false };
    attributes.iter().any(|attribute| attribute.eq_ignore_ascii_case(name))
}

/// Parts of an expression for FTS5, each once.
fn joined(mut parts: Vec<String>, with: &str) -> Option<String> {
    parts.sort_unstable();
    parts.dedup();
    match parts.len() {
        0 | 1 => parts.pop(),
        _ => Some(format!("({})", parts.join(with))),
    }
}

/// The expression for FTS5 that finds whatever contains the text, and a little more; `None` for one that is too short.
fn grams(text: &str) -> Option<String> {
    let characters: Vec<char> = text.chars().collect();
    // No name has a NUL, and the index leaves them out.
    if characters.len() < GRAM_CHARS || characters.contains(&'\0') {
        return None;
    }
    // Those side by side, and the last: one that overlaps others makes the text hardly rarer, and its rows are read too.
    let windows = characters.len() - GRAM_CHARS + 1;
    let step = windows.div_ceil(GRAMS_MAX - 1).max(GRAM_CHARS);
    let last = characters.windows(GRAM_CHARS).next_back();
    let chosen = characters.windows(GRAM_CHARS).step_by(step).chain(last);
    // A quote within a string of FTS5 is doubled.
    let gram = |window: &[char]| format!("\"{}\"", window.iter().collect::<String>().replace('"', "\"\""));
    joined(chosen.map(gram).collect(), " AND ")
}

#[cfg(test)]
mod tests {
    use super::*;

    static NAMES: Source =
        Source { attributes: &["userName", "displayName"], by: By::Grams, select: "", count: "", always: true };
    static OUTCOMES: Source = Source {
        attributes: &["outcome"],
        by: By::Value(&["refused", "failed"]),
        select: "",
        count: "",
        always: false,
    };

    fn asked(source: &Source, filter: &str) -> Option<String> {
        source.asked(&crate::filter::parse(filter).unwrap())
    }

    #[test]
    fn a_text_is_looked_up_by_what_it_is_made_of() {
        let found = |text: &str| asked(&NAMES, text);
        assert_eq!(found(r#"userName co "abc""#).unwrap(), r#""abc""#);
        assert_eq!(found(r#"username SW "abcd""#).unwrap(), r#"("abc" AND "bcd")"#);
        assert_eq!(found(r#"displayName eq "a\"bc""#).unwrap(), r#"("""bc" AND "a""b")"#);
        assert_eq!(found(r#"userName co "abcdefgh""#).unwrap(), r#"("abc" AND "def" AND "fgh")"#);
        assert_eq!(found(r#"userName co "aaaaaa""#).unwrap(), r#""aaa""#, "each once");
        assert_eq!(found(r#"userName co "ßüé""#).unwrap(), r#""ßüé""#, "characters, not bytes");
        let long =
            found(&format!(r#"userName co "{}""#, (0..200).map(|n| char::from(b'a' + n % 26)).collect::<String>()));
        assert!(long.unwrap().matches(" AND ").count() < GRAMS_MAX);
        for too_short in [r#"userName co "ab""#, r#"userName co """#, r#"userName co "ab\u0000cd""#] {
            assert_eq!(found(too_short), None, "{too_short}");
        }
    }

    #[test]
    fn only_what_must_hold_is_looked_up() {
        let found = |text: &str| asked(&NAMES, text);
        assert_eq!(found(r#"userName co "abc" or displayName co "abc""#).unwrap(), r#""abc""#);
        assert_eq!(found(r#"userName co "abc" or displayName co "xyz""#).unwrap(), r#"("abc" OR "xyz")"#);
        assert_eq!(found(r#"userName co "abc" and active eq true"#).unwrap(), r#""abc""#);
        for anything in [
            r#"userName co "abc" or active eq true"#,
            r#"userName co "abc" or displayName co "xy""#,
            r#"not (userName co "abc")"#,
            r#"userName ne "abc""#,
            r#"userName gt "abc""#,
            r#"attributes.userName co "abc""#,
            r#"id co "abc""#,
            "userName pr",
        ] {
            assert_eq!(found(anything), None, "{anything}");
        }
        assert_eq!(asked(&OUTCOMES, r#"outcome eq "refused" and apiId eq "x""#).unwrap(), "refused");
        assert_eq!(asked(&OUTCOMES, r#"outcome eq "issued""#), None);
        assert_eq!(asked(&OUTCOMES, r#"outcome eq "refused" or apiId eq "x""#), None);
        assert_eq!(asked(&OUTCOMES, r#"outcome ne "refused""#), None);
    }
}
