//! Probes: one question put to one service, answered with a report.
//!
//! ```text
//!             + settings        + target            + net, timeout
//!    Kind ─────────────▶ Module ──────▶ BoxProbe ────────────────▶ Report
//!                                          │ writes while running
//!                                          ▼
//!                                      Recorder: phase · step · reading · note
//! ```
//!
//! Every file here is framework and every folder a protocol (`net` and `testkit` excepted). This crate knows no
//! schedule, no metric format and no file.

mod arrival;
mod bounded;
mod dane;
mod dns;
mod dnsbl;
mod failure;
mod grpc;
mod http;
mod icmp;
pub mod inbox;
mod mail;
#[cfg(test)]
mod mail_parameters;
mod mail_policy;
mod mailbox;
mod measure;
mod memory;
pub mod net;
mod pattern;
mod pattern_class;
mod pattern_scan;
mod pattern_syntax;
#[cfg(test)]
mod pattern_table;
mod phase;
mod probe;
mod recorder;
mod report;
mod sasl;
mod scram;
mod secret;
pub mod settings;
mod smtp;
mod target;
mod tcp;
mod terms;
#[cfg(any(test, feature = "testkit"))]
#[expect(clippy::disallowed_methods, reason = "peers run beside the probe that is tested")]
pub mod testkit;
mod tls;
mod unix;
mod watch;
mod websocket;

pub use failure::{Class, Failure, MESSAGE_BYTES_MAX, Reason, shown};
#[cfg(any(test, fuzzing))]
pub use mail::fuzzing as mail_readers;
pub use measure::{Label, Measure, Reading, Shape, Unit};
pub use memory::Memory;
pub use pattern::{Groups, Pattern};
pub use phase::Phase;
pub use probe::{Awaited, BoxProbe, Kind, Mailing, Module, Probe};
pub use recorder::{NOTE_BYTES_MAX, NOTES_MAX, Recorder};
pub use report::{Lap, NoteKind, Notes, Outcome, Report, Verdict};
pub use secret::{Secret, SecretPath, names_secrets};
pub use target::{HostPort, Invalid, Target, hide_password, host_name, port_number};
pub use terms::{Limits, PhaseLimits, Terms};

/// Every kind there is: one line for a protocol.
pub static KINDS: &[Kind] = &[
    Kind::of::<arrival::Arrival>(),
    Kind::of::<dns::Dns>(),
    Kind::of::<dnsbl::Dnsbl>(),
    Kind::of::<grpc::Grpc>(),
    Kind::of::<http::Http>(),
    Kind::of::<icmp::Icmp>(),
    Kind::of::<mail::Mail>(),
    Kind::of::<mail_policy::MailPolicy>(),
    Kind::of::<mailbox::Mailbox>(),
    Kind::of::<smtp::Smtp>(),
    Kind::of::<tcp::Tcp>(),
    Kind::of::<tls::Tls>(),
    Kind::of::<unix::Unix>(),
    Kind::of::<websocket::Websocket>(),
];

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
