//! The hostile modules: what each does, and where it is found out.

use super::modules::{Twist, escaped, harmless, padded_to, slow, with_instances};

/// Where a hostile module is found out, at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before anything of it runs: it is no policy of this contract, or it asks for too much.
    Load,
    /// When it is asked what it is.
    Describe,
    /// When settings are validated.
    ValidateSettings,
    /// When it is evaluated: the request is denied.
    Evaluate,
    /// Not at all: its answer is cut to what it may say, and the request goes on.
    Harmless,
}

/// Every hostile module, with the stage at which it is found out at the latest.
pub const HOSTILE: &[(&str, Stage)] = &[
    // It does not end.
    ("infinite-loop", Stage::Evaluate),
    ("infinite-loop-in-describe", Stage::Describe),
    ("infinite-loop-in-validate-settings", Stage::ValidateSettings),
    ("infinite-loop-in-start", Stage::Describe),
    ("infinite-loop-in-realloc", Stage::Evaluate),
    ("infinite-loop-in-post-return", Stage::Evaluate),
    ("allocating-loop", Stage::Evaluate),
    ("recursion", Stage::Evaluate),
    // It traps.
    ("trap-in-describe", Stage::Describe),
    ("trap-in-validate-settings", Stage::ValidateSettings),
    ("trap-in-evaluate", Stage::Evaluate),
    ("trap-in-start", Stage::Describe),
    ("trap-in-realloc", Stage::Evaluate),
    ("trap-in-post-return", Stage::Evaluate),
    ("divides-by-zero", Stage::Evaluate),
    // It says too much.
    ("string-64-mib", Stage::Evaluate),
    ("string-8-mib", Stage::Evaluate),
    ("million-scopes", Stage::Evaluate),
    ("settings-error-8-mib", Stage::ValidateSettings),
    ("manifest-8-mib", Stage::Describe),
    ("thousand-inputs", Stage::Describe),
    // It says what it may not say.
    ("claims-not-json", Stage::Evaluate),
    ("claims-not-an-object", Stage::Evaluate),
    ("claims-too-large", Stage::Evaluate),
    ("claims-too-deep", Stage::Evaluate),
    ("claim-reserved", Stage::Evaluate),
    ("scope-never-offered", Stage::Harmless),
    ("only-scopes-never-offered", Stage::Evaluate),
    ("longer-ttl", Stage::Harmless),
    ("duplicate-scopes", Stage::Harmless),
    ("empty-permit", Stage::Evaluate),
    ("denial-code-not-a-code", Stage::Evaluate),
    ("name-not-a-name", Stage::Describe),
    ("version-not-a-version", Stage::Describe),
    ("schema-not-json", Stage::Describe),
    ("inputs-twice", Stage::Describe),
    ("input-credential", Stage::Describe),
    ("settings-never-fit", Stage::ValidateSettings),
    // It is not a policy of this contract.
    ("imports-wasi", Stage::Load),
    ("imports-unknown", Stage::Load),
    ("imports-function-as-types", Stage::Load),
    ("another-major-version", Stage::Load),
    ("another-minor-version", Stage::Load),
    ("record-with-one-field-more", Stage::Load),
    ("record-with-one-field-less", Stage::Load),
    ("core-module", Stage::Load),
    ("not-wasm", Stage::Load),
    ("empty", Stage::Load),
    ("cut-in-half", Stage::Load),
    ("code-after-the-end", Stage::Load),
    // It asks for too much.
    ("functions-20000", Stage::Harmless),
    ("grows-past-its-own-maximum", Stage::Harmless),
    ("memory-3900-mb", Stage::Describe),
    ("memories-that-add-up", Stage::Describe),
    ("core-instances-1000", Stage::Load),
    ("table-100-million", Stage::Describe),
    // It breaks the canonical ABI.
    ("pointer-out-of-bounds", Stage::Evaluate),
    ("pointer-misaligned", Stage::Evaluate),
    ("text-out-of-bounds", Stage::Evaluate),
    ("list-out-of-bounds", Stage::Evaluate),
    ("list-misaligned", Stage::Evaluate),
    ("realloc-out-of-bounds", Stage::Evaluate),
    ("realloc-misaligned", Stage::Evaluate),
    ("utf8-bad", Stage::Evaluate),
    ("utf8-surrogate", Stage::Evaluate),
    ("variant-tag-bad", Stage::Evaluate),
    ("option-tag-bad", Stage::Evaluate),
    ("result-tag-bad", Stage::ValidateSettings),
    ("enum-tag-bad", Stage::Describe),
    // It tries to be another one from run to run. A fresh instance for each call makes the first constant; the second
    // looks at the one thing that can differ between two servers, how much memory there is.
    ("describe-counts-its-calls", Stage::Harmless),
    ("describe-follows-the-memory-limit", Stage::Harmless),
    ("evaluate-counts-its-calls", Stage::Harmless),
];

