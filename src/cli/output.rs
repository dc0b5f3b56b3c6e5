//! What commands print: tables for people, JSON and YAML for programs.
//!
//! Tables fit the terminal and tell times relative to now; JSON and YAML are what the server said. Colour is for
//! terminals alone, and never under `NO_COLOR`.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};
use grantd::clock::{Clock, Timestamp};
use serde_json::Value;

use super::{Failure, Outcome, say, time};

/// How to print.
#[derive(Args, Clone, Copy)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// What to print: a table for people, or all of it for programs
    #[arg(long, global = true, value_enum, default_value = "table", value_name = "FORM")]
    pub(super) output: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    Table,
    Json,
    Yaml,
}

/// A column of a list: its title, and its cell for a resource.
pub(super) struct Column {
    title: &'static str,
    cell: fn(&Value) -> String,
    /// Never wrapped: it is there to be copied.
    is_whole: bool,
}

impl Column {
    pub(super) const fn new(title: &'static str, cell: fn(&Value) -> String) -> Self {
        Self { title, cell, is_whole: false }
    }

    /// A column of ids.
    pub(super) const fn id(title: &'static str, cell: fn(&Value) -> String) -> Self {
        Self { title, cell, is_whole: true }
    }
}

/// Prints `items` in a table with these columns.
pub(super) fn table(columns: &[Column], items: &[Value]) -> Outcome {
    let mut table = empty_table();
    table.set_header(columns.iter().map(|column| heading(column.title)));
    for item in items {
        table.add_row(columns.iter().map(|column| Cell::new(printable(&(column.cell)(item)))));
    }
    for (index, _) in columns.iter().enumerate().filter(|(_, column)| column.is_whole) {
        if let Some(column) = table.column_mut(index) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    print(table)
}

/// How a cell of a [`grid`] is coloured on a terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
    Faint,
}

/// Prints rows of cells that differ in tone under titles, aligned.
pub(super) fn grid(titles: &[&str], rows: &[Vec<(String, Tone)>]) -> Outcome {
    let mut table = empty_table();
    table.set_header(titles.iter().map(|title| heading(title)));
    for row in rows {
        table.add_row(row.iter().map(|(text, tone)| {
            let cell = Cell::new(printable(text));
            match tone {
                Tone::Plain => cell,
                Tone::Good => cell.fg(Color::Green),
                Tone::Bad => cell.fg(Color::Red),
                Tone::Faint => cell.add_attribute(Attribute::Dim),
            }
        }));
    }
    print(table)
}

/// Prints one thing, a line for each member.
pub(super) fn card(members: &[(&str, String)]) -> Outcome {
    Ok(say(&lined_up(members))?)
}

fn lined_up(members: &[(&str, String)]) -> String {
    let mut table = empty_table();
    for (name, value) in members.iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row([heading(name), Cell::new(printable(value))]);
    }
    in_lines(table)
}

/// Prints a value for programs.
pub(super) fn whole(form: Form, value: &Value) -> Outcome {
    Ok(say(&written(form, value, &[])?)?)
}

/// One thing as it is printed: its members for people, or all of it for programs.
pub(super) fn written(form: Form, value: &Value, members: &[(&str, String)]) -> Outcome<String> {
    let failed = |error: String| Failure::failed(format!("the answer cannot be printed: {error}"));
    let text = match form {
        Form::Table => lined_up(members),
        Form::Json => serde_json::to_string_pretty(value).map_err(|error| failed(error.to_string()))?,
        Form::Yaml => serde_saphyr::to_string(value).map_err(|error| failed(error.to_string()))?,
    };
    Ok(text.trim_end().to_owned())
}

/// A list of any length for programs, printed item by item: an array of JSON, or a sequence of YAML.
pub(super) struct Sequence {
    form: Form,
    is_empty: bool,
    /// The last item of JSON, until it is known whether another follows.
    waiting: Option<String>,
}

impl Sequence {
    pub(super) fn begin(form: Form) -> Self {
        Self { form, is_empty: true, waiting: None }
    }

    /// Prints one more.
    pub(super) fn item(&mut self, item: &Value) -> Outcome {
        if self.form == Form::Yaml {
            whole(Form::Yaml, &Value::Array(vec![item.clone()]))?;
        } else {
            let text = serde_json::to_string_pretty(item).unwrap_or_else(|_| item.to_string());
            match self.waiting.replace(format!("  {}", text.replace('\n', "\n  "))) {
                Some(before) => say(&format!("{before},"))?,
                None => say("[")?,
            }
        }
        self.is_empty = false;
        Ok(())
    }

    /// Closes what was begun.
    pub(super) fn end(self) -> Outcome {
        match self.waiting {
            Some(last) => say(&format!("{last}\n]"))?,
            None if self.is_empty => say("[]")?,
            None => {}
        }
        Ok(())
    }
}

fn empty_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width() {
        table.set_width(width);
    }
    if !has_colour(&std::io::stdout()) {
        table.force_no_tty();
    }
    table
}

fn print(table: Table) -> Outcome {
    Ok(say(&in_lines(table))?)
}

fn in_lines(mut table: Table) -> String {
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.trim_fmt()
}

fn heading(text: &str) -> Cell {
    Cell::new(text).add_attribute(Attribute::Bold)
}

/// The columns of the terminal; without one there is nothing to fit, unless `COLUMNS` says so.
fn width() -> Option<u16> {
    let set = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    set.or_else(|| console::Term::stdout().size_checked().map(|(_, columns)| columns))
}

/// Whether to colour what goes to `stream`.
pub(super) fn has_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Text that came from a server, without what would steer the terminal it is printed on.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if steers(c) && c != '\n' { ' ' } else { c }).collect()
}

/// Whether a character is no text but an order to a terminal: to do something, or to turn the text beside it round,
/// which then reads as it does not stand there.
fn steers(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

/// A member that is text.
pub(super) fn text(item: &Value, member: &str) -> String {
    item[member].as_str().unwrap_or_default().to_owned()
}

/// A member that is true or false.
pub(super) fn flag(item: &Value, member: &str) -> String {
    let word = match item[member].as_bool() {
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    };
    word.to_owned()
}

/// A member that is a list of text.
pub(super) fn texts(item: &Value, member: &str) -> String {
    let all = item[member].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

/// A moment, told from now: `3 minutes ago`. Nothing where there is none.
pub(super) fn moment(value: &Value) -> String {
    let at = value.as_str().and_then(Timestamp::parse);
    at.map_or_else(String::new, |at| time::relative(at, Clock::system().now()))
}

/// A moment with both: `in 7 days (2027-01-31T00:00:00.000Z)`.
pub(super) fn exact_moment(value: &Value) -> String {
    value.as_str().map_or_else(String::new, |exact| format!("{} ({exact})", moment(value)))
}
