//! `grantd m2m secret`: made, listed, ended, and rotated so that nobody is left without one.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use grantd::clock::Timestamp;
use grantd::secret::Secret;
use serde_json::{Value, json};

use crate::cli::members::Members;
use crate::cli::names::{CLIENT, find};
use crate::cli::output::{Column, Form, flag, moment, table, text, whole};
use crate::cli::remote::{Remote, items, segment};
use crate::cli::resource::{self, confirm};
use crate::cli::time::{self, Day};
use crate::cli::{Failure, Outcome, note};

/// Longer files are not secrets: nothing of them is read.
const FILE_BYTES_MAX: u64 = 4096;

#[derive(Subcommand)]
pub(super) enum SecretCommand {
    /// Make another secret; it is printed, this once
    Add(AddArgs),
    /// List the secrets of a client: when they were last used, and when they end
    List {
        /// Its client id, its name, or its id
        client: String,
    },
    /// End a secret now
    End {
        /// Its client id, its name, or its id
        client: String,
        /// The secret's id, or its last four characters
        secret: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Make a new secret and give the old ones an end, so that both work while machines change over
    Rotate(RotateArgs),
}

#[derive(Args)]
pub(super) struct AddArgs {
    /// Its client id, its name, or its id
    client: String,
    /// Not before this: a date, a date-time, or a time from now
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Until this: a date (all of it, in UTC), a date-time, or a time from now (30d, 12h)
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Take the secret from this file (- is standard input) instead of making one
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct RotateArgs {
    /// Its client id, its name, or its id
    client: String,
    /// How long the old secrets go on working: 7d, 12h, 30m
    #[arg(long, value_name = "TIME", default_value = "7d")]
    overlap: String,
    /// When the new secret ends: a date (all of it, in UTC), a date-time, or a time from now [default: never]
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
}

const COLUMNS: &[Column] = &[
    Column::new("SECRET", |secret| format!("…{}", text(secret, "last4"))),
    Column::id("ID", |secret| text(secret, "id")),
    Column::new("MADE", |secret| moment(&secret["createdAt"])),
    Column::new("IMPORTED", |secret| flag(secret, "imported")),
    Column::new("BEGINS", |secret| moment(&secret["notBefore"])),
    Column::new("ENDS", |secret| or_never(&secret["expiresAt"])),
    Column::new("LAST USED", |secret| or_never(&secret["lastUsedAt"])),
];

pub(super) fn run(remote: &Remote, form: Form, command: &SecretCommand) -> Outcome {
    match command {
        SecretCommand::Add(add) => add.run(remote, form),
        SecretCommand::List { client } => {
            let list = items(remote.get(&path_of(&find(remote, &CLIENT, client)?), &[])?);
            if form == Form::Table { table(COLUMNS, &list) } else { whole(form, &Value::Array(list)) }
        }
        SecretCommand::End { client, secret, yes } => end(remote, client, secret, *yes),
        SecretCommand::Rotate(rotate) => rotate.run(remote, form),
    }
}

fn path_of(client: &Value) -> String {
    format!("{}/secrets", CLIENT.path_of(client))
}

/// A secret out of a file, without the line's end.
pub(super) fn from_file(path: &Path) -> Outcome<Secret> {
    let unfit = |what: String| Failure::failed(format!("--secret-file {}: {what}", path.display()));
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(FILE_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| unfit(error.to_string()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(unfit("there is no secret in it".to_owned()));
    }
    Ok(Secret::new(secret.to_owned()))
}

impl AddArgs {
    fn run(&self, remote: &Remote, form: Form) -> Outcome {
        let now = time::now();
        let mut members = Members::default();
        if let Some(from) = &self.from {
            members.put("notBefore", Some(time::parse("--from", from, Day::Begins, now)?.to_string()));
        }
        if let Some(until) = &self.until {
            members.put("expiresAt", Some(time::parse("--until", until, Day::Ends, now)?.to_string()));
        }
        if let Some(file) = &self.secret_file {
            members.put("clientSecret", Some(from_file(file)?.expose()));
        }
        let client = find(remote, &CLIENT, &self.client)?;
        let made = remote.post(&path_of(&client), &members.into_body())?;
        show_new(form, &client, &made, "")
    }
}

/// Shows a secret that was made. Where it cannot be shown, `besides` says what became of the others.
fn show_new(form: Form, client: &Value, made: &Value, besides: &str) -> Outcome {
    let members = [
        ("client", text(client, "displayName")),
        ("client id", text(client, "clientId")),
        ("client secret", text(made, "clientSecret")),
        ("begins", moment(&made["notBefore"])),
        ("ends", or_never(&made["expiresAt"])),
        ("id", text(made, "id")),
    ];
    // One that was brought is not shown.
    if text(made, "clientSecret").is_empty() {
        return resource::show(form, made, &members);
    }
    let (client, id) = (text(client, "clientId"), text(made, "id"));
    let loss = format!("nobody saw the new secret: end it with `grantd m2m secret end {client} {id}`{besides}");
    resource::show_once(form, made, &members, &loss)?;
    note("The secret is shown this once.");
    Ok(())
}

fn end(remote: &Remote, client: &str, secret: &str, yes: bool) -> Outcome {
    let client = find(remote, &CLIENT, client)?;
    let list = items(remote.get(&path_of(&client), &[])?);
    let fits = |item: &&Value| {
        item["id"].as_str() == Some(secret) || item["last4"].as_str() == Some(secret.trim_start_matches('…'))
    };
    let found: Vec<&Value> = list.iter().filter(fits).collect();
    let [one] = found.as_slice() else {
        let known: Vec<String> =
            list.iter().map(|item| format!("…{} ({})", text(item, "last4"), text(item, "id"))).collect();
        let text = format!(
            "client {} has {} secrets {secret}; it has {}",
            text(&client, "displayName"),
            found.len(),
            known.join(", ")
        );
        return Err(if found.is_empty() { Failure::NotFound(text) } else { Failure::failed(text) });
    };
    let name = format!("the secret {} of client {}", in_words(one), text(&client, "displayName"));
    confirm(&format!("At {}, this ends {name}", remote.server()), yes)?;
    remote.delete(&format!("{}/{}", path_of(&client), segment(&text(one, "id"))), false)?;
    note(&format!("ended {name}"));
    Ok(())
}

impl RotateArgs {
    fn run(&self, remote: &Remote, form: Form) -> Outcome {
        let now = time::now();
        // What is typed is checked before anything is made.
        time::after("--overlap", &self.overlap, now)?;
        let until = self.until.as_ref().map(|until| time::parse("--until", until, Day::Ends, now)).transpose()?;
        let client = find(remote, &CLIENT, &self.client)?;
        let path = path_of(&client);
        let old = items(remote.get(&path, &[])?);
        let made = remote.post(&path, &json!({"expiresAt": until.map(|until| until.to_string())}))?;
        // Shown before anything else can fail: there is no second time.
        show_new(form, &client, &made, "; the old ones were left as they are")?;
        // The server's clock counts, not this machine's.
        let made_at = text(&made, "createdAt");
        let made_at = Timestamp::parse(&made_at)
            .ok_or_else(|| Failure::failed(format!("{} tells no time: {made_at:?}", remote.server())))?;
        let end = time::after("--overlap", &self.overlap, made_at)?;
        for secret in &old {
            note(&give_end(remote, &path, secret, end, made_at)?);
        }
        Ok(())
    }
}

/// Gives an old secret its end, unless it ends before anyway; says what became of it.
fn give_end(remote: &Remote, path: &str, secret: &Value, end: Timestamp, now: Timestamp) -> Outcome<String> {
    let name = format!("old secret …{}, last used: {}", text(secret, "last4"), or_never(&secret["lastUsedAt"]));
    let ends = secret["expiresAt"].as_str().and_then(Timestamp::parse);
    if let Some(ends) = ends.filter(|ends| *ends <= end) {
        let word = if ends <= now { "ended" } else { "ends" };
        return Ok(format!("{name}; {word} {} as before", time::relative(ends, now)));
    }
    let one = format!("{path}/{}", segment(&text(secret, "id")));
    if end <= now {
        remote.delete(&one, false)?;
        return Ok(format!("{name}; ended now"));
    }
    remote.patch(&one, &[json!({"op": "replace", "path": "expiresAt", "value": end.to_string()})])?;
    Ok(format!("{name}; ends {} ({end})", time::relative(end, now)))
}

/// `…x1y2, last used 3 days ago, ends in 7 days`.
pub(super) fn in_words(secret: &Value) -> String {
    let ends = match secret["expiresAt"].as_str() {
        Some(_) => format!(", ends {}", moment(&secret["expiresAt"])),
        None => String::new(),
    };
    format!("…{}, last used: {}{ends}", text(secret, "last4"), or_never(&secret["lastUsedAt"]))
}

fn or_never(value: &Value) -> String {
    if value.is_string() { moment(value) } else { "never".to_owned() }
}
