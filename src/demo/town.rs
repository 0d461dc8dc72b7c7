//! The parts of the small town, and what is wrong with each.

use std::sync::Arc;

use tokio::sync::watch;

/// A part of the town.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The home page.
    Home,
    /// The mail server.
    Mail,
    /// The name server.
    Names,
    /// The application at the service desk.
    Desk,
    /// The gateway.
    Gateway,
}

/// What is wrong with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody listens.
    Down,
    /// Takes the connection and says nothing.
    Silent,
    /// Says that it cannot.
    Error,
    /// Answers something else.
    Wrong,
    /// Refuses for good.
    Refuses,
    /// Asks to come back later.
    Greylists,
}

impl Part {
    pub(crate) const ALL: [Self; 5] = [Self::Home, Self::Mail, Self::Names, Self::Desk, Self::Gateway];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Mail => "mail",
            Self::Names => "names",
            Self::Desk => "desk",
            Self::Gateway => "gateway",
        }
    }

    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Home => "the home page",
            Self::Mail => "the mail server",
            Self::Names => "the name server",
            Self::Desk => "the application at the service desk",
            Self::Gateway => "the gateway",
        }
    }

    /// What can be wrong with it, the plainest first.
    pub(crate) const fn faults(self) -> &'static [Fault] {
        match self {
            Self::Home => &[Fault::Down, Fault::Silent, Fault::Error, Fault::Wrong],
            Self::Mail => &[Fault::Down, Fault::Silent, Fault::Refuses, Fault::Greylists],
            Self::Names => &[Fault::Silent, Fault::Error, Fault::Wrong],
            Self::Desk => &[Fault::Down, Fault::Silent, Fault::Wrong],
            Self::Gateway => &[Fault::Silent],
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }
}

impl Fault {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Silent => "silent",
            Self::Error => "error",
            Self::Wrong => "wrong",
            Self::Refuses => "refuses",
            Self::Greylists => "greylists",
        }
    }
}

/// The state of every part. What serves a part looks here before each answer.
#[derive(Debug, Clone)]
pub(crate) struct Town(Arc<[watch::Sender<Option<Fault>>; 5]>);

impl Town {
    /// A town in which everything works.
    pub(crate) fn new() -> Self {
        Self(Arc::new(std::array::from_fn(|_| watch::Sender::new(None))))
    }

    /// What is wrong with a part now.
    pub(crate) fn fault(&self, part: Part) -> Option<Fault> {
        *self.0[part as usize].borrow()
    }

    /// Breaks or mends a part.
    pub(crate) fn set(&self, part: Part, fault: Option<Fault>) {
        self.0[part as usize].send_replace(fault);
    }

    /// Tells of every change of a part.
    pub(crate) fn watch(&self, part: Part) -> watch::Receiver<Option<Fault>> {
        self.0[part as usize].subscribe()
    }
}
