//! Kind `mail`: does a mail really arrive? One is handed in (step `submit`) and looked for in its mailbox (step `fetch`).
//!
//! | file | what it knows |
//! |---|---|
//! | `settings` | what can be set |
//! | `token` | how mails of a check are told from all others: no verdict rests on any other state |
//! | `message` | what a mail looks like |
//! | `submit` | handing it in, by the client of kind `smtp` |
//! | `places` | where it is looked for |
//! | `watch` | looking for it, the same way in every place |
//! | `sign`, `verify`, `alignment` | DKIM on the mail that is sent; DKIM, ARC, SPF and DMARC on the one that arrived |
//! | `headers`, `body`, `read`, `dsn` | what a mail and a notice of non-delivery tell |
//! | `copies` | telling further copies from late mails |
//! | `strangers` | counting each mail once that its key did not seal |
//! | `measures` | what is written down |
//!
//! A run knows three ends: the mail arrived; it did not; it was sent but nobody could look. Where the server did not reply
//! to the mail, it is looked for all the same: if it is found, the server took it, and if not, handing in failed. Mails of
//! earlier runs that are met on the way are counted and deleted.

mod alignment;
mod body;
mod copies;
mod dsn;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod headers;
mod measures;
mod message;
mod places;
mod read;
mod settings;
mod sign;
mod strangers;
mod submit;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a post office runs beside the probe, and has a clock")]
mod tests;
mod token;
mod verify;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, timeout_at};

use settings::{Content, Junk, Settings};

use crate::failure::{self, Failure, Reason, shown};
use crate::mail::measures::{
    ARRIVED, AUTH_PASS, AUTH_RESULT_INFO, AUTH_RESULTS, BODY_INTACT, BOUNCE_STATUS_INFO, BOUNCED, CONTENT_TEST_OK,
    DELAY_NOTICES, DELETED, DELIVERY, DUPLICATE, FOLDER_INFO, FORGED, HEADER_INTACT, HOP_DELAY, HOP_SKEW, HOPS,
    HOPS_WITHOUT_TLS, JUNK, LAG, LAST_DELIVERY, LAST_HOP_DELAY, LAST_RECEIVED, LATE, LATE_AGE, LOST, RECEIVED,
    RETURNED, SEND_FAILURES, SENT, SIZE, SPAM_FLAGGED, SPAM_SCORE, SUBMITTED, TOKEN_PRESENT, UNKNOWN,
};
use crate::mail::message::Message;
use crate::mail::places::settings::Fetch;
use crate::mail::places::{Place, Role};
use crate::mail::read::Reading;
use crate::mail::submit::{DATA, Handed, Submission};
use crate::mail::token::{CheckId, Key, Token};
use crate::mail::verify::{Evidence, Finding};
use crate::mail::watch::{RETRIEVAL, SELECT, SWEEP, Seen, TRANSIT, Watch, passes};
use crate::mailbox;
use crate::measure::Measure;
use crate::net::{CONNECT, Net, RESOLVE, TLS};
use crate::phase::Phase;
use crate::probe::{Awaited, Mailing, Probe};
use crate::recorder::Recorder;
use crate::smtp::asked::Asked;
use crate::smtp::dialogue;
use crate::smtp::login::AUTH;
use crate::target::{Invalid, Target};

/// What of the run's time is kept for its end, as a divisor. Chosen: 5 %.
const RESERVE_DIVISOR: u32 = 20;
/// Most bytes of a mail beyond those that were sent. Chosen: what filters and lists add.
const ADDED_BYTES_MAX: usize = 256 * 1024;
/// Hops whose delay has a series of its own. Chosen: a long way has half of it.
const HOPS_SHOWN_MAX: usize = 10;
/// Longest time a second copy is looked for. It is not worth more of the run.
const SECOND_LOOK_MAX: Duration = Duration::from_secs(5);

/// Sends a mail and looks for it.
#[derive(Debug)]
pub(crate) struct Mail {
    settings: Arc<Settings>,
    asked: Asked,
    check: CheckId,
    /// Whose mail is looked for.
    recipient: Box<str>,
    submit: Arc<str>,
    fetch: Arc<str>,
    /// How many mails were made.
    number: AtomicU32,
}

