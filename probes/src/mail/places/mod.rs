//! Places where a mail is looked for: what each of them can do, whatever it is.
//!
//! | | |
//! |---|---|
//! | `imap` | a mail store's folders, over IMAP |
//! | `pop3` | a mail store's inbox, over POP3 |
//! | `maildir` | folders of files |
//! | `receiver` | mail that arrived at the agent itself |
//! | `settings` | which place it is |
//!
//! Knows nothing of why a mail is looked for.

mod imap;
mod maildir;
mod pop3;
mod receiver;
pub(super) mod settings;

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep_until};

use crate::failure::Failure;
use crate::mail::places::imap::ImapPlace;
use crate::mail::places::maildir::MaildirPlace;
use crate::mail::places::pop3::Pop3Place;
use crate::mail::places::receiver::ReceiverPlace;
use crate::mail::places::settings::{Fetch, Store};
use crate::mailbox::Visit;
use crate::mailbox::settings::{Encryption, Protocol};
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
    Text(Box<str>),
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
    /// Who handed it in, where the place is the agent itself.
    pub(super) client: Option<IpAddr>,
    /// The sender of the envelope, where the place is the agent itself.
    pub(super) sender: Option<Box<str>>,
    pub(super) text: Vec<u8>,
    /// Whether the text has of the body what is worth looking at.
    pub(super) has_body: bool,
}

/// A place. Whatever fails leaves it to be abandoned; it may be opened again.
pub(super) enum Place<'a> {
    Imap(ImapPlace<'a>),
    Pop3(Pop3Place<'a>),
    Maildir(MaildirPlace<'a>),
    Receiver(ReceiverPlace<'a>),
}

impl<'a> Place<'a> {
    /// The place of these settings, closed. `since` then the mail was not there yet.
    pub(super) fn new(net: &'a Net, fetch: &'a Fetch, recipient: &'a str, since: Instant) -> Self {
        match fetch {
            Fetch::Store(store) if store.settings.protocol == Protocol::Pop3 => Self::Pop3(Pop3Place::new(net, store)),
            Fetch::Store(store) => Self::Imap(ImapPlace::new(net, store)),
            Fetch::Maildir(maildir) => Self::Maildir(MaildirPlace::new(net, maildir)),
            Fetch::Receiver => Self::Receiver(ReceiverPlace::new(net, recipient, since)),
        }
    }

    /// Goes there, unless that is done; anew where the place shows news only to who comes anew.
    pub(super) async fn open(&mut self, recorder: &mut Recorder) -> Result<(), Failure> {
        match self {
            Self::Imap(place) => place.open(recorder).await,
            Self::Pop3(place) => place.open(recorder).await,
            Self::Maildir(place) => place.open(recorder),
            Self::Receiver(_) => Ok(()),
        }
    }

    /// How many folders there are to look into.
    pub(super) const fn folders(&self) -> usize {
        match self {
            Self::Imap(place) => place.folders().len(),
            Self::Maildir(place) => place.folders(),
            Self::Pop3(_) | Self::Receiver(_) => 1,
        }
    }

    /// What a folder is.
    pub(super) fn role(&self, folder: usize) -> Role {
        match self {
            Self::Imap(place) => place.folders()[folder].role,
            Self::Maildir(place) => place.role(folder),
            Self::Pop3(_) | Self::Receiver(_) => Role::Inbox,
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
            Self::Pop3(place) => place.list().map(Some),
            Self::Maildir(place) => place.list(folder),
            Self::Receiver(place) => place.list(recorder, wanted).map(Some),
        }
    }

    /// The headers of a mail, and of its body what costs no more; `None` if it has gone.
    pub(super) async fn head(&mut self, recorder: &mut Recorder, spot: &Spot) -> Result<Option<Fetched>, Failure> {
        match self {
            Self::Imap(place) => place.head(recorder, spot).await,
            Self::Pop3(place) => place.head(recorder, spot).await,
            Self::Maildir(place) => place.whole(spot, HEAD_BYTES_MAX),
            Self::Receiver(place) => Ok(place.fetch(spot, HEAD_BYTES_MAX)),
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
            Self::Pop3(place) => place.whole(recorder, spot, bytes_max).await,
            Self::Maildir(place) => place.whole(spot, bytes_max),
            Self::Receiver(place) => Ok(place.fetch(spot, bytes_max)),
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
            Self::Imap(place) => return place.rest(recorder, earliest, latest).await,
            Self::Pop3(place) => place.rest(recorder, latest).await,
            Self::Maildir(_) => sleep_until(latest).await,
            Self::Receiver(place) => place.rest(earliest, latest).await,
        }
        Ok(())
    }

    /// The longest pause between two looks, where there is `left` so much time in all.
    pub(super) fn pause_max(&self, left: Duration) -> Duration {
        match self {
            Self::Imap(place) => place.pause_max(),
            Self::Pop3(_) => pop3::PAUSE_MAX.max(left / pop3::PAUSES),
            Self::Maildir(_) => maildir::PAUSE_MAX,
            Self::Receiver(_) => receiver::PAUSE_MAX,
        }
    }

    /// Deletes mails, all of one folder. Says how many.
    pub(super) async fn delete(&mut self, recorder: &mut Recorder, spots: &[Spot]) -> Result<usize, Failure> {
        match self {
            Self::Imap(place) => place.delete(recorder, spots).await,
            Self::Pop3(place) => place.delete(recorder, spots).await,
            Self::Maildir(place) => place.delete(spots),
            Self::Receiver(place) => Ok(place.delete(spots)),
        }
    }

    /// Why a mail that was not found may have been there all the same.
    pub(super) fn missed(&self) -> Option<Failure> {
        match self {
            Self::Receiver(place) => place.missed(),
            Self::Imap(_) | Self::Pop3(_) | Self::Maildir(_) => None,
        }
    }

    /// Whether what is said goes into the notes from here on: repetitions would fill them.
    pub(super) const fn take_notes(&mut self, is_noted: bool) {
        match self {
            Self::Imap(place) => place.take_notes(is_noted),
            Self::Pop3(place) => place.take_notes(is_noted),
            Self::Maildir(_) | Self::Receiver(_) => {}
        }
    }

    /// Takes leave. Over POP3, it is then that mails are deleted.
    pub(super) async fn leave(&mut self, recorder: &mut Recorder) {
        match self {
            Self::Imap(place) => place.leave(recorder).await,
            Self::Pop3(place) => place.leave(recorder).await,
            Self::Maildir(_) | Self::Receiver(_) => {}
        }
    }

    /// Goes without a word: whatever came next would be the answer to something else.
    pub(super) fn abandon(&mut self) {
        match self {
            Self::Imap(place) => place.abandon(),
            Self::Pop3(place) => place.abandon(),
            Self::Maildir(_) | Self::Receiver(_) => {}
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
