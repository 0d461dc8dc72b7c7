//! A folder of files, one for each mail (Maildir, and Maildir++ for the folders in it).
//!
//! Who may write there is not the agent: names, sizes and links are whatever somebody wants them to be.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::failure::{Failure, Reason};
use crate::mail::places::settings::Maildir;
use crate::mail::places::{FOUND_MAX, Fetched, Listing, Name, Role, Spot};
use crate::mailbox::SELECT;
use crate::net::Net;
use crate::recorder::Recorder;

/// Longest pause between two looks. Chosen: a look reads the names of two folders.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Names that folders for junk have.
const JUNK_NAMES: [&str; 2] = ["Junk", "Spam"];
/// Where mails lie: those that nobody has seen yet, and the others.
const PARTS: [&str; 2] = ["new", "cur"];
/// What stands between a mail's own name and what was noted of it.
const NOTED_AFTER: char = ':';

/// A folder of mails.
pub(in crate::mail) struct MaildirPlace<'a> {
    net: &'a Net,
    /// The inbox comes last.
    folders: Vec<Folder>,
}

struct Folder {
    path: PathBuf,
    role: Role,
    /// In which part each mail lies, and under which name at present, by its own name.
    mails: HashMap<Box<str>, (&'static str, Box<str>)>,
}

impl<'a> MaildirPlace<'a> {
    pub(super) fn new(net: &'a Net, maildir: &'a Maildir) -> Self {
        let folder = |path, role| Folder { path, role, mails: HashMap::new() };
        let within = |name: &str| maildir.path.join(format!(".{name}"));
        let mut folders: Vec<Folder> = maildir.folders.iter().map(|name| folder(within(name), Role::Other)).collect();
        let is_junk = |name: &&&str| !maildir.folders.iter().any(|other| **other == ***name);
        folders.extend(JUNK_NAMES.iter().filter(is_junk).map(|name| folder(within(name), Role::Junk)));
        folders.push(folder(maildir.path.clone(), Role::Inbox));
        Self { net, folders }
    }

    pub(super) const fn folders(&self) -> usize {
        self.folders.len()
    }

    pub(super) fn role(&self, folder: usize) -> Role {
        self.folders[folder].role
    }

    /// Whether there is an inbox that can be read.
    pub(super) fn open(&mut self, recorder: &mut Recorder) -> Result<(), Failure> {
        recorder.enter(SELECT);
        self.list(self.folders.len() - 1).map(drop)
    }

    pub(super) fn list(&mut self, folder: usize) -> Result<Option<Listing>, Failure> {
        let Folder { path, role, mails } = &mut self.folders[folder];
        mails.clear();
        let mut missing = 0;
        for part in PARTS {
            let path = path.join(part);
            match self.net.names(&path) {
                Ok(names) => {
                    for name in names {
                        // Who reads a mail moves it from the one part to the other: it may be met in both.
                        let own = name.split(NOTED_AFTER).next().unwrap_or(&name);
                        mails.insert(own.into(), (part, name.into()));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound && *role != Role::Inbox => missing += 1,
                Err(error) => return Err(unreadable(&path, &error)),
            }
        }
        if missing == PARTS.len() {
            return Ok(None);
        }
        let mut names: Vec<&Box<str>> = mails.keys().collect();
        // A name begins with the time of delivery.
        names.sort_unstable_by_key(|name| std::cmp::Reverse((moment(name), *name)));
        names.truncate(FOUND_MAX);
        let spot = |name: &str| Spot { folder, era: 0, name: Name::Text(name.into()) };
        Ok(Some(Listing { era: 0, spots: names.into_iter().map(|name| spot(name)).collect() }))
    }

    pub(super) fn whole(&mut self, spot: &Spot, bytes_max: usize) -> Result<Option<Fetched>, Failure> {
        let net = self.net;
        let found = self.with(spot, |path, name| net.beginning(path, name, bytes_max))?;
        Ok(found.map(|found| Fetched {
            stored: Some(found.modified),
            arrived: None,
            client: None,
            sender: None,
            text: found.bytes,
            has_body: true,
        }))
    }

    pub(super) fn delete(&mut self, spots: &[Spot]) -> Result<usize, Failure> {
        let mut deleted = 0;
        for spot in spots {
            let net = self.net;
            deleted += usize::from(self.with(spot, |path, name| net.remove(path, name))?.is_some());
        }
        Ok(deleted)
    }

    /// Does something with a mail where it lies now; `None` if it has gone, or is no file.
    fn with<T>(
        &mut self,
        spot: &Spot,
        work: impl Fn(&std::path::Path, &str) -> io::Result<T>,
    ) -> Result<Option<T>, Failure> {
        let Name::Text(own) = &spot.name else { return Ok(None) };
        for is_known in [true, false] {
            if !is_known {
                self.list(spot.folder)?;
            }
            let Folder { path, mails, .. } = &self.folders[spot.folder];
            let Some((part, name)) = mails.get(own) else { continue };
            let path = path.join(part);
            match work(&path, name) {
                Ok(done) => return Ok(Some(done)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // A link, a pipe or a folder: no mail.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(None),
                Err(error) => return Err(unreadable(&path, &error)),
            }
        }
        Ok(None)
    }
}

/// What a name begins with, if that is a number.
fn moment(name: &str) -> u64 {
    let end = name.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(name.len());
    name[..end].parse().unwrap_or_default()
}

fn unreadable(path: &std::path::Path, error: &io::Error) -> Failure {
    let reason = match error.kind() {
        io::ErrorKind::PermissionDenied => Reason::AgentPermission,
        io::ErrorKind::FileTooLarge => Reason::TooLong,
        // It may be made by the first delivery, or be on a disk that comes back.
        _ => Reason::ConnectError,
    };
    Failure::new(reason, format_args!("cannot look into {}: {error}", path.display()))
}
