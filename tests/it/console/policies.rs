//! Policies, their modules, the playground and decisions in the console, with the policies that grantd comes with.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use super::{Page, Person, hidden_fields, is_ticked, typed};
use crate::app::{Answer, HowTo, TestApp, claims};

const UPLOAD: &str = "/console/policies/modules/add";

fn wasm(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(name).join("policy.wasm");
    std::fs::read(path).unwrap()
}

/// Sends the upload form as a browser does.
fn send_file(person: &Person, bytes: &[u8]) -> Answer {
    // The field that is left empty is sent too.
    send_files(person, bytes, ("", b""))
}

/// The same with a signature, by the name of its file.
fn send_files(person: &Person, bytes: &[u8], (signature_name, signature): (&str, &[u8])) -> Answer {
    let hidden = hidden_fields_of_upload(&person.get(UPLOAD).text);
    let mut body = Vec::new();
    for (name, value) in &hidden {
        body.extend_from_slice(part(name, "", value.as_bytes()).as_slice());
    }
    body.extend_from_slice(&part("module", "; filename=\"policy.wasm\"", bytes));
    body.extend_from_slice(&part("signature", &format!("; filename=\"{signature_name}\""), signature));
    body.extend_from_slice(b"--edge--\r\n");
    person.send("POST", UPLOAD, &[("content-type", "multipart/form-data; boundary=edge")], &body)
}

fn part(name: &str, more: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"{more}\r\n\r\n");
    [head.as_bytes(), bytes, b"\r\n"].concat()
}

fn hidden_fields_of_upload(page: &str) -> Vec<(String, String)> {
    hidden_fields(page, UPLOAD)
}

/// Uploads a module; answers its page.
#[track_caller]
fn uploaded(person: &Person, name: &str) -> Page {
    person.follow(&send_file(person, &wasm(name)))
}

/// Attaches a policy; answers its page.
#[track_caller]
fn attached(person: &Person, module: &str, fields: &[(&str, &str)]) -> Page {
    let page = person.get(&format!("/console/policies/add?module={module}"));
    person.follow(&person.fill_page(&page.text, "/console/policies/add", fields))
}

fn token(app: &TestApp, howto: &HowTo) -> Value {
    app.token_for(howto, &[("scope", "write")]).json()
}

#[test]
fn a_module_is_uploaded_with_its_signature() {
    let key = SigningKey::from_bytes(&[3; 32]);
    let app = TestApp::with(|config| {
        config.policies.trusted_keys = vec![BASE64_STANDARD.encode(key.verifying_key().as_bytes())];
    });
    let person = Person::signed_in(&app);
    let bytes = wasm("max-ttl");
    assert!(person.get(UPLOAD).text.contains("This server runs signed modules alone."));
    let refused = send_file(&person, &bytes);
    assert!(refused.status == 400 && refused.text.contains("it is not signed"), "{} {}", refused.status, refused.text);
    let refused = send_files(&person, &bytes, ("x.sig", b"nonsense"));
    assert!(refused.text.contains("this is no Ed25519 signature"), "{}", refused.text);
    let refused = send_files(&person, &bytes, ("x.sig", &[1; 64]));
    assert!(refused.text.contains("of none of the keys"), "{}", refused.text);
    let signature = key.sign(&bytes).to_bytes();
    let page = person.follow(&send_files(&person, &bytes, ("policy.wasm.sig", &signature)));
    assert!(page.text.contains("Uploaded max-ttl 1.0.0"), "{}", page.text);
    let shown = app.admin("GET", "/policy-modules/max-ttl", &Value::Null).expect(200);
    assert_eq!(shown["signature"], BASE64_STANDARD.encode(signature));
}

