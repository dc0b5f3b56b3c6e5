//! The engine on rusqlite: one writer thread that groups waiting batches into one commit, readers beside it.
//!
//! WAL with `synchronous=FULL`: a batch is answered after the commit that holds it has reached the disk.
//! A file beside the database is locked for as long as the engine lives, so that two servers never share one.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use tokio::sync::oneshot;

use super::engine::{Batch, EngineError, Row, Statement, Value};
use super::schema::{self, Found};
use crate::error::{Error, Result};

/// Batches that may wait for the writer; one more is refused as busy.
const WRITES_WAITING_MAX: usize = 1024;
/// Batches that one commit may hold.
const GROUP_MAX: usize = 256;
/// How long another process's lock on the database is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle reader connections that are kept open.
const READERS_KEPT_MAX: usize = 8;
/// Prepared statements kept by each connection.
const STATEMENTS_KEPT: usize = 64;
/// A file up to this size is checked page by page at start; a larger one by `grantd doctor`.
const CHECKED_AT_START_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// One SQLite file, open.
pub(super) struct LocalEngine {
    path: PathBuf,
    writes: Mutex<Option<mpsc::SyncSender<Job>>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    readers: Mutex<Vec<Reader>>,
    page_cache_kib: u32,
    _lock: File,
}

struct Job {
    batch: Batch,
    done: oneshot::Sender<Result<(), EngineError>>,
}

struct Reader {
    connection: Connection,
    /// `PRAGMA data_version` and the generation that was read under it.
    seen: Option<(i64, i64)>,
}

/// What [`LocalEngine::open`] did.
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
        let found = schema::inspect(path)?;
        if found == Found::Nothing && !create {
            return Err(Error::Setup(format!(
                "there is no database at {}; make one with `grantd init`, or name another with --database",
                path.display()
            )));
        }
        let lock = lock(path)?;
        let setup = |error: EngineError| setup_error(path, &error);
        let mut connection = connect(path, page_cache_kib).map_err(setup)?;
        let opened = match found {
            Found::Nothing => {
                initialise(&mut connection).map_err(setup)?;
                Opened::Created
            }
            Found::Database(_) => {
                check(path, &mut connection)?;
                Opened::Existing
            }
        };
        let (sender, receiver) = mpsc::sync_channel(WRITES_WAITING_MAX);
        let writer = std::thread::Builder::new()
            .name("grantd-writer".to_owned())
            .spawn(move || write_until_closed(&mut connection, &receiver))
            .map_err(|error| Error::Setup(format!("the writer thread cannot start: {error}")))?;
        let engine = Self {
            path: path.to_owned(),
            writes: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
            readers: Mutex::default(),
            page_cache_kib,
            _lock: lock,
        };
        Ok((engine, opened))
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The rows of one statement.
    ///
    /// # Errors
    /// What SQLite says.
    pub(super) fn read(&self, statement: &Statement) -> Result<Vec<Row>, EngineError> {
        self.with_reader(|reader| rows(&reader.connection, statement))
    }

    /// The rows of several statements as of one moment, and the generation of that moment.
    ///
    /// # Errors
    /// What SQLite says.
    pub(super) fn read_together(&self, statements: &[Statement]) -> Result<(i64, Vec<Vec<Row>>), EngineError> {
        self.with_reader(|reader| {
            let snapshot = reader.connection.unchecked_transaction().map_err(engine_error)?;
            let generation = read_generation(&reader.connection)?;
            let all =
                statements.iter().map(|statement| rows(&reader.connection, statement)).collect::<Result<_, _>>()?;
            snapshot.finish().map_err(engine_error)?;
            Ok((generation, all))
        })
    }

    /// The generation of what is committed now, by whichever process: a cached answer from the same
    /// generation still holds. Costs about 4 µs while nobody writes.
    ///
    /// # Errors
    /// What SQLite says.
    pub(super) fn generation(&self) -> Result<i64, EngineError> {
        self.with_reader(|reader| {
            let version = one_integer(&reader.connection, "PRAGMA data_version")?;
            if let Some((seen, generation)) = reader.seen
                && seen == version
            {
                return Ok(generation);
            }
            // Read after the version: a commit in between makes the next call look again.
            let generation = read_generation(&reader.connection)?;
            reader.seen = Some((version, generation));
            Ok(generation)
        })
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
        drop(self.writes.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = writer.map(std::thread::JoinHandle::join) {
            tracing::error!("the writer thread ended in a panic");
        }
    }

    fn with_reader<T>(&self, use_it: impl FnOnce(&mut Reader) -> Result<T, EngineError>) -> Result<T, EngineError> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut reader = match kept {
            Some(reader) => reader,
            None => Reader { connection: connect_reader(&self.path, self.page_cache_kib)?, seen: None },
        };
        let answer = use_it(&mut reader)?;
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

/// Takes the lock that keeps a second server out. It ends with the process, however that ends.
fn lock(database: &Path) -> Result<File> {
    let mut path = database.as_os_str().to_owned();
    path.push("-lock");
    let path = PathBuf::from(path);
    let failed = |error: std::io::Error| {
        Error::Setup(format!(
            "{} cannot be made: {error}; check the directory of --database and its rights",
            path.display()
        ))
    };
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    owner_only(&mut options);
    let file = options.open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Setup(format!(
            "{} is in use by another grantd; stop it, or choose another file with --database",
            database.display()
        ))),
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

#[cfg(unix)]
fn owner_only(options: &mut std::fs::OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(not(unix))]
fn owner_only(_: &mut std::fs::OpenOptions) {}

fn connect(path: &Path, page_cache_kib: u32) -> Result<Connection, EngineError> {
    // Made here, so that it is born with the owner's rights alone; SQLite copies them to its side files.
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    owner_only(&mut options);
    options.open(path).map_err(|error| EngineError::Io(error.to_string()))?;
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(engine_error)?;
    configure(&connection, page_cache_kib)?;
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;")
        .map_err(engine_error)?;
    Ok(connection)
}

fn connect_reader(path: &Path, page_cache_kib: u32) -> Result<Connection, EngineError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(engine_error)?;
    configure(&connection, page_cache_kib)?;
    connection.execute_batch("PRAGMA query_only = ON;").map_err(engine_error)?;
    Ok(connection)
}

