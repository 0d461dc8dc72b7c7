//! Mails that the check's key did not seal lie in the mailbox until they are old. Each is counted by one run only.
//!
//! What is remembered is how many lay there, not which: a mailbox that names its mails anew changes nothing. Where others
//! delete some of them while new ones come, some are not counted.

use std::time::Duration;

use crate::mail::watch::Tally;
use crate::memory::{Drawer, Fact};
use crate::recorder::Recorder;

/// The fact's name.
const NAME: [&str; 1] = ["unsealed mails"];

/// How many of these mails no earlier run counted. `has_looked`: whether the run saw everything and deleted what is old;
/// `sweep_after`: from which age that is so.
pub(super) fn count_new(
    memory: Drawer<'_>,
    recorder: &Recorder,
    tally: &Tally,
    has_looked: bool,
    sweep_after: Duration,
) -> u32 {
    let now = recorder.now();
    let known = memory.recall(now, &NAME).and_then(|fact| fact.text.parse().ok()).unwrap_or(0);
    let lying = if has_looked { tally.unsealed_young } else { tally.unsealed.max(known) };
    if lying == 0 {
        memory.forget(&NAME);
    } else {
        let fact = Fact { since: now, at: recorder.wall_clock(), text: lying.to_string().into() };
        memory.keep(now, &NAME, fact, sweep_after);
    }
    tally.unsealed.saturating_sub(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Memory, Owner};

    #[tokio::test(start_paused = true)]
    async fn each_mail_is_counted_by_one_run() {
        let memory = Memory::default();
        let hour = Duration::from_secs(3600);
        let mut counted = Vec::new();
        // Seen, of these left where they are, whether everything was looked into.
        for (unsealed, unsealed_young, has_looked) in [
            (2, 2, true),
            (2, 2, true),
            (0, 0, false),
            (1, 1, false),
            (3, 1, true),
            (1, 1, true),
            (0, 0, true),
            (1, 1, true),
        ] {
            let tally = Tally { unsealed, unsealed_young, ..Tally::default() };
            let recorder = Recorder::start(hour);
            counted.push(count_new(memory.of(Owner::default()), &recorder, &tally, has_looked, hour));
        }
        assert_eq!(counted, [2, 0, 0, 0, 1, 0, 0, 1]);
    }
}
