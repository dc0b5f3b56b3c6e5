//! `grantd policy inspect`, `add` and `module`: modules on their way to a server, there, and back.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use grantd::apply::file::{SIGNATURE_END, signature_beside};
use grantd::clock::Clock;
use grantd::files;
use grantd::policy::Workbench;
use grantd::policy::abi::Input;
use grantd::policy::trust::read_signature;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::schema;
use crate::cli::output::{Column, Form, exact_moment, moment, table, text, whole};
use crate::cli::remote::{Remote, segment};
use crate::cli::resource::{self, DeleteArgs, Doomed, ListArgs, Listing, delete_all};
use crate::cli::{Failure, Outcome, Settings, note};

/// Largest file that is read as a module: no server takes a larger one.
const MODULE_BYTES_MAX: u64 = 24 * 1024 * 1024;
const MODULES: &str = "/policy-modules";
/// Characters of a digest that are shown, and that are enough to name a module.
const DIGEST_SHOWN_CHARS: usize = 12;

#[derive(Args)]
pub(super) struct InspectArgs {
    /// The component: a .wasm file
    file: PathBuf,
}

#[derive(Args)]
pub(super) struct AddArgs {
    /// Components: .wasm files; a signature lies beside each, in FILE.sig
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Subcommand)]
pub(super) enum ModuleCommand {
    /// List modules
    List(ListArgs),
    /// Show a module
    Show {
        /// Its name, name@version or digest
        module: String,
    },
    /// Get a module back, byte for byte
    Download {
        /// Its name, name@version or digest
        module: String,
        /// Where to [default: NAME-VERSION.wasm]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Delete modules that no policy uses
    Delete {
        /// Their names, name@version or digests
        #[arg(required = true)]
        modules: Vec<String>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

const COLUMNS: &[Column] = &[
    Column::new("MODULE", |item| format!("{}@{}", text(item, "name"), text(item, "version"))),
    Column::new("SIZE", size),
    Column::new("POLICIES", |item| item["policies"].to_string()),
    Column::new("HANDED IN", |item| moment(&item["createdAt"])),
    Column::id("DIGEST", |item| short(&text(item, "digest"))),
];

fn size(module: &Value) -> String {
    format!("{} KiB", module["size"].as_u64().unwrap_or_default().div_ceil(1024))
}

fn short(digest: &str) -> String {
    digest.chars().take(DIGEST_SHOWN_CHARS).collect()
}

impl InspectArgs {
    pub(super) fn run(&self, settings: &Settings, form: Form) -> Outcome {
        let bytes = read_file(&self.file)?;
        let config = settings.load(figment::value::Dict::new())?;
        let bench = Workbench::new(&config.policies, &Clock::system())?;
        let specimen = bench
            .examine(&bytes)
            .map_err(|failure| Failure::failed(format!("{} would be refused: {failure}", self.file.display())))?;
        let compiled_in = specimen.compiled_in.map(milliseconds).unwrap_or_default();
        let manifest = serde_json::to_value(specimen.manifest())
            .map_err(|error| Failure::failed(format!("its manifest cannot be printed: {error}")))?;
        let all = json!({
            "digest": specimen.digest,
            "size": specimen.size_bytes,
            "compiledInMs": compiled_in,
            "manifest": manifest,
        });
        let members = [
            ("module", format!("{}@{}", text(&manifest, "name"), text(&manifest, "version"))),
            ("description", text(&manifest, "description")),
            ("digest", specimen.digest.clone()),
            ("size", format!("{} bytes", specimen.size_bytes)),
            ("compiled in", format!("{} ms", compiled_in)),
            ("looks at", inputs(&manifest)),
            ("settings", schema::in_words(&manifest["settingsSchema"])),
        ];
        resource::show(form, &all, &members)
    }
}

pub(super) fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// An input of a manifest, in words.
pub(super) fn input_in_words(input: &Input) -> String {
    inputs(&json!({"inputs": [input]}))
}

/// The changing inputs that a manifest lists, in words.
pub(super) fn inputs(manifest: &Value) -> String {
    let word = |input: &Value| match input {
        Value::String(name) => match name.as_str() {
            "requestId" => "the request's id".to_owned(),
            "remoteAddress" => "the caller's address".to_owned(),
            "userAgent" => "the caller's program".to_owned(),
            other => other.to_owned(),
        },
        Value::Object(one) => one.iter().map(named_input).collect(),
        other => other.to_string(),
    };
    let words: Vec<String> =
        manifest["inputs"].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(word).collect();
    if words.is_empty() { "nothing that changes from request to request".to_owned() } else { words.join(", ") }
}

fn named_input((kind, which): (&String, &Value)) -> String {
    let which = which.as_str().unwrap_or_default();
    if kind == "time" { format!("the time, to the {which}") } else { format!("the {kind} {which}") }
}

impl AddArgs {
    pub(super) fn run(&self, remote: &Remote, form: Form) -> Outcome {
        let modules: Vec<Value> = self.files.iter().map(|file| hand_in(remote, file)).collect::<Outcome<_>>()?;
        if form != Form::Table {
            return whole(form, &Value::Array(modules));
        }
        table(COLUMNS, &modules)
    }
}

impl ModuleCommand {
    pub(super) fn run(&self, remote: &Remote, form: Form) -> Outcome {
        match self {
            Self::List(list) => {
                let listing = Listing { columns: COLUMNS, prepare: &|_, _| Ok(()), newest_first_by: None };
                listing.print(remote, MODULES, list, None, form)
            }
            Self::Show { module } => show(form, &found(remote, module)?),
            Self::Download { module, to } => download(remote, module, to.as_deref()),
            Self::Delete { modules, yes } => delete(remote, modules, *yes),
        }
    }
}

/// The module that is named.
pub(super) fn found(remote: &Remote, named: &str) -> Outcome<Value> {
    remote.get(&format!("{MODULES}/{}", segment(named)), &[])
}

/// Hands a file in. What a terminal shows meanwhile is gone afterwards.
pub(super) fn hand_in(remote: &Remote, file: &Path) -> Outcome<Value> {
    let bytes = read_file(file)?;
    let signature = signature_beside(file).map_err(Failure::failed)?;
    let name = file.display().to_string();
    let bar = progress(bytes.len() as u64, &name);
    let mut body = Uploading { bytes: &bytes, bar: &bar, name: &name };
    let answer = remote.upload(MODULES, &mut body, signature.as_deref());
    bar.finish_and_clear();
    let module = answer?;
    let said = if module["compiledInMs"].is_u64() {
        format!("compiled in {} ms", module["compiledInMs"])
    } else if signature.is_some() {
        "it was there already, byte for byte, and is signed".to_owned()
    } else {
        "it was there already, byte for byte".to_owned()
    };
    note(&format!("{name}: {}@{}, {said}", text(&module, "name"), text(&module, "version")));
    if let Some(others) = module["sameNameAndVersion"].as_array() {
        let others: Vec<String> = others.iter().filter_map(Value::as_str).map(short).collect();
        note(&format!(
            "other modules call themselves the same ({}): name this one by its digest, {}",
            others.join(", "),
            short(&text(&module, "digest"))
        ));
    }
    Ok(module)
}

fn progress(bytes: u64, name: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {bytes}/{total_bytes}") {
        bar.set_style(style);
    }
    bar.set_message(format!("{name}: sending"));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// The bytes of a module on their way; when they are all gone, the server compiles.
struct Uploading<'a> {
    bytes: &'a [u8],
    bar: &'a ProgressBar,
    name: &'a str,
}

impl Read for Uploading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.bar.inc(count as u64);
        if self.bytes.is_empty() {
            self.bar.set_message(format!("{}: sent, the server compiles it", self.name));
        }
        Ok(count)
    }
}

