//! The engine on rusqlite: one writer thread that groups waiting batches into one commit, readers beside it.
//!
//! WAL with `synchronous=FULL`: a batch is answered after the commit that holds it has reached the disk.
//! A file beside the database is locked for as long as the engine lives, so that two servers never share one.

mod lock_file;
pub(super) mod sqlite;
mod wal_header;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::engine::{Batch, EngineError, Generation, ReadBounds, Row, Statement};
use super::schema::{self, Found};
use crate::error::{Error, Result};
use crate::files;
use lock_file::Lock;
pub use lock_file::is_in_use;
pub(crate) use lock_file::lock;
use sqlite::{
    UNDO_IN_MEMORY, connect, connect_reader, end_reads_after, engine_error, one_integer, read_generation, rows,
    rows_within,
};
use wal_header::{Teller, WalHeader};
use writer::{Counters, Job, write_until_closed};

/// Statistics of a database that was small make SQLite walk over its tables when it has grown: 100 ms for a token at 2,000
/// clients. Every statement is written for its indexes, and without statistics they are used.
const NO_STATISTICS: &str = "DROP TABLE IF EXISTS sqlite_stat1; DROP TABLE IF EXISTS sqlite_stat4";
/// Batches that may wait for the writer; one more is refused as busy.
const WRITES_WAITING_MAX: usize = 1024;
/// Idle reader connections that are kept open.
const READERS_KEPT_MAX: usize = 8;
/// A file up to this size is checked page by page at start; a larger one by `grantd doctor`.
const CHECKED_AT_START_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// One SQLite file, open.
pub(super) struct LocalEngine {
    path: PathBuf,
    writes: Mutex<Option<mpsc::SyncSender<Job>>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    readers: Mutex<Vec<Connection>>,
    counters: Arc<Counters>,
    page_cache_kib: u32,
    /// After the readers: it must outlive every connection. `None` beside another's engine, and where there is none to look at.
    header: Option<Arc<WalHeader>>,
    _lock: Option<Lock>,
}

/// What opening a database found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// A new database was made.
    Created,
    /// There was one.
    Existing,
}

impl LocalEngine {
    /// Opens, or with `create` makes, the database at `path`.
    ///
    /// # Errors
    /// `Setup`, one line with the file's name and the way out.
    pub(super) fn open(path: &Path, create: bool, page_cache_kib: u32) -> Result<(Self, Opened)> {
        // Under whatever name a file is opened, it is one file with one lock.
        let file = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        // Before anything is read: closing a file drops this process's own SQLite locks on it.
        let held = lock(&file, path, false)?;
        let missing = || {
            Error::Setup(format!(
                "there is no database at {}; make one with `grantd init`, or name another with --database",
                path.display()
            ))
        };
        if schema::inspect(path)? == Found::Nothing && !create {
            return Err(missing());
        }
        let lock = match held {
            Some(held) => Some(held),
            None => lock(&file, path, true)?,
        };
        let setup = |error: EngineError| setup_error(path, &error);
        let mut connection = connect(path, page_cache_kib).map_err(setup)?;
        let opened = if is_blank(&connection).map_err(setup)? {
            if !create {
                return Err(missing());
            }
            initialise(&mut connection).map_err(setup)?;
            files::sync_directory_of(&file).map_err(|error| setup(EngineError::Io(error.to_string())))?;
            Opened::Created
        } else {
            check(path, &mut connection)?;
            Opened::Existing
        };
        for sql in [NO_STATISTICS, UNDO_IN_MEMORY] {
            connection.execute_batch(sql).map_err(|error| setup(engine_error(error)))?;
        }
        let (sender, receiver) = mpsc::sync_channel(WRITES_WAITING_MAX);
        let counters = Arc::new(Counters::default());
        let theirs = Arc::clone(&counters);
        let header = WalHeader::open(&file).map(Arc::new);
        let teller = header.clone().map(Teller::new);
        let writer = std::thread::Builder::new()
            .name("grantd-writer".to_owned())
            .spawn(move || write_until_closed(&mut connection, &receiver, &theirs, teller))
            .map_err(|error| Error::Setup(format!("the writer thread cannot start: {error}")))?;
        let engine = Self {
            path: path.to_owned(),
            writes: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
            readers: Mutex::default(),
            counters,
            page_cache_kib,
            header,
            _lock: lock,
        };
        Ok((engine, opened))
    }

