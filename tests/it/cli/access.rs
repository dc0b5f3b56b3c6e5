//! Which server, and as whom: flags, variables, profiles, the `dev` of this directory; and servers that are not there.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;

use serde_json::json;

use super::{scene, text};
use crate::app::TestApp;
use crate::program::{Program, grantd, run, told};
use crate::shell::Shell;

#[test]
fn dev_needs_no_set_up() {
    let shell = Shell::new();
    let dev = Program::dev(shell.dir.path(), &[]);
    let list = shell.run(&["account", "list", "--server", dev.url()]).expect(0);
    assert!(list.contains("sample-account"), "{list}");
    shell.run(&["account", "list", "--server", &dev.url().replace("127.0.0.1", "localhost")]).expect(0);
    let elsewhere = Shell::new().run(&["account", "list", "--server", dev.url()]).refused(4);
    assert!(elsewhere.contains("there is no API token for http://127.0.0.1:"), "{elsewhere}");
    // Its token is for that server alone: no other is ever asked with it, on this machine or elsewhere.
    let other = TestApp::start();
    for server in ["https://grantd.example.com", &other.url] {
        let refused = shell.run(&["account", "list", "--server", server]).refused(4);
        assert!(refused.contains(&format!("there is no API token for {server}: ")), "{refused}");
    }
    // Nor does what an earlier start left count.
    let before = dev.url().to_owned();
    dev.stop();
    let dev = Program::start(shell.dir.path(), &["dev", "--listen", "unix:grantd.sock"], |_| {});
    shell.run(&["account", "list", "--server", "unix:grantd.sock"]).expect(0);
    assert!(shell.run(&["account", "list", "--server", &before]).refused(4).contains("there is no API token"));
    dev.stop();
}

#[test]
fn what_dev_made_goes_to_nobody_once_it_has_stopped() {
    let shell = Shell::new();
    let attempt = |_| {
        let dev = Program::dev(shell.dir.path(), &[]);
        let (url, listen) = (dev.url().to_owned(), dev.of("listen").to_owned());
        dev.stop();
        match TcpListener::bind(&listen) {
            // Somebody else was given that port in between.
            Err(error) if error.kind() == ErrorKind::AddrInUse => None,
            next => Some((url, listen, next.unwrap())),
        }
    };
    let (url, listen, next) = (0..10).find_map(attempt).expect("a port that stays free");
    next.set_nonblocking(true).unwrap();
    for words in [&["account", "list"][..], &["token"]] {
        let refused = shell.run(&[words, &["--server", url.as_str()][..]].concat()).refused(1);
        assert!(refused.contains(&url) && refused.contains("is the server running?"), "{refused}");
    }
    // Where the configuration says that it is, too.
    let shell = shell.with("GRANTD_LISTEN", &listen);
    for words in [["account", "list"], ["token", "--explain"]] {
        let refused = shell.run(&words).refused(1);
        assert!(refused.contains(&url) && refused.contains("is the server running?"), "{refused}");
    }
    assert!(next.accept().is_err(), "who came next was asked");
}

#[test]
fn localhost_is_the_address_at_which_dev_listens() {
    let shell = Shell::new();
    let dev = Program::dev(shell.dir.path(), &[]);
    let url = dev.url().replace("127.0.0.1", "localhost");
    // Where there is IPv6, the name may be this one's too.
    let other = TcpListener::bind(dev.of("listen").replace("127.0.0.1", "[::1]")).ok();
    shell.run(&["account", "list", "--server", &url]).expect(0);
    shell.run(&["token", "--server", &url]).expect(0);
    if let Some(other) = other {
        other.set_nonblocking(true).unwrap();
        assert!(other.accept().is_err(), "another was asked");
    }
    dev.stop();
}

#[test]
fn where_no_dev_ever_was_there_is_no_token() {
    let shell = Shell::new();
    shell.run(&["init"]).expect(0);
    let serve = Program::serve(shell.dir.path(), &[]);
    for server in [&[][..], &["--server", serve.url()]] {
        let refused = shell.run(&[&["account", "list"], server].concat()).refused(4);
        assert!(refused.contains("there is no API token for http://127.0.0.1:"), "{refused}");
    }
    serve.stop();
}

/// An address at which nobody listens.
fn nobody() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}

#[test]
fn no_proxy_leads_to_this_machine_and_one_that_leads_elsewhere_is_named() {
    let app = TestApp::start();
    let proxy = nobody();
    let localhost = app.url.replace("127.0.0.1", "localhost");
    for name in ["http_proxy", "https_proxy", "ALL_PROXY"] {
        let shell = Shell::of(&app).with(name, &format!("http://who:hidden@{proxy}"));
        for server in [&app.url, &localhost] {
            shell.run(&["account", "list", "--server", server]).expect(0);
        }
        let refused = shell.run(&["account", "list", "--server", "https://grantd.example.com"]).refused(1);
        let named = format!("cannot be asked through the environment's proxy http://{proxy}: ");
        assert!(refused.contains(&named) && refused.contains("NO_PROXY"), "{refused}");
        assert!(!refused.contains("hidden") && !refused.contains("nobody listens"), "{refused}");
    }
}

