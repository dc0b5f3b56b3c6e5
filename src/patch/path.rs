//! The `path` of a patch operation, in each of the vendor's spellings.
//!
//! It only takes the text apart: whether `0` is an array index or a member's name shows when the path
//! meets a document.

use crate::filter::{self, Filter, FilterError, string_length, without_schema};

use super::{PATH_BYTES_MAX, PATH_SEGMENTS_MAX};

/// Where an operation applies. Its spellings:
/// - `attributes.team`, the SCIM form, optionally after a schema URN;
/// - `/attributes/team` or `attributes/team`, the JSON pointer form (RFC 6901, with `~0` for `~` and
///   `~1` for `/`), in which a dot is part of the name; a path is of this form when it holds a `/` before
///   any `[`;
/// - `scopes/0` and `scopes/-` for one item of an array and for the place after its last;
/// - `scopes[identifier eq "read"]` for the items that match a filter, and what follows a `.` or a `/`
///   after it for a part of each, in the form of that separator.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    text: String,
    /// The first one is a name; two filters never touch.
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Segment {
    /// A member of an object; in an array, an index or `-`.
    Name(String),
    /// The items of an array that match.
    Matching(Filter),
}

impl Path {
    /// The path as the caller wrote it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Reads a path; an error is the message for the caller.
    pub(super) fn parse(text: &str) -> Result<Path, String> {
        if text.len() > PATH_BYTES_MAX {
            return Err(format!("shorten the path to at most {PATH_BYTES_MAX} bytes"));
        }
        let head = text.split('[').next().unwrap_or(text);
        let mut separator = if head.contains('/') { '/' } else { '.' };
        let mut rest = match separator {
            '/' => text.strip_prefix('/').unwrap_or(text),
            _ => &text[head.len() - without_schema(head).len()..],
        };
        let mut segments = Vec::new();
        loop {
            let end = rest.find(['[', separator]).unwrap_or(rest.len());
            segments.push(Segment::Name(name(&rest[..end], separator)?));
            rest = &rest[end..];
            if rest.starts_with('[') {
                let (filter, length) = value_filter(text, rest)?;
                segments.push(Segment::Matching(filter));
                rest = &rest[length..];
            }
            if segments.len() > PATH_SEGMENTS_MAX {
                return Err(format!("shorten the path to at most {PATH_SEGMENTS_MAX} segments"));
            }
            separator = match rest.chars().next() {
                None => break,
                Some(next @ ('.' | '/')) => next,
                Some(_) => return Err("put a \".\" or a \"/\" between \"]\" and what follows".to_owned()),
            };
            rest = &rest[1..];
        }
        let text = text.to_owned();
        Ok(Path { text, segments })
    }
}

fn name(text: &str, separator: char) -> Result<String, String> {
    if text.is_empty() {
        return Err(format!(
            "name an attribute at the path's start and after each \"{separator}\", such as \"/active\""
        ));
    }
    if separator == '.' {
        return Ok(text.to_owned());
    }
    // RFC 6901 section 4: ~1 first, so that ~01 becomes ~1 and not a slash.
    if text.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
        return Err("write \"~\" as \"~0\" and \"/\" as \"~1\" inside a name".to_owned());
    }
    Ok(text.replace("~1", "/").replace("~0", "~"))
}

/// The filter that `rest`, the end of the path `text`, opens with, and its length with both brackets.
fn value_filter(text: &str, rest: &str) -> Result<(Filter, usize), String> {
    let Some(length) = bracketed_length(rest) else {
        return Err("close the value filter with \"]\"".to_owned());
    };
    let filter = filter::parse(&rest[1..length - 1]).map_err(|error| {
        let before = &text[..=text.len() - rest.len()];
        let position = before.chars().count() + error.position;
        FilterError { position, ..error }.to_string()
    })?;
    Ok((filter, length))
}

/// The bytes from the bracket that `text` opens with through its counterpart. Brackets nest
/// (`id in ["a"]`), and those in strings do not count.
fn bracketed_length(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut offset = 0;
    loop {
        let rest = &text[offset..];
        match rest.as_bytes().first()? {
            b'"' => {
                offset += string_length(rest)?;
                continue;
            }
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        offset += rest.chars().next()?.len_utf8();
        if depth == 0 {
            return Some(offset);
        }
    }
}
