//! What `--help`, the completions and the manual pages say.

use crate::app::TestApp;
use crate::program::Program;
use crate::shell::Shell;

#[test]
fn help_is_a_tour() {
    let help = Shell::new().with("COLUMNS", "100").run(&["--help"]).expect(0);
    insta::assert_snapshot!(help);
}

#[test]
fn every_command_has_a_page_of_its_own() {
    let shell = Shell::new();
    let help = |arguments: &[&str]| shell.run(arguments).expect(0);
    for (command, wanted) in [
        ("account", "add list show set delete"),
        ("m2m", "add list show set delete secret"),
        ("api", "add list show set delete scope"),
        ("grant", "add list show set delete"),
        ("key", "list show delete rotate"),
        ("api-token", "add list show set delete"),
        ("audit", "list show verify"),
    ] {
        let page = help(&[command, "--help"]);
        for verb in wanted.split(' ') {
            assert!(page.contains(&format!("\n  {verb} ")), "{command} {verb}: {page}");
            let page = help(&[command, verb, "--help"]);
            assert!(page.contains("--server <URL>") || verb == "secret" || verb == "scope", "{page}");
        }
    }
    insta::assert_snapshot!(shell.with("COLUMNS", "100").run(&["grant", "add", "--help"]).expect(0));
}

#[test]
fn usage_errors_have_their_own_exit_code_and_the_nearest_word() {
    let shell = Shell::new();
    for (arguments, wanted) in [
        (vec![], "Usage: grantd"),
        (vec!["acount", "list"], "'account'"),
        (vec!["account", "lst"], "similar subcommand exists: 'list'"),
        (vec!["account", "list", "--filtr", "x"], "similar argument exists: '--filter'"),
        (vec!["api-token", "add", "x", "--role", "root"], "possible values: reader, editor, admin"),
        (vec!["account", "list", "--count", "1001"], "1001 is not in 1..=1000"),
        (vec!["grant", "add", "a", "b"], "<SCOPE>..."),
        (vec!["can", "a", "--api", "b", "--address", "999.1.1.1"], "invalid IP address"),
        (vec!["decision", "list", "--outcome", "bogus"], "possible values: issued, refused, failed"),
    ] {
        let text = shell.run(&arguments).refused(2);
        assert!(text.contains(wanted), "{arguments:?}: {text}");
    }
}

#[test]
fn completions_and_manual_pages_come_from_the_same_definition() {
    let shell = Shell::new();
    for name in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = shell.run(&["completions", name]).expect(0);
        assert!(script.contains("api-token") && script.contains("rotate"), "{name}");
    }
    assert!(shell.run(&["man"]).expect(0).contains(".TH grantd 1"));
    shell.run(&["man", "pages"]).expect(0);
    let pages: Vec<String> =
        crate::app::files_in(&shell.dir.path().join("pages")).into_iter().map(|file| file.0).collect();
    for page in ["grantd.1", "grantd-account-add.1", "grantd-m2m-secret-rotate.1"] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
}

/// A shell that is there takes its script, and offers what it says.
#[test]
fn bash_completes_what_there_is() {
    let shell = Shell::new();
    std::fs::write(shell.dir.path().join("grantd.bash"), shell.run(&["completions", "bash"]).expect(0)).unwrap();
    for (line, wanted) in [
        ("grantd api-", "api-token"),
        ("grantd key ro", "rotate"),
        ("grantd account add --ina", "--inactive"),
        ("grantd api-token add x --role ed", "editor"),
    ] {
        // As readline calls the function: the words so far, and which of them is being typed.
        let script = format!(
            "source ./grantd.bash; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _grantd grantd \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let mut bash = std::process::Command::new("bash");
        bash.args(["--norc", "-c", &script]).current_dir(shell.dir.path());
        let output = match bash.output() {
            Ok(output) => output,
            Err(error) => return eprintln!("skipped: no bash to ask: {error}"),
        };
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.split_whitespace().any(|word| word == wanted), "{line}: {said}{output:?}");
    }
}

/// The commands of the tour, typed as they stand, lead from nothing to a token.
#[test]
fn the_tour_of_the_help_works_as_it_stands() {
    let shell = Shell::new();
    let dev = Program::dev(shell.dir.path(), &[]);
    let shell = shell.with("GRANTD_SERVER", dev.url());
    let help = shell.run(&["--help"]).expect(0);
    let tour = help.lines().skip_while(|line| !line.contains("from nothing to a token"));
    let commands = tour.filter_map(|line| line.strip_prefix("  grantd ")).take(5);
    let (mut id, mut secret) = (String::new(), String::new());
    for command in commands {
        let command = command.split("  ").next().unwrap().replace("ID", &id).replace("SECRET", &secret);
        let out = shell.run(&command.split_whitespace().collect::<Vec<_>>()).expect(0);
        let value =
            |name: &str| out.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
        if command.starts_with("m2m") {
            (id, secret) = (value("client id"), value("client secret"));
        }
        if command.starts_with("token") {
            assert_eq!(crate::app::claims(out.trim())["scope"], "read");
            assert_eq!(crate::app::claims(out.trim())["client_id"], id);
            return;
        }
    }
    panic!("the tour ends without a token: {help}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let app = TestApp::start();
    let shell = Shell::of(&app);
    let mut child = shell.command(&["audit", "list", "--output", "json"]).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
