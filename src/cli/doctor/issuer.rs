//! Whether clients and resource servers that follow the configuration find this server, its issuer and its keys.

use std::time::Duration;

use grantd::Config;
use grantd::clock::{Clock, Timestamp};
use grantd::config::{AliasIssuer, ListenAddress};
use grantd::doctor::Report;
use serde_json::Value;

/// How long an answer may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// Clocks may differ by this much: tokens begin at the second they are issued.
const CLOCK_SLACK_MS: i64 = 5_000;

pub(super) fn check(report: &mut Report, config: &Config, clock: &Clock, agent: &ureq::Agent) {
    if !report.is_served {
        return report.fine("no server runs, so its issuer is not asked for");
    }
    let listen = match config.listen_address() {
        Ok(ListenAddress::Unix(_)) if config.public_url.is_none() => {
            return report.fine("the server listens on a socket file, so its issuer is not asked for");
        }
        Ok(ListenAddress::Tcp(address)) if address.port() == 0 && config.public_url.is_none() => {
            return report.fine("the server listens on a port of its own choice, so its issuer is not asked for");
        }
        Ok(address) => address,
        Err(error) => return report.problem(error.to_string(), "correct the setting listen"),
    };
    let url = config.public_url(&listen);
    let issuer = format!("{url}/oauth2/");
    if let Some(answer) = ask(report, agent, &url) {
        check_issuer(report, &url, &issuer, &answer.body);
        check_time(report, &url, answer.date, clock);
        check_keys(report, agent, &answer.body);
    }
    for alias in &config.issuer_aliases {
        let alias = alias.trim_end_matches('/');
        let wanted = match config.alias_issuer {
            AliasIssuer::Fixed => issuer.clone(),
            AliasIssuer::Own => format!("{alias}/oauth2/"),
        };
        if let Some(answer) = ask(report, agent, alias) {
            check_issuer(report, alias, &wanted, &answer.body);
        }
    }
}

/// The metadata at a base URL.
fn ask(report: &mut Report, agent: &ureq::Agent, url: &str) -> Option<Answer> {
    let metadata_url = format!("{url}/oauth2/.well-known/openid-configuration");
    match get(agent, &metadata_url) {
        Ok(answer) => Some(answer),
        Err(why) => {
            report.problem(
                format!("a server runs, and {metadata_url} does not answer as it should: {why}"),
                "clients and resource servers look there: check public_url and issuer_aliases, DNS, the proxy and its \
                 certificate (--ca-file). A name that only other machines know cannot be checked from here",
            );
            None
        }
    }
}

fn check_issuer(report: &mut Report, url: &str, wanted: &str, metadata: &Value) {
    let told = metadata["issuer"].as_str().unwrap_or_default();
    if told != wanted {
        return report.problem(
            format!("{url} answers as the issuer {told}, and this configuration says {wanted}"),
            why_it_differs(told, wanted),
        );
    }
    if told == format!("{url}/oauth2/") {
        report.fine(format!("{url} answers as the issuer {told}"));
    } else {
        report.fine(format!(
            "{url} is an alias of the issuer {told}: clients that discover there and compare the two (RFC 8414 3.3) \
             refuse it, unless alias_issuer is own"
        ));
    }
}

/// Resource servers compare the issuer letter by letter: what to look at when it is not the same.
fn why_it_differs(told: &str, wanted: &str) -> &'static str {
    let without_scheme = |url: &str| url.split_once("://").map_or(url, |(_, rest)| rest).to_owned();
    if without_scheme(told) == without_scheme(wanted) {
        return "only http and https differ: behind a TLS proxy, public_url says https:// to the server and to doctor";
    }
    if told.eq_ignore_ascii_case(wanted) {
        return "only upper and lower case differ, and resource servers compare letter by letter: write it one way";
    }
    "resource servers compare it letter by letter. Give the server and doctor the same public_url, issuer_aliases and \
     alias_issuer; if they are, another server answers there"
}

fn check_time(report: &mut Report, url: &str, date: Option<Timestamp>, clock: &Clock) {
    let apart_ms = date.map_or(0, |date| date.since_ms(clock.now()).abs());
    if apart_ms > CLOCK_SLACK_MS {
        report.problem(
            format!("the clock of {url} and this machine's are {} s apart", apart_ms / 1000),
            "keep both set with NTP: verifiers refuse tokens that are not valid yet",
        );
    }
}

/// Every key that signs must be found where the metadata says.
fn check_keys(report: &mut Report, agent: &ureq::Agent, metadata: &Value) {
    let jwks_uri = metadata["jwks_uri"].as_str().unwrap_or_default();
    let published = match get(agent, jwks_uri) {
        Ok(answer) => answer.body,
        Err(why) => {
            let what = format!("the keys at {jwks_uri} cannot be fetched: {why}");
            return report.problem(what, "resource servers need them: check public_url and the proxy");
        }
    };
    let ids: Vec<&str> =
        published["keys"].as_array().into_iter().flatten().filter_map(|key| key["kid"].as_str()).collect();
    if metadata["insecure_fixed_keys"] == true {
        return report.problem(
            "the server signs with fixed keys, which everybody knows",
            "good for tests alone: start it without --fixed-keys before anybody relies on its tokens",
        );
    }
    if report.key_ids.is_empty() {
        return;
    }
    if report.key_ids.iter().any(|kid| ids.contains(&kid.as_str())) {
        return report.fine(format!("the keys at {jwks_uri} are those of this database"));
    }
    report.problem(
        format!("the keys at {jwks_uri} are not those of this database"),
        "another server answers there: check public_url, the proxy and --database",
    );
}

struct Answer {
    body: Value,
    date: Option<Timestamp>,
}

fn get(agent: &ureq::Agent, url: &str) -> Result<Answer, String> {
    let mut response = agent.get(url).call().map_err(|error| error.to_string())?;
    if !response.status().is_success() {
        return Err(format!("status {}", response.status().as_u16()));
    }
    let date = response.headers().get("date").and_then(|date| date.to_str().ok()).and_then(Timestamp::parse_http);
    let body = response.body_mut().read_json().map_err(|error| format!("no JSON: {error}"))?;
    Ok(Answer { body, date })
}
