//! `grantd export`: everything as a document without secrets.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use grantd::model::digest::sha256_hex;
use serde_json::Value;

use super::apply::{DocumentFormat, Progress};
use super::output::text;
use super::policy::signature_of;
use super::remote::{Remote, RemoteArgs, segment};
use super::{Failure, Outcome, Settings, say};

/// Above the formats that have comments.
const HEAD: &str = "# Written by grantd export. Secrets are not in it: a client that is made from it gets a new one, unless\n\
    # `secret` says which (\"env:NAME\", \"file:PATH\", or the secret itself).\n";

#[derive(Args)]
pub(super) struct ExportArgs {
    /// How to write it
    #[arg(long, value_name = "FORMAT", default_value = "toml")]
    format: DocumentFormat,
    /// Also download the modules of policies into this directory, and name them by their paths: for another server
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn run(settings: &Settings, args: &ExportArgs) -> Outcome {
    let remote = Remote::connect(settings, &args.remote)?.patient()?;
    let progress = Progress::begin();
    progress.step(&format!("reading everything at {}", remote.server()));
    let mut document = remote.get("/export", &[])?;
    if let Some(directory) = &args.modules {
        download_modules(&remote, &mut document, directory, &progress)?;
    }
    progress.end();
    say(written(&document, args.format)?.trim_end())?;
    Ok(())
}

/// Puts the path of a file in the place of each digest.
fn download_modules(remote: &Remote, document: &mut Value, directory: &Path, progress: &Progress) -> Outcome {
    let unwritable = |path: &Path, error: std::io::Error| Failure::failed(format!("{}: {error}", path.display()));
    let mut paths: HashMap<String, String> = HashMap::new();
    for policy in document["policies"].as_array_mut().into_iter().flatten() {
        let digest = text(policy, "module");
        if !paths.contains_key(&digest) {
            progress.step(&format!("downloading the module {digest}"));
            std::fs::create_dir_all(directory).map_err(|error| unwritable(directory, error))?;
            let module = remote.get(&format!("/policy-modules/{}", segment(&digest)), &[])?;
            let path = directory.join(file_name(&module, &digest));
            let bytes = remote.download(&format!("/policy-modules/{}/wasm", segment(&digest)))?;
            if sha256_hex(&bytes) != digest {
                return Err(Failure::failed(format!("what {} sent is not the module {digest}", remote.server())));
            }
            std::fs::write(&path, bytes).map_err(|error| unwritable(&path, error))?;
            if let Some((beside, signature)) = signature_of(&module, &path)? {
                std::fs::write(&beside, signature).map_err(|error| unwritable(&beside, error))?;
            }
            let path = path.to_str().ok_or_else(|| Failure::failed("--modules must be a path in UTF-8".to_owned()))?;
            paths.insert(digest.clone(), path.to_owned());
        }
        policy["module"] = paths.get(&digest).map(String::as_str).unwrap_or_default().into();
    }
    Ok(())
}

/// `business-hours-1.0.0-6b86b273.wasm`. Nothing that a server sends leads out of the directory.
fn file_name(module: &Value, digest: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let name = format!("{}-{}-{}", text(module, "name"), text(module, "version"), digest.get(..8).unwrap_or(digest));
    format!("{}.wasm", name.trim_start_matches('.').replace(|c| !is_plain(c), "-"))
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
