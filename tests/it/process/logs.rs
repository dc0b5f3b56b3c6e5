//! No secret is logged, at the chattiest level, whatever is done and however it fails.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::program::Program;
use crate::token::curl_form;

const CHOSEN: &str = "correct horse & battery% staple";

fn secrets_path(program: &Program) -> String {
    let path = format!("/resources/cid/MachineToMachine?filter=clientId%20eq%20%22{}%22", program.of("client_id"));
    let id = program.admin("GET", &path, &Value::Null).expect(200)["Resources"][0]["id"].clone();
    format!("/resources/cid/MachineToMachine/{}/secrets", id.as_str().unwrap())
}

/// Uses the server in every way that shows it a secret, well and badly; answers the secrets that were made.
fn use_it(program: &Program) -> Vec<String> {
    let (id, secret) = (program.of("client_id"), program.of("client_secret"));
    let mut secrets = Vec::new();
    let token = program.sample_token().expect(200)["access_token"].as_str().unwrap().to_owned();
    let form = ("content-type", "application/x-www-form-urlencoded");
    for secret in [secret, &secret[1..], CHOSEN] {
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")));
        let body = b"grant_type=client_credentials&scope=write";
        program.try_send("POST", "/oauth2/token", &[form, ("authorization", &basic)], body).unwrap();
        let fields = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        let (content_type, body) = curl_form(&fields);
        program.try_send("POST", "/oauth2/token", &[("content-type", &content_type)], body.as_bytes()).unwrap();
        let cut = &body.as_bytes()[..body.len() - 40];
        program.try_send("POST", "/oauth2/token", &[("content-type", &content_type)], cut).unwrap();
        program.token(&[&fields[..], &[("client_secret", secret)]].concat());
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        program.try_send("GET", &format!("/oauth2/token?{query}"), &[], b"").unwrap();
    }
    let path = secrets_path(program);
    secrets.push(program.admin("POST", &path, &json!({})).expect(201)["clientSecret"].as_str().unwrap().to_owned());
    program.admin("POST", &path, &json!({"clientSecret": CHOSEN})).expect(201);
    program.admin("POST", &path, &json!({"clientSecret": CHOSEN, "unknown": CHOSEN})).expect(400);
    program.token(&[("grant_type", "client_credentials"), ("client_id", id), ("client_secret", CHOSEN)]);
    let made = program.admin("POST", "/auth/api-tokens", &json!({"displayName": "t", "role": "admin"})).expect(201);
    secrets.push(made["signedToken"].as_str().unwrap().to_owned());
    program.try_admin(&secrets[1], "GET", "/keys", &Value::Null).unwrap().expect(200);
    program.try_admin(&secrets[1][1..], "GET", "/keys", &Value::Null).unwrap().expect(401);
    program.try_admin(&token, "GET", "/keys", &Value::Null).unwrap().expect(401);
    let broken = format!("{{\"clientSecret\": \"{CHOSEN}\"");
    let bearer = format!("Bearer {}", program.of("api_token"));
    program.try_send("POST", &format!("/api/v1{path}"), &[("authorization", &bearer)], broken.as_bytes()).unwrap();
    program.admin("POST", "/keys/rotate", &json!({"force": true})).expect(200);
    // Tokens are bearers too.
    secrets.push(token.clone());
    secrets.push(token.rsplit('.').next().unwrap().to_owned());
    secrets
}

/// Every hash and sealed key in the database.
fn stored(dir: &std::path::Path) -> Vec<Vec<u8>> {
    let database = rusqlite::Connection::open(dir.join("grantd.db")).unwrap();
    let sql = "SELECT hash FROM credential WHERE hash IS NOT NULL UNION SELECT hash FROM api_token \
               UNION SELECT private_sealed FROM signing_key UNION SELECT value FROM setting WHERE length(value) > 8 \
               UNION SELECT hash FROM audit_seal";
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The ways in which bytes get into a log.
fn spellings(bytes: &[u8]) -> Vec<String> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{bytes:?}");
    vec![
        hex.to_uppercase(),
        hex,
        list.trim_matches(['[', ']']).to_owned(),
        BASE64_STANDARD_NO_PAD.encode(bytes),
        BASE64_URL_SAFE_NO_PAD.encode(bytes),
    ]
}

#[test]
fn no_secret_hash_or_key_is_in_the_logs_at_trace_level() {
    for format in ["json", "text"] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("grantd.toml"), format!("[log]\nlevel = \"trace\"\nformat = \"{format}\"\n"))
            .unwrap();
        let program = Program::dev(dir.path(), &[]);
        let mut secrets = use_it(&program);
        for name in ["client_secret", "api_token"] {
            secrets.push(program.of(name).to_owned());
        }
        secrets.push(CHOSEN.to_owned());
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = |secret: &str| BASE64_STANDARD.encode(format!("{}:{secret}", program.of("client_id")));
        let more: Vec<String> = secrets.iter().flat_map(|secret| [encoded(secret), basic(secret)]).collect();
        secrets.extend(more);
        let log_path = dir.path().join("stderr.txt");
        program.stop();
        let log = std::fs::read_to_string(&log_path).unwrap();
        // The log is that of what was done, at that level: otherwise there is nothing to find in it.
        for wanted in ["answered", "/oauth2/token", "refused: ", "/keys/rotate", "TRACE"] {
            assert!(log.contains(wanted), "{wanted} is not in the log");
        }
        let master = std::fs::read_to_string(dir.path().join("grantd.db.key")).unwrap().trim_end().to_owned();
        secrets.push(master.clone());
        let master = BASE64_URL_SAFE_NO_PAD.decode(master).unwrap();
        secrets.extend(stored(dir.path()).iter().chain([&master]).flat_map(|bytes| spellings(bytes)));
        assert!(secrets.len() > 100, "{} secrets", secrets.len());
        for secret in secrets {
            let found = log.lines().find(|line| line.contains(&secret));
            assert!(found.is_none(), "{secret} is in the log: {}", found.unwrap());
        }
    }
}

#[test]
fn a_log_that_goes_to_a_collector_is_json_line_by_line() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::dev(dir.path(), &["--log-level", "debug"]);
    program.sample_token().expect(200);
    program.admin("GET", "/nowhere", &Value::Null).expect(404);
    program.stop();
    let log = std::fs::read_to_string(dir.path().join("stderr.txt")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let answered = lines.iter().find(|line| line["message"] == "answered" && line["path"] == "/oauth2/token").unwrap();
    assert_eq!((&answered["status"], &answered["method"]), (&json!(200), &json!("POST")));
    assert_eq!(answered["request_id"].as_str().unwrap().len(), 22);
}
