//! What the author's tools keep compiled in the user's cache directory: found again, never trusted blindly, never needed.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::authoring::project;
use crate::shell::Shell;

const EVAL: [&str; 7] = ["policy", "eval", "policy.wasm", "--settings", r#"{"allow":["read"]}"#, "--output", "json"];

/// How long the module was compiled, if it was, and all that was answered.
fn eval(shell: &Shell, more: &[&str]) -> (Value, Value) {
    shell.file("request.json", r#"{"offered": ["read", "write"]}"#);
    let mut answer = shell.run(&[&EVAL[..], &["--input", "request.json"], more].concat()).json();
    let compiled = answer["compiledInMs"].take();
    answer.as_object_mut().unwrap().remove("micros");
    (compiled, answer)
}

fn kept(shell: &Shell) -> Vec<PathBuf> {
    let directory = shell.dir.path().join(".cache/grantd/modules");
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut kept: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    kept.retain(|path| path.extension().is_some_and(|extension| extension == "compiled"));
    kept
}

#[test]
fn a_module_is_compiled_once_and_answers_the_same() {
    let shell = project();
    let (first, told) = eval(&shell, &[]);
    assert!(first.is_u64(), "{first}");
    assert_eq!(kept(&shell).len(), 1);
    assert_eq!(eval(&shell, &[]), (Value::Null, told.clone()));
    let ran = shell.run(&["policy", "test", "policy.wasm", "--log-level", "debug"]);
    assert!(ran.err.contains("a module is not compiled again"), "{}", ran.err);
    assert!(ran.expect(0).ends_with("8 passed, 0 failed\n"));
    let (anew, same) = eval(&shell, &["--no-cache"]);
    assert!(anew.is_u64() && same == told, "{anew} {same}");
    // Measuring what compiling costs takes it upon itself.
    let shown = shell.run(&["policy", "bench", "policy.wasm", "--calls", "5", "--output", "json"]).json();
    let compile = shown["measures"].as_array().unwrap().iter().find(|one| one["what"] == "time to compile").unwrap();
    assert!(compile["median"].as_u64().unwrap() > 0, "{compile}");
    // The code holds bounds of its memory: another size is another form.
    let roomy = shell.with("GRANTD_POLICIES__MEMORY_MIB", "32");
    assert!(eval(&roomy, &[]).0.is_u64());
    assert_eq!((eval(&roomy, &[]).0, kept(&roomy).len()), (Value::Null, 2));
    let elsewhere = roomy.dir.path().join("elsewhere");
    let elsewhere = roomy.with("XDG_CACHE_HOME", elsewhere.to_str().unwrap());
    assert!(eval(&elsewhere, &[]).0.is_u64() && eval(&elsewhere, &[]).0.is_null());
    assert!(elsewhere.dir.path().join("elsewhere/grantd/modules").is_dir());
}

#[test]
fn a_compiled_module_that_was_touched_is_made_anew() {
    let shell = project();
    let (_, told) = eval(&shell, &[]);
    let [path] = kept(&shell).try_into().unwrap();
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    for bad in [bad, good[..100].to_vec(), Vec::new()] {
        fs::write(&path, &bad).unwrap();
        let ran = shell.run(&[&EVAL[..], &["--log-level", "warn"]].concat());
        assert!(ran.err.contains("a compiled module was changed: it is not used, and made anew"), "{}", ran.err);
        assert!(ran.json()["compiledInMs"].is_u64());
        assert_eq!(fs::read(&path).unwrap(), good);
    }
    assert_eq!(eval(&shell, &[]), (Value::Null, told));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let directory = path.parent().unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
        let ran = shell.run(&[&EVAL[..], &["--log-level", "debug"]].concat());
        assert!(ran.err.contains("this user alone can write to"), "{}", ran.err);
        assert!(ran.json()["compiledInMs"].is_u64());
    }
}

#[test]
fn without_a_place_to_keep_anything_all_works_as_well() {
    for home in ["/dev/null", "", "relative"] {
        let shell = project().with("HOME", home);
        let ran = shell.run(&[&EVAL[..], &["--log-level", "debug"]].concat());
        assert!(ran.err.contains("compiled modules are not kept: "), "{home}: {}", ran.err);
        assert!(ran.json()["compiledInMs"].is_u64(), "{home}");
        let ran = shell.run(&["policy", "test", "policy.wasm"]);
        assert_eq!(ran.err, "", "{home}");
        ran.expect(0);
        assert_eq!(eval(&shell, &[]).1["effect"]["permit"]["scopes"], json!(["read"]));
    }
}
