//! Callers who hold on to what they have: ten thousand connections, heads that never end, bodies that stop, and bombs.
//! Whatever they do, somebody else's token comes, and what they get is bounded.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::json;

use crate::app::eventually;
use crate::program::{Program, connect};

/// Files that the test and the program need beside their connections.
const OTHER_FILES: u64 = 500;
const HEAD: &[u8] = b"POST /oauth2/token HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-www-form-urlencoded\r\n";

/// All tests share the descriptors of one process: one crowd at a time has thousands of them.
static CROWD: Mutex<()> = Mutex::new(());

fn start(settings: &[(&str, &str)]) -> (tempfile::TempDir, Program) {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &["dev", "--listen", "127.0.0.1:0"], |command| {
        command.envs(settings.iter().copied());
    });
    (dir, program)
}

/// Everything that comes until the server closes.
fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    // A server that closes on unread bytes resets the connection.
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        bytes.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn ten_thousand_connections_leave_room_for_a_token() {
    let _turn = CROWD.lock().unwrap_or_else(PoisonError::into_inner);
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let room = limit.maximum.unwrap_or(u64::MAX).saturating_sub(OTHER_FILES);
    let count = usize::try_from(room.min(10_000)).unwrap();
    // They may be quiet for longer than it takes to open all of them on a slow machine.
    let (_dir, program) = start(&[
        ("GRANTD_LIMITS__REQUEST_HEAD_SECONDS", "300"),
        ("GRANTD_LIMITS__KEEP_ALIVE_SECONDS", "300"),
        ("GRANTD_LIMITS__CONNECTIONS_PER_ADDRESS", "20000"),
    ]);
    let mut crowd = Vec::with_capacity(count);
    for number in 0..count {
        let mut stream = connect(program.url());
        match number % 3 {
            // Connected, and nothing more.
            0 => {}
            1 => stream.write_all(HEAD).unwrap(),
            // A body that stops in the middle.
            _ => {
                stream.write_all(HEAD).unwrap();
                stream.write_all(b"content-length: 500\r\n\r\ngrant_type=client_credentials&").unwrap();
            }
        }
        crowd.push(stream);
        if number % 1000 == 0 {
            program.sample_token().expect(200);
        }
    }
    program.sample_token().expect(200);
    // Each of them is still there: the last one finishes what it began.
    let stream = &mut crowd[1];
    let body = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope=write",
        program.of("client_id"),
        program.of("client_secret")
    );
    write!(stream, "connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    assert!(rest(stream).starts_with("HTTP/1.1 200 OK"));
    drop(crowd);
    program.sample_token().expect(200);
    program.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn a_thousand_connections_at_once_wait_for_a_busy_server() {
    let _turn = CROWD.lock().unwrap_or_else(PoisonError::into_inner);
    let system_max = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let count = system_max.trim().parse::<usize>().unwrap().min(1000);
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let (_dir, program) = start(&[]);
    // The busiest that a server can be: it does nothing at all.
    program.signal(Signal::STOP);
    let address = program.url().trim_start_matches("http://").parse().unwrap();
    let join = |_| TcpStream::connect_timeout(&address, Duration::from_secs(10)).unwrap();
    let crowd: Vec<TcpStream> = (0..count).map(join).collect();
    program.signal(Signal::CONT);
    program.sample_token().expect(200);
    drop(crowd);
    program.stop();
}

#[test]
fn connections_are_bounded_and_slow_heads_make_room() {
    let (_dir, program) = start(&[
        ("GRANTD_WORKERS", "1"),
        ("GRANTD_LIMITS__CONNECTIONS", "20"),
        ("GRANTD_LIMITS__REQUEST_HEAD_SECONDS", "1"),
    ]);
    // More than are let in: some of these wait outside until the first are thrown out.
    let mut crowd: Vec<TcpStream> = (0..60).map(|_| connect(program.url())).collect();
    for stream in &mut crowd {
        stream.write_all(&HEAD[..20]).unwrap();
    }
    program.sample_token().expect(200);
    for mut stream in crowd {
        let said = rest(&mut stream);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
    program.stop();
}

#[test]
fn one_address_has_no_more_than_its_share_of_connections() {
    let (_dir, program) = start(&[("GRANTD_LIMITS__CONNECTIONS_PER_ADDRESS", "5")]);
    let is_alive = |stream: &mut TcpStream| {
        let asked = stream.write_all(b"GET /api/v1/health/alive HTTP/1.1\r\nhost: test\r\n\r\n");
        let mut answer = [0; 12];
        asked.is_ok() && stream.read_exact(&mut answer).is_ok() && &answer == b"HTTP/1.1 200"
    };
    let mut crowd = Vec::new();
    for _ in 0..5 {
        let mut stream = connect(program.url());
        assert!(is_alive(&mut stream));
        crowd.push(stream);
    }
    let mut one_more = connect(program.url());
    assert!(!is_alive(&mut one_more));
    // Whoever leaves makes room, for the one who asks how many found none.
    crowd.truncate(4);
    let asked = b"GET /metrics HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    let metrics = eventually("room", || {
        let mut stream = connect(program.url());
        let said = stream.write_all(asked).map(|()| rest(&mut stream)).unwrap_or_default();
        said.starts_with("HTTP/1.1 200").then_some(said)
    });
    let refused = metrics.lines().find_map(|line| line.strip_prefix("grantd_refused_total{what=\"connection\"} "));
    assert!(refused.unwrap().parse::<u64>().unwrap() >= 1);
    program.stop();
}