fn configure(connection: &Connection, page_cache_kib: u32) -> Result<(), EngineError> {
    connection.busy_timeout(BUSY_TIMEOUT).map_err(engine_error)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.pragma_update(None, "cache_size", -i64::from(page_cache_kib)).map_err(engine_error)?;
    connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;").map_err(engine_error)
}

fn initialise(connection: &mut Connection) -> Result<(), EngineError> {
    let transaction = connection.transaction().map_err(engine_error)?;
    transaction.execute_batch(schema::SCHEMA).map_err(engine_error)?;
    transaction.pragma_update(None, "application_id", schema::APPLICATION_ID).map_err(engine_error)?;
    transaction.pragma_update(None, "user_version", schema::VERSION).map_err(engine_error)?;
    transaction.commit().map_err(engine_error)
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
        let migrate = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", makes)?;
            transaction.commit()
        };
        migrate(connection).map_err(|error| setup(engine_error(error)))?;
        tracing::info!(version = makes, "database migrated");
    }
    Ok(())
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

/// The writer thread: takes what waits, commits it as one group, answers.
fn write_until_closed(connection: &mut Connection, jobs: &mpsc::Receiver<Job>) {
    let mut waiting: VecDeque<Job> = VecDeque::with_capacity(GROUP_MAX);
    while let Ok(first) = jobs.recv() {
        waiting.push_back(first);
        while waiting.len() < GROUP_MAX
            && let Ok(next) = jobs.try_recv()
        {
            waiting.push_back(next);
        }
        let answers = write_group(connection, &waiting);
        for (job, answer) in waiting.drain(..).zip(answers) {
            // A caller that no longer waits has nothing to be told.
            let _ = job.done.send(answer);
        }
    }
    // Leaves one file behind instead of three.
    if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;") {
        tracing::warn!(%error, "the last checkpoint failed; the next start makes up for it");
    }
}

