//! Forms: what was sent, and what of it is shown again. Nothing that somebody typed is lost because a form was
//! refused, or because a session ended meanwhile.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::asked::Pairs;
use super::view::View;
use crate::error::{Error, Result, Violation};
use crate::secret::hashes_equal;

/// The names of the fields that belong to the console, not to what is edited.
pub(super) const FORM_TOKEN: &str = "_form";
pub(super) const ONCE: &str = "_once";
pub(super) const REVISION: &str = "_revision";
/// A whole form that waits for its sender to sign in.
pub(super) const KEPT: &str = "_kept";
/// Fields that one form may have.
const FIELDS_MAX: usize = 10_000;

/// A form as it was sent.
pub(super) struct Form {
    pub(super) pairs: Pairs,
    /// The files that it may carry, by their fields.
    files: Vec<(String, Vec<u8>)>,
    /// It waited for its sender to sign in: it is to be looked at again before anything is done.
    was_kept: bool,
}

impl Form {
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        let text =
            std::str::from_utf8(body).map_err(|_| Error::Malformed("the form is not urlencoded text".to_owned()))?;
        let outer = Pairs::parse(text);
        let kept = outer.value(KEPT).map(Pairs::parse);
        let was_kept = kept.is_some();
        let mut pairs = kept.unwrap_or(outer);
        if pairs.0.len() > FIELDS_MAX {
            return Err(Error::TooLarge(format!("a form has at most {FIELDS_MAX} fields")));
        }
        for (_, value) in &mut pairs.0 {
            // Browsers end the lines of a text area as the Internet does; a stored text has plain line ends.
            if value.contains('\r') {
                *value = value.replace("\r\n", "\n");
            }
        }
        Ok(Self { pairs, files: Vec::new(), was_kept })
    }

    /// A form that carries files.
    pub(super) fn with_files(pairs: Pairs, files: Vec<(String, Vec<u8>)>) -> Self {
        Self { pairs, files, was_kept: false }
    }

    /// A form that is sent by GET, as its address says.
    pub(super) fn of_query(pairs: Pairs) -> Self {
        Self { pairs, files: Vec::new(), was_kept: false }
    }

    /// The file that it carries in a field; none where no file was chosen.
    pub(super) fn file(&self, field: &str) -> Option<&[u8]> {
        let found = self.files.iter().find(|(name, bytes)| name == field && !bytes.is_empty());
        found.map(|(_, bytes)| bytes.as_slice())
    }

    /// Whether it was made for this session, and is sent by its own page.
    pub(super) fn is_for(&self, view: &View<'_>) -> bool {
        let sent = self.pairs.value(FORM_TOKEN).unwrap_or_default();
        !self.was_kept && hashes_equal(sent.as_bytes(), view.form_token.as_bytes())
    }

    /// A field's text, without blanks at its ends; `None` when it is empty or missing.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.pairs.value(name).map(str::trim).filter(|text| !text.is_empty())
    }

    /// Whether a box is ticked.
    pub(super) fn is_ticked(&self, name: &str) -> bool {
        self.pairs.value(name).is_some()
    }

    /// The revision that the form was made from.
    pub(super) fn revision(&self) -> Option<i64> {
        self.text(REVISION).and_then(|text| text.parse().ok())
    }

    /// The text that is kept while its sender signs in: everything but what belonged to the old session.
    pub(super) fn to_kept(&self) -> String {
        self.pairs.to_query(&[FORM_TOKEN, ONCE], &[])
    }
}

/// What a page shows of a form: nothing yet, or what was typed, with what is wrong with it.
pub(super) struct Draft<'a> {
    form: Option<&'a Form>,
    notice: Option<String>,
    violations: Vec<Violation>,
    is_stale: bool,
    /// Violations that stand beside their field; the others are told above the form.
    placed: RefCell<BTreeSet<usize>>,
}

impl<'a> Draft<'a> {
    /// A page that is looked at.
    pub(super) fn empty() -> Self {
        Self { form: None, notice: None, violations: Vec::new(), is_stale: false, placed: RefCell::default() }
    }

    /// A form that came from another session: shown again, with nothing done.
    pub(super) fn kept(form: &'a Form) -> Self {
        let notice = "Your session had ended when you sent this, so nothing was changed. Here is what you typed: \
                      look it over and send it again.";
        Self { form: Some(form), notice: Some(notice.to_owned()), ..Self::empty() }
    }

    /// A form that was refused.
    pub(super) fn refused(form: &'a Form, error: &Error) -> Self {
        let violations = match error {
            Error::Invalid(violations) => violations.clone(),
            Error::Taken(violation) => vec![violation.clone()],
            _ => Vec::new(),
        };
        let notice = match error {
            Error::Invalid(_) | Error::Taken(_) | Error::Stale(_) => None,
            Error::Forbidden { detail } => Some(sentence(detail)),
            other => Some(sentence(&other.to_string())),
        };
        let is_stale = matches!(error, Error::Stale(_));
        Self { form: Some(form), notice, violations, is_stale, placed: RefCell::default() }
    }

    /// The form that was sent.
    pub(super) fn form(&self) -> Option<&'a Form> {
        self.form
    }

    /// Whether what it was made from changed meanwhile.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// A field's text: what was typed, or else what is stored.
    pub(super) fn text<'s>(&'s self, name: &str, stored: &'s str) -> &'s str {
        match self.form {
            Some(form) => form.pairs.value(name).unwrap_or_default(),
            None => stored,
        }
    }

    /// Whether a box is ticked: as it was sent, or else as it is stored.
    pub(super) fn is_ticked(&self, name: &str, stored: bool) -> bool {
        self.form.map_or(stored, |form| form.is_ticked(name))
    }

    /// What is wrong with a field, or with something inside it, to be told beside it.
    pub(super) fn problems(&self, name: &str) -> Vec<String> {
        let pointer = format!("/{name}");
        let mut found = Vec::new();
        for (index, violation) in self.violations.iter().enumerate() {
            let told = match violation.property_path.strip_prefix(&pointer) {
                Some("") => violation.message.clone(),
                Some(inside) if inside.starts_with('/') => format!("{}: {}", &inside[1..], violation.message),
                _ => continue,
            };
            self.placed.borrow_mut().insert(index);
            found.push(told);
        }
        found
    }

    /// What is wrong and stands beside no field. To be asked when every field is drawn.
    pub(super) fn unplaced(&self) -> Vec<String> {
        let placed = self.placed.borrow();
        let others = self.violations.iter().enumerate().filter(|(index, _)| !placed.contains(index));
        others.map(|(_, violation)| violation.to_string()).collect()
    }

    /// How many fields are refused.
    pub(super) fn problem_count(&self) -> usize {
        self.violations.len()
    }

    /// What is told above the form.
    pub(super) fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }
}

/// A text as a sentence. A word that is a name, like that of a file, keeps its letters.
pub(super) fn sentence(text: &str) -> String {
    let first_word = text.split(' ').next().unwrap_or_default();
    let mut chars = text.chars();
    let first: String = match chars.next() {
        Some(c) if first_word.chars().all(char::is_alphabetic) => c.to_uppercase().collect(),
        other => other.map(String::from).unwrap_or_default(),
    };
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}
