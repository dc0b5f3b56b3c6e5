//! Clients that break the rules of HTTP/2, or keep to them and do harm: frames by hand.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use tokio::net::TcpSocket;

use super::{Client, Server, block_on};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;
const INITIAL_WINDOW_SIZE: [u8; 2] = [0, 4];

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    content: Vec<u8>,
}

impl Frame {
    /// The error code of a RST_STREAM, or of a GOAWAY after its last stream.
    fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.content[at..at + 4].try_into().unwrap())
    }
}

fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), content].concat()
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

/// A request's head without compression (RFC 7541 6.2.2).
fn head(stream: u32, method: &str, path: &str, flags: u8) -> Vec<u8> {
    let mut block = Vec::new();
    let fields = [
        (":method", method),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    for text in fields.into_iter().flat_map(|(name, value)| [(true, name), (false, value)]) {
        if text.0 {
            block.push(0);
        }
        block.push(u8::try_from(text.1.len()).unwrap());
        block.extend_from_slice(text.1.as_bytes());
    }
    frame(HEADERS, END_HEADERS | flags, stream, &block)
}

struct Raw(StreamOwned<ClientConnection, TcpStream>);

impl Raw {
    /// A connection whose client lets each answer have so many bytes before it was read.
    fn connect(server: &Server, window: u32) -> Self {
        let mut trust = server.authority.trust();
        trust.alpn_protocols = vec![b"h2".to_vec()];
        let client = ClientConnection::new(Arc::new(trust), ServerName::try_from("localhost").unwrap()).unwrap();
        // Little fits between two sides of which one does not read.
        let stream = block_on(async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(16 * 1024).unwrap();
            socket.connect(server.program.of("listen").parse().unwrap()).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut raw = Self(StreamOwned::new(client, stream));
        let settings = [&INITIAL_WINDOW_SIZE[..], &window.to_be_bytes()].concat();
        raw.send(&[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &settings)].concat());
        raw
    }

    fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap();
    }

    fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// The next frame; `None` at the end of the connection.
    fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
        let mut content = vec![0; length];
        self.0.read_exact(&mut content).ok()?;
        Some(Frame { kind: head[3], flags: head[4], stream, content })
    }

    /// The next frame of a kind; others are passed over.
    fn read_until(&mut self, kind: u8) -> Option<Frame> {
        std::iter::from_fn(|| self.read()).find(|frame| frame.kind == kind)
    }

    /// Waits until the server has seen everything that was sent.
    fn round_trip(&mut self) -> bool {
        self.try_send(&frame(PING, 0, 0, b"all seen")).is_ok()
            && std::iter::from_fn(|| self.read())
                .take_while(|frame| frame.kind != GOAWAY)
                .any(|frame| frame.kind == PING && frame.flags == ACK)
    }
}

/// What the program keeps in memory.
fn resident_bytes(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.program.ready["pid"])).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Somebody else gets a token over a connection of their own.
fn others_are_served(server: &Server) {
    block_on(async {
        let mut client = Client::connect(server).await;
        let answer = client.send(client.post("/oauth2/token"), &server.form()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        client.ended().await;
    });
}

#[test]
fn the_hundred_and_first_request_of_a_connection_is_refused_and_the_others_are_answered() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(&server, 65_535);
    let streams = || (0..100).map(|number| 2 * number + 1);
    for stream in streams().chain([201]) {
        raw.send(&head(stream, "POST", "/oauth2/token", 0));
    }
    let refused = raw.read_until(RST_STREAM).unwrap();
    assert_eq!((refused.stream, refused.code()), (201, REFUSED_STREAM));
    for stream in streams() {
        raw.send(&frame(DATA, END_STREAM, stream, server.form().as_bytes()));
    }
    // Answers need more than the window of the connection at its beginning.
    raw.send(&frame(WINDOW_UPDATE, 0, 0, &1_000_000_u32.to_be_bytes()));
    let mut answered: Vec<u32> = streams()
        .map(|_| {
            let answer = raw.read_until(HEADERS).unwrap();
            // `:status` 200, the eighth of the static table.
            assert_eq!(answer.content[0], 0x88);
            answer.stream
        })
        .collect();
    answered.sort_unstable();
    assert!(answered.into_iter().eq(streams()));
    // There is room again.
    raw.send(&head(203, "GET", "/api/v1/health/alive", END_STREAM));
    assert_eq!(raw.read_until(HEADERS).unwrap().stream, 203);
    server.program.stop();
}

#[test]
fn who_resets_everything_at_once_is_sent_away() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(&server, 65_535);
    let flood: Vec<u8> = (0..1000)
        .flat_map(|number| [head(2 * number + 1, "POST", "/oauth2/token", 0), reset(2 * number + 1)].concat())
        .collect();
    // The server may close before it has read all of it.
    let _ = raw.try_send(&flood);
    assert_eq!(raw.read_until(GOAWAY).map(|frame| frame.code()), Some(ENHANCE_YOUR_CALM));
    others_are_served(&server);
    server.program.stop();
}

