//! Greylisting over runs (RFC 6647): since when a server has refused a sender whom it does not know yet, and how long it
//! took until it let the sender in.
//!
//! A server tells senders apart by where they come from, who they say they are, and to whom they write; so one server, one
//! sender and one recipient are a case of their own. Nothing is asked more often because of it: what is learned has the
//! grain of the interval at which runs follow each other.

use std::net::SocketAddr;
use std::time::Duration;

use crate::failure::{Failure, Reason};
use crate::memory::{Drawer, Fact};
use crate::recorder::Recorder;
use crate::smtp::address::{Mailbox, ReversePath};
use crate::smtp::measures::{GREYLIST_DELAY, GREYLIST_EVENTS, GREYLIST_LAST_DELAY, GREYLIST_PENDING, GREYLISTED};
use crate::smtp::settings::{Greylisting, SmtpSettings};

/// How long after the last refusal a later answer still belongs to it. As long as servers commonly wait for a sender to
/// come back (`--retry-window` of postgrey: two days); afterwards it is a stranger again.
const REFUSAL_LASTS: Duration = Duration::from_secs(2 * 24 * 3600);

/// What is remembered of one server and one sender.
#[derive(Debug)]
pub(crate) struct Greylist<'a> {
    memory: Drawer<'a>,
    server: String,
    sender: String,
    /// Whom the last answer was about; nobody where it was about the sender alone.
    recipient: String,
}

impl<'a> Greylist<'a> {
    pub(super) fn new(memory: Drawer<'a>, server: SocketAddr, sender: &ReversePath) -> Self {
        Self { memory, server: server.to_string(), sender: sender.to_string(), recipient: String::new() }
    }

    /// The next answer is about this recipient.
    pub(super) fn names(&mut self, recipient: &Mailbox) {
        self.recipient = recipient.to_string();
    }

    /// The answer was yes: if it had been later before, that is how long the server made wait.
    pub(super) fn taken(&self, recorder: &mut Recorder) {
        let now = recorder.now();
        let Some(fact) = self.memory.recall(now, &self.case()) else { return };
        let delay = now.saturating_duration_since(fact.since);
        recorder.read(&GREYLIST_DELAY, delay.as_secs_f64());
        recorder.read(&GREYLIST_LAST_DELAY, delay.as_secs_f64());
        recorder.note(format_args!("no longer greylisted, {delay:.0?} after the first try"));
        self.memory.forget(&self.case());
    }

    /// What the last answer means, with all that is known of earlier ones.
    pub(super) fn judge(
        &self,
        recorder: &mut Recorder,
        settings: &SmtpSettings,
        outcome: Result<(), Failure>,
    ) -> Result<(), Failure> {
        let reason = outcome.as_ref().err().map(Failure::reason);
        let is_greylisted = reason == Some(Reason::Greylisted);
        recorder.read(&GREYLISTED, f64::from(u8::from(is_greylisted)));
        recorder.read(&GREYLIST_EVENTS, f64::from(u8::from(is_greylisted)));
        let pending = if is_greylisted { self.refused(recorder) } else { Duration::ZERO };
        recorder.read(&GREYLIST_PENDING, pending.as_secs_f64());
        if matches!(reason, Some(Reason::RecipientRefused | Reason::SenderRefused | Reason::MailboxFull)) {
            // Another answer than later: should it become later again, that is a new case.
            self.memory.forget(&self.case());
        }
        if !is_greylisted {
            return outcome;
        }
        let max = settings.greylisting_max.0;
        match outcome {
            Err(failure) if pending > max => {
                let message = failure.message();
                let message = format_args!("greylisted for {pending:.0?}, and {max:?} are allowed: {message}");
                Err(Failure::new(Reason::Greylisted, message))
            }
            Err(_) if settings.greylisting == Greylisting::Pass => {
                recorder.note("greylisted, which counts as taken");
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Says for how long it has been so.
    fn refused(&self, recorder: &mut Recorder) -> Duration {
        let now = recorder.now();
        let first = Fact { since: now, at: recorder.wall_clock(), text: "".into() };
        let fact = self.memory.recall(now, &self.case()).unwrap_or(first);
        let pending = now.saturating_duration_since(fact.since);
        self.memory.keep(now, &self.case(), fact, REFUSAL_LASTS);
        pending
    }

    fn case(&self) -> [&str; 4] {
        ["greylisted", &self.server, &self.sender, &self.recipient]
    }
}
