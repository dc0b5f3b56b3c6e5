//! The browser of this machine: one chromedriver for all tests, a few sessions at a time, none left behind.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

/// Sessions at a time: each is a browser of several processes.
const SESSIONS_MAX: usize = 2;
/// Where this is set, as in CI, a test that cannot run fails.
pub const REQUIRED: &str = "BROWSER_REQUIRED";

/// A chromedriver. Ends with the last test that uses it, and with this program, however that ends.
pub struct Driver {
    shell: Child,
    pub url: String,
    pub browser: PathBuf,
}

impl Driver {
    fn start(driver: &std::path::Path, browser: PathBuf) -> Self {
        // The shell waits for the end of its input, which comes with the end of this process, and takes the driver along.
        let script = r#""$0" --port=0 </dev/null & cat >/dev/null; kill "$!"; wait"#;
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .arg(driver)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(shell.stdout.take().unwrap()).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let rest = line.split("started successfully on port ").nth(1)?;
            rest.trim_end_matches('.').parse::<u16>().ok()
        });
        // What it says later is read and forgotten, so that it never waits for a reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let port = port.expect("chromedriver says which port it took");
        Self { shell, url: format!("http://127.0.0.1:{port}"), browser }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

static SHARED: Mutex<Weak<Driver>> = Mutex::new(Weak::new());
static SESSIONS: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// A turn at having a session.
pub struct Turn(());

impl Turn {
    fn take() -> Self {
        let sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sessions =
            FREED.wait_while(sessions, |sessions| *sessions >= SESSIONS_MAX).unwrap_or_else(PoisonError::into_inner);
        *sessions += 1;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *SESSIONS.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREED.notify_one();
    }
}

/// The driver and a turn at it, or nothing on a machine without a browser, which is said.
pub fn driver() -> Option<(Turn, Arc<Driver>)> {
    let Some(driver) = found(&["chromedriver"]) else { return skipped("there is no chromedriver here") };
    // The first has no windows of its own, and is quicker by a third. By its whole path, which stays what it is in every
    // folder: under its name in the path is a script that stays in between, and ends alone.
    let browsers = [
        "/usr/lib/chromium/chromium-headless-shell",
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "chrome",
    ];
    let Some(browser) = found(&browsers) else {
        return skipped("there is no Chromium and no Chrome here");
    };
    let turn = Turn::take();
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let running = shared.upgrade().unwrap_or_else(|| {
        let started = Arc::new(Driver::start(&driver, browser));
        *shared = Arc::downgrade(&started);
        started
    });
    Some((turn, running))
}

/// Says that a test was skipped and why; fails it where nothing may be skipped.
pub fn skipped<T>(why: &str) -> Option<T> {
    let name = std::thread::current().name().unwrap_or("a test of the console").to_owned();
    assert!(std::env::var_os(REQUIRED).is_none(), "{name} cannot run: {why}, and {REQUIRED} is set");
    // Not by a macro: what those print of a test that passes is never shown.
    let _ = writeln!(std::io::stderr(), "skipped {name}: {why}");
    None
}

fn found(names: &[&str]) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    let mut candidates = names.iter().flat_map(|name| std::env::split_paths(&paths).map(move |path| path.join(name)));
    candidates.find(|candidate| candidate.is_file())
}
