//! Time and randomness, the only place that reads either.
//!
//! Everything else takes a [`Clock`] (a lint enforces it), so that a test can set the time and repeat
//! its random bytes. Key generation and ECDSA inside `aws-lc-rs` draw from the system on their own.

mod alarm;
mod rsa;

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;

/// A point in time: whole milliseconds since 1970-01-01T00:00:00Z, as stored in every `_ms` column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 9999-12-30T22:00:00.000Z: some hours before what RFC 3339 ends with, so that every offset can be written too.
const TIMESTAMP_MAX_MS: i64 = 253_402_207_200_000;

impl Timestamp {
    /// From Unix milliseconds, as stored.
    #[must_use]
    pub fn from_ms(ms: i64) -> Self {
        Self(ms.clamp(0, TIMESTAMP_MAX_MS))
    }

    /// Parses an RFC 3339 date-time with an offset; `None` if it is not one, or lies outside 1970 to 9999.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let ms = text.parse::<jiff::Timestamp>().ok()?.as_millisecond();
        (0..=TIMESTAMP_MAX_MS).contains(&ms).then_some(Self(ms))
    }

    /// Parses the date of an HTTP header (RFC 9110 5.6.7): `Fri, 15 Jan 2027 10:00:00 GMT`.
    #[must_use]
    pub fn parse_http(text: &str) -> Option<Self> {
        let ms = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
        (0..=TIMESTAMP_MAX_MS).contains(&ms).then_some(Self(ms))
    }

    /// As the date of an HTTP header (RFC 9110 5.6.7); `None` is for no time that there is.
    #[must_use]
    pub fn to_http(self) -> Option<String> {
        let time = jiff::Timestamp::from_millisecond(self.0).ok()?;
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()
    }

    /// From the time of a file.
    #[must_use]
    pub fn of_file(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// As the time of a file.
    #[must_use]
    pub fn for_file(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.unsigned_abs())
    }

    /// Unix milliseconds.
    #[must_use]
    pub fn ms(self) -> i64 {
        self.0
    }

    /// Unix seconds, rounded down: a NumericDate of RFC 7519.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment and `seconds` more; stays within the years that can be written.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_ms(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Milliseconds from `earlier` to this moment; negative when `earlier` is later.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-01-31T12:00:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => Err(fmt::Error),
        }
    }
}

/// The source of time and random bytes. Clones share one source.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    /// The machine's clock and randomness, with a time that may be shifted: `grantd dev`.
    Shifted(Arc<RwLock<Shift>>),
    Manual(Arc<Manual>),
}

/// How the time of a shiftable clock differs from the machine's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shift {
    /// Not at all.
    #[default]
    None,
    /// This many milliseconds later, or earlier, and running.
    Ahead(i64),
    /// It stands still at this moment.
    Still(Timestamp),
}

/// Random bytes that a thread draws at once for its ids: each draw costs the generator 0.4 µs, however few they are.
const ID_BYTES_DRAWN: usize = 1024;

thread_local! {
    /// Bytes for ids, and how many of them are used.
    static ID_BYTES: RefCell<([u8; ID_BYTES_DRAWN], usize)> = const { RefCell::new(([0; ID_BYTES_DRAWN], ID_BYTES_DRAWN)) };
}

struct Manual {
    now_ms: AtomicI64,
    drawn: AtomicU64,
    rsa_pairs: AtomicUsize,
    seed: u64,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System => "Clock(system)",
            Source::Shifted(_) => "Clock(shifted)",
            Source::Manual(_) => "Clock(manual)",
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place that reads time and entropy")]
impl Clock {
    /// The machine's clock and the operating system's randomness.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// As [`Clock::system`], until [`Clock::shift_to`] makes it differ.
    #[must_use]
    pub fn shiftable() -> Self {
        Self(Source::Shifted(Arc::default()))
    }

    /// How this clock differs from the machine's; `None` when it cannot.
    #[must_use]
    pub fn shift(&self) -> Option<Shift> {
        match &self.0 {
            Source::Shifted(shift) => Some(*shift.read().unwrap_or_else(PoisonError::into_inner)),
            Source::System | Source::Manual(_) => None,
        }
    }

    /// Makes a shiftable clock show `now` from this moment on, running or standing still.
    pub fn shift_to(&self, now: Timestamp, stands_still: bool) {
        let shift = if stands_still { Shift::Still(now) } else { Shift::Ahead(now.since_ms(Self::machine_now())) };
        self.set_shift(shift);
    }

    /// Makes a shiftable clock show the machine's time again.
    pub fn release(&self) {
        self.set_shift(Shift::None);
    }

    fn set_shift(&self, shift: Shift) {
        if let Source::Shifted(current) = &self.0 {
            *current.write().unwrap_or_else(PoisonError::into_inner) = shift;
        }
    }

    fn machine_now() -> Timestamp {
        Timestamp::of_file(SystemTime::now())
    }

    /// For tests: a time that only [`Clock::set`] moves, random bytes that follow from `seed`, and RSA keys that other manual
    /// clocks of the process have too.
    #[must_use]
    pub fn manual(now: Timestamp, seed: u64) -> Self {
        let now_ms = AtomicI64::new(now.ms());
        let (drawn, rsa_pairs) = (AtomicU64::new(0), AtomicUsize::new(0));
        Self(Source::Manual(Arc::new(Manual { now_ms, drawn, rsa_pairs, seed })))
    }