#[test]
fn an_answer_is_framed_by_its_own_request() {
    let (_dir, program) = start(&[]);
    let ask = |method: &str, path: &str, more: &str| format!("{method} {path} HTTP/1.1\r\nhost: test\r\n{more}\r\n");
    let alive = ask("GET", "/api/v1/health/alive", "");
    for next in [
        ask("HEAD", "/oauth2/.well-known/jwks.json", "connection: close\r\n"),
        ask("GET", "/api/v1/health/alive", "connection: close\r\n"),
    ] {
        let mut stream = connect(program.url());
        stream.write_all(format!("{alive}{next}").as_bytes()).unwrap();
        let said = rest(&mut stream);
        let (first, then) = said.split_once("{\"status\":\"OK\"}").unwrap_or_else(|| panic!("{said}"));
        assert!(first.starts_with("HTTP/1.1 200 OK") && !first.contains("connection: close"), "{said}");
        let (second, body) = then.split_once("\r\n\r\n").unwrap();
        assert!(second.starts_with("HTTP/1.1 200 OK") && second.contains("connection: close"), "{said}");
        assert_eq!(body.is_empty(), next.starts_with("HEAD"), "{said}");
    }
    program.stop();
}

#[test]
fn what_waits_behind_a_slow_answer_is_answered() {
    const BEHIND: usize = 2000;
    let (_dir, program) = start(&[]);
    let fault = json!({"delayMilliseconds": 500});
    program.try_send("POST", "/dev/faults", &[], fault.to_string().as_bytes()).unwrap().expect(200);
    let mut stream = connect(program.url());
    stream.write_all(HEAD).unwrap();
    stream.write_all(b"content-length: 1\r\n\r\na").unwrap();
    // More than the library takes over at once comes while it waits.
    std::thread::sleep(Duration::from_millis(100));
    stream.write_all(&b"GET /api/v1/health/alive HTTP/1.1\r\nhost: test\r\n\r\n".repeat(BEHIND - 1)).unwrap();
    stream.write_all(b"GET /api/v1/health/alive HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").unwrap();
    assert_eq!(rest(&mut stream).matches("{\"status\":\"OK\"}").count(), BEHIND);
    program.stop();
}

