//! The second step: a place is looked into until the mail is there, or its notice of non-delivery, or time is up.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::failure::{Class, Failure, Reason};
use crate::mail::body;
use crate::mail::copies;
use crate::mail::dsn::{self, Action, NOTICE_BYTES_MAX, Notice};
use crate::mail::headers::Headers;
use crate::mail::places::{Fetched, HEAD_BYTES_MAX, Place, Role, Spot, Wanted};
use crate::mail::token::{CheckId, Key, Token};
use crate::memory::Drawer;
use crate::phase::Phase;
use crate::recorder::Recorder;

/// Folders are chosen.
pub(super) const SELECT: Phase = crate::mailbox::SELECT;
/// The mail is under way: it is looked for.
pub(super) const TRANSIT: Phase = Phase::new("transit");
/// The mail is fetched.
pub(super) const RETRIEVAL: Phase = Phase::new("retrieval");
/// What is no longer needed is deleted.
pub(super) const SWEEP: Phase = Phase::new("sweep");

/// The first pause between two rounds. Chosen: the first mails of a fast way are found at once; a pause doubles up to what
/// the place bears, so that a slow way costs it a few searches a minute.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// Shortest time between two rounds, however much a store has to tell.
const ROUND_MIN: Duration = Duration::from_millis(50);
/// Longest time of a round: after it the place is taken for one that fell silent. Chosen: hundreds of answers over a slow
/// line.
const ROUND_MAX: Duration = Duration::from_secs(30);
/// Pauses before a place is opened again that has gone away: the first, and the longest.
const AWAY_FIRST: Duration = Duration::from_millis(100);
const AWAY_MAX: Duration = Duration::from_secs(10);
/// How many of the longest pauses fill a run. Chosen: a run keeps count of that many beginnings of a dialogue.
const AWAYS: u32 = 10;
/// How long before the end the last round begins.
const LAST_ROUND_MAX: Duration = Duration::from_secs(2);
/// How many rounds pass until mails are looked for too that have the token in their body alone.
const ROUNDS_TO_BODY: u32 = 4;
/// Most mails that a run looks at. Chosen: a mailbox full of them is not read within a run.
const EXAMINED_MAX: usize = 500;
/// How far notices of non-delivery reach back that are looked at.
const NOTICES_SINCE: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// A mail that arrived.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) spot: Spot,
    pub(super) role: Role,
    pub(super) at: Instant,
    /// When the store took it, by its clock.
    pub(super) stored: Option<SystemTime>,
    /// Who handed it in, where the place is the agent itself.
    pub(super) client: Option<IpAddr>,
    /// The sender of the envelope, there.
    pub(super) sender: Option<Box<str>>,
}

/// What was met on the way.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How long mails of earlier runs took at most.
    pub(super) late: Vec<Duration>,
    pub(super) duplicates: u32,
    /// With a seal that does not fit.
    pub(super) unsealed: u32,
    /// Of these, those that are left where they are.
    pub(super) unsealed_young: u32,
    /// Of notices about mails of earlier runs the status.
    pub(super) late_bounces: Vec<Option<String>>,
    /// Notices that the mail takes longer.
    pub(super) delay_notices: u32,
}

/// One mail that was met.
#[derive(Debug)]
enum Met {
    Late {
        token: Token,
        age: Duration,
    },
    Duplicate,
    Unsealed {
        is_old: bool,
    },
    /// With the status of the notice.
    LateBounce(Option<String>),
    DelayNotice,
}

/// What a run knows once it has looked.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) arrival: Option<Arrival>,
    /// The status of the notice that the mail will not be delivered.
    pub(super) bounce: Option<Option<String>>,
    pub(super) deleted: usize,
    met: Vec<(Spot, Met)>,
    examined: HashSet<Spot>,
    to_delete: Vec<Spot>,
}

impl Seen {
    /// What was met, counted.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let mut known = Vec::new();
        for (_, met) in &self.met {
            match met {
                Met::Late { token, .. } if known.contains(&token) => tally.duplicates += 1,
                Met::Late { token, age } => {
                    known.push(token);
                    tally.late.push(*age);
                }
                Met::Duplicate => tally.duplicates += 1,
                Met::Unsealed { is_old } => {
                    tally.unsealed += 1;
                    tally.unsealed_young += u32::from(!is_old);
                }
                Met::LateBounce(status) => tally.late_bounces.push(status.clone()),
                Met::DelayNotice => tally.delay_notices += 1,
            }
        }
        tally
    }

    /// The tokens of late mails that were deleted.
    pub(super) fn late_and_gone(&self) -> impl Iterator<Item = &Token> {
        self.met.iter().filter_map(|(spot, met)| match met {
            Met::Late { token, .. } if !self.to_delete.contains(spot) => Some(token),
            _ => None,
        })
    }

    /// Whether the mail arrived and was deleted.
    pub(super) fn is_arrival_gone(&self) -> bool {
        self.arrival.as_ref().is_some_and(|arrival| !self.to_delete.contains(&arrival.spot))
    }

    /// Whether what was found proves that a server took the mail.
    pub(super) fn was_taken(&self) -> bool {
        let is_delayed = || self.met.iter().any(|(_, met)| matches!(met, Met::DelayNotice));
        self.arrival.is_some() || self.bounce.is_some() || is_delayed()
    }

    /// Forgets what was known of a folder's mails by names that count no more: they are met again under others.
    fn forget_others(&mut self, folder: usize, era: u32) {
        let counts = |spot: &Spot| spot.folder != folder || spot.era == era;
        self.examined.retain(counts);
        self.to_delete.retain(counts);
        self.met.retain(|(spot, _)| counts(spot));
    }
}