    /// Opens a database for reading alone, beside whoever uses it.
    pub(super) fn open_beside(path: &Path, page_cache_kib: u32) -> Self {
        Self {
            path: path.to_owned(),
            writes: Mutex::default(),
            writer: Mutex::default(),
            readers: Mutex::default(),
            counters: Arc::default(),
            page_cache_kib,
            header: None,
            _lock: None,
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Commits, batches that they kept, and batches that were refused, since the start.
    pub(super) fn written(&self) -> [u64; 3] {
        let Counters { commits, batches, refused } = &*self.counters;
        [commits, batches, refused].map(|counter| counter.load(Ordering::Relaxed))
    }

    /// The rows of one statement.
    ///
    /// # Errors
    /// What SQLite says.
    pub(super) fn read(&self, statement: &Statement) -> Result<Vec<Row>, EngineError> {
        self.with_reader(|reader| rows(reader, statement))
    }

    /// The rows of several statements as of one moment, and the generation of that moment.
    ///
    /// # Errors
    /// What SQLite says.
    pub(super) fn read_together(&self, statements: &[Statement]) -> Result<(Generation, Vec<Vec<Row>>), EngineError> {
        self.with_reader(|reader| {
            let snapshot = reader.unchecked_transaction().map_err(engine_error)?;
            let generation = read_generation(reader)?;
            let all = statements.iter().map(|statement| rows(reader, statement)).collect::<Result<_, _>>()?;
            snapshot.finish().map_err(engine_error)?;
            Ok((generation, all))
        })
    }

    /// The rows of several statements as of one moment, within bounds.
    ///
    /// # Errors
    /// `TooLong` and `TooLarge`; what SQLite says.
    pub(super) fn read_bounded(
        &self,
        statements: &[Statement],
        bounds: ReadBounds,
    ) -> Result<Vec<Vec<Row>>, EngineError> {
        self.with_reader(|reader| {
            end_reads_after(reader, Some(bounds.time))?;
            let snapshot = reader.unchecked_transaction().map_err(engine_error)?;
            let rows = |statement| rows_within(reader, statement, bounds.bytes);
            let all = statements.iter().map(rows).collect::<Result<_, _>>()?;
            snapshot.finish().map_err(engine_error)?;
            // After an error the reader is closed.
            end_reads_after(reader, None)?;
            Ok(all)
        })
    }

    /// The generation of what is committed now, by whichever process: a cached answer from the same
    /// generation still holds.
    ///
    /// # Errors
    /// What SQLite says.
    pub(super) fn generation(&self) -> Result<Generation, EngineError> {
        let read = || self.with_reader(read_generation);
        self.header.as_ref().map_or_else(read, |header| header.generation(read))
    }

    /// Hands a batch to the writer. The answer comes when its commit is on the disk.
    pub(super) fn write(&self, batch: Batch) -> oneshot::Receiver<Result<(), EngineError>> {
        let (done, answer) = oneshot::channel();
        let writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = match writes.as_ref() {
            None => Some((done, EngineError::Stopped)),
            Some(sender) => match sender.try_send(Job { batch, done }) {
                Ok(()) => None,
                Err(mpsc::TrySendError::Full(job)) => {
                    Some((job.done, EngineError::Busy("too many writes are waiting".to_owned())))
                }
                Err(mpsc::TrySendError::Disconnected(job)) => Some((job.done, EngineError::Stopped)),
            },
        };
        if let Some((done, error)) = refused {
            // The receiver is still in this function's hands.
            let _ = done.send(Err(error));
        }
        answer
    }

    /// Finishes the waiting writes and closes the file; later writes are refused.
    pub(super) fn close(&self) {
        // Readers first: of connections that close at once each leaves it to the other to put the log away.
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        drop(self.writes.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = writer.map(std::thread::JoinHandle::join) {
            tracing::error!("the writer thread ended in a panic");
        }
    }

    fn with_reader<T>(&self, use_it: impl FnOnce(&Connection) -> Result<T, EngineError>) -> Result<T, EngineError> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match kept {
            Some(reader) => reader,
            None => connect_reader(&self.path, self.page_cache_kib)?,
        };
        let answer = use_it(&reader)?;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_KEPT_MAX {
            readers.push(reader);
        }
        Ok(answer)
    }
}

impl Drop for LocalEngine {
    fn drop(&mut self) {
        self.close();
    }
}

/// Whether nothing was made yet: a new file, or one whose first start was cut off before its schema was written.
fn is_blank(connection: &Connection) -> Result<bool, EngineError> {
    let is_zero = |sql| one_integer(connection, sql).map(|number| number == 0);
    Ok(is_zero("PRAGMA application_id")?
        && is_zero("PRAGMA user_version")?
        && is_zero("SELECT COUNT(*) FROM sqlite_schema")?)
}

fn initialise(connection: &mut Connection) -> Result<(), EngineError> {
    let transaction = connection.transaction().map_err(engine_error)?;
    transaction.execute_batch(schema::SCHEMA).map_err(engine_error)?;
    transaction.pragma_update(None, "application_id", schema::APPLICATION_ID).map_err(engine_error)?;
    transaction.pragma_update(None, "user_version", schema::VERSION).map_err(engine_error)?;
    transaction.commit().map_err(engine_error)?;
    // The file's own header must say whose it is, not the log alone: `schema::inspect` reads it at the next start.
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").map_err(engine_error)
}

/// Looks again through SQLite, since the newest header may still lie in the WAL, then migrates.
fn check(path: &Path, connection: &mut Connection) -> Result<()> {
    let setup = |error: EngineError| setup_error(path, &error);
    let pragma = |connection: &Connection, sql| {
        let number = one_integer(connection, sql).map_err(setup)?;
        Ok::<_, Error>(i32::try_from(number).unwrap_or(i32::MAX))
    };
    let application_id = pragma(connection, "PRAGMA application_id")?;
    let version = pragma(connection, "PRAGMA user_version")?;
    schema::check_identity(path, application_id, version)?;
    let size = std::fs::metadata(path).map_or(0, |meta| meta.len());
    if size <= CHECKED_AT_START_BYTES_MAX {
        let verdict: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| setup(engine_error(error)))?;
        if verdict != "ok" {
            return Err(setup(EngineError::Damaged(verdict)));
        }
    }
    for (makes, step) in schema::steps_from(version) {
        migrate(connection, makes, step).map_err(setup)?;
        tracing::info!(version = makes, "database migrated");
    }
    Ok(())
}

/// One step. A table that is made anew is gone for a moment: references are looked over before the commit instead.
fn migrate(connection: &mut Connection, makes: i32, step: &str) -> Result<(), EngineError> {
    connection.execute_batch("PRAGMA foreign_keys = OFF").map_err(engine_error)?;
    let transaction = connection.transaction().map_err(engine_error)?;
    transaction.execute_batch(step).map_err(engine_error)?;
    let dangling = transaction.prepare("PRAGMA foreign_key_check").and_then(|mut check| check.exists([]));
    if dangling.map_err(engine_error)? {
        return Err(EngineError::Damaged("something in it refers to what is not there".to_owned()));
    }
    transaction.pragma_update(None, "user_version", makes).map_err(engine_error)?;
    transaction.commit().map_err(engine_error)?;
    connection.execute_batch("PRAGMA foreign_keys = ON").map_err(engine_error)
}

fn setup_error(path: &Path, error: &EngineError) -> Error {
    let name = path.display();
    Error::Setup(match error {
        EngineError::Damaged(what) => {
            format!("{name} is damaged ({}); restore a backup, or choose another file with --database", what.trim())
        }
        EngineError::Busy(_) => format!("{name} is locked by another program; close that program and try again"),
        EngineError::Full => format!("{name}: the disk is full; make room and try again"),
        other => format!("{name} cannot be opened: {other}; check the file and the rights of its directory"),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::engine::params;
    use super::*;

    const NUMBERS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?1) \
        SELECT i, printf('%.1000c', 'x') FROM n";

    #[test]
    fn a_read_ends_at_its_bounds() {
        let directory = tempfile::tempdir().unwrap();
        let (engine, _) = LocalEngine::open(&directory.path().join("grantd.db"), true, 1024).unwrap();
        let numbers = |count: i64| Statement::new(NUMBERS, params![count]);
        let bounds = ReadBounds { bytes: 100_000, time: Duration::from_secs(60) };
        let read = |count: i64, bounds| engine.read_bounded(&[numbers(1), numbers(count)], bounds);
        assert_eq!(read(90, bounds).unwrap()[1].len(), 90);
        assert_eq!(read(110, bounds), Err(EngineError::TooLarge));
        assert_eq!(read(1, ReadBounds { bytes: 10, ..bounds }).unwrap()[1].len(), 1, "one row is always read");
        assert_eq!(read(2, ReadBounds { bytes: 10, ..bounds }), Err(EngineError::TooLarge));
        let spent = ReadBounds { bytes: usize::MAX, time: Duration::ZERO };
        assert_eq!(read(100_000, spent), Err(EngineError::TooLong));
        // A list that fits its time: its reader is used again, and by reads that have no bounds.
        assert!(read(10, spent).is_ok());
        assert_eq!(engine.readers.lock().unwrap().len(), 1);
        assert_eq!(engine.read(&numbers(10_000)).unwrap().len(), 10_000);
    }
}
