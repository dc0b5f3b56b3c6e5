//! A disk that fills up or fails under the real program: writes are refused as a whole, reads and tokens go on, and
//! all is well when it works again. The disk is made bad by tools/crash/faults.c.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::app::{Answer, eventually};
use crate::program::{Program, complaint, grantd, run, told};

/// The bits of `enum fault`.
const WRITE_EIO: u32 = 1;
const WRITE_ENOSPC: u32 = 1 << 1;
const SYNC_EIO: u32 = 1 << 4;

/// The library that makes a disk bad, and the file that says how bad.
struct Disk {
    library: PathBuf,
    control: PathBuf,
}

impl Disk {
    fn new(dir: &Path) -> Self {
        let (library, control) = (dir.join("faults.so"), dir.join("faults.control"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/crash/faults.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source).args(["-ldl", "-lpthread"]);
        assert!(cc.status().expect("a C compiler, which building grantd needs too").success());
        std::fs::write(&control, [0; 4096]).unwrap();
        Self { library, control }
    }

    /// Every call that is named by `faults` fails from now on.
    fn fails(&self, faults: u32) {
        use std::io::Write;
        let words: Vec<u8> = [faults, 1].iter().flat_map(|word| word.to_le_bytes()).collect();
        std::fs::OpenOptions::new().write(true).open(&self.control).unwrap().write_all(&words).unwrap();
    }

    fn under<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("LD_PRELOAD", &self.library).env("FAULTS_CONTROL", &self.control)
    }

    fn dev(&self, dir: &Path) -> Program {
        Program::start(dir, &["dev", "--listen", "127.0.0.1:0"], |command| {
            self.under(command);
        })
    }
}

fn create(program: &Program, name: &str) -> Answer {
    program.admin("POST", "/resources/cid/ServiceAccount", &json!({"userName": name}))
}

fn totals(program: &Program) -> Vec<Value> {
    let paths = ["/resources/cid/ServiceAccount", "/audit/commits", "/event-logs"];
    paths.map(|path| program.admin("GET", path, &Value::Null).expect(200)["totalResults"].clone()).to_vec()
}

#[test]
fn a_full_disk_refuses_writes_whole_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    for (fault, says) in [
        (WRITE_ENOSPC, "the server's disk is full: nothing was changed; try again when there is room"),
        (WRITE_EIO, "the server's disk failed"),
        (SYNC_EIO, "the server's disk failed"),
    ] {
        let program = disk.dev(dir.path());
        create(&program, &format!("before{fault}")).expect(201);
        // The server's own keys are made by now, so that the counts below are about this test's writes.
        eventually("the next keys", || {
            let keys = program.admin("GET", "/keys", &Value::Null).expect(200);
            (keys["totalResults"] == 6).then_some(())
        });
        let before = totals(&program);
        disk.fails(fault);
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let program = &program;
                scope.spawn(move || {
                    for number in 0..5 {
                        let refused = create(program, &format!("name{fault}-{writer}-{number}"));
                        assert_eq!(refused.header("retry-after"), "1");
                        let refused = refused.expect(503);
                        assert!(refused["detail"].as_str().unwrap().starts_with(says), "{refused}");
                        // Who only asks is served all the while.
                        program.sample_token().expect(200);
                    }
                });
            }
        });
        assert_eq!(totals(&program), before, "nothing of a refused write is seen");
        disk.fails(0);
        // Each of them can be made now: none was kept in secret.
        for name in (0..4).flat_map(|writer| (0..5).map(move |number| format!("name{fault}-{writer}-{number}"))) {
            create(&program, &name).expect(201);
        }
        let after = totals(&program);
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(after.as_i64().unwrap(), before.as_i64().unwrap() + 20);
        }
        program.stop();
        let found = told(&run(dir.path(), &["doctor"]));
        assert!(found.contains("every page and index of the database is whole"), "{found}");
    }
}

#[test]
fn a_disk_that_is_full_at_the_first_start_is_told_in_one_line_and_the_next_start_works() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    disk.fails(WRITE_ENOSPC);
    let output = disk.under(grantd(dir.path()).arg("init")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(complaint(&output), "grantd: grantd.db: the disk is full; make room and try again\n");
    disk.fails(0);
    let token = told(disk.under(grantd(dir.path()).arg("init")).output().as_ref().unwrap());
    let program = Program::serve(dir.path(), &[]);
    program.try_admin(token.trim_end(), "GET", "/keys", &Value::Null).unwrap().expect(200);
    program.stop();
}

#[test]
fn a_server_starts_on_a_full_disk_and_issues_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    disk.dev(dir.path()).stop();
    disk.fails(WRITE_ENOSPC);
    let program = disk.dev(dir.path());
    program.sample_token().expect(200);
    create(&program, "a").expect(503);
    disk.fails(0);
    create(&program, "a").expect(201);
    program.stop();
}