/// Whose mails are looked for.
pub(super) struct Watch<'a> {
    pub(super) token: &'a Token,
    pub(super) check: CheckId,
    pub(super) key: &'a Key,
    /// From which age a mail of another run has been given up by it.
    pub(super) given_up_after: Duration,
    /// From which age what nobody knows is deleted.
    pub(super) sweep_after: Duration,
    /// What earlier runs left.
    pub(super) memory: Drawer<'a>,
}

impl Watch<'_> {
    /// Looks until the mail or its notice is there, or until `end`: then both are missing. A place that goes away for a
    /// moment is opened again; one that is away in the end could not be looked into.
    pub(super) async fn wait(
        &self,
        place: &mut Place<'_>,
        recorder: &mut Recorder,
        seen: &mut Seen,
        end: Instant,
    ) -> Result<(), Failure> {
        let left = end.saturating_duration_since(recorder.now());
        let (mut pause, mut away) = (PAUSE_FIRST, AWAY_FIRST);
        let mut longest = Duration::ZERO;
        let mut rounds = 0_u32;
        loop {
            let began = recorder.now();
            // The last round looks further than those before it, and must end in time for its word to count.
            let last_round = end - (left / 10).min(LAST_ROUND_MAX).max(longest * 2).min(left / 2);
            let is_last = began >= last_round;
            rounds += 1;
            let in_body = is_last || rounds.is_multiple_of(ROUNDS_TO_BODY);
            let round = async {
                place.open(recorder).await?;
                recorder.enter(TRANSIT);
                self.look(place, recorder, seen, in_body).await
            };
            let mut outcome = in_time(began + ROUND_MAX, round).await;
            if outcome.is_ok() {
                longest = longest.max(recorder.now() - began);
                let is_found = seen.arrival.is_some() || seen.bounce.is_some();
                if is_last || is_found {
                    place.take_notes(true);
                    return place.missed().filter(|_| !is_found).map_or(Ok(()), Err);
                }
                place.take_notes(false);
                let next = last_round.min(recorder.now() + pause);
                pause = (pause * 2).min(place.pause_max(left));
                let rest = place.rest(recorder, next.min(began + ROUND_MIN), next);
                outcome = in_time(next + ROUND_MAX, rest).await;
            }
            let Err(failure) = outcome else { continue };
            place.abandon();
            let failure = recorder.leg_failed(failure);
            if is_last || !passes(failure.reason()) {
                return Err(failure);
            }
            recorder.note(format_args!("to be tried again: {failure}"));
            recorder.enter(TRANSIT);
            sleep_until(last_round.min(recorder.now() + away)).await;
            away = (away * 2).min(AWAY_MAX.max(left / AWAYS));
        }
    }

    /// Looks into every folder once.
    pub(super) async fn look(
        &self,
        place: &mut Place<'_>,
        recorder: &mut Recorder,
        seen: &mut Seen,
        in_body: bool,
    ) -> Result<(), Failure> {
        let notices_since = recorder.wall_clock() - NOTICES_SINCE;
        let wanted = Wanted { prefix: self.check.prefix(), notices_since, sent: self.token.sent(), in_body };
        for folder in 0..place.folders() {
            let Some(listing) = place.list(recorder, folder, &wanted).await? else { continue };
            seen.forget_others(folder, listing.era);
            for spot in listing.spots {
                if seen.examined.contains(&spot) {
                    continue;
                }
                if seen.examined.len() >= EXAMINED_MAX {
                    let message = format_args!("more than {EXAMINED_MAX} mails to look at");
                    return Err(Failure::new(Reason::TooLong, message));
                }
                self.examine(place, recorder, seen, &spot).await?;
                seen.examined.insert(spot);
            }
        }
        Ok(())
    }

    /// Looks once more, after the mail was found.
    pub(super) async fn look_again(
        &self,
        place: &mut Place<'_>,
        recorder: &mut Recorder,
        seen: &mut Seen,
    ) -> Result<(), Failure> {
        place.open(recorder).await?;
        recorder.enter(RETRIEVAL);
        self.look(place, recorder, seen, false).await
    }

    async fn examine(
        &self,
        place: &mut Place<'_>,
        recorder: &mut Recorder,
        seen: &mut Seen,
        spot: &Spot,
    ) -> Result<(), Failure> {
        let Some(head) = place.head(recorder, spot).await? else { return Ok(()) };
        let (headers, body) = Headers::split(&head.text);
        if dsn::is_notice(&headers) {
            let whole = place.whole(recorder, spot, NOTICE_BYTES_MAX).await?;
            if let Some(notice) = whole.and_then(|whole| Notice::of(&whole.text)) {
                self.take_notice(seen, spot, notice);
            }
            return Ok(());
        }
        let above = &head.text[..head.text.len() - body.len()];
        // A mail of the kind says so itself, an answer to one only quotes it.
        let is_marked = headers.first("x-tuermer-token").is_some()
            || headers.all("message-id").any(|id| Token::all_in(id.as_bytes()).next().is_some());
        if !is_marked && body::is_answer(&headers) {
            return Ok(());
        }
        let mut tokens: Vec<Token> = Token::all_in(above).filter(|token| token.check == self.check).collect();
        if tokens.is_empty() {
            tokens = match head.has_body {
                true => body::tokens(body),
                false => {
                    let whole = place.whole(recorder, spot, HEAD_BYTES_MAX).await?;
                    whole.map_or_else(Vec::new, |whole| body::tokens(Headers::split(&whole.text).1))
                }
            };
            tokens.retain(|token| token.check == self.check);
        }
        self.take(recorder, seen, spot, &tokens, &head, place.role(spot.folder));
        Ok(())
    }

    /// Takes a mail with these tokens for what it is.
    fn take(&self, recorder: &Recorder, seen: &mut Seen, spot: &Spot, tokens: &[Token], head: &Fetched, role: Role) {
        let Some(first) = tokens.first() else { return };
        let now = recorder.wall_clock();
        if tokens.contains(self.token) {
            match &mut seen.arrival {
                // Known by a name that counts no more.
                Some(known) if known.spot.folder == spot.folder && known.spot.era != spot.era => {
                    known.spot = spot.clone();
                }
                Some(_) => seen.met.push((spot.clone(), Met::Duplicate)),
                None => {
                    let at = head.arrived.unwrap_or_else(|| recorder.now());
                    let Fetched { stored, client, .. } = *head;
                    let sender = head.sender.clone();
                    seen.arrival = Some(Arrival { spot: spot.clone(), role, at, stored, client, sender });
                }
            }
            seen.to_delete.push(spot.clone());
        } else if first.is_sealed_by(self.key) {
            let age = now.duration_since(first.sent()).unwrap_or_default();
            // A younger one may be waited for by somebody with the same settings.
            if age > self.given_up_after {
                let is_copy = copies::is_known(self.memory, recorder, first);
                let met = if is_copy { Met::Duplicate } else { Met::Late { token: first.clone(), age } };
                seen.met.push((spot.clone(), met));
                seen.to_delete.push(spot.clone());
            }
        } else {
            let age = head.stored.and_then(|stored| now.duration_since(stored).ok());
            let is_old = age.is_some_and(|age| age > self.sweep_after);
            seen.met.push((spot.clone(), Met::Unsealed { is_old }));
            if is_old {
                seen.to_delete.push(spot.clone());
            }
        }
    }

    fn take_notice(&self, seen: &mut Seen, spot: &Spot, notice: Notice) {
        let sealed = |token: &&Token| token.check == self.check && token.is_sealed_by(self.key);
        if notice.tokens.contains(self.token) {
            match notice.action {
                Action::Failed => seen.bounce = Some(notice.status),
                Action::Delayed => seen.met.push((spot.clone(), Met::DelayNotice)),
                Action::Other => {}
            }
            seen.to_delete.push(spot.clone());
        } else if notice.tokens.iter().any(|token| sealed(&token)) {
            if notice.action == Action::Failed {
                seen.met.push((spot.clone(), Met::LateBounce(notice.status)));
            }
            seen.to_delete.push(spot.clone());
        }
    }

    /// Deletes what the run has done with.
    pub(super) async fn sweep(
        &self,
        place: &mut Place<'_>,
        recorder: &mut Recorder,
        seen: &mut Seen,
    ) -> Result<(), Failure> {
        for folder in 0..place.folders() {
            let spots: Vec<Spot> = seen.to_delete.iter().filter(|spot| spot.folder == folder).cloned().collect();
            seen.deleted += place.delete(recorder, &spots).await?;
            seen.to_delete.retain(|spot| spot.folder != folder);
        }
        Ok(())
    }
}

/// Whether what went wrong may be over in a moment.
pub(super) const fn passes(reason: Reason) -> bool {
    match reason.class() {
        Class::Connect | Class::Timeout => true,
        _ => matches!(reason, Reason::RejectedTemporarily | Reason::DnsTimeout | Reason::DnsServfail),
    }
}

async fn in_time(limit: Instant, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    match timeout_at(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::new(Reason::Timeout, format_args!("nothing more was heard within {ROUND_MAX:?}"))),
    }
}