impl Probe for Mail {
    const NAME: &'static str = "mail";
    const ABOUT: &'static str = "Does a mail really arrive? Sends one and finds it again, in a mailbox over IMAP or POP3, in a Maildir or at the agent \
         itself; deletes it afterwards.";
    const TARGET: &'static str = "where the mail is handed in: a server with a port (smtp.example.org:587, \
                                  [2001:db8::1]:25), or a domain (the first MX that takes it)";
    const PHASES: &'static [Phase] = &[
        RESOLVE,
        CONNECT,
        dialogue::GREETING,
        dialogue::EHLO,
        dialogue::STARTTLS,
        TLS,
        AUTH,
        dialogue::MAIL,
        dialogue::RCPT,
        DATA,
        dialogue::RSET,
        dialogue::QUIT,
        mailbox::CAPABILITY_PHASE,
        mailbox::LOGIN,
        SELECT,
        TRANSIT,
        RETRIEVAL,
        SWEEP,
        mailbox::LOGOUT,
        verify::AUTHENTICATION,
    ];
    const HAS_STEPS: bool = true;
    const SENDS_MAIL: bool = true;
    const MEASURES: &'static [&'static Measure] = measures::ALL;
    type Settings = Settings;

    fn bind(settings: &Arc<Settings>, target: &Target) -> Result<Self, Invalid> {
        let asked = Asked::of_target(target, settings.submit.port)?;
        let (from, to) = (settings.from.to_string(), settings.to.to_string());
        // Checks that send different mails on one way are different checks: each waits for its own.
        let Settings { content, padding_bytes, attachment_bytes, subject, .. } = &**settings;
        let sort = format!("{content:?} {padding_bytes} {attachment_bytes} {subject}");
        let check = CheckId::of(&[target.text(), &from, &to, &settings.fetch.identity(), &sort]);
        Ok(Self {
            settings: Arc::clone(settings),
            asked,
            check,
            recipient: to.into(),
            submit: "submit".into(),
            fetch: "fetch".into(),
            number: AtomicU32::new(0),
        })
    }

    fn begin(settings: &Settings, recorder: &mut Recorder) {
        recorder.read(&SUBMITTED, 0.0);
        let unsealed = unsealed(settings.token_key.is_some());
        for total in [&SENT, &RECEIVED, &LOST, &LATE, &DUPLICATE, unsealed, &DELAY_NOTICES, &DELETED, &HOP_SKEW] {
            recorder.read(total, 0.0);
        }
        for class in ["2", "4", "5", "none"] {
            recorder.read_with(&BOUNCED, &[class], 0.0);
        }
    }

    fn mailing(settings: &Settings) -> Option<Mailing> {
        let recipient = settings.to.to_string().to_ascii_lowercase().into();
        Some(Mailing { recipient, per_hour_max: settings.max_mails_per_hour })
    }

    fn awaited(settings: &Settings, _: &Target) -> Option<Awaited> {
        let is_here = matches!(settings.fetch, Fetch::Receiver);
        is_here.then(|| Awaited { recipient: settings.to.to_string().into(), time: Duration::ZERO })
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        let settings = &*self.settings;
        // A mail that could not be looked for is not sent.
        settings.fetch.prepare(net, &self.recipient)?;
        let key = match &settings.token_key {
            Some(secret) => Key::of_secret(&net.secret(secret)?),
            None => Key::of_process()?,
        };
        let number = self.number.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let token = Token::new(&key, self.check, recorder.wall_clock(), number)?;
        let mut message = Message::new(settings, &token);
        if let Some(dkim) = &settings.dkim {
            message.sign(net, dkim)?;
        }
        recorder.note(format_args!("the mail's token is {}", token.text()));

        let submission = Submission { net, settings, asked: &self.asked, step: &self.submit };
        let handed_in = submission.hand_in(recorder, &message).await;
        let last_phase = recorder.current_phase();
        recorder.leave_step();
        recorder.read(&SIZE, message.on_the_wire().len() as f64);
        let (sent, unanswered) = match handed_in {
            Ok(Handed::Taken(at)) => {
                count_sent(recorder);
                (at, None)
            }
            Ok(Handed::Unanswered(at, failure)) => {
                recorder.note("no reply says whether the mail was taken: it is looked for");
                (at, Some(failure))
            }
            Err(failure) => {
                let judged = self.judge_refusal(recorder, failure);
                if let Err(failure) = &judged {
                    count_send_failure(recorder, failure, last_phase);
                }
                return judged;
            }
        };
        self.look_for(net, recorder, &Trip { key, token, message, sent, unanswered }).await
    }
}

