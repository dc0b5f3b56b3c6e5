//! Errors of Cedar with the line and the column that they speak of.

use cedar_policy::ParseErrors;
use miette::Diagnostic;

/// An error with its place in a text.
pub fn located(member: &str, text: &str, error: &(impl Diagnostic + ?Sized)) -> String {
    let said = whole(error);
    let label = error.labels().and_then(|mut labels| labels.next());
    match label {
        Some(label) => {
            let before = text.get(..label.offset()).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
            let hint = label.label().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{member}: line {line}, column {column}: {said}{hint}")
        }
        None => format!("{member}: {said}"),
    }
}

/// The first of several errors.
pub fn first(member: &str, text: &str, errors: &ParseErrors) -> String {
    match errors.iter().next() {
        Some(error) => located(member, text, error),
        None => format!("{member}: {errors}"),
    }
}

/// What an error and its causes say, on one line, and what it advises.
pub fn whole(error: &(impl Diagnostic + ?Sized)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        said += &format!(": {inner}");
        cause = inner.source();
    }
    if let Some(help) = error.help() {
        said += &format!("; {help}");
    }
    said
}
