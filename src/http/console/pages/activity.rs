//! What the server does, for the overview: tokens and denials hour by hour, the latest denials, the slowest policies.

use maud::{Markup, html};

use super::decisions::{self, Names, word};
use super::policies;
use crate::admin::decisions as records;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::http::console::parts::list::{equals, newest};
use crate::http::console::parts::text;
use crate::http::console::view::View;

/// Bars of the chart, an hour each.
const HOURS: i64 = 48;
const HOUR_MS: i64 = 3_600_000;
/// Lines of each list.
const LINES: u32 = 6;
/// Pixels of the drawing: across it takes what room there is.
const HEIGHT: i64 = 120;

/// How many token requests of one hour ended with a token, and how many did not.
#[derive(Clone, Copy, Default)]
struct Hour {
    issued: i64,
    denied: i64,
}

pub(crate) fn chart(view: &View<'_>) -> Result<Markup> {
    let last = view.now.ms() / HOUR_MS * HOUR_MS;
    let first = last - (HOURS - 1) * HOUR_MS;
    let mut hours = vec![Hour::default(); usize::try_from(HOURS).unwrap_or_default()];
    for tally in records::tallies(view.app, Timestamp::from_ms(first))? {
        let index = usize::try_from((tally.hour.ms() - first) / HOUR_MS).ok();
        let Some(hour) = index.and_then(|index| hours.get_mut(index)) else { continue };
        if tally.outcome == "issued" {
            hour.issued += tally.count;
        } else {
            hour.denied += tally.count;
        }
    }
    let sum = |part: fn(&Hour) -> i64| hours.iter().map(part).sum::<i64>();
    let (issued, denied) = (sum(|hour| hour.issued), sum(|hour| hour.denied));
    let highest = hours.iter().map(|hour| hour.issued + hour.denied).max().unwrap_or_default();
    Ok(html! {
        section.card.activity aria-labelledby="activity" {
            header {
                h2 #activity { "Token requests" }
                span.quiet { "the last " (HOURS) " hours" @if highest > 0 { ", at most " (text::thousands(highest)) " an hour" } }
            }
            dl.numbers {
                div { dt { span.key-issued {} "Tokens" } dd { (text::thousands(issued)) } }
                div { dt { span.key-denied {} "Denials" } dd { (text::thousands(denied)) } }
            }
            svg.chart height=(HEIGHT + 18) role="img"
                aria-label=(format!("In the last {HOURS} hours {} and {}", text::counted(issued, "token", "tokens"), text::counted(denied, "denial", "denials")))
            {
                line.grid x1="0" x2="100%" y1=(HEIGHT) y2=(HEIGHT) {}
                @for (index, hour) in (0_i64..).zip(&hours) { (bar(index, *hour, highest, first)) }
            }
        }
    })
}

/// One hour: denials stand on top of tokens.
fn bar(index: i64, hour: Hour, highest: i64, first: i64) -> Markup {
    let at = first + index * HOUR_MS;
    // What is there is seen, however small it is beside the highest.
    let size = |count: i64| if count == 0 { 0 } else { (count * (HEIGHT - 4) / highest.max(1)).max(2) };
    let (issued, denied) = (size(hour.issued), size(hour.denied));
    let x = |tenths: i64| share(index * 10 + tenths, HOURS * 10);
    let (day, six_hours) = (at / HOUR_MS % 24 == 0, at / HOUR_MS % 6 == 0);
    // On a narrow screen there is room for every other one.
    let narrow = at / HOUR_MS % 12 == 0;
    let label = Timestamp::from_ms(at).to_string();
    html! {
        g {
            title { (label.get(..10).unwrap_or_default()) " " (label.get(11..16).unwrap_or_default()) " UTC: " (text::counted(hour.issued, "token", "tokens")) ", " (text::counted(hour.denied, "denial", "denials")) }
            rect.hour x=(x(0)) y="0" width=(share(1, HOURS)) height=(HEIGHT) {}
            @if issued > 0 { rect.key-issued x=(x(1)) y=(HEIGHT - issued) width=(share(8, HOURS * 10)) height=(issued) rx="2" {} }
            @if denied > 0 { rect.key-denied x=(x(1)) y=(HEIGHT - issued - denied - i64::from(issued > 0)) width=(share(8, HOURS * 10)) height=(denied) rx="2" {} }
        }
        @if six_hours {
            text.less[!narrow] x=(x(0)) y=(HEIGHT + 14) { (label.get(if day { 5..10 } else { 11..16 }).unwrap_or_default()) }
        }
    }
}

/// A part of the drawing's width.
pub(crate) fn share(part: i64, whole: i64) -> String {
    let hundredths = part * 10_000 / whole.max(1);
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

pub(crate) fn denials(view: &View<'_>) -> Result<Markup> {
    // By outcome: among a million tokens the denials are found by an index, one value of it at a time.
    let mut found = Vec::new();
    for outcome in ["refused", "failed"] {
        found.extend(records::list(view.app, &newest(LINES, vec![equals("outcome", outcome)?]))?.items);
    }
    found.sort_by(|one, other| word(other, "at").cmp(word(one, "at")));
    found.truncate(LINES as usize);
    let names = Names::of(view, &found)?;
    Ok(html! {
        section.card aria-labelledby="denials" {
            header { h2 #denials { "Latest denials" } a.quiet href=(format!("{}?outcome=refused", decisions::PATH)) { "All" } }
            @if found.is_empty() { p.quiet { "Nobody was denied a token." } }
            @else {
                ol.commits {
                    @for record in &found {
                        li {
                            (decisions::at(view, record))
                            div {
                                a.name href=(decisions::path_of(word(record, "id"))) {
                                    bdi { (names.account(record).map_or("Somebody unknown", |account| account.value.display_name.as_str())) }
                                }
                                small dir="auto" { (word(record, "error")) ": " (word(record, "reason")) }
                            }
                        }
                    }
                }
            }
        }
    })
}

pub(crate) fn slowest(view: &View<'_>) -> Result<Markup> {
    let costs = records::policy_costs(view.app)?;
    let highest = costs.first().map_or(1, |cost| cost.micros_mean.max(1));
    Ok(html! {
        section.card aria-labelledby="slowest" {
            header { h2 #slowest { "Slowest policies" } span.quiet { "when asked afresh" } }
            @if costs.is_empty() { p.quiet { "No policy was asked lately." } }
            @else {
                ul.costs {
                    @for cost in costs.iter().take(LINES as usize) {
                        li {
                            a.name href=(policies::path_of(&cost.policy_id)) dir="auto" { (cost.policy) }
                            span.quiet { (micros(cost.micros_mean)) ", at most " (micros(cost.micros_max)) }
                            progress value=(cost.micros_mean) max=(highest) aria-label=(format!("Time of {} beside the slowest", cost.policy)) {}
                        }
                    }
                }
            }
        }
    })
}

fn micros(micros: u64) -> String {
    if micros >= 1000 { format!("{}.{} ms", micros / 1000, micros % 1000 / 100) } else { format!("{micros} µs") }
}
