//! Admin writes: accounts made through the admin API, one by one and by 32 connections, against plain rusqlite that
//! writes the same rows, one commit each, with the same schema and the same `synchronous=FULL`.

use std::fs::create_dir;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use grantd::clock::Clock;
use grantd::model::id::Id;
use grantd::store::schema;
use rusqlite::{Connection, params};
use tokio::runtime::Runtime;

use crate::load::{self, Plan};
use crate::process::{Cores, own_cpu_seconds};
use crate::report::Spread;
use crate::subject::{Setup, Subject};
use crate::{Args, Fallible, WARM_UP, exchange, machine, setup};

/// Requests that are prepared for each second of load, and in all: each can be sent once. A core of today makes 17,000.
const PREPARED_PER_SECOND: f64 = 50_000.0;
const PREPARED_MAX: usize = 4_000_000;
/// Connections that write at a time.
const WRITERS: u32 = 32;

/// `count` requests that each make another account.
pub(crate) fn requests(address: SocketAddr, api_token: &str, count: usize) -> Vec<Vec<u8>> {
    let header = format!("Authorization: Bearer {api_token}\r\nContent-Type: application/json");
    let make = |number: usize| {
        let body = format!(r#"{{"userName":"writer-{number}","displayName":"Account {number}","active":true}}"#);
        exchange::request(address, "/api/v1/resources/cid/ServiceAccount", &header, &body)
    };
    (0..count).map(make).collect()
}

pub(crate) fn bench(args: &Args, runtime: &Runtime, cores: &Cores, dir: &Path) -> Fallible<()> {
    let window = Duration::from_secs(args.seconds);
    let folder = dir.join("grantd");
    create_dir(&folder)?;
    let loaded = (WARM_UP + window).as_secs_f64() * f64::from(args.rounds);
    let asking = ((loaded * PREPARED_PER_SECOND) as usize).min(PREPARED_MAX);
    let grantd = Subject::start_grantd(cores, &Setup { accounts: 1, asking, ..setup(args) }, "grantd", &folder)?;
    let mut plain = Plain::open(&dir.join("plain.db"), true)?;
    let mut plainer = Plain::open(&dir.join("plainer.db"), false)?;
    let [mut one, mut many, mut base, mut less] = [(); 4].map(|()| Rates::default());
    for round in 1..=args.rounds {
        grantd.server.pause()?;
        for (plain, rates) in [(&mut plain, &mut base), (&mut plainer, &mut less)] {
            let cpu = own_cpu_seconds();
            let rate = plain.per_second(window)?;
            rates.note(rate, own_cpu_seconds().zip(cpu).map(|(to, from)| (to - from) / window.as_secs_f64()));
        }
        grantd.server.resume()?;
        for (connections, rates) in [(1, &mut one), (WRITERS, &mut many)] {
            let plan = Plan {
                address: grantd.address,
                requests: Arc::clone(&grantd.requests),
                connections,
                sleepless: matches!(cores, Cores::Apart),
                warm_up: WARM_UP,
                window,
            };
            let run = runtime
                .block_on(load::run(&plan, &grantd.server))
                .map_err(|error| format!("no figure, writes failed: {error}{}", grantd.log_tail()))?;
            println!("round {round}: {connections:2} at a time: {run}");
            rates.note(run.tokens_per_second, run.server_busy);
        }
    }
    let ratios = |to: &[f64], from: &[f64]| to.iter().zip(from).map(|(to, from)| to / from).collect::<Vec<_>>();
    let rows = [
        ("one by one / plain", ratios(&one.per_second, &base.per_second), 2),
        ("32 at a time / one by one", ratios(&many.per_second, &one.per_second), 2),
        ("plain rusqlite, one by one, /s", base.per_second, 0),
        // grantd fills the index of names a moment behind: its CPU time has that, its answers do not wait for it.
        ("the same without index of names, /s", less.per_second, 0),
        ("grantd, one by one, /s", one.per_second, 0),
        ("grantd, 32 at a time, /s", many.per_second, 0),
        // The disk, and what else uses it, decides the rates above; these are grantd's own.
        ("plain rusqlite, one by one, CPU µs", base.cpu_us, 0),
        ("grantd, one by one, CPU µs", one.cpu_us, 0),
        ("grantd, 32 at a time, CPU µs", many.cpu_us, 0),
    ];
    println!("\nadmin writes, synchronous=FULL; median (least to greatest)\n");
    println!("machine   {}\nsettings  {cores}; database in {}\n", machine::description(), machine::filesystem(dir));
    let mut told = serde_json::Map::new();
    for (name, values, decimals) in rows {
        let Some(Spread { median, least, greatest }) = Spread::of(values) else { continue };
        println!("{name:36}{median:.decimals$} ({least:.decimals$} to {greatest:.decimals$})");
        told.insert(name.to_owned(), serde_json::json!([median, least, greatest]));
    }
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::Value::Object(told).to_string())?;
    }
    Ok(())
}

