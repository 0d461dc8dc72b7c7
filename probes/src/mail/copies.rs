//! A further copy of a mail is no late mail, also if it comes when the run that found the first is over.
//!
//! What is remembered is which mails were found and deleted, for an hour. A copy that comes later than that, or after the
//! agent's start, counts as late.

use std::time::Duration;

use crate::mail::token::Token;
use crate::mail::watch::Seen;
use crate::memory::{Drawer, Fact};
use crate::recorder::Recorder;

/// How long a mail is remembered. Chosen: a server that delivers twice tries again within the hour (RFC 5321 section
/// 4.5.4.1 suggests half of one), and an hour of a mail a minute is sixty facts.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// Whether an earlier run found this mail.
pub(super) fn is_known(memory: Drawer<'_>, recorder: &Recorder, token: &Token) -> bool {
    memory.recall(recorder.now(), &["found", &token.text()]).is_some()
}

/// Keeps in mind what a run found. What it could not delete, the next meets again: that is no copy.
pub(super) fn remember(memory: Drawer<'_>, recorder: &Recorder, own: &Token, seen: &Seen) {
    let own = Some(own).filter(|_| seen.is_arrival_gone());
    for token in own.into_iter().chain(seen.late_and_gone()) {
        let fact = Fact { since: recorder.now(), at: recorder.wall_clock(), text: "".into() };
        memory.keep(recorder.now(), &["found", &token.text()], fact, REMEMBERED);
    }
}