/// The bytes of a hostile module of [`HOSTILE`].
pub fn hostile(name: &str) -> Vec<u8> {
    match name {
        "core-module" => Twist::default().core(),
        "not-wasm" => b"#!/bin/sh\necho policy\n".to_vec(),
        "empty" => Vec::new(),
        "cut-in-half" => {
            let whole = harmless("half");
            whole[..whole.len() / 2].to_vec()
        }
        "code-after-the-end" => [harmless("tail"), b"\x00\x03\x05".to_vec()].concat(),
        "memories-that-add-up" => with_instances("(module (memory 100))", 5),
        "core-instances-1000" => with_instances("(module)", 1000),
        "table-100-million" => with_instances("(module (table 100000000 funcref))", 1),
        _ => twist(name).component(),
    }
}

/// A list of scopes at 16384: `write`, then `root`.
const WRITE_AND_ROOT: &str = "
    (i32.store (i32.const 16384) (i32.const 384)) (i32.store (i32.const 16388) (i32.const 5))
    (i32.store (i32.const 16392) (i32.const 448)) (i32.store (i32.const 16396) (i32.const 4))";

fn twist(name: &str) -> Twist {
    let base = Twist::default();
    let evaluate = |evaluate| Twist { evaluate, ..Twist::default() };
    let describe = |describe| Twist { describe, ..Twist::default() };
    let validate = |validate| Twist { validate, ..Twist::default() };
    let realloc = |realloc| Twist { realloc, ..Twist::default() };
    let more = |more: &str| Twist { more: more.to_owned(), ..Twist::default() };
    let claims = |text: String| Twist {
        text,
        evaluate: "(call $permit_claims (local.get $request) (i32.const 4096) (i32.const {{text-length}}))",
        ..Twist::default()
    };
    let wit = |wit| Twist { wit, ..Twist::default() };
    match name {
        "infinite-loop" => evaluate("(loop $again (br $again)) unreachable"),
        "infinite-loop-in-describe" => describe("(loop $again (br $again)) unreachable"),
        "infinite-loop-in-validate-settings" => validate("(loop $again (br $again)) unreachable"),
        "infinite-loop-in-start" => more("(start $begin) (func $begin (loop $again (br $again)))"),
        "infinite-loop-in-realloc" => realloc("(loop $again (br $again)) unreachable"),
        "infinite-loop-in-post-return" => {
            more("(func (export \"cabi_post_{{interface}}#evaluate\") (param i32) (loop $again (br $again)))")
        }
        // Each new page is written to, so that it is really there.
        "allocating-loop" => evaluate(
            "(loop $again (memory.fill (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)) (i32.const 255)
               (i32.const 65536)) (br $again)) unreachable",
        ),
        "recursion" => Twist {
            more: "(func $deeper (param i32) (result i32)
                     (i32.add (i32.const 1) (call $deeper (i32.add (local.get 0) (i32.const 1)))))"
                .to_owned(),
            evaluate: "(drop (call $deeper (i32.const 0))) (call $permit (local.get $request))",
            ..base
        },
        "trap-in-describe" => describe("unreachable"),
        "trap-in-validate-settings" => validate("unreachable"),
        "trap-in-evaluate" => evaluate("unreachable"),
        "trap-in-start" => more("(start $begin) (func $begin unreachable)"),
        "trap-in-realloc" => realloc("unreachable"),
        "trap-in-post-return" => more("(func (export \"cabi_post_{{interface}}#evaluate\") (param i32) unreachable)"),
        "divides-by-zero" => {
            evaluate("(drop (i32.div_u (i32.const 1) (local.get $count))) (call $permit (local.get $request))")
        }
        // Twice what the memory's own maximum forbids: nothing of it is taken.
        "grows-past-its-own-maximum" => Twist {
            memory: "2 10",
            evaluate: "(drop (memory.grow (i32.const 200))) (drop (memory.grow (i32.const 200)))
                (call $permit (local.get $request))",
            ..base
        },
        "string-64-mib" => evaluate(
            "(drop (memory.grow (i32.const 1024)))
             (call $permit_note (local.get $request) (i32.const 65536) (i32.const 67108864))",
        ),
        "string-8-mib" => evaluate(
            "(drop (memory.grow (i32.const 128)))
             (call $permit_note (local.get $request) (i32.const 65536) (i32.const 8388608))",
        ),
        // The memory is full of zeros, and so of empty scopes.
        "million-scopes" => evaluate(
            "(drop (memory.grow (i32.const 128))) (call $permit_scopes (i32.const 131072) (i32.const 1000000))",
        ),
        "settings-error-8-mib" => {
            validate("(drop (memory.grow (i32.const 128))) (call $refuse (i32.const 65536) (i32.const 8388608))")
        }
        "manifest-8-mib" => describe(
            "(drop (memory.grow (i32.const 128))) (drop (call $manifest))
             (i32.store (i32.const 1040) (i32.const 65536)) (i32.store (i32.const 1044) (i32.const 8388608))
             (i32.const 1024)",
        ),
        // Each is time(second): 12 zeros.
        "thousand-inputs" => describe(
            "(drop (call $manifest))
             (i32.store (i32.const 1056) (i32.const 65536)) (i32.store (i32.const 1060) (i32.const 1000))
             (i32.const 1024)",
        ),
        "claims-not-json" => claims("{\"tier\": gold}".to_owned()),
        "claims-not-an-object" => claims("[\"tier\"]".to_owned()),
        "claims-too-large" => claims(format!("{{\"tier\":\"{}\"}}", "x".repeat(5000))),
        "claims-too-deep" => claims(format!("{{\"tier\":{}1{}}}", "[".repeat(100), "]".repeat(100))),
        "claim-reserved" => claims("{\"tier\":\"gold\",\"sub\":\"root\"}".to_owned()),
        "scope-never-offered" => Twist {
            more: format!("(func $list {WRITE_AND_ROOT})"),
            evaluate: "(call $list) (call $permit_scopes (i32.const 16384) (i32.const 2))",
            ..base
        },
        "only-scopes-never-offered" => Twist {
            more: format!("(func $list {WRITE_AND_ROOT})"),
            evaluate: "(call $list) (call $permit_scopes (i32.const 16392) (i32.const 1))",
            ..base
        },
        "longer-ttl" => evaluate(
            "(drop (call $permit (local.get $request)))
             (i32.store8 (i32.const 2060) (i32.const 1)) (i32.store (i32.const 2064) (i32.const -1))
             (i32.const 2048)",
        ),
        // The first scope that was offered, three times.
        "duplicate-scopes" => evaluate(
            "(loop $again
               (i64.store (i32.add (i32.const 16384) (i32.mul (local.get $count) (i32.const 8)))
                 (i64.load (i32.load offset=112 (local.get $request))))
               (br_if $again (i32.lt_u (local.tee $count (i32.add (local.get $count) (i32.const 1))) (i32.const 3))))
             (call $permit_scopes (i32.const 16384) (i32.const 3))",
        ),
        "empty-permit" => evaluate("(call $permit_scopes (i32.const 0) (i32.const 0))"),
        "denial-code-not-a-code" => {
            Twist { text: "No way!".to_owned(), evaluate: "(call $deny (i32.const 4096) (i32.const 7))", ..base }
        }
        "name-not-a-name" => Twist { name: "Hostile Module".to_owned(), ..base },
        "version-not-a-version" => {
            describe("(drop (call $manifest)) (i32.store (i32.const 1036) (i32.const 1)) (i32.const 1024)")
        }
        "schema-not-json" => {
            describe("(drop (call $manifest)) (i32.store (i32.const 1052) (i32.const 1)) (i32.const 1024)")
        }
        // The parameter `root`, and again.
        "inputs-twice" => Twist {
            more: format!("(data (i32.const 16384) \"{0}{0}\")", escaped(&input_parameter(448, 4))),
            describe: "(drop (call $manifest))
                (i32.store (i32.const 1056) (i32.const 16384)) (i32.store (i32.const 1060) (i32.const 2))
                (i32.const 1024)",
            ..base
        },
        "input-credential" => Twist {
            text: "client_secret".to_owned(),
            more: format!("(data (i32.const 16384) \"{}\")", escaped(&input_parameter(4096, 13))),
            describe: "(drop (call $manifest))
                (i32.store (i32.const 1056) (i32.const 16384)) (i32.store (i32.const 1060) (i32.const 1))
                (i32.const 1024)",
            ..base
        },
        "settings-never-fit" => Twist {
            text: "these settings will never do".to_owned(),
            validate: "(call $refuse (i32.const 4096) (i32.const {{text-length}}))",
            ..base
        },
        "imports-wasi" => Twist {
            imports: "(import \"wasi:random/random@0.2.0\" \"get-random-u64\" (func $random (result i64)))",
            evaluate: "(drop (call $random)) (call $permit (local.get $request))",
            wit: |wit| {
                let wit = wit.replace("export evaluator;", "import wasi:random/random@0.2.0; export evaluator;");
                wit + "package wasi:random@0.2.0 { interface random { get-random-u64: func() -> u64; } }"
            },
            ..base
        },
        "imports-unknown" => Twist {
            imports: "(import \"$root\" \"backdoor\" (func $backdoor))",
            evaluate: "(call $backdoor) (call $permit (local.get $request))",
            wit: |wit| wit.replace("export evaluator;", "import backdoor: func(); export evaluator;"),
            ..base
        },
        // The one import that is allowed holds types: here it holds a function as well.
        "imports-function-as-types" => Twist {
            imports: "(import \"grantd:policy/types@1.0.0\" \"backdoor\" (func $backdoor))",
            evaluate: "(call $backdoor) (call $permit (local.get $request))",
            wit: |wit| wit.replace("type json = string;", "type json = string; backdoor: func();"),
            ..base
        },
        "another-major-version" => {
            Twist { interface: "grantd:policy/evaluator@2.0.0", wit: |wit| wit.replace("@1.0.0;", "@2.0.0;"), ..base }
        }
        "another-minor-version" => {
            Twist { interface: "grantd:policy/evaluator@1.1.0", wit: |wit| wit.replace("@1.0.0;", "@1.1.0;"), ..base }
        }
        "record-with-one-field-more" => {
            wit(|wit| wit.replace("note: option<string>,", "note: option<string>, audience: option<string>,"))
        }
        "record-with-one-field-less" => wit(|wit| wit.replace("note: option<string>,", "")),
        "functions-20000" => {
            more(&"(func (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))".repeat(20_000))
        }
        "memory-3900-mb" => Twist { memory: "59509", ..base },
        "pointer-out-of-bounds" => evaluate("(i32.const 0x7ffffff0)"),
        "pointer-misaligned" => evaluate("(drop (call $permit (local.get $request))) (i32.const 2049)"),
        "text-out-of-bounds" => evaluate("(call $permit_note (local.get $request) (i32.const 131070) (i32.const 16))"),
        "list-out-of-bounds" => evaluate("(call $permit_scopes (i32.const -16) (i32.const 4))"),
        "list-misaligned" => evaluate("(call $permit_scopes (i32.const 16385) (i32.const 1))"),
        "realloc-out-of-bounds" => realloc("(i32.const 0x7ffffff0)"),
        "realloc-misaligned" => realloc("(i32.const 40001)"),
        "utf8-bad" => Twist {
            more: "(data (i32.const 16384) \"\\ff\\fe\\80\")".to_owned(),
            evaluate: "(call $permit_note (local.get $request) (i32.const 16384) (i32.const 3))",
            ..base
        },
        // U+D800, which UTF-8 has no form for.
        "utf8-surrogate" => Twist {
            more: "(data (i32.const 16384) \"\\ed\\a0\\80\")".to_owned(),
            evaluate: "(call $permit_note (local.get $request) (i32.const 16384) (i32.const 3))",
            ..base
        },
        "variant-tag-bad" => evaluate(
            "(drop (call $permit (local.get $request))) (i32.store8 (i32.const 2048) (i32.const 7)) (i32.const 2048)",
        ),
        "option-tag-bad" => evaluate(
            "(drop (call $permit (local.get $request))) (i32.store8 (i32.const 2060) (i32.const 2)) (i32.const 2048)",
        ),
        "result-tag-bad" => validate("(i32.store8 (i32.const 3072) (i32.const 9)) (i32.const 3072)"),
        // time(step 9)
        "enum-tag-bad" => Twist {
            more: "(data (i32.const 16384) \"\\00\\00\\00\\00\\09\\00\\00\\00\\00\\00\\00\\00\")".to_owned(),
            describe: "(drop (call $manifest))
                (i32.store (i32.const 1056) (i32.const 16384)) (i32.store (i32.const 1060) (i32.const 1))
                (i32.const 1024)",
            ..base
        },
        // The version is 1.0.0, and the last digit counts the calls.
        "describe-counts-its-calls" => describe(
            "(i32.store8 (i32.const 196) (i32.add (i32.load8_u (i32.const 196)) (i32.const 1))) (call $manifest)",
        ),
        // 2.0.0 where 20 MiB can be had, 1.0.0 elsewhere.
        "describe-follows-the-memory-limit" => describe(
            "(if (i32.ne (memory.grow (i32.const 320)) (i32.const -1))
               (then (i32.store8 (i32.const 192) (i32.const 50))))
             (call $manifest)",
        ),
        // The lifetime is the number of the call.
        "evaluate-counts-its-calls" => Twist {
            more: "(global $calls (mut i32) (i32.const 0))".to_owned(),
            evaluate: "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                (drop (call $permit (local.get $request)))
                (i32.store8 (i32.const 2060) (i32.const 1)) (i32.store (i32.const 2064) (global.get $calls))
                (i32.const 2048)",
            ..base
        },
        other => panic!("there is no hostile module {other}"),
    }
}

/// `input::parameter` of a text that lies there, in memory form.
fn input_parameter(place: u32, bytes: u32) -> Vec<u8> {
    [4_u32.to_le_bytes(), place.to_le_bytes(), bytes.to_le_bytes()].concat()
}

/// A table of hostile modules is worth something only while each of them can be built.
#[test]
fn every_hostile_module_is_built() {
    for (name, _) in HOSTILE {
        let bytes = hostile(name);
        assert_eq!(bytes.is_empty(), *name == "empty", "{name}");
    }
    assert_eq!(padded_to(100_000).len(), 100_000);
    assert!(slow(5).starts_with(b"\0asm"));
}