/// What the rounds of one way to write showed.
#[derive(Default)]
struct Rates {
    per_second: Vec<f64>,
    /// CPU time of a write.
    cpu_us: Vec<f64>,
}

impl Rates {
    fn note(&mut self, per_second: f64, busy: Option<f64>) {
        self.per_second.push(per_second);
        self.cpu_us.extend(busy.map(|busy| busy / per_second * 1e6));
    }
}

/// A database with grantd's schema that nobody serves.
struct Plain {
    connection: Connection,
    /// Whether it keeps the index of names.
    indexes: bool,
    written: usize,
}

impl Plain {
    fn open(path: &Path, indexes: bool) -> Fallible<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")?;
        connection.execute_batch(schema::SCHEMA)?;
        Ok(Self { connection, indexes, written: 0 })
    }

    /// What an account is to grantd: itself, the index of its name, its audit commit, what that is about and its event, in one
    /// transaction.
    fn per_second(&mut self, window: Duration) -> Fallible<f64> {
        let clock = Clock::system();
        let begin = Instant::now();
        let before = self.written;
        while begin.elapsed() < window {
            self.written += 1;
            let now = clock.now();
            let id = || Id::new(&clock, now).to_string();
            let (account, name) = (id(), format!("writer-{}", self.written));
            let after = serde_json::json!({"id": account, "userName": name, "displayName": name, "active": true,
                "attributes": {}, "meta": {"created": now.to_string(), "lastModified": now.to_string()}});
            let changes =
                serde_json::json!([{"type": "ServiceAccount", "id": account, "action": "create", "after": after}]);
            let transaction = self.connection.transaction()?;
            transaction.prepare_cached(
                "INSERT INTO audit_commit (id, at_ms, actor_id, actor_name, actor_type, request_id, changes, guard) \
                 VALUES (?1, ?2, ?3, 'bench', 'apiToken', ?4, ?5, 1)",
            )?
            .execute(params![id(), now.ms(), account, id(), changes.to_string()])?;
            let seq = transaction.last_insert_rowid();
            transaction
                .prepare_cached("INSERT INTO audit_subject (resource_id, seq) VALUES (?1, ?2)")?
                .execute(params![account, seq])?;
            transaction
                .prepare_cached(
                    "INSERT INTO event_log (id, at_ms, type, display_name, severity, request_id, status, actor_id, actor_name, \
                     actor_type, client_ip) VALUES (?1, ?2, 'ServiceAccount.Created', ?3, 'info', ?4, 'success', ?5, 'bench', \
                     'apiToken', '127.0.0.1')",
                )?
                .execute(params![id(), now.ms(), format!("Created ServiceAccount {name}"), id(), account])?;
            transaction
                .prepare_cached(
                    "INSERT INTO service_account (id, user_name, display_name, active, attributes, revision, \
                 created_at_ms, modified_at_ms) VALUES (?1, ?2, ?2, 1, '{}', 1, ?3, ?3)",
                )?
                .execute(params![account, name, now.ms()])?;
            let account = transaction.last_insert_rowid();
            if self.indexes {
                transaction
                    .prepare_cached(
                        "INSERT INTO service_account_gram (rowid, user_name, display_name) VALUES (?1, ?2, ?2)",
                    )?
                    .execute(params![account, name])?;
            }
            transaction.commit()?;
        }
        Ok((self.written - before) as f64 / begin.elapsed().as_secs_f64())
    }
}
