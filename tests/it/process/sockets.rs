//! Where it listens: a free port, a socket in the file system, and what happens when the place is taken.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::app::eventually;
use crate::program::{Program, complaint, grantd, run, told};

/// The answer to a GET over a socket file.
fn get(socket: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_free_port_is_told_on_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    told(&run(dir.path(), &["init"]));
    let program = Program::serve(dir.path(), &[]);
    let listen = program.of("listen").to_owned();
    let said = std::fs::read_to_string(dir.path().join("stdout.txt")).unwrap();
    assert_eq!(said, format!("grantd listens on {listen} as http://{listen}/oauth2/\n"));
    let address = listen.parse::<std::net::SocketAddr>().unwrap();
    assert_ne!(address.port(), 0);
    // A second server, with a database of its own, is told that the port is taken and what to do.
    let other = tempfile::tempdir().unwrap();
    let output = run(other.path(), &["dev", "--listen", &listen]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("or port 0 for a free one"), "{}", complaint(&output));
    program.stop();
}

#[test]
fn the_public_url_makes_the_issuer() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::dev(dir.path(), &["--public-url", "https://id.example.com"]);
    assert_eq!(program.of("issuer"), "https://id.example.com/oauth2/");
    let listen = format!("http://{}", program.of("listen"));
    let document = crate::app::exchange(
        &crate::app::agent(),
        "GET",
        &format!("{listen}/oauth2/.well-known/openid-configuration"),
        &[],
        b"",
    );
    let document = document.unwrap().expect(200);
    assert_eq!(document["issuer"], "https://id.example.com/oauth2/");
    assert_eq!(document["token_endpoint"], "https://id.example.com/oauth2/token");
    program.stop();
}

#[test]
fn an_answer_that_nobody_takes_is_ended_there_too() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &["dev", "--listen", "unix:grantd.sock"], |command| {
        command.env("GRANTD_LIMITS__ANSWER_SECONDS", "1");
    });
    let mut stream = UnixStream::connect(dir.path().join("grantd.sock")).unwrap();
    // More than both ends hold ready.
    stream.write_all(&b"GET /openapi.json HTTP/1.1\r\nhost: test\r\n\r\n".repeat(100)).unwrap();
    eventually("the end of the connection", || stream.write_all(b" ").is_err().then_some(()));
    program.stop();
}

#[test]
fn a_socket_file_is_served_and_removed_and_a_stale_one_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("grantd.sock");
    let start = || Program::start(dir.path(), &["dev", "--listen", "unix:grantd.sock"], |_| {});
    let program = start();
    assert_eq!(program.of("listen"), "unix:grantd.sock");
    assert_eq!(program.of("issuer"), "http://localhost/oauth2/");
    let answer = get(&socket, "/oauth2/.well-known/jwks.json");
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\"RS256\""), "{answer}");
    // A second server does not push the first one off its socket.
    let other = tempfile::tempdir().unwrap();
    let taken = format!("unix:{}", socket.display());
    let output = run(other.path(), &["dev", "--listen", &taken]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("cannot listen on unix:"), "{}", complaint(&output));
    assert!(get(&socket, "/api/v1/health/alive").starts_with("HTTP/1.1 200 OK"));
    // Commands reach it: by the configuration of this directory, by its address, and as a profile.
    std::fs::write(dir.path().join("grantd.toml"), "listen = \"unix:grantd.sock\"\n").unwrap();
    assert!(told(&run(dir.path(), &["account", "list"])).contains("ACCOUNT"));
    assert!(told(&run(dir.path(), &["token", "--explain"])).contains("issued"));
    let token = program.of("api_token").to_owned();
    let far = |arguments: &[&str]| {
        let mut command = grantd(other.path());
        // No proxy knows the way to a socket.
        command.env("GRANTD_TOKEN", &token).env("HOME", other.path()).env("http_proxy", "http://127.0.0.1:1");
        command.args(arguments).args(["--server", &taken]).output().unwrap()
    };
    assert!(told(&far(&["api", "list"])).contains("API"));
    assert!(told(&far(&["export"])).contains("accounts"));
    let output = far(&["login"]);
    assert!(complaint(&output).contains(&format!("{taken} lets you in")), "{}", complaint(&output));
    program.stop();
    let output = run(dir.path(), &["account", "list"]);
    assert!(complaint(&output).contains("unix:grantd.sock"), "{}", complaint(&output));
    assert_eq!(output.status.code(), Some(1));
    assert!(!socket.exists());
    // One that a killed server left behind.
    start().kill();
    assert!(socket.exists());
    let program = start();
    assert!(get(&socket, "/api/v1/health/ready").starts_with("HTTP/1.1 200 OK"));
    program.stop();
    // What is no socket is nobody's to remove.
    drop(UnixListener::bind(dir.path().join("other.sock")).unwrap());
    std::fs::write(&socket, "a file of somebody").unwrap();
    let output = run(dir.path(), &["dev", "--listen", "unix:grantd.sock"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "a file of somebody");
}
