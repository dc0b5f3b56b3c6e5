//! Editing what others may edit too: what a form shows of a thing that changed after the form was made.
//!
//! A member that one left alone shows what the other made of it, and a member that both changed shows what one
//! typed, with the other's beside it. The next send is made from the newest revision, so that it is a choice. Where it
//! is not found what the other made, the form stays as old as it is, and is refused again.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::asked::Pairs;
use super::draft::{Draft, REVISION};
use super::parts::diff::{self, Difference};
use super::parts::icon::Icon;
use super::parts::time;
use super::view::View;
use crate::admin::operations;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::model::{Record, Resource};
use crate::store::{PastChange, Revision};

/// A form that edits a stored thing.
pub(super) struct Editing {
    values: Pairs,
    /// What others made of the fields that both changed.
    theirs: Pairs,
    revision: i64,
    meanwhile: Option<Meanwhile>,
}

/// What happened since the form was made.
struct Meanwhile {
    by: String,
    at: Option<Timestamp>,
    reason: String,
    /// `None` where it is not known any more.
    differences: Option<Vec<Difference>>,
}

impl Editing {
    /// The form of `record` as it is to be shown now. `values` says how the form holds a thing: the fields' names
    /// and values, out of its members.
    pub(super) fn of<R: Resource>(
        view: &View<'_>,
        draft: &Draft<'_>,
        record: &Record<R>,
        values: impl Fn(&Map<String, Value>) -> Pairs,
    ) -> Result<Self> {
        let now = record.value.members();
        let stored = values(&now);
        let revision = record.meta.revision;
        let Some(form) = draft.form() else {
            return Ok(Self { values: stored, theirs: Pairs::default(), revision, meanwhile: None });
        };
        let typed = form.pairs.clone();
        let made_from = form.revision().unwrap_or(revision);
        if !draft.is_stale() || made_from == revision {
            return Ok(Self { values: typed, theirs: Pairs::default(), revision: made_from, meanwhile: None });
        }
        let (meanwhile, base) = look_back(view, record, made_from, &Value::Object(now))?;
        let Some(base) = base else {
            return Ok(Self {
                values: typed,
                theirs: Pairs::default(),
                revision: made_from,
                meanwhile: Some(meanwhile),
            });
        };
        let (values, theirs) = merge(&values(&base), &typed, &stored);
        Ok(Self { values, theirs, revision, meanwhile: Some(meanwhile) })
    }

    /// A field's text.
    pub(super) fn text(&self, name: &str) -> &str {
        self.values.value(name).unwrap_or_default()
    }

    /// Whether a box is ticked.
    pub(super) fn is_ticked(&self, name: &str) -> bool {
        self.values.value(name).is_some_and(|value| !value.is_empty())
    }

    /// The fields, to be walked through.
    pub(super) fn values(&self) -> &Pairs {
        &self.values
    }

    /// What another made of a field that both changed.
    pub(super) fn theirs(&self, name: &str) -> Option<&str> {
        self.theirs.value(name)
    }

    /// The revision that the next send is made from.
    pub(super) fn revision_field(&self) -> Markup {
        html! { input type="hidden" name=(REVISION) value=(self.revision); }
    }

    /// What another changed meanwhile.
    pub(super) fn notice(&self, view: &View<'_>) -> Markup {
        let Some(meanwhile) = &self.meanwhile else { return html! {} };
        html! {
            div.notice.care role="alert" {
                (Icon::Warning)
                div {
                    p {
                        strong dir="auto" { (meanwhile.by) } " changed this "
                        @if let Some(at) = meanwhile.at { (time::relative(at, view.now)) } @else { "meanwhile" }
                        @if !meanwhile.reason.is_empty() { " (“" bdi { (meanwhile.reason) } "”)" }
                        @if meanwhile.differences.is_some() {
                            ". Nothing of yours was saved or lost: look it over, and save again."
                        } @else {
                            ". What this form was made from is not known any more: nothing of yours was saved. "
                            a href=(view.asked.path) { "Open it anew" } ", and change it there."
                        }
                    }
                    @if let Some(differences) = meanwhile.differences.as_ref().filter(|all| !all.is_empty()) {
                        details open {
                            summary { "What they changed" }
                            (diff::table(differences))
                        }
                    }
                }
            }
        }
    }
}

