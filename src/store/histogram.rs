//! How long runs took, counted in buckets.

use std::time::Duration;

/// The first bound is two to this power, in seconds: 0.98 ms.
const FIRST_POWER: i32 = -10;
/// How many bounds there are: up to two to the fifth, 32 seconds.
pub(crate) const BOUNDS: usize = 16;

/// Runs per bucket. The bounds are powers of two, each twice the one before: those of a native histogram of schema 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Histogram {
    /// One bucket for each bound and one for what is longer.
    buckets: [u32; BOUNDS + 1],
    sum: f64,
}

impl Histogram {
    /// The upper bounds of the buckets in seconds; the last bucket has none.
    pub(crate) fn bounds() -> impl Iterator<Item = f64> {
        (FIRST_POWER..).take(BOUNDS).map(|power| f64::from(power).exp2())
    }

    /// Counts one run.
    pub(crate) fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = Self::bounds().position(|bound| seconds <= bound).unwrap_or(BOUNDS);
        self.buckets[bucket] = self.buckets[bucket].saturating_add(1);
        self.sum += seconds;
    }

    /// Runs that took at most the bound of each bucket; the last is all of them.
    pub(crate) fn cumulative(&self) -> [u64; BOUNDS + 1] {
        let mut sum = 0;
        self.buckets.map(|count| {
            sum += u64::from(count);
            sum
        })
    }

    /// Sum of all durations in seconds.
    pub(crate) const fn sum(&self) -> f64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_fall_into_the_bucket_whose_bound_they_do_not_exceed() {
        let mut histogram = Histogram::default();
        for millis in [0, 500, 501, 32_000, 32_001] {
            histogram.observe(Duration::from_millis(millis));
        }
        assert_eq!(histogram.cumulative(), [1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3, 4, 5]);
        assert_eq!(histogram.sum(), 65.002);
    }

    #[test]
    fn bounds_double_from_a_millisecond_to_half_a_minute() {
        let bounds: Vec<_> = Histogram::bounds().collect();
        assert_eq!((bounds[0], bounds[10], bounds[15]), (0.000_976_562_5, 1.0, 32.0));
        assert_eq!(bounds.len(), BOUNDS);
    }
}
