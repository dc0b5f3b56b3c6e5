//! What a component prints that was built with WASI: shown to its author, and refused by every server.

use serde_json::{Value, json};

use super::scene;
use crate::policy::modules::Twist;
use crate::shell::Shell;

const TEXT: &str = "thread 'main' panicked: no team\nand <more>\u{1b}[31m";
const CASES: &str = r#"{"cases": [{"name": "it says something", "expect": {"permit": {}}}]}"#;

/// A policy that prints, and then goes on with `then`.
fn printing(then: &'static str) -> Twist {
    Twist {
        imports: "(import \"wasi:cli/stderr@0.2.3\" \"get-stderr\" (func $stderr (result i32)))
                  (import \"wasi:io/streams@0.2.3\" \"[method]output-stream.blocking-write-and-flush\"
                    (func $write (param i32 i32 i32 i32)))
                  (import \"wasi:clocks/monotonic-clock@0.2.3\" \"now\" (func $now (result i64)))
                  (import \"wasi:sockets/network@0.2.3\" \"dial\" (func $dial))",
        text: TEXT.to_owned(),
        more:
            "(func $print (call $write (call $stderr) (i32.const 4096) (i32.const {{text-length}}) (i32.const 20000)))"
                .to_owned(),
        evaluate: then,
        wit: |wit| {
            let imports = "import wasi:cli/stderr@0.2.3; import wasi:clocks/monotonic-clock@0.2.3; \
                import wasi:sockets/network@0.2.3; export evaluator;";
            wit.replace("export evaluator;", imports)
                + "package wasi:io@0.2.3 { interface error { resource error; } interface streams { use error.{error}; \
                   variant stream-error { last-operation-failed(error), closed } resource output-stream { \
                   blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; } } } \
                   package wasi:cli@0.2.3 { interface stderr { use wasi:io/streams@0.2.3.{output-stream}; \
                   get-stderr: func() -> output-stream; } } \
                   package wasi:clocks@0.2.3 { interface monotonic-clock { now: func() -> u64; } } \
                   package wasi:sockets@0.2.3 { interface network { dial: func(); } }"
        },
        ..Twist::default()
    }
}

fn with(component: &[u8]) -> Shell {
    let shell = Shell::new();
    std::fs::write(shell.dir.path().join("policy.wasm"), component).unwrap();
    shell.file("cases.json", CASES);
    shell
}

#[test]
fn what_a_component_printed_before_it_gave_up_is_shown() {
    let shell = with(&printing("(call $print) (unreachable)").component());
    // Compiled now, and compiled before.
    for _ in 0..2 {
        let told = shell.run(&["policy", "eval", "policy.wasm"]).refused(1);
        assert!(told.contains("warning: every server refuses policy.wasm: it imports wasi:"), "{told}");
        assert!(told.contains("| thread 'main' panicked: no team\n| and <more>"), "{told}");
        assert!(told.contains("it gave up (unreachable)") && !told.contains('\u{1b}'), "{told}");
    }
    let ran = shell.run(&["policy", "test", "policy.wasm", "cases.json", "--junit", "junit.xml"]);
    assert!(ran.out.contains("      | thread 'main' panicked: no team\n      | and <more>"), "{}", ran.out);
    ran.expect(1);
    let junit = std::fs::read_to_string(shell.dir.path().join("junit.xml")).unwrap();
    let printed = "</failure><system-err>thread &apos;main&apos; panicked: no team\nand &lt;more&gt; [31m</system-err>";
    assert!(junit.replace('\'', "&apos;").contains(printed), "{junit}");
}

#[test]
fn what_a_component_printed_beside_its_answer_is_shown() {
    let shell = with(
        &printing("(call $print) (call $print) (drop (call $now)) (call $permit (local.get $request))").component(),
    );
    let shown = shell.run(&["policy", "eval", "policy.wasm", "--output", "json"]).json();
    assert_eq!(shown["printed"], TEXT.repeat(2));
    let told = shell.run(&["policy", "test", "policy.wasm", "cases.json"]).expect(0);
    assert!(told.contains("ok      cases.json:1  it says something\n      | thread"), "{told}");
    // Those that say what a server would say refuse it.
    assert!(shell.run(&["policy", "inspect", "policy.wasm"]).refused(1).contains("a policy imports nothing"));
    assert!(
        shell.run(&["policy", "bench", "policy.wasm", "cases.json"]).refused(1).contains("a policy imports nothing")
    );
    let (app, remote) = scene();
    std::fs::copy(shell.dir.path().join("policy.wasm"), remote.dir.path().join("policy.wasm")).unwrap();
    assert!(remote.run(&["policy", "add", "policy.wasm"]).refused(1).contains("a policy imports nothing"));
    assert_eq!(app.admin("GET", "/policy-modules", &Value::Null).expect(200)["totalResults"], json!(0));
}

#[test]
fn what_a_component_printed_when_its_settings_fit_is_shown() {
    let fits = "(call $print) (i32.store8 (i32.const 3072) (i32.const 0)) (i32.const 3072)";
    let shell = with(&Twist { validate: fits, ..printing("(call $permit (local.get $request))") }.component());
    let told = shell.run(&["policy", "eval", "policy.wasm"]);
    assert!(told.err.contains("| thread 'main' panicked: no team\n| and <more>"), "{}", told.err);
    let told = shell.run(&["policy", "test", "policy.wasm", "cases.json"]).expect(0);
    assert!(told.contains("ok      cases.json:1  it says something\n      | thread"), "{told}");
}

#[test]
fn what_else_a_component_calls_ends_it() {
    let shell = with(&printing("(call $dial) (unreachable)").component());
    let told = shell.run(&["policy", "eval", "policy.wasm"]).refused(1);
    assert!(told.contains("it called wasi:sockets/network#dial, which is not there"), "{told}");
    let endless = "(loop $again (call $print) (br $again)) (unreachable)";
    let shell = with(&printing(endless).component());
    let ran = shell.run(&["policy", "test", "policy.wasm", "cases.json"]);
    assert!(ran.out.contains("more bytes are left out)") && ran.out.len() < 200_000, "{}", ran.out.len());
    ran.expect(1);
}