/// A mail that was sent.
struct Trip {
    key: Key,
    token: Token,
    message: Message,
    /// When a server took it, or had all of it.
    sent: Instant,
    /// Why no reply came, if none did.
    unanswered: Option<Failure>,
}

/// What is left to do once the mail, or what became of it, was found.
struct Finish<'a> {
    mail: &'a Mail,
    watch: Watch<'a>,
    trip: &'a Trip,
    has_looked_again: bool,
}

impl Finish<'_> {
    async fn finish(
        &mut self,
        place: &mut Place<'_>,
        recorder: &mut Recorder,
        seen: &mut Seen,
        reading: &mut Option<Reading>,
        end: Instant,
    ) -> Result<(), Failure> {
        if seen.arrival.is_some() {
            recorder.enter(RETRIEVAL);
            self.fetch(place, recorder, seen, reading).await?;
            if !self.has_looked_again {
                self.has_looked_again = true;
                // Another copy of it may lie in a folder that was looked into before.
                let limit = end.min(recorder.now() + SECOND_LOOK_MAX);
                timeout_at(limit, self.watch.look_again(place, recorder, seen))
                    .await
                    .map_err(|_| Failure::new(Reason::Timeout, "no second look in time"))??;
                // It may have got another name meanwhile.
                self.fetch(place, recorder, seen, reading).await?;
            }
        }
        recorder.enter(SWEEP);
        self.watch.sweep(place, recorder, seen).await?;
        place.leave(recorder).await;
        Ok(())
    }

    /// Fetches the mail that arrived, unless that is done.
    async fn fetch(
        &self,
        place: &mut Place<'_>,
        recorder: &mut Recorder,
        seen: &Seen,
        reading: &mut Option<Reading>,
    ) -> Result<(), Failure> {
        let (Some(arrival), None) = (&seen.arrival, &reading) else { return Ok(()) };
        let Trip { message, token, .. } = self.trip;
        let fetched = place.whole(recorder, &arrival.spot, message.body.len() + ADDED_BYTES_MAX).await?;
        let trusted = &self.mail.settings.trusted_authserv_ids;
        *reading = fetched.map(|fetched| Reading::of(&fetched.text, message, token, trusted));
        Ok(())
    }
}

impl Mail {
    /// What a filter must stop may be refused at once.
    fn judge_refusal(&self, recorder: &mut Recorder, failure: Failure) -> Result<(), Failure> {
        let is_of_content =
            failure.reason() == Reason::Rejected && failure.place().is_some_and(|place| place.phase == DATA);
        let Some(test) = self.content_test().filter(|_| is_of_content) else { return Err(failure) };
        recorder.note(format_args!("refused, as it must be: {failure}"));
        recorder.read_with(&CONTENT_TEST_OK, &[test], 1.0);
        Ok(())
    }

