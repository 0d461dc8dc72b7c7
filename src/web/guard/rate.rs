//! How often requests are answered: a bucket that fills with time, as exporter-toolkit's.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::config::web::RateLimit;

/// A bucket, and the limit that it was made for.
#[derive(Debug, Default)]
pub(super) struct Rate(Mutex<Option<Bucket>>);

#[derive(Debug)]
struct Bucket {
    limit: RateLimit,
    tokens: f64,
    filled: Instant,
}

impl Rate {
    /// Whether one more request is answered now. A new limit begins with a full bucket.
    pub(super) fn allows(&self, limit: Option<RateLimit>) -> bool {
        let Some(limit) = limit else { return true };
        let now = Instant::now();
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = f64::from(limit.burst);
        let bucket = match &mut *bucket {
            Some(bucket) if bucket.limit == limit => bucket,
            other => other.insert(Bucket { limit, tokens: full, filled: now }),
        };
        let more = now.duration_since(bucket.filled).as_secs_f64() / limit.interval.as_secs_f64();
        bucket.tokens = (bucket.tokens + more).min(full);
        bucket.filled = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_answered_and_then_one_each_interval() {
        let rate = Rate::default();
        let limit = Some(RateLimit { interval: Duration::from_secs(1), burst: 2 });
        let ask = || rate.allows(limit);
        assert_eq!([ask(), ask(), ask()], [true, true, false]);
        tokio::time::advance(Duration::from_millis(1500)).await;
        assert_eq!([ask(), ask()], [true, false]);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!([ask(), ask(), ask()], [true, true, false]);
        assert!(rate.allows(None));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_burst_nothing_is_answered() {
        let rate = Rate::default();
        let limit = Some(RateLimit { interval: Duration::from_secs(1), burst: 0 });
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!rate.allows(limit));
    }
}
