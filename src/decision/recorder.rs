//! Writes decisions down behind the requests: a bounded queue, one thread, many records to a commit.
//!
//! A request pays for a push into a vector. What does not fit is dropped and counted, and never slows a token; with
//! `decisions.durable` the answer waits for the commit that holds its record, and fails without it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::content::LeftOut;
use super::known::Known;
use super::outcomes::Outcomes;
use super::strangers::Allowance;
use super::{Asker, Decision};
use crate::config::DecisionsConfig;
use crate::error::{Error, Result};
use crate::exact::Key;
use crate::store::{NewContent, NewDecision, Store};

/// What records that wait for the disk may take of memory: some 100,000 of them, more than a second's at any rate.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Of these, what strangers may take up: they must not crowd others out of the queue either.
const STRANGERS_WAITING_MAX: usize = 1000;
/// Records that one commit holds.
const BATCH_MAX: usize = 4000;
/// How long a commit waits for more records to share it.
const GATHER: Duration = Duration::from_millis(80);
/// Tries to write a batch, and the pause between them.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// Requested scopes that the record of a request without policies keeps.
const REQUESTED_KEPT_MAX: usize = 20;
/// In one batch, how often a stranger's client is looked up.
const LOOKUPS_MAX: usize = 100;

/// Keeps the record of every token request.
pub(crate) struct Recorder {
    shared: Arc<Shared>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    durable: bool,
}

/// What became of records since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) written: AtomicU64,
    /// The queue was full.
    pub(crate) dropped: AtomicU64,
    /// The database did not take them.
    pub(crate) lost: AtomicU64,
    /// Refusals of strangers beyond their share.
    pub(crate) left_out: AtomicU64,
    /// How requests ended.
    pub(crate) outcomes: Outcomes,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    counters: Counters,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Of these, and of those that are being written.
    bytes: usize,
    strangers: usize,
    settling: Vec<oneshot::Sender<()>>,
    closed: bool,
}

struct Waiting {
    decision: Box<Decision>,
    done: Option<oneshot::Sender<bool>>,
    bytes: usize,
}

impl Recorder {
    /// Starts the thread.
    pub(crate) fn start(store: Arc<Store>, config: &DecisionsConfig) -> Result<Self> {
        let shared =
            Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new(), counters: Counters::default() });
        let gather = if config.durable { Duration::ZERO } else { GATHER };
        let last = store.decision_last()?;
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("grantd-recorder".to_owned())
            .spawn(move || Writer::new(&theirs, &store, last).run(gather))
            .map_err(|error| Error::Setup(format!("the thread that records decisions cannot start: {error}")))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)), durable: config.durable })
    }

    /// Records a decision. Answers at once, unless records are durable and a client is authenticated: then when the
    /// record is on the disk.
    ///
    /// # Errors
    /// `Unavailable` when a durable record cannot be written: its token must not be given out.
    pub(crate) async fn record(&self, decision: Box<Decision>) -> Result<()> {
        // A stranger gets nothing that its record would have to vouch for, and is told nothing by how long it takes.
        if !self.durable || decision.is_of_stranger() {
            self.shared.counters.outcomes.note(Outcomes::counter_of(&decision));
            self.push(decision, None);
            return Ok(());
        }
        let (done, written) = oneshot::channel();
        // Counted by who writes it: how it ends is known only then.
        if !self.push(decision, Some(done)) {
            self.shared.counters.outcomes.note(Outcomes::unrecorded());
        } else if written.await == Ok(true) {
            return Ok(());
        }
        Err(Error::Unavailable {
            detail: "the record of this request cannot be written, so it is not answered: try again".to_owned(),
            cause: "a decision could not be recorded, and decisions.durable is set".to_owned(),
        })
    }

    /// Waits until what was recorded before is on the disk: who reads records sees those of requests already
    /// answered. Blocks.
    pub(crate) fn settle(&self) {
        let (settled, done) = oneshot::channel();
        {
            let mut queue = self.shared.lock();
            if queue.closed {
                return;
            }
            queue.settling.push(settled);
        }
        self.shared.changed.notify_one();
        // An error says that the thread is gone, and then there is nothing to wait for.
        let _ = done.blocking_recv();
    }

    /// What became of records since the start.
    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Writes what waits, and ends the thread. Later records are dropped.
    pub(crate) fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = thread.map(std::thread::JoinHandle::join) {
            tracing::error!("the thread that records decisions ended in a panic");
        }
    }

    /// Whether there was room.
    fn push(&self, decision: Box<Decision>, done: Option<oneshot::Sender<bool>>) -> bool {
        let (stranger, bytes) = (decision.is_of_stranger(), decision.bytes());
        let mut queue = self.shared.lock();
        let full = queue.bytes + bytes > WAITING_BYTES_MAX || (stranger && queue.strangers >= STRANGERS_WAITING_MAX);
        if queue.closed || full {
            drop(queue);
            self.shared.counters.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        queue.strangers += usize::from(stranger);
        queue.bytes += bytes;
        queue.waiting.push(Waiting { decision, done, bytes });
        // Between the first and a full batch the thread has nothing new to know.
        let worth_a_call = matches!(queue.waiting.len(), 1 | BATCH_MAX);
        drop(queue);
        if worth_a_call {
            self.shared.changed.notify_one();
        }
        true
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that waits, as soon as something does and `gather` more has passed.
    fn take(&self, gather: Duration) -> Queue {
        let is_idle = |queue: &mut Queue| queue.waiting.is_empty() && queue.settling.is_empty() && !queue.closed;
        let may_grow =
            |queue: &mut Queue| queue.waiting.len() < BATCH_MAX && queue.settling.is_empty() && !queue.closed;
        let queue = self.changed.wait_while(self.lock(), is_idle).unwrap_or_else(PoisonError::into_inner);
        let mut queue =
            self.changed.wait_timeout_while(queue, gather, may_grow).unwrap_or_else(PoisonError::into_inner).0;
        let Queue { closed, bytes, .. } = *queue;
        std::mem::replace(&mut *queue, Queue { closed, bytes, ..Queue::default() })
    }
}

/// The thread's own.
struct Writer<'a> {
    shared: &'a Shared,
    store: &'a Store,
    /// Strangers that name no client of this server, and those that name one without proving to be it.
    unknown: Allowance,
    known: Allowance,
    /// `seq` of the last decision that is written.
    last: i64,
    said: Known,
    key: Key,
}

