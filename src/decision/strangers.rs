//! How many refusals of strangers are recorded: who cannot authenticate must not be able to fill the disk, or to push
//! the records of others out.
//!
//! Strangers get a tenth of the room: one record for every ten of authenticated clients, and one every ten seconds
//! beside that (8,640 a day). What is left out is counted, and the next record says how many there were.

use crate::clock::Timestamp;

/// What one record costs, in tenths.
const RECORD_TENTHS: i64 = 10;
/// Records that can come at once after a quiet time.
const BURST_TENTHS: i64 = 100 * RECORD_TENTHS;

/// Room for the refusals of one kind of stranger.
#[derive(Debug)]
pub(super) struct Allowance {
    tenths: i64,
    refilled_at: Option<Timestamp>,
    left_out: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { tenths: BURST_TENTHS, refilled_at: None, left_out: 0 }
    }
}

impl Allowance {
    /// An authenticated client's request was recorded: that makes room for a tenth of a stranger's.
    pub(super) fn earn(&mut self) {
        self.tenths = (self.tenths + 1).min(BURST_TENTHS);
    }

    /// Takes the room for one record. Answers how many were left out before it, or `None` when there is no room.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<u64> {
        let last = *self.refilled_at.get_or_insert(now);
        // A clock that stepped back earns nothing until it is where it was.
        let seconds = now.since_ms(last).max(0) / 1000;
        if seconds > 0 {
            self.tenths = self.tenths.saturating_add(seconds).min(BURST_TENTHS);
            self.refilled_at = Some(last.plus_seconds(seconds));
        }
        if self.tenths < RECORD_TENTHS {
            return None;
        }
        self.tenths -= RECORD_TENTHS;
        Some(std::mem::take(&mut self.left_out))
    }

    /// Counts one that found no room.
    pub(super) fn leave_out(&mut self) {
        self.left_out += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_its_burst_and_then_a_tenth() {
        let mut allowance = Allowance::default();
        let start = Timestamp::from_ms(1_000_000);
        let recorded = |allowance: &mut Allowance, now, attempts: usize| {
            let mut recorded = 0;
            for _ in 0..attempts {
                match allowance.take(now) {
                    Some(_) => recorded += 1,
                    None => allowance.leave_out(),
                }
            }
            recorded
        };
        assert_eq!(recorded(&mut allowance, start, 5000), 100, "the burst");
        assert_eq!(recorded(&mut allowance, start.plus_seconds(60), 5000), 6, "one every ten seconds");
        (0..50).for_each(|_| allowance.earn());
        assert_eq!(allowance.take(start.plus_seconds(60)), Some(4994), "tells how many were left out since the last");
        assert_eq!(recorded(&mut allowance, start.plus_seconds(60), 5000), 4, "one for every ten real ones");
        assert_eq!(recorded(&mut allowance, start, 1), 0, "a clock that steps back gives nothing");
        assert_eq!(recorded(&mut allowance, start.plus_seconds(86_400 * 30), 5000), 100, "never more than the burst");
    }
}
