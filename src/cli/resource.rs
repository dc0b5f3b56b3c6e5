//! The verbs that every resource has: list, show and delete, in one manner.

use std::io::{IsTerminal, Write};

use clap::Args;
use serde_json::Value;

use super::names::{Noun, find};
use super::output::{Column, Form, Sequence, printable, table, whole, written};
use super::remote::{PAGE_MAX, Remote, items};
use super::{Failure, Outcome, note, say, say_once};

/// Dependents that a question names.
const NAMED_MAX: usize = 10;

#[derive(Args)]
pub(super) struct ListArgs {
    /// Only those that fit: a SCIM filter, like 'displayName co "clean" and active eq true'. What there is to filter by is told
    /// where it is not known
    #[arg(long, value_name = "FILTER")]
    pub(super) filter: Option<String>,
    /// How many at most
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=PAGE_MAX as i64))]
    count: u32,
    /// Begin with this one, counted from 1
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    start: u32,
    /// Sort by this member instead of by age
    #[arg(long, value_name = "MEMBER")]
    sort: Option<String>,
    /// From high to low
    #[arg(long)]
    descending: bool,
    /// All of them, oldest first
    #[arg(long, conflicts_with_all = ["count", "start", "sort", "descending"])]
    all: bool,
}

/// How a list is shown: its columns, and what a table needs beside the items themselves.
pub(super) struct Listing<'a> {
    pub(super) columns: &'a [Column],
    /// Adds to the items what only a table shows: names in place of ids.
    pub(super) prepare: &'a dyn Fn(&Remote, &mut [Value]) -> Outcome,
    /// How it is sorted, where nothing else is asked for.
    pub(super) newest_first_by: Option<&'static str>,
}

