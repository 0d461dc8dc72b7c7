//! The second step: the mailbox is looked into until the mail is there, or its notice of non-delivery, or time is up.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep_until};

use crate::failure::Failure;
use crate::mail::dsn::{self, Action, NOTICE_BYTES_MAX, Notice};
use crate::mail::folder::{self, Folder, Place, Role};
use crate::mail::headers::Headers;
use crate::mail::token::{CheckId, Key, Token};
use crate::mailbox::imap::Imap;
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

/// Pauses between two rounds: the first, and the longest where the store tells news of the inbox and where it does not.
/// Chosen: the first mails of a fast way are found at once, and a slow one costs a store a few searches a minute.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_IDLE_MAX: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Shortest time between two rounds, however much a store has to tell.
const ROUND_MIN: Duration = Duration::from_millis(50);
/// How long before the end the last round begins.
const LAST_ROUND_MAX: Duration = Duration::from_secs(2);
/// Most mails that a run looks at. Chosen: a mailbox full of them is not read within a run.
const EXAMINED_MAX: usize = 500;
/// How far notices of non-delivery reach back that are looked at.
const NOTICES_SINCE: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// A mail that arrived.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) place: Place,
    pub(super) role: Role,
    pub(super) at: Instant,
    /// When the store took it, by its clock.
    pub(super) stored: Option<SystemTime>,
}

/// What was met on the way.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) late: u32,
    pub(super) late_age: Duration,
    pub(super) duplicates: u32,
    /// With a seal that does not fit.
    pub(super) unsealed: u32,
    /// Notices about mails of earlier runs.
    pub(super) late_bounces: u32,
    /// Notices that the mail takes longer.
    pub(super) delay_notices: u32,
    pub(super) deleted: usize,
}

/// What a run knows once it has looked.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) arrival: Option<Arrival>,
    /// The status of the notice that the mail will not be delivered.
    pub(super) bounce: Option<Option<String>>,
    pub(super) tally: Tally,
    examined: HashSet<Place>,
    to_delete: Vec<Place>,
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
    pub(super) folders: &'a [Folder],
}

impl Watch<'_> {
    /// Looks until the mail or its notice is there, or until `end`: then both are missing.
    pub(super) async fn wait(
        &self,
        imap: &mut Imap,
        recorder: &mut Recorder,
        seen: &mut Seen,
        end: Instant,
    ) -> Result<(), Failure> {
        let left = end.saturating_duration_since(recorder.now());
        let last_round = end - (left / 10).min(LAST_ROUND_MAX);
        let has_idle = imap.can("IDLE");
        let longest = if has_idle { PAUSE_IDLE_MAX } else { PAUSE_MAX };
        let mut pause = PAUSE_FIRST;
        loop {
            let began = recorder.now();
            self.look(imap, recorder, seen).await?;
            if seen.arrival.is_some() || seen.bounce.is_some() || began >= last_round {
                imap.take_notes(true);
                return Ok(());
            }
            imap.take_notes(false);
            let next = last_round.min(recorder.now() + pause);
            if has_idle {
                imap.idle(recorder, next).await?;
                sleep_until(next.min(began + ROUND_MIN)).await;
            } else {
                sleep_until(next).await;
            }
            pause = (pause * 2).min(longest);
        }
    }

    /// Looks into every folder once.
    pub(super) async fn look(&self, imap: &mut Imap, recorder: &mut Recorder, seen: &mut Seen) -> Result<(), Failure> {
        let prefix = self.check.prefix();
        let since = recorder.wall_clock() - NOTICES_SINCE;
        for (index, folder) in self.folders.iter().enumerate() {
            if !folder::select(imap, recorder, folder).await? {
                continue;
            }
            for uid in folder::search(imap, recorder, &prefix, since).await? {
                let place = Place { folder: index, uid };
                if seen.examined.len() < EXAMINED_MAX && seen.examined.insert(place) {
                    self.examine(imap, recorder, seen, place).await?;
                }
            }
        }
        Ok(())
    }

    /// Looks at a mail in the folder that is open.
    async fn examine(
        &self,
        imap: &mut Imap,
        recorder: &mut Recorder,
        seen: &mut Seen,
        place: Place,
    ) -> Result<(), Failure> {
        let Some(fetched) = folder::fetch_headers(imap, recorder, place.uid).await? else { return Ok(()) };
        let (headers, _) = Headers::split(&fetched.text);
        if dsn::is_notice(&headers) {
            let whole = folder::fetch_whole(imap, recorder, place.uid, NOTICE_BYTES_MAX).await?;
            if let Some(notice) = whole.and_then(|whole| Notice::of(&whole.text)) {
                self.take_notice(seen, place, notice);
            }
            return Ok(());
        }
        let mut tokens = Token::all_in(&fetched.text).filter(|token| token.check == self.check);
        let Some(first) = tokens.next() else { return Ok(()) };
        let is_own = first == *self.token || tokens.any(|token| token == *self.token);
        let now = recorder.wall_clock();
        if is_own && seen.arrival.is_some() {
            seen.tally.duplicates += 1;
            seen.to_delete.push(place);
        } else if is_own {
            let role = self.folders[place.folder].role;
            seen.arrival = Some(Arrival { place, role, at: recorder.now(), stored: fetched.stored });
            seen.to_delete.push(place);
        } else if first.is_sealed_by(self.key) {
            let age = now.duration_since(first.sent()).unwrap_or_default();
            // A younger one may be waited for by somebody with the same settings.
            if age > self.given_up_after {
                seen.tally.late += 1;
                seen.tally.late_age = seen.tally.late_age.max(age);
                seen.to_delete.push(place);
            }
        } else {
            seen.tally.unsealed += 1;
            let age = fetched.stored.and_then(|stored| now.duration_since(stored).ok());
            if age.is_some_and(|age| age > self.sweep_after) {
                seen.to_delete.push(place);
            }
        }
        Ok(())
    }

    fn take_notice(&self, seen: &mut Seen, place: Place, notice: Notice) {
        let sealed = |token: &&Token| token.check == self.check && token.is_sealed_by(self.key);
        if notice.tokens.contains(self.token) {
            match notice.action {
                Action::Failed => seen.bounce = Some(notice.status),
                Action::Delayed => seen.tally.delay_notices += 1,
                Action::Other => {}
            }
            seen.to_delete.push(place);
        } else if notice.tokens.iter().any(|token| sealed(&token)) {
            seen.tally.late_bounces += u32::from(notice.action == Action::Failed);
            seen.to_delete.push(place);
        }
    }

    /// Deletes what the run has done with.
    pub(super) async fn sweep(&self, imap: &mut Imap, recorder: &mut Recorder, seen: &mut Seen) -> Result<(), Failure> {
        let to_delete = std::mem::take(&mut seen.to_delete);
        for (index, folder) in self.folders.iter().enumerate() {
            let uids: Vec<u32> =
                to_delete.iter().filter(|place| place.folder == index).map(|place| place.uid).collect();
            if !uids.is_empty() && folder::select(imap, recorder, folder).await? {
                folder::delete(imap, recorder, &uids).await?;
                seen.tally.deleted += uids.len();
            }
        }
        Ok(())
    }
}
