//! What is read of an inbox.

use crate::measure::{Measure, Unit};

pub(super) static EVERY: Measure =
    Measure::level("probe_arrival_every_seconds", Unit::Seconds, "How often such a message must arrive at least.");
pub(super) static WATCHED: Measure = Measure::level(
    "probe_arrival_watched_seconds",
    Unit::Seconds,
    "How long the agent has been taking mail for the address.",
);
pub(super) static MESSAGES: Measure = Measure::level(
    "probe_arrival_messages",
    Unit::None,
    "Messages of any sort for the address that arrived within the time in which one must.",
);
pub(super) static AGE: Measure =
    Measure::level("probe_arrival_age_seconds", Unit::Seconds, "How long ago the last message as expected arrived.");
pub(super) static MOMENT: Measure = Measure::level(
    "probe_arrival_last_timestamp_seconds",
    Unit::Timestamp,
    "When the last message as expected arrived.",
);
pub(super) static BYTES: Measure =
    Measure::level("probe_arrival_last_size_bytes", Unit::Bytes, "Size of the last message as expected.");

/// All of them.
pub(super) const ALL: &[&Measure] = &[&EVERY, &WATCHED, &MESSAGES, &AGE, &MOMENT, &BYTES];
