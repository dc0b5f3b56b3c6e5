//! TLS of the real program: handshakes, certificates that change, that do not fit, and that are not there.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use grantd::clock::Clock;
use grantd::config::{Config, TlsConfig};
use grantd::doctor::{Level, examine};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::app::{TestApp, eventually};
use crate::program::{Program, complaint, grantd, run, told};

/// An authority whose certificates are for this machine.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate that ends with this year, and its key.
    pub fn certificate(&self, last_year: i32) -> (String, String) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.not_after = date_time_ymd(last_year, 12, 31);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    pub fn trust(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        config.with_root_certificates(roots).with_no_client_auth()
    }
}

pub const FILES: [&str; 4] = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];

pub fn write(dir: &Path, (cert, key): &(String, String)) {
    std::fs::write(dir.join("cert.pem"), cert).unwrap();
    std::fs::write(dir.join("key.pem"), key).unwrap();
}

fn start(dir: &Path) -> Program {
    Program::dev(dir, &FILES)
}

fn connect(program: &Program, trust: ClientConfig) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::new(trust), name).unwrap();
    StreamOwned::new(client, crate::program::connect(program.of("listen")))
}

/// The status line of a request over a connection that stays open, once everything was read.
fn ask(stream: &mut StreamOwned<ClientConnection, TcpStream>) -> String {
    stream.write_all(b"GET /api/v1/health/alive HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let head = String::from_utf8(answer).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length]).unwrap();
    assert!(head.contains("x-content-type-options: nosniff"), "{head}");
    head.lines().next().unwrap().to_owned()
}

/// The certificate that the program shows now.
fn shown(program: &Program, trust: ClientConfig) -> CertificateDer<'static> {
    let mut stream = connect(program, trust);
    stream.conn.complete_io(&mut stream.sock).unwrap();
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

fn der((cert, _): &(String, String)) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()
}

#[test]
fn tokens_over_tls_by_the_programs_own_client() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    write(dir.path(), &authority.certificate(2090));
    std::fs::write(dir.path().join("ca.pem"), &authority.pem).unwrap();
    let program = start(dir.path());
    let issuer = format!("https://{}/oauth2/", program.of("listen"));
    assert_eq!(program.of("issuer"), issuer);
    let mut stream = connect(&program, authority.trust());
    assert_eq!(ask(&mut stream), "http/1.1 200 ok");
    let config = format!(
        "listen = {:?}\npublic_url = {:?}\n[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n",
        program.of("listen"),
        issuer.trim_end_matches("/oauth2/"),
    );
    std::fs::write(dir.path().join("grantd.toml"), config).unwrap();
    let listed = grantd(dir.path())
        .args(["account", "list", "--output", "json"])
        .env("GRANTD_CA_FILE", "ca.pem")
        .env("GRANTD_SERVER", program.url())
        .env("GRANTD_TOKEN", program.of("api_token"))
        .output()
        .unwrap();
    assert!(told(&listed).contains("userName"));
    let doctor = run(dir.path(), &["doctor", "--ca-file", "ca.pem"]);
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("answers as the issuer https://"), "{}", told(&doctor));
    // Whoever does not trust the authority gets nothing.
    let stranger = run(dir.path(), &["doctor"]);
    assert_eq!(stranger.status.code(), Some(1));
    program.stop();
}

/// A program with these settings, and who made its certificate.
fn start_with(dir: &Path, settings: &[(&str, &str)]) -> (Program, Authority) {
    let authority = Authority::new();
    write(dir, &authority.certificate(2090));
    let arguments = [&["dev", "--listen", "127.0.0.1:0"][..], &FILES].concat();
    let program = Program::start(dir, &arguments, |command| {
        command.envs(settings.iter().copied());
    });
    (program, authority)
}

#[test]
fn handshakes_that_never_begin_leave_room_for_others() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("GRANTD_WORKERS", "2"), ("GRANTD_LIMITS__REQUEST_HEAD_SECONDS", "300")];
    let (program, authority) = start_with(dir.path(), &settings);
    let silent: Vec<TcpStream> = (0..600).map(|_| crate::program::connect(program.of("listen"))).collect();
    assert_eq!(ask(&mut connect(&program, authority.trust())), "http/1.1 200 ok");
    // Nor does it wait for them when it stops.
    program.stop();
    drop(silent);
}

#[test]
fn a_second_head_that_does_not_come_ends_its_connection() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("GRANTD_LIMITS__REQUEST_HEAD_SECONDS", "1"), ("GRANTD_LIMITS__KEEP_ALIVE_SECONDS", "1")];
    let (program, authority) = start_with(dir.path(), &settings);
    let mut stream = connect(&program, authority.trust());
    assert_eq!(ask(&mut stream), "http/1.1 200 ok");
    stream.write_all(b"G").unwrap();
    let ended = stream.read(&mut [0]).map_err(|error| error.kind());
    // Ended without a word of TLS, and not by this side's patience.
    assert!(matches!(ended, Ok(0) | Err(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset)), "{ended:?}");
    program.stop();
}

