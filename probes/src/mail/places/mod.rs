//! Places where a mail is looked for: what each of them can do, whatever it is.
//!
//! | | |
//! |---|---|
//! | `imap` | a mail store's folders, over IMAP |
//! | `settings` | which place it is |
//!
//! Knows nothing of why a mail is looked for.

mod imap;
pub(super) mod settings;

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::failure::Failure;
use crate::mail::places::imap::ImapPlace;
use crate::mail::places::settings::{Fetch, Store};
use crate::mailbox::Visit;
use crate::mailbox::settings::Encryption;
use crate::net::{CONNECT, Channel, Net};
use crate::recorder::Recorder;

/// How much of a mail is read to find out whose it is, in bytes. Chosen: twenty times what a long way writes.
pub(super) const HEAD_BYTES_MAX: usize = 128 * 1024;
/// Most mails of one folder that are listed, the newest first.
pub(super) const FOUND_MAX: usize = 100;

/// What a folder is to a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Inbox,
    Junk,
    Other,
}

impl Role {
    /// The role as a label value.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Junk => "junk",
            Self::Other => "other",
        }
    }
}

/// Where a mail lies. The same spot never holds another mail.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    /// Which of the folders.
    pub(super) folder: usize,
    /// Names count only within this (IMAP's UIDVALIDITY, RFC 9051 section 2.3.1.1).
    pub(super) era: u32,
    /// Which mail there.
    pub(super) name: Name,
}

/// How a place tells its mails apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Name {
    Number(u64),
}

/// What may be of interest in a folder.
#[derive(Debug)]
pub(super) struct Wanted {
    /// How the tokens begin.
    pub(super) prefix: String,
    /// How far notices of non-delivery reach back.
    pub(super) notices_since: SystemTime,
    /// When the mail was sent.
    pub(super) sent: SystemTime,
    /// Whether mails are wanted too that have the token in their body alone, though it costs the place more.
    pub(super) in_body: bool,
}

/// What may be of interest in a folder, and more where the place cannot tell.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) era: u32,
    /// The newest first.
    pub(super) spots: Vec<Spot>,
}

/// A mail, or its beginning.
#[derive(Debug)]
pub(super) struct Fetched {
    /// When the place took it, by the place's clock.
    pub(super) stored: Option<SystemTime>,
    /// When it came there, where the place says so to the moment.
    pub(super) arrived: Option<Instant>,
    pub(super) text: Vec<u8>,
    /// Whether the text has of the body what is worth looking at.
    pub(super) has_body: bool,
}

/// A place. Whatever fails leaves it closed; it may be opened again.
pub(super) enum Place<'a> {
    Imap(ImapPlace<'a>),
}

impl<'a> Place<'a> {
    /// The place of these settings, closed.
    pub(super) fn new(net: &'a Net, fetch: &'a Fetch) -> Self {
        match fetch {
            Fetch::Store(store) => Self::Imap(ImapPlace::new(net, store)),
        }
    }

    /// Goes there, unless that is done; also where the place shows news only to who comes anew.
    pub(super) async fn open(&mut self, recorder: &mut Recorder) -> Result<(), Failure> {
        match self {
            Self::Imap(place) => place.open(recorder).await,
        }
    }

    /// How many folders there are to look into.
    pub(super) const fn folders(&self) -> usize {
        match self {
            Self::Imap(place) => place.folders().len(),
        }
    }

    /// What a folder is.
    pub(super) fn role(&self, folder: usize) -> Role {
        match self {
            Self::Imap(place) => place.folders()[folder].role,
        }
    }

    /// Mails in a folder; `None` if there is no such folder.
    pub(super) async fn list(
        &mut self,
        recorder: &mut Recorder,
        folder: usize,
        wanted: &Wanted,
    ) -> Result<Option<Listing>, Failure> {
        match self {
            Self::Imap(place) => place.list(recorder, folder, wanted).await,
        }
    }

    /// The headers of a mail, and of its body what costs no more; `None` if it has gone.
    pub(super) async fn head(&mut self, recorder: &mut Recorder, spot: &Spot) -> Result<Option<Fetched>, Failure> {
        match self {
            Self::Imap(place) => place.head(recorder, spot).await,
        }
    }

    /// A mail, or so much of it; `None` if it has gone.
    pub(super) async fn whole(
        &mut self,
        recorder: &mut Recorder,
        spot: &Spot,
        bytes_max: usize,
    ) -> Result<Option<Fetched>, Failure> {
        match self {
            Self::Imap(place) => place.whole(recorder, spot, bytes_max).await,
        }
    }

    /// Waits for news, and until `earliest` in any case; until `latest` if there are none.
    pub(super) async fn rest(
        &mut self,
        recorder: &mut Recorder,
        earliest: Instant,
        latest: Instant,
    ) -> Result<(), Failure> {
        match self {
            Self::Imap(place) => place.rest(recorder, earliest, latest).await,
        }
    }

    /// The longest pause between two looks.
    pub(super) fn pause_max(&self) -> Duration {
        match self {
            Self::Imap(place) => place.pause_max(),
        }
    }

    /// Deletes mails, all of one folder. Says how many.
    pub(super) async fn delete(&mut self, recorder: &mut Recorder, spots: &[Spot]) -> Result<usize, Failure> {
        match self {
            Self::Imap(place) => place.delete(recorder, spots).await,
        }
    }

    /// Whether what is said goes into the notes from here on: repetitions would fill them.
    pub(super) fn take_notes(&mut self, is_noted: bool) {
        match self {
            Self::Imap(place) => place.take_notes(is_noted),
        }
    }

    /// Takes leave.
    pub(super) async fn leave(&mut self, recorder: &mut Recorder) {
        match self {
            Self::Imap(place) => place.leave(recorder).await,
        }
    }

    /// Goes without a word: whatever came next would be the answer to something else.
    pub(super) fn abandon(&mut self) {
        match self {
            Self::Imap(place) => place.abandon(),
        }
    }
}

/// Connects to a mail store; nothing is said yet.
async fn connect<'a>(net: &'a Net, recorder: &mut Recorder, store: &'a Store) -> Result<(Channel, Visit<'a>), Failure> {
    let Store { host, port, settings, .. } = store;
    let peer = net.choose_peer(recorder, host, port.get(), settings.family).await?;
    let source = settings.source_ip_address.get().inspect_err(|_| recorder.enter(CONNECT))?;
    let channel = Channel::open(net, recorder, peer, source).await?;
    let visit = Visit { net, settings, name: host };
    let channel = match settings.encryption {
        Encryption::Tls => visit.encrypt(recorder, channel).await?,
        Encryption::Starttls | Encryption::None => channel,
    };
    Ok((channel, visit))
}
