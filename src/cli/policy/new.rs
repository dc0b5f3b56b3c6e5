//! `grantd policy new`: a project that builds, passes its own cases, and says what to type next.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use grantd::policy::abi::is_code;

use super::module::read_file;
use super::scaffold::{Language, Tool, files};
use crate::cli::{Failure, Outcome, say};

#[derive(Args)]
pub(super) struct NewArgs {
    /// Name of the policy, and of the directory that is made for it: a-z, 0-9 and -
    name: String,
    /// What to write it in
    #[arg(long, value_enum)]
    lang: Language,
    /// The shipped component that runs the text of a policy in Rego or Cedar [default: where grantd is installed]
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
}

impl NewArgs {
    pub(super) fn run(&self) -> Outcome {
        if !is_code(&self.name) || !self.name.starts_with(|first: char| first.is_ascii_lowercase()) {
            let what = "a policy is named by a-z, 0-9 and -, begins with a letter, and has at most 64 characters";
            return Err(Failure::Usage(format!("{:?}: {what}", self.name)));
        }
        // Whatever can be wrong is looked at before the first folder is made.
        let module = if self.lang.is_text() { self.read_module()? } else { None };
        let folder = PathBuf::from(&self.name);
        let failed = |path: &Path, error: &std::io::Error| Failure::failed(format!("{}: {error}", path.display()));
        fs::create_dir(&folder).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Failure::failed(format!("{} exists already: choose another name, or move it away", self.name))
            }
            _ => failed(&folder, &error),
        })?;
        for (path, content) in files(self.lang) {
            let path = folder.join(path);
            let parent = path.parent().unwrap_or(&folder);
            let named = named(content, &self.name);
            fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
            fs::write(&path, named).map_err(|error| failed(&path, &error))?;
        }
        // Beside the text, so that everything can be tried at once.
        if let Some(bytes) = &module {
            let path = folder.join("policy.wasm");
            fs::write(&path, bytes).map_err(|error| failed(&path, &error))?;
        }
        say(&self.next_steps(module.is_some()))?;
        Ok(())
    }

    /// The shipped component that runs the text, where it is found.
    fn read_module(&self) -> Outcome<Option<Vec<u8>>> {
        let found = self.module.clone().or_else(|| shipped(self.lang.module()));
        found.as_deref().map(read_file).transpose()
    }

    fn next_steps(&self, has_module: bool) -> String {
        let (name, file) = (&self.name, self.lang.main_file());
        let mut text = format!("{name}/ holds a policy that drops scopes: begin with {file} and cases/policy.yaml.\n");
        let missing: Vec<&Tool> = self.lang.tools().iter().filter(|tool| !is_installed(tool.program)).collect();
        for tool in &missing {
            text += &format!("\n{} is not installed: {}\n", tool.program, tool.install);
        }
        if self.lang.is_text() && !has_module {
            let shipped = self.lang.module();
            text += &format!(
                "\nIts text is run by the shipped component {shipped}.wasm, which was not found here: copy it to \
                 {name}/policy.wasm (in the sources it is policies/{shipped}/policy.wasm)\n"
            );
        }
        text += &format!("\nNext:\n  cd {name}\n");
        for step in self.lang.steps() {
            text += &format!("  {step}\n");
        }
        let settings = match self.lang {
            Language::C => "'{}'".to_owned(),
            _ if self.lang.is_text() => format!("{name}/settings.json"),
            _ => "'{\"drop\": [\"admin:*\"]}'".to_owned(),
        };
        text += &format!(
            "  grantd policy test policy.wasm\n\nWith a server, first without any effect, to see what it would do:\n  cd ..\n  \
             grantd policy attach {name}/policy.wasm --to server --name {name} --mode shadow --settings {settings}\n  grantd \
             decision list\n  grantd policy enforce {name}"
        );
        text
    }
}

/// A file with the name of the project in it; what is no text has none.
fn named(content: &[u8], name: &str) -> Vec<u8> {
    match std::str::from_utf8(content) {
        Ok(text) => text.replace("{{name}}", name).into_bytes(),
        Err(_) => content.to_vec(),
    }
}

/// Where a component is shipped: beside the program, where packages put it, or in a checkout.
fn shipped(name: &str) -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
    let installed = beside.iter().flat_map(|folder| {
        [folder.join("policies"), folder.join("../share/grantd/policies")]
            .map(|folder| folder.join(format!("{name}.wasm")))
    });
    let checkout = Path::new("policies").join(name).join("policy.wasm");
    installed.chain([checkout]).find(|path| path.is_file())
}

/// Whether a program is on the path.
fn is_installed(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| {
        let path = folder.join(program);
        path.is_file() || path.with_extension(OsStr::new("exe")).is_file() || path.with_extension("cmd").is_file()
    })
}
