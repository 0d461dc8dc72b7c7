//! Folders of a mail store: which there are, what lies in them, and taking something out.
//!
//! Knows IMAP, but nothing of why a mail is looked for.

use std::time::SystemTime;

use crate::failure::{Failure, Reason};
use crate::mail::headers::{date, imap_day};
use crate::mail::message::TOKEN_HEADER;
use crate::mailbox::imap::wire::Token as Word;
use crate::mailbox::imap::{Imap, quoted, value_of};
use crate::recorder::Recorder;

/// Names that folders for junk have where the store does not say which it is.
const JUNK_NAMES: [&str; 6] = ["junk", "spam", "junk e-mail", "junk mail", "inbox.junk", "inbox.spam"];
/// How much of a mail's headers is fetched in bytes. Chosen: twenty times what a long way writes.
const HEADER_BYTES_MAX: usize = 128 * 1024;
/// Most mails of one search that are looked at.
const FOUND_MAX: usize = 100;

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

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) name: Box<str>,
    pub(super) role: Role,
}

/// A mail in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Which of the folders.
    pub(super) folder: usize,
    /// Which mail there (RFC 9051 section 2.3.1.1).
    pub(super) uid: u32,
}

/// The folders to look into; the inbox comes last, where news are waited for.
pub(super) async fn folders(
    imap: &mut Imap,
    recorder: &mut Recorder,
    others: &[Box<str>],
) -> Result<Vec<Folder>, Failure> {
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

/// Goes into a folder. False if there is none; there is always an inbox.
pub(super) async fn select(imap: &mut Imap, recorder: &mut Recorder, folder: &Folder) -> Result<bool, Failure> {
    match imap.command(recorder, &format!("SELECT {}", quoted(&folder.name)?)).await {
        Ok(_) => Ok(true),
        Err(failure) if folder.role != Role::Inbox && failure.reason() == Reason::Rejected => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Mails of the check in the folder, and notices of non-delivery since a day.
pub(super) async fn search(
    imap: &mut Imap,
    recorder: &mut Recorder,
    prefix: &str,
    since: SystemTime,
) -> Result<Vec<u32>, Failure> {
    let day = imap_day(since);
    let line = format!(
        "UID SEARCH UNDELETED OR HEADER {TOKEN_HEADER} {prefix} OR HEADER Message-ID {prefix} OR SUBJECT {prefix} \
         (SINCE {day} HEADER Content-Type delivery-status)"
    );
    let data = imap.command(recorder, &line).await?;
    let found = data.iter().filter(|words| words.first().is_some_and(|word| word.is("SEARCH")));
    let uids = found.flatten().filter_map(Word::number).filter_map(|number| u32::try_from(number).ok());
    // The newest have the highest numbers.
    let mut uids: Vec<u32> = uids.collect();
    uids.sort_unstable_by_key(|uid| std::cmp::Reverse(*uid));
    uids.truncate(FOUND_MAX);
    Ok(uids)
}

/// A mail, or its beginning.
#[derive(Debug)]
pub(super) struct Fetched {
    /// When the store took it.
    pub(super) stored: Option<SystemTime>,
    pub(super) text: Vec<u8>,
}

/// The headers of a mail in the folder; `None` if it has gone.
pub(super) async fn fetch_headers(
    imap: &mut Imap,
    recorder: &mut Recorder,
    uid: u32,
) -> Result<Option<Fetched>, Failure> {
    fetch(imap, recorder, uid, "HEADER", HEADER_BYTES_MAX).await
}

/// A mail in the folder, or its beginning; `None` if it has gone.
pub(super) async fn fetch_whole(
    imap: &mut Imap,
    recorder: &mut Recorder,
    uid: u32,
    bytes_max: usize,
) -> Result<Option<Fetched>, Failure> {
    fetch(imap, recorder, uid, "", bytes_max).await
}

async fn fetch(
    imap: &mut Imap,
    recorder: &mut Recorder,
    uid: u32,
    section: &str,
    bytes_max: usize,
) -> Result<Option<Fetched>, Failure> {
    let line = format!("UID FETCH {uid} (UID INTERNALDATE BODY.PEEK[{section}]<0.{bytes_max}>)");
    let data = imap.command(recorder, &line).await?;
    let asked = |words: &&Vec<Word>| {
        words.get(1).is_some_and(|word| word.is("FETCH"))
            && value_of(words, "UID").and_then(Word::number) == Some(u64::from(uid))
    };
    let Some(words) = data.iter().find(asked) else { return Ok(None) };
    let stored = value_of(words, "INTERNALDATE").and_then(Word::bytes);
    let stored = stored.and_then(|text| date(std::str::from_utf8(text).ok()?));
    let is_body =
        |word: &Word| matches!(word, Word::Word(name) if name.len() > 5 && name[..5].eq_ignore_ascii_case(b"BODY["));
    let text = words.iter().position(is_body).and_then(|at| words.get(at + 1));
    let Some(Word::Text(text)) = text else { return Ok(None) };
    Ok(Some(Fetched { stored, text: text.clone() }))
}

/// Deletes mails of the folder. Where the store cannot take out single mails they stay there, marked as deleted: what
/// others have marked is not the probe's.
pub(super) async fn delete(imap: &mut Imap, recorder: &mut Recorder, uids: &[u32]) -> Result<(), Failure> {
    let set = uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    imap.command(recorder, &format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)")).await?;
    if imap.can("UIDPLUS") || imap.can("IMAP4REV2") {
        imap.command(recorder, &format!("UID EXPUNGE {set}")).await?;
    }
    Ok(())
}
