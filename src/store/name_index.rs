//! The indexes of the names of accounts and clients, filled a moment behind the writers: with each new row alone, that is a
//! seventh of what the row costs; many at a time, it is next to nothing. An apply brings many, and indexes them itself. Until
//! it is done whoever looks for a name looks at the new rows too (`Source::select`). A name that changes, and one that goes,
//! is followed at once: by triggers.

use super::engine::{Batch, Statement, params};
use super::{Store, plain_error};
use crate::error::Result;

/// Rows of each kind that one step adds, in a few milliseconds in which nothing else is written.
const STEP_ROWS: i64 = 500;
/// No limit, to SQLite.
const ALL_ROWS: i64 = -1;

const WAITING: &str = "SELECT 1 FROM generation WHERE accounts_indexed < (SELECT max(seq) FROM service_account) \
    OR clients_indexed < (SELECT max(seq) FROM machine_to_machine)";
const INDEX_ACCOUNTS: &str = "INSERT INTO service_account_gram (rowid, user_name, display_name) \
    SELECT seq, user_name, display_name FROM service_account \
    WHERE seq > (SELECT accounts_indexed FROM generation) ORDER BY seq LIMIT ?1";
const INDEX_CLIENTS: &str = "INSERT INTO machine_to_machine_gram (rowid, client_id, display_name) \
    SELECT seq, client_id, display_name FROM machine_to_machine \
    WHERE seq > (SELECT clients_indexed FROM generation) ORDER BY seq LIMIT ?1";
/// How far that came.
const NOTE: &str = "UPDATE generation SET \
    accounts_indexed = COALESCE((SELECT max(seq) FROM (SELECT seq FROM service_account WHERE seq > accounts_indexed \
    ORDER BY seq LIMIT ?1)), accounts_indexed), \
    clients_indexed = COALESCE((SELECT max(seq) FROM (SELECT seq FROM machine_to_machine WHERE seq > clients_indexed \
    ORDER BY seq LIMIT ?1)), clients_indexed)";

fn index(rows: i64) -> Batch {
    [INDEX_ACCOUNTS, INDEX_CLIENTS, NOTE].map(|sql| Statement::new(sql, params![rows])).into()
}

/// Indexes every name that is not yet.
pub(super) fn index_all() -> Batch {
    index(ALL_ROWS)
}

impl Store {
    /// Indexes some of the names that are not yet; answers whether there were any.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub(crate) fn names_index(&self) -> Result<bool> {
        if self.read_one(&Statement::new(WAITING, params![]))?.is_none() {
            return Ok(false);
        }
        self.write(index(STEP_ROWS)).map_err(plain_error)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::engine::{Statement, params};
    use super::super::entity::Entity;
    use super::super::{Store, StoreLimits};
    use crate::model::service_account::ServiceAccount;

    /// What may happen to accounts. Numbers choose among those that there are.
    #[derive(Clone, Debug)]
    enum Happens {
        Insert(String),
        Rename(usize, String),
        Delete(usize),
        DeleteLast,
        Index,
    }

    fn happens() -> impl Strategy<Value = Happens> {
        let name = "[ab]{3,5}";
        prop_oneof![
            3 => name.prop_map(Happens::Insert),
            2 => (0..9_usize, name).prop_map(|(which, name)| Happens::Rename(which, name)),
            2 => (0..9_usize).prop_map(Happens::Delete),
            1 => Just(Happens::DeleteLast),
            2 => Just(Happens::Index),
        ]
    }

    fn write(store: &Store, sql: &'static str, params: Vec<super::super::engine::Value>) {
        store.write(vec![Statement::new(sql, params)]).unwrap();
    }

    /// `seq`, user name and display name of every account.
    fn accounts(store: &Store) -> Vec<(i64, String, String)> {
        const ALL: &str = "SELECT seq, user_name, display_name FROM service_account ORDER BY seq";
        let rows = store.read(&Statement::new(ALL, params![])).unwrap();
        rows.iter().map(|row| (row.integer(0).unwrap(), row.text(1).unwrap(), row.text(2).unwrap())).collect()
    }

    fn happen(store: &Store, what: &Happens, number: usize) {
        let accounts = accounts(store);
        let seq = |which: usize| accounts.get(which % accounts.len().max(1)).map_or(0, |(seq, ..)| *seq);
        let delete = |seq: i64| write(store, "DELETE FROM service_account WHERE seq = ?1", params![seq]);
        match what {
            Happens::Insert(name) => write(
                store,
                "INSERT INTO service_account (id, user_name, display_name, active, attributes, revision, created_at_ms, \
                 modified_at_ms) VALUES (printf('%022d', ?1), ?2 || ?1, ?2, 1, '{}', 1, 0, 0)",
                params![number as i64, name.as_str()],
            ),
            Happens::Rename(which, name) => write(
                store,
                "UPDATE service_account SET display_name = ?2 WHERE seq = ?1",
                params![seq(*which), name.as_str()],
            ),
            Happens::Delete(which) => delete(seq(*which)),
            Happens::DeleteLast => delete(seq(accounts.len().saturating_sub(1))),
            Happens::Index => while store.names_index().unwrap() {},
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_name_is_found_at_every_moment(all in proptest::collection::vec(happens(), 1..40)) {
            let directory = tempfile::tempdir().unwrap();
            let limits = StoreLimits { clients_cached: 1, page_cache_kib: 1024 };
            let (store, _) = Store::open(&directory.path().join("grantd.db"), true, limits).unwrap();
            let source = &ServiceAccount::REACH.unwrap().sources[0];
            for (number, what) in all.iter().enumerate() {
                happen(&store, what, number);
                let candidates = store.read(&Statement::new(source.select, params!["\"aba\"", -1])).unwrap();
                let candidates: Vec<i64> = candidates.iter().map(|row| row.integer(0).unwrap()).collect();
                prop_assert!(candidates.is_sorted_by(|one, next| one > next), "newest first, each once: {candidates:?}");
                let count = store.read_one(&source.probe(&"\"aba\"".into())).unwrap().unwrap().integer(0).unwrap();
                prop_assert_eq!(count as usize, candidates.len());
                for (seq, user_name, display_name) in accounts(&store) {
                    let holds = user_name.contains("aba") || display_name.contains("aba");
                    prop_assert!(!holds || candidates.contains(&seq), "{seq} is not among {candidates:?}");
                }
            }
            while store.names_index().unwrap() {}
            let found = store.read(&Statement::new(source.select, params!["\"aba\"", -1])).unwrap().len();
            let wanted = accounts(&store).iter().filter(|(_, one, other)| one.contains("aba") || other.contains("aba")).count();
            prop_assert_eq!(found, wanted, "an index that is complete names no other");
            // The index against the rows that it is of.
            write(&store, "INSERT INTO service_account_gram (service_account_gram, rank) VALUES ('integrity-check', 1)", params![]);
        }
    }
}