#[test]
fn doctor_asks_this_machine_without_a_proxy() {
    let dir = tempfile::tempdir().unwrap();
    let listen = nobody();
    std::fs::write(dir.path().join("grantd.toml"), format!("listen = \"{listen}\"\n")).unwrap();
    let program = Program::start(dir.path(), &["dev"], |_| {});
    let mut command = grantd(dir.path());
    let output = command.arg("doctor").env("https_proxy", "http://127.0.0.1:1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&format!("http://{listen} answers as the issuer")), "{said}");
    program.stop();
}

#[test]
fn a_profile_is_made_by_login_and_read_by_its_owner_alone() {
    let app = TestApp::start();
    let shell = Shell::new();
    let login = ["login", "--server", &app.url];
    assert!(shell.run(&["login"]).refused(2).contains("name the server with --server"));
    assert!(shell.run_with("gapi_wrong", &login).refused(2).contains("this is no API token"));
    let told = shell.run_with(&format!("{}\n", app.admin_token), &login).refused(0);
    assert!(told.contains("lets you in: kept as profile default in ") && !told.contains(&app.admin_token), "{told}");
    let reader = app.admin("POST", "/auth/api-tokens", &json!({"displayName": "r", "role": "reader"})).expect(201);
    let reader = text(&reader, "signedToken");
    shell.run_with(reader, &[&login[..], &["--profile", "weak"]].concat()).refused(0);
    shell.run(&["account", "add", "x"]).expect(0);
    assert!(
        shell
            .run(&["account", "add", "y", "--profile", "weak"])
            .refused(4)
            .contains("(the API token came from the profile weak)")
    );
    assert!(shell.run(&["account", "list", "--profile", "weka"]).refused(3).contains("did you mean weak?"));
    let path = shell.dir.path().join(".config/grantd/profiles.toml");
    let content = std::fs::read_to_string(&path).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = shell.run(&["account", "list"]).refused(1);
        assert!(refused.contains("others may read it (mode 640): chmod 600 "), "{refused}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    // A profile's token goes to its own server and to no other.
    let refused = shell.run(&["account", "list", "--server", "https://other.example.com"]).refused(4);
    assert!(refused.contains("there is no API token for https://other.example.com"), "{refused}");
    std::fs::write(&path, content.replace("token =", "tokn =")).unwrap();
    let refused = shell.run(&["account", "list"]).refused(1);
    assert!(refused.contains("profile default: ") && !refused.contains("gapi_"), "{refused}");
}

#[test]
fn a_server_that_cannot_be_asked_is_told_in_words() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let shell = Shell::new().with("GRANTD_TOKEN", "gapi_x");
    let list = |server: &str| shell.run(&["account", "list", "--server", server]);
    assert!(list(&closed).refused(1).contains("nobody listens there: is the server running?"));
    assert!(list("grantd.example.com").refused(2).contains("is not the URL of a server"));
    let plain = TestApp::start();
    let secured = plain.url.replace("http://", "https://");
    let refused = list(&secured).refused(1);
    assert!(refused.contains("cannot be asked"), "{refused}");
}

/// A server that answers every request with the same bytes.
fn foreign(answer: &'static str) -> String {
    foreign_in_turn(vec![answer.to_owned()])
}

/// A server that answers one request after another with these bytes, and from the last on with the same.
fn foreign_in_turn(answers: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (turn, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answers[turn.min(answers.len() - 1)].as_bytes());
        }
    });
    url
}

