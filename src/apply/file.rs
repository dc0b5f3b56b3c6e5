//! Documents out of files: TOML, YAML or JSON, one or several, a directory or standard input, read as one document.
//!
//! What only the reader's machine has is fetched here: secrets from the environment and from files, policy modules by
//! their paths. Whatever is wrong, here or found later with a pointer into the document, is told with file, line and
//! column.

mod fetch;
mod format;
mod locate;

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::document::SECTIONS;
use crate::error::{Error, Result, Violation};
use crate::model::fields::nearest;
pub use fetch::{Module, SIGNATURE_END, signature_beside};
pub use format::Format;

/// Largest file.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Files of one directory.
const FILES_MAX: usize = 1000;

/// A file that was read.
#[derive(Debug)]
struct Source {
    /// As it was named, for messages.
    name: String,
    /// Paths in it are relative to this.
    directory: PathBuf,
    format: Format,
    text: String,
    /// Whether everyone on this machine may read it.
    is_open: bool,
}

/// Files that were read as one document.
#[derive(Debug)]
pub struct Files {
    sources: Vec<Source>,
    /// For each section, which source its items came from, and how many of them.
    parts: Vec<(&'static str, usize, usize)>,
    /// The document in the JSON form of the admin API.
    pub document: Value,
    /// Modules that the document's policies need, each once.
    pub modules: Vec<Module>,
    /// What its author should know.
    pub warnings: Vec<String>,
}

impl Files {
    /// Reads files and the documents of directories; `-` is standard input, in `stdin_format` or the one it looks like.
    ///
    /// # Errors
    /// `Setup`, with file, line and column where there are any.
    pub fn read(paths: &[PathBuf], stdin_format: Option<Format>) -> Result<Self> {
        let mut sources = Vec::new();
        for path in paths {
            if path == Path::new("-") {
                sources.push(standard_input(stdin_format)?);
            } else if path.is_dir() {
                for file in documents_in(path)? {
                    sources.push(Source::open(&file)?);
                }
            } else {
                sources.push(Source::open(path)?);
            }
        }
        Self::of(sources)
    }

    fn of(sources: Vec<Source>) -> Result<Self> {
        let mut files =
            Self { sources, parts: Vec::new(), document: Value::Null, modules: Vec::new(), warnings: Vec::new() };
        let mut merged: Map<String, Value> = Map::new();
        for index in 0..files.sources.len() {
            let mut sections = files.sources[index].sections()?;
            let fetched = fetch::fetch(&files.sources[index], &mut sections)?;
            files.warnings.extend(fetched.warnings);
            for module in fetched.modules {
                if !files.modules.iter().any(|known| known.digest == module.digest) {
                    files.modules.push(module);
                }
            }
            for section in SECTIONS {
                let Some(Value::Array(mut items)) = sections.remove(section) else { continue };
                files.parts.push((section, index, items.len()));
                let all = merged.entry(section).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(all) = all {
                    all.append(&mut items);
                }
            }
        }
        files.document = Value::Object(merged);
        Ok(files)
    }

    /// What was found wrong with the document, one line for each, with file, line and column.
    #[must_use]
    pub fn explain(&self, violations: &[Violation]) -> String {
        let line = |violation: &Violation| match self.place(&violation.property_path) {
            Some((source, rest)) => {
                let member = rest.split('/').skip(3).collect::<Vec<_>>().join(".");
                let member = if member.is_empty() { String::new() } else { format!("{member}: ") };
                source.at(&rest, &format!("{member}{}", sentence(violation)))
            }
            None => sentence(violation),
        };
        violations.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The source that a pointer into the document leads to, and the pointer into that.
    fn place(&self, pointer: &str) -> Option<(&Source, String)> {
        let mut parts = pointer.splitn(4, '/').skip(1);
        let section = parts.next()?;
        let mut index: usize = parts.next()?.parse().ok()?;
        let rest = parts.next().map_or_else(String::new, |rest| format!("/{rest}"));
        for (title, source, count) in &self.parts {
            if *title != section {
                continue;
            }
            if index < *count {
                return Some((self.sources.get(*source)?, format!("/{section}/{index}{rest}")));
            }
            index -= count;
        }
        None
    }
}

/// What was sent, where it may be repeated, and what to change.
fn sentence(violation: &Violation) -> String {
    match &violation.invalid_value {
        Value::String(sent) if !sent.is_empty() => format!("{sent:?}: {}", violation.message),
        Value::Number(sent) => format!("{sent}: {}", violation.message),
        _ => violation.message.clone(),
    }
}

impl Source {
    fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |error: std::io::Error| Error::Setup(format!("{name}: {error}"));
        let format = Format::of(path).ok_or_else(|| {
            Error::Setup(format!("{name}: its name must end in .toml, .yaml, .yml or .json: it says how to read it"))
        })?;
        let mut file = std::fs::File::open(path).map_err(failed)?;
        let before = file.metadata().map_err(failed)?;
        let text = text_of(&mut file, &name)?;
        let after = file.metadata().map_err(failed)?;
        if (before.len(), before.modified().ok()) != (after.len(), after.modified().ok())
            || after.len() != text.len() as u64
        {
            return Err(Error::Setup(format!("{name} changed while it was read: try again when it is written")));
        }
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { directory, format, text, is_open: is_open(&before), name })
    }