#[test]
fn new_files_are_taken_up_and_open_connections_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (first, second, third) =
        (authority.certificate(2090), authority.certificate(2091), authority.certificate(2092));
    write(dir.path(), &first);
    let program = start(dir.path());
    let mut open = connect(&program, authority.trust());
    assert_eq!(ask(&mut open), "http/1.1 200 ok");
    assert_eq!(shown(&program, authority.trust()), der(&first));
    let shows = |which: &(String, String)| {
        eventually("the new certificate", || (shown(&program, authority.trust()) == der(which)).then_some(()));
    };
    let refused = |why: &str| eventually("the refusal", || program.log().contains(why).then_some(()));
    write(dir.path(), &second);
    shows(&second);
    // A certificate and the key of another, as between two steps of a renewal.
    std::fs::write(dir.path().join("cert.pem"), &third.0).unwrap();
    refused("is not the key of the first certificate");
    assert_eq!(shown(&program, authority.trust()), der(&second));
    std::fs::write(dir.path().join("key.pem"), &third.1).unwrap();
    shows(&third);
    write(dir.path(), &authority.certificate(2020));
    refused("ended at 2020-12-31");
    std::fs::write(dir.path().join("cert.pem"), "garbage").unwrap();
    refused("there is no certificate in it");
    std::fs::remove_file(dir.path().join("key.pem")).unwrap();
    refused("No such file");
    assert_eq!(shown(&program, authority.trust()), der(&third));
    assert_eq!(ask(&mut open), "http/1.1 200 ok");
    assert!(!program.log().contains("PRIVATE KEY"));
    program.stop();
}

