//! The small door between the typed store and a database: values, rows, statements, and what can go wrong.
//!
//! An engine reads rows and writes batches, all or nothing; it knows no entity. `local.rs` is the one on
//! rusqlite. A second, replicated one can stand behind the same types: no interactive transactions,
//! every value a parameter, no clock and no randomness in SQL.

use std::borrow::Cow;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};

use crate::clock::Timestamp;
use crate::model::id::Id;
use crate::secret::Hash;

/// A value of SQLite, for parameters and rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A floating-point number: only filters compare with one.
    Real(f64),
    /// UTF-8 text.
    Text(String),
    /// Text that is a constant. Parameters only: rows hold `Text`.
    Word(&'static str),
    /// The text of an id. Parameters only: rows hold `Text`.
    Id(Id),
    /// Bytes.
    Blob(Vec<u8>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Integer(i64::from(flag))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&Id> for Value {
    fn from(id: &Id) -> Self {
        Self::Id(id.clone())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Blob(bytes)
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Integer(time.ms())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Value {
    /// About as many bytes as it holds.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
            Self::Null | Self::Integer(_) | Self::Real(_) | Self::Word(_) | Self::Id(_) => size_of::<i64>(),
        }
    }
}

/// Makes the parameters of a statement: `params![id, revision]`.
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::engine::Value::from($value)),*] };
}
pub(crate) use params;

/// One statement with its parameters, `?1` first.
#[derive(Clone, Debug)]
pub struct Statement {
    /// SQL text: a constant, or constants joined.
    pub sql: Cow<'static, str>,
    /// One value for each parameter. In a batch there may be several rows of them, one after another: the statement
    /// runs once for each.
    pub params: Vec<Value>,
}

impl Statement {
    /// A statement with constant text.
    pub fn new(sql: &'static str, params: Vec<Value>) -> Self {
        Self { sql: Cow::Borrowed(sql), params }
    }
}

/// Statements that commit together or not at all.
pub type Batch = Vec<Statement>;

/// What lists may take, since whoever may read can ask for any.
#[derive(Clone, Copy, Debug)]
pub struct ReadBounds {
    /// The rows of one statement, by what their columns hold. A first row that holds more is read all the same.
    pub bytes: usize,
    /// All statements together.
    pub time: Duration,
}

/// How far what is committed has come: an answer that was read under the same number still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Counts every change that an answer may depend on.
    pub value: i64,
    /// Counts the changes to API tokens among them.
    pub api_tokens: i64,
}

/// One row of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub Vec<Value>);

/// A column does not hold what the schema says it holds.
fn unfit(column: usize, wanted: &str) -> EngineError {
    EngineError::Damaged(format!("column {column} holds no {wanted}"))
}

impl Row {
    fn value(&self, column: usize) -> &Value {
        self.0.get(column).unwrap_or(&Value::Null)
    }

    /// SHA-256 over every column: two rows have the same one only if they hold the same values.
    pub(crate) fn digest(&self) -> Hash {
        let mut context = Context::new(&SHA256);
        let mut part = |kind: u8, bytes: &[u8]| {
            context.update(&[kind]);
            context.update(&(bytes.len() as u64).to_le_bytes());
            context.update(bytes);
        };
        for value in &self.0 {
            match value {
                Value::Null => part(0, &[]),
                Value::Integer(number) => part(1, &number.to_le_bytes()),
                Value::Real(number) => part(2, &number.to_le_bytes()),
                Value::Text(text) => part(3, text.as_bytes()),
                Value::Word(text) => part(3, text.as_bytes()),
                Value::Id(id) => part(3, id.as_str().as_bytes()),
                Value::Blob(bytes) => part(4, bytes),
            }
        }
        let mut hash = Hash::default();
        hash.copy_from_slice(context.finish().as_ref());
        hash
    }

    /// Whether a column holds nothing.
    pub(crate) fn is_null(&self, column: usize) -> bool {
        *self.value(column) == Value::Null
    }

    /// A text column.
    pub(crate) fn text(&self, column: usize) -> Result<String, EngineError> {
        self.optional_text(column)?.ok_or_else(|| unfit(column, "text"))
    }