    /// Its top level, in which every section is a list.
    fn sections(&self) -> Result<Map<String, Value>> {
        let sections = match self.format.parse(&self.text) {
            Ok(Value::Object(sections)) => sections,
            // A file of comments says nothing, and that is fine.
            Ok(Value::Null) => Map::new(),
            Ok(_) => {
                let message = format!("must hold some of {}{}", SECTIONS.join(", "), self.other_format());
                return Err(Error::Setup(format!("{}:1:1: {message}", self.name)));
            }
            Err((line, column, message)) => {
                let hint = self.other_format();
                return Err(Error::Setup(format!("{}:{line}:{column}: {message}{hint}", self.name)));
            }
        };
        for (name, value) in &sections {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            if !SECTIONS.contains(&name.as_str()) {
                let near = nearest(name, SECTIONS.into_iter());
                let hint = near.map_or_else(|| SECTIONS.join(", "), |near| format!("did you mean {near}?"));
                return Err(Error::Setup(self.at(&pointer, &format!("there is no section {name}; {hint}"))));
            }
            if !value.is_array() {
                return Err(Error::Setup(self.at(&pointer, &format!("{name} must be a list"))));
            }
        }
        Ok(sections)
    }

    /// Where the text makes no sense as what it is called: what it would make sense as.
    fn other_format(&self) -> String {
        let named = |value: &Value| {
            value.as_object().is_some_and(|sections| sections.keys().any(|name| SECTIONS.contains(&name.as_str())))
        };
        let other = [Format::Json, Format::Toml, Format::Yaml]
            .into_iter()
            .find(|other| *other != self.format && other.parse(&self.text).is_ok_and(|value| named(&value)));
        other.map_or_else(String::new, |other| {
            format!("; it reads as {other}, and its name or --format says {}", self.format)
        })
    }

    /// `FILE:LINE:COLUMN: message`, for what a pointer leads to, or the nearest thing around it.
    fn at(&self, pointer: &str, message: &str) -> String {
        let (line, column) = locate::place(self.format, &self.text, pointer);
        format!("{}:{line}:{column}: {message}", self.name)
    }
}

fn text_of(reader: &mut impl Read, name: &str) -> Result<String> {
    let mut text = String::new();
    let read = reader.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| Error::Setup(format!("{name}: {error}")))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Error::Setup(format!("{name} is larger than {} MiB", FILE_BYTES_MAX / (1024 * 1024))));
    }
    Ok(text)
}

fn standard_input(format: Option<Format>) -> Result<Source> {
    let name = "standard input".to_owned();
    let text = text_of(&mut std::io::stdin().lock(), &name)?;
    let format = format.unwrap_or_else(|| Format::guess(&text));
    Ok(Source { name, directory: PathBuf::new(), format, text, is_open: false })
}

/// The documents of a directory, by name; not those of directories in it.
fn documents_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| Error::Setup(format!("{}: {error}", directory.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if Format::of(&path).is_some() && !is_hidden && path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() || found.len() > FILES_MAX {
        let count = found.len();
        return Err(Error::Setup(format!(
            "{} holds {count} files that end in .toml, .yaml, .yml or .json, and 1 to {FILES_MAX} are expected",
            directory.display()
        )));
    }
    found.sort();
    Ok(found)
}

#[cfg(unix)]
fn is_open(meta: &std::fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o004 != 0
}

#[cfg(not(unix))]
fn is_open(_: &std::fs::Metadata) -> bool {
    false
}