/// One answer for each job. A batch that fails by its own fault leaves the others untouched; a group that
/// fails as a whole (disk full, I/O) fails for all.
fn write_group(connection: &mut Connection, jobs: &VecDeque<Job>) -> Vec<Result<(), EngineError>> {
    let for_all = |error: EngineError| jobs.iter().map(|_| Err(error.clone())).collect::<Vec<_>>();
    let whole = |connection: &Connection| -> Result<Vec<_>, EngineError> {
        connection.execute_batch("BEGIN IMMEDIATE").map_err(engine_error)?;
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            answers.push(write_batch(connection, &job.batch));
            if connection.is_autocommit() {
                // SQLite gave up the whole transaction: nothing of this group was kept.
                let cause = answers.pop().and_then(std::result::Result::err);
                return Err(cause.unwrap_or_else(|| EngineError::Io("the transaction was lost".to_owned())));
            }
        }
        connection.execute_batch("COMMIT").map_err(engine_error)?;
        Ok(answers)
    };
    whole(connection).unwrap_or_else(|error| {
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "rolling back failed");
        }
        for_all(error)
    })
}

fn write_batch(connection: &Connection, batch: &Batch) -> Result<(), EngineError> {
    connection.execute_batch("SAVEPOINT batch").map_err(engine_error)?;
    let outcome = batch.iter().try_for_each(|statement| {
        let mut prepared = connection.prepare_cached(&statement.sql).map_err(engine_error)?;
        prepared.execute(rusqlite::params_from_iter(&statement.params)).map_err(engine_error)?;
        Ok(())
    });
    if connection.is_autocommit() {
        return outcome;
    }
    if outcome.is_err() {
        connection.execute_batch("ROLLBACK TO batch").map_err(engine_error)?;
    }
    connection.execute_batch("RELEASE batch").map_err(engine_error)?;
    outcome
}

fn rows(connection: &Connection, statement: &Statement) -> Result<Vec<Row>, EngineError> {
    let mut prepared = connection.prepare_cached(&statement.sql).map_err(engine_error)?;
    let columns = prepared.column_count();
    let mut found = prepared.query(rusqlite::params_from_iter(&statement.params)).map_err(engine_error)?;
    let mut all = Vec::new();
    while let Some(row) = found.next().map_err(engine_error)? {
        let values = (0..columns).map(|column| row.get_ref(column).map_err(engine_error).and_then(value));
        all.push(Row(values.collect::<Result<_, _>>()?));
    }
    Ok(all)
}

fn value(from: ValueRef<'_>) -> Result<Value, EngineError> {
    Ok(match from {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        ValueRef::Text(bytes) => Value::Text(
            String::from_utf8(bytes.to_vec()).map_err(|_| EngineError::Damaged("text that is not UTF-8".to_owned()))?,
        ),
    })
}

fn read_generation(connection: &Connection) -> Result<i64, EngineError> {
    one_integer(connection, "SELECT value FROM generation")
}

fn one_integer(connection: &Connection, sql: &'static str) -> Result<i64, EngineError> {
    let mut prepared = connection.prepare_cached(sql).map_err(engine_error)?;
    prepared.query_row([], |row| row.get(0)).map_err(engine_error)
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The one translation of SQLite's errors.
#[expect(clippy::needless_pass_by_value, reason = "it stands where map_err calls it")]
fn engine_error(error: rusqlite::Error) -> EngineError {
    let text = error.to_string();
    let rusqlite::Error::SqliteFailure(failure, message) = &error else { return EngineError::Sql(text) };
    let message = message.clone().unwrap_or_default();
    // "UNIQUE constraint failed: service_account.user_name"
    let subject = || message.rsplit(": ").next().unwrap_or_default().to_owned();
    match (failure.code, failure.extended_code) {
        (ErrorCode::ConstraintViolation, ffi::SQLITE_CONSTRAINT_NOTNULL) if message.ends_with("audit_commit.guard") => {
            EngineError::Guard
        }
        (ErrorCode::ConstraintViolation, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
            EngineError::Unique(subject())
        }
        (ErrorCode::ConstraintViolation, ffi::SQLITE_CONSTRAINT_FOREIGNKEY | ffi::SQLITE_CONSTRAINT_TRIGGER) => {
            EngineError::ForeignKey
        }
        (ErrorCode::ConstraintViolation, _) => EngineError::Constraint(message),
        (ErrorCode::DiskFull, _) => EngineError::Full,
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => EngineError::Busy(text),
        (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _) => EngineError::Damaged(text),
        (ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied, _) => {
            EngineError::Io(text)
        }
        _ => EngineError::Sql(text),
    }
}
