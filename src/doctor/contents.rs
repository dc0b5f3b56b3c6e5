//! What stands in the database: pages and references, keys, the clock it was written by, what ends soon.

use super::Report;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::error::Result;
use crate::model::api::SigningAlg;
use crate::policy::trust::Trust;
use crate::secret::{ServerKeys, master};
use crate::signer::Signer;
use crate::store::{AuditVerdict, KeyRow, KeyState, MASTER_KEY_CHECK, Store};

/// A clock this far behind the last write has stepped back.
const CLOCK_SLACK_MS: i64 = 60_000;
/// What ends within this time is told.
const SOON_SECONDS: i64 = 14 * DAY_SECONDS;
/// How long after its time a key may rotate before something is wrong.
const ROTATION_SLACK_SECONDS: i64 = 2 * DAY_SECONDS;
const DAY_SECONDS: i64 = 86_400;

pub(super) fn check_pages(report: &mut Report, store: &Store) -> Result<()> {
    let problems = store.integrity_problems()?;
    if problems.is_empty() {
        report.fine("every page and index of the database is whole");
    } else {
        report.problem(format!("the database is damaged: {}", problems.join("; ")), "grantd restore a backup");
    }
    let problems = store.reference_problems()?;
    if problems.is_empty() {
        report.fine("every reference leads to something");
    } else {
        report.problem(
            format!("references lead nowhere: {}", problems.join(", ")),
            "another program wrote into the database without foreign keys: compare with a backup, or restore it",
        );
    }
    Ok(())
}

/// The keys of the database, if its master key is at hand.
pub(super) fn check_master_key(report: &mut Report, config: &Config, store: &Store) -> Result<Option<ServerKeys>> {
    let source = master::source(config.master_key_file.as_deref(), &config.database);
    let known = store.setting_by_name(MASTER_KEY_CHECK)?;
    let way_out = "put the right key back, or name it with --master-key-file: without it the database opens for nobody";
    let master = match master::read(&source) {
        Ok(Some(master)) => master,
        Ok(None) => {
            report.problem(format!("the master key is missing: {source} does not exist"), way_out);
            return Ok(None);
        }
        Err(error) => {
            report.problem(error.to_string(), way_out);
            return Ok(None);
        }
    };
    let keys = ServerKeys::derive(&master)?;
    if known.is_some_and(|known| keys.recognise(&known).is_some()) {
        report.fine(format!("the master key in {source} is the right one"));
        return Ok(Some(keys));
    }
    report.problem(format!("the master key in {source} is not the one of this database"), way_out);
    Ok(None)
}

pub(super) fn check_clock(report: &mut Report, store: &Store, clock: &Clock) -> Result<()> {
    match store.last_commit_at()? {
        Some(last) if last.since_ms(clock.now()) > CLOCK_SLACK_MS => report.problem(
            format!("this machine's clock is behind the last write, made at {last}"),
            "set the clock, and keep it set with NTP: tokens from before are not valid yet",
        ),
        _ => report.fine("the clock is not behind the last write"),
    }
    Ok(())
}

/// Modules in use that may not be run, where they have to be signed.
pub(super) fn check_modules(report: &mut Report, store: &Store, config: &Config) -> Result<()> {
    let trust = match Trust::parse(&config.policies.trusted_keys) {
        Ok(trust) => trust,
        Err(what) => {
            report.problem(format!("policies.trusted_keys: {what}"), "until it is right, no module is run at all");
            return Ok(());
        }
    };
    if !trust.is_demanded() {
        return Ok(());
    }
    let before = report.problems();
    for digest in store.policy_modules_in_use()? {
        let signature = store.policy_signature(&digest)?;
        let Err(failure) = trust.check_stored(store, &digest, signature.as_deref()) else { continue };
        let module = store.policy_module_by_digest(&digest)?;
        let name = module.map_or_else(String::new, |module| format!("{}@{} ", module.name, module.version));
        report.problem(
            format!("the module {name}({digest:.12}) is not run, and what it is attached to denies: {failure}"),
            "have it signed (grantd policy sign) and hand it in again, FILE.sig beside it (grantd policy add); or add \
             the key that has signed it to policies.trusted_keys",
        );
    }
    if report.problems() == before {
        report.fine("every policy module in use is signed by a key that is trusted");
    }
    Ok(())
}

