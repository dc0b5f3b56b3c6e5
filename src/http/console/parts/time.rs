//! Moments as people read them: how long ago, with the exact moment beside it. All times are UTC.

use maud::{Markup, html};

use crate::clock::Timestamp;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A moment, relative to `now`; hovering tells the exact one.
pub(crate) fn relative(time: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(time) title=(exact(time)) { (words(time, now)) } }
}

/// A moment that may not be there.
pub(crate) fn relative_or(time: Option<Timestamp>, now: Timestamp, otherwise: &str) -> Markup {
    match time {
        Some(time) => relative(time, now),
        None => html! { span.quiet { (otherwise) } },
    }
}

/// `2027-01-31 12:00:00 UTC`.
pub(crate) fn exact(time: Timestamp) -> String {
    let text = time.to_string();
    format!("{} {} UTC", text.get(..10).unwrap_or_default(), text.get(11..19).unwrap_or_default())
}

/// What a date-and-time field holds: `2027-01-31T12:00`, with seconds where there are such.
pub(crate) fn field_value(time: Option<Timestamp>) -> String {
    let text = time.map(|time| time.to_string()).unwrap_or_default();
    let text = text.trim_end_matches('Z');
    let text = text.strip_suffix(".000").unwrap_or(text);
    match text.strip_suffix(":00") {
        Some(minutes) if text.len() == 19 => minutes.to_owned(),
        _ => text.to_owned(),
    }
}

/// What a date-and-time field holds, as the admin API takes it; other texts stay as they are, to be refused there.
pub(crate) fn from_field(text: &str) -> String {
    match text.len() {
        16 => format!("{text}:00Z"),
        19..=23 if !text.ends_with('Z') && !text.contains('+') => format!("{text}Z"),
        _ => text.to_owned(),
    }
}

/// Whether it lies so near ahead that somebody should know.
pub(crate) fn is_soon(time: Timestamp, now: Timestamp) -> bool {
    time > now && time.since_ms(now) < 14 * DAY_MS
}

fn words(time: Timestamp, now: Timestamp) -> String {
    let ms = time.since_ms(now);
    let (number, unit) = match ms.abs() {
        under if under < MINUTE_MS => return if ms > 0 { "in a moment".to_owned() } else { "just now".to_owned() },
        under if under < HOUR_MS => (under / MINUTE_MS, "minute"),
        under if under < DAY_MS => (under / HOUR_MS, "hour"),
        under if under < 60 * DAY_MS => (under / DAY_MS, "day"),
        under if under < 730 * DAY_MS => (under / (30 * DAY_MS), "month"),
        over => (over / (365 * DAY_MS), "year"),
    };
    let plural = if number == 1 { "" } else { "s" };
    if ms > 0 { format!("in {number} {unit}{plural}") } else { format!("{number} {unit}{plural} ago") }
}

/// A length of time: `1 hour`, `90 minutes`, `45 seconds`.
pub(crate) fn length(seconds: i64) -> String {
    let (number, unit) = match seconds {
        whole if whole > 0 && whole % 86_400 == 0 => (whole / 86_400, "day"),
        whole if whole > 0 && whole % 3600 == 0 => (whole / 3600, "hour"),
        whole if whole > 0 && whole % 60 == 0 => (whole / 60, "minute"),
        other => (other, "second"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_words() {
        let now = Timestamp::parse("2027-01-15T10:00:00Z").unwrap();
        let told = |seconds: i64| words(now.plus_seconds(seconds), now);
        let all = [0, -59, 61, -3600, 86_400 * 3, -86_400 * 70, 86_400 * 800];
        let all: Vec<String> = all.into_iter().map(told).collect();
        insta::assert_snapshot!(all.join("; "), @"just now; just now; in 1 minute; 1 hour ago; in 3 days; 2 months ago; in 2 years");
        assert_eq!(exact(now), "2027-01-15 10:00:00 UTC");
    }

    #[test]
    fn fields_keep_their_moment() {
        for text in ["2027-01-15T10:00:00Z", "2027-01-15T10:00:30Z", "2027-01-15T10:00:00.250Z", "2027-01-15T00:00:00Z"]
        {
            let time = Timestamp::parse(text).unwrap();
            assert_eq!(Timestamp::parse(&from_field(&field_value(Some(time)))), Some(time), "{text}");
        }
        assert_eq!(from_field("soon"), "soon");
        assert_eq!(field_value(None), "");
    }

    #[test]
    fn lengths_are_whole() {
        let all = [60, 3600, 5400, 86_400, 61];
        assert_eq!(all.map(length).join(", "), "1 minute, 1 hour, 90 minutes, 1 day, 61 seconds");
    }
}
