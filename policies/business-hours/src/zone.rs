//! Time zones by their IANA name, from 2025 to 2106. The table is made by `build.rs`.

use jiff_core::Timestamp;
use jiff_core::tz::{Offset, posix};

/// What is left of a zone's history.
struct Rule {
    /// Until these moments (seconds since 1970), these offsets (seconds east of UTC).
    until: &'static [(i64, i32)],
    /// The rule after the last of them, as in the POSIX variable `TZ`.
    after: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/zones.rs"));

/// A time zone.
pub struct Zone(&'static Rule);

impl Zone {
    /// Looks a zone up by its IANA name, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let lower = |text: &'static str| text.bytes().map(|byte| byte.to_ascii_lowercase());
        let wanted = name.bytes().map(|byte| byte.to_ascii_lowercase());
        let found = ZONES.binary_search_by(|(known, _)| lower(known).cmp(wanted.clone())).ok()?;
        RULES.get(usize::from(ZONES[found].1)).map(Self)
    }

    /// How far the clocks of the zone are ahead of UTC at a moment.
    #[must_use]
    pub fn offset(&self, unix_seconds: i64) -> Offset {
        if let Some((_, seconds)) = self.0.until.iter().find(|(until, _)| unix_seconds < *until) {
            return Offset::from_seconds(*seconds).unwrap_or(Offset::UTC);
        }
        let moment = Timestamp::from_second(unix_seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        // Every rule of the table is parsed by a test.
        posix::TimeZone::parse(self.0.after).map_or(Offset::UTC, |rule| rule.to_offset(moment))
    }
}

/// Every name of the table.
pub fn names() -> impl Iterator<Item = &'static str> {
    ZONES.iter().map(|(name, _)| *name)
}