#[test]
fn a_module_is_uploaded_attached_tried_and_enforced() {
    let app = TestApp::start();
    let howto = app.howto();
    let person = Person::signed_in(&app);
    assert!(person.get("/console/policies").text.contains("No policies yet"));
    let module = uploaded(&person, "max-ttl");
    assert!(module.text.contains("Uploaded max-ttl 1.0.0") && module.text.contains("Shortens the lifetime"));
    let again = person.follow(&send_file(&person, &wasm("max-ttl")));
    assert!(again.text.contains("It was here already: max-ttl"), "the same bytes change nothing");
    let choice = person.get("/console/policies/add").text;
    assert!(choice.contains(&format!("/console/policies/add?module={}", module.id())));
    // The form is made from the module's own schema.
    let policy = attached(
        &person,
        module.id(),
        &[
            ("name", "short"),
            ("mode", "shadow"),
            ("attachedTo/type", "api"),
            ("attachedTo/api", "myrestapi"),
            ("settings/rules/0/scopes", "write\n*:delete"),
            ("settings/rules/0/seconds", "300"),
            ("settings/rules/1/scopes", ""),
            ("active", "true"),
        ],
    );
    assert!(policy.text.contains("Attached the policy short") && policy.text.contains("Shadow"));
    let stored = app.admin("GET", &format!("/resources/cid/Policy/{}", policy.id()), &Value::Null).expect(200);
    assert_eq!(stored["settings"], json!({"rules": [{"scopes": ["write", "*:delete"], "seconds": 300}]}));
    assert_eq!(token(&app, &howto)["expires_in"], 3600, "a shadow is not applied");
    // In the playground nothing is recorded.
    let path = format!("/console/policies/{}/playground", policy.id());
    let query = super::encoded(&[("client", &howto.client_id), ("api", "myrestapi"), ("scopes", "write")]);
    let tried = person.get(&format!("{path}?{query}")).text;
    assert!(
        tried.contains("Permit") && tried.contains("1 hour → 5 minutes") && tried.contains("units")
            || tried.contains("Fuel")
    );
    assert!(tried.contains("&quot;ttlSeconds&quot;: 300"), "the case is there to keep");
    let page = person.get(&format!("/console/policies/{}/edit", policy.id())).text;
    assert_eq!(typed(&page, "settings/rules/0/scopes"), "write\n*:delete");
    assert_eq!(typed(&page, "attachedTo/api"), "myrestapi", "it is shown by its name");
    assert!(is_ticked(&page, "mode", "shadow"));
    let edit = format!("/console/policies/{}/edit", policy.id());
    let fields = [
        ("name", "short"),
        ("mode", "enforce"),
        ("attachedTo/type", "server"),
        ("settings/rules/0/scopes", "write"),
        ("settings/rules/0/seconds", "120"),
        ("active", "true"),
    ];
    let page = person.follow(&person.fill_page(&page, &edit, &fields));
    assert!(page.text.contains("Enforced") && page.text.contains("Every token"));
    assert_eq!(token(&app, &howto)["expires_in"], 120);
    let page = person.follow(&person.fill(&format!("/console/policies/{}/delete", policy.id()), &[]));
    assert!(page.text.contains("Deleted the policy short"));
    let page = person.follow(&person.fill(&format!("/console/policies/modules/{}/delete", module.id()), &[]));
    assert!(page.text.contains("Deleted the module max-ttl"));
}

#[test]
fn what_is_no_module_and_settings_that_do_not_fit_are_told_in_the_form() {
    let app = TestApp::start();
    let howto = app.howto();
    let person = Person::signed_in(&app);
    for (bytes, told) in
        [(b"".as_slice(), "choose the file"), (b"not wasm", "WebAssembly"), (b"\0asm\x01\0\0\0", "component")]
    {
        let answer = send_file(&person, bytes);
        assert_eq!(answer.status, 400, "{}", answer.text);
        let problem = answer.text.split("id=\"f-module-problem\"").nth(1).unwrap().split("</p>").next().unwrap();
        assert!(problem.contains(told), "{problem}");
    }
    let large = vec![0_u8; 6 * 1024 * 1024];
    assert_eq!(send_file(&person, &large).status, 413);
    let module = uploaded(&person, "business-hours");
    let path = "/console/policies/add";
    let page = person.get(&format!("{path}?module={}", module.id())).text;
    let fields = [
        ("name", "hours"),
        ("mode", "enforce"),
        ("attachedTo/type", "account"),
        ("attachedTo/account", "nobody"),
        ("settings/timeZone", "Europe/Atlantis"),
        ("settings/windows/0/days/monday", "true"),
        ("settings/windows/0/from", "09:00"),
        ("settings/windows/0/to", "17:00"),
    ];
    let answer = person.fill_page(&page, path, &fields);
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("id=\"f-attachedTo-account-problem\""), "{}", answer.text);
    assert_eq!(typed(&answer.text, "settings/timeZone"), "Europe/Atlantis");
    assert!(is_ticked(&answer.text, "settings/windows/0/days/monday", "true"));
    assert!(!is_ticked(&answer.text, "settings/windows/0/days/sunday", "true"));
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, if *name == "attachedTo/account" { "periodicCleanup" } else { value }))
        .collect();
    let answer = person.fill_page(&answer.text, path, &fields);
    assert_eq!(answer.status, 400);
    assert!(
        answer.text.contains("the module refuses them") && answer.text.contains("Europe/Atlantis"),
        "{}",
        answer.text
    );
    assert_eq!(token(&app, &howto)["scope"], "write", "nothing was attached");
}

