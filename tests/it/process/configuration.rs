//! Where settings come from: the file, the environment and what Kubernetes puts into it; and what is said of mistakes.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::program::{complaint, grantd, run, told};

/// Runs a command with these variables.
fn with(dir: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    grantd(dir).envs(variables.iter().copied()).args(arguments).output().unwrap()
}

fn shown(dir: &Path, variables: &[(&str, &str)]) -> toml::Table {
    told(&with(dir, variables, &["config", "show"])).parse().unwrap()
}

#[test]
fn a_service_of_kubernetes_is_no_setting_and_a_slip_is() {
    let dir = tempfile::tempdir().unwrap();
    let service = [
        ("GRANTD_PORT", "tcp://10.0.0.1:8420"),
        ("GRANTD_SERVICE_HOST", "10.0.0.1"),
        ("GRANTD_SERVICE_PORT", "8420"),
        ("GRANTD_SERVICE_PORT_HTTP", "8420"),
        ("GRANTD_PORT_8420_TCP", "tcp://10.0.0.1:8420"),
        ("GRANTD_PORT_8420_TCP_PROTO", "tcp"),
        ("GRANTD_PORT_8420_TCP_PORT", "8420"),
        ("GRANTD_PORT_8420_TCP_ADDR", "10.0.0.1"),
    ];
    assert_eq!(told(&with(dir.path(), &service, &["config", "check"])), "the configuration is right\n");
    for (name, value, setting) in [
        ("GRANTD_PORT", "8420", "port"),
        ("GRANTD_SERVICE_HOSTS", "10.0.0.1", "service_hosts"),
        ("GRANTD_PORT_8420_TCP_NAME", "http", "port_8420_tcp_name"),
    ] {
        let output = with(dir.path(), &[(name, value)], &["config", "check"]);
        assert!(complaint(&output).contains(&format!("there is no setting {setting}")), "{}", complaint(&output));
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_variable_is_read_by_what_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let strings = |table: &toml::Table, name: &str| -> Vec<String> {
        table[name].as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    for (value, wanted) in [
        ("10.0.0.0/8", &["10.0.0.0/8"][..]),
        ("[10.0.0.0/8]", &["10.0.0.0/8"]),
        ("10.0.0.0/8, unix", &["10.0.0.0/8", "unix"]),
        ("", &[]),
    ] {
        let table = shown(dir.path(), &[("GRANTD_TRUSTED_PROXIES", value)]);
        assert_eq!(strings(&table, "trusted_proxies"), wanted, "{value}");
    }
    let table = shown(dir.path(), &[("GRANTD_DATABASE", "0123"), ("GRANTD_WORKERS", "3")]);
    assert_eq!((table["database"].as_str(), table["workers"].as_integer()), (Some("0123"), Some(3)));
}

#[test]
fn a_mistake_is_told_with_its_variable() {
    let dir = tempfile::tempdir().unwrap();
    for (name, value, wanted) in [
        ("GRANTD_WORKERS", "many", "workers: invalid type: found \"many\", expected a whole number"),
        ("GRANTD_LOG", "debug", "log: invalid type: found \"debug\", expected a section"),
        (
            "GRANTD_KEYS__ROTATE_DAYS",
            "-1",
            "keys.rotate_days: invalid value: found -1, expected a whole number from 0 to 4294967295",
        ),
        ("GRANTD_COMPAT__CROSSID", "yes", "compat.crossid: invalid type: found \"yes\", expected true or false"),
    ] {
        let output = with(dir.path(), &[(name, value)], &["config", "check"]);
        assert_eq!(complaint(&output), format!("grantd: {wanted} (in {name})\n"));
    }
    for (name, value, wanted) in [
        ("GRANTD_LISTEN", "unix:", "listen: name the socket's path, like unix:/run/grantd.sock"),
        ("GRANTD_DATABASE", "", "database is empty: name a file"),
        ("GRANTD_MASTER_KEY_FILE", "", "master_key_file is empty: name a file"),
    ] {
        let output = with(dir.path(), &[(name, value)], &["config", "check"]);
        assert_eq!(complaint(&output), format!("grantd: {wanted}\n"), "{name}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("grantd.toml");
    // Found by itself, and named.
    let refused = |wanted: &str| {
        for command in [&["config", "check"][..], &["config", "check", "--config", "./grantd.toml"], &["serve"]] {
            let said = complaint(&run(dir.path(), command));
            assert!(said.contains("grantd.toml") && said.contains(wanted), "{command:?}: {said}");
        }
    };
    std::fs::write(&path, b"database = \"\xff\"\n").unwrap();
    refused("grantd.toml cannot be read: stream did not contain valid UTF-8");
    std::fs::write(&path, "database = \n").unwrap();
    refused("grantd.toml: TOML parse error at line 1");
    std::fs::write(&path, "workers = \"many\"\n").unwrap();
    refused("expected a whole number (in ");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    refused("grantd.toml cannot be read: Is a directory");
}

#[test]
fn a_certificate_and_its_key_may_be_named_in_different_places() {
    let dir = tempfile::tempdir().unwrap();
    let alone = run(dir.path(), &["serve", "--tls-cert", "c.pem"]);
    assert_eq!(complaint(&alone), "grantd: tls.cert needs tls.key, the file with its private key\n");
    let both = with(dir.path(), &[("GRANTD_TLS__KEY", "k.pem")], &["serve", "--tls-cert", "c.pem"]);
    assert!(complaint(&both).contains("there is no database at grantd.db"), "{}", complaint(&both));
    std::fs::write(dir.path().join("grantd.toml"), "[tls]\ncert = \"c.pem\"\n").unwrap();
    let both = run(dir.path(), &["serve", "--tls-key", "k.pem"]);
    assert!(complaint(&both).contains("there is no database at grantd.db"), "{}", complaint(&both));
}

#[test]
fn a_directory_that_may_not_be_searched_has_no_file_unless_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("grantd.toml"), "lisen = \"127.0.0.1:1\"\n").unwrap();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        chown(dir.path(), Some(65534), Some(65534)).unwrap();
    }
    // Root may search everything, and becomes nobody.
    let ended = |script: &str| {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_grantd")]).env_clear().current_dir(dir.path());
        if is_root {
            command.uid(65534).gid(65534);
        }
        let output = command.output();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        output
    };
    if !ended("exec \"$0\" --version").is_ok_and(|output| output.status.success()) {
        // Built where nobody may come.
        return;
    }
    let output = ended("/bin/chmod 0 . && exec \"$0\" config check").unwrap();
    assert_eq!(told(&output), "the configuration is right\n");
    let said = complaint(&output);
    assert!(said.starts_with("warning: the current directory may not be searched"), "{said}");
    assert!(said.contains("--config or GRANTD_CONFIG") && said.lines().count() == 1, "{said}");
    let output = ended("/bin/chmod 0 . && exec \"$0\" config check --config grantd.toml").unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("grantd.toml cannot be read: Permission denied"), "{}", complaint(&output));
}
