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
        let (answers, generation) = write_group(connection, &waiting);
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

/// One answer for each job, and the generation that was committed. A batch that fails by its own fault leaves the others untouched; a group that
/// fails as a whole (disk full, I/O) fails for all.
fn write_group(
    connection: &mut Connection,
    jobs: &VecDeque<Job>,
) -> (Vec<Result<(), EngineError>>, Option<Generation>) {
    let for_all = |error: EngineError| jobs.iter().map(|_| Err(error.clone())).collect::<Vec<_>>();
    let whole = |connection: &Connection| -> Result<_, EngineError> {
        run(connection, "BEGIN IMMEDIATE")?;
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            answers.push(write_batch(connection, &job.batch));
            if connection.is_autocommit() {
                // SQLite gave up the whole transaction: nothing of this group was kept.
                let cause = answers.pop().and_then(Result::err);
                return Err(cause.unwrap_or_else(|| EngineError::Io("the transaction was lost".to_owned())));
            }
        }
        let generation = read_generation(connection)?;
        run(connection, "COMMIT")?;
        Ok((answers, Some(generation)))
    };
    whole(connection).unwrap_or_else(|error| {
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "rolling back failed");
        }
        (for_all(error), None)
    })
}

fn write_batch(connection: &Connection, batch: &Batch) -> Result<(), EngineError> {
    run(connection, "SAVEPOINT batch")?;
    let outcome = batch.iter().try_for_each(|statement| {
        let mut prepared = connection.prepare_cached(&statement.sql).map_err(engine_error)?;
        prepared.execute(rusqlite::params_from_iter(&statement.params)).map_err(engine_error)?;
        Ok(())
    });
    if connection.is_autocommit() {
        return outcome;
    }
    if outcome.is_err() {
        run(connection, "ROLLBACK TO batch")?;
    }
    run(connection, "RELEASE batch")?;
    outcome
}
