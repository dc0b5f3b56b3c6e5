//! `/metrics`: what the server has done since its start, in the text format of Prometheus. Like health it takes no token:
//! it says how much, and never who or what.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::header;
use actix_web::{HttpResponse, web};

use super::bounds::Refusals;
use super::error::wrong_method;
use crate::app::App;

const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/metrics").route(web::get().to(metrics)).default_service(wrong_method("GET")));
}

async fn metrics(app: web::Data<App>, refusals: web::Data<Refusals>) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, TEXT_FORMAT)).body(text(&app, &refusals))
}

fn text(app: &App, refusals: &Refusals) -> String {
    let mut page = Page::default();
    page.family("grantd_build_info", "gauge", "The version that runs.");
    page.sample("grantd_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    token_requests(app, &mut page);
    decisions(app, &mut page);
    policies(app, &mut page);
    let [commits, kept, refused] = app.store.written();
    page.family("grantd_database_commits_total", "counter", "Commits, each of a group of writes.");
    page.sample("grantd_database_commits_total", &[], commits);
    page.family("grantd_database_writes_total", "counter", "Writes, by whether they were kept.");
    page.sample("grantd_database_writes_total", &[("result", "kept")], kept);
    page.sample("grantd_database_writes_total", &[("result", "refused")], refused);
    let [requests, connections] = refusals.counts();
    page.family(
        "grantd_refused_total",
        "counter",
        "What found no room (limits.requests, limits.connections_per_address).",
    );
    page.sample("grantd_refused_total", &[("what", "request")], requests);
    page.sample("grantd_refused_total", &[("what", "connection")], connections);
    page.0
}

fn token_requests(app: &App, page: &mut Page) {
    const NAME: &str = "grantd_token_requests_total";
    page.family(NAME, "counter", "Token requests, by how they ended.");
    for (outcome, error, count) in app.decisions.counters().outcomes.all() {
        page.sample(NAME, &[("outcome", outcome), ("error", error)], count);
    }
}

fn decisions(app: &App, page: &mut Page) {
    const WRITTEN: &str = "grantd_decisions_written_total";
    const MISSING: &str = "grantd_decisions_not_written_total";
    let counters = app.decisions.counters();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    page.family(WRITTEN, "counter", "Decisions on the disk.");
    page.sample(WRITTEN, &[], count(&counters.written));
    page.family(MISSING, "counter", "Decisions that were not recorded, by why.");
    for (why, counter) in
        [("queue_full", &counters.dropped), ("database", &counters.lost), ("stranger", &counters.left_out)]
    {
        page.sample(MISSING, &[("reason", why)], count(counter));
    }
}

fn policies(app: &App, page: &mut Page) {
    const ASKED: &str = "grantd_policy_questions_total";
    let reuse = app.policies.reuse();
    page.family(ASKED, "counter", "Questions to policies, by whether an earlier answer was reused.");
    page.sample(ASKED, &[("answer", "reused")], reuse.hits);
    page.sample(ASKED, &[("answer", "evaluated")], reuse.misses);
    for (name, kind, help, value) in [
        (
            "grantd_policy_answers_evicted_total",
            "counter",
            "Answers dropped to keep within the bound.",
            reuse.evictions,
        ),
        ("grantd_policy_answers", "gauge", "Answers kept to be reused.", reuse.entries),
        ("grantd_policy_answers_bytes", "gauge", "What they take, about.", reuse.bytes),
    ] {
        page.family(name, kind, help);
        page.sample(name, &[], value);
    }
}

/// The page so far. Label values come from constants: they need no escaping.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> = labels.iter().map(|(label, text)| format!("{label}=\"{text}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}
