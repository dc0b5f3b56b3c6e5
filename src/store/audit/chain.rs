//! The chain over the commits: sealed behind the writers, and checked from its start.
//!
//! A seal is a keyed hash over its commit and the seal before. The last one is named by the head, which is keyed too
//! and written in the batch of the seals: without the key nobody can cut seals off, or begin anew without them, and
//! have a head that goes with what is left. Sealing goes on from the head alone. Whether there must be one is said by
//! the master key's check value: see `secret/check.rs`.

use std::fmt;
use std::sync::atomic::Ordering;

use super::super::engine::{Row, Statement, params};
use super::super::setting::{self, AUDIT_HEAD, MASTER_KEY_CHECK};
use super::super::{Store, plain_error};
use crate::error::{Error, Result};
use crate::secret::{Hash, KeyCheck, ServerKeys, hashes_equal};

/// Commits that one pass seals.
const SEALED_AT_ONCE_MAX: usize = 1000;

const LAST_SEAL: &str = "SELECT seq, hash FROM audit_seal ORDER BY seq DESC LIMIT 1";
const INSERT_SEAL: &str = "INSERT INTO audit_seal (seq, hash) VALUES (?1, ?2)";
const UNSEALED: &str = "SELECT seq, id, at_ms, actor_id, actor_name, actor_type, reason, correlation, request_id, changes \
    FROM audit_commit WHERE seq > ?1 ORDER BY seq LIMIT ?2";
const SEALED: &str = "SELECT s.seq, c.id, c.at_ms, c.actor_id, c.actor_name, c.actor_type, c.reason, c.correlation, \
    c.request_id, c.changes, s.hash FROM audit_seal AS s LEFT JOIN audit_commit AS c ON c.seq = s.seq \
    WHERE s.seq > ?1 AND s.seq <= ?2 ORDER BY s.seq LIMIT ?3";
/// The first number after ?1 that no commit has, and the last one that a commit has.
const AFTER_SEALED: &str = "SELECT (SELECT MIN(t.seq) + 1 FROM \
    (SELECT ?1 AS seq UNION ALL SELECT seq FROM audit_commit WHERE seq > ?1) AS t \
    WHERE NOT EXISTS (SELECT 1 FROM audit_commit AS n WHERE n.seq = t.seq + 1)), \
    (SELECT COALESCE(MAX(seq), 0) FROM audit_commit)";
/// The head of a chain without a seal, where nothing was made yet: a first start goes on to make an API and keys.
const FIRST_HEAD: &str = "INSERT OR IGNORE INTO setting (name, value) SELECT ?1, ?2 \
    WHERE NOT EXISTS (SELECT 1 FROM audit_commit) AND NOT EXISTS (SELECT 1 FROM api) \
    AND NOT EXISTS (SELECT 1 FROM signing_key)";

/// What [`Store::audit_verify`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum AuditVerdict {
    /// The chain holds: this many commits are sealed, and this many wait for the next pass.
    Holds {
        /// Commits in the chain.
        sealed: i64,
        /// Commits after its end.
        waiting: i64,
    },
    /// The trail was changed, here first.
    Broken(AuditBreak),
}

/// Where the trail was changed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditBreak {
    /// The sequence number of the first commit that is not as it was, or that nothing vouches for.
    pub at: i64,
    /// What is wrong with it.
    pub how: AuditFault,
}

/// What is wrong with a commit, or with the end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditFault {
    /// The commit, or its seal, is another one.
    Changed,
    /// The commit, or its seal, is not there.
    Missing,
    /// The seals before it hold, and the head is not there, not authentic, or names another seal than the last.
    Headless,
}

impl fmt::Display for AuditBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, how } = self;
        match how {
            AuditFault::Changed => write!(f, "commit {at} is not what was sealed"),
            AuditFault::Missing => write!(f, "commit {at} or its seal is missing"),
            AuditFault::Headless => {
                write!(f, "the head of its chain is missing or another: nothing vouches for commit {at} and later ones")
            }
        }
    }
}

/// A commit's number and its link in the chain. Before the first commit, both are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    seq: i64,
    link: Hash,
}

impl Place {
    /// The head that names this place: the number (8 bytes, big-endian), the link, and what authenticates them.
    fn to_head(self, keys: &ServerKeys) -> Vec<u8> {
        [&self.seq.to_be_bytes()[..], &self.link[..], &keys.audit_head(self.seq, &self.link)[..]].concat()
    }