#[test]
fn whoever_takes_no_answers_is_not_read() {
    const HELD_BYTES_MAX: usize = 32 * 1024 * 1024;
    // It may take more than that on a slow machine.
    let (_dir, program) = start(&[("GRANTD_LIMITS__ANSWER_SECONDS", "600")]);
    let mut stream = connect(program.url());
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    // About as long as its answer, which has no body: what both systems hold ready is full after few of them.
    let one = format!("GET /console HTTP/1.1\r\nhost: test\r\nx-padding: {}\r\n\r\n", "x".repeat(900));
    let asked = one.repeat(100).into_bytes();
    let mut sent = 0;
    while sent < HELD_BYTES_MAX
        && let Ok(count @ 1..) = stream.write(&asked[sent % asked.len()..])
    {
        sent += count;
    }
    assert!(sent < HELD_BYTES_MAX, "more was read than both systems hold ready");
    program.sample_token().expect(200);
    // Once they are taken, it goes on where it was.
    let mut left = sent / one.len();
    let mut piece = [0; 64 * 1024];
    let mut carried = String::new();
    while left > 0 {
        let read = stream.read(&mut piece);
        let Ok(count @ 1..) = read else { panic!("{left} answers are missing: {read:?}") };
        carried.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        left -= carried.matches("HTTP/1.1 303").count();
        // The beginning of one that goes on in the next piece.
        carried = carried.split_off(carried.len().saturating_sub("HTTP/1.1 303".len() - 1));
    }
    program.stop();
}

#[test]
fn an_answer_that_nobody_takes_is_ended() {
    let (_dir, program) = start(&[("GRANTD_LIMITS__ANSWER_SECONDS", "1")]);
    let mut stream = connect(program.url());
    // More than both systems hold ready.
    stream.write_all(&b"GET /openapi.json HTTP/1.1\r\nhost: test\r\n\r\n".repeat(300)).unwrap();
    eventually("the end of the connection", || stream.write_all(b" ").is_err().then_some(()));
    program.sample_token().expect(200);
    program.stop();
}

#[test]
fn a_head_that_drips_is_ended() {
    let (_dir, program) = start(&[("GRANTD_LIMITS__REQUEST_HEAD_SECONDS", "1")]);
    let mut stream = connect(program.url());
    let mut sent = 0;
    eventually("the end of the connection", || {
        // A header line that never ends, a byte at a time.
        let byte = HEAD.get(sent).copied().unwrap_or(b'a');
        sent += 1;
        stream.write_all(&[byte]).is_err().then_some(())
    });
    program.sample_token().expect(200);
    program.stop();
}

/// Seconds of patience, of which a connection may have some times as many.
const IMPATIENT: [(&str, &str); 2] =
    [("GRANTD_LIMITS__REQUEST_HEAD_SECONDS", "1"), ("GRANTD_LIMITS__KEEP_ALIVE_SECONDS", "1")];

#[test]
fn a_connection_on_which_nothing_is_answered_any_more_is_ended() {
    let (_dir, program) = start(&IMPATIENT);
    let begin = |bytes: &[u8]| {
        let mut stream = connect(program.url());
        stream.write_all(bytes).unwrap();
        stream
    };
    let chunked =
        |path: &str| format!("POST {path} HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
    let mut second_head = begin(b"GET /api/v1/health/alive HTTP/1.1\r\nhost: test\r\n\r\n");
    second_head.read_exact(&mut [0; 12]).unwrap();
    second_head.write_all(b"G").unwrap();
    // Bodies that nobody reads, and that do not come.
    let crowd = [
        (second_head, ""),
        (begin(&chunked("/nope")), "HTTP/1.1 404"),
        (begin(&chunked("/api/v1/resources/cid/Api")), "HTTP/1.1 401"),
    ];
    for (mut stream, answer) in crowd {
        let mut said = Vec::new();
        let ended = stream.read_to_end(&mut said).map_err(|error| error.kind());
        assert!(String::from_utf8_lossy(&said).starts_with(answer), "{answer}");
        // And not by this side's patience.
        assert!(matches!(ended, Ok(_) | Err(ErrorKind::ConnectionReset)), "{answer}: {ended:?}");
    }
    program.stop();
}

#[test]
fn what_is_under_way_is_not_ended_however_long_it_takes() {
    let (_dir, program) = start(&IMPATIENT);
    // Far more than both systems hold ready: the answers wait for their caller.
    let mut late = connect(program.url());
    let asked = 200;
    late.write_all(&b"GET /openapi.json HTTP/1.1\r\nhost: test\r\n\r\n".repeat(asked)).unwrap();
    let mut slow = connect(program.url());
    let body = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope=write",
        program.of("client_id"),
        program.of("client_secret")
    );
    slow.write_all(HEAD).unwrap();
    write!(slow, "connection: close\r\ncontent-length: {}\r\n\r\n", body.len()).unwrap();
    for piece in body.as_bytes().chunks(body.len().div_ceil(14)) {
        std::thread::sleep(Duration::from_millis(500));
        slow.write_all(piece).unwrap();
    }
    assert!(rest(&mut slow).starts_with("HTTP/1.1 200"));
    assert_eq!(rest(&mut late).matches("HTTP/1.1 200").count(), asked);
    program.stop();
}