#[test]
fn files_that_do_not_fit_are_refused_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (good, other, old) = (authority.certificate(2090), authority.certificate(2090), authority.certificate(2020));
    let refused = |files: (&str, &str), says: &str| {
        write(dir.path(), &(files.0.to_owned(), files.1.to_owned()));
        let output = run(dir.path(), &[&["dev", "--listen", "127.0.0.1:0"][..], &FILES].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(complaint(&output).contains(says), "{says}: {}", complaint(&output));
        assert_eq!(complaint(&output).lines().filter(|line| line.starts_with("grantd: ")).count(), 1);
    };
    refused((&good.0, &other.1), "tls.key key.pem is not the key of the first certificate in tls.cert cert.pem");
    refused((&old.0, &old.1), "tls.cert cert.pem ended at 2020-12-31T00:00:00.000Z: renew it");
    refused((&good.1, &good.1), "tls.cert cert.pem: there is no certificate in it");
    refused((&good.0, &good.0), "tls.key key.pem: there is no private key in it");
    refused(
        (&good.0, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        "tls.key key.pem: it cannot be",
    );
    refused(("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &good.1), "is no X.509");
    let output = run(dir.path(), &["dev", "--listen", "unix:a.sock", "--tls-cert", "a", "--tls-key", "b"]);
    assert!(complaint(&output).contains("tls.cert a: No such file"), "{}", complaint(&output));
    write(dir.path(), &good);
    let output = run(dir.path(), &[&["dev", "--listen", "unix:a.sock"][..], &FILES].concat());
    assert!(complaint(&output).contains("has no TLS"), "{}", complaint(&output));
    start(dir.path()).stop();
}

/// The ways in which keys are broken when they are copied, each with what is said of it.
fn broken(key: &str) -> Vec<(String, &'static str)> {
    let body: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    let (head, rest) = body.split_at(20);
    vec![
        (key.replace("-----END PRIVATE KEY-----", ""), "has no END line of the same name"),
        (key.replace("-----END PRIVATE", "-----END RSA PRIVATE"), "has no END line of the same name"),
        // Line breaks as they stand in variables and in JSON.
        (key.trim_end().replace('\n', "\\n"), "has no END line of the same name"),
        (key.replace('\n', " "), "has no END line of the same name"),
        (key.replace("KEY-----\n", "KEY-----"), "is not one line of its own"),
        (key.replace("PRIVATE KEY-----\n", "PRIVATE KEY "), "is not one line of its own"),
        (key.replacen(head, &format!("{head}!"), 1), "something else than whole base64"),
        (key.replacen(head, &format!("{head}\u{1F511}"), 1), "something else than whole base64"),
        (
            format!("-----BEGIN PRIVATE KEY-----\n{head}{}\n-----END PRIVATE KEY-----\n", &rest[1..]),
            "tls.key key.pem: it cannot be used",
        ),
        (key.replacen("\n", "\nProc-Type: 4,ENCRYPTED\n\n", 1), "or has a passphrase"),
        (format!("-----BEGIN {body}-----\n"), "has no END line of the same name"),
        (format!("-----BEGIN {body}\n"), "is not one line of its own"),
        (body, "there is no private key in it"),
    ]
}

/// Whether a text has a piece of the key: its characters, or the numbers of its bytes.
fn quotes(text: &str, key: &str) -> bool {
    let body: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    let pieces = (0..body.len() - 8).map(|at| &body[at..at + 8]);
    pieces.into_iter().any(|piece| {
        let numbers = piece.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>();
        text.contains(piece) || text.contains(&numbers[..4].join(", "))
    })
}

#[test]
fn no_piece_of_a_broken_key_is_quoted() {
    let dir = tempfile::tempdir().unwrap();
    let good = Authority::new().certificate(2090);
    write(dir.path(), &good);
    let program = start(dir.path());
    let config = "listen = \"127.0.0.1:1\"\n[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n";
    std::fs::write(dir.path().join("grantd.toml"), config).unwrap();
    assert!(quotes(&good.1, &good.1) && quotes(&format!("{:?}", good.1.as_bytes()), &good.1));
    let silent = |output: &std::process::Output, says: &str| {
        assert_eq!(output.status.code(), Some(1));
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), complaint(output));
        assert!(text.contains(says), "{says}: {text}");
        assert!(!quotes(&text, &good.1), "{text}");
    };
    for (key, says) in broken(&good.1) {
        std::fs::write(dir.path().join("key.pem"), &key).unwrap();
        silent(&run(dir.path(), &["doctor"]), says);
        silent(&run(dir.path(), &["dev", "--database", "other.db"]), says);
        // Into the file of the certificate by mistake.
        std::fs::write(dir.path().join("cert.pem"), &key).unwrap();
        let other = run(dir.path(), &["dev", "--database", "other.db"]);
        silent(&other, "tls.cert cert.pem: ");
        std::fs::write(dir.path().join("cert.pem"), &good.0).unwrap();
    }
    let refused = |says: &str| {
        let log = eventually("the refusal", || Some(program.log()).filter(|log| log.contains(says)));
        assert!(!quotes(&log, &good.1), "{log}");
    };
    refused("there is no private key in it");
    for (key, says) in broken(&good.1).into_iter().step_by(4) {
        std::fs::write(dir.path().join("key.pem"), &key).unwrap();
        refused(says);
    }
    program.stop();
}

#[test]
fn nothing_travels_in_clear_unless_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let output = run(dir.path(), &["dev", "--listen", listen]);
        assert_eq!(output.status.code(), Some(1));
        assert!(complaint(&output).contains("--allow-plain where a proxy speaks TLS"), "{}", complaint(&output));
    }
    Program::start(dir.path(), &["dev", "--listen", "0.0.0.0:0", "--allow-plain"], |_| {}).stop();
    write(dir.path(), &Authority::new().certificate(2090));
    let program = Program::start(dir.path(), &[&["dev", "--listen", "0.0.0.0:0"][..], &FILES].concat(), |_| {});
    assert!(program.of("issuer").starts_with("https://localhost:"), "{}", program.of("issuer"));
    program.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn the_program_leaves_no_core_dump() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::dev(dir.path(), &[]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.ready["pid"])).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    program.stop();
}

#[test]
fn doctor_looks_at_the_certificate() {
    let app = TestApp::start();
    let authority = Authority::new();
    let dir = app.dir.path();
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    let found = |clock: &Clock| {
        let tls = TlsConfig { cert: Some(cert.clone()), key: Some(key.clone()), allow_plain: false };
        let config = Config { database: app.database(), tls, ..Config::default() };
        let findings = examine(&config, clock).findings.into_iter();
        findings.filter(|f| f.what.contains("tls.")).map(|f| (f.level, f.what)).collect::<Vec<_>>()
    };
    let with = |year: i32| {
        write(dir, &authority.certificate(year));
        #[cfg(unix)]
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        found(&app.clock)
    };
    assert!(
        matches!(&with(2090)[..], [(Level::Fine, what)] if what.contains("ends at 2090-12-31")),
        "{:?}",
        with(2090)
    );
    assert!(matches!(&with(2026)[..], [(Level::Problem, what)] if what.contains("ended at 2026-12-31")));
    app.advance(86_400 * 345);
    assert!(
        matches!(&with(2027)[..], [(Level::Soon, what)] if what.contains("ends at 2027-12-31")),
        "{:?}",
        with(2027)
    );
    #[cfg(unix)]
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert!(matches!(&found(&app.clock)[0], (Level::Problem, what) if what.contains("by everybody")));
    let open = Config { listen: "0.0.0.0:8420".to_owned(), database: app.database(), ..Config::default() };
    let problems = |config: &Config| examine(config, &app.clock).problems();
    let allowed = Config { tls: TlsConfig { allow_plain: true, ..TlsConfig::default() }, ..open.clone() };
    assert_eq!(problems(&open), problems(&allowed) + 1);
}
