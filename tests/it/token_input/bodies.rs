//! Bodies: too large, of another type, torn, not text.

use super::wire::raw_post;
use super::{FORM, credentials, post};
use crate::app::{Answer, HowTo, TestApp};
use crate::token::{curl_form, refused};

const BODY_BYTES_MAX: usize = 64 * 1024;

/// A valid urlencoded body of exactly this many bytes.
fn padded(howto: &HowTo, bytes: usize) -> String {
    let start = format!("grant_type=client_credentials&scope=write&{}&pad=", credentials(howto));
    let pad = "x".repeat(bytes - start.len());
    start + pad.as_str()
}

fn chunked(pieces: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for piece in pieces {
        all.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        all.extend_from_slice(piece);
        all.extend_from_slice(b"\r\n");
    }
    all.extend_from_slice(b"0\r\n\r\n");
    all
}

const FORM_LINE: &[u8] = b"content-type: application/x-www-form-urlencoded";
const CHUNKED_LINE: &[u8] = b"transfer-encoding: chunked";

#[test]
fn a_body_has_64_kib_and_not_one_byte_more() {
    let app = TestApp::start();
    let howto = app.howto();
    post(&app, &padded(&howto, BODY_BYTES_MAX)).expect(200);
    let larger = padded(&howto, BODY_BYTES_MAX + 1);
    refused(&post(&app, &larger), 413, "invalid_request", &["larger than 65536 bytes"]);

    // The same without an announced length.
    let exact = padded(&howto, BODY_BYTES_MAX);
    let (first, second) = exact.as_bytes().split_at(1000);
    let answer = raw_post(&app, &[FORM_LINE, CHUNKED_LINE], &chunked(&[first, second]));
    assert_eq!(answer.status, 200, "{}", answer.text);
    let answer = raw_post(&app, &[FORM_LINE, CHUNKED_LINE], &chunked(&[first, second, b"x"]));
    refused(&answer, 413, "invalid_request", &["larger than 65536 bytes"]);

    // Announced, but never sent: refused without waiting for it.
    let answer = raw_post(&app, &[FORM_LINE, b"content-length: 99999999999"], b"");
    refused(&answer, 413, "invalid_request", &[]);
}

#[test]
fn a_multipart_body_of_64_kib_is_read_too() {
    let app = TestApp::start();
    let howto = app.howto();
    let form = |pad: &str| {
        curl_form(&[
            ("grant_type", "client_credentials"),
            ("client_id", howto.client_id.as_str()),
            ("client_secret", howto.client_secret.as_str()),
            ("scope", "write"),
            ("pad", pad),
        ])
    };
    let rest = BODY_BYTES_MAX - form("").1.len();
    let send = |pad: usize| {
        let (content_type, body) = form(&"x".repeat(pad));
        app.send("POST", "/oauth2/token", &[("content-type", &content_type)], body.as_bytes())
    };
    send(rest).expect(200);
    refused(&send(rest + 1), 413, "invalid_request", &[]);
}