/// Who changed the thing last, and how it was when the form was made.
fn look_back<R: Resource>(
    view: &View<'_>,
    record: &Record<R>,
    made_from: i64,
    now: &Value,
) -> Result<(Meanwhile, Option<Map<String, Value>>)> {
    let change = |revision| operations::past_change(view.app, record.id.as_str(), revision);
    let last = change(Revision::Made(record.meta.revision))?;
    let before = change(Revision::Left(made_from))?.map(|PastChange { before, .. }| before);
    let before = before.filter(Value::is_object);
    let differences = before.as_ref().map(|before| {
        let mut differences = diff::differences(Some(before), Some(now));
        differences.retain(|difference| difference.path != "id");
        differences
    });
    let by = last.as_ref().map(|last| last.actor_name.clone()).filter(|name| !name.is_empty());
    let meanwhile = Meanwhile {
        by: by.unwrap_or_else(|| "Somebody".to_owned()),
        at: last.as_ref().map(|last| last.at),
        reason: last.and_then(|last| last.reason).unwrap_or_default(),
        differences,
    };
    let base = before.and_then(|before| if let Value::Object(members) = before { Some(members) } else { None });
    Ok((meanwhile, base))
}

/// What to show, and what others made of what both changed. A field that is empty is one that is not there; boxes
/// of one name are a field each.
fn merge(base: &Pairs, typed: &Pairs, now: &Pairs) -> (Pairs, Pairs) {
    let (base, typed, now) = (apart(base), apart(typed), apart(now));
    let (base, typed, now) = (&base, &typed, &now);
    let value = |pairs: &Pairs, name: &str| pairs.value(name).unwrap_or_default().trim().to_owned();
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in typed.0.iter().chain(&base.0).chain(&now.0) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let (mut shown, mut theirs) = (Pairs::default(), Pairs::default());
    for name in names {
        let (was, mine, is) = (value(base, name), value(typed, name), value(now, name));
        let own = name.starts_with('_');
        if !own && mine == was {
            shown.0.push((name.to_owned(), is));
            continue;
        }
        if !own && is != was && is != mine {
            theirs.0.push((name.to_owned(), is));
        }
        shown.0.push((name.to_owned(), typed.value(name).unwrap_or_default().to_owned()));
    }
    (together(shown), theirs)
}

/// What stands between the name of several boxes and the value of one.
const BOX: char = '\u{1}';

/// Makes a field of each of several boxes with one name.
fn apart(pairs: &Pairs) -> Pairs {
    let split = |(name, value): &(String, String)| match name.as_str() {
        SEVERAL => (format!("{name}{BOX}{value}"), value.clone()),
        _ => (name.clone(), value.clone()),
    };
    Pairs(pairs.0.iter().map(split).collect())
}

/// The other way round.
fn together(pairs: Pairs) -> Pairs {
    let join = |(name, value): (String, String)| match name.split_once(BOX) {
        Some(_) if value.is_empty() => None,
        Some((name, _)) => Some((name.to_owned(), value)),
        None => Some((name, value)),
    };
    Pairs(pairs.0.into_iter().filter_map(join).collect())
}

/// The one name that several boxes have.
const SEVERAL: &str = "scopes";

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Pairs {
        Pairs::parse(text)
    }

    #[test]
    fn what_one_left_alone_shows_what_the_other_made_of_it() {
        let base = pairs("name=a&active=true&note=n");
        let typed = pairs("name=mine&active=true&note=n&_reason=because");
        let now = pairs("name=theirs&note=m");
        let (shown, theirs) = merge(&base, &typed, &now);
        assert_eq!(shown.value("name"), Some("mine"));
        assert_eq!(theirs.value("name"), Some("theirs"));
        assert_eq!(shown.value("note"), Some("m"));
        assert_eq!(shown.value("active"), Some(""), "they switched it off, and I did not touch it");
        assert_eq!(theirs.value("active"), None);
        assert_eq!(shown.value("_reason"), Some("because"));
    }

    #[test]
    fn boxes_that_two_people_ticked_are_all_ticked() {
        let (shown, _) =
            merge(&pairs("scopes=a&scopes=b"), &pairs("scopes=a&scopes=b&scopes=c"), &pairs("scopes=a&scopes=d"));
        assert_eq!(shown, pairs("scopes=a&scopes=c&scopes=d"));
    }
}