    /// A text column that may be NULL.
    pub(crate) fn optional_text(&self, column: usize) -> Result<Option<String>, EngineError> {
        match self.value(column) {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.clone())),
            _ => Err(unfit(column, "text")),
        }
    }

    /// An integer column.
    pub(crate) fn integer(&self, column: usize) -> Result<i64, EngineError> {
        self.optional_integer(column)?.ok_or_else(|| unfit(column, "integer"))
    }

    /// An integer column that may be NULL.
    pub(crate) fn optional_integer(&self, column: usize) -> Result<Option<i64>, EngineError> {
        match self.value(column) {
            Value::Null => Ok(None),
            Value::Integer(number) => Ok(Some(*number)),
            _ => Err(unfit(column, "integer")),
        }
    }

    /// A 0 or 1 column.
    pub(crate) fn flag(&self, column: usize) -> Result<bool, EngineError> {
        Ok(self.integer(column)? != 0)
    }

    /// A `_ms` column.
    pub(crate) fn time(&self, column: usize) -> Result<Timestamp, EngineError> {
        self.integer(column).map(Timestamp::from_ms)
    }

    /// A `_ms` column that may be NULL.
    pub(crate) fn optional_time(&self, column: usize) -> Result<Option<Timestamp>, EngineError> {
        Ok(self.optional_integer(column)?.map(Timestamp::from_ms))
    }

    /// An id column.
    pub(crate) fn id(&self, column: usize) -> Result<Id, EngineError> {
        Id::parse(&self.text(column)?).ok_or_else(|| unfit(column, "id"))
    }

    /// An id column that may be NULL.
    pub(crate) fn optional_id(&self, column: usize) -> Result<Option<Id>, EngineError> {
        let text = self.optional_text(column)?;
        text.map(|text| Id::parse(&text).ok_or_else(|| unfit(column, "id"))).transpose()
    }

    /// A blob column.
    pub(crate) fn blob(&self, column: usize) -> Result<Vec<u8>, EngineError> {
        match self.value(column) {
            Value::Blob(bytes) => Ok(bytes.clone()),
            _ => Err(unfit(column, "blob")),
        }
    }

    /// A column of JSON text.
    pub(crate) fn json(&self, column: usize) -> Result<serde_json::Value, EngineError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| unfit(column, "JSON"))
    }

    /// A column of JSON text that is an object.
    pub(crate) fn object(&self, column: usize) -> Result<serde_json::Map<String, serde_json::Value>, EngineError> {
        match self.json(column)? {
            serde_json::Value::Object(object) => Ok(object),
            _ => Err(unfit(column, "JSON object")),
        }
    }

    /// A column of JSON text in the shape of `T`.
    pub(crate) fn parsed<T: serde::de::DeserializeOwned>(&self, column: usize) -> Result<T, EngineError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| unfit(column, "JSON of its kind"))
    }
}

/// Why a read or a batch failed. Nothing of a failed batch is kept.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// The first statement's `guard` was NULL, or a row that had to be unchanged is not: the batch's condition does
    /// not hold.
    #[error("the batch's condition does not hold")]
    Guard,
    /// A UNIQUE constraint; names `table.column`.
    #[error("{0} is taken")]
    Unique(String),
    /// A foreign key: something named does not exist, or something removed is in use.
    #[error("a foreign key does not hold")]
    ForeignKey,
    /// Any other constraint.
    #[error("a constraint does not hold: {0}")]
    Constraint(String),
    /// No room on the disk.
    #[error("the disk is full")]
    Full,
    /// Another process holds the database, or too many writes wait.
    #[error("busy: {0}")]
    Busy(String),
    /// Reading or writing the file failed.
    #[error("input or output failed: {0}")]
    Io(String),
    /// The file does not hold what it should.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// A list is read for longer than it may be.
    #[error("the list takes too long to read")]
    TooLong,
    /// A list has more bytes than it may have.
    #[error("the list is too large to read")]
    TooLarge,
    /// A statement that does not fit the schema.
    #[error("{0}")]
    Sql(String),
    /// The engine has stopped.
    #[error("the store has stopped")]
    Stopped,
}