#[test]
fn a_decision_is_explained_step_by_step_and_replayed() {
    let app = TestApp::start();
    let howto = app.howto();
    let grant = json!({"Operations": [{"op": "replace", "path": "scopes", "value": ["read", "write"]}]});
    app.admin("PATCH", &format!("/resources/cid/Grant/{}", howto.grant), &grant).expect(200);
    let person = Person::signed_in(&app);
    let module = uploaded(&person, "scope-allowlist");
    let common = [("attachedTo/type", "server"), ("active", "true"), ("settings/otherwise", "drop")];
    let with = |name: &'static str, mode: &'static str, allow: &'static str, order: &'static str| {
        let mut fields = vec![("name", name), ("mode", mode), ("settings/allow", allow), ("order", order)];
        fields.extend_from_slice(&common);
        attached(&person, module.id(), &fields)
    };
    let shadow = with("nothing at all", "shadow", "none", "1");
    let enforced = with("reading only", "enforce", "read", "2");
    let issued = app.token_for(&howto, &[("scope", "read write")]).expect(200);
    assert_eq!(issued["scope"], "read");
    let jti = claims(issued["access_token"].as_str().unwrap())["jti"].as_str().unwrap().to_owned();
    // The jti of a token leads to its decision.
    let found = person.get(&format!("/console/decisions?q={jti}"));
    assert_eq!((found.status, found.header("location")), (303, format!("/console/decisions/{jti}").as_str()));
    let page = person.get(&format!("/console/decisions/{jti}")).text;
    let places: Vec<usize> = ["Requested", "Granted", "nothing at all", "reading only", "Issued</p>"]
        .iter()
        .map(|step| page.find(&format!(">{step}")).unwrap_or_else(|| panic!("no {step} in {page}")))
        .collect();
    assert!(places.is_sorted(), "in the order in which they came");
    assert!(page.contains("Periodic Cleanup Account") && page.contains("Shadow: not applied"));
    assert!(page.contains("class=\"stair shadow\"") && page.contains("class=\"stair issued\""));
    let lost = "<code class=\"chip lost\"><span class=\"sr\">not </span>write</code>";
    assert_eq!(page.matches(lost).count(), 2, "lost to the shadow as it would be, and to the policy as it is");
    let replayed = person.get(&format!("/console/decisions/{jti}/replay")).text;
    assert!(replayed.contains("Every answer is the same"));
    assert!(replayed.contains("<code>settings.allow[0]</code>"), "{replayed}");
    // A refusal says why on its page, in the list, on the overview and at its policy.
    let refused = app.token_for(&howto, &[("scope", "write")]).expect(400);
    assert!(refused["error_description"].as_str().unwrap().contains("decision "));
    let list = person.get("/console/decisions?outcome=refused").text;
    assert!(list.contains("access_denied") && list.contains("Total of 1, no more"), "{list}");
    assert!(person.get("/console").text.contains("access_denied"));
    for policy in [&shadow, &enforced] {
        let had_a_part = person.get(&format!("/console/policies/{}/decisions", policy.id())).text;
        assert!(had_a_part.contains("Total of 2, no more"), "{had_a_part}");
    }
    for (path, total) in [
        (format!("/console/service-accounts/{}/decisions", howto.account), 2),
        (format!("/console/marketplace/machine-to-machine/{}/decisions", howto.client), 2),
        (format!("/console/marketplace/api/{}/decisions", howto.api), 2),
        ("/console/decisions?q=PERIODICservice".to_owned(), 2),
        ("/console/decisions?q=nobody".to_owned(), 0),
        ("/console/decisions?since=hour&outcome=issued".to_owned(), 1),
    ] {
        let told = if total == 0 { "None".to_owned() } else { format!("Total of {total}, no more") };
        assert!(person.get(&path).text.contains(&told), "{path}");
    }
    let narrowed = person.get(&format!("/console/service-accounts/{}/access", howto.account)).text;
    assert!(narrowed.contains("Narrowed by") && narrowed.contains("reading only"));
}