    /// Which filter is tested.
    fn content_test(&self) -> Option<&'static str> {
        match self.settings.content {
            Content::Plain => None,
            Content::Gtube => Some("gtube"),
            Content::Eicar => Some("eicar"),
        }
    }

    async fn look_for(&self, net: &Net, recorder: &mut Recorder, trip: &Trip) -> Result<(), Failure> {
        let whole = recorder.deadline() - recorder.started();
        let end = recorder.deadline() - whole / RESERVE_DIVISOR;
        let mut seen = Seen::default();
        let mut reading = None;
        recorder.step(&self.fetch);
        let looked = match timeout_at(end, self.visit(net, recorder, trip, end, &mut seen, &mut reading)).await {
            Ok(looked) => looked,
            Err(_) => {
                let phase = recorder.current_phase().map_or("no phase", Phase::name);
                Err(Failure::new(Reason::Timeout, format_args!("still in {phase} when the run had to end")))
            }
        };
        let looked = looked.map_err(|failure| recorder.leg_failed(failure));
        recorder.leave_step();
        let memory = net.memory().of(recorder.owner());
        copies::remember(memory, recorder, &trip.token, &seen);
        let sweep_after = self.settings.sweep_after.0;
        let strangers = strangers::count_new(memory, recorder, &seen.tally(), looked.is_ok(), sweep_after);
        recorder.read(unsealed(trip.key.lasts), f64::from(strangers));
        self.write_down(recorder, trip, &seen, reading.as_ref());
        if let Some(failure) = &trip.unanswered {
            if !seen.was_taken() {
                if let Err(looked) = looked {
                    recorder.note(format_args!("nobody can tell whether the mail arrived: {looked}"));
                }
                count_send_failure(recorder, failure, None);
                return Err(failure.clone());
            }
            recorder.note("the mail was taken, though no reply said so");
            count_sent(recorder);
        }
        let findings = self.authenticate(net, recorder, reading.as_ref(), &seen, end).await;
        match looked {
            Err(failure) if seen.arrival.is_none() && seen.bounce.is_none() => {
                let unseen = Failure::new(Reason::MailUnseen, format_args!("the mail was sent, but: {failure}"));
                return Err(match failure.place() {
                    Some(place) => unseen.at(place.clone()),
                    None => unseen,
                });
            }
            // The mail is there: what broke afterwards changes nothing.
            Err(failure) => recorder.note(format_args!("after the mail was found: {failure}")),
            Ok(()) => {}
        }
        recorder.read(&ARRIVED, f64::from(u8::from(seen.arrival.is_some())));
        let phase = if seen.arrival.is_some() { RETRIEVAL } else { TRANSIT };
        let place = failure::Place { step: Some(Arc::clone(&self.fetch)), phase };
        let verdict = self.verdict(recorder, &seen, reading.as_ref(), &findings).map_err(|failure| failure.at(place));
        if let Some(test) = self.content_test() {
            recorder.read_with(&CONTENT_TEST_OK, &[test], f64::from(u8::from(verdict.is_ok())));
        }
        if verdict.as_ref().is_err_and(|failure| failure.reason() == Reason::MailMissing) {
            recorder.read(&LOST, 1.0);
        }
        verdict
    }

    /// What the probe itself finds out about the mail's sender.
    async fn authenticate(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        reading: Option<&Reading>,
        seen: &Seen,
        end: Instant,
    ) -> Vec<Finding> {
        let methods = &*self.settings.check_authentication;
        let Some(reading) = reading.filter(|_| !methods.is_empty()) else { return Vec::new() };
        recorder.enter(verify::AUTHENTICATION);
        let arrival = seen.arrival.as_ref();
        // A server on the way may have written the envelope's sender anew; what came is what receivers judge.
        let sender = arrival.and_then(|arrival| arrival.sender.as_deref()).and_then(|sender| sender.rsplit_once('@'));
        let from = self.settings.from.domain().unwrap_or_default();
        let sender_domain = sender.map_or(from, |(_, domain)| domain);
        let client = arrival.and_then(|arrival| arrival.client);
        let evidence = Evidence { stored: &reading.stored, sender_domain, client };
        let findings = match timeout_at(end, verify::check(net, recorder, methods, &evidence)).await {
            Ok(findings) => findings,
            Err(_) => {
                recorder.note("no time was left to verify the mail's signatures");
                let late = || Failure::new(Reason::PolicyUnknown, "no answer from name servers in time");
                methods.iter().map(|method| Finding { method: *method, result: Err(late()) }).collect()
            }
        };
        verify::write_down(recorder, &findings);
        findings
    }

    /// The visit to the place where the mail should be.
    async fn visit(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        trip: &Trip,
        end: Instant,
        seen: &mut Seen,
        reading: &mut Option<Reading>,
    ) -> Result<(), Failure> {
        let watch = Watch {
            token: &trip.token,
            check: self.check,
            key: &trip.key,
            given_up_after: recorder.deadline() - recorder.started(),
            sweep_after: self.settings.sweep_after.0,
            memory: net.memory().of(recorder.owner()),
        };
        let mut place = Place::new(net, &self.settings.fetch, &self.recipient, recorder.started());
        watch.wait(&mut place, recorder, seen, end).await?;
        let mut visit = Finish { mail: self, watch, trip, has_looked_again: false };
        match visit.finish(&mut place, recorder, seen, reading, end).await {
            Err(failure) if passes(failure.reason()) => {
                place.abandon();
                let failure = recorder.leg_failed(failure);
                recorder.note(format_args!("to be tried again: {failure}"));
                place.open(recorder).await?;
                visit.finish(&mut place, recorder, seen, reading, end).await
            }
            finished => finished,
        }
    }

    /// What it means.
    fn verdict(
        &self,
        recorder: &Recorder,
        seen: &Seen,
        reading: Option<&Reading>,
        findings: &[Finding],
    ) -> Result<(), Failure> {
        let settings = &*self.settings;
        let is_test = settings.content != Content::Plain;
        let Some(arrival) = &seen.arrival else {
            if is_test {
                return Ok(());
            }
            return Err(match &seen.bounce {
                Some(status) => {
                    let status = status.as_deref().unwrap_or("none");
                    Failure::new(
                        Reason::Bounced,
                        format_args!("a notice says that the mail is not delivered, status {status}"),
                    )
                }
                None => {
                    let waited = recorder.elapsed();
                    Failure::new(
                        Reason::MailMissing,
                        format_args!("the mail is not in the mailbox {waited:.0?} after it was sent"),
                    )
                }
            });
        };
        match arrival.role {
            Role::Junk if is_test => return Ok(()),
            Role::Inbox | Role::Other if is_test => {
                return Err(Failure::new(Reason::MailUnfiltered, "what a filter must stop was put into the mailbox"));
            }
            Role::Junk if settings.junk == Junk::Fail => {
                return Err(Failure::new(Reason::MailJunked, "the mail was filed as junk"));
            }
            Role::Junk | Role::Inbox | Role::Other => {}
        }
        let Some(reading) = reading else { return Ok(()) };
        verify::verdict(settings, reading, findings)?;
        if settings.fail_if_altered && !reading.is_intact() {
            let changed = reading.headers_intact.iter().filter(|(_, intact)| !intact).map(|(name, _)| *name);
            let changed: Vec<&str> = changed.chain((!reading.body_intact).then_some("body")).collect();
            return Err(Failure::new(Reason::MailAltered, format_args!("changed on the way: {}", changed.join(", "))));
        }
        Ok(())
    }

    fn write_down(&self, recorder: &mut Recorder, trip: &Trip, seen: &Seen, reading: Option<&Reading>) {
        let truth = |is: bool| f64::from(u8::from(is));
        if let Some(arrival) = &seen.arrival {
            let delivery = arrival.at.saturating_duration_since(trip.sent);
            recorder.read(&LAST_DELIVERY, delivery.as_secs_f64());
            recorder.read(&DELIVERY, delivery.as_secs_f64());
            recorder.read(&RECEIVED, 1.0);
            let received = recorder.wall_clock() - recorder.now().saturating_duration_since(arrival.at);
            recorder.read(&LAST_RECEIVED, unix_seconds(received));
            if let Some(stored) = arrival.stored {
                let elapsed = recorder.now().saturating_duration_since(arrival.at);
                let lag = recorder.wall_clock().duration_since(stored).unwrap_or_default().saturating_sub(elapsed);
                recorder.read(&LAG, lag.min(delivery).as_secs_f64());
            }
            recorder.read_with(&FOLDER_INFO, &[arrival.role.name()], 1.0);
            recorder.read(&JUNK, truth(arrival.role == Role::Junk));
        }
        let tally = seen.tally();
        for (measure, count) in [(&DUPLICATE, tally.duplicates), (&DELAY_NOTICES, tally.delay_notices)] {
            recorder.read(measure, f64::from(count));
        }
        recorder.read(&DELETED, seen.deleted as f64);
        recorder.read(&LATE, tally.late.len() as f64);
        for age in &tally.late {
            recorder.read(&DELIVERY, age.as_secs_f64());
        }
        if let Some(longest) = tally.late.iter().max() {
            recorder.read(&LATE_AGE, longest.as_secs_f64());
        }
        for status in seen.bounce.iter().chain(&tally.late_bounces) {
            recorder.read_with(&BOUNCED, &[status_class(status.as_deref())], 1.0);
        }
        recorder.read(&RETURNED, truth(seen.bounce.is_some()));
        if let Some(Some(status)) = &seen.bounce {
            recorder.read_with(&BOUNCE_STATUS_INFO, &[status], 1.0);
        }
        if let Some(reading) = reading {
            write_down_reading(recorder, reading);
        }
    }
}

