//! The command line, through the real program: what it prints, where, and how it ends.

mod access;
mod apply;
mod authoring;
mod diff;
mod eval;
mod help;
mod pages;
mod policies;
mod printed;
mod resources;
mod secrets;
mod seed;
mod shelf;

use serde_json::Value;

use crate::app::TestApp;
use crate::shell::Shell;

/// A server and a shell whose commands go to it.
fn scene() -> (TestApp, Shell) {
    let app = TestApp::start();
    let shell = Shell::of(&app);
    (app, shell)
}

/// The lines of a text, without blanks at their ends.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_end).collect()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("{member} of {value} is no text"))
}