pub(super) fn read_file(file: &Path) -> Outcome<Vec<u8>> {
    let unfit = |what: String| Failure::failed(format!("{}: {what}", file.display()));
    let opened = File::open(file).map_err(|error| unfit(error.to_string()))?;
    let mut bytes = Vec::new();
    opened.take(MODULE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unfit(error.to_string()))?;
    if bytes.len() as u64 > MODULE_BYTES_MAX {
        return Err(unfit(format!("it is larger than {} MiB: no server takes it", MODULE_BYTES_MAX / 1024 / 1024)));
    }
    Ok(bytes)
}

fn download(remote: &Remote, named: &str, to: Option<&Path>) -> Outcome {
    let module = found(remote, named)?;
    let bytes = remote.download(&format!("{MODULES}/{}/wasm", segment(&text(&module, "digest"))))?;
    let own = PathBuf::from(format!("{}-{}.wasm", text(&module, "name"), text(&module, "version")));
    let path = to.unwrap_or(&own);
    let written = File::create_new(path).and_then(|mut file| std::io::Write::write_all(&mut file, &bytes));
    written.map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
    note(&format!("{} bytes in {}", bytes.len(), path.display()));
    if let Some((beside, signature)) = signature_of(&module, path)? {
        std::fs::write(&beside, signature)
            .map_err(|error| Failure::failed(format!("{}: {error}", beside.display())))?;
        note(&format!("its signature in {}", beside.display()));
    }
    Ok(())
}

/// The signature that a server has for a module, and where it goes when the module goes to `path`.
pub(in crate::cli) fn signature_of(module: &Value, path: &Path) -> Outcome<Option<(PathBuf, Vec<u8>)>> {
    let Some(written) = module["signature"].as_str() else { return Ok(None) };
    let signature = read_signature(written.as_bytes())
        .map_err(|what| Failure::failed(format!("the server's signature of {}: {what}", text(module, "name"))))?;
    Ok(Some((files::beside(path, SIGNATURE_END), signature)))
}

fn delete(remote: &Remote, named: &[String], yes: bool) -> Outcome {
    let mut doomed = Vec::with_capacity(named.len());
    for name in named {
        let module = found(remote, name)?;
        let digest = text(&module, "digest");
        doomed.push(Doomed {
            path: format!("{MODULES}/{}", segment(&digest)),
            name: format!("the module {}@{} ({})", text(&module, "name"), text(&module, "version"), short(&digest)),
            dependents: Vec::new(),
            loss: "decisions that it took part in can be replayed only when it is handed in again".to_owned(),
        });
    }
    delete_all(remote, &doomed, &DeleteArgs { yes, cascade: false })
}

fn show(form: Form, module: &Value) -> Outcome {
    let empty = Map::new();
    let manifest = Value::Object(module["manifest"].as_object().unwrap_or(&empty).clone());
    let members = [
        ("module", format!("{}@{}", text(module, "name"), text(module, "version"))),
        ("description", text(&manifest, "description")),
        ("digest", text(module, "digest")),
        ("size", format!("{} bytes", module["size"])),
        ("looks at", inputs(&manifest)),
        ("settings", schema::in_words(&manifest["settingsSchema"])),
        ("policies", module["policies"].to_string()),
        ("signature", text(module, "signature")),
        ("handed in", exact_moment(&module["createdAt"])),
    ];
    resource::show(form, module, &members)
}