impl Listing<'_> {
    /// Prints the list at `path`. `condition` is what the command's own flags filter by.
    pub(super) fn print(
        &self,
        remote: &Remote,
        path: &str,
        args: &ListArgs,
        condition: Option<String>,
        form: Form,
    ) -> Outcome {
        let filter = match (&args.filter, condition) {
            (Some(filter), Some(condition)) => Some(format!("({filter}) and {condition}")),
            (filter, condition) => filter.clone().or(condition),
        };
        if args.all {
            self.print_all(remote, path, filter.as_deref(), form)
        } else {
            self.print_page(remote, path, args, filter.as_deref(), form)
        }
    }

    fn print_all(&self, remote: &Remote, path: &str, filter: Option<&str>, form: Form) -> Outcome {
        if form == Form::Table {
            return remote.every(path, filter, |mut page| {
                (self.prepare)(remote, &mut page)?;
                table(self.columns, &page)
            });
        }
        let mut sequence = Sequence::begin(form);
        remote.every(path, filter, |page| page.iter().try_for_each(|item| sequence.item(item)))?;
        sequence.end()
    }

    fn print_page(&self, remote: &Remote, path: &str, args: &ListArgs, filter: Option<&str>, form: Form) -> Outcome {
        let (count, start) = (args.count.to_string(), args.start.to_string());
        let mut query = vec![("count", count.as_str()), ("startIndex", start.as_str())];
        query.extend(filter.map(|filter| ("filter", filter)));
        match (&args.sort, self.newest_first_by) {
            (Some(member), _) => {
                query.push(("sortBy", member));
                query.extend(args.descending.then_some(("sortOrder", "descending")));
            }
            (None, Some(member)) => query.extend([("sortBy", member), ("sortOrder", "descending")]),
            (None, None) => query.extend(args.descending.then_some(("sortOrder", "descending"))),
        }
        let answer = remote.get(path, &query)?;
        let total = answer["totalResults"].as_u64().unwrap_or_default();
        let mut page = items(answer);
        if form != Form::Table {
            return whole(form, &Value::Array(page));
        }
        (self.prepare)(remote, &mut page)?;
        if !page.is_empty() {
            table(self.columns, &page)?;
        }
        let next = u64::from(args.start) + page.len() as u64;
        match total {
            0 => note("there are none"),
            _ if page.is_empty() => note(&format!("there are {total}, none of them from {start} on")),
            _ if next <= total => {
                note(&format!("{} of {total}: --start {next} shows the next, --all every one", page.len()));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Prints one thing: members for people, or all of it for programs.
pub(super) fn show(form: Form, item: &Value, members: &[(&str, String)]) -> Outcome {
    Ok(say(&written(form, item, members)?)?)
}

/// As [`show`], for one with a secret in it that nobody can show again; `loss` says what to do where it was not shown.
pub(super) fn show_once(form: Form, item: &Value, members: &[(&str, String)], loss: &str) -> Outcome {
    Ok(say_once(&written(form, item, members)?, loss)?)
}

#[derive(Args)]
pub(super) struct DeleteArgs {
    /// Do not ask
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Delete what depends on it too
    #[arg(long)]
    pub(super) cascade: bool,
}

/// Something that is to be deleted.
pub(super) struct Doomed {
    pub(super) path: String,
    /// `account periodicCleanup`
    pub(super) name: String,
    /// What would go with it, or else keeps it.
    pub(super) dependents: Vec<String>,
    /// What stops working, in words.
    pub(super) loss: String,
}

/// Deletes things by name, after asking.
pub(super) fn delete(
    remote: &Remote,
    noun: &Noun,
    names: &[String],
    args: &DeleteArgs,
    look: impl Fn(&Remote, &Value) -> Outcome<(Vec<String>, String)>,
) -> Outcome {
    let mut doomed = Vec::with_capacity(names.len());
    for name in names {
        let item = find(remote, noun, name)?;
        let (dependents, loss) = look(remote, &item)?;
        let name = format!("{} {}", noun.word, noun.name_of(&item));
        doomed.push(Doomed { path: noun.path_of(&item), name, dependents, loss });
    }
    delete_all(remote, &doomed, args)
}

/// Deletes what was found, after asking.
pub(super) fn delete_all(remote: &Remote, doomed: &[Doomed], args: &DeleteArgs) -> Outcome {
    if let Some(one) = doomed.iter().find(|one| !one.dependents.is_empty() && !args.cascade) {
        return Err(Failure::failed(format!(
            "{} is in use by {}: nothing was deleted; --cascade deletes those with it",
            one.name,
            named(&one.dependents)
        )));
    }
    let question: Vec<String> = doomed.iter().map(told).collect();
    confirm(&format!("At {}, this deletes\n  {}", remote.server(), question.join("\n  ")), args.yes)?;
    for one in doomed {
        remote.delete(&one.path, args.cascade)?;
        note(&format!("deleted {}", one.name));
    }
    Ok(())
}

fn told(one: &Doomed) -> String {
    let with =
        if one.dependents.is_empty() { String::new() } else { format!(", and {} with it", named(&one.dependents)) };
    let loss = if one.loss.is_empty() { String::new() } else { format!(": {}", one.loss) };
    format!("{}{with}{loss}", one.name)
}

fn named(all: &[String]) -> String {
    let rest = all.len().saturating_sub(NAMED_MAX);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", "))
}

/// Goes on only when somebody said yes, here or by `--yes`.
///
/// # Errors
/// `Usage` where nobody can be asked; `Failed` when the answer is another one.
pub(super) fn confirm(what: &str, yes: bool) -> Outcome {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("{what}\nand nobody can be asked here: add --yes")));
    }
    let mut answer = String::new();
    let asked =
        write!(std::io::stderr(), "{}\nGo on? [y/N] ", printable(what)).and_then(|()| std::io::stderr().flush());
    asked.and_then(|()| std::io::stdin().read_line(&mut answer)).map_err(|error| Failure::failed(error.to_string()))?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::failed("nothing was changed"))
}
