//! The real program in a directory of its own: started as its users start it, reached over HTTP, ended by signals.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::app::{Answer, agent, eventually, exchange};

/// The built program, free of the settings of whoever runs the tests.
pub fn grantd(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grantd"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GRANTD_") {
            command.env_remove(name);
        }
    }
    command.current_dir(dir).env_remove("CREDENTIALS_DIRECTORY").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
#[track_caller]
pub fn run(dir: &Path, arguments: &[&str]) -> Output {
    grantd(dir).args(arguments).output().unwrap()
}

/// Standard output, when the command ended well.
#[track_caller]
pub fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, complaint(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Standard error, as text.
pub fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server that runs. Killed when dropped.
pub struct Program {
    child: Child,
    /// What its ready file said.
    pub ready: Value,
    /// Where its files lie.
    pub dir: PathBuf,
    agent: ureq::Agent,
}

impl Program {
    /// `grantd dev` on the database of `dir` and a free port.
    pub fn dev(dir: &Path, more: &[&str]) -> Self {
        Self::start(dir, &[&["dev", "--listen", "127.0.0.1:0"], more].concat(), |_| {})
    }

    /// `grantd serve` on the database of `dir` and a free port.
    pub fn serve(dir: &Path, more: &[&str]) -> Self {
        Self::start(dir, &[&["serve", "--listen", "127.0.0.1:0"], more].concat(), |_| {})
    }

    /// Any server; `change` adapts how it is started. Its output goes to `stdout.txt` and `stderr.txt`.
    #[track_caller]
    pub fn start(dir: &Path, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let ready = dir.join("ready.json");
        let mut command = grantd(dir);
        command.args(arguments).args(["--ready-file", "ready.json"]);
        command.stdout(File::create(dir.join("stdout.txt")).unwrap());
        command.stderr(File::create(dir.join("stderr.txt")).unwrap());
        change(&mut command);
        let _ = std::fs::remove_file(&ready);
        let mut child = command.spawn().unwrap();
        let ready = eventually("the start of grantd", || {
            let text = std::fs::read_to_string(&ready).ok();
            if text.is_none()
                && let Some(status) = child.try_wait().unwrap()
            {
                panic!("{status}: {}", std::fs::read_to_string(dir.join("stderr.txt")).unwrap_or_default());
            }
            text
        });
        let ready = serde_json::from_str(&ready).expect("the ready file is written whole or not at all");
        Self { child, ready, dir: dir.to_owned(), agent: agent() }
    }

    /// A text of the ready file.
    #[track_caller]
    pub fn of(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap_or_else(|| panic!("{name} in {}", self.ready))
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        self.of("token_endpoint").trim_end_matches("/oauth2/token")
    }

    /// Any request; an error when the server went away under it.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        exchange(&self.agent, method, &format!("{}{path}", self.url()), headers, body)
    }

    /// A request to the admin API as `bearer`; `path` follows `/api/v1`.
    pub fn try_admin(&self, bearer: &str, method: &str, path: &str, body: &Value) -> Result<Answer, ureq::Error> {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.try_send(method, &format!("/api/v1{path}"), &[("authorization", &format!("Bearer {bearer}"))], &bytes)
    }

    /// A request to the admin API with the sample's API token.
    #[track_caller]
    pub fn admin(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.try_admin(self.of("api_token"), method, path, body).unwrap()
    }

    /// A token request with these parameters, urlencoded.
    #[track_caller]
    pub fn token(&self, parameters: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.try_send("POST", "/oauth2/token", &headers, body.as_bytes()).unwrap()
    }

    /// The token request of the sample's client.
    #[track_caller]
    pub fn sample_token(&self) -> Answer {
        self.token(&[
            ("grant_type", "client_credentials"),
            ("client_id", self.of("client_id")),
            ("client_secret", self.of("client_secret")),
            ("scope", "write"),
        ])
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        eventually("the end of grantd", || self.child.try_wait().unwrap())
    }

    /// Asks it to stop, and checks that it did so in good order.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.ended();
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("stderr.txt")).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection on which bytes are written by hand, to TCP.
pub fn connect(url: &str) -> std::net::TcpStream {
    let stream = std::net::TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}
