//! Random bytes: never a 5xx, always JSON with `error`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::wire::raw_post;
use crate::app::TestApp;

/// A request's three parts that a stranger chooses.
#[derive(Clone, Debug)]
struct Sent {
    content_type: Vec<u8>,
    authorization: Option<Vec<u8>>,
    body: Vec<u8>,
}

/// Bytes that may stand in a header's value.
fn header_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(b'\t'), 0x20_u8..0x7f, 0x80_u8..=0xff];
    proptest::collection::vec(byte, 0..80)
}

fn content_type() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => Just(b"application/x-www-form-urlencoded".to_vec()),
        3 => Just(b"multipart/form-data; boundary=x".to_vec()),
        1 => header_bytes().prop_map(|rest| [&b"multipart/form-data; boundary="[..], &rest].concat()),
        1 => header_bytes(),
    ]
}

fn authorization() -> impl Strategy<Value = Option<Vec<u8>>> {
    let encoded = proptest::collection::vec(any::<u8>(), 0..60)
        .prop_map(|bytes| format!("Basic {}", BASE64_STANDARD.encode(bytes)).into_bytes());
    let pair =
        "[ -~]{0,20}:[ -~]{0,20}".prop_map(|text| format!("Basic {}", BASE64_STANDARD.encode(text)).into_bytes());
    proptest::option::of(prop_oneof![header_bytes(), encoded, pair])
}

/// Pieces of forms among random bytes, so that parsing gets somewhere.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let known = proptest::sample::select(vec![
        "grant_type=client_credentials",
        "client_id=",
        "client_secret=",
        "scope=",
        "resource=",
        "&",
        "=",
        "%",
        "+",
        "%00",
        "--x",
        "--x--",
        "\r\n",
        "\r\n\r\n",
        "Content-Disposition: form-data; name=\"scope\"",
        "Content-Length: 99",
        "Content-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n",
        "--",
    ]);
    let piece = prop_oneof![
        3 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn random_requests_get_json_and_never_a_5xx() {
    let app = TestApp::start();
    app.howto();
    let sent = (content_type(), authorization(), body()).prop_map(|(content_type, authorization, body)| Sent {
        content_type,
        authorization,
        body,
    });
    let config = Config { cases: 128, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&sent, |sent| {
        let mut lines = vec![
            [&b"content-type: "[..], &sent.content_type].concat(),
            format!("content-length: {}", sent.body.len()).into_bytes(),
        ];
        lines.extend(sent.authorization.iter().map(|value| [&b"authorization: "[..], value].concat()));
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let answer = raw_post(&app, &lines, &sent.body);
        prop_assert!((400..500).contains(&answer.status), "{}: {}", answer.status, answer.text);
        prop_assert_eq!(answer.header("content-type"), "application/json");
        prop_assert!(answer.json()["error"].is_string(), "{}", answer.text);
        prop_assert!(answer.json()["error_description"].is_string(), "{}", answer.text);
        Ok(())
    });
    outcome.unwrap();
}
