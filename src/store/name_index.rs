//! The indexes of the names of accounts and clients, filled a moment behind the writers: with each new row alone, that is a
//! seventh of what the row costs; many at a time, it is next to nothing. An apply brings many, and indexes them itself. Until
//! it is done whoever looks for a name looks at the new rows too (`Source::select`). A name that changes, and one that goes,
//! is followed at once: by triggers.

use super::engine::{Batch, Statement, params};
use super::{Store, plain_error};
use crate::error::Result;

/// Rows that one step adds: 2 ms in which nothing else is written, 50 if all have the longest names.
const STEP_ROWS: i64 = 200;
/// No limit, to SQLite.
const ALL_ROWS: i64 = -1;

/// The index of one table.
struct NameIndex {
    /// How many rows are not in it, up to ?1.
    waiting: &'static str,
    /// Adds the first ?1 of them.
    insert: &'static str,
    /// Notes how far that came.
    note: &'static str,
}

static ALL: [NameIndex; 2] = [
    NameIndex {
        waiting: "SELECT COUNT(*) FROM (SELECT 1 FROM service_account \
            WHERE seq > (SELECT accounts_indexed FROM generation) LIMIT ?1)",
        insert: "INSERT INTO service_account_gram (rowid, user_name, display_name) \
            SELECT seq, user_name, display_name FROM service_account \
            WHERE seq > (SELECT accounts_indexed FROM generation) ORDER BY seq LIMIT ?1",
        note: "UPDATE generation SET accounts_indexed = COALESCE((SELECT max(seq) FROM \
            (SELECT seq FROM service_account WHERE seq > accounts_indexed ORDER BY seq LIMIT ?1)), accounts_indexed)",
    },
    NameIndex {
        waiting: "SELECT COUNT(*) FROM (SELECT 1 FROM machine_to_machine \
            WHERE seq > (SELECT clients_indexed FROM generation) LIMIT ?1)",
        insert: "INSERT INTO machine_to_machine_gram (rowid, client_id, display_name) \
            SELECT seq, client_id, display_name FROM machine_to_machine \
            WHERE seq > (SELECT clients_indexed FROM generation) ORDER BY seq LIMIT ?1",
        note: "UPDATE generation SET clients_indexed = COALESCE((SELECT max(seq) FROM \
            (SELECT seq FROM machine_to_machine WHERE seq > clients_indexed ORDER BY seq LIMIT ?1)), clients_indexed)",
    },
];

impl NameIndex {
    fn add(&self, rows: i64) -> [Statement; 2] {
        [self.insert, self.note].map(|sql| Statement::new(sql, params![rows]))
    }
}

/// Indexes every name that is not yet.
pub(super) fn index_all() -> Batch {
    ALL.iter().flat_map(|index| index.add(ALL_ROWS)).collect()
}