#[test]
fn bombs_are_refused_at_their_bounds() {
    let (_dir, program) = start(&[]);
    let refused = |parts: &mut dyn Iterator<Item = Vec<u8>>, statuses: &[&str]| {
        let mut stream = connect(program.url());
        for part in parts {
            // The server may answer and close before everything was sent.
            if stream.write_all(&part).is_err() {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Write);
        let said = rest(&mut stream);
        let fits = said.is_empty() || statuses.iter().any(|status| said.starts_with(&format!("HTTP/1.1 {status}")));
        assert!(fits, "{}", said.lines().next().unwrap_or_default());
        program.sample_token().expect(200);
    };
    let line = |text: &str| text.as_bytes().to_vec();
    // Headers without end, and one header without end.
    let headers = (0..100_000).map(|number| format!("x-{number}: {}\r\n", "a".repeat(200)).into_bytes());
    refused(&mut std::iter::once(HEAD.to_vec()).chain(headers), &["400", "431"]);
    let long = std::iter::repeat_n(vec![b'a'; 64 * 1024], 300);
    refused(&mut [HEAD.to_vec(), line("x-long: ")].into_iter().chain(long), &["400", "431"]);
    let target = std::iter::repeat_n(vec![b'a'; 64 * 1024], 300);
    refused(&mut std::iter::once(line("GET /")).chain(target), &["400", "414", "431"]);
    // A body of chunks without end, of which each is small.
    let begin = [HEAD.to_vec(), line("transfer-encoding: chunked\r\n\r\n")];
    let chunk = format!("{:x}\r\n{}\r\n", 4096, "a".repeat(4096)).into_bytes();
    refused(&mut begin.into_iter().chain(std::iter::repeat_n(chunk, 5000)), &["413", "400"]);
    // A body that announces more than there may be, and one that is no number.
    refused(&mut [HEAD.to_vec(), line("content-length: 99999999999\r\n\r\n")].into_iter(), &["413"]);
    refused(&mut [HEAD.to_vec(), line("content-length: 99999999999999999999999\r\n\r\n")].into_iter(), &["400"]);
    program.stop();
}

#[test]
fn half_closed_and_broken_requests_end_quietly() {
    let (_dir, program) = start(&[]);
    for cut in [0, 1, 10, HEAD.len()] {
        let mut stream = connect(program.url());
        stream.write_all(&HEAD[..cut]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let said = rest(&mut stream);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 400"), "{said}");
    }
    let mut stream = connect(program.url());
    stream.write_all(HEAD).unwrap();
    stream.write_all(b"content-length: 500\r\n\r\ngrant_type=").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let said = rest(&mut stream);
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400"), "{said}");
    program.sample_token().expect(200);
    // Nor does who sends what is no HTTP at all fill the log.
    connect(program.url()).write_all(b"\x16\x03\x01 no HTTP\r\n\r\n").unwrap();
    program.sample_token().expect(200);
    let log = program.log();
    assert!(!log.contains("panic") && !log.contains("\"ERROR\""), "{log}");
    program.stop();
}
