//! A mail store over IMAP (RFC 9051): which folders there are, what lies in them, and taking something out.

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep_until};

use crate::failure::{Failure, Reason};
use crate::mail::headers::{date, imap_day};
use crate::mail::message::TOKEN_HEADER;
use crate::mail::places::settings::Store;
use crate::mail::places::{FOUND_MAX, Fetched, HEAD_BYTES_MAX, Listing, Name, Role, Spot, Wanted, connect};
use crate::mailbox::imap::wire::Token as Word;
use crate::mailbox::imap::{Imap, quoted, value_of};
use crate::mailbox::{self, SELECT, imap_dialogue};
use crate::net::Net;
use crate::recorder::Recorder;

/// Names that folders for junk have where the store does not say which it is.
const JUNK_NAMES: [&str; 6] = ["junk", "spam", "junk e-mail", "junk mail", "inbox.junk", "inbox.spam"];
/// Longest pauses between two looks, where the store tells news of the inbox and where it does not.
const PAUSE_IDLE_MAX: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How far apart the clocks of agent and store may be where the store searches by days: a day, and zones of time.
const DAY: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) name: Box<str>,
    pub(super) role: Role,
}

/// A mail store.
pub(in crate::mail) struct ImapPlace<'a> {
    net: &'a Net,
    store: &'a Store,
    session: Option<Session>,
    /// Found once; the inbox comes last, where news are waited for.
    folders: Vec<Folder>,
}

struct Session {
    imap: Imap,
    /// Which folder is open, and its era.
    selected: Option<(usize, u32)>,
}

impl<'a> ImapPlace<'a> {
    pub(super) const fn new(net: &'a Net, store: &'a Store) -> Self {
        Self { net, store, session: None, folders: Vec::new() }
    }

    pub(super) const fn folders(&self) -> &[Folder] {
        self.folders.as_slice()
    }

    pub(super) async fn open(&mut self, recorder: &mut Recorder) -> Result<(), Failure> {
        if self.session.is_some() {
            return Ok(());
        }
        let (channel, visit) = connect(self.net, recorder, self.store).await?;
        let mut imap = imap_dialogue::enter(&visit, recorder, channel).await?;
        if self.folders.is_empty() {
            recorder.enter(SELECT);
            self.folders = folders(&mut imap, recorder, &self.store.folders).await?;
        }
        self.session = Some(Session { imap, selected: None });
        Ok(())
    }

    pub(super) async fn list(
        &mut self,
        recorder: &mut Recorder,
        folder: usize,
        wanted: &Wanted,
    ) -> Result<Option<Listing>, Failure> {
        let Some(era) = self.select(recorder, folder).await? else { return Ok(None) };
        let imap = &mut self.session()?.imap;
        let Wanted { prefix, .. } = wanted;
        let day = imap_day(wanted.notices_since);
        let mut uids = search(
            imap,
            recorder,
            &format!(
                "OR HEADER {TOKEN_HEADER} {prefix} OR HEADER Message-ID {prefix} OR SUBJECT {prefix} \
                 (SINCE {day} HEADER Content-Type delivery-status)"
            ),
        )
        .await?;
        if wanted.in_body {
            // A mail whose headers were all written anew. The store reads every mail of these days for it.
            let day = imap_day(wanted.sent - DAY);
            uids.extend(search(imap, recorder, &format!("SINCE {day} BODY {prefix}")).await?);
        }
        // The newest have the highest numbers.
        uids.sort_unstable_by_key(|uid| std::cmp::Reverse(*uid));
        uids.dedup();
        uids.truncate(FOUND_MAX);
        let spot = |uid: u32| Spot { folder, era, name: Name::Number(uid.into()) };
        Ok(Some(Listing { era, spots: uids.into_iter().map(spot).collect() }))
    }

    pub(super) async fn head(&mut self, recorder: &mut Recorder, spot: &Spot) -> Result<Option<Fetched>, Failure> {
        self.fetch(recorder, spot, "HEADER", HEAD_BYTES_MAX).await
    }

    pub(super) async fn whole(
        &mut self,
        recorder: &mut Recorder,
        spot: &Spot,
        bytes_max: usize,
    ) -> Result<Option<Fetched>, Failure> {
        self.fetch(recorder, spot, "", bytes_max).await
    }

    pub(super) async fn rest(
        &mut self,
        recorder: &mut Recorder,
        earliest: Instant,
        latest: Instant,
    ) -> Result<(), Failure> {
        match &mut self.session {
            Some(session) if session.imap.can("IDLE") => {
                session.imap.idle(recorder, latest).await?;
                sleep_until(earliest).await;
            }
            Some(_) | None => sleep_until(latest).await,
        }
        Ok(())
    }

    pub(super) fn pause_max(&self) -> Duration {
        let has_idle = self.session.as_ref().is_some_and(|session| session.imap.can("IDLE"));
        if has_idle { PAUSE_IDLE_MAX } else { PAUSE_MAX }
    }

    /// Where the store cannot take out single mails they stay there, marked as deleted: what others have marked is not
    /// the probe's.
    pub(super) async fn delete(&mut self, recorder: &mut Recorder, spots: &[Spot]) -> Result<usize, Failure> {
        let Some(first) = spots.first() else { return Ok(0) };
        if !self.is_in(recorder, first).await? {
            return Ok(0);
        }
        let uid = |spot: &Spot| match spot.name {
            Name::Number(number) if spot.era == first.era => Some(number.to_string()),
            Name::Number(_) | Name::Text(_) => None,
        };
        let uids: Vec<String> = spots.iter().filter_map(uid).collect();
        let set = uids.join(",");
        let imap = &mut self.session()?.imap;
        imap.command(recorder, &format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)")).await?;
        if imap.can("UIDPLUS") || imap.can("IMAP4REV2") {
            imap.command(recorder, &format!("UID EXPUNGE {set}")).await?;
        }
        Ok(uids.len())
    }

