//! Ctrl-C, SIGTERM and SIGHUP: what is under way is finished, within a bound; a second signal does not wait.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::app::eventually;
use crate::program::{Program, complaint, connect, grantd, run, told};

/// Whether these tests run under `nohup`, whose children go on when the terminal goes.
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0");
    u64::from_str_radix(mask.trim(), 16).unwrap() & 1 != 0
}

/// The head of a token request by the sample's client, and its body.
fn request(program: &Program) -> (String, String) {
    let (id, secret) = (program.of("client_id"), program.of("client_secret"));
    let body = format!("grant_type=client_credentials&scope=write&client_id={id}&client_secret={secret}");
    let head = format!(
        "POST /oauth2/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    (head, body)
}

/// A connection on which half of a request was sent, and the other half of it.
fn half_sent(program: &Program) -> (TcpStream, String) {
    let (head, body) = request(program);
    let (first, second) = body.split_at(body.len() / 2);
    let mut stream = connect(program.url());
    stream.write_all(format!("{head}{first}").as_bytes()).unwrap();
    // Another request is answered, so the server has had its chance to read this one's beginning.
    program.sample_token().expect(200);
    (stream, second.to_owned())
}

fn says_it_stops(program: &Program) {
    eventually("the announcement that it stops", || program.log().contains("finishing the requests").then_some(()));
}

#[test]
fn a_request_under_way_is_finished_before_the_server_stops() {
    let hang_up = (!hang_up_is_ignored()).then_some(Signal::HUP);
    for signal in [Signal::INT, Signal::TERM].into_iter().chain(hang_up) {
        let dir = tempfile::tempdir().unwrap();
        // One worker takes what is connected in its order.
        std::fs::write(dir.path().join("grantd.toml"), "workers = 1\n").unwrap();
        let mut program = Program::dev(dir.path(), &[]);
        let (mut stream, rest) = half_sent(&program);
        program.signal(signal);
        says_it_stops(&program);
        stream.write_all(rest.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{signal:?}: {answer}");
        assert!(answer.contains("access_token"), "{signal:?}: {answer}");
        let status = program.ended();
        assert!(status.success(), "{signal:?}: {status}: {}", program.log());
        // Everything was folded back into one file, and nobody waits for a server that is gone.
        let mut left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let own = ["grantd.db", "grantd.db-dev", "grantd.db-lock", "grantd.db.key"];
        assert_eq!(left, [&own[..], &["grantd.toml", "stderr.txt", "stdout.txt"]].concat());
    }
}

#[test]
fn what_has_arrived_is_answered_before_it_stops() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = Program::dev(dir.path(), &[]);
    let (head, body) = request(&program);
    let request = format!("{head}{body}");
    let begin = |_| {
        let mut stream = connect(program.url());
        stream.write_all(request.as_bytes()).unwrap();
        let mut first = [0; 4096];
        let count = stream.read(&mut first).unwrap();
        assert!(first[..count].starts_with(b"HTTP/1.1 200 OK") && first[..count].ends_with(b"}"));
        stream
    };
    let mut crowd: Vec<TcpStream> = (0..50).map(begin).collect();
    // All of it arrives at once, and the signal with it.
    program.signal(Signal::STOP);
    for stream in &mut crowd {
        stream.write_all(request.as_bytes()).unwrap();
    }
    program.signal(Signal::TERM);
    program.signal(Signal::CONT);
    for stream in &mut crowd {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("access_token"), "{answer}");
    }
    assert!(program.ended().success());
}

#[test]
fn connections_that_ask_nothing_do_not_hold_it_up() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("grantd.toml"), "[limits]\nshutdown_seconds = 3600\n").unwrap();
    let mut program = Program::dev(dir.path(), &[]);
    let silent = connect(program.url());
    let mut idle = connect(program.url());
    let (head, body) = request(&program);
    idle.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut first = [0; 15];
    idle.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    program.signal(Signal::TERM);
    let status = program.ended();
    assert!(status.success(), "{status}: {}", program.log());
    drop((silent, idle));
}

#[test]
fn a_request_that_never_ends_holds_it_up_for_its_bound_only() {
    let dir = tempfile::tempdir().unwrap();
    // One worker takes what is connected in its order.
    std::fs::write(dir.path().join("grantd.toml"), "workers = 1\n[limits]\nshutdown_seconds = 1\n").unwrap();
    let mut program = Program::dev(dir.path(), &[]);
    let (_stream, _never_sent) = half_sent(&program);
    program.signal(Signal::TERM);
    let status = program.ended();
    assert!(status.success(), "{status}: {}", program.log());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let dir = tempfile::tempdir().unwrap();
    // One worker takes what is connected in its order.
    std::fs::write(dir.path().join("grantd.toml"), "workers = 1\n[limits]\nshutdown_seconds = 3600\n").unwrap();
    for (first, second) in [(Signal::INT, Signal::INT), (Signal::TERM, Signal::INT), (Signal::INT, Signal::TERM)] {
        let mut program = Program::dev(dir.path(), &[]);
        let (_stream, _never_sent) = half_sent(&program);
        program.signal(first);
        says_it_stops(&program);
        program.signal(second);
        assert_eq!(program.ended().code(), Some(130));
    }
    // Nothing is lost by it.
    let program = Program::dev(dir.path(), &[]);
    program.sample_token().expect(200);
    program.stop();
}

/// It says so once for itself and once for its shell: neither is a person who will not wait.
#[test]
fn a_terminal_that_goes_leaves_no_half_of_a_backup() {
    if hang_up_is_ignored() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    told(&run(dir.path(), &["init"]));
    // Enough of it that the copy is not done before anybody says anything.
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
        INSERT INTO service_account (id, user_name, display_name, active, attributes, revision, created_at_ms, modified_at_ms) \
        SELECT printf('%022d', i), 'filler-' || i, 'Filler', 0, '{}', 1, 0, 0 FROM n";
    rusqlite::Connection::open(dir.path().join("grantd.db")).unwrap().execute(fill, []).unwrap();
    let (whole, partial) = (dir.path().join("b.db"), dir.path().join("b.db.1.partial"));
    let attempt = |_| {
        let mut command = grantd(dir.path());
        command.args(["backup", "b.db"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut has_begun = false;
        while child.try_wait().unwrap().is_none() {
            has_begun |= partial.exists();
            if has_begun {
                kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            // The copy was over before the first signal came.
            std::fs::remove_file(&whole).unwrap();
            return None;
        }
        Some(output)
    };
    let output = (0..10).find_map(attempt).expect("one of ten copies is interrupted");
    let said = complaint(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("interrupted: everything is as it was"), "{said}");
    assert!(!partial.exists() && !whole.exists());
}

#[test]
fn under_nohup_it_goes_on_when_the_terminal_goes() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' HUP; exec \"$0\" dev --listen 127.0.0.1:0 --ready-file ready.json";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_grantd")]).env_clear().current_dir(dir.path());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ready = dir.path().join("ready.json");
    eventually("the start of grantd", || ready.exists().then_some(()));
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let went_on = child.try_wait().unwrap().is_none() && ready.exists();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let status = eventually("the end of grantd", || child.try_wait().unwrap());
    assert!(went_on && status.success(), "{status}");
}
