//! Weekly hours in the clock time of a place: windows, days without them, and when the present one ends.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use grantd_policy::settings;
use jiff_core::Timestamp;
use jiff_core::civil::{Date, Weekday};

use crate::zone::Zone;

const MINUTES_A_DAY: u16 = 24 * 60;
/// Windows that are joined end to end when the end of the present one is looked for.
const JOINED_MAX: usize = 64;

/// A day of the week.
#[settings]
#[derive(Copy, PartialEq, Eq)]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Day {
    fn is(self, weekday: Weekday) -> bool {
        self as i8 == weekday.to_monday_zero_offset()
    }
}

/// A time of the day such as `09:30`; `24:00` is the end of the day.
#[settings]
#[serde(try_from = "String")]
#[derive(Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    minutes: u16,
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = |part: &str| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            if digits { part.parse::<u16>().ok() } else { None }
        };
        let parts = text.split_once(':').and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)));
        match parts {
            Some((hour, minute)) if minute < 60 && hour * 60 + minute <= MINUTES_A_DAY => {
                Ok(Self { minutes: hour * 60 + minute })
            }
            _ => Err(format!("expected a time such as 09:30, at most 24:00, and not {text:?}")),
        }
    }
}

/// Hours on days of the week.
#[settings]
pub struct Window {
    /// The days on which it begins.
    pub days: Vec<Day>,
    /// When it begins: `09:00`.
    pub from: TimeOfDay,
    /// When it ends: `17:30`. At or before `from`, it ends on the next day.
    pub to: TimeOfDay,
}

/// A day without hours: `2026-12-24` once, `12-25` every year.
#[settings]
#[serde(try_from = "String")]
#[derive(Copy, PartialEq, Eq)]
pub struct Holiday {
    year: Option<i16>,
    month: i8,
    day: i8,
}

impl TryFrom<String> for Holiday {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = text.rsplit('-');
        let mut number = |length: usize| {
            let part = parts.next().filter(|part| part.len() == length)?;
            if part.bytes().all(|byte| byte.is_ascii_digit()) { part.parse::<i16>().ok() } else { None }
        };
        let (day, month) = (number(2), number(2));
        let year = if text.len() > 5 { number(4).map(Some) } else { Some(None) };
        let whole = parts.next().is_none();
        // Every year has the days of a leap year, so that 02-29 is one of them.
        if let (Some(day), Some(month), Some(year), true) = (day, month, year, whole)
            && let (Ok(day), Ok(month)) = (i8::try_from(day), i8::try_from(month))
            && Date::new(year.unwrap_or(2024), month, day).is_ok()
        {
            return Ok(Self { year, month, day });
        }
        Err(format!("expected a date such as 2026-12-24, or 12-25 for every year, and not {text:?}"))
    }
}

impl Holiday {
    fn is(self, date: Date) -> bool {
        self.month == date.month() && self.day == date.day() && self.year.is_none_or(|year| year == date.year())
    }
}

/// Windows and holidays in a place.
pub struct Hours<'a> {
    pub zone: Zone,
    pub windows: &'a [Window],
    pub holidays: &'a [Holiday],
}

impl Hours<'_> {
    /// The date and the minute of the day that clocks there show.
    pub fn local(&self, unix_seconds: i64) -> (Date, u16) {
        let moment = Timestamp::from_second(unix_seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let local = self.zone.offset(unix_seconds).to_datetime(moment);
        let minute = i16::from(local.time().hour()) * 60 + i16::from(local.time().minute());
        (local.date(), u16::try_from(minute).unwrap_or(0))
    }

    /// Whether a window is open; if so, how many seconds are left of it, or `enough` where there are more.
    pub fn seconds_left(&self, unix_seconds: i64, enough: i64) -> Option<i64> {
        let mut end = self.end_of_window(unix_seconds)?;
        for _ in 0..JOINED_MAX {
            if end - unix_seconds >= enough {
                return Some(enough);
            }
            // Another one may begin where this one ends.
            match self.end_of_window(end) {
                Some(later) => end = later,
                None => break,
            }
        }
        Some(end - unix_seconds)
    }

    /// When the window ends that is open at a moment; the latest one of several.
    fn end_of_window(&self, unix_seconds: i64) -> Option<i64> {
        let (today, minute) = self.local(unix_seconds);
        let yesterday = today.yesterday().ok()?;
        let begins = |window: &Window, date: Date| {
            let day = date.weekday();
            window.days.iter().any(|known| known.is(day)) && !self.holidays.iter().any(|holiday| holiday.is(date))
        };
        let minutes_left = |window: &Window| {
            let (from, to) = (window.from.minutes, window.to.minutes);
            let past_midnight = to <= from;
            let of_today = if past_midnight { to + MINUTES_A_DAY } else { to };
            let today = (begins(window, today) && from <= minute && minute < of_today).then(|| of_today - minute);
            let yesterday = (past_midnight && begins(window, yesterday) && minute < to).then(|| to - minute);
            today.max(yesterday)
        };
        let minutes = self.windows.iter().filter_map(minutes_left).max()?;
        let guess = unix_seconds - unix_seconds.rem_euclid(60) + i64::from(minutes) * 60;
        // Clocks that change before the end bring it nearer or push it away.
        let shift = self.zone.offset(unix_seconds).seconds() - self.zone.offset(guess).seconds();
        Some((guess + i64::from(shift)).max(unix_seconds + 60))
    }
}
