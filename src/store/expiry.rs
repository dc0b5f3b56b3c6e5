//! What ends soon: secrets, grants and API tokens that somebody may want to renew in time.

use super::engine::{EngineError, Row, Statement, Value, params};
use super::{Store, plain_error};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::model::id::Id;

/// Things that are named; more are counted.
const NAMED_MAX: i64 = 5;

/// A secret counts when no other secret of its client outlives the window: rotation under way is no finding.
const SECRETS: &str = "SELECT 'the secret …' || c.last4 || ' of ' || m.display_name, c.expires_at_ms, COUNT(*) OVER () \
    FROM credential AS c JOIN machine_to_machine AS m ON m.id = c.machine_to_machine_id \
    WHERE m.active = 1 AND c.expires_at_ms > ?1 AND c.expires_at_ms <= ?2 AND NOT EXISTS (SELECT 1 FROM credential AS o \
    WHERE o.machine_to_machine_id = c.machine_to_machine_id AND (o.expires_at_ms IS NULL OR o.expires_at_ms > ?2)) \
    ORDER BY c.expires_at_ms LIMIT ?3";
const GRANTS: &str = "SELECT 'the grant of ' || a.user_name || ' at ' || p.app_id, g.expires_at_ms, COUNT(*) OVER () \
    FROM access_grant AS g JOIN service_account AS a ON a.id = g.service_account_id JOIN api AS p ON p.id = g.api_id \
    WHERE a.active = 1 AND p.active = 1 AND g.expires_at_ms > ?1 AND g.expires_at_ms <= ?2 \
    ORDER BY g.expires_at_ms LIMIT ?3";
const API_TOKENS: &str = "SELECT 'the API token …' || last4 || ' called ' || display_name, expires_at_ms, COUNT(*) OVER () \
    FROM api_token WHERE active = 1 AND expires_at_ms > ?1 AND expires_at_ms <= ?2 ORDER BY expires_at_ms LIMIT ?3";

const SECRETS_ENDING: &str = "SELECT m.id, m.display_name, c.last4, c.expires_at_ms FROM credential AS c \
    JOIN machine_to_machine AS m ON m.id = c.machine_to_machine_id \
    WHERE c.expires_at_ms > ?1 AND c.expires_at_ms < ?2 AND c.last4 IS NOT NULL ORDER BY c.expires_at_ms LIMIT ?3";

/// A secret that ends, with the way to its client.
#[derive(Clone, Debug)]
pub(crate) struct EndingSecret {
    /// The id, not the `client_id`, of its client.
    pub(crate) client_id: Id,
    /// What people call the client.
    pub(crate) client_name: String,
    pub(crate) last4: String,
    pub(crate) expires_at: Timestamp,
}

fn ending_from_row(row: &Row) -> Result<EndingSecret, EngineError> {
    Ok(EndingSecret { client_id: row.id(0)?, client_name: row.text(1)?, last4: row.text(2)?, expires_at: row.time(3)? })
}

/// Things of one kind that end within a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// The first of them, each with its end.
    pub first: Vec<(String, Timestamp)>,
    /// How many there are.
    pub total: i64,
}

impl Store {
    /// The secrets that end between two moments, the next one first.
    pub(crate) fn secret_list_ending(
        &self,
        from: Timestamp,
        until: Timestamp,
        count: u32,
    ) -> Result<Vec<EndingSecret>> {
        let rows = self.read(&Statement::new(SECRETS_ENDING, params![from, until, i64::from(count)]))?;
        rows.iter().map(|row| ending_from_row(row).map_err(plain_error)).collect()
    }

    /// What ends after `now` and not after `until`: secrets, grants, API tokens. Kinds without any are left out.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn expiring(&self, now: Timestamp, until: Timestamp) -> Result<Vec<Expiring>> {
        let mut found = Vec::new();
        for sql in [SECRETS, GRANTS, API_TOKENS] {
            let rows = self.read(&Statement::new(sql, params![now, until, Value::Integer(NAMED_MAX)]))?;
            let Some(row) = rows.first() else { continue };
            let total = row.integer(2).map_err(plain_error)?;
            let first = rows.iter().map(|row| Ok((row.text(0)?, row.time(1)?))).collect::<Result<_, _>>();
            found.push(Expiring { first: first.map_err(plain_error)?, total });
        }
        Ok(found)
    }
}
