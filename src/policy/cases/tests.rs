//! The harness itself: what a file may say, what its mistakes are called, and what a difference looks like.

use super::*;
use crate::policy::abi::TimeStep;

/// A policy written in Rust, for the harness alone: it drops `write` after noon.
struct AfterNoon(Vec<Input>);

impl Subject for AfterNoon {
    fn inputs(&self) -> &[Input] {
        &self.0
    }

    fn validate_settings(&self, settings: &str) -> Result<Result<(), String>, String> {
        Ok(if settings == "{}" { Ok(()) } else { Err("settings: there is nothing to set".to_owned()) })
    }

    fn evaluate(&self, request: &Request, _: &str) -> Result<Decision, String> {
        let hour = request.context.time.map(|time| time.hour).ok_or("no time")?;
        if request.offered == ["write"] && hour >= 12 {
            return Ok(Decision::Deny(Denial { code: "too-late".to_owned(), reason: "come before noon".to_owned() }));
        }
        let kept = request.offered.iter().filter(|scope| hour < 12 || *scope != "write");
        let scopes = kept.cloned().chain(["never-offered".to_owned()]).collect();
        Ok(Decision::Permit(Permit { scopes, note: Some(format!("at {hour}")), ..Permit::default() }))
    }
}

fn after_noon() -> AfterNoon {
    AfterNoon(vec![Input::Time(TimeStep::Hour)])
}

fn error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

const GOOD: &str = r#"
request: {context: {time: "2026-03-02T09:30:00Z"}}
cases:
  - name: everything before noon
    expect: {permit: {}}
  - name: no writing after noon
    request: {context: {time: "2026-03-02T13:00:00+01:00"}}
    expect: {permit: {scopes: [read], note: at 12}}
  - name: nothing left after noon
    request: {offered: [write], context: {time: "2026-03-02T23:59:59Z"}}
    expect: {deny: {code: too-late}}
  - name: nothing can be set
    settings: {x: 1}
    expect: {settingsError: nothing to set}
"#;

#[test]
fn a_file_that_is_right_passes() {
    let cases = parse(GOOD).unwrap();
    assert_eq!(cases.iter().map(|case| case.line).collect::<Vec<_>>(), [4, 6, 9, 12]);
    for case in &cases {
        assert_eq!(run(case, &after_noon()), None, "{}", case.name);
    }
}

#[test]
fn json_is_read_the_same_way() {
    let text = "{\n\t\"cases\": [\n\t\t{\"name\": \"x\", \"request\": {\"ttlSeconds\": 60}, \"expect\": {\"permit\": {}}}\n\t]\n}";
    let cases = parse(text).unwrap();
    assert_eq!((cases[0].line, cases[0].request.ttl_seconds), (3, 60));
}

#[test]
fn what_a_case_leaves_out_has_a_default() {
    let case = &parse("cases: [{name: x, expect: {permit: {}}}]").unwrap()[0];
    let request = asked(case, &[Input::Time(TimeStep::Day), Input::RequestId, Input::RemoteAddress]);
    assert_eq!(request.offered, ["read", "write"]);
    assert_eq!(request.api.scopes, ["read", "write"]);
    assert_eq!((request.ttl_seconds, request.grant_type.as_str()), (3600, "client_credentials"));
    assert_eq!(request.context.time.map(|time| (time.weekday, time.hour)), Some((1, 0)));
    assert_eq!(request.context.request_id.as_deref(), Some("case"));
    assert_eq!(request.context.remote_address, None);
}

