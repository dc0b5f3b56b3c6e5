//! Several names for one server: metadata that leads on from each, and the issuer that tokens name.

use grantd::config::AliasIssuer;
use serde_json::Value;

use crate::app::{Answer, HowTo, TestApp, claims};

const METADATA: &[&str] = &[
    "/oauth2/.well-known/openid-configuration",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server/oauth2",
];

fn start(alias_issuer: AliasIssuer) -> TestApp {
    TestApp::with(|config| {
        config.issuer_aliases = vec!["http://grantd:8420".to_owned(), "https://id.example.com/".to_owned()];
        config.alias_issuer = alias_issuer;
    })
}

fn metadata(app: &TestApp, path: &str, host: &str) -> Value {
    app.send("GET", path, &[("host", host)], b"").expect(200)
}

fn token_at(app: &TestApp, howto: &HowTo, host: &str) -> Answer {
    let form = [("grant_type", "client_credentials"), ("scope", "write")];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let headers =
        [("host", host), ("authorization", &howto.basic()), ("content-type", "application/x-www-form-urlencoded")];
    app.send("POST", "/oauth2/token", &headers, body.as_bytes())
}

fn issuer_at(app: &TestApp, howto: &HowTo, host: &str) -> String {
    let answer = token_at(app, howto, host).expect(200);
    claims(answer["access_token"].as_str().unwrap())["iss"].as_str().unwrap().to_owned()
}

#[test]
fn a_fixed_issuer_is_reached_by_every_name() {
    let app = start(AliasIssuer::Fixed);
    let howto = app.howto();
    let issuer = format!("{}/oauth2/", app.url);
    for path in METADATA {
        for (host, url) in [("grantd:8420", "http://grantd:8420"), ("ID.example.com", "https://id.example.com")] {
            let told = metadata(&app, path, host);
            assert_eq!(told["issuer"], issuer, "{path} at {host}");
            for (member, end) in [
                ("token_endpoint", "token"),
                ("jwks_uri", ".well-known/jwks.json"),
                ("introspection_endpoint", "introspect"),
                ("revocation_endpoint", "revoke"),
            ] {
                assert_eq!(told[member], format!("{url}/oauth2/{end}"), "{path} at {host}");
            }
            assert_eq!(issuer_at(&app, &howto, host), issuer, "{host}");
        }
    }
    let openid = metadata(&app, METADATA[0], "grantd:8420");
    assert_eq!(openid["authorization_endpoint"], "http://grantd:8420/oauth2/auth");
    assert_eq!(openid["userinfo_endpoint"], "http://grantd:8420/oauth2/userinfo");
    assert_eq!(openid["end_session_endpoint"], "http://grantd:8420/oauth2/logout");
}

#[test]
fn own_issuers_go_with_the_name_that_was_asked() {
    let app = start(AliasIssuer::Own);
    let howto = app.howto();
    let main = format!("{}/oauth2/", app.url);
    let host = app.url.trim_start_matches("http://").to_owned();
    let names = [
        (host.as_str(), main.as_str()),
        ("grantd:8420", "http://grantd:8420/oauth2/"),
        ("id.example.com", "https://id.example.com/oauth2/"),
        ("id.example.com:443", "https://id.example.com/oauth2/"),
    ];
    for (host, issuer) in names {
        assert_eq!(metadata(&app, METADATA[0], host)["issuer"], issuer);
        assert_eq!(metadata(&app, METADATA[0], host)["token_endpoint"], format!("{issuer}token"));
        assert_eq!(issuer_at(&app, &howto, host), issuer);
        // Whatever the name it was issued under, it is this server's.
        let token = token_at(&app, &howto, host).expect(200)["access_token"].as_str().unwrap().to_owned();
        let told = app.form("/oauth2/introspect", &howto.basic(), &[("token", &token)]).expect(200);
        assert_eq!((&told["active"], &told["iss"]), (&Value::Bool(true), &Value::from(issuer)));
        assert_eq!(app.form("/oauth2/revoke", &howto.basic(), &[("token", &token)]).status, 200);
        let told = app.form("/oauth2/introspect", &howto.basic(), &[("token", &token)]).expect(200);
        assert_eq!(told["active"], false);
    }
}

#[test]
fn no_header_makes_an_issuer() {
    for mode in [AliasIssuer::Fixed, AliasIssuer::Own] {
        let app = start(mode);
        let howto = app.howto();
        let main = format!("{}/oauth2/", app.url);
        for host in ["evil.example.com", "grantd", "grantd:8421", "grantd:8420.evil.example.com", "id.example.com:80"] {
            assert_eq!(metadata(&app, METADATA[0], host)["issuer"], main, "{host}");
            assert_eq!(issuer_at(&app, &howto, host), main, "{host}");
        }
        let headers = [
            ("x-forwarded-host", "id.example.com"),
            ("forwarded", "host=id.example.com"),
            ("x-original-host", "id.example.com"),
        ];
        let told = app.send("GET", METADATA[0], &headers, b"").expect(200);
        assert_eq!((&told["issuer"], &told["token_endpoint"]), (&main.clone().into(), &format!("{main}token").into()));
    }
}

#[test]
fn without_aliases_every_host_is_the_main_one() {
    let app = TestApp::start();
    let main = format!("{}/oauth2/", app.url);
    assert_eq!(metadata(&app, METADATA[0], "anything.example.com")["issuer"], main);
    assert_eq!(issuer_at(&app, &app.howto(), "anything.example.com"), main);
}
