//! Pages that take no longer the more there is. What they read is counted in instructions of SQLite's machine, which
//! are the same on every computer: twice the rows must not take more of them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, Once, PoisonError};

use rusqlite::{Connection, TransactionBehavior};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::admin::list;
use crate::app::TestApp;
use crate::browser::scene::{Scene, pages};
use crate::console::Person;

/// A statement that a store read with.
#[derive(Clone, Default)]
struct Read {
    path: String,
    sql: String,
    steps: i64,
}

static READS: Mutex<Vec<Read>> = Mutex::new(Vec::new());

/// Takes the statements out of the log, and nothing else.
struct Statements;

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "grantd::store::local::sqlite"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut read = Read::default();
        event.record(&mut read);
        READS.lock().unwrap_or_else(PoisonError::into_inner).push(read);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Read {
    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "path" => value.clone_into(&mut self.path),
            "sql" => value.clone_into(&mut self.sql),
            _ => {}
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "steps" {
            self.steps = value;
        }
    }
}

fn listen() {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| tracing::subscriber::set_global_default(Statements).unwrap());
}

/// The statements of a database since the last time.
fn reads(path: &str) -> Vec<Read> {
    let mut all = READS.lock().unwrap_or_else(PoisonError::into_inner);
    let (own, others) = all.drain(..).partition(|read| read.path.ends_with(path));
    *all = others;
    own
}

fn sum(reads: &[Read]) -> i64 {
    reads.iter().map(|read| read.steps).sum()
}

/// More of everything that grows: accounts that each have a client and a grant, what was changed, who asked for a token.
fn fill(app: &TestApp, from: u32, until: u32) {
    let mut database = Connection::open(app.database()).unwrap();
    // What the server does in the background waits, instead of making this begin anew.
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let given = "CREATE TEMP TABLE given AS SELECT ?1 AS now, api_id AS api, identifier AS scope FROM api_scope \
        WHERE api_id = (SELECT id FROM api WHERE built_in = 0 ORDER BY id LIMIT 1) ORDER BY position LIMIT 1";
    transaction.execute(given, [app.clock.now().ms()]).unwrap();
    let numbers = "CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2) \
        SELECT i FROM n";
    transaction.execute(numbers, [from, until]).unwrap();
    transaction.execute_batch(include_str!("growth.sql")).unwrap();
    transaction.commit().unwrap();
}

/// What every page reads, and each view of a list that has a filter of its own.
fn read_by_pages(app: &TestApp, person: &Person<'_>, all: &[(String, String)]) -> BTreeMap<String, Vec<Read>> {
    let database = app.database();
    let path = database.to_str().unwrap();
    let read = |(name, address): &(String, String)| {
        reads(path);
        let answer = person.get(address);
        assert!(
            answer.status < 400 || name == "not-found" || name.starts_with("sessions"),
            "{name}: {}",
            answer.status
        );
        (format!("{name} {address}"), reads(path))
    };
    all.iter().map(read).collect()
}

const VIEWS: &[&str] = &[
    "/console/service-accounts?page=2",
    "/console/service-accounts?sort=userName",
    "/console/service-accounts?sort=userName&status=active",
    "/console/service-accounts?status=inactive&q=filler",
    "/console/service-accounts?q=filler",
    "/console/service-accounts?q=filler&sort=userName",
    "/console/service-accounts?q=fi",
    "/console/service-accounts?q=%C3%BC%C3%BC",
    "/console/service-accounts?q=nothing-like-it",
    "/console/marketplace/machine-to-machine?q=client",
    "/console/marketplace/machine-to-machine?q=Q",
    "/console/marketplace/api?q=orders",
    "/console/grants?q=filler&api=o",
    "/console/decisions?outcome=refused&since=day",
    "/console/decisions?outcome=failed",
    "/console/decisions?outcome=issued&since=hour",
    "/console/decisions?since=week",
    "/console/decisions?q=client",
    "/console/decisions?q=somebody",
    // Several clients: at first all of their decisions lie beyond the newest ones, and everything within is looked through.
    "/console/decisions?q=filler-42",
    "/console/audit?q=nothing-like-it",
    "/console/audit?q=filled",
    "/console/audit?by=system",
    "/console/audit?by=serviceAccount",
    "/console/suggest/service-accounts?q=filler-1",
    "/console/suggest/service-accounts?q=fi",
    "/console/suggest/integrations?q=filler-1",
    "/console/suggest/apis?q=orders",
];

#[test]
fn no_page_reads_more_because_there_is_more() {
    /// Accounts at first; then twice as many. Each bound of a list is passed before.
    const ACCOUNTS: u32 = 3000;
    /// What a few rows more or less on a page take.
    const SLACK: i64 = 1000;
    listen();
    let app = TestApp::start();
    let scene = Scene::make(&app);
    let person = Person::signed_in(&app);
    let mut all = pages(&app, &scene);
    all.extend(VIEWS.iter().map(|view| ("view".to_owned(), (*view).to_owned())));
    all.push(("api-decisions".to_owned(), scene.fill("/decisions?api={api-id}")));
    // A check of the whole file is asked for, and told apart.
    all.iter_mut().filter(|(name, _)| name == "about").for_each(|(_, address)| "/console/about".clone_into(address));

    fill(&app, 1, ACCOUNTS);
    let before = read_by_pages(&app, &person, &all);
    fill(&app, ACCOUNTS, 2 * ACCOUNTS);
    let after = read_by_pages(&app, &person, &all);
    assert!(before.values().map(|reads| sum(reads)).sum::<i64>() > 10_000, "nothing was counted");
    let mut grown = Vec::new();
    for (page, reads) in &after {
        let (once, twice) = (sum(&before[page]), sum(reads));
        if twice > once + once / 10 + SLACK {
            let worst = reads.iter().max_by_key(|read| read.steps).unwrap();
            grown.push(format!("{page}: {once} steps, then {twice}; most by {}: {}", worst.steps, worst.sql));
        }
    }
    assert!(grown.is_empty(), "{}", grown.join("\n"));
}

/// Of the trail of years, what happened within an hour.
#[test]
fn a_time_in_the_trail_is_found_without_looking_at_all_of_it() {
    listen();
    let app = TestApp::start();
    Scene::make(&app);
    let database = app.database();
    let read = |path: &str| {
        // What fills has the ids of a time far off.
        let until = ("filter", "createdAt lt \"2028-01-01T00:00:00Z\"");
        let query = [until, ("sortBy", "createdAt"), ("count", "1000")];
        let ask = || {
            reads(database.to_str().unwrap());
            let answer = list(&app, path, &query).expect(200);
            (sum(&reads(database.to_str().unwrap())), answer["totalResults"].clone())
        };
        // What the server reads in the background meanwhile is counted too; it does not do so each time.
        let (steps, count) = (0..5).map(|_| ask()).min_by_key(|(steps, _)| *steps).unwrap();
        (count, steps)
    };
    let paths = ["/audit/commits", "/event-logs"];
    let before = paths.map(read);
    fill(&app, 1, 3000);
    for ((path, (count, once)), (count_after, then)) in paths.iter().zip(before).zip(paths.map(read)) {
        assert!(count == count_after && count.as_u64() > Some(5), "{path}: {count}, then {count_after}");
        assert!(then < once + once / 10, "{path}: {once} steps, then {then}");
    }
}