    /// Sets the time of a manual clock; does nothing to the system's.
    pub fn set(&self, now: Timestamp) {
        if let Source::Manual(manual) = &self.0 {
            manual.now_ms.store(now.ms(), Ordering::SeqCst);
        }
    }

    /// The time now. A machine clock that stands before 1970 reads as 1970.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Self::machine_now(),
            Source::Shifted(shift) => match *shift.read().unwrap_or_else(PoisonError::into_inner) {
                Shift::None => Self::machine_now(),
                Shift::Ahead(ms) => Timestamp::from_ms(Self::machine_now().ms().saturating_add(ms)),
                Shift::Still(now) => now,
            },
            Source::Manual(manual) => Timestamp::from_ms(manual.now_ms.load(Ordering::SeqCst)),
        }
    }

    /// A reading of the monotonic clock, to measure how long something took.
    #[must_use]
    pub fn stopwatch(&self) -> Stopwatch {
        match &self.0 {
            Source::System | Source::Shifted(_) => Stopwatch(Some(Instant::now())),
            Source::Manual(_) => Stopwatch(None),
        }
    }

    /// Fills `bytes` with random bytes fit for keys.
    ///
    /// Ends the process when the operating system has no randomness to give: nothing may go on without it.
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            Source::System | Source::Shifted(_) => {
                if aws_lc_rs::rand::fill(bytes).is_err() {
                    // A server that cannot draw keys must stop, not issue guessable ones.
                    std::process::abort();
                }
            }
            Source::Manual(manual) => {
                for chunk in bytes.chunks_mut(32) {
                    let drawn = manual.drawn.fetch_add(1, Ordering::SeqCst);
                    let block = [manual.seed.to_be_bytes(), drawn.to_be_bytes()].concat();
                    let hash = digest::digest(&digest::SHA256, &block);
                    chunk.copy_from_slice(&hash.as_ref()[..chunk.len()]);
                }
            }
        }
    }

    /// Fills `bytes` with random bytes for ids, which are no secrets: they may have lain in memory for a while.
    pub fn fill_id(&self, bytes: &mut [u8]) {
        let is_manual = matches!(self.0, Source::Manual(_));
        if is_manual || bytes.len() > ID_BYTES_DRAWN {
            return self.fill(bytes);
        }
        ID_BYTES.with_borrow_mut(|(drawn, used)| {
            if drawn.len() - *used < bytes.len() {
                self.fill(drawn);
                *used = 0;
            }
            let end = *used + bytes.len();
            bytes.copy_from_slice(&drawn[*used..end]);
            *used = end;
        });
    }
}

/// Started by [`Clock::stopwatch`].
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Option<Instant>);

impl Stopwatch {
    /// Time since the start; zero under a manual clock.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.map_or(Duration::ZERO, |start| start.elapsed())
    }

    /// Waits until the time since the start is a multiple of `step`, so that it does not tell what was done in between.
    pub async fn wait_out(self, step: Duration) {
        let _alarm = alarm::free().await;
        let into_step = self.elapsed().as_nanos() % step.as_nanos().max(1);
        alarm::wait(step.saturating_sub(Duration::from_nanos(u64::try_from(into_step).unwrap_or_default()))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_round_trip_through_rfc3339() {
        for text in ["1970-01-01T00:00:00.000Z", "2026-11-23T10:20:30.456Z", "9999-12-30T22:00:00.000Z"] {
            assert_eq!(Timestamp::parse(text).map(|t| t.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Timestamp::parse("2026-01-01T02:00:00+02:00"), Timestamp::parse("2026-01-01T00:00:00Z"));
        for bad in ["", "tomorrow", "2026-01-01", "2026-01-01T00:00:00", "1969-12-31T23:59:59Z"] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_shifted_clock_runs_on_or_stands_still_until_it_is_released() {
        let clock = Clock::shiftable();
        let near = |at: Timestamp| clock.now().since_ms(at).abs() < 60_000;
        let (machine, later) = (Clock::system().now(), Timestamp::parse("2099-01-01T00:00:00Z").unwrap());
        assert!(near(machine));
        clock.shift_to(later, true);
        assert_eq!((clock.now(), clock.clone().now()), (later, later));
        clock.shift_to(later, false);
        assert!(near(later) && matches!(clock.shift(), Some(Shift::Ahead(_))));
        clock.release();
        assert!(near(machine));
        Clock::system().shift_to(later, true);
        assert_eq!(Clock::system().shift(), None);
    }

    #[test]
    fn dates_of_http_are_read_and_written() {
        for (text, time) in [
            ("Fri, 15 Jan 2027 10:00:00 GMT", "2027-01-15T10:00:00Z"),
            ("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"),
        ] {
            let time = Timestamp::parse(time).unwrap();
            assert_eq!((Timestamp::parse_http(text), time.to_http().as_deref()), (Some(time), Some(text)));
        }
        assert_eq!(Timestamp::parse_http("yesterday"), None);
    }

    #[test]
    fn a_manual_clock_repeats_its_bytes_and_stands_still() {
        let draw = |clock: &Clock| {
            let mut bytes = [0; 40];
            clock.fill(&mut bytes);
            bytes
        };
        let now = Timestamp::from_ms(5);
        let (a, b) = (Clock::manual(now, 1), Clock::manual(now, 1));
        assert_eq!(draw(&a), draw(&b));
        assert_ne!(draw(&a), draw(&Clock::manual(now, 2)));
        assert_eq!(a.now(), now);
        a.clone().set(Timestamp::from_ms(9));
        assert_eq!(a.now().ms(), 9);
    }
}
