//! The mail store: shows the mailboxes over IMAP (RFC 9051), as much of it as a look for a mail needs.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::demo::post::mailboxes::{Folder, Mail, Mailboxes};
use crate::demo::post::words::{Word, is_in, words};
use crate::demo::post::{PASSWORD, USER, is_login, search};
use crate::demo::serve::{self, Conversation};
use crate::demo::town::{Fault, Part, Town};

/// What the store can do (RFC 4959, RFC 4315, RFC 6154, RFC 2177).
const CAPABILITIES: &str = "IMAP4rev1 SASL-IR AUTH=PLAIN UIDPLUS SPECIAL-USE IDLE";

/// Listens.
pub(super) async fn open(town: &Town, boxes: Arc<Mailboxes>) -> io::Result<SocketAddr> {
    serve::part(town, Part::Store, move |guest| serve(guest, Arc::clone(&boxes))).await
}

/// The end of an answer, after the tag.
type End = &'static str;

const DONE: End = "OK done";
const WHAT: End = "BAD what?";
const NO_LOGIN: End = "NO [AUTHENTICATIONFAILED] wrong name or password";

struct Session {
    boxes: Arc<Mailboxes>,
    is_known: bool,
    folder: Option<Folder>,
}

async fn serve(mut guest: Conversation, boxes: Arc<Mailboxes>) -> io::Result<()> {
    guest.while_silent().await?;
    guest.say("* OK the town's mailboxes\r\n").await?;
    let mut session = Session { boxes, is_known: false, folder: None };
    while let Some(line) = guest.hear().await? {
        guest.while_silent().await?;
        let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
        let words = words(command).unwrap_or_default();
        let texts: Vec<&str> = words.iter().map_while(Word::text).collect();
        let verb = texts.first().unwrap_or(&"").to_ascii_uppercase();
        let (data, end) = match (verb.as_str(), &texts[..]) {
            ("AUTHENTICATE", [_, mechanism, initial @ ..]) if mechanism.eq_ignore_ascii_case("PLAIN") => {
                session.authenticate(&mut guest, initial.first().copied()).await?
            }
            ("LOGIN", [_, user, password]) => session.log_in((*user, *password) == (USER, PASSWORD), guest.fault()),
            ("IDLE", [_]) if session.folder.is_some() => session.idle(&mut guest).await?,
            ("LOGOUT", _) => {
                return guest.say(&format!("* BYE see you\r\n{tag} {DONE}\r\n")).await;
            }
            _ => session.answer(&verb, &words),
        };
        guest.say(&format!("{data}{tag} {end}\r\n")).await?;
    }
    Ok(())
}

impl Session {
    /// `AUTHENTICATE PLAIN` (RFC 4616), with the answer at once or when asked for it.
    async fn authenticate(&mut self, guest: &mut Conversation, initial: Option<&str>) -> io::Result<(String, End)> {
        let answer = match initial {
            Some(initial) => initial.to_owned(),
            None => {
                guest.say("+ \r\n").await?;
                guest.hear().await?.ok_or(io::ErrorKind::UnexpectedEof)?
            }
        };
        Ok(self.log_in(is_login(&answer), guest.fault()))
    }

    fn log_in(&mut self, is_right: bool, fault: Option<Fault>) -> (String, End) {
        self.is_known = is_right && fault != Some(Fault::Locked);
        (String::new(), if self.is_known { DONE } else { NO_LOGIN })
    }

    /// Tells of news until the guest says something.
    async fn idle(&self, guest: &mut Conversation) -> io::Result<(String, End)> {
        let mut news = self.boxes.news();
        guest.say("+ idling\r\n").await?;
        // What came before the guest began to wait is no news, but costs it nothing.
        news.mark_changed();
        loop {
            tokio::select! {
                arrived = guest.arrives() => {
                    arrived?;
                    guest.hear().await?;
                    return Ok((String::new(), DONE));
                }
                _ = news.changed() => {
                    guest.while_silent().await?;
                    guest.say(&format!("* {} EXISTS\r\n", self.mails().len())).await?;
                }
            }
        }
    }

    fn mails(&self) -> Vec<Mail> {
        self.folder.map(|folder| self.boxes.mails(folder)).unwrap_or_default()
    }

