//! Small pieces of text: names, badges, values to copy, what a list shows when it is empty.

use maud::{Markup, html};

use super::icon::Icon;
use crate::store::Total;

/// What a badge says beside its word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Care,
    Bad,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Plain => "badge",
            Self::Good => "badge good",
            Self::Care => "badge care",
            Self::Bad => "badge bad",
        }
    }
}

pub(crate) fn badge(tone: Tone, text: &str) -> Markup {
    html! { span class=(tone.class()) { (text) } }
}

/// Active or not.
pub(crate) fn status(active: bool) -> Markup {
    if active { badge(Tone::Good, "Active") } else { badge(Tone::Plain, "Inactive") }
}

/// A value for machines, with a button that copies it. Without script it can be selected at a click.
pub(crate) fn copyable(label: &str, value: &str) -> Markup {
    html! {
        span.copyable {
            code.select { (value) }
            button.copy type="button" data-copy=(value) aria-label=(format!("Copy {label}")) title=(format!("Copy {label}")) hidden {
                (Icon::Copy)
            }
        }
    }
}

/// Names and what they mean for one thing.
pub(crate) fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// Where there is nothing yet: what it would be good for, and how to begin.
pub(crate) fn empty(icon: Icon, title: &str, text: &Markup, action: &Markup) -> Markup {
    html! {
        div.empty {
            (icon)
            h2 { (title) }
            p { (text) }
            (action)
        }
    }
}

/// The tabs of a page: what their addresses end with, and their names.
pub(crate) fn tabs(label: &str, path: &str, tabs: &[(&str, &str)], here: &str) -> Markup {
    html! {
        nav.tabs aria-label=(label) {
            @for (end, name) in tabs {
                a href=(format!("{path}{end}")) aria-current=[(*end == here).then_some("page")] { (name) }
            }
        }
    }
}

/// Names, and how many more there are.
pub(crate) fn named<'a>(names: impl Iterator<Item = &'a str>, total: i64) -> Markup {
    let names: Vec<&str> = names.collect();
    let more = total - i64::try_from(names.len()).unwrap_or_default();
    html! {
        @for (index, name) in names.iter().enumerate() { @if index > 0 { ", " } bdi { (name) } }
        @if more > 0 { " and " (thousands(more)) " more" }
    }
}

/// `1 account`, `2 accounts`.
pub(crate) fn counted(number: i64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// As [`counted`], of what was perhaps not counted to its end.
pub(crate) fn counted_total(total: Total, one: &str, many: &str) -> String {
    let more = if total.has_more { "more than " } else { "" };
    format!("{more}{}", counted(total.count, one, many))
}

/// `50,000`, and `1,000+` of what was not counted to its end.
pub(crate) fn total(total: Total) -> String {
    format!("{}{}", thousands(total.count), if total.has_more { "+" } else { "" })
}

/// `50,000`.
pub(crate) fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 50_000, 1_234_567].map(thousands).join(" "), "0 999 1,000 50,000 1,234,567");
        assert_eq!(counted(1, "account", "accounts"), "1 account");
    }
}
