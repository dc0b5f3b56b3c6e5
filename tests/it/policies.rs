//! The policies that are shipped: each component is what its lock says, passes its cases, and answers as the same crate
//! does when it is compiled natively.

mod native;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use grantd::clock::Clock;
use grantd::config::PoliciesConfig;
use grantd::policy::abi::{Decision, Input, Request};
use grantd::policy::cases::{self, Case, Subject};
use grantd::policy::{Specimen, Workbench};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The folder of the policies.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

/// Name and component of every policy that is shipped.
static COMPONENTS: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let components = entries.filter_map(|path| {
        let component = std::fs::read(path.join("policy.wasm")).ok()?;
        Some((path.file_name().unwrap().to_str().unwrap().to_owned(), component))
    });
    components.collect()
});

/// Its time does not run out, on the slowest machine.
static BENCH: LazyLock<Workbench> = LazyLock::new(|| {
    let limits = PoliciesConfig { deadline_ms: 60_000, ..PoliciesConfig::default() };
    Workbench::new(&limits, &Clock::system()).unwrap()
});

/// A component that can be asked. Each is compiled once.
struct Component(Specimen);

impl Component {
    fn new(name: &str) -> Self {
        Self(BENCH.examine(&COMPONENTS[name]).unwrap_or_else(|failure| panic!("{name}: {failure}")))
    }
}

impl Subject for Component {
    fn inputs(&self) -> &[Input] {
        &self.0.manifest().inputs
    }

    fn validate_settings(&self, settings: &str) -> Result<Result<(), String>, String> {
        BENCH.validate_settings(&self.0, settings).map_err(|failure| failure.to_string())
    }

    fn evaluate(&self, request: &Request, settings: &str) -> Result<Decision, String> {
        let evaluation = BENCH.evaluate(&self.0, request, settings);
        evaluation.map(|evaluation| evaluation.decision).map_err(|failure| failure.to_string())
    }
}

/// The cases of a policy, by file.
fn cases_of(name: &str) -> Vec<(String, Vec<Case>)> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder().join(name).join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let cases = cases::parse(&std::fs::read_to_string(&path).unwrap());
        (format!("{name}/{file}"), cases.unwrap_or_else(|error| panic!("{name}/cases/{file}: {error}")))
    };
    files.into_iter().map(read).collect()
}

fn run_cases(name: &str, subject: &impl Subject) -> usize {
    let mut run = 0;
    for (file, cases) in cases_of(name) {
        for case in cases {
            if let Some(difference) = cases::run(&case, subject) {
                panic!("{file}, line {}: {}\n{difference}", case.line, case.name);
            }
            run += 1;
        }
    }
    run
}

#[test]
fn every_component_is_the_one_that_its_lock_names() {
    assert!(COMPONENTS.len() >= 6, "{:?}", COMPONENTS.keys());
    for (name, component) in COMPONENTS.iter() {
        let text = std::fs::read_to_string(folder().join(name).join("policy.lock")).unwrap();
        let lock: toml::Table = text.parse().unwrap();
        assert_eq!(lock["component"].as_str().unwrap(), sha256(component), "{name}/policy.wasm was changed");
        let source = source_hash(name);
        assert_eq!(
            lock["source"].as_str().unwrap(),
            source,
            "the source of {name} was changed: run policies/build {name}"
        );
        assert_eq!(lock["command"].as_str().unwrap(), format!("policies/build {name}"));
    }
}

#[test]
fn every_component_passes_its_cases() {
    for name in COMPONENTS.keys() {
        let component = Component::new(name);
        assert_eq!(component.0.manifest().name, *name);
        let run = run_cases(name, &component);
        assert!(run >= 8, "{name} has {run} cases");
    }
}

/// What a fresh call may use without a system call; `sdk/link.rs` lays components out for it.
const RESIDENT_BYTES: usize = 256 * 1024;

#[test]
fn a_small_policy_stays_within_what_is_kept_resident() {
    for (name, _) in native::all() {
        let component = Component::new(name);
        for (file, cases) in cases_of(name) {
            for case in cases {
                let evaluation = BENCH.evaluate(&component.0, &case.request, &case.settings.to_string());
                let memory_bytes = evaluation.map_or(0, |evaluation| evaluation.memory_bytes);
                assert!(memory_bytes <= RESIDENT_BYTES, "{file}, line {}: {memory_bytes}", case.line);
            }
        }
    }
}

/// The deepest JSON that is read at all, in the policy that does most with it.
#[test]
fn the_stack_of_a_component_holds_the_deepest_json() {
    const DEPTH: usize = 120;
    let deep: Value = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH)).parse().unwrap();
    let component = Component::new("claims-from-attributes");
    let settings = json!({"claims": {"team": {"from": "account.attributes.team", "otherwise": deep}}}).to_string();
    assert_eq!(component.validate_settings(&settings), Ok(Ok(())));
    let answer = component.evaluate(&Request { offered: vec!["read".to_owned()], ..Request::default() }, &settings);
    assert_eq!(answer, Err("evaluate: claims are nested more than 8 deep".to_owned()));
}