/// An answer in JSON.
fn answer(status: &str, body: &serde_json::Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[test]
fn another_kind_of_server_is_told_in_words() {
    let shell = Shell::new().with("GRANTD_TOKEN", "gapi_x");
    let list = |server: &str| shell.run(&["account", "list", "--server", server]).refused(1);
    let other = foreign("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n<html");
    assert!(list(&other).contains("but not as grantd does"));
    let other = foreign(
        "HTTP/1.1 302 Found\r\nlocation: https://sso.example.com/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
    assert!(list(&other).contains("sends its callers to https://sso.example.com/"));
    let other = foreign("HTTP/1.1 500 Oops\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
    assert!(list(&other).contains("answers 500 Internal Server Error and does not say why"));
}

#[test]
fn a_certificate_of_another_authority_needs_its_file() {
    let (app, shell) = scene();
    let missing = shell.run(&["account", "list", "--ca-file", "none.pem"]).refused(1);
    assert!(missing.contains("--ca-file none.pem: No such file"), "{missing}");
    let empty = shell.file("empty.pem", "nothing");
    assert!(shell.run(&["account", "list", "--ca-file", &empty]).refused(1).contains("there is no certificate in it"));
    drop(app);
}

#[test]
fn what_a_server_says_does_not_steer_the_terminal() {
    let shell = Shell::new().with("GRANTD_TOKEN", "gapi_x").with("GRANTD_CLIENT_ID", "c");
    let shell = shell.with("GRANTD_CLIENT_SECRET", "s");
    let steering = "\u{1b}]0;mine\u{7}\u{1b}[2J\u{9b}1A\rgrantd: all is well";
    let refusing = foreign_in_turn(vec![answer("403 Forbidden", &json!({"detail": steering}))]);
    let of_tokens = json!({"error": "invalid_scope", "error_description": steering});
    let of_tokens = foreign_in_turn(vec![answer("400 Bad Request", &of_tokens)]);
    for words in [&["account", "list", "--server", &refusing][..], &["token", "--server", &of_tokens]] {
        let told = shell.run(words).refused(4);
        assert!(told.contains("all is well"), "{told:?}");
        assert!(!told.contains(|c: char| c.is_control() && c != '\n'), "{told:?}");
    }
}

#[test]
fn the_token_of_this_directory_stays_on_this_machine() {
    let shell = Shell::new();
    let _dev = Program::dev(shell.dir.path(), &[]);
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    for disguised in ["localhost:x", "[::1]", "127.0.0.1:80"] {
        let server = format!("http://{disguised}@127.0.0.1:{port}");
        let ran = shell.run(&["account", "list", "--server", &server]);
        assert_ne!(ran.code, 0, "{ran:?}");
        assert!(elsewhere.accept().is_err(), "{server} was asked");
        let refused = shell.run(&["account", "list", "--token", "gapi_x", "--server", &server]).refused(2);
        assert!(refused.contains("is not the URL of a server"), "{refused}");
        assert!(shell.run(&["token", "--server", &server]).refused(2).contains("is not the URL of a server"));
        assert!(elsewhere.accept().is_err(), "{server} was asked");
    }
    // Nor does the secret of its sample.
    for server in ["https://grantd.example.com", &format!("http://127.0.0.1:{port}")] {
        let refused = shell.run(&["token", "--server", server]).refused(2);
        assert!(refused.contains("the sample's client is for the `grantd dev` of this directory"), "{refused}");
    }
    assert!(elsewhere.accept().is_err(), "the sample's secret went out");
}

#[test]
fn what_no_request_gives_is_told_of_every_page() {
    let page = |unknown: serde_json::Value, next: serde_json::Value| {
        answer("200 OK", &json!({"Resources": [], "total": 0, "unasked": 0, "unknownInputs": unknown, "next": next}))
    };
    let pages = vec![page(json!(["remoteAddress"]), json!("a")), page(json!(["clock"]), json!("b"))];
    let server = foreign_in_turn([pages, vec![page(json!([]), json!(null))]].concat());
    let shell = Shell::new().with("GRANTD_TOKEN", "gapi_x").with("GRANTD_SERVER", &server);
    let ran = shell.run(&["who-can", "write", "--api", "orders"]);
    let told = "policies look at clock, remoteAddress, which no request gives here; --address says the address";
    assert!(ran.err.contains(told), "{}", ran.err);
    ran.expect(0);
}

#[test]
fn can_ends_with_its_answer_in_every_form() {
    let (app, shell) = scene();
    app.howto();
    shell.run(&["account", "add", "other"]).expect(0);
    for form in ["table", "json", "yaml"] {
        let can = |account: &str| shell.run(&["can", account, "--api", "myrestapi", "--output", form]);
        can("periodicCleanup").expect(0);
        let ran = can("other");
        assert!(ran.out.contains("the account has no client"), "{ran:?}");
        assert!(ran.refused(4).contains("other gets nothing there"), "{form}");
    }
}

#[test]
fn the_command_that_dev_prints_gets_a_token() {
    for flags in [&["--listen", "127.0.0.1:0", "--database", "other.db"][..], &["--listen", "unix:s"]] {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), &[&["dev"], flags].concat(), |_| {});
        let said = std::fs::read_to_string(dir.path().join("stdout.txt")).unwrap();
        let (_, command) = said.split_once("or, in this directory: grantd ").unwrap();
        let words: Vec<&str> = command.lines().next().unwrap().split(' ').collect();
        assert!(told(&run(dir.path(), &words)).starts_with("eyJ"), "{words:?}");
        program.stop();
    }
}

#[test]
fn a_refusal_that_cannot_be_explained_is_a_refusal() {
    let (app, shell) = scene();
    let howto = app.howto();
    let shell = shell.with("GRANTD_TOKEN", "").with("GRANTD_CLIENT_ID", &howto.client_id);
    let shell = shell.with("GRANTD_CLIENT_SECRET", &howto.client_secret);
    let told = shell.run(&["token", "--scope", "none", "--explain"]).refused(4);
    assert!(told.contains("the refusal cannot be explained: ") && told.contains("grantd: invalid_scope: "), "{told}");
    let shell = shell.with("GRANTD_TOKEN", "gapi_x").with("GRANTD_SERVER", &app.url);
    let told = shell.run(&["token", "--scope", "none", "--explain"]).refused(4);
    assert!(told.contains("does not know this API token") && told.contains("grantd: invalid_scope: "), "{told}");
}
