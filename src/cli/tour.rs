//! What `grantd --help` shows first: the way from nothing to a token, then every command under a heading.
//!
//! The commands' own words come from their definition; only their grouping is written here.

use std::fmt::Write;

use clap::Command;

/// After the help of the program.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 fine, 1 failed, 2 usage, 3 not found, 4 denied, 10 a dry run would change something.\n\
    `grantd COMMAND --help` says more about a command.";

const TOUR: &str = "  \
  grantd dev                                        a server with a sample to try

In another shell of the same directory, from nothing to a token:

  grantd account add cleanup                        who the token is about
  grantd m2m add nightly --account cleanup          its client id and secret
  grantd api add orders --scope read --scope write  what is protected
  grantd grant add cleanup orders read              what it may do there
  grantd token --client-id ID --client-secret SECRET --scope read";

/// The commands by what they are for. A command that is in no group is shown last.
const GROUPS: &[(&str, &[&str])] = &[
    ("Start here", &["dev", "account", "m2m", "api", "grant", "token"]),
    ("Narrow it, and know why", &["policy", "who-can", "can", "decision", "explain"]),
    ("As files", &["apply", "export"]),
    ("Look after it", &["key", "api-token", "audit", "login"]),
    ("Run it", &["init", "serve", "backup", "restore", "doctor", "config"]),
];

/// Gives the program its own help; those of the commands stay as clap makes them.
pub(super) fn arrange(command: Command) -> Command {
    let header = *command.get_styles().get_header();
    let mut text = format!("{{about}}\n\n{{usage-heading}} {{usage}}\n\n{header}A tour{header:#}\n{TOUR}\n");
    let width = command.get_subcommands().map(|command| command.get_name().len()).max().unwrap_or_default();
    let is_grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let rest: Vec<&str> = command.get_subcommands().map(Command::get_name).filter(|name| !is_grouped(name)).collect();
    for (title, names) in GROUPS.iter().copied().chain([("More", rest.as_slice())]) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{header}{title}{header:#}\n");
        for found in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = found.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {:<width$}  {about}", found.get_name());
        }
    }
    let _ = write!(text, "\n{header}Options{header:#}\n{{options}}{{after-help}}");
    command.help_template(text)
}
