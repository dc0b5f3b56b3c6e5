//! The README's commands and the example, run as they stand.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::app::claims;
use crate::program::Program;

const README: &str = include_str!("../../README.md");

/// The shell commands of the tested chapter, in order.
fn commands() -> String {
    let chapter = README.split("<!-- the test").nth(1).unwrap().split("<!-- end of the tested").next().unwrap();
    let blocks = chapter.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.collect()
}

#[test]
fn the_readmes_commands_work_as_they_stand() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Program::dev(dir.path(), &[]);
    let script = commands().replace("http://127.0.0.1:8420", dev.url());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .env("API_TOKEN", dev.of("api_token"))
        .current_dir(dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    // Every answer is one JSON document; none of them is an error.
    let answers: Vec<Value> = serde_json::Deserializer::from_str(&text).into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(answers.len(), 7, "{text}");
    assert!(answers.iter().all(|answer| answer.get("error").is_none() && answer.get("code").is_none()), "{text}");
    let token = claims(answers[4]["access_token"].as_str().unwrap());
    assert_eq!(token["sub"], answers[0]["id"]);
    assert_eq!(token["aud"], "myrestapi");
    assert_eq!(token["scp"], serde_json::json!(["write"]));
    assert_eq!(answers[5]["issuer"], token["iss"]);
    assert!(answers[6]["keys"].as_array().unwrap().len() >= 3);
}

#[test]
fn the_how_to_is_typed_as_it_stands() {
    let curl = README.split("**Create a service account**").nth(1).unwrap();
    for line in [r#"-H "Authorization: Bearer"#, r#""userName": "periodicCleanup""#, "ServiceAccount?reason=add-user"] {
        assert!(curl.contains(line), "{line}");
    }
}

#[test]
fn the_embedding_example_runs() {
    let programs = Path::new(env!("CARGO_BIN_EXE_grantd")).parent().unwrap();
    let example: PathBuf = programs.join("examples").join("embed");
    let dir = tempfile::tempdir().unwrap();
    let run = || {
        let output = Command::new(&example).arg(dir.path().join("embedded.db")).output();
        output.unwrap_or_else(|error| panic!("{}: {error}; cargo build --examples makes it", example.display()))
    };
    for _first_and_second_start in 0..2 {
        let output = run();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "\"write\"\n");
    }
}