impl<'a> Writer<'a> {
    fn new(shared: &'a Shared, store: &'a Store, last: i64) -> Self {
        let (unknown, known) = (Allowance::default(), Allowance::default());
        Self { shared, store, unknown, known, last, said: Known::default(), key: Key::new() }
    }

    fn run(mut self, gather: Duration) {
        loop {
            let Queue { waiting, settling, closed, .. } = self.shared.take(gather);
            let mut waiting = waiting.into_iter().peekable();
            while waiting.peek().is_some() {
                self.write(waiting.by_ref().take(BATCH_MAX).collect());
            }
            for settled in settling {
                // Who no longer waits has nothing to be told.
                let _ = settled.send(());
            }
            if closed {
                return;
            }
        }
    }

    fn write(&mut self, waiting: Vec<Waiting>) {
        let mut rows = Vec::with_capacity(waiting.len());
        let mut contents = Vec::new();
        let mut waiters = Vec::new();
        let mut lookups = LOOKUPS_MAX;
        let mut freed = 0;
        for Waiting { decision, done, bytes } in waiting {
            freed += bytes;
            waiters.extend(done.map(|done| (done, Outcomes::counter_of(&decision))));
            match self.room_for(&decision, &mut lookups) {
                Some(left_out) => {
                    let seq = self.last + 1 + rows.len() as i64;
                    rows.push(self.row_of(seq, decision, left_out, &mut contents));
                }
                None => _ = self.shared.counters.left_out.fetch_add(1, Ordering::Relaxed),
            }
        }
        let count = rows.len() as u64;
        let written = rows.is_empty() || self.insert(&rows, &contents);
        if written {
            self.last += rows.len() as i64;
        } else {
            self.begin_anew();
        }
        let counters = &self.shared.counters;
        if written { &counters.written } else { &counters.lost }.fetch_add(count, Ordering::Relaxed);
        for (done, counter) in waiters {
            counters.outcomes.note(if written { counter } else { Outcomes::unrecorded() });
            // Who no longer waits has nothing to be told.
            let _ = done.send(written);
        }
        drop(rows);
        self.shared.lock().bytes -= freed;
    }