#[test]
fn who_calls_off_one_request_after_another_is_sent_away() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(&server, 65_535);
    let mut called_off = 0;
    let goaway = (0..1000).find_map(|number| {
        let stream = 2 * number + 1;
        // Each has reached the router before it is reset.
        let _ = raw.try_send(&head(stream, "POST", "/oauth2/token", 0));
        let _ = raw.try_send(&frame(PING, 0, 0, b"all seen"));
        let answer = std::iter::from_fn(|| raw.read()).find(|frame| matches!(frame.kind, PING | GOAWAY));
        let _ = raw.try_send(&reset(stream));
        called_off += 1;
        answer.filter(|frame| frame.kind == GOAWAY)
    });
    assert_eq!(goaway.map(|frame| frame.code()), Some(ENHANCE_YOUR_CALM));
    assert!((200..300).contains(&called_off), "{called_off}");
    others_are_served(&server);
    server.program.stop();
}

/// Sends requests for the largest answers without reading one, until nothing more is taken.
fn ask_and_never_read(server: &Server, window: u32) -> (Raw, u64) {
    const SENT_MAX: usize = 64 * 1024 * 1024;
    let mut raw = Raw::connect(server, window);
    raw.send(&frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes()));
    raw.0.sock.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let (mut sent, mut stream, mut peak) = (0, 1, 0);
    while sent < SENT_MAX {
        let some: Vec<u8> = (0..1000).flat_map(|step| head(stream + 2 * step, "GET", "/docs", END_STREAM)).collect();
        stream += 2000;
        if raw.try_send(&some).is_err() {
            break;
        }
        sent += some.len();
        peak = peak.max(resident_bytes(server));
    }
    assert!(sent < SENT_MAX, "a client that takes no answers was read for ever");
    (raw, peak)
}

#[test]
fn a_client_that_takes_no_answers_is_not_read_and_takes_no_memory() {
    let server = Server::start(&[]);
    others_are_served(&server);
    let before = resident_bytes(&server);
    // Windows for everything, and a socket that nobody reads; then windows for nothing.
    for window in [0x7fff_ffff, 0] {
        let (_kept, peak) = ask_and_never_read(&server, window);
        assert!(peak < before + 64 * 1024 * 1024, "{} MiB more", (peak - before) / 1024 / 1024);
        others_are_served(&server);
    }
    server.program.stop();
}

#[test]
fn on_a_full_worker_a_connection_that_takes_no_refusals_gets_no_more_of_them() {
    let server = Server::start(&[("GRANTD_WORKERS", "1"), ("GRANTD_LIMITS__REQUESTS", "1")]);
    let mut raw = Raw::connect(&server, 0);
    for number in 0..20 {
        raw.send(&head(2 * number + 1, "GET", "/docs", END_STREAM));
    }
    // The first has the place, and seven wait with their 503.
    let refused = raw.read_until(RST_STREAM).unwrap();
    assert_eq!((refused.stream, refused.code()), (17, REFUSED_STREAM));
    raw.send(&(0..20).flat_map(|number| reset(2 * number + 1)).collect::<Vec<u8>>());
    assert!(raw.round_trip());
    others_are_served(&server);
    server.program.stop();
}

#[test]
fn pieces_of_nothing_are_no_body() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(&server, 65_535);
    raw.send(&head(1, "POST", "/oauth2/token", 0));
    for _ in 0..1000 {
        raw.send(&frame(DATA, 0, 1, b""));
    }
    // `:status` 400, the twelfth of the static table.
    assert_eq!(raw.read_until(HEADERS).unwrap().content[0], 0x8c);
    assert!(raw.round_trip());
    // Of a request without content it is not kept at all.
    raw.send(&head(3, "GET", "/oauth2/token", 0));
    for _ in 0..1000 {
        raw.send(&frame(DATA, 0, 3, b""));
    }
    assert!(raw.round_trip());
    others_are_served(&server);
    server.program.stop();
}

#[test]
fn pings_and_settings_without_end_hold_nobody_up() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(&server, 65_535);
    raw.0.sock.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let before = resident_bytes(&server);
    for kind in [PING, SETTINGS] {
        let content: &[u8] = if kind == PING { b"12345678" } else { &[0, 4, 0, 0, 255, 255] };
        let some = frame(kind, 0, 0, content).repeat(10_000);
        // Whose answers are not read is not read either.
        let _ = (0..100).try_for_each(|_| raw.try_send(&some));
    }
    assert!(resident_bytes(&server) < before + 64 * 1024 * 1024);
    others_are_served(&server);
    server.program.stop();
}