    pub(super) const fn take_notes(&mut self, is_noted: bool) {
        if let Some(session) = &mut self.session {
            session.imap.take_notes(is_noted);
        }
    }

    pub(super) async fn leave(&mut self, recorder: &mut Recorder) {
        if let Some(mut session) = self.session.take() {
            mailbox::part(recorder, async |recorder| session.imap.command(recorder, "LOGOUT").await.map(drop)).await;
        }
    }

    pub(super) fn abandon(&mut self) {
        self.session = None;
    }

    fn session(&mut self) -> Result<&mut Session, Failure> {
        self.session.as_mut().ok_or_else(|| Failure::new(Reason::ClosedEarly, "there is no connection to the store"))
    }

    /// Goes into a folder and says its era; `None` if there is none. There is always an inbox.
    async fn select(&mut self, recorder: &mut Recorder, folder: usize) -> Result<Option<u32>, Failure> {
        let Folder { name, role } = self.folders[folder].clone();
        let session = self.session()?;
        session.selected = None;
        match session.imap.command(recorder, &format!("SELECT {}", quoted(&name)?)).await {
            Ok(_) => {}
            Err(failure) if role != Role::Inbox && failure.reason() == Reason::Rejected => return Ok(None),
            Err(failure) => return Err(failure),
        }
        // A store that does not tell (RFC 9051 section 2.3.1.1 wants it to) counts for ever.
        let era = session.imap.uid_validity().unwrap_or_default();
        session.selected = Some((folder, era));
        Ok(Some(era))
    }

    /// Goes to where a mail lies. False if names of that era count no more.
    async fn is_in(&mut self, recorder: &mut Recorder, spot: &Spot) -> Result<bool, Failure> {
        let era = match self.session()?.selected {
            Some((folder, era)) if folder == spot.folder => Some(era),
            _ => self.select(recorder, spot.folder).await?,
        };
        Ok(era == Some(spot.era))
    }

    async fn fetch(
        &mut self,
        recorder: &mut Recorder,
        spot: &Spot,
        section: &str,
        bytes_max: usize,
    ) -> Result<Option<Fetched>, Failure> {
        if !self.is_in(recorder, spot).await? {
            return Ok(None);
        }
        let Name::Number(number) = spot.name else { return Ok(None) };
        let line = format!("UID FETCH {number} (UID INTERNALDATE BODY.PEEK[{section}]<0.{bytes_max}>)");
        let data = self.session()?.imap.command(recorder, &line).await?;
        let asked = |words: &&Vec<Word>| {
            words.get(1).is_some_and(|word| word.is("FETCH"))
                && value_of(words, "UID").and_then(Word::number) == Some(number)
        };
        let Some(words) = data.iter().find(asked) else { return Ok(None) };
        let stored = value_of(words, "INTERNALDATE").and_then(Word::bytes);
        let stored: Option<SystemTime> = stored.and_then(|text| date(std::str::from_utf8(text).ok()?));
        let is_body = |word: &Word| matches!(word, Word::Word(name) if name.len() > 5 && name[..5].eq_ignore_ascii_case(b"BODY["));
        let text = words.iter().position(is_body).and_then(|at| words.get(at + 1));
        let Some(Word::Text(text)) = text else { return Ok(None) };
        Ok(Some(Fetched {
            stored,
            arrived: None,
            client: None,
            sender: None,
            text: text.clone(),
            has_body: section.is_empty(),
        }))
    }
}

/// The folders to look into.
async fn folders(imap: &mut Imap, recorder: &mut Recorder, others: &[Box<str>]) -> Result<Vec<Folder>, Failure> {
    let tells_use = imap.can("SPECIAL-USE") || imap.can("IMAP4REV2");
    let command = if tells_use { "LIST (SPECIAL-USE) \"\" \"*\"" } else { "LIST \"\" \"*\"" };
    let data = imap.command(recorder, command).await?;
    let mut folders: Vec<Folder> = others.iter().map(|name| Folder { name: name.clone(), role: Role::Other }).collect();
    for words in data.iter().filter(|words| words.first().is_some_and(|word| word.is("LIST"))) {
        // `LIST (flags) "delimiter" name` (RFC 9051 section 7.3.1, RFC 6154 section 2).
        let Some(end) = words.iter().position(|word| *word == Word::Close) else { continue };
        let is_marked = words[..end].iter().any(|word| word.is("\\Junk"));
        let Some(name) = words.get(end + 2).and_then(Word::bytes).and_then(|name| std::str::from_utf8(name).ok())
        else {
            continue;
        };
        let is_called = JUNK_NAMES.iter().any(|known| known.eq_ignore_ascii_case(name));
        if is_marked || (!tells_use && is_called) {
            folders.retain(|folder| *folder.name != *name);
            folders.push(Folder { name: name.into(), role: Role::Junk });
            break;
        }
    }
    folders.push(Folder { name: "INBOX".into(), role: Role::Inbox });
    Ok(folders)
}

/// Mails of the open folder that are like this.
async fn search(imap: &mut Imap, recorder: &mut Recorder, like: &str) -> Result<Vec<u32>, Failure> {
    let data = imap.command(recorder, &format!("UID SEARCH UNDELETED {like}")).await?;
    let found = data.iter().filter(|words| words.first().is_some_and(|word| word.is("SEARCH")));
    Ok(found.flatten().filter_map(Word::number).filter_map(|number| u32::try_from(number).ok()).collect())
}
