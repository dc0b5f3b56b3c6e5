//! `grantd export`: everything as a document without secrets.

use clap::Args;
use serde_json::Value;

use super::apply::{DocumentFormat, Progress};
use super::remote::{Remote, RemoteArgs};
use super::{Failure, Outcome, Settings, say};

/// Above the formats that have comments.
const HEAD: &str = "# Written by grantd export. Secrets are not in it: a client that is made from it gets a new one, unless\n\
    # `secret` says which (\"env:NAME\", \"file:PATH\", or the secret itself).\n";

#[derive(Args)]
pub(super) struct ExportArgs {
    /// How to write it
    #[arg(long, value_name = "FORMAT", default_value = "toml")]
    format: DocumentFormat,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn run(settings: &Settings, args: &ExportArgs) -> Outcome {
    let remote = Remote::connect(settings, &args.remote)?.patient()?;
    let progress = Progress::begin();
    progress.step(&format!("reading everything at {}", remote.server()));
    let document = remote.get("/export", &[])?;
    progress.end();
    say(written(&document, args.format)?.trim_end())?;
    Ok(())
}

fn written(document: &Value, format: DocumentFormat) -> Outcome<String> {
    match format {
        DocumentFormat::Json => Ok(serde_json::to_string_pretty(document).unwrap_or_else(|_| document.to_string())),
        DocumentFormat::Yaml => serde_saphyr::to_string(document)
            .map(|text| format!("{HEAD}{text}"))
            .map_err(|error| Failure::failed(format!("this cannot be written as YAML: {error}"))),
        DocumentFormat::Toml => toml::to_string(document).map(|text| format!("{HEAD}\n{text}")).map_err(|error| {
            Failure::failed(format!(
                "this cannot be written as TOML, which has no null and no numbers beyond 64 bits: {error}; try --format \
                 yaml"
            ))
        }),
    }
}
