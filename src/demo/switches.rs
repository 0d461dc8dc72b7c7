//! What can be broken in the town, and what the checks then say: one table for the page, the help and the test.

use std::fmt::Write as _;

use tuermer_probes::Reason;

use crate::demo::town::{Fault, Part};

/// The names of the demo's checks.
pub(super) mod check {
    pub(in crate::demo) const HOME: &str = "home page";
    pub(in crate::demo) const MAIL: &str = "mail server";
    pub(in crate::demo) const TRIP: &str = "mail round trip";
    pub(in crate::demo) const NAMES: &str = "name server";
    pub(in crate::demo) const DESK: &str = "service desk";
    pub(in crate::demo) const GATEWAY: &str = "gateway";
}

/// The names of the demo's checks.
pub const CHECKS: [&str; 6] = [check::HOME, check::MAIL, check::TRIP, check::NAMES, check::DESK, check::GATEWAY];

/// A way to break a part.
#[derive(Debug, Clone, Copy)]
pub struct Switch {
    /// The part.
    pub part: Part,
    /// What is wrong with it then.
    pub fault: Fault,
    /// What that means, in a few words.
    pub about: &'static str,
    /// What the checks say of it.
    pub signs: &'static [(&'static str, Sign)],
}

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sign {
    /// It does not pass, for this reason, in this phase.
    Fails(Reason, &'static str),
    /// It has this reading of at least so much.
    Reads(&'static str, f64),
}

use Fault::{
    Alters, Doubles, Down, Error, Forges, Full, Greylists, Held, Junks, Late, Locked, Refuses, Rejects, Silent, Slow,
    Wrong,
};
use Sign::{Fails, Reads};

const fn switch(part: Part, fault: Fault, about: &'static str, signs: &'static [(&'static str, Sign)]) -> Switch {
    Switch { part, fault, about, signs }
}

/// Everything that can be broken. Of each part the plainest comes first.
pub const SWITCHES: &[Switch] = &[
    switch(Part::Home, Down, "nobody listens", &[(check::HOME, Fails(Reason::ConnectRefused, "connect"))]),
    switch(
        Part::Home,
        Silent,
        "takes the request and says nothing",
        &[(check::HOME, Fails(Reason::Timeout, "processing"))],
    ),
    switch(Part::Home, Error, "answers 503", &[(check::HOME, Fails(Reason::StatusUnexpected, "check"))]),
    switch(Part::Home, Wrong, "answers with another page", &[(check::HOME, Fails(Reason::BodyUnexpected, "check"))]),
    switch(
        Part::Mail,
        Down,
        "nobody listens",
        &[
            (check::MAIL, Fails(Reason::ConnectRefused, "connect")),
            (check::TRIP, Fails(Reason::ConnectRefused, "connect")),
        ],
    ),
    switch(
        Part::Mail,
        Silent,
        "takes the connection and says nothing",
        &[(check::MAIL, Fails(Reason::Timeout, "greeting")), (check::TRIP, Fails(Reason::Timeout, "greeting"))],
    ),
    switch(Part::Mail, Locked, "refuses the password", &[(check::TRIP, Fails(Reason::AuthRefused, "auth"))]),
    switch(
        Part::Mail,
        Refuses,
        "refuses every recipient",
        &[
            (check::MAIL, Fails(Reason::RecipientRefused, "rcpt")),
            (check::TRIP, Fails(Reason::RecipientRefused, "rcpt")),
        ],
    ),
    switch(
        Part::Mail,
        Greylists,
        "asks to come back later",
        &[(check::MAIL, Fails(Reason::Greylisted, "rcpt")), (check::TRIP, Fails(Reason::Greylisted, "rcpt"))],
    ),
    switch(
        Part::Mail,
        Rejects,
        "refuses the mail once it has heard it",
        &[(check::TRIP, Fails(Reason::Rejected, "data"))],
    ),
    switch(
        Part::Queue,
        Held,
        "keeps every mail until it is mended",
        &[(check::TRIP, Fails(Reason::MailMissing, "transit"))],
    ),
    switch(
        Part::Queue,
        Late,
        "keeps every mail longer than a run waits: the next one finds it",
        &[(check::TRIP, Fails(Reason::MailMissing, "transit")), (check::TRIP, Reads("probe_mail_late_total", 1.0))],
    ),
    switch(
        Part::Queue,
        Slow,
        "keeps every mail for two seconds: they arrive, and one hop has a delay",
        &[
            (check::TRIP, Reads("probe_mail_last_delivery_seconds", 1.5)),
            (check::TRIP, Reads("probe_mail_last_hop_delay_seconds", 1.0)),
        ],
    ),
    switch(Part::Filter, Junks, "files every mail as junk", &[(check::TRIP, Fails(Reason::MailJunked, "retrieval"))]),
    switch(
        Part::Filter,
        Alters,
        "writes a line below every mail",
        &[(check::TRIP, Fails(Reason::MailAltered, "retrieval"))],
    ),
    switch(
        Part::Filter,
        Doubles,
        "delivers every mail twice",
        &[(check::TRIP, Reads("probe_mail_duplicate_total", 1.0))],
    ),
    switch(
        Part::Filter,
        Forges,
        "adds a copy with a seal of its own",
        &[(check::TRIP, Reads("probe_mail_forged_total", 1.0))],
    ),
    switch(Part::Store, Down, "nobody listens", &[(check::TRIP, Fails(Reason::MailUnseen, "connect"))]),
    switch(
        Part::Store,
        Silent,
        "takes the connection and says nothing",
        &[(check::TRIP, Fails(Reason::MailUnseen, "greeting"))],
    ),
    switch(Part::Store, Locked, "refuses the password", &[(check::TRIP, Fails(Reason::MailUnseen, "login"))]),
    switch(
        Part::Store,
        Full,
        "has no room: every mail is sent back with status 5.2.2",
        &[(check::TRIP, Fails(Reason::Bounced, "transit")), (check::TRIP, Reads("probe_mail_bounce_status_info", 1.0))],
    ),
    switch(Part::Names, Silent, "says nothing", &[(check::NAMES, Fails(Reason::Timeout, "request"))]),
    switch(Part::Names, Error, "answers SERVFAIL", &[(check::NAMES, Fails(Reason::RcodeUnexpected, "request"))]),
    switch(Part::Names, Wrong, "answers NXDOMAIN", &[(check::NAMES, Fails(Reason::RcodeUnexpected, "request"))]),
    switch(Part::Desk, Down, "nobody listens", &[(check::DESK, Fails(Reason::ConnectRefused, "connect"))]),
    switch(
        Part::Desk,
        Silent,
        "takes the connection and says nothing",
        &[(check::DESK, Fails(Reason::Timeout, "exchange"))],
    ),
    switch(Part::Desk, Wrong, "greets with a fault", &[(check::DESK, Fails(Reason::AnswerUnexpected, "exchange"))]),
    switch(Part::Gateway, Silent, "loses every packet", &[(check::GATEWAY, Fails(Reason::Timeout, "rtt"))]),
];

impl Part {
    /// How it can be broken.
    pub(super) fn switches(self) -> impl Iterator<Item = &'static Switch> {
        SWITCHES.iter().filter(move |switch| switch.part == self)
    }
}

impl Switch {
    /// What the checks say of it, each in a few words.
    fn signs_in_words(&self) -> impl Iterator<Item = String> {
        self.signs.iter().map(|(check, sign)| match sign {
            Fails(reason, phase) => format!("{check}: {reason} in {phase}"),
            Reads(reading, _) => format!("{check}: {reading}"),
        })
    }

    /// What is wrong and how it is seen.
    pub(super) fn story(&self) -> String {
        let signs: Vec<String> = self.signs_in_words().collect();
        format!("{}; {}", self.about, signs.join(", "))
    }
}

/// The parts and what can be wrong with them, for the help on the command line.
pub fn help() -> String {
    let mut text = String::from("What can be broken, and what the checks then say:\n");
    for switch in SWITCHES {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {:<7} {:<9} {}", switch.part.name(), switch.fault.name(), switch.about);
        for sign in switch.signs_in_words() {
            let _ = write!(text, "\n{:22}{sign}", "");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use tuermer_probes::KINDS;

    use super::*;

    #[test]
    fn every_part_can_be_broken_and_every_check_says_something() {
        assert!(Part::ALL.into_iter().all(|part| part.switches().next().is_some()));
        let of_check = |check: &str| SWITCHES.iter().flat_map(|switch| switch.signs).any(|(known, _)| *known == check);
        assert!(CHECKS.into_iter().all(of_check));
    }

    #[test]
    fn signs_are_readings_and_phases_that_there_are() {
        let readings: Vec<&str> = KINDS.iter().flat_map(|kind| kind.measures).map(|measure| measure.name).collect();
        let phases: Vec<&str> = KINDS.iter().flat_map(|kind| kind.phases).map(|phase| phase.name()).collect();
        for (_, sign) in SWITCHES.iter().flat_map(|switch| switch.signs) {
            match sign {
                Fails(_, phase) => assert!(phases.contains(phase), "{phase}"),
                Reads(reading, _) => assert!(readings.contains(reading), "{reading}"),
            }
        }
    }
}
