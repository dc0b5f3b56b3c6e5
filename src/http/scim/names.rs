//! SCIM's names for what `admin` knows by others: the schema of a service account, and the extension that holds its
//! custom attributes.

use std::borrow::Cow;

use crate::filter::string_length;

/// The schema of a service account.
pub(in crate::http) const ACCOUNT: &str = "urn:ietf:params:scim:schemas:grantd:1.0:ServiceAccount";
/// The extension whose attributes are the account's `attributes`.
pub(in crate::http) const CUSTOM: &str = "urn:ietf:params:scim:schemas:extension:grantd:1.0:Attributes";
/// The provisioner's own identifier (RFC 7643 3.1): kept among the attributes.
pub(super) const EXTERNAL_ID: &str = "externalId";

/// What follows a schema's URN: nothing, or what stands behind a colon or a dot.
fn below<'a>(word: &'a str, urn: &str) -> Option<&'a str> {
    let start = word.get(..urn.len())?;
    let rest = &word[urn.len()..];
    let is_whole = rest.is_empty() || rest.starts_with([':', '.']);
    (start.eq_ignore_ascii_case(urn) && is_whole).then(|| rest.trim_start_matches([':', '.']))
}

/// A path in the document that PATCH works on.
pub(super) fn in_document(word: &str) -> Cow<'_, str> {
    match (below(word, CUSTOM), below(word, ACCOUNT)) {
        (Some(""), _) => "attributes".into(),
        (Some(rest), _) => format!("attributes.{rest}").into(),
        (None, Some(rest)) if !rest.is_empty() => rest.into(),
        (None, _) => word.into(),
    }
}

/// A path that lists can be filtered and sorted by.
pub(super) fn in_list(word: &str) -> Cow<'_, str> {
    let path = in_document(word);
    if path.eq_ignore_ascii_case(EXTERNAL_ID) { format!("attributes.{EXTERNAL_ID}").into() } else { path }
}

/// A path into what is answered.
pub(super) fn in_answer(word: &str) -> Cow<'_, str> {
    match (below(word, CUSTOM), below(word, ACCOUNT)) {
        (Some(""), _) => CUSTOM.into(),
        (Some(rest), _) => format!("{CUSTOM}.{rest}").into(),
        (None, Some(rest)) if !rest.is_empty() => rest.into(),
        (None, _) => word.into(),
    }
}

/// A filter or a path with each of its words in other terms. What stands between quotes is no name.
pub(super) fn reworded(text: &str, word: fn(&str) -> Cow<'_, str>) -> String {
    let mut reworded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let is_in_word = |c: char| c.is_ascii_alphanumeric() || "_-.:$".contains(c);
        let end = match next {
            '"' => string_length(rest).unwrap_or(rest.len()),
            c if is_in_word(c) => rest.find(|c| !is_in_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        if is_in_word(next) {
            reworded.push_str(&word(&rest[..end]));
        } else {
            reworded.push_str(&rest[..end]);
        }
        rest = &rest[end..];
    }
    reworded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_changed_and_texts_are_not() {
        let filter = format!(
            r#"userName eq "{CUSTOM}:team" and ({CUSTOM}:team.Name co "a \" externalId" or {ACCOUNT}:active pr) and EXTERNALID eq "x""#
        );
        assert_eq!(
            reworded(&filter, in_list),
            format!(
                r#"userName eq "{CUSTOM}:team" and (attributes.team.Name co "a \" externalId" or active pr) and attributes.externalId eq "x""#
            )
        );
        for (word, expected) in [
            (CUSTOM.to_ascii_uppercase(), "attributes"),
            (format!("{CUSTOM}:a[b eq 1].c"), "attributes.a[b eq 1].c"),
            (format!("{ACCOUNT}:displayName"), "displayName"),
            ("externalId".to_owned(), "externalId"),
            ("/attributes/a~1b".to_owned(), "/attributes/a~1b"),
            ("ünïcode \"never ends".to_owned(), "ünïcode \"never ends"),
        ] {
            assert_eq!(reworded(&word, in_document), expected);
        }
        assert_eq!(in_answer(&format!("{CUSTOM}:team")), format!("{CUSTOM}.team"));
        assert_eq!(in_answer(&format!("{CUSTOM}2:team")), format!("{CUSTOM}2:team"));
    }
}