#[test]
fn strangers_are_told_of_without_being_believed() {
    let app = TestApp::start();
    let claimed = "<script>alert(1)</script>";
    let answer = app.token(&[
        ("grant_type", "client_credentials"),
        ("client_id", claimed),
        ("client_secret", "x"),
        ("scope", "write"),
    ]);
    assert_eq!(answer.status, 401);
    let person = Person::signed_in(&app);
    let list = person.get("/console/decisions").text;
    assert!(list.contains("Unknown") && list.contains("invalid_client") && !list.contains(claimed));
    let id = list.split("href=\"/console/decisions/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let page = person.get(&format!("/console/decisions/{id}")).text;
    assert!(page.contains("Somebody unknown got no token") && !page.contains(claimed));
    assert!(page.contains("<dt>Asked from</dt><dd><code>127.0.0.1</code></dd>"), "{page}");
}

#[test]
fn the_playground_tells_what_it_cannot_ask() {
    let app = TestApp::start();
    let howto = app.howto();
    let person = Person::signed_in(&app);
    let module = uploaded(&person, "ip-allowlist");
    let fields = [
        ("name", "networks"),
        ("mode", "enforce"),
        ("attachedTo/type", "server"),
        ("settings/allow", "10.0.0.0/8"),
        ("active", "true"),
    ];
    let policy = attached(&person, module.id(), &fields);
    let path = format!("/console/policies/{}/playground", policy.id());
    let ask = |fields: &[(&str, &str)]| person.get(&format!("{path}?{}", super::encoded(fields)));
    let client = howto.client_id.as_str();
    for (fields, told) in [
        (vec![("client", "nobody")], "there is no MachineToMachine"),
        (vec![("client", client), ("api", "nowhere")], "there is no Api"),
        (vec![("client", client), ("scopes", "read")], "not granted"),
        (vec![("client", client), ("scopes", "write"), ("settings", "{broken")], "this is not JSON"),
        (vec![("request", "[]")], "must be an object"),
    ] {
        let answer = ask(&fields);
        assert_eq!(answer.status, 200, "{fields:?}");
        assert!(answer.text.contains(told), "{told}: {}", answer.text);
        for (name, value) in fields {
            assert_eq!(typed(&answer.text, name), value, "{name} is kept");
        }
    }
    let denied = ask(&[("client", client), ("scopes", "write"), ("remoteAddress", "192.0.2.1")]).text;
    assert!(denied.contains(">Deny<") && denied.contains("address-not-allowed"), "{denied}");
    let other = ask(&[
        ("client", client),
        ("scopes", "write"),
        ("remoteAddress", "192.0.2.1"),
        ("settings", r#"{"allow": ["192.0.2.0/24"]}"#),
    ])
    .text;
    assert!(other.contains(">Permit<"), "other settings can be tried");
    // The request word for word can be changed and asked again.
    let request = typed(&denied, "request");
    let again = ask(&[("request", &request.replace("192.0.2.1", "10.1.2.3"))]).text;
    assert!(again.contains(">Permit<"), "{again}");
    let all = app.admin("GET", "/decisions?count=0", &Value::Null).expect(200);
    assert_eq!(all["totalResults"], 0, "none of it is recorded");
}

#[test]
fn the_overview_counts_tokens_and_denials_by_the_hour() {
    let app = TestApp::start();
    let howto = app.howto();
    for _ in 0..3 {
        app.token_for(&howto, &[("scope", "write")]).expect(200);
    }
    app.advance(3600);
    app.token_for(&howto, &[("scope", "read")]).expect(400);
    let person = Person::signed_in(&app);
    let page = person.get("/console").text;
    assert!(page.contains("In the last 48 hours 3 tokens and 1 denial"), "{page}");
    assert!(
        page.contains("2027-01-15 10:00 UTC: 3 tokens, 0 denials")
            && page.contains("2027-01-15 11:00 UTC: 0 tokens, 1 denial")
    );
}
