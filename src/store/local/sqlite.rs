//! SQLite as this engine uses it: how connections are set up, how values pass, what errors mean.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, StatementStatus, ffi};
use tracing::Level;

use super::super::engine::{EngineError, Generation, Row, Statement, Value};
use crate::clock::Clock;
use crate::files;

/// How long another process's lock on the database is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Instructions of SQLite's machine between two looks at the time: some tens of microseconds.
const STEPS_BETWEEN_LOOKS: i32 = 1000;
/// Prepared statements kept by each connection.
const STATEMENTS_KEPT: usize = 64;

/// Pages that change with every write are copied from the log once in 16 MiB, not in 4.
const WRITER: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864; \
    PRAGMA wal_autocheckpoint = 4000;";

/// What undoes one statement of a transaction is kept in memory: past 64 KiB, which a group of writes soon has, SQLite would
/// make and remove a file for it. Not while the database is migrated: that sorts whole tables.
pub(super) const UNDO_IN_MEMORY: &str = "PRAGMA temp_store = MEMORY;";

pub(super) fn connect(path: &Path, page_cache_kib: u32) -> Result<Connection, EngineError> {
    // Made here, so that it is born with the owner's rights alone; SQLite copies them to its side files.
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    files::owner_only(&mut options);
    options.open(path).map_err(|error| EngineError::Io(error.to_string()))?;
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(engine_error)?;
    configure(&connection, page_cache_kib)?;
    connection.execute_batch(WRITER).map_err(engine_error)?;
    Ok(connection)
}

pub(in crate::store) fn connect_reader(path: &Path, page_cache_kib: u32) -> Result<Connection, EngineError> {
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
    // Plans that no bound value changes. Without it a LIMIT that is bound has its statement prepared anew each time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(engine_error)?;
    connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;").map_err(engine_error)
}

pub(super) fn rows(connection: &Connection, statement: &Statement) -> Result<Vec<Row>, EngineError> {
    rows_within(connection, statement, usize::MAX)
}

/// The rows of a statement, unless there are several that hold more than `bytes_max`.
pub(super) fn rows_within(
    connection: &Connection,
    statement: &Statement,
    bytes_max: usize,
) -> Result<Vec<Row>, EngineError> {
    let mut prepared = connection.prepare_cached(&statement.sql).map_err(engine_error)?;
    let columns = prepared.column_count();
    let is_traced = tracing::enabled!(Level::TRACE);
    if is_traced {
        prepared.reset_status(StatementStatus::VmStep);
    }
    let mut found = prepared.query(rusqlite::params_from_iter(&statement.params)).map_err(engine_error)?;
    let (mut all, mut bytes) = (Vec::new(), 0);
    while let Some(row) = found.next().map_err(engine_error)? {
        let values = (0..columns).map(|column| row.get_ref(column).map_err(engine_error).and_then(value));
        let row = Row(values.collect::<Result<_, _>>()?);
        bytes += row.0.iter().map(Value::bytes).sum::<usize>();
        if bytes > bytes_max && !all.is_empty() {
            return Err(EngineError::TooLarge);
        }
        all.push(row);
    }
    drop(found);
    if is_traced {
        // Instructions of SQLite's machine: what a statement costs, and the same on every computer.
        let (steps, path) = (prepared.get_status(StatementStatus::VmStep), connection.path().unwrap_or_default());
        tracing::trace!(steps, rows = all.len(), path, sql = &*statement.sql, "read");
    }
    Ok(all)
}

/// Has a connection end what it reads when that takes longer; without a time nothing ends it.
pub(super) fn end_reads_after(connection: &Connection, time: Option<Duration>) -> Result<(), EngineError> {
    let set = match time {
        // The machine's own time: a clock that a test sets stands still.
        Some(time) => {
            let stopwatch = Clock::system().stopwatch();
            connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || stopwatch.elapsed() >= time))
        }
        None => connection.progress_handler(0, None::<fn() -> bool>),
    };
    set.map_err(engine_error)
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

pub(super) fn read_generation(connection: &Connection) -> Result<Generation, EngineError> {
    let mut prepared = connection.prepare_cached("SELECT value, api_tokens FROM generation").map_err(engine_error)?;
    let generation = |row: &rusqlite::Row<'_>| Ok(Generation { value: row.get(0)?, api_tokens: row.get(1)? });
    prepared.query_row([], generation).map_err(engine_error)
}

/// Runs a statement that is run again and again, and returns no rows.
pub(super) fn run(connection: &Connection, sql: &'static str) -> Result<(), EngineError> {
    let mut prepared = connection.prepare_cached(sql).map_err(engine_error)?;
    prepared.execute([]).map(drop).map_err(engine_error)
}

pub(in crate::store) fn one_integer(connection: &Connection, sql: &'static str) -> Result<i64, EngineError> {
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
            Self::Word(text) => ValueRef::Text(text.as_bytes()),
            Self::Id(id) => ValueRef::Text(id.as_str().as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The one translation of SQLite's errors.
#[expect(clippy::needless_pass_by_value, reason = "it stands where map_err calls it")]
pub(in crate::store) fn engine_error(error: rusqlite::Error) -> EngineError {
    let text = error.to_string();
    let rusqlite::Error::SqliteFailure(failure, message) = &error else { return EngineError::Sql(text) };
    let message = message.clone().unwrap_or_default();
    // "UNIQUE constraint failed: service_account.user_name"
    let subject = || message.rsplit(": ").next().unwrap_or_default().to_owned();
    match (failure.code, failure.extended_code) {
        (ErrorCode::ConstraintViolation, ffi::SQLITE_CONSTRAINT_NOTNULL) if message.ends_with("audit_commit.guard") => {
            EngineError::Guard
        }
        // `unchanged!` of entity.rs.
        (ErrorCode::ConstraintViolation, ffi::SQLITE_CONSTRAINT_CHECK) if message.ends_with("only_row = 1") => {
            EngineError::Guard
        }
        (ErrorCode::ConstraintViolation, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
            EngineError::Unique(subject())
        }
        // The triggers `api_names_*`. The other triggers that refuse are those of foreign keys.
        (ErrorCode::ConstraintViolation, ffi::SQLITE_CONSTRAINT_TRIGGER) if message.starts_with("another API") => {
            EngineError::Unique(subject())
        }
        (ErrorCode::ConstraintViolation, ffi::SQLITE_CONSTRAINT_FOREIGNKEY | ffi::SQLITE_CONSTRAINT_TRIGGER) => {
            EngineError::ForeignKey
        }
        (ErrorCode::ConstraintViolation, _) => EngineError::Constraint(message),
        (ErrorCode::DiskFull, _) => EngineError::Full,
        // Only `end_reads_after` interrupts.
        (ErrorCode::OperationInterrupted, _) => EngineError::TooLong,
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => EngineError::Busy(text),
        (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _) => EngineError::Damaged(text),
        (ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied, _) => {
            EngineError::Io(text)
        }
        _ => EngineError::Sql(text),
    }
}
