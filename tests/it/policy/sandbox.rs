//! What hostile and broken modules meet: each is found out where it should be, in words that name the export and the
//! limit, and one does not disturb another.

use std::fmt::Write as _;

use grantd::clock::Clock;
use grantd::config::PoliciesConfig;
use grantd::policy::abi::{Account, Api, Client, Decision, Request};
use grantd::policy::{Failure, FailureKind, Workbench};

use super::hostile::{HOSTILE, Stage, hostile};
use super::modules::{harmless, padded_to, slow};

fn request() -> Request {
    Request {
        account: Account { id: "a".repeat(22), user_name: "periodicCleanup".into(), ..Account::default() },
        client: Client { client_id: "c".into(), auth_method: "client_secret_post".into(), ..Client::default() },
        api: Api { app_id: "myrestapi".into(), audience: "myrestapi".into(), ..Api::default() },
        grant_type: "client_credentials".into(),
        requested: vec!["write".into()],
        offered: vec!["write".into()],
        ttl_seconds: 3600,
        ..Request::default()
    }
}

/// Where a module fails, and how; or what it answers.
fn ordeal(bench: &Workbench, bytes: &[u8]) -> Result<Decision, (Stage, Failure)> {
    let specimen = bench.examine(bytes).map_err(|failure| {
        let stage = if failure.export.is_some() { Stage::Describe } else { Stage::Load };
        (stage, failure)
    })?;
    match bench.validate_settings(&specimen, "{}") {
        Ok(Ok(())) => {}
        Ok(Err(_)) => {
            let what = "settings refused".to_owned();
            let export = Some("validate-settings");
            let (kind, backtrace, printed) = (FailureKind::Refused, None, String::new());
            let (fuel, micros) = (0, 0);
            return Err((Stage::ValidateSettings, Failure { kind, export, what, backtrace, printed, fuel, micros }));
        }
        Err(failure) => return Err((Stage::ValidateSettings, failure)),
    }
    bench.evaluate(&specimen, &request(), "{}").map(|run| run.decision).map_err(|failure| (Stage::Evaluate, failure))
}

/// Limits by which fuel runs out before time does, on the slowest machine.
fn patient() -> PoliciesConfig {
    PoliciesConfig { deadline_ms: 60_000, ..PoliciesConfig::default() }
}

#[test]
fn every_hostile_module_is_found_out_in_words() {
    let bench = Workbench::new(&patient(), &Clock::system()).unwrap();
    let good = harmless("good");
    let mut told = String::new();
    for (name, latest) in HOSTILE {
        let outcome = ordeal(&bench, &hostile(name));
        match &outcome {
            Ok(decision) => {
                let scopes = match decision {
                    Decision::Permit(permit) => format!("permit of {} scopes", permit.scopes.len()),
                    Decision::Deny(denial) => format!("denial {}", denial.code),
                };
                writeln!(told, "{name}: {scopes}").unwrap();
                // An empty permit, and one of foreign scopes, are answers: what is left of them is decided outside.
                assert!(matches!(latest, Stage::Harmless | Stage::Evaluate), "{name}");
            }
            Err((stage, failure)) => {
                writeln!(told, "{name}: {stage:?}, {}, {failure}", failure.kind.as_str()).unwrap();
                let order = |stage: &Stage| match stage {
                    Stage::Load => 0,
                    Stage::Describe => 1,
                    Stage::ValidateSettings => 2,
                    Stage::Evaluate => 3,
                    Stage::Harmless => 4,
                };
                assert!(order(stage) <= order(latest), "{name} was found out too late: {stage:?}, {failure}");
                assert_eq!(failure.export.is_some(), *stage != Stage::Load, "{name}: {failure}");
            }
        }
        // Nothing of it stays behind.
        assert!(ordeal(&bench, &good).is_ok(), "after {name}");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_module_at_the_size_cap_is_taken_and_one_byte_more_is_not() {
    let limits = PoliciesConfig { module_kib: 64, ..PoliciesConfig::default() };
    let bench = Workbench::new(&limits, &Clock::system()).unwrap();
    assert!(bench.examine(&padded_to(64 * 1024)).is_ok());
    let failure = bench.examine(&padded_to(64 * 1024 + 1)).err().unwrap();
    assert!(failure.to_string().contains("65537 bytes, and may have 65536 (policies.module_kib)"), "{failure}");
}

#[test]
fn the_same_request_burns_the_same_fuel_and_a_smaller_limit_ends_it() {
    let bench = Workbench::new(&patient(), &Clock::system()).unwrap();
    let specimen = bench.examine(&slow(5)).unwrap();
    let run = || bench.evaluate(&specimen, &request(), "{}").unwrap();
    let (first, second) = (run(), run());
    assert_eq!((first.fuel, first.memory_bytes), (second.fuel, second.memory_bytes));
    assert!(first.fuel > 5_000_000);
    let limits = PoliciesConfig { fuel: first.fuel / 2, ..patient() };
    let tight = Workbench::new(&limits, &Clock::system()).unwrap();
    let failure = tight.evaluate(&tight.examine(&slow(5)).unwrap(), &request(), "{}").unwrap_err();
    assert_eq!((failure.kind, failure.export), (FailureKind::Timeout, Some("evaluate")));
    assert!(failure.what.contains("policies.fuel"), "{failure}");
    assert_eq!(failure.fuel, first.fuel / 2, "all that it had");
    assert!(failure.micros > 0);
}

#[test]
fn what_a_failed_call_took_is_known() {
    let bench = Workbench::new(&patient(), &Clock::system()).unwrap();
    for name in ["trap-in-evaluate", "trap-in-post-return", "claim-reserved", "denial-code-not-a-code", "string-8-mib"]
    {
        let fail = || ordeal(&bench, &hostile(name)).unwrap_err();
        let (stage, failure) = fail();
        assert_eq!(stage, Stage::Evaluate, "{name}");
        assert!(failure.fuel > 0 && failure.micros > 0, "{name}: {failure:?}");
        assert_eq!(failure.fuel, fail().1.fuel, "{name}");
    }
    // Before the call itself, when the instance is made.
    let (_, failure) = ordeal(&bench, &hostile("infinite-loop-in-start")).unwrap_err();
    assert!(failure.fuel > 1_000_000 && failure.micros > 100, "{failure:?}");
}

#[test]
fn time_runs_out_for_what_fuel_does_not_stop() {
    let limits = PoliciesConfig { fuel: u64::MAX / 2, deadline_ms: 30, ..PoliciesConfig::default() };
    let bench = Workbench::new(&limits, &Clock::system()).unwrap();
    let failure = ordeal(&bench, &hostile("infinite-loop")).unwrap_err().1;
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert!(failure.what.contains("30 ms (policies.deadline_ms)"), "{failure}");
    // Compiled code keeps its count of fuel to itself until it leaves the loop, which it never did.
    assert!(failure.micros > 10_000, "{failure:?}");
}
