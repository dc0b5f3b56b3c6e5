//! Who cannot authenticate is recorded too, within bounds.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::page;
use crate::app::TestApp;
use crate::program::{Program, connect};

fn guess(app: &TestApp, client_id: &str) {
    let parameters = [("grant_type", "client_credentials"), ("client_id", client_id), ("client_secret", "guessed")];
    app.token(&parameters).expect(401);
}

#[test]
fn a_wrong_secret_is_recorded_under_the_client_that_it_was_tried_on() {
    let app = TestApp::start();
    let howto = app.howto();
    guess(&app, &howto.client_id);
    let found = page(&app, &[("filter", &format!("clientId eq \"{}\"", howto.client_id))]);
    assert_eq!(found["totalResults"], 1);
    let found = &found["Resources"][0];
    assert_eq!((&found["outcome"], &found["error"]), (&json!("refused"), &json!("invalid_client")));
    assert_eq!(found["serviceAccountId"], Value::Null, "nobody was authenticated");
    assert_eq!(found["remoteAddress"], "127.0.0.1", "from where");
    assert_eq!(page(&app, &[("filter", "remoteAddress eq \"127.0.0.1\"")])["totalResults"], 1);
    assert_eq!(page(&app, &[("filter", "remoteAddress eq \"127.0.0.2\"")])["totalResults"], 0);
    assert!(!found.to_string().contains("guessed"), "no secret in a record");
}

#[test]
fn what_a_stranger_calls_itself_is_kept_short_and_printable() {
    let app = TestApp::start();
    guess(&app, &format!("\u{202e}<script>{}", "x".repeat(5000)));
    let found = page(&app, &[]);
    let name = found["Resources"][0]["clientId"].as_str().unwrap();
    assert!(name.len() <= 100 && name.is_ascii(), "{name}");
}

#[test]
fn a_flood_of_strangers_is_counted_and_does_not_hide_attempts_on_a_real_client() {
    let app = TestApp::start();
    let howto = app.howto();
    for n in 0..110 {
        guess(&app, &format!("made-up-{n}"));
    }
    assert_eq!(page(&app, &[])["totalResults"], 100, "the burst");
    guess(&app, &howto.client_id);
    assert_eq!(page(&app, &[("filter", &format!("clientId eq \"{}\"", howto.client_id))])["totalResults"], 1);
    app.advance(10);
    guess(&app, "made-up-again");
    let newest = page(&app, &[("count", "1")]);
    assert_eq!(newest["Resources"][0]["clientId"], "made-up-again", "room for one in ten seconds");
    assert_eq!(newest["Resources"][0]["leftOut"], 10);
}

#[test]
fn who_hangs_up_before_the_refusal_is_recorded_all_the_same() {
    const TIMES: usize = 10;
    let dir = tempfile::tempdir().unwrap();
    let program = Program::dev(dir.path(), &[]);
    let body = "grant_type=client_credentials&client_id=gone&client_secret=guessed";
    let head = "POST /oauth2/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded";
    for _ in 0..TIMES {
        let mut stream = connect(program.url());
        write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        // The server has it, and answers at the end of its step. Nobody is there any more then: the connection is reset.
        std::thread::sleep(Duration::from_millis(3));
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    }
    let recorded = || {
        let found = program.admin("GET", "/decisions?filter=clientId%20eq%20%22gone%22", &Value::Null).expect(200);
        found["totalResults"].as_u64().unwrap()
    };
    for _ in 0..100 {
        if recorded() == TIMES as u64 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(recorded(), TIMES as u64);
}
