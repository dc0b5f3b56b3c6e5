//! Processes under measurement: pinning by `taskset`, pausing and ending by `kill`, memory and CPU time from `/proc`.
//! Commands instead of system calls, because the crate forbids unsafe code; only processes started here are touched.

use std::fmt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Fallible;

/// `/proc` counts CPU time in these, on every Linux this runs on.
const TICKS_PER_SECOND: f64 = 100.0;
/// The threads of grantd that write decisions down.
const RECORDING: [&str; 2] = ["grantd-recorder", "grantd-writer"];
/// What SIGTERM may take.
const STOP_MAX: Duration = Duration::from_secs(20);

/// Whether servers and load each have a core to themselves.
pub(crate) enum Cores {
    Apart,
    Unpinned(String),
}

impl Cores {
    /// Moves this process to core 1 and promises core 0 to servers, or says why not. Call it before any thread starts:
    /// `taskset` moves one thread, and later ones inherit.
    pub(crate) fn pin_self() -> Self {
        let this = std::process::id().to_string();
        for arguments in [["-c", "0", "true"].as_slice(), &["-c", "-p", "1", &this]] {
            match Command::new("taskset").args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).output() {
                Ok(output) if output.status.success() => {}
                Ok(output) => return Self::Unpinned(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
                Err(error) => return Self::Unpinned(format!("taskset: {error}")),
            }
        }
        Self::Apart
    }

    /// A command for a server. `taskset` becomes the program it starts, so the child's pid is the server's.
    pub(crate) fn server_command(&self, program: &Path) -> Command {
        match self {
            Self::Apart => {
                let mut command = Command::new("taskset");
                command.args(["-c", "0"]).arg(program);
                command
            }
            Self::Unpinned(_) => Command::new(program),
        }
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apart => f.write_str("server on core 0, load on core 1, which never sleeps"),
            Self::Unpinned(why) => write!(f, "NOT PINNED, so the figures vary more ({why})"),
        }
    }
}

/// A server process; killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
}

impl Server {
    /// Stops its clock: until `resume`, it takes no CPU time.
    pub(crate) fn pause(&self) -> Fallible<()> {
        self.signal("-STOP")
    }

    pub(crate) fn resume(&self) -> Fallible<()> {
        self.signal("-CONT")
    }

    /// Ends it as an operator does, by SIGTERM; one that does not obey is an error.
    pub(crate) fn stop(&mut self) -> Fallible<()> {
        self.signal("-TERM")?;
        let deadline = Instant::now() + STOP_MAX;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(format!("a server still runs {} s after SIGTERM", STOP_MAX.as_secs()).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Resident memory in MiB.
    pub(crate) fn resident_mib(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?;
        kib.parse::<f64>().ok().map(|kib| kib / 1024.0)
    }

    /// Files and sockets that it has open.
    pub(crate) fn descriptors(&self) -> Option<usize> {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).ok().map(Iterator::count)
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        cpu_seconds(&format!("/proc/{}", self.child.id()))
    }

    /// CPU time of the threads that write decisions down, which under a load of tokens write nothing else.
    pub(crate) fn recording_seconds(&self) -> Option<f64> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        let mut found = None;
        for task in tasks {
            let task = task.ok()?.path();
            let name = std::fs::read_to_string(task.join("comm")).unwrap_or_default();
            if RECORDING.contains(&name.trim_end()) {
                found = Some(found.unwrap_or(0.0) + cpu_seconds(task.to_str()?)?);
            }
        }
        found
    }

    fn signal(&self, signal: &str) -> Fallible<()> {
        let kill = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status();
        let status = kill.map_err(|error| format!("the command kill: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("kill {signal} {}: {status}", self.child.id()).into()) }
    }
}

/// CPU time of this process so far.
pub(crate) fn own_cpu_seconds() -> Option<f64> {
    cpu_seconds("/proc/self")
}

/// User and system time, fields 14 and 15 of the stat line (proc_pid_stat(5)) of a process or a thread.
fn cpu_seconds(folder: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("{folder}/stat")).ok()?;
    // The name before the last ')' may hold anything; field 3 follows it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    Some((ticks.next()?.ok()? + ticks.next()?.ok()?) / TICKS_PER_SECOND)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and there is nobody left to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
