//! Forms and their fields: each with its label, its hint, what was typed, and what is wrong with it.

use maud::{Markup, html};

use super::icon::Icon;
use crate::http::console::draft::{Draft, FORM_TOKEN, ONCE};
use crate::http::console::view::View;

/// A form that is sent to `action`. `fields` are drawn before it, so that it can tell what stands beside none of them.
pub(crate) fn form(view: &View<'_>, draft: &Draft<'_>, action: &str, fields: &Markup, buttons: &Markup) -> Markup {
    html! {
        (problems(draft))
        form method="post" action=(action) data-guard {
            input type="hidden" name=(FORM_TOKEN) value=(view.form_token);
            input type="hidden" name=(ONCE) value=(view.once_key());
            (fields)
            div.buttons { (buttons) }
        }
    }
}

/// As [`form`], for one that carries a file. The same file sent twice changes nothing.
pub(crate) fn upload_form(
    view: &View<'_>,
    draft: &Draft<'_>,
    action: &str,
    fields: &Markup,
    buttons: &Markup,
) -> Markup {
    html! {
        (problems(draft))
        form method="post" action=(action) enctype="multipart/form-data" data-guard {
            input type="hidden" name=(FORM_TOKEN) value=(view.form_token);
            (fields)
            div.buttons { (buttons) }
        }
    }
}

/// What is told above a form.
pub(crate) fn problems(draft: &Draft<'_>) -> Markup {
    let others = draft.unplaced();
    html! {
        @if let Some(notice) = draft.notice() {
            p.notice role="alert" { (Icon::Info) span { (notice) } }
        }
        @if draft.problem_count() > 0 {
            div.notice.bad role="alert" {
                (Icon::Warning)
                div {
                    p { (if draft.problem_count() == 1 { "One thing does not fit yet. Nothing was changed." } else { "Some things do not fit yet. Nothing was changed." }) }
                    @if !others.is_empty() {
                        ul { @for other in &others { li { (other) } } }
                    }
                }
            }
        }
    }
}

/// What a field of text looks like.
#[derive(Clone, Copy, Default)]
pub(crate) struct Field<'a> {
    /// Its name in the form, which is the path of what it edits: `scopes/0/identifier`.
    pub(crate) name: &'a str,
    pub(crate) label: &'a str,
    /// What stands in it: what was typed, or else what is stored.
    pub(crate) value: &'a str,
    /// What somebody else made of it meanwhile.
    pub(crate) theirs: Option<&'a str>,
    /// What to write in it.
    pub(crate) hint: &'a str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Where one starts.
    pub(crate) first: bool,
    /// Set in a type of equal widths.
    pub(crate) mono: bool,
    /// A list that is suggested from, by its address.
    pub(crate) suggest: &'a str,
}

/// What is typed into a field.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Line,
    Number,
    /// A date and a time.
    Moment,
    /// Several lines.
    Area,
}

impl Kind {
    fn input_type(self) -> &'static str {
        match self {
            Self::Line | Self::Area => "text",
            Self::Number => "number",
            Self::Moment => "datetime-local",
        }
    }
}

/// The id of a field's element.
pub(crate) fn id_of(name: &str) -> String {
    format!("f-{}", name.replace('/', "-"))
}

pub(crate) fn text(draft: &Draft<'_>, field: &Field<'_>) -> Markup {
    let id = id_of(field.name);
    let found = draft.problems(field.name);
    let invalid = (!found.is_empty()).then_some("true");
    let described = described_by(&id, !field.hint.is_empty(), invalid.is_some());
    let focus = field.first && draft.problem_count() == 0 || invalid.is_some();
    let value = field.value;
    let suggest = (!field.suggest.is_empty()).then_some(field.suggest);
    html! {
        div.field data-suggest=[suggest] {
            label for=(id) { (field.label) @if !field.required { span.quiet { " optional" } } }
            @if field.kind == Kind::Area {
                textarea.mono[field.mono] id=(id) name=(field.name) rows="6" spellcheck="false" dir="auto"
                    aria-invalid=[invalid] aria-describedby=[described] autofocus[focus] { "\n" (value) }
            } @else {
                input.mono[field.mono] id=(id) name=(field.name) type=(field.kind.input_type()) value=(value)
                    step=[(field.kind == Kind::Moment).then_some("any")] required[field.required] aria-invalid=[invalid] aria-describedby=[described] autofocus[focus]
                    autocomplete="off" spellcheck="false" dir="auto";
            }
            (messages(&id, &found, field.hint))
            (meanwhile(field.theirs))
        }
    }
}

/// What somebody else made of a field that one changed too.
fn meanwhile(theirs: Option<&str>) -> Markup {
    html! {
        @match theirs {
            None => {}
            Some("") => { p.theirs { (Icon::Warning) span { "Emptied by them meanwhile" } } }
            Some(text) => { p.theirs { (Icon::Warning) span { "Theirs: " bdi { (text) } } } }
        }
    }
}

fn described_by(id: &str, has_hint: bool, has_problem: bool) -> Option<String> {
    match (has_problem, has_hint) {
        (false, false) => None,
        (true, false) => Some(format!("{id}-problem")),
        (false, true) => Some(format!("{id}-hint")),
        (true, true) => Some(format!("{id}-problem {id}-hint")),
    }
}

fn messages(id: &str, problems: &[String], hint: &str) -> Markup {
    html! {
        @if !problems.is_empty() {
            p.problem id=(format!("{id}-problem")) { (Icon::Warning) span { (problems.join("; ")) } }
        }
        @if !hint.is_empty() { p.hint id=(format!("{id}-hint")) { (hint) } }
    }
}

/// A box that is ticked or not.
pub(crate) fn tick(draft: &Draft<'_>, name: &str, label: &str, ticked: bool, hint: &str) -> Markup {
    let id = id_of(name);
    let found = draft.problems(name);
    html! {
        div.tick {
            input type="checkbox" id=(id) name=(name) value="true" checked[ticked]
                aria-describedby=[described_by(&id, !hint.is_empty(), !found.is_empty())];
            div {
                label for=(id) { (label) }
                (messages(&id, &found, hint))
            }
        }
    }
}

/// One of a few, each with what it means.
pub(crate) fn choice(
    draft: &Draft<'_>,
    name: &str,
    legend: &str,
    chosen: &str,
    options: &[(&str, &str, &str)],
) -> Markup {
    let found = draft.problems(name);
    html! {
        fieldset.choice {
            legend { (legend) }
            @for (value, label, meaning) in options {
                @let id = id_of(&format!("{name}/{value}"));
                div.option {
                    input type="radio" id=(id) name=(name) value=(value) checked[*value == chosen]
                        aria-describedby=(format!("{id}-hint"));
                    div {
                        label for=(id) { (label) }
                        p.hint id=(format!("{id}-hint")) { (meaning) }
                    }
                }
            }
            (messages(&id_of(name), &found, ""))
        }
    }
}

/// Why: kept in the audit trail.
pub(crate) fn reason(draft: &Draft<'_>) -> Markup {
    text(
        draft,
        &Field {
            name: "_reason",
            label: "Reason",
            value: draft.text("_reason", ""),
            hint: "Kept with this change in the audit trail.",
            ..Field::default()
        },
    )
}
