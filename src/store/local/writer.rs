//! The writer thread: takes the batches that wait, commits them as one group, answers each.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::engine::{Batch, EngineError, Generation};
use super::sqlite::{engine_error, read_generation, run};
use super::wal_header::Teller;

/// Batches that one commit may hold.
const GROUP_MAX: usize = 256;

/// A batch on its way to the disk.
pub(super) struct Job {
    pub(super) batch: Batch,
    pub(super) done: oneshot::Sender<Result<(), EngineError>>,
}

/// What the writer has done since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Commits, of one group each.
    pub(super) commits: AtomicU64,
    /// Batches that were kept.
    pub(super) batches: AtomicU64,
    /// Batches that were not.
    pub(super) refused: AtomicU64,
}

impl Counters {
    fn note(&self, answers: &[Result<(), EngineError>]) {
        let kept = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
        self.commits.fetch_add(u64::from(kept > 0), Ordering::Relaxed);
        self.batches.fetch_add(kept, Ordering::Relaxed);
        self.refused.fetch_add(answers.len() as u64 - kept, Ordering::Relaxed);
    }
}

/// Works until every sender is gone.
pub(super) fn write_until_closed(
    connection: &mut Connection,
    jobs: &mpsc::Receiver<Job>,
    counters: &Counters,
    mut teller: Option<Teller>,
) {
    let mut waiting: VecDeque<Job> = VecDeque::with_capacity(GROUP_MAX);
    while let Ok(first) = jobs.recv() {
        waiting.push_back(first);
        while waiting.len() < GROUP_MAX
            && let Ok(next) = jobs.try_recv()
        {
            waiting.push_back(next);
        }
        let (answers, generation) = write_group(connection, &waiting, teller.as_mut());
        // Before the answers: whoever gets one sees what it wrote.
        if let (Some(teller), Some(generation)) = (&mut teller, generation) {
            teller.committed(connection, generation);
        }
        counters.note(&answers);
        for (job, answer) in waiting.drain(..).zip(answers) {
            // A caller that no longer waits has nothing to be told.
            let _ = job.done.send(answer);
        }
    }
    // Leaves one file behind instead of three.
    if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);") {
        tracing::warn!(%error, "the last checkpoint failed; the next start makes up for it");
    }
}

type Answers = Vec<Result<(), EngineError>>;

/// One answer for each job, and the generation that was committed. A batch that fails by its own fault leaves the others
/// untouched; a group that fails as a whole (disk full, I/O) fails for all.
fn write_group(
    connection: &Connection,
    jobs: &VecDeque<Job>,
    mut teller: Option<&mut Teller>,
) -> (Answers, Option<Generation>) {
    let mut begin = || {
        run(connection, "BEGIN IMMEDIATE")?;
        if let Some(teller) = &mut teller {
            teller.begun(connection);
        }
        Ok(())
    };
    // Nearly always each of them holds. Keeping one apart from the others takes a copy of every page that it touches: it is
    // done when one has failed.
    let together = || {
        jobs.iter().try_for_each(|job| write_batch(connection, &job.batch))?;
        Ok(jobs.iter().map(|_| Ok(())).collect())
    };
    let outcome = match transaction(connection, &mut begin, together) {
        Err(Failed { is_lost: false, .. }) if jobs.len() > 1 => {
            transaction(connection, begin, || write_apart(connection, jobs))
        }
        other => other,
    };
    match outcome {
        Ok((answers, generation)) => (answers, Some(generation)),
        Err(Failed { error, .. }) => (jobs.iter().map(|_| Err(error.clone())).collect(), None),
    }
}

/// A transaction of which nothing was kept.
struct Failed {
    error: EngineError,
    /// SQLite gave it up by itself: trying again is of no use.
    is_lost: bool,
}

fn transaction(
    connection: &Connection,
    begin: impl FnOnce() -> Result<(), EngineError>,
    write: impl FnOnce() -> Result<Answers, EngineError>,
) -> Result<(Answers, Generation), Failed> {
    let whole = || {
        begin()?;
        let answers = write()?;
        let generation = read_generation(connection)?;
        run(connection, "COMMIT")?;
        Ok((answers, generation))
    };
    whole().map_err(|error| {
        let is_lost = connection.is_autocommit();
        if !is_lost && let Err(error) = connection.execute_batch("ROLLBACK") {
            tracing::error!(%error, "rolling back failed");
        }
        Failed { error, is_lost }
    })
}

fn write_apart(connection: &Connection, jobs: &VecDeque<Job>) -> Result<Answers, EngineError> {
    let mut answers = Vec::with_capacity(jobs.len());
    for job in jobs {
        run(connection, "SAVEPOINT batch")?;
        let outcome = write_batch(connection, &job.batch);
        if connection.is_autocommit() {
            // SQLite gave up the whole transaction: nothing of this group was kept.
            return Err(outcome.err().unwrap_or_else(|| EngineError::Io("the transaction was lost".to_owned())));
        }
        if outcome.is_err() {
            run(connection, "ROLLBACK TO batch")?;
        }
        run(connection, "RELEASE batch")?;
        answers.push(outcome);
    }
    Ok(answers)
}

fn write_batch(connection: &Connection, batch: &Batch) -> Result<(), EngineError> {
    batch.iter().try_for_each(|statement| {
        let mut prepared = connection.prepare_cached(&statement.sql).map_err(engine_error)?;
        let row = prepared.parameter_count().max(1);
        let mut run = |values| prepared.execute(rusqlite::params_from_iter(values)).map(drop).map_err(engine_error);
        if statement.params.len() <= row {
            return run(statement.params.as_slice());
        }
        statement.params.chunks(row).try_for_each(run)
    })
}