#[test]
fn a_body_that_ends_early_is_refused() {
    let app = TestApp::start();
    let body = padded(&app.howto(), 500);
    let half = &body.as_bytes()[..250];
    for answer in [
        raw_post(&app, &[FORM_LINE, CHUNKED_LINE], &[b"1f4\r\n", half].concat()),
        raw_post(&app, &[FORM_LINE, CHUNKED_LINE], b"not a chunk size\r\n"),
    ] {
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
}

#[test]
fn other_content_types_are_told_which_ones_are_read() {
    let app = TestApp::start();
    let body = padded(&app.howto(), 500);
    let json = r#"{"grant_type":"client_credentials"}"#;
    for content_type in
        ["application/json", "text/plain", "multipart/mixed; boundary=x", "application/x-www-form-urlencodedx", "", "%"]
    {
        for body in [body.as_str(), json, ""] {
            let answer = app.send("POST", "/oauth2/token", &[("content-type", content_type)], body.as_bytes());
            refused(&answer, 400, "invalid_request", &["application/x-www-form-urlencoded or multipart/form-data"]);
        }
    }
    let none = app.send("POST", "/oauth2/token", &[], b"");
    refused(&none, 400, "invalid_request", &["application/x-www-form-urlencoded or multipart/form-data"]);
    for fine in [
        "APPLICATION/X-WWW-FORM-URLENCODED",
        "application/x-www-form-urlencoded;charset=utf-8",
        " application/x-www-form-urlencoded ; x=y",
    ] {
        app.send("POST", "/oauth2/token", &[("content-type", fine)], body.as_bytes()).expect(200);
    }
}

#[test]
fn text_that_is_not_utf8_and_control_characters_are_refused() {
    let app = TestApp::start();
    let who = credentials(&app.howto());
    for (more, says) in [
        ("&scope=%ff", "the parameter scope is not UTF-8"),
        ("&%ff=x", "the name of a parameter is not UTF-8"),
        ("&scope=%C3%28", "the parameter scope is not UTF-8"),
        ("&scope=%00", "the parameter scope holds a control character"),
        ("&scope=write%0d%0aX:1", "the parameter scope holds a control character"),
        ("&a%00b=1", "the parameter a?b holds a control character"),
    ] {
        refused(&post(&app, &format!("grant_type=client_credentials&{who}{more}")), 400, "invalid_request", &[says]);
    }
    for bytes in [&b"&scope=\xff"[..], b"&scope=\0", b"&\xc3=1"] {
        let body = [format!("grant_type=client_credentials&{who}").as_bytes(), bytes].concat();
        refused(&app.send("POST", "/oauth2/token", &[FORM], &body), 400, "invalid_request", &[]);
    }
    let secret = format!("grant_type=client_credentials&client_id=x&client_secret={}", "%ff");
    let answer = post(&app, &secret);
    refused(&answer, 400, "invalid_request", &["the parameter client_secret is not UTF-8"]);
}

/// A multipart body, exactly as given, under a boundary of `x` unless another content type is named.
fn multipart(app: &TestApp, content_type: Option<&str>, body: &[u8]) -> Answer {
    let content_type = content_type.unwrap_or("multipart/form-data; boundary=x");
    app.send("POST", "/oauth2/token", &[("content-type", content_type)], body)
}

#[test]
fn multipart_bodies_that_are_broken_are_refused() {
    let app = TestApp::start();
    let part = "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n";
    let whole = format!("{part}--x--\r\n");
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=y",
        "multipart/form-data; boundary=\"",
        "multipart/form-data; boundary=x y",
    ] {
        let answer = multipart(&app, Some(content_type), whole.as_bytes());
        assert_eq!(answer.status, 400, "{content_type}: {}", answer.text);
        refused(&answer, 400, "invalid_request", &["multipart body is broken"]);
    }
    let bodies = [
        ("truncated in a value", part[..part.len() - 6].to_owned()),
        ("truncated in a header", part[..30].to_owned()),
        ("truncated after the boundary", "--x\r\n".to_owned()),
        ("no final boundary", part.to_owned()),
        ("empty", String::new()),
        ("only a preamble", "hello\r\n".to_owned()),
        ("no name", whole.replace("; name=\"grant_type\"", "")),
        ("no disposition", whole.replace("Content-Disposition", "Content-Something")),
        ("another disposition", whole.replace("form-data", "attachment")),
        ("a broken header", whole.replace("Content-Disposition:", "Content Disposition")),
        ("line feeds alone", whole.replace("\r\n", "\n")),
        ("a boundary that goes on", whole.replace("--x--", "--xyz--")),
    ];
    for (what, body) in bodies {
        let answer = multipart(&app, None, body.as_bytes());
        assert_eq!(answer.status, 400, "{what}: {}", answer.text);
        refused(&answer, 400, "invalid_request", &["multipart body is broken"]);
    }
}

#[test]
fn multipart_values_follow_the_same_rules() {
    let app = TestApp::start();
    let howto = app.howto();
    let form = |more: &[(&str, &str)]| {
        let base = [
            ("grant_type", "client_credentials"),
            ("client_id", howto.client_id.as_str()),
            ("client_secret", howto.client_secret.as_str()),
        ];
        let (content_type, body) = curl_form(&[&base[..], more].concat());
        multipart(&app, Some(&content_type), body.as_bytes())
    };
    refused(&form(&[("scope", "write"), ("scope", "write")]), 400, "invalid_request", &["scope is sent twice"]);
    refused(&form(&[("scope", "a\0b")]), 400, "invalid_request", &["control character"]);
    refused(&form(&[("scope", "a b  c")]), 400, "invalid_scope", &[]);
    let many: Vec<String> = (0..62).map(|number| format!("p{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "1")).collect();
    refused(&form(&many), 400, "invalid_request", &["at most 64 parameters"]);
    let (content_type, body) = curl_form(&[("scope", "WRONG")]);
    let (before, after) = body.split_once("WRONG").unwrap();
    let body = [before.as_bytes(), b"\xff", after.as_bytes()].concat();
    let answer = multipart(&app, Some(&content_type), &body);
    refused(&answer, 400, "invalid_request", &["the parameter scope is not UTF-8"]);
}