    /// The place that a head names; `None` when it is not authentic.
    fn from_head(keys: &ServerKeys, head: &[u8]) -> Option<Self> {
        let (seq, rest) = head.split_first_chunk()?;
        let (link, mac) = rest.split_first_chunk()?;
        let place = Self { seq: i64::from_be_bytes(*seq), link: *link };
        hashes_equal(mac, &keys.audit_head(place.seq, &place.link)).then_some(place)
    }

    /// The place after this one, of the commit in columns 0 to 9: its link is keyed, over the link before and all that
    /// the commit says.
    fn next(self, keys: &ServerKeys, row: &Row) -> Self {
        let said = (
            row.integer(0).ok(),
            row.text(1).ok(),
            row.integer(2).ok(),
            row.text(3).ok(),
            row.text(4).ok(),
            row.text(5).ok(),
            row.optional_text(6).ok().flatten(),
            row.optional_text(7).ok().flatten(),
            row.text(8).ok(),
            row.text(9).ok(),
        );
        // Texts and numbers always have a JSON form.
        let link = keys.audit_hash(&[&self.link, &serde_json::to_vec(&said).unwrap_or_default()]);
        Self { seq: self.seq + 1, link }
    }
}

/// What stands in a database about the end of its chain, as of one moment.
struct End {
    /// The last seal, or the one that the head names where that is further.
    reach: i64,
    /// The head, which is the last seal. `None` in a database of before heads.
    head: Result<Option<Place>, AuditBreak>,
}

