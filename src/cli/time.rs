//! Times as people write and read them: `2027-01-31`, `7d`, `3 minutes ago`.

use grantd::clock::{Clock, Timestamp};
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use jiff::{Span, ToSpan};

use super::{Failure, Outcome};

/// What `--until` and its like take, for help texts.
pub(super) const FORMS: &str =
    "a date (2027-01-31, in UTC), a date-time (2027-01-31T12:00:00Z) or a time from now (30d, 12h, 2 weeks)";

/// Characters of `2027-01-31`.
const DATE_CHARS: usize = 10;

/// Which end of a day a date alone means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Day {
    /// `--from 2027-01-31`: that whole day is in.
    Begins,
    /// `--until 2027-01-31`: that whole day is in too.
    Ends,
}

/// The moment that a date, a date-time or a time from `now` means.
///
/// # Errors
/// `Usage`, with the forms there are.
pub(super) fn parse(flag: &str, text: &str, day: Day, now: Timestamp) -> Outcome<Timestamp> {
    if let Some(moment) = Timestamp::parse(text) {
        return Ok(moment);
    }
    let unfit = || Failure::Usage(format!("{flag}: {text:?} is none of: {FORMS}"));
    // jiff reads a date out of a date-time too; one without an offset could mean any of a day.
    let date = if text.len() == DATE_CHARS { text.parse::<Date>().ok() } else { None };
    let moment = if let Some(date) = date {
        let date = if day == Day::Ends { date.checked_add(1.day()).map_err(|_| unfit())? } else { date };
        date.at(0, 0, 0, 0)
    } else {
        let span = span(text).ok_or_else(unfit)?;
        utc(now).checked_add(span).map_err(|_| unfit())?
    };
    from_utc(moment).ok_or_else(unfit)
}

/// What `set` makes of a moment that may be given, or be taken away by a word: null then.
///
/// # Errors
/// As [`parse`].
pub(super) fn change(flag: &str, text: Option<&str>, without: &str, day: Day) -> Outcome<Option<serde_json::Value>> {
    match text {
        None => Ok(None),
        Some(word) if word == without => Ok(Some(serde_json::Value::Null)),
        Some(text) => parse(flag, text, day, now()).map(|time| Some(time.to_string().into())),
    }
}

/// `base` and a time more, as `--overlap 7d` means it.
///
/// # Errors
/// `Usage` when `text` is no time.
pub(super) fn after(flag: &str, text: &str, base: Timestamp) -> Outcome<Timestamp> {
    let unfit = || Failure::Usage(format!("{flag}: {text:?} is no time like 7d, 12h or 30m"));
    let moment = utc(base).checked_add(span(text).ok_or_else(unfit)?).map_err(|_| unfit())?;
    from_utc(moment).ok_or_else(unfit)
}

/// Whole seconds of a time, as `--lifetime 1h` means it; a bare number is seconds.
///
/// # Errors
/// `Usage` when `text` is no time.
pub(super) fn seconds(flag: &str, text: &str) -> Outcome<i64> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let epoch = Timestamp::from_ms(0);
    Ok(after(flag, text, epoch)?.since_ms(epoch) / 1000)
}

/// A time that does not lead into the past.
fn span(text: &str) -> Option<Span> {
    text.parse::<Span>().ok().filter(|span| !span.is_negative())
}

fn utc(moment: Timestamp) -> DateTime {
    Offset::UTC.to_datetime(jiff::Timestamp::from_millisecond(moment.ms()).unwrap_or_default())
}

fn from_utc(moment: DateTime) -> Option<Timestamp> {
    let exact = Offset::UTC.to_timestamp(moment).ok()?;
    Timestamp::parse(&exact.to_string())
}

/// The moment now, by the clock of this machine.
pub(super) fn now() -> Timestamp {
    Clock::system().now()
}

/// How far `at` is from `now`, in the largest unit that fits.
pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    const UNITS: [(i64, &str); 5] =
        [(365 * 86_400, "year"), (30 * 86_400, "month"), (86_400, "day"), (3600, "hour"), (60, "minute")];
    let seconds = at.since_ms(now).div_euclid(1000);
    // What was set to 30 days a moment ago is still in 30 days.
    let size = if seconds > 60 { seconds + 30 } else { seconds.abs() };
    let Some((unit, name)) = UNITS.into_iter().find(|(unit, _)| size >= *unit) else {
        return if seconds > 0 { format!("in {size} s") } else { "just now".to_owned() };
    };
    let count = size / unit;
    let plural = if count == 1 { "" } else { "s" };
    if seconds > 0 { format!("in {count} {name}{plural}") } else { format!("{count} {name}{plural} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now = Timestamp::parse("2027-01-15T10:00:00Z").unwrap();
        let read = |text: &str, day| parse("--until", text, day, now).ok().map(|time| time.to_string());
        for (text, wanted) in [
            ("2027-02-01T00:00:00+01:00", "2027-01-31T23:00:00.000Z"),
            ("2027-01-31", "2027-02-01T00:00:00.000Z"),
            ("7d", "2027-01-22T10:00:00.000Z"),
            ("2 weeks", "2027-01-29T10:00:00.000Z"),
            ("1mo", "2027-02-15T10:00:00.000Z"),
            ("1h30m", "2027-01-15T11:30:00.000Z"),
        ] {
            assert_eq!(read(text, Day::Ends).as_deref(), Some(wanted), "{text}");
        }
        assert_eq!(read("2027-01-31", Day::Begins).as_deref(), Some("2027-01-31T00:00:00.000Z"));
        for text in ["", "tomorrow", "7", "-7d", "7d ago", "2027-13-01", "9999y", "2027-01-31T12:00:00"] {
            assert_eq!(read(text, Day::Ends), None, "{text}");
        }
        assert_eq!(seconds("--lifetime", "1h").ok(), Some(3600));
        assert_eq!(seconds("--lifetime", "90").ok(), Some(90));
        assert!(seconds("--lifetime", "soon").is_err());
    }

    #[test]
    fn times_are_told_from_now() {
        let now = Timestamp::parse("2027-01-15T10:00:00Z").unwrap();
        for (seconds, wanted) in [
            (0, "just now"),
            (-59, "just now"),
            (30, "in 30 s"),
            (-60, "1 minute ago"),
            (7200, "in 2 hours"),
            (-3 * 86_400, "3 days ago"),
            (400 * 86_400, "in 1 year"),
        ] {
            assert_eq!(relative(now.plus_seconds(seconds), now), wanted);
        }
    }
}
