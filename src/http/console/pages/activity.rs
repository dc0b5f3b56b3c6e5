//! What the server does, for the overview: tokens and denials hour by hour, the latest denials, the slowest policies.

use maud::{Markup, html};

use super::decisions::{self, Names, word};
use super::policies;
use crate::admin::decisions as records;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::filter::Op;
use crate::http::console::parts::list::{compare, newest};
use crate::http::console::parts::text;
use crate::http::console::view::View;

/// Bars of the chart, an hour each.
const HOURS: i64 = 48;
const HOUR_MS: i64 = 3_600_000;
/// Lines of each list.
const LINES: u32 = 6;
/// Units of the drawing.
const BAR: i64 = 20;
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
    let width = HOURS * BAR;
    Ok(html! {
        section.card.activity aria-labelledby="activity" {
            header {
                h2 #activity { "Token requests" }
                span.quiet { "the last " (HOURS) " hours" }
            }
            dl.numbers {
                div { dt { span.key-issued {} "Tokens" } dd { (text::thousands(issued)) } }
                div { dt { span.key-denied {} "Denials" } dd { (text::thousands(denied)) } }
            }
            svg.chart viewBox=(format!("0 0 {width} {}", HEIGHT + 18)) role="img"
                aria-label=(format!("In the last {HOURS} hours {} and {}", text::counted(issued, "token", "tokens"), text::counted(denied, "denial", "denials")))
            {
                line.grid x1="0" x2=(width) y1=(HEIGHT) y2=(HEIGHT) {}
                @if highest > 0 {
                    line.grid x1="0" x2=(width) y1="0.5" y2="0.5" {}
                    text x=(width) y="12" text-anchor="end" { (text::thousands(highest)) " an hour" }
                }
                @for (index, hour) in (0_i64..).zip(&hours) { (bar(index, *hour, highest, first)) }
            }
        }
    })
}

/// One hour: denials stand on top of tokens.
fn bar(index: i64, hour: Hour, highest: i64, first: i64) -> Markup {
    let at = first + index * HOUR_MS;
    // What is there is seen, however small it is beside the highest.
    let size = |count: i64| if count == 0 { 0 } else { (count * (HEIGHT - 20) / highest.max(1)).max(2) };
    let (issued, denied) = (size(hour.issued), size(hour.denied));
    let x = index * BAR;
    let day = at / HOUR_MS % 24 == 0;
    let label = Timestamp::from_ms(at).to_string();
    html! {
        g {
            title { (label.get(..10).unwrap_or_default()) " " (label.get(11..16).unwrap_or_default()) " UTC: " (text::counted(hour.issued, "token", "tokens")) ", " (text::counted(hour.denied, "denial", "denials")) }
            rect.hour x=(x) y="0" width=(BAR) height=(HEIGHT) {}
            @if issued > 0 { rect.key-issued x=(x + 2) y=(HEIGHT - issued) width=(BAR - 4) height=(issued) rx="2" {} }
            @if denied > 0 { rect.key-denied x=(x + 2) y=(HEIGHT - issued - denied - i64::from(issued > 0)) width=(BAR - 4) height=(denied) rx="2" {} }
        }
        @if day { text x=(x) y=(HEIGHT + 14) { (label.get(5..10).unwrap_or_default()) } }
        @else if at / HOUR_MS % 6 == 0 { text x=(x) y=(HEIGHT + 14) { (label.get(11..16).unwrap_or_default()) } }
    }
}

pub(crate) fn denials(view: &View<'_>) -> Result<Markup> {
    let denied = vec![compare("outcome", Op::Ne, "issued")?];
    let found = records::list(view.app, &newest(LINES, denied))?.items;
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