impl Store {
    /// Marks a new database as one of these keys, whose chain has a head.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub(crate) fn audit_begin(&self, keys: &ServerKeys) -> Result<()> {
        let first = Statement::new(FIRST_HEAD, params![AUDIT_HEAD, Place::default().to_head(keys)]);
        self.write(vec![setting::insert(MASTER_KEY_CHECK, keys.check_value()), first]).map_err(plain_error)
    }

    /// Seals the commits made since the last pass; answers how many. A trail that was changed is sealed no further.
    ///
    /// # Errors
    /// `Internal` when the head is not as this server left it, or a commit is missing after it; `Unavailable` or
    /// `Internal` from the database.
    pub fn audit_seal(&self, keys: &ServerKeys) -> Result<usize> {
        let end = self.audit_end(keys)?;
        let mut last = match end.head.map_err(unsealable)? {
            Some(head) => head,
            None => self.audit_take_over(keys, end.reach)?,
        };
        self.audit_sealed.store(last.seq, Ordering::Release);
        let waiting = self.read(&Statement::new(UNSEALED, params![last.seq, SEALED_AT_ONCE_MAX as i64]))?;
        if waiting.is_empty() {
            return Ok(0);
        }
        let mut seals = Vec::with_capacity(2 * waiting.len());
        for row in &waiting {
            let next = last.next(keys, row);
            if row.integer(0).map_err(plain_error)? != next.seq {
                return Err(unsealable(AuditBreak { at: next.seq, how: AuditFault::Missing }));
            }
            seals.extend(params![next.seq, next.link.to_vec()]);
            last = next;
        }
        let batch = vec![Statement::new(INSERT_SEAL, seals), setting::put(AUDIT_HEAD, &last.to_head(keys))];
        self.write(batch).map_err(plain_error)?;
        self.audit_sealed.store(last.seq, Ordering::Release);
        Ok(waiting.len())
    }

    /// Gives a database of before heads its head, if its chain holds. From then on there must be one.
    fn audit_take_over(&self, keys: &ServerKeys, reach: i64) -> Result<Place> {
        let head = self.audit_walk(keys, reach)?.map_err(unsealable)?;
        let head_first = setting::put(AUDIT_HEAD, &head.to_head(keys));
        self.write(vec![head_first, setting::put(MASTER_KEY_CHECK, keys.check_value())]).map_err(plain_error)?;
        tracing::info!(sealed = head.seq, "the audit chain holds, and has a head from now on");
        Ok(head)
    }

    /// Recomputes the whole chain, as far as it was sealed when this began.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn audit_verify(&self, keys: &ServerKeys) -> Result<AuditVerdict> {
        let end = self.audit_end(keys)?;
        let walked = self.audit_walk(keys, end.reach)?;
        let sealed = match walked.and_then(|place| end.head.map(|_| place.seq)) {
            Ok(sealed) => sealed,
            Err(what) => return Ok(AuditVerdict::Broken(what)),
        };
        let row = self.read_one(&Statement::new(AFTER_SEALED, params![sealed]))?;
        let row = row.ok_or_else(|| Error::Internal("the ends of a table are always there".to_owned()))?;
        let (free, newest) = (row.integer(0).map_err(plain_error)?, row.integer(1).map_err(plain_error)?);
        if free < newest {
            return Ok(AuditVerdict::Broken(AuditBreak { at: free, how: AuditFault::Missing }));
        }
        Ok(AuditVerdict::Holds { sealed, waiting: free - 1 - sealed })
    }

    /// Where the chain ends, without a look at what is before.
    fn audit_end(&self, keys: &ServerKeys) -> Result<End> {
        // Before the rest: what is read after it is never older.
        let known = self.audit_sealed.load(Ordering::Acquire);
        let statements =
            [setting::read(MASTER_KEY_CHECK), setting::read(AUDIT_HEAD), Statement::new(LAST_SEAL, Vec::new())];
        let (_, answers) = self.engine.read_together(&statements).map_err(plain_error)?;
        let [check, head, seal] = answers.as_slice() else {
            return Err(Error::Internal("three statements have three answers".to_owned()));
        };
        let check = check.first().and_then(|row| keys.recognise(&row.blob(0).ok()?));
        let (last, link) = match seal.first() {
            None => (0, Hash::default().to_vec()),
            Some(row) => (row.integer(0).map_err(plain_error)?, row.blob(1).map_err(plain_error)?),
        };
        // This server knows of a head as soon as it has sealed: without one since, somebody put the old check value back.
        if check == Some(KeyCheck::WithoutHead) && head.is_empty() && known == 0 {
            return Ok(End { reach: last, head: Ok(None) });
        }
        let head = head.first().and_then(|row| Place::from_head(keys, &row.blob(0).ok()?));
        let head = head.filter(|_| check == Some(KeyCheck::WithHead));
        let after = last.saturating_add(1);
        let broken = |at, how| Err(AuditBreak { at, how });
        let reach = head.map_or(last, |head| head.seq.max(last));
        let head = match head {
            None => broken(after, AuditFault::Headless),
            Some(head) if head.seq < last => broken(after, AuditFault::Headless),
            Some(head) if head.seq > last => broken(after, AuditFault::Missing),
            Some(head) if !hashes_equal(&head.link, &link) => broken(last, AuditFault::Changed),
            // An older head, with the seals of its time: it was this server that sealed further.
            Some(head) if head.seq < known => broken(after, AuditFault::Missing),
            Some(head) => Ok(Some(head)),
        };
        Ok(End { reach, head })
    }

    /// Recomputes the chain up to the seal of that number: its place there, or where it breaks.
    fn audit_walk(&self, keys: &ServerKeys, reach: i64) -> Result<Result<Place, AuditBreak>> {
        let mut place = Place::default();
        while place.seq < reach {
            let page = params![place.seq, reach, SEALED_AT_ONCE_MAX as i64];
            let rows = self.read(&Statement::new(SEALED, page))?;
            let broken = |at, how| Ok(Err(AuditBreak { at, how }));
            if rows.is_empty() {
                return broken(place.seq + 1, AuditFault::Missing);
            }
            for row in &rows {
                place = place.next(keys, row);
                // A seal whose commit is gone has nothing beside it.
                let is_alone = row.optional_text(1).is_ok_and(|id| id.is_none());
                if row.integer(0).map_err(plain_error)? != place.seq || is_alone {
                    return broken(place.seq, AuditFault::Missing);
                }
                if !hashes_equal(&place.link, &row.blob(10).unwrap_or_default()) {
                    return broken(place.seq, AuditFault::Changed);
                }
            }
        }
        Ok(Ok(place))
    }
}

/// Why a trail that was changed is sealed no further: its own seal must not cover the change up.
fn unsealable(what: AuditBreak) -> Error {
    Error::Internal(format!("the audit trail was changed, and is sealed no further: {what}; see grantd doctor"))
}