/// A server took the mail.
fn count_sent(recorder: &mut Recorder) {
    recorder.read(&SUBMITTED, 1.0);
    recorder.read(&SENT, 1.0);
}

/// No server took the mail.
fn count_send_failure(recorder: &mut Recorder, failure: &Failure, last_phase: Option<Phase>) {
    let phase = failure.place().map(|place| place.phase).or(last_phase).map_or("none", Phase::name);
    recorder.read_with(&SEND_FAILURES, &[phase, failure.reason().name()], 1.0);
}

/// What mails are that the key of the check did not seal.
const fn unsealed(key_lasts: bool) -> &'static Measure {
    if key_lasts { &FORGED } else { &UNKNOWN }
}

/// The first digit of a status (RFC 3463 section 2).
fn status_class(status: Option<&str>) -> &'static str {
    match status.and_then(|status| status.bytes().next()) {
        Some(b'2') => "2",
        Some(b'4') => "4",
        Some(b'5') => "5",
        _ => "none",
    }
}

fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn write_down_reading(recorder: &mut Recorder, reading: &Reading) {
    let truth = |is: bool| f64::from(u8::from(is));
    let places = reading.places;
    for (place, present) in [
        ("message_id", places.message_id),
        ("header", places.header),
        ("subject", places.subject),
        ("body", places.body),
    ] {
        recorder.read_with(&TOKEN_PRESENT, &[place], truth(present));
    }
    recorder.read(&BODY_INTACT, truth(reading.body_intact));
    for (header, intact) in &reading.headers_intact {
        recorder.read_with(&HEADER_INTACT, &[&header.to_ascii_lowercase()], truth(*intact));
    }
    recorder.read(&HOPS, reading.hops.len() as f64);
    let count = |counts: fn(&read::Hop) -> bool| reading.hops.iter().filter(|hop| counts(hop)).count() as f64;
    recorder.read(&HOPS_WITHOUT_TLS, count(|hop| hop.in_the_open));
    recorder.read(&HOP_SKEW, count(|hop| hop.is_skewed));
    for (index, hop) in reading.hops.iter().take(HOPS_SHOWN_MAX).enumerate() {
        let number = (index + 1).to_string();
        recorder.read_with(&LAST_HOP_DELAY, &[&number], hop.delay.as_secs_f64());
        if !hop.is_skewed {
            recorder.read_with(&HOP_DELAY, &[&number], hop.delay.as_secs_f64());
        }
    }
    for (method, result) in &reading.authentication {
        recorder.read_with(&AUTH_PASS, &[method.name()], truth(*result == "pass"));
        recorder.read_with(&AUTH_RESULT_INFO, &[method.name(), result], 1.0);
        recorder.read_with(&AUTH_RESULTS, &[method.name(), result], 1.0);
        recorder.note(format_args!("{} {}", method.name(), shown(result.as_bytes(), 20)));
    }
    if let Some(score) = reading.spam_score {
        recorder.read(&SPAM_SCORE, score);
    }
    if let Some(flagged) = reading.spam_flagged {
        recorder.read(&SPAM_FLAGGED, truth(flagged));
    }
}