impl Store {
    /// Indexes some of the names that are not yet; answers whether a step was not enough. An index that cannot be written
    /// does not hold up the other.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub(crate) fn names_index(&self) -> Result<bool> {
        let [accounts, clients] = ALL.each_ref().map(|index| self.index_step(index));
        Ok(accounts? | clients?)
    }

    fn index_step(&self, index: &NameIndex) -> Result<bool> {
        let row = self.read_one(&Statement::new(index.waiting, params![STEP_ROWS + 1]))?;
        let waiting = row.map_or(Ok(0), |row| row.integer(0)).map_err(plain_error)?;
        if waiting > 0 {
            self.write(index.add(STEP_ROWS).into()).map_err(plain_error)?;
        }
        Ok(waiting > STEP_ROWS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::engine::{Statement, Value, params};
    use super::super::entity::Entity;
    use super::super::reach::Source;
    use super::super::{Store, StoreLimits};
    use crate::model::machine_to_machine::MachineToMachine;
    use crate::model::service_account::ServiceAccount;

    /// What may happen to the rows of a table. Numbers choose among those that there are.
    #[derive(Clone, Debug)]
    enum Happens {
        Insert(String),
        Rename(usize, String),
        Delete(usize),
        DeleteLast,
        Index,
    }

    fn happens() -> impl Strategy<Value = Happens> {
        let name = "[abß]{3,5}";
        prop_oneof![
            3 => name.prop_map(Happens::Insert),
            2 => (0..9_usize, name).prop_map(|(which, name)| Happens::Rename(which, name)),
            2 => (0..9_usize).prop_map(Happens::Delete),
            1 => Just(Happens::DeleteLast),
            2 => Just(Happens::Index),
        ]
    }

    /// A table with names. Of two rows with the same number the second is refused.
    struct Named {
        all: &'static str,
        insert: &'static str,
        rename: &'static str,
        delete: &'static str,
        check: &'static str,
        source: &'static Source,
    }

    fn accounts() -> Named {
        Named {
            all: "SELECT seq, user_name, display_name FROM service_account ORDER BY seq",
            insert: "INSERT INTO service_account (id, user_name, display_name, active, attributes, revision, \
                created_at_ms, modified_at_ms) VALUES (printf('%022d', ?1), ?2 || ?1, ?2, 1, '{}', 1, 0, 0)",
            rename: "UPDATE service_account SET display_name = ?2 WHERE seq = ?1",
            delete: "DELETE FROM service_account WHERE seq = ?1",
            check: "INSERT INTO service_account_gram (service_account_gram, rank) VALUES ('integrity-check', 1)",
            source: &ServiceAccount::REACH.unwrap().sources[0],
        }
    }

    /// All of them clients of the account with the number 0.
    fn clients() -> Named {
        Named {
            all: "SELECT seq, client_id, display_name FROM machine_to_machine ORDER BY seq",
            insert: "INSERT INTO machine_to_machine (id, client_id, display_name, service_account_id, active, \
                allowed_auth_methods, attributes, revision, created_at_ms, modified_at_ms) \
                VALUES (printf('%022d', ?1), ?2 || ?1, ?2, printf('%022d', 0), 1, '[]', '{}', 1, 0, 0)",
            rename: "UPDATE machine_to_machine SET display_name = ?2 WHERE seq = ?1",
            delete: "DELETE FROM machine_to_machine WHERE seq = ?1",
            check: "INSERT INTO machine_to_machine_gram (machine_to_machine_gram, rank) VALUES ('integrity-check', 1)",
            source: &MachineToMachine::REACH.unwrap().sources[0],
        }
    }

    fn opened(directory: &tempfile::TempDir) -> Store {
        let limits = StoreLimits { clients_cached: 1, page_cache_kib: 1024 };
        Store::open(&directory.path().join("grantd.db"), true, limits).unwrap().0
    }

    fn write(store: &Store, sql: &'static str, params: Vec<Value>) {
        store.write(vec![Statement::new(sql, params)]).unwrap();
    }

    fn index(store: &Store) {
        while store.names_index().unwrap() {}
    }

    impl Named {
        /// `seq` and the two names of every row.
        fn rows(&self, store: &Store) -> Vec<(i64, String, String)> {
            let rows = store.read(&Statement::new(self.all, params![])).unwrap();
            rows.iter().map(|row| (row.integer(0).unwrap(), row.text(1).unwrap(), row.text(2).unwrap())).collect()
        }

        /// The `number` is one that no row had before.
        fn happen(&self, store: &Store, what: &Happens, number: usize) {
            let rows = self.rows(store);
            let seq = |which: usize| rows.get(which % rows.len().max(1)).map_or(0, |(seq, ..)| *seq);
            match what {
                Happens::Insert(name) => write(store, self.insert, params![number as i64, name.as_str()]),
                Happens::Rename(which, name) => write(store, self.rename, params![seq(*which), name.as_str()]),
                Happens::Delete(which) => write(store, self.delete, params![seq(*which)]),
                Happens::DeleteLast => write(store, self.delete, params![seq(rows.len().saturating_sub(1))]),
                Happens::Index => index(store),
            }
        }

        /// What is named for three characters: at most so many by the index.
        fn candidates(&self, store: &Store, gram: &str, max: i64) -> Vec<i64> {
            let gram = format!("\"{gram}\"");
            let rows = store.read(&Statement::new(self.source.select, params![gram, max])).unwrap();
            rows.iter().map(|row| row.integer(0).unwrap()).collect()
        }

        fn holds_after(&self, store: &Store, all: &[Happens]) -> Result<(), TestCaseError> {
            let holds = |(_, one, other): &(i64, String, String)| one.contains("aba") || other.contains("aba");
            for (number, what) in (1..).zip(all) {
                self.happen(store, what, number);
                let candidates = self.candidates(store, "aba", -1);
                for row in self.rows(store) {
                    prop_assert!(!holds(&row) || candidates.contains(&row.0), "{row:?} is not among {candidates:?}");
                }
            }
            index(store);
            let wanted = self.rows(store).iter().filter(|row| holds(row)).count();
            prop_assert_eq!(
                self.candidates(store, "aba", -1).len(),
                wanted,
                "an index that is complete names no other"
            );
            write(store, self.check, params![]);
            Ok(())
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_account_is_found_at_every_moment(all in proptest::collection::vec(happens(), 1..40)) {
            let directory = tempfile::tempdir().unwrap();
            accounts().holds_after(&opened(&directory), &all)?;
        }

        #[test]
        fn every_client_is_found_at_every_moment(all in proptest::collection::vec(happens(), 1..40)) {
            let directory = tempfile::tempdir().unwrap();
            let store = opened(&directory);
            accounts().happen(&store, &Happens::Insert("its account".to_owned()), 0);
            clients().holds_after(&store, &all)?;
        }
    }

    #[test]
    fn however_much_is_new_it_takes_no_room_from_what_is_indexed() {
        let directory = tempfile::tempdir().unwrap();
        let store = opened(&directory);
        let insert = |name: &str, number| accounts().happen(&store, &Happens::Insert(name.to_owned()), number);
        insert("the old one", 0);
        index(&store);
        let old = accounts().rows(&store)[0].0;
        (1..20).for_each(|number| insert("new", number));
        assert_eq!(accounts().candidates(&store, "old", 10).len(), 20);
        assert!(accounts().candidates(&store, "old", 10).contains(&old));
        let probe = accounts().source.probe(&"\"old\"".into());
        assert_eq!(store.read_one(&probe).unwrap().unwrap().integer(0).unwrap(), 1, "what is new counts for nothing");
    }

    #[test]
    fn a_row_is_not_put_among_those_that_are_indexed() {
        const AT: &str = "INSERT INTO service_account (seq, id, user_name, display_name, active, attributes, revision, \
            created_at_ms, modified_at_ms) VALUES (?1, printf('%022d', 9), 'late', 'late', 1, '{}', 1, 0, 0)";
        let directory = tempfile::tempdir().unwrap();
        let store = opened(&directory);
        (0..3).for_each(|number| accounts().happen(&store, &Happens::Insert("one".to_owned()), number));
        index(&store);
        write(&store, accounts().delete, params![2]);
        assert!(store.write(vec![Statement::new(AT, params![2])]).is_err(), "its trigger says to leave out seq");
        write(&store, AT, params![7]);
        index(&store);
        assert_eq!(accounts().candidates(&store, "lat", -1), [7]);
        write(&store, accounts().check, params![]);
    }
}
