//! Which database files are grantd's, and how an old one becomes a new one.
//!
//! A file is looked at with plain reads before SQLite opens it, so that a refused one is left as it was.

use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::files;

/// The whole schema, as a fresh database gets it.
pub const SCHEMA: &str = include_str!("../../schema.sql");
/// `user_version` of [`SCHEMA`].
pub const VERSION: i32 = 14;
/// `application_id` in the file's header: "grnt".
pub const APPLICATION_ID: i32 = 0x6772_6e74;

/// Step `n` makes version `n + 2` out of version `n + 1`. A test holds a migrated database equal to a fresh one.
pub const MIGRATIONS: &[&str] = &[
    REVOKED_TOKEN,
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
    include_str!("migrations/5.sql"),
    include_str!("migrations/6.sql"),
    include_str!("migrations/7.sql"),
    include_str!("migrations/8.sql"),
    include_str!("migrations/9.sql"),
    include_str!("migrations/10.sql"),
    include_str!("migrations/11.sql"),
    include_str!("migrations/12.sql"),
    include_str!("migrations/13.sql"),
    include_str!("migrations/14.sql"),
];

const REVOKED_TOKEN: &str = "
CREATE TABLE revoked_token (
    jti           TEXT PRIMARY KEY CHECK (length(jti) = 22),
    client_id     TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_token_client ON revoked_token (client_id);
CREATE INDEX revoked_token_expiry ON revoked_token (expires_at_ms);
";

/// The file's header, and the start of the root page of its schema's table.
const HEADER_BYTES: usize = 108;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// A page of a table that has no pages below it: https://sqlite.org/fileformat2.html#b_tree_pages
const LEAF: u8 = 13;

/// What stands at a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or a file in which nothing was made yet.
    Nothing,
    /// A grantd database of this version.
    Database(i32),
}

/// Looks at the file without opening it as a database.
///
/// # Errors
/// `Setup`, in one line with the way out: not a database, another program's, too new, or not readable.
pub fn inspect(path: &Path) -> Result<Found> {
    let name = path.display();
    let failed =
        |error: std::io::Error| Error::Setup(format!("{name} cannot be read: {error}; check its path and rights"));
    let mut file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        other => other.map_err(failed)?,
    };
    let meta = file.metadata().map_err(failed)?;
    if meta.is_dir() {
        return Err(Error::Setup(format!("{name} is a directory; name a file in it with --database")));
    }
    if meta.permissions().readonly() {
        return Err(Error::Setup(format!(
            "{name} is read-only; make it writable (chmod u+w) or choose another file with --database"
        )));
    }
    if meta.len() == 0 {
        return Ok(Found::Nothing);
    }
    let mut header = [0_u8; HEADER_BYTES];
    if file.read_exact(&mut header).is_err() || !header.starts_with(MAGIC) {
        return Err(Error::Setup(format!("{name} is not a SQLite database; choose another file with --database")));
    }
    let word = |at: usize| i32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    // Offsets of user_version and application_id: https://sqlite.org/fileformat2.html#the_database_header
    let (application_id, version) = (word(68), word(60));
    let wal = files::beside(path, "-wal");
    if application_id == 0 && version == 0 {
        // A first start that was cut off has its schema in the log still: the engine asks again through SQLite.
        if std::fs::metadata(&wal).is_ok_and(|meta| meta.len() > 0) {
            return Ok(Found::Database(VERSION));
        }
        // Or it has a first page, and nothing on it.
        if header[100] == LEAF && header[103..105] == [0, 0] {
            return Ok(Found::Nothing);
        }
    }
    check_identity(path, application_id, version)
}

/// Whether a database with this `application_id` and `user_version` can be used.
///
/// # Errors
/// As [`inspect`].
pub fn check_identity(path: &Path, application_id: i32, version: i32) -> Result<Found> {
    let name = path.display();
    if application_id != APPLICATION_ID {
        return Err(Error::Setup(format!("{name} belongs to another program; choose another file with --database")));
    }
    if version > VERSION {
        return Err(Error::Setup(format!(
            "{name} was written by a newer grantd (schema {version}, this one knows {VERSION}); use that grantd, or restore a backup made before"
        )));
    }
    if version < 1 {
        return Err(Error::Setup(format!(
            "{name} was never finished; delete it, or choose another file with --database"
        )));
    }
    Ok(Found::Database(version))
}

/// The steps from `version` to [`VERSION`], each with the version it makes.
pub fn steps_from(version: i32) -> impl Iterator<Item = (i32, &'static str)> {
    (2..).zip(MIGRATIONS.iter().copied()).filter(move |(makes, _)| *makes > version)
}
