//! What is printed at the end: medians with their spread, the ratio, and what stands against believing them.

use std::fmt;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};

use crate::load::Run;
use crate::subject::Subject;
use crate::{Fallible, SETTLE, exchange};

/// Below this share of its core, a server waited for something else than itself: for the client, or for a disk.
const BUSY_MIN: f64 = 0.9;

/// All that was measured of one server.
pub(crate) struct Side {
    /// `alg` of its tokens, as their header says.
    pub(crate) alg: String,
    token_bytes: usize,
    idle_mib: Option<f64>,
    pub(crate) loaded_mib: Option<f64>,
    pub(crate) runs: Vec<Run>,
    pub(crate) starts_ms: Vec<f64>,
}

impl Side {
    /// A server that has just started: its memory, then one token to look at.
    pub(crate) fn idle(subject: &Subject) -> Fallible<Self> {
        std::thread::sleep(SETTLE);
        let idle_mib = subject.server.resident_mib();
        let body = exchange::token_body(subject.address, &subject.request)
            .map_err(|error| format!("no token from {}: {error}{}", subject.name, subject.log_tail()))?;
        let answer: serde_json::Value = serde_json::from_slice(&body)?;
        let token = answer["access_token"].as_str().ok_or("access_token is not a string")?;
        let header = token.split('.').next().unwrap_or_default();
        let header: serde_json::Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header)?)?;
        let alg = header["alg"].as_str().ok_or("a token without alg")?.to_owned();
        Ok(Self { alg, token_bytes: token.len(), idle_mib, loaded_mib: None, runs: Vec::new(), starts_ms: Vec::new() })
    }

    fn spread(&self, value: impl Fn(&Run) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.runs.iter().map(value).collect::<Option<_>>()?)
    }
}

fn cpu_us_per_token(run: &Run) -> Option<f64> {
    Some(run.server_busy? * 1e6 / run.tokens_per_second)
}

fn recording_percent(run: &Run) -> Option<f64> {
    Some(run.recording? / run.server_busy? * 1e2)
}

/// Median, least and greatest of a few values.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let (least, greatest) = (*values.first()?, *values.last()?);
        let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median, least, greatest })
    }
}

/// The whole result; its `Display` is what the benchmark prints.
pub(crate) struct Report {
    pub(crate) alg: &'static str,
    pub(crate) machine: String,
    pub(crate) settings: Vec<String>,
    /// What grantd is compared with.
    pub(crate) base_name: String,
    /// What was asked for: tokens, mostly.
    pub(crate) asked: &'static str,
    pub(crate) base: Side,
    pub(crate) grantd: Side,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "grantd against {}, {} {}; median (least to greatest)\n", self.base_name, self.alg, self.asked)?;
        writeln!(f, "machine   {}", self.machine)?;
        for line in &self.settings {
            writeln!(f, "settings  {line}")?;
        }
        writeln!(f, "\n{:28}{:>32}{:>32}", "", self.base_name, "grantd")?;
        self.row(f, "answers a second", 0, |side| side.spread(|run| Some(run.tokens_per_second)))?;
        self.row(f, "latency p50, ms", 2, |side| side.spread(|run| Some(run.p50_ms)))?;
        self.row(f, "latency p99, ms", 2, |side| side.spread(|run| Some(run.p99_ms)))?;
        self.row(f, "latency p99.9, ms", 2, |side| side.spread(|run| Some(run.p999_ms)))?;
        self.row(f, "server CPU an answer, µs", 1, |side| side.spread(cpu_us_per_token))?;
        self.row(f, "of it for records, %", 1, |side| side.spread(recording_percent))?;
        self.row(f, "server busy, % of a core", 0, |side| side.spread(|run| Some(run.server_busy? * 1e2)))?;
        self.row(f, "start to first token, ms", 1, |side| Spread::of(side.starts_ms.clone()))?;
        self.single(f, "memory after start, MiB", |side| side.idle_mib)?;
        self.single(f, "memory after load, MiB", |side| side.loaded_mib)?;
        self.single(f, "token, bytes", |side| Some(side.token_bytes as f64))?;
        self.ratio(f)?;
        self.notes(f)
    }
}