    /// How many refusals were left out before this one, or `None` when it is to be left out itself.
    fn room_for(&mut self, decision: &Decision, lookups: &mut usize) -> Option<u64> {
        let claimed = match &decision.by {
            Asker::Unread => None,
            Asker::Stranger(claimed) => Some(claimed),
            Asker::Client(_) => {
                self.unknown.earn();
                self.known.earn();
                return Some(0);
            }
        };
        if let Some(left_out) = self.unknown.take(decision.at) {
            return Some(left_out);
        }
        // A flood of made-up names must not hide that someone tries a real one.
        let named = claimed.filter(|_| *lookups > 0);
        *lookups = lookups.saturating_sub(usize::from(named.is_some()));
        let is_known = named.is_some_and(|client_id| self.store.client_exists(client_id).unwrap_or(false));
        let left_out = if is_known { self.known.take(decision.at) } else { None };
        if left_out.is_none() {
            if is_known { &mut self.known } else { &mut self.unknown }.leave_out();
        }
        left_out
    }

    /// The decision's row; what it says goes to `contents` where it is the first to say it.
    fn row_of(
        &mut self,
        seq: i64,
        mut decision: Box<Decision>,
        refusals: u64,
        contents: &mut Vec<NewContent>,
    ) -> NewDecision {
        // Where no policy was asked, nothing needs the whole list: a client can fill a body with it.
        let kept_max = if decision.explanation.is_none() { REQUESTED_KEPT_MAX } else { usize::MAX };
        let requested = decision.requested.len().saturating_sub(kept_max);
        if requested > 0 {
            decision.spell_out();
            decision.requested.truncate(kept_max);
        }
        let left_out = LeftOut { requested: requested as u64, refusals };
        let content = self.said.first_to_say(decision.content_key(left_out, &mut self.key), seq);
        if content == seq {
            contents.push(NewContent { seq, content: decision.content(left_out) });
        }
        NewDecision { seq, decision, content }
    }

    /// A batch is lost: what was thought of the database may be wrong.
    fn begin_anew(&mut self) {
        self.said.forget();
        match self.store.decision_last() {
            Ok(last) => self.last = last,
            Err(error) => {
                tracing::error!(cause = error.cause().unwrap_or_default(), "decisions cannot be read: {error}");
            }
        }
    }

    fn insert(&self, rows: &[NewDecision], contents: &[NewContent]) -> bool {
        for attempt in 1..=TRIES {
            match self.store.decision_insert_all(rows, contents) {
                Ok(()) => return true,
                Err(error) if attempt == TRIES => {
                    let cause = error.cause().unwrap_or_default();
                    tracing::error!(records = rows.len(), cause, "decisions are not recorded: {error}");
                }
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
        false
    }
}

/// However the thread ends, nobody waits for it for ever.
impl Drop for Writer<'_> {
    fn drop(&mut self) {
        *self.shared.lock() = Queue { closed: true, ..Queue::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::model::caller::RequestId;
    use crate::model::id::Id;
    use crate::store::StoreLimits;

    #[test]
    fn what_waits_is_bounded_by_its_memory() {
        let shared =
            Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new(), counters: Counters::default() });
        let recorder = Recorder { shared, thread: Mutex::default(), durable: false };
        let id = Id::parse(&"1".repeat(22)).unwrap();
        let mut decision = Decision::begin(id, Timestamp::from_ms(0), RequestId::default());
        decision.requested = (0..3001).map(|number| format!("{number:0>60}")).collect();
        let mut taken = 0;
        while recorder.push(Box::new(decision.clone()), None) {
            taken += 1;
        }
        assert!(taken * decision.bytes() <= WAITING_BYTES_MAX && (taken + 1) * decision.bytes() > WAITING_BYTES_MAX);
        // A short one still fits.
        let short = Decision { requested: Vec::new(), ..decision.clone() };
        assert!(recorder.push(Box::new(short.clone()), None));
        // While they are written they take their room still.
        let waiting = recorder.shared.take(Duration::ZERO).waiting;
        assert_eq!(waiting.len(), taken + 1);
        assert!(!recorder.push(Box::new(decision.clone()), None));
        let dir = tempfile::tempdir().unwrap();
        let limits = StoreLimits { clients_cached: 1, page_cache_kib: 100 };
        let (store, _) = Store::open(&dir.path().join("grantd.db"), true, limits).unwrap();
        let mut writer = Writer::new(&recorder.shared, &store, 0);
        writer.write(waiting);
        assert_eq!(recorder.shared.lock().bytes, 0);
        assert!(recorder.push(Box::new(decision), None));
        recorder.shared.lock().closed = true;
        assert!(!recorder.push(Box::new(short), None));
    }
}
