//! Mails on their way from the mail server into mailboxes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::demo::post::filter;
use crate::demo::post::letter::Letter;
use crate::demo::post::mailboxes::{Folder, Mailboxes};
use crate::demo::town::{Fault, Part, Town};

/// Most mails on their way. Chosen: an hour of the demo's own.
const LETTERS_MAX: usize = 1000;
/// Most bytes of all of them. Chosen: a demo needs no more.
const BYTES_MAX: usize = 16 << 20;
/// How long a mail is on its way: when all is well, when the queue is slow, and when it is late, which is longer than the
/// demo's check waits.
const WAY: Duration = Duration::from_millis(150);
const WAY_SLOW: Duration = Duration::from_secs(2);
const WAY_LATE: Duration = Duration::from_secs(4);

/// Mails on their way, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    letters: Mutex<VecDeque<Letter>>,
    accepted: AtomicU64,
    news: Notify,
}

impl Queue {
    /// Takes mails, all or none. Says the number of the last one; nothing if there is no room.
    pub(super) fn accept(&self, more: Vec<Letter>) -> Option<u64> {
        let mut letters = self.letters();
        let bytes: usize = letters.iter().chain(&more).map(|letter| letter.text.len()).sum();
        if letters.len() + more.len() > LETTERS_MAX || bytes > BYTES_MAX {
            return None;
        }
        let count = more.len() as u64;
        letters.extend(more);
        drop(letters);
        self.news.notify_one();
        Some(self.accepted.fetch_add(count, Ordering::Relaxed) + count)
    }

    /// How many mails were taken.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.letters().len()
    }

    /// When the oldest was taken, as soon as there is one.
    async fn oldest(&self) -> Instant {
        loop {
            if let Some(letter) = self.letters().front() {
                return letter.accepted;
            }
            self.news.notified().await;
        }
    }

    fn letters(&self) -> MutexGuard<'_, VecDeque<Letter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends each mail on when its time has come, for as long as there is a town.
pub(super) async fn run(town: Town, queue: Arc<Queue>, boxes: Arc<Mailboxes>) {
    let mut faults = town.watch(Part::Queue);
    loop {
        let accepted = queue.oldest().await;
        if !is_due(accepted, &mut faults).await {
            continue;
        }
        let letter = queue.letters().pop_front();
        if let Some(letter) = letter {
            deliver(&town, &boxes, letter);
        }
    }
}

/// Waits until a mail's time has come; false if the queue works differently by now.
async fn is_due(accepted: Instant, faults: &mut watch::Receiver<Option<Fault>>) -> bool {
    let way = match *faults.borrow_and_update() {
        Some(Fault::Held) => None,
        Some(Fault::Late) => Some(WAY_LATE),
        Some(Fault::Slow) => Some(WAY_SLOW),
        _ => Some(WAY),
    };
    let Some(way) = way else {
        let _ = faults.changed().await;
        return false;
    };
    tokio::select! {
        () = sleep_until(accepted + way) => true,
        _ = faults.changed() => false,
    }
}

/// Delivers a mail by way of the filter. Where there is no room its sender gets word.
fn deliver(town: &Town, boxes: &Mailboxes, mut letter: Letter) {
    letter.stamp(&format!("mail.{}", crate::demo::parts::DOMAIN), "filter", "ESMTP");
    for (folder, mut copy) in filter::sort(letter, town.fault(Part::Filter)) {
        copy.stamp(&format!("filter.{}", crate::demo::parts::DOMAIN), "store", "LMTP");
        let has_room = folder == Folder::Returned || town.fault(Part::Store) != Some(Fault::Full);
        if has_room && boxes.put(folder, copy.text.clone()) {
            continue;
        }
        if let Some(notice) = copy.notice("5.2.2", "the mailbox is full") {
            // If there is no room for the notice either, nobody gets word.
            boxes.put(Folder::of(&notice.to), notice.text);
        }
    }
}