impl Report {
    fn row(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        decimals: usize,
        value: impl Fn(&Side) -> Option<Spread>,
    ) -> fmt::Result {
        let cell = |side| {
            value(side).map_or_else(
                || "-".to_owned(),
                |Spread { median, least, greatest }| {
                    format!("{median:.decimals$} ({least:.decimals$} to {greatest:.decimals$})")
                },
            )
        };
        writeln!(f, "{name:28}{:>32}{:>32}", cell(&self.base), cell(&self.grantd))
    }

    fn single(&self, f: &mut fmt::Formatter<'_>, name: &str, value: impl Fn(&Side) -> Option<f64>) -> fmt::Result {
        let cell = |side| value(side).map_or_else(|| "unknown".to_owned(), |value| format!("{value:.0}"));
        writeln!(f, "{name:28}{:>32}{:>32}", cell(&self.base), cell(&self.grantd))
    }

    fn ratios(&self) -> Vec<f64> {
        let pairs = self.grantd.runs.iter().zip(&self.base.runs);
        pairs.map(|(grantd, base)| grantd.tokens_per_second / base.tokens_per_second).collect()
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        let spread = |found: Option<Spread>| found.map(|found| [found.median, found.least, found.greatest]);
        let side = |side: &Side| {
            serde_json::json!({
                "perSecond": spread(side.spread(|run| Some(run.tokens_per_second))),
                "p50Ms": spread(side.spread(|run| Some(run.p50_ms))),
                "p99Ms": spread(side.spread(|run| Some(run.p99_ms))),
                "p999Ms": spread(side.spread(|run| Some(run.p999_ms))),
                "cpuUs": spread(side.spread(cpu_us_per_token)),
                "recordingPercent": spread(side.spread(recording_percent)),
                "busy": spread(side.spread(|run| run.server_busy)),
                "startMs": spread(Spread::of(side.starts_ms.clone())),
                "idleMib": side.idle_mib,
                "loadedMib": side.loaded_mib,
                "tokenBytes": side.token_bytes,
            })
        };
        serde_json::json!({
            "alg": self.alg,
            "machine": self.machine,
            "baseName": self.base_name,
            "base": side(&self.base),
            "grantd": side(&self.grantd),
            "ratio": spread(Spread::of(self.ratios())),
        })
    }

    fn ratio(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratios = self.ratios();
        let each = ratios.iter().map(|ratio| format!("{ratio:.3}")).collect::<Vec<_>>().join(" ");
        writeln!(f, "\ngrantd / {}, each round:  {each}", self.base_name)?;
        if let Some(spread) = Spread::of(ratios) {
            writeln!(f, "grantd / {}, median:      {:.3}", self.base_name, spread.median)?;
        }
        // A core that is shared with something else changes rates, and hardly the CPU time of a token.
        let cpu = |side: &Side| side.spread(cpu_us_per_token);
        if let (Some(base), Some(grantd)) = (cpu(&self.base), cpu(&self.grantd)) {
            writeln!(f, "the same by CPU an answer:   {:.3}", base.median / grantd.median)?;
            writeln!(f, "CPU an answer above {}:     {:.1} µs", self.base_name, grantd.median - base.median)?;
        }
        Ok(())
    }

    /// Anything that makes the ratio something else than what it claims to be.
    fn notes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, side) in [(self.base_name.as_str(), &self.base), ("grantd", &self.grantd)] {
            let busy = side.spread(|run| run.server_busy);
            let Some(Spread { median, least, .. }) = busy else { continue };
            if median < BUSY_MIN {
                writeln!(f, "NOTE: the core of {name} was not full: its rate here is not the most it can do")?;
            } else if least < BUSY_MIN {
                let percent = least * 1e2;
                writeln!(f, "NOTE: in a round {name} had only {percent:.0} % of its core: something else ran on it")?;
            }
        }
        if self.alg == "RS256" && self.base_name == "floor" {
            writeln!(f, "NOTE: the floor makes its RSA key at every start, grantd keeps its own: compare no starts")?;
        }
        Ok(())
    }
}
