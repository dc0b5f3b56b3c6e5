//! The load: a closed loop of keep-alive connections, each with one request under way, on one thread.
//!
//! A closed loop saturates the server, so latencies here are those of a full queue (connections divided by rate), not
//! those of a quiet server; `--connections 1` shows the latter.
//!
//! With a core of its own the load never sleeps. Else the server pays for waking it, and pays more the slower it is:
//! for ES256 that was seen to cost the floor 4 µs a token and grantd 13, and to turn a ratio of 0.78 into 0.64.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{sleep_until, timeout};

use crate::Fallible;
use crate::exchange::{Frame, RESPONSE_BYTES_MAX, Wanted};
use crate::process::Server;

/// What a response may take beyond the window's end before the run counts as hung.
const GRACE: Duration = Duration::from_secs(10);

/// What is sent, one request after another, whichever connection is free.
pub(crate) struct Requests {
    list: Vec<Vec<u8>>,
    next: AtomicUsize,
    /// Whether the list begins again at its end. Requests that make something are good for once.
    again: bool,
    wanted: Wanted,
}

impl Requests {
    /// Over and over.
    pub(crate) fn repeated(list: Vec<Vec<u8>>, wanted: Wanted) -> Arc<Self> {
        Arc::new(Self { list, next: AtomicUsize::new(0), again: true, wanted })
    }

    /// Each of them once.
    pub(crate) fn once(list: Vec<Vec<u8>>, wanted: Wanted) -> Arc<Self> {
        Arc::new(Self { list, next: AtomicUsize::new(0), again: false, wanted })
    }

    /// How many different ones there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    fn next(&self) -> Fallible<&[u8]> {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let at = if self.again { at % self.list.len() } else { at };
        Ok(self.list.get(at).ok_or("every request that was prepared is used up: measure for a shorter time")?)
    }
}

/// One run: who is asked what, how hard, how long.
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<Requests>,
    pub(crate) connections: u32,
    /// Whether this process may keep its core busy while it waits.
    pub(crate) sleepless: bool,
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
}

/// What one run showed. Every response was a token, else there is no `Run`.
pub(crate) struct Run {
    pub(crate) tokens_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    /// CPU seconds of the server's process in each second; 1 is one core full. `None` where `/proc` is missing.
    pub(crate) server_busy: Option<f64>,
    /// The part of it that went into records.
    pub(crate) recording: Option<f64>,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:8.0} /s, p50 {:.2} ms, p99 {:.2} ms", self.tokens_per_second, self.p50_ms, self.p99_ms)
    }
}

/// Drives the plan, and reads the server's CPU time where the window begins and ends.
pub(crate) async fn run(plan: &Plan, server: &Server) -> Fallible<Run> {
    let begin = Instant::now() + plan.warm_up;
    let end = begin + plan.window;
    let mut streams = Vec::new();
    for _ in 0..plan.connections {
        let stream = TcpStream::connect(plan.address).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let tasks: Vec<_> = streams
        .into_iter()
        .map(|stream| tokio::spawn(connection(stream, Arc::clone(&plan.requests), begin, end)))
        .collect();

    let wakeful = plan.sleepless.then(|| tokio::spawn(stay_awake()));

    sleep_until(begin.into()).await;
    let (began, cpu_began, recorded_began) = (Instant::now(), server.cpu_seconds(), server.recording_seconds());
    sleep_until(end.into()).await;
    let (ended, cpu_ended, recorded_ended) = (Instant::now(), server.cpu_seconds(), server.recording_seconds());
    if let Some(task) = wakeful {
        task.abort();
    }

    let mut latencies = Vec::new();
    let collected = timeout(GRACE, async {
        for task in tasks {
            latencies.extend(task.await??);
        }
        Fallible::Ok(())
    });
    collected.await.map_err(|_| format!("no response for {} s", GRACE.as_secs()))??;
    if latencies.is_empty() {
        return Err("no response within the window".into());
    }
    latencies.sort_unstable();
    let busy = |from: Option<f64>, to: Option<f64>| Some((to? - from?) / (ended - began).as_secs_f64());
    Ok(Run {
        tokens_per_second: latencies.len() as f64 / plan.window.as_secs_f64(),
        p50_ms: percentile_ms(&latencies, 0.5),
        p99_ms: percentile_ms(&latencies, 0.99),
        p999_ms: percentile_ms(&latencies, 0.999),
        server_busy: busy(cpu_began, cpu_ended),
        recording: busy(recorded_began, recorded_ended),
    })
}

/// Asks `count` times, every request in turn, so that none of the rounds pays for a client's first time: answers a second.
pub(crate) async fn prime(plan: &Plan, count: usize) -> Fallible<f64> {
    let begin = Instant::now();
    let mut tasks = Vec::new();
    for first in 0..plan.connections as usize {
        let (requests, connections) = (Arc::clone(&plan.requests), plan.connections as usize);
        let mut stream = TcpStream::connect(plan.address).await?;
        stream.set_nodelay(true)?;
        tasks.push(tokio::spawn(async move {
            let mut buffer = vec![0; RESPONSE_BYTES_MAX];
            for request in requests.list.iter().cycle().take(count).skip(first).step_by(connections) {
                stream.write_all(request).await?;
                receive(&mut stream, &mut buffer, requests.wanted).await?;
            }
            Fallible::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}

/// A task that is always ready: the runtime looks for events without ever waiting for one.
async fn stay_awake() {
    loop {
        yield_now().await;
    }
}

/// The latencies of the responses that ended within the window. Those of the warm-up are checked, not counted.
async fn connection(
    mut stream: TcpStream,
    requests: Arc<Requests>,
    begin: Instant,
    end: Instant,
) -> Fallible<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(16 * 1024);
    let mut buffer = vec![0; RESPONSE_BYTES_MAX];
    let mut sent = Instant::now();
    while sent < end {
        stream.write_all(requests.next()?).await?;
        receive(&mut stream, &mut buffer, requests.wanted).await?;
        let received = Instant::now();
        if received >= begin && received < end {
            latencies.push(received - sent);
        }
        // The next request leaves at once: one reading of the clock serves both.
        sent = received;
    }
    Ok(latencies)
}

/// Reads and checks one response, which must be all that the server sent.
async fn receive(stream: &mut TcpStream, buffer: &mut [u8], wanted: Wanted) -> Fallible<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Err("the server closed a connection".into());
        }
        filled += read;
        let Some(frame) = Frame::find(&buffer[..filled])? else { continue };
        frame.body(&buffer[..filled], wanted)?;
        return if frame.end == filled { Ok(()) } else { Err("more bytes than one response".into()) };
    }
}

/// Nearest rank, of sorted latencies.
fn percentile_ms(sorted: &[Duration], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1].as_secs_f64() * 1e3
}