pub(super) fn check_expiring(report: &mut Report, store: &Store, clock: &Clock) -> Result<()> {
    let now = clock.now();
    let found = store.expiring(now, now.plus_seconds(SOON_SECONDS))?;
    if found.is_empty() {
        report.fine(format!("no secret, grant or API token ends within {} days", SOON_SECONDS / DAY_SECONDS));
    }
    for kind in found {
        let named: Vec<String> = kind.first.iter().map(|(name, end)| format!("{name} ends at {end}")).collect();
        let more = kind.total - i64::try_from(named.len()).unwrap_or(i64::MAX);
        let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
        report.soon(format!("{}{rest}", named.join("; ")), "renew what is still needed before then");
    }
    Ok(())
}

pub(super) fn check_signing_keys(
    report: &mut Report,
    store: &Store,
    keys: &ServerKeys,
    config: &Config,
    clock: &Clock,
) {
    let (rows, damaged) = match Signer::check(store, keys) {
        Ok(found) => found,
        Err(error) => {
            let cause = error.cause().unwrap_or_default().to_owned();
            return report.problem(format!("a signing key cannot be used: {cause}"), "grantd restore a backup");
        }
    };
    report.key_ids = rows.iter().map(|row| row.kid.to_string()).collect();
    let before = report.problems();
    for key in damaged {
        report.problem(key.to_string(), key.way_out());
    }
    for alg in SigningAlg::ALL {
        check_active_key(report, &rows, alg, config, clock.now());
    }
    let overdue = |row: &&KeyRow| row.remove_at.is_some_and(|at| at.plus_seconds(ROTATION_SLACK_SECONDS) < clock.now());
    if let Some(row) = rows.iter().find(overdue) {
        let what = format!("the key {} should have been removed, and is still published", row.kid);
        report.problem(what, "keys are looked after while a server runs: start it, and see its log");
    }
    if report.problems() == before {
        report.fine(format!("{} signing keys open, and none is overdue", rows.len()));
    }
}

fn check_active_key(report: &mut Report, rows: &[KeyRow], alg: SigningAlg, config: &Config, now: Timestamp) {
    let alg_name = alg.as_str();
    let Some(active) = rows.iter().find(|row| row.alg == alg && row.state == KeyState::Active) else {
        return report.problem(format!("no {alg_name} key signs"), "start the server: it makes one");
    };
    let since = active.activated_at.unwrap_or(active.created_at);
    if since.since_ms(now) > CLOCK_SLACK_MS {
        return report.problem(
            format!("the {alg_name} key signs since {since}, which is still to come"),
            "set this machine's clock, and keep it set with NTP",
        );
    }
    let due = since.plus_seconds(i64::from(config.keys.rotate_days) * DAY_SECONDS + ROTATION_SLACK_SECONDS);
    if due < now {
        report.problem(
            format!("the {alg_name} key signs since {since}, longer than the {} days it may", config.keys.rotate_days),
            "keys rotate while a server runs: start it and see its log, or POST /api/v1/keys/rotate",
        );
    }
}

pub(super) fn check_audit(report: &mut Report, store: &Store, keys: &ServerKeys) -> Result<()> {
    match store.audit_verify(keys)? {
        AuditVerdict::Holds { sealed, waiting } => {
            report.fine(format!("the audit chain holds over {sealed} commits, {waiting} more wait to be sealed"));
        }
        AuditVerdict::Broken(what) => report.problem(
            format!("the audit trail was changed: {what}"),
            "compare with a backup; the commits before it are untouched",
        ),
    }
    Ok(())
}