#[test]
fn a_mistake_is_named_with_its_place() {
    let expected = "cases: [{name: x, expect: {permit: {}}}]";
    for (text, place, what) in [
        ("cases:\n  - name: x\n    expekt: {}\n", "line 3, column 5", "expekt"),
        ("cases:\n  - name: x\n    request: {scopes: [a]}\n    expect: {permit: {}}\n", "line 3", "scopes"),
        ("cases:\n  - name: x\n    request: {account: {mail: a}}\n    expect: {permit: {}}\n", "line 3", "mail"),
        (
            "cases:\n  - name: x\n  - name: y\n    expect: {permit: {}}\n",
            "line 2, column 5",
            "says nothing of what it expects",
        ),
        ("cases:\n  - name: x\n    expect: {allow: {}}\n", "line 3", "allow"),
        (
            "cases:\n  - name: x\n    expect:\n      permit: {scopes: [admin]}\n",
            "line 4",
            "\"admin\", which is not offered (read write)",
        ),
        (
            "cases:\n  - name: x\n    request:\n      offered: [read, \"a b\"]\n    expect: {permit: {}}\n",
            "line 4, column 23",
            "RFC 6749",
        ),
        ("cases:\n  - name: x\n    expect: {permit: {scopes: []}}\n", "line 3", "no-scope-left"),
        (
            "cases:\n  - name: x\n    request: {context: {time: noon}}\n    expect: {permit: {}}\n",
            "line 3, column 31",
            "\"noon\" is no time",
        ),
        ("cases:\n  - name: x\n    request: {ttlSeconds: -1}\n    expect: {permit: {}}\n", "line 3", ""),
        (
            "cases:\n  - {name: x, expect: {permit: {}}}\n  - {name: x, expect: {permit: {}}}\n",
            "line 3",
            "two cases are named \"x\"",
        ),
        ("cases:\n  - {name: ' ', expect: {permit: {}}}\n", "line 2", "needs a name"),
        ("cases: []\n", "line 1, column 8", "1 to 10000 cases"),
        ("cases:\n  - name: x\n    expect: {deny: {reason: no}}\n", "line 3", "code"),
        ("{\"cases\": [}", "line 1", ""),
    ] {
        let error = error(text);
        assert!(error.starts_with(place) && error.contains(what), "{text}\n{error}");
    }
    assert!(parse(expected).is_ok());
    assert!(error(&format!("# {}\n{expected}", "x".repeat(FILE_BYTES_MAX))).contains("cut it in two"));
}

#[test]
fn a_difference_shows_both_sides() {
    let case = &parse("cases: [{name: x, request: {context: {time: '2026-03-02T13:00:00Z'}}, expect: {permit: {}}}]")
        .unwrap()[0];
    let difference = run(case, &after_noon()).unwrap();
    assert!(difference.starts_with("- expected\n+ answered\n"), "{difference}");
    assert!(difference.contains("-       \"write\""), "{difference}");
    let wrong = "cases: [{name: x, settings: {x: 1}, expect: {permit: {}}}]";
    let difference = run(&parse(wrong).unwrap()[0], &after_noon()).unwrap();
    assert!(difference.contains("+   \"settingsError\": \"settings: there is nothing to set\""), "{difference}");
}

#[test]
fn an_input_that_the_policy_would_not_get_is_a_mistake_of_the_case() {
    for (given, name) in [("remoteAddress: 192.0.2.1", "a remoteAddress"), ("parameters: {purpose: x}", "\"purpose\"")]
    {
        let text = format!("cases: [{{name: x, request: {{context: {{{given}}}}}, expect: {{permit: {{}}}}}}]");
        let difference = run(&parse(&text).unwrap()[0], &after_noon()).unwrap();
        assert!(difference.contains(name) && difference.contains("does not list it"), "{difference}");
    }
}

#[test]
fn more_than_was_offered_is_cut_as_the_server_cuts_it() {
    let case = &parse("cases: [{name: x, expect: {permit: {}}}]").unwrap()[0];
    let request = asked(case, &[]);
    let permit = |scopes: &[&str], ttl_seconds| {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        effect(&request, Decision::Permit(Permit { scopes, ttl_seconds, ..Permit::default() }))
    };
    let all = Permit { scopes: vec!["read".to_owned(), "write".to_owned()], ..Permit::default() };
    assert_eq!(permit(&["write", "root", "read", "write"], Some(u32::MAX)), Decision::Permit(all));
    assert!(matches!(permit(&["root"], None), Decision::Deny(denial) if denial.code == "no-scope-left"));
    assert!(matches!(permit(&["read"], Some(0)), Decision::Deny(denial) if denial.code == "no-lifetime-left"));
}

#[test]
fn settings_may_name_files_where_there_are_files() {
    let text = "settings: {policy: {$file: a.rego}, data: [{$file: b}]}\ncases:\n  - {name: x, expect: {permit: {}}}";
    let read = |name: &str| if name == "c" { Err("no c".to_owned()) } else { Ok(format!("<{name}>")) };
    let case = &parse_with_files(text, &read).unwrap()[0];
    assert_eq!(case.settings, serde_json::json!({"policy": "<a.rego>", "data": ["<b>"]}));
    let missing = parse_with_files(&text.replace("a.rego", "c"), &read).unwrap_err();
    assert_eq!((missing.line, missing.what.as_str()), (3, "no c"));
    assert!(error(text).contains("write the text itself"));
}