#[test]
fn a_natively_compiled_policy_says_the_same_of_itself_and_passes_the_same_cases() {
    for (name, native) in native::all() {
        let component = Component::new(name);
        assert_eq!(native.manifest(), component.0.manifest(), "{name}");
        run_cases(name, native);
    }
}

/// A request over few words, so that policies and settings often meet in it.
fn request() -> impl Strategy<Value = Request> {
    let words =
        ["read", "write", "admin:users", "admin:keys", "payments:create", "payments:approve", "audit:read", "ä"];
    let scope = prop::sample::select(words.to_vec()).prop_map(str::to_owned);
    let value = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        // Eighths: serde_json reads longer fractions a unit off, and not by the same unit in every build.
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        ".{0,8}".prop_map(Value::from),
        Just(json!({"tier": "gold", "deep": [1, {"x": null}]})),
    ];
    let attributes = prop::collection::btree_map("(team|plan|tier|région)", value, 0..3);
    let address = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
        (any::<u8>(), any::<u8>()).prop_map(|(a, b)| format!("10.{a}.0.{b}")),
        "[ -~]{0,12}",
    ];
    let times = prop_oneof![any::<u32>(), 1_700_000_000_u32..1_900_000_000];
    let scopes = prop::collection::vec(scope, 0..6);
    (scopes, attributes.clone(), attributes, prop::option::of(address), times, any::<u32>()).prop_map(
        |(offered, account, client, remote_address, unix_seconds, ttl_seconds)| {
            let mut request = Request { offered, ttl_seconds, ..Request::default() };
            request.account.attributes = account.into_iter().collect();
            request.client.attributes = client.into_iter().collect();
            request.context.remote_address = remote_address;
            request.context.time = Some(native::instant(unix_seconds / 60 * 60));
            request
        },
    )
}

#[test]
fn a_component_answers_random_requests_as_the_native_policy_does() {
    for (name, native) in native::all() {
        let component = Component::new(name);
        // Settings of the cases, good and bad ones, and some that are no settings at all.
        let mut settings: Vec<String> =
            cases_of(name).into_iter().flat_map(|(_, cases)| cases).map(|case| case.settings.to_string()).collect();
        settings.extend(["", "null", "[]", "{\"x\":", "{} {}", "{\"\u{e4}\": 1}"].map(str::to_owned));
        settings.sort();
        settings.dedup();
        let config = ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() };
        proptest!(config, |(request in request(), settings in prop::sample::select(settings))| {
            let valid = native.validate_settings(&settings);
            prop_assert_eq!(component.validate_settings(&settings), valid.clone(), "{} {}", name, &settings);
            let answer = native.evaluate(&request, &settings);
            // grantd evaluates with settings that were accepted, unless a newer module cannot read them: it denies.
            if valid == Ok(Ok(())) || matches!(answer, Ok(Decision::Deny(_))) {
                prop_assert_eq!(component.evaluate(&request, &settings), answer, "{} {}", name, &settings);
            }
        });
    }
}

/// What the SDK calls reserved is what grantd refuses: neither list may fall behind.
#[test]
fn the_sdk_knows_every_reserved_claim() {
    assert_eq!(grantd_policy::RESERVED_CLAIMS, grantd::model::api::RESERVED_CLAIMS);
}

fn sha256(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().fold("sha256:".to_owned(), |text, byte| text + format!("{byte:02x}").as_str())
}

/// As `policies/build` makes it: `PATH NUL LENGTH NUL CONTENT` of each file, in the order of the paths.
fn source_hash(name: &str) -> String {
    let root = folder();
    let mut files = vec!["Cargo.toml".to_owned(), "Cargo.lock".to_owned()];
    for part in [name, "sdk", "wit"] {
        collect(&root, part, &mut files);
    }
    files.sort();
    let mut bytes = Vec::new();
    for path in files {
        let content = std::fs::read(root.join(&path)).unwrap();
        bytes.extend(format!("{path}\0{}\0", content.len()).into_bytes());
        bytes.extend(content);
    }
    sha256(&bytes)
}

fn collect(root: &Path, part: &str, files: &mut Vec<String>) {
    const NOT_SOURCE: &[&str] = &["cases", "policy.wasm", "policy.lock", "README.md", "target", "tests"];
    for entry in std::fs::read_dir(root.join(part)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{part}/{name}");
        if NOT_SOURCE.contains(&name.as_str()) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            collect(root, &path, files);
        } else {
            files.push(path);
        }
    }
}
