//! The moments at which a check is due.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The wall clock at one moment of the monotonic clock. Later jumps of the wall clock do not move the schedule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    instant: Instant,
    since_epoch: Duration,
}

impl Grid {
    pub(super) fn new(instant: Instant, wall: SystemTime) -> Self {
        Self { instant, since_epoch: wall.duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// The first moment after `after` at which a check is due.
    pub(super) fn next(&self, identity: u64, interval: Duration, after: Instant) -> Instant {
        let interval_nanos = interval.as_nanos().max(1);
        let offset = u128::from(spread(identity)) % interval_nanos;
        let now = (self.since_epoch + after.saturating_duration_since(self.instant)).as_nanos();
        let into = (now + interval_nanos - offset) % interval_nanos;
        let wait = interval_nanos - into;
        after + Duration::from_nanos_u128(wait)
    }
}

/// Mixes the bits, so that the offset is even for any interval (the finisher of splitmix64).
const fn spread(identity: u64) -> u64 {
    let mixed = (identity ^ (identity >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn moments_are_one_interval_apart_and_the_same_after_a_restart() {
        let (now, interval) = (Instant::now(), Duration::from_secs(10));
        let wall = UNIX_EPOCH + Duration::from_millis(1_795_403_186_125);
        let first = Grid::new(now, wall).next(7, interval, now);
        assert!(first > now && first <= now + interval);
        assert_eq!(Grid::new(now, wall).next(7, interval, first), first + interval);
        // An agent that began 3.2 s later has the same grid.
        let later = Grid::new(now, wall + Duration::from_millis(3200)).next(7, interval, now);
        let difference = (first + interval) - (later + Duration::from_millis(3200));
        assert_eq!(difference.as_nanos() % interval.as_nanos(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn checks_are_spread_over_the_interval() {
        let (now, interval) = (Instant::now(), Duration::from_secs(10));
        let grid = Grid::new(now, UNIX_EPOCH + Duration::from_secs(1_795_403_186));
        let mut tenths = [0; 10];
        for identity in 0..10_000 {
            let wait = grid.next(identity, interval, now) - now;
            tenths[(wait.as_millis() / 1000).min(9) as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (900..1100).contains(count)), "{tenths:?}");
    }
}
