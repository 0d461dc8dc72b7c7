//! The parts of the small town, and what is wrong with each.

use std::sync::Arc;

use tokio::sync::watch;

/// A part of the town.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The home page.
    Home,
    /// The mail server.
    Mail,
    /// What waits between the mail server and the mailboxes.
    Queue,
    /// What looks through mail before it goes into a mailbox.
    Filter,
    /// The mail store: the mailboxes.
    Store,
    /// The name server.
    Names,
    /// The application at the service desk.
    Desk,
    /// The gateway.
    Gateway,
}

/// What is wrong with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens.
    Down,
    /// Takes the connection and says nothing.
    Silent,
    /// Says that it cannot.
    Error,
    /// Answers something else.
    Wrong,
    /// Lets nobody in.
    Locked,
    /// Refuses recipients for good.
    Refuses,
    /// Asks to come back later.
    Greylists,
    /// Refuses the mail once it has heard it.
    Rejects,
    /// Nothing moves.
    Held,
    /// Takes longer than anybody waits.
    Late,
    /// Takes long.
    Slow,
    /// Takes mail for junk.
    Junks,
    /// Writes something of its own into the mail.
    Alters,
    /// Makes two of one.
    Doubles,
    /// Adds a mail that nobody sent.
    Forges,
    /// Has no room.
    Full,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 8] =
        [Self::Home, Self::Mail, Self::Queue, Self::Filter, Self::Store, Self::Names, Self::Desk, Self::Gateway];

    /// The part as it is called in commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Mail => "mail",
            Self::Queue => "queue",
            Self::Filter => "filter",
            Self::Store => "store",
            Self::Names => "names",
            Self::Desk => "desk",
            Self::Gateway => "gateway",
        }
    }

    /// What it is.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Home => "the home page",
            Self::Mail => "the mail server",
            Self::Queue => "the queue of mails",
            Self::Filter => "the mail filter",
            Self::Store => "the mail store",
            Self::Names => "the name server",
            Self::Desk => "the application at the service desk",
            Self::Gateway => "the gateway",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }
}

impl Fault {
    /// The fault as it is called in commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Silent => "silent",
            Self::Error => "error",
            Self::Wrong => "wrong",
            Self::Locked => "locked",
            Self::Refuses => "refuses",
            Self::Greylists => "greylists",
            Self::Rejects => "rejects",
            Self::Held => "held",
            Self::Late => "late",
            Self::Slow => "slow",
            Self::Junks => "junks",
            Self::Alters => "alters",
            Self::Doubles => "doubles",
            Self::Forges => "forges",
            Self::Full => "full",
        }
    }
}

/// The state of every part. What serves a part looks here before each answer.
#[derive(Debug, Clone)]
pub(super) struct Town(Arc<[watch::Sender<Option<Fault>>; Part::ALL.len()]>);

impl Town {
    /// A town in which everything works.
    pub(super) fn new() -> Self {
        Self(Arc::new(std::array::from_fn(|_| watch::Sender::new(None))))
    }

    /// What is wrong with a part now.
    pub(super) fn fault(&self, part: Part) -> Option<Fault> {
        *self.0[part as usize].borrow()
    }

    /// Breaks or mends a part.
    pub(super) fn set(&self, part: Part, fault: Option<Fault>) {
        self.0[part as usize].send_replace(fault);
    }

    /// Tells of every change of a part.
    pub(super) fn watch(&self, part: Part) -> watch::Receiver<Option<Fault>> {
        self.0[part as usize].subscribe()
    }
}
