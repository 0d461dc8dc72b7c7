//! A mail store over POP3 (RFC 1939): one folder. What is new is shown only to who comes anew, and what is deleted goes
//! when one takes leave: so every look is a session of its own, and none lasts through a pause.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::failure::{Failure, Reason};
use crate::mail::headers::{Headers, date};
use crate::mail::places::settings::Store;
use crate::mail::places::{FOUND_MAX, Fetched, Listing, Name, Spot, connect};
use crate::mailbox::pop3::{self, Pop3};
use crate::mailbox::{self, SELECT};
use crate::net::Net;
use crate::recorder::Recorder;

/// Most mails of a mailbox. Chosen: what nobody tidied for years; a longer list costs more at every look than a probe should.
const MAILS_MAX: usize = 10_000;
/// Lines of the body that are read with the headers. Chosen: the mail has its token in the third.
const BODY_LINES: usize = 40;
/// Longest mail that is read in bytes, if only to its end: POP3 can stop nowhere. Chosen: four times the largest that is sent.
const READ_BYTES_MAX: usize = 16 << 20;
/// Longest pause between two looks, in a short run and as a part of a longer one: each look is a login. Chosen: a run keeps
/// count of some twenty of them.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(10);
pub(super) const PAUSES: u32 = 15;

/// A mail store.
pub(in crate::mail) struct Pop3Place<'a> {
    net: &'a Net,
    store: &'a Store,
    session: Option<Session>,
    /// Whether the store is believed to show beginnings of mails (`TOP`).
    has_top: bool,
    is_noted: bool,
}

struct Session {
    pop3: Pop3,
    /// The mails by their unique names (RFC 1939 section 7), oldest first, and their numbers in this session.
    names: Vec<Box<str>>,
    numbers: HashMap<Box<str>, usize>,
}

impl<'a> Pop3Place<'a> {
    pub(super) const fn new(net: &'a Net, store: &'a Store) -> Self {
        Self { net, store, session: None, has_top: true, is_noted: true }
    }

    pub(super) async fn open(&mut self, recorder: &mut Recorder) -> Result<(), Failure> {
        self.leave(recorder).await;
        let (channel, visit) = connect(self.net, recorder, self.store).await?;
        let mut pop3 = pop3::enter(&visit, recorder, channel).await?;
        recorder.enter(SELECT);
        pop3.take_notes(self.is_noted);
        let (mut names, mut numbers) = (Vec::new(), HashMap::new());
        pop3.command(recorder, "UIDL").await?;
        for line in pop3.lines(MAILS_MAX).await? {
            let line = String::from_utf8_lossy(&line).into_owned();
            let Some((number, name)) = line.split_once(' ') else { return Err(broken()) };
            let number = number.parse::<usize>().map_err(|_| broken())?;
            names.push(name.into());
            numbers.insert(name.into(), number);
        }
        self.session = Some(Session { pop3, names, numbers });
        Ok(())
    }

    pub(super) fn list(&mut self) -> Result<Listing, Failure> {
        // The highest numbers are the newest.
        let newest = self.session()?.names.iter().rev().take(FOUND_MAX);
        let spot = |name: &str| Spot { folder: 0, era: 0, name: Name::Text(name.into()) };
        Ok(Listing { era: 0, spots: newest.map(|name| spot(name)).collect() })
    }

    pub(super) async fn head(&mut self, recorder: &mut Recorder, spot: &Spot) -> Result<Option<Fetched>, Failure> {
        let Some(number) = self.number(spot)? else { return Ok(None) };
        if self.has_top {
            let asked = self.session()?.pop3.command(recorder, &format!("TOP {number} {BODY_LINES}")).await;
            match asked {
                Ok(_) => return self.read(super::HEAD_BYTES_MAX).await.map(Some),
                // It is optional (RFC 1939 section 7).
                Err(failure) if failure.reason() == Reason::Rejected => self.has_top = false,
                Err(failure) => return Err(failure),
            }
        }
        self.whole(recorder, spot, super::HEAD_BYTES_MAX).await
    }

    pub(super) async fn whole(
        &mut self,
        recorder: &mut Recorder,
        spot: &Spot,
        bytes_max: usize,
    ) -> Result<Option<Fetched>, Failure> {
        let Some(number) = self.number(spot)? else { return Ok(None) };
        let pop3 = &mut self.session()?.pop3;
        let size = pop3.command(recorder, &format!("LIST {number}")).await?;
        let size = size.split_ascii_whitespace().nth(1).and_then(|size| size.parse::<usize>().ok());
        if size.is_none_or(|size| size > READ_BYTES_MAX) {
            return Ok(None);
        }
        pop3.command(recorder, &format!("RETR {number}")).await?;
        self.read(bytes_max).await.map(Some)
    }

    /// A session would keep others out, and show nothing new.
    pub(super) async fn rest(&mut self, recorder: &mut Recorder, latest: Instant) {
        self.leave(recorder).await;
        recorder.enter(crate::mail::watch::TRANSIT);
        sleep_until(latest).await;
    }

    pub(super) async fn delete(&mut self, recorder: &mut Recorder, spots: &[Spot]) -> Result<usize, Failure> {
        let mut deleted = 0;
        for spot in spots {
            let Some(number) = self.number(spot)? else { continue };
            self.session()?.pop3.command(recorder, &format!("DELE {number}")).await?;
            deleted += 1;
        }
        Ok(deleted)
    }

    pub(super) const fn take_notes(&mut self, is_noted: bool) {
        self.is_noted = is_noted;
        if let Some(session) = &mut self.session {
            session.pop3.take_notes(is_noted);
        }
    }

    pub(super) async fn leave(&mut self, recorder: &mut Recorder) {
        if let Some(mut session) = self.session.take() {
            mailbox::part(recorder, async |recorder| session.pop3.command(recorder, "QUIT").await.map(drop)).await;
        }
    }

    pub(super) fn abandon(&mut self) {
        self.session = None;
    }

    fn session(&mut self) -> Result<&mut Session, Failure> {
        self.session.as_mut().ok_or_else(|| Failure::new(Reason::ClosedEarly, "there is no connection to the store"))
    }

    /// The number that a mail has in this session; `None` if it has gone.
    fn number(&mut self, spot: &Spot) -> Result<Option<usize>, Failure> {
        let Name::Text(name) = &spot.name else { return Ok(None) };
        Ok(self.session()?.numbers.get(name).copied())
    }

    async fn read(&mut self, bytes_max: usize) -> Result<Fetched, Failure> {
        let text = self.session()?.pop3.text(bytes_max, READ_BYTES_MAX).await?;
        // The store does not say when it took a mail, but for the line it put on top.
        let (headers, _) = Headers::split(&text);
        let stored = headers.first("received").and_then(|value| date(value.rsplit_once(';')?.1));
        Ok(Fetched { stored, arrived: None, client: None, sender: None, text, has_body: true })
    }
}

fn broken() -> Failure {
    Failure::new(Reason::ProtocolError, "the answer to UIDL is not a list of numbers and names")
}
