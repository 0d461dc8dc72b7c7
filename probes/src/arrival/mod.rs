//! Kind `arrival`: whether a message as expected has arrived at the agent of late, as the report of a backup does each night.
//!
//! Asks the agent's own inbox, and nothing on the network. Where the agent has not taken mail for long enough to know, or
//! had to throw messages away, the verdict is unknown.

mod measures;
mod settings;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::Instant;

use crate::arrival::measures::{AGE, BYTES, EVERY, MESSAGES, MOMENT, WATCHED};
use crate::arrival::settings::Settings;
use crate::failure::{Failure, Reason, shown};
use crate::inbox::Arrived;
use crate::measure::Measure;
use crate::net::Net;
use crate::phase::Phase;
use crate::probe::{Awaited, Probe};
use crate::recorder::Recorder;
use crate::target::{Invalid, Target, host_name};

/// Messages are looked through.
const SEARCH: Phase = Phase::new("search");

/// Most bytes of messages that are looked at in one run. Chosen: a second's work.
const SEARCHED_BYTES_MAX: usize = 64 << 20;
/// Longest piece of a subject in a note, in bytes.
const SHOWN_BYTES_MAX: usize = 120;

/// Looks for a message to an address.
#[derive(Debug)]
pub(crate) struct Arrival {
    settings: Arc<Settings>,
    recipient: Box<str>,
}

impl Probe for Arrival {
    const NAME: &'static str = "arrival";
    const ABOUT: &'static str = "Looks whether a message as expected has arrived of late at the agent itself, which takes \
                                 mail where the configuration has `receive`.";
    const TARGET: &'static str = "the address that the message is sent to, one of `recipients` in `receive` \
                                  (backup@tuermer.example.org)";
    const PHASES: &'static [Phase] = &[SEARCH];
    const MEASURES: &'static [&'static Measure] = measures::ALL;
    type Settings = Settings;

    fn bind(settings: &Arc<Settings>, target: &Target) -> Result<Self, Invalid> {
        let text = target.text();
        let is_address = text.bytes().all(|byte| byte.is_ascii_graphic())
            && text.rsplit_once('@').is_some_and(|(local, domain)| {
                !local.is_empty() && (host_name(domain).is_ok() || domain.starts_with('['))
            });
        if !is_address {
            return Err(Invalid::Target(format!("{text:?} is no mail address")));
        }
        Ok(Self { settings: Arc::clone(settings), recipient: text.into() })
    }

    fn begin(settings: &Settings, recorder: &mut Recorder) {
        recorder.read(&EVERY, settings.every.as_secs_f64());
    }

    fn awaited(settings: &Settings, target: &Target) -> Option<Awaited> {
        Some(Awaited { recipient: target.text().into(), time: settings.every })
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        recorder.enter(SEARCH);
        let recipient = &self.recipient;
        let Some(inbox) = net.inbox() else {
            return Err(unusable("no mail is taken here: that takes an agent, with `receive` in its configuration"));
        };
        let Some(kept) = inbox.kept(recipient, 0) else {
            return Err(unusable(format_args!(
                "no mail is taken for {recipient}: it is not among `recipients` of `receive`"
            )));
        };
        let (now, every) = (recorder.now(), self.settings.every);
        let age = |at: Instant| now.saturating_duration_since(at);
        let of_late = kept.messages.iter().filter(|message| age(message.at) <= every).count();
        recorder.read(&WATCHED, age(kept.since).as_secs_f64());
        recorder.read(&MESSAGES, of_late as f64);

        let Ok(newest) = self.newest(&kept.messages).await else {
            let message = format_args!("more than {SEARCHED_BYTES_MAX} bytes of messages to look through");
            return Err(Failure::new(Reason::AgentOverload, message));
        };
        if let Some(message) = newest {
            recorder.read(&AGE, age(message.at).as_secs_f64());
            recorder.read(&MOMENT, message.moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
            recorder.read(&BYTES, message.bytes.len() as f64);
            let subject = text::subject(message.header());
            recorder.note(format_args!(
                "the newest, from {:?}: {}",
                message.sender,
                shown(subject.as_bytes(), SHOWN_BYTES_MAX)
            ));
            if age(message.at) <= every {
                return self.judge(message);
            }
        }
        // Of the time in question, some was not seen.
        if age(kept.since) < every {
            let watched = rounded(age(kept.since));
            return Err(unusable(format_args!("none has arrived yet, but mail has been taken for {watched:?} only")));
        }
        if kept.forgotten.is_some_and(|at| age(at) <= every) {
            return Err(unusable("none is left, but messages of that time had to be thrown away to make room"));
        }
        Err(Failure::new(
            Reason::ArrivalMissing,
            match newest {
                Some(message) => {
                    format!("the last one arrived {:?} ago, more than {every:?}", rounded(age(message.at)))
                }
                None => format!("none has arrived for {every:?}"),
            },
        ))
    }
}

impl Arrival {
    /// The newest message that is one as expected; an error if there is too much to look through.
    async fn newest<'m>(&self, messages: &'m [Arc<Arrived>]) -> Result<Option<&'m Arrived>, ()> {
        let mut searched = 0_usize;
        for message in messages.iter().rev() {
            searched = searched.saturating_add(message.bytes.len());
            if searched > SEARCHED_BYTES_MAX {
                return Err(());
            }
            if self.is_expected(message) {
                return Ok(Some(message));
            }
            // Patterns take time, and others have a right to it.
            tokio::task::yield_now().await;
        }
        Ok(None)
    }

    fn is_expected(&self, message: &Arrived) -> bool {
        let Settings { from, subject, body, .. } = &*self.settings;
        let header = message.header();
        from.as_ref()
            .is_none_or(|from| from.is_match(message.sender.as_bytes()) || from.is_match(text::from(header).as_bytes()))
            && subject.as_ref().is_none_or(|subject| subject.is_match(text::subject(header).as_bytes()))
            && body.as_ref().is_none_or(|body| body.is_match(&text::body(&message.bytes)))
    }

    /// Whether the message says what it should.
    fn judge(&self, message: &Arrived) -> Result<(), Failure> {
        let Settings { fail_if_body_matches_regexp: bad, fail_if_body_not_matches_regexp: good, .. } = &*self.settings;
        if bad.is_empty() && good.is_empty() {
            return Ok(());
        }
        let body = text::body(&message.bytes);
        let unexpected = |message: std::fmt::Arguments<'_>| Failure::new(Reason::BodyUnexpected, message);
        if let Some(pattern) = bad.iter().find(|pattern| pattern.is_match(&body)) {
            return Err(unexpected(format_args!("the body of the newest matches {:?}", pattern.source())));
        }
        if let Some(pattern) = good.iter().find(|pattern| !pattern.is_match(&body)) {
            return Err(unexpected(format_args!("the body of the newest does not match {:?}", pattern.source())));
        }
        Ok(())
    }
}

fn unusable(message: impl std::fmt::Display) -> Failure {
    Failure::new(Reason::InboxUnusable, message)
}

/// A length of time for people.
fn rounded(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}