    /// Commands with one answer.
    fn answer(&mut self, verb: &str, words: &[Word]) -> (String, End) {
        let argument = |at: usize| words.get(at).and_then(Word::text).unwrap_or_default();
        match verb {
            "CAPABILITY" => (format!("* CAPABILITY {CAPABILITIES}\r\n"), DONE),
            "NOOP" => (String::new(), DONE),
            _ if !self.is_known => (String::new(), "NO log in first"),
            "LIST" => {
                let line = |folder: Folder| format!("* LIST ({}) \"/\" {}\r\n", folder.flags(), folder.name());
                (Folder::ALL.into_iter().map(line).collect(), DONE)
            }
            "SELECT" | "EXAMINE" => {
                self.folder = Folder::named(argument(1));
                match self.folder {
                    Some(_) => {
                        // Numbers hold for as long as the town lives.
                        let news = format!("* {} EXISTS\r\n* OK [UIDVALIDITY 1] numbers hold\r\n", self.mails().len());
                        (format!("* FLAGS (\\Deleted)\r\n{news}"), DONE)
                    }
                    None => (String::new(), "NO [NONEXISTENT] no such folder"),
                }
            }
            "CLOSE" | "UNSELECT" => {
                self.folder = None;
                (String::new(), DONE)
            }
            "FETCH" => (self.fetch(argument(1), &words[1..], false), DONE),
            "UID" => match argument(1).to_ascii_uppercase().as_str() {
                "FETCH" => (self.fetch(argument(2), &words[2..], true), DONE),
                "SEARCH" => self.search(&words[2..]),
                "STORE" => {
                    let is_of_deleting = words.iter().any(|word| word.text() == Some("\\Deleted"));
                    if is_of_deleting {
                        self.boxes.mark(&self.uids(argument(2)), !argument(3).starts_with('-'));
                    }
                    (String::new(), DONE)
                }
                "EXPUNGE" => {
                    self.boxes.expunge(&self.uids(argument(2)));
                    (String::new(), DONE)
                }
                _ => (String::new(), WHAT),
            },
            _ => (String::new(), WHAT),
        }
    }

    /// Numbers for good of the mails in a set of them.
    fn uids(&self, set: &str) -> Vec<u32> {
        let uids: Vec<u32> = self.mails().iter().map(|mail| mail.uid).collect();
        let last = uids.last().copied().unwrap_or_default();
        uids.into_iter().filter(|uid| is_in(set, *uid, last)).collect()
    }

    fn search(&self, question: &[Word]) -> (String, End) {
        let mut found = String::from("* SEARCH");
        for mail in self.mails() {
            match search::fits(question, &mail) {
                // Writing to a string cannot fail.
                Some(true) => drop(write!(found, " {}", mail.uid)),
                Some(false) => {}
                None => return (String::new(), WHAT),
            }
        }
        (found + "\r\n", DONE)
    }

    fn fetch(&self, set: &str, items: &[Word], by_uid: bool) -> String {
        let mails = self.mails();
        let last = if by_uid { mails.last().map_or(0, |mail| mail.uid) } else { mails.len() as u32 };
        let mut data = String::new();
        for (number, mail) in (1..).zip(&mails) {
            if is_in(set, if by_uid { mail.uid } else { number }, last) {
                let items = items.iter().skip(1).filter_map(Word::text).filter_map(|name| item(name, mail));
                let items: Vec<String> = items.collect();
                let uid = if by_uid { format!("UID {} ", mail.uid) } else { String::new() };
                let _ = write!(data, "* {number} FETCH ({uid}{})\r\n", items.join(" "));
            }
        }
        data
    }
}

/// What is asked of a mail, if it is understood.
fn item(name: &str, mail: &Mail) -> Option<String> {
    let name = name.to_ascii_uppercase();
    match name.as_str() {
        "FLAGS" => return Some(format!("FLAGS ({})", if mail.is_deleted { "\\Deleted" } else { "" })),
        "INTERNALDATE" => return Some(format!("INTERNALDATE \"{}\"", mail.at.strftime("%d-%b-%Y %H:%M:%S +0000"))),
        "RFC822.SIZE" => return Some(format!("RFC822.SIZE {}", mail.text.len())),
        _ => {}
    }
    // `BODY[HEADER]<0.100>`: a part, and how much of it (RFC 9051 section 6.4.5).
    let (section, partial) = name.strip_prefix("BODY.PEEK[").or_else(|| name.strip_prefix("BODY["))?.split_once(']')?;
    let head = mail.text.find("\r\n\r\n").map_or(mail.text.len(), |at| at + 4);
    let text = match section {
        "" => &mail.text[..],
        "HEADER" => &mail.text[..head],
        "TEXT" => &mail.text[head..],
        _ => return None,
    };
    let length_max = partial.strip_prefix("<0.").and_then(|rest| rest.strip_suffix('>')?.parse().ok());
    let end = text.floor_char_boundary(length_max.unwrap_or(text.len()));
    let text = &text[..end];
    let origin = if length_max.is_some() { "<0>" } else { "" };
    Some(format!("BODY[{section}]{origin} {{{}}}\r\n{text}", text.len()))
}
