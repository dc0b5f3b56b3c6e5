//! `business-hours`: scopes only within weekly hours of a place.
//!
//! Hours are those that clocks in the place show, so daylight saving time needs no thought. A window may run past
//! midnight; it belongs to the day on which it begins, and so does a holiday.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod hours;
mod zone;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use grantd_policy::{
    Decision, Input, Manifest, Pattern, Permit, Policy, Request, TimeStep, export_policy, manifest, settings,
};

pub use hours::{Day, Holiday, Hours, TimeOfDay, Window};
pub use zone::{VERSION, Zone, names};

/// The policy.
pub struct BusinessHours;

/// When scopes may be had.
#[settings]
pub struct Settings {
    /// The place, by its IANA name: `Europe/Berlin`.
    pub time_zone: String,
    /// When scopes may be had.
    pub windows: Vec<Window>,
    /// Days on which no window begins: `2026-12-24` once, `12-25` every year.
    #[serde(default)]
    pub holidays: Vec<Holiday>,
    /// The scopes that are bound to these hours; all of them unless said. The others are not touched.
    #[serde(default = "all_scopes")]
    pub scopes: Vec<Pattern>,
    /// Whether a token with a scope that is bound to these hours must end with them.
    #[serde(default)]
    pub end_with_window: bool,
}

fn all_scopes() -> Vec<Pattern> {
    vec![Pattern::any()]
}

impl Policy for BusinessHours {
    type Settings = Settings;
    const MANIFEST: Manifest = manifest!(Input::Time(TimeStep::Minute));

    fn validate(settings: &Settings) -> Result<(), String> {
        if Zone::named(&settings.time_zone).is_none() {
            return Err(format!(
                "settings.timeZone: {:?} is no time zone of the IANA database {VERSION}; one is Europe/Berlin",
                settings.time_zone
            ));
        }
        if settings.windows.is_empty() {
            return Err("settings.windows: without a window nothing could ever be had; name one".into());
        }
        if settings.scopes.is_empty() {
            return Err("settings.scopes: an empty list would bind nothing; leave it out for all scopes".into());
        }
        match settings.windows.iter().position(|window| window.days.is_empty()) {
            Some(index) => Err(format!("settings.windows[{index}].days: name a day on which it begins")),
            None => Ok(()),
        }
    }

    fn evaluate(request: &Request, settings: &Settings) -> Decision {
        let (Some(zone), Some(time)) = (Zone::named(&settings.time_zone), request.context.time) else {
            return Decision::deny("settings-invalid", "the time or the time zone is missing");
        };
        let is_bound = |scope: &&String| settings.scopes.iter().any(|pattern| pattern.matches(scope));
        let (bound, free): (Vec<&String>, Vec<&String>) = request.offered.iter().partition(is_bound);
        if bound.is_empty() {
            return Decision::permit_all(request);
        }
        let hours = Hours { zone, windows: &settings.windows, holidays: &settings.holidays };
        let now = i64::from(time.unix_seconds);
        match hours.seconds_left(now, i64::from(request.ttl_seconds) + 60) {
            Some(seconds) if settings.end_with_window => {
                // The minute has begun already, at most 59 seconds ago.
                let seconds = u32::try_from((seconds - 59).max(1)).unwrap_or(u32::MAX);
                let permit = Permit::all(request);
                if seconds < request.ttl_seconds { permit.ttl_seconds(seconds).into() } else { permit.into() }
            }
            Some(_) => Decision::permit_all(request),
            None => outside(&hours, now, settings, &bound, &free),
        }
    }
}

export_policy!(BusinessHours);

/// Without the scopes that are bound to the hours, or not at all.
fn outside(hours: &Hours<'_>, now: i64, settings: &Settings, bound: &[&String], free: &[&String]) -> Decision {
    let (date, minute) = hours.local(now);
    let day = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
        [usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0)];
    let bound = bound.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ");
    let reason = format!(
        "outside the hours for {bound}: it is {day} {}-{:02}-{:02} {:02}:{:02} in {}",
        date.year(),
        date.month(),
        date.day(),
        minute / 60,
        minute % 60,
        settings.time_zone
    );
    if free.is_empty() {
        return Decision::deny("outside-business-hours", reason);
    }
    Permit::scopes(free.iter().map(|scope| (*scope).clone())).note(reason).into()
}
