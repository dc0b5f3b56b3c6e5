//! How service accounts are kept.

use super::audit::guarded_commit;
use super::engine::{Batch, EngineError, Row, Statement, params};
use super::entity::{Dependent, Entity, meta_params, unchanged};
use super::list::{Attribute, Kind};
use super::reach::{By, Reach, Source};
use super::{Store, plain_error};
use crate::error::Result;
use crate::model::Record;
use crate::model::grant::Grant;
use crate::model::id::Id;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::policy::Policy;
use crate::model::service_account::ServiceAccount;

static REACH: Reach = Reach {
    newest: "t.seq > (SELECT max(seq) FROM service_account) - ",
    span: "SELECT (SELECT max(seq) FROM service_account) - (SELECT min(seq) FROM service_account)",
    rows: 2000,
    ordered: &["active"],
    unique: &["id", "userName"],
    sources: &[Source {
        attributes: &["userName", "displayName"],
        by: By::Grams,
        always: true,
        select: "SELECT seq FROM service_account WHERE seq > (SELECT accounts_indexed FROM generation) UNION ALL \
            SELECT rowid FROM (SELECT rowid FROM service_account_gram WHERE service_account_gram MATCH ?1 \
            ORDER BY rowid DESC LIMIT ?2)",
        count: "SELECT COUNT(*) FROM (SELECT rowid FROM service_account_gram WHERE service_account_gram MATCH ?1 LIMIT ?2)",
    }],
};

impl Entity for ServiceAccount {
    const SELECT: &'static str = "SELECT t.id, t.created_at_ms, t.modified_at_ms, t.revision, t.user_name, \
        t.display_name, t.active, t.attributes FROM service_account AS t";
    const FROM: &'static str = " FROM service_account AS t";
    const TOTAL: Option<&'static str> = Some("SELECT accounts FROM generation");
    const KEY: &'static str = "t.seq";
    const REACH: Option<&'static Reach> = Some(&REACH);
    const GUARD: &'static str = guarded_commit!("(SELECT 1 FROM service_account WHERE id = ?10 AND revision = ?11)");
    const UNCHANGED: &'static str = unchanged!("service_account");
    const ATTRIBUTES: &'static [Attribute] = &[
        Attribute { name: "userName", expr: "t.user_name", kind: Kind::Text },
        Attribute { name: "displayName", expr: "t.display_name", kind: Kind::Text },
        Attribute { name: "active", expr: "t.active", kind: Kind::Flag },
        Attribute { name: "attributes", expr: "t.attributes", kind: Kind::Json },
    ];
    /// Its name, free again, would be another's: and by their names accounts are told apart in what is applied.
    const DELETING_WIDENS: bool = true;

    fn value_from_row(row: &Row) -> Result<Self, EngineError> {
        Ok(Self {
            user_name: row.text(4)?,
            display_name: row.text(5)?,
            active: row.flag(6)?,
            attributes: row.object(7)?,
        })
    }

    fn insert(record: &Record<Self>) -> Batch {
        const INSERT: &str = "INSERT INTO service_account (id, created_at_ms, modified_at_ms, revision, user_name, \
            display_name, active, attributes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        vec![Statement::new(INSERT, columns(record))]
    }

    fn update(record: &Record<Self>) -> Batch {
        const UPDATE: &str = "UPDATE service_account SET created_at_ms = ?2, modified_at_ms = ?3, revision = ?4, \
            user_name = ?5, display_name = ?6, active = ?7, attributes = ?8 WHERE id = ?1";
        vec![Statement::new(UPDATE, columns(record))]
    }

    fn delete(id: &Id) -> Batch {
        vec![Statement::new("DELETE FROM service_account WHERE id = ?1", params![id])]
    }

    fn name(&self) -> &str {
        &self.user_name
    }

    fn resolve(&mut self, _: &Store, _: Option<&Self>) -> Result<()> {
        Ok(())
    }

    fn leads_to_admin(&self, store: &Store) -> Result<bool> {
        const HOLDS: &str = "SELECT EXISTS (SELECT 1 FROM service_account AS a \
            JOIN access_grant AS g ON g.service_account_id = a.id JOIN api AS p ON p.id = g.api_id \
            WHERE a.user_name = ?1 AND p.built_in = 1)";
        let row = store.read_one(&Statement::new(HOLDS, params![self.user_name.as_str()]))?;
        row.map_or(Ok(false), |row| row.flag(0)).map_err(plain_error)
    }

    fn dependents(store: &Store, id: &Id, count_max: usize) -> Result<Vec<Dependent>> {
        const THEIR_POLICIES: &str = "t.service_account_id = ?1 OR t.machine_to_machine_id IN \
            (SELECT id FROM machine_to_machine WHERE service_account_id = ?1)";
        const THEIRS: &str = "t.service_account_id = ?1";
        // Before the clients that some of them are attached to.
        let mut found = store.dependents_where::<Policy>(THEIR_POLICIES, id.as_str(), count_max)?;
        found.extend(store.dependents_where::<MachineToMachine>(THEIRS, id.as_str(), count_max - found.len())?);
        found.extend(store.dependents_where::<Grant>(THEIRS, id.as_str(), count_max - found.len())?);
        Ok(found)
    }
}

fn columns(record: &Record<ServiceAccount>) -> Vec<super::engine::Value> {
    let mut all = meta_params(record);
    let account = &record.value;
    all.extend(params![
        account.user_name.as_str(),
        account.display_name.as_str(),
        account.active,
        serde_json::Value::from(account.attributes.clone()).to_string(),
    ]);
    all
}

impl Store {
    /// The id of the account that a caller names by id or userName.
    pub(crate) fn service_account_named(&self, name: &str) -> Result<Option<Id>> {
        self.id_where::<ServiceAccount>("t.id = ?1 OR t.user_name = ?1", name)
    }
}
