//! Mails that were delivered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

/// Most mails in all folders. Chosen: an hour of the demo's own.
const MAILS_MAX: usize = 1000;
/// Most bytes of all of them. Chosen: a demo needs no more.
const BYTES_MAX: usize = 16 << 20;
/// Whose mail goes into a folder of its own: what comes back to the sender of the demo's own mails.
pub(super) const SENDER: &str = "watch@";

/// A folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder {
    Inbox,
    Junk,
    /// What comes back to the sender.
    Returned,
}

impl Folder {
    pub(super) const ALL: [Self; 3] = [Self::Inbox, Self::Junk, Self::Returned];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Inbox => "INBOX",
            Self::Junk => "Junk",
            Self::Returned => "Returned",
        }
    }

    /// What the store says of it (RFC 6154).
    pub(super) const fn flags(self) -> &'static str {
        match self {
            Self::Junk => "\\HasNoChildren \\Junk",
            Self::Inbox | Self::Returned => "\\HasNoChildren",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|folder| folder.name().eq_ignore_ascii_case(name))
    }

    /// Where mail to this address belongs.
    pub(super) fn of(address: &str) -> Self {
        let is_sender = address.get(..SENDER.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(SENDER));
        if is_sender { Self::Returned } else { Self::Inbox }
    }
}

/// A mail that was delivered.
#[derive(Debug, Clone)]
pub(super) struct Mail {
    pub(super) folder: Folder,
    /// Its number for good (RFC 9051 section 2.3.1.1).
    pub(super) uid: u32,
    pub(super) text: Arc<str>,
    pub(super) at: Timestamp,
    pub(super) is_deleted: bool,
}

/// All mailboxes of the town, which one user may look into.
#[derive(Debug, Default)]
pub(super) struct Mailboxes {
    kept: Mutex<Kept>,
    news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Kept {
    mails: Vec<Mail>,
    last_uid: u32,
}

impl Mailboxes {
    /// Delivers a mail, if there is room.
    pub(super) fn put(&self, folder: Folder, text: String) -> bool {
        let mut kept = self.kept();
        let bytes: usize = kept.mails.iter().map(|mail| mail.text.len()).sum();
        if kept.mails.len() >= MAILS_MAX || bytes + text.len() > BYTES_MAX {
            return false;
        }
        kept.last_uid += 1;
        let uid = kept.last_uid;
        kept.mails.push(Mail { folder, uid, text: text.into(), at: Timestamp::now(), is_deleted: false });
        drop(kept);
        self.news.send_replace(());
        true
    }

    /// Mails of a folder, the oldest first.
    pub(super) fn mails(&self, folder: Folder) -> Vec<Mail> {
        self.kept().mails.iter().filter(|mail| mail.folder == folder).cloned().collect()
    }

    /// How many mails there are.
    pub(super) fn count(&self) -> usize {
        self.kept().mails.len()
    }

    /// Marks mails as deleted, or takes the mark off.
    pub(super) fn mark(&self, uids: &[u32], is_deleted: bool) {
        let mut kept = self.kept();
        kept.mails.iter_mut().filter(|mail| uids.contains(&mail.uid)).for_each(|mail| mail.is_deleted = is_deleted);
    }

    /// Takes out those that are marked as deleted.
    pub(super) fn expunge(&self, uids: &[u32]) {
        self.kept().mails.retain(|mail| !(mail.is_deleted && uids.contains(&mail.uid)));
    }

    /// Tells of mails that come.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
