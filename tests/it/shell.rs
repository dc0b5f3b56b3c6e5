//! Commands of the real program, typed one after another in a directory and an environment of their own.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::app::TestApp;

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Standard output, if the command ended with the code that was expected.
    #[track_caller]
    pub fn expect(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self.out
    }

    /// Standard error, if the command ended with the code that was expected.
    #[track_caller]
    pub fn refused(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self.err
    }

    /// Standard output as JSON, if the command succeeded.
    #[track_caller]
    pub fn json(self) -> Value {
        let text = self.expect(0);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

/// A place to run commands in: a directory of its own, and an environment with nothing in it but what is said here.
pub struct Shell {
    pub dir: TempDir,
    variables: Vec<(String, String)>,
}

impl Shell {
    /// A shell in an empty directory.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_str().unwrap().to_owned();
        Self { dir, variables: vec![("HOME".to_owned(), home)] }
    }

    /// A shell whose commands go to a test's server, with the role admin.
    pub fn of(app: &TestApp) -> Self {
        Self::new().with("GRANTD_SERVER", &app.url).with("GRANTD_TOKEN", &app.admin_token)
    }

    /// The same with one more variable, or another value for it.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The command, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_grantd"));
        command.args(arguments).current_dir(self.dir.path()).env_clear();
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `grantd` to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments).spawn().unwrap())
    }

    /// Runs `grantd` with a text on standard input.
    pub fn run_with(&self, input: &str, arguments: &[&str]) -> Ran {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        // A program that refuses does not read to the end.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        ran(child)
    }

    /// Writes a file into the directory.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn ran(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
