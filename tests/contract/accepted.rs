//! The differences between tuermer and blackbox_exporter 0.23 that are meant.
//!
//! One table: what is not in it fails the differential suite, and so does an entry that nothing needs any more.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use crate::differential::Difference;

/// Why a difference is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Debian's 0.23 is older than the version that tuermer follows.
    Older,
    /// blackbox_exporter crashes, hangs or is plainly wrong here.
    Fix,
    /// A matter of choice.
    Choice,
}

/// One entry.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Ids of the cases, or `*` for all.
    cases: &'static [&'static str],
    /// The series (`name` alone: with any labels), or `status`, `type`, `exit`, or what steps noted.
    subjects: &'static [&'static str],
    reason: Reason,
    /// What differs and why, in words for the README.
    text: &'static str,
}

const fn accepted(
    cases: &'static [&'static str],
    subjects: &'static [&'static str],
    reason: Reason,
    text: &'static str,
) -> Accepted {
    Accepted { cases, subjects, reason, text }
}

/// What goes for many cases.
const COMMON: &[Accepted] = &[
    accepted(&["*"], &["probe_timeout_seconds"], Reason::Older, "`probe_timeout_seconds` is newer than 0.23"),
    accepted(
        &["*"],
        &["probe_ssl_last_chain_info.serialnumber"],
        Reason::Older,
        "the label `serialnumber` of `probe_ssl_last_chain_info` is newer than 0.23",
    ),
    accepted(&["*"], &["probe_tls_cipher_info"], Reason::Older, "`probe_tls_cipher_info` is newer than 0.23"),
];

/// P1 to P35.
const PROCESS: &[Accepted] = &[
    accepted(
        &["P4", "P20", "P26"],
        &["exit"],
        Reason::Older,
        "0.23 loads files with unknown probers, with `HTTP/3.0` among the versions, and with a certificate without a key",
    ),
    accepted(
        &["P24"],
        &["exit"],
        Reason::Fix,
        "`dns`: a module without a section, which names no question, is refused; there every probe of it fails",
    ),
    accepted(
        &["P25", "D4", "D5", "D24"],
        &["exit"],
        Reason::Choice,
        "`dns`: patterns, codes (also none at all) and transports that no probe could succeed with are refused; there every \
         probe fails",
    ),
];

/// A1 to A33.
const API: &[Accepted] = &[
    accepted(
        &["A3"],
        &["status"],
        Reason::Fix,
        "a scrape timeout of `NaN` is refused with 500; blackbox_exporter gives the probe no time and reports the target down",
    ),
    accepted(
        &["A5"],
        &["probe_success", "probe_failed_due_to_regex", "probe_ip_protocol", "probe_ip_addr_hash"],
        Reason::Fix,
        "a scrape timeout equal to the offset leaves the module's timeout; blackbox_exporter gives the probe no time",
    ),
    accepted(
        &["A23"],
        &["status"],
        Reason::Older,
        "`/logs` finds reports by target, too, and answers 400 without a usable number; 0.23 knows numbers only, else 404 or 500",
    ),
    accepted(
        &["A28"],
        &["status"],
        Reason::Older,
        "the prefix without its last slash is answered with 307; in 0.23, of an older Go, with 301",
    ),
];

/// I1 to I10.
const ADDRESSES: &[Accepted] = &[accepted(
    &["I8"],
    &["exit"],
    Reason::Choice,
    "a `preferred_ip_protocol` that is neither `ip4` nor `ip6` is refused when the file is loaded; 0.23 takes it for `ip4`",
)];

/// H1 to H86.
const HTTP: &[Accepted] = &[
    accepted(
        &["H10"],
        &["probe_success", "probe_http_uncompressed_body_length"],
        Reason::Choice,
        "`compression: deflate` is understood with and without the frame of zlib; by blackbox_exporter only without",
    ),
    accepted(
        &["H13"],
        &["probe_http_uncompressed_body_length"],
        Reason::Choice,
        "`compression: zstd` decompresses; blackbox_exporter takes the word and fails every answer",
    ),
    accepted(
        &["H28"],
        &["probe_success", "probe_failed_due_to_regex", "probe_http_uncompressed_body_length"],
        Reason::Choice,
        "`http`: the body of a redirect that is not followed is read if a rule asks for it; blackbox_exporter fails such a rule",
    ),
    accepted(
        &["H32"],
        &["probe_success", "probe_http_status_code"],
        Reason::Older,
        "`http`: a redirect that drops the body drops its `Content-Type` too; 0.23 sends it on",
    ),
    accepted(
        &["H35"],
        &["probe_success", "probe_http_status_code"],
        Reason::Older,
        "`http`: an absolute redirect to the target's own name loses credentials, as in later versions; 0.23 sends them \
         to every host",
    ),
    accepted(
        &["H68"],
        &[
            "probe_success",
            "probe_http_status_code",
            "probe_http_version",
            "probe_http_ssl",
            "probe_http_duration_seconds",
            "probe_ssl_earliest_cert_expiry",
            "probe_ssl_last_chain_expiry_timestamp_seconds",
            "probe_ssl_last_chain_info",
            "probe_tls_version_info",
        ],
        Reason::Fix,
        "`http`: the port in a `Host` header is none of the name that a certificate is verified for",
    ),
    accepted(
        &["H72"],
        &[
            "probe_success",
            "probe_http_status_code",
            "probe_http_version",
            "probe_http_ssl",
            "probe_http_duration_seconds",
            "probe_ip_protocol",
            "probe_ip_addr_hash",
            "probe_ssl_earliest_cert_expiry",
            "probe_ssl_last_chain_expiry_timestamp_seconds",
            "probe_ssl_last_chain_info",
            "probe_tls_version_info",
        ],
        Reason::Older,
        "`http`: a target's scheme may be written in any case; 0.23 takes `HTTP` for a host",
    ),
];

/// T1 to T24.
const TCP: &[Accepted] = &[
    accepted(&["*"], &["probe_failed_due_to_bytes"], Reason::Older, "`probe_failed_due_to_bytes` is newer than 0.23"),
    accepted(
        &["T2", "T3", "T23", "A25", "A28", "A29", "A30", "A32", "I4", "I7", "I10"],
        &["probe_failed_due_to_regex"],
        Reason::Older,
        "`tcp`: `probe_failed_due_to_regex` is there only once the connection is; in 0.23 always",
    ),
    accepted(
        &["T21"],
        &["status"],
        Reason::Fix,
        "`tcp`: a second encrypted channel within the first replaces its metrics; blackbox_exporter drops the connection",
    ),
];

/// D1 to D28.
const DNS: &[Accepted] = &[accepted(
    &["D26"],
    &["probe_dns_duration_seconds{phase=\"connect\"}"],
    Reason::Choice,
    "`dns`: a source address that is none is found in the phase `connect`, which then lasts some microseconds",
)];

/// C1 to C7.
const ICMP: &[Accepted] = &[
    accepted(
        &["C4"],
        &["probe_icmp_duration_seconds{phase=\"setup\"}"],
        Reason::Choice,
        "`icmp`: a `payload_size` that no packet can hold is found before anything is set up, so `setup` is 0",
    ),
    accepted(
        &["C5"],
        &["exit"],
        Reason::Fix,
        "`icmp`: a negative `payload_size` is an error at load; blackbox_exporter loads it and drops the connection",
    ),
];

/// G1 to G12.
const GRPC: &[Accepted] = &[
    accepted(
        &["G2"],
        &[
            "probe_success",
            "probe_ip_protocol",
            "probe_ip_addr_hash",
            "probe_grpc_duration_seconds",
            "probe_grpc_healthcheck_response",
        ],
        Reason::Fix,
        "`grpc`: without a section of its own, too, a module takes either family of addresses; blackbox_exporter takes \
         IPv6 only",
    ),
    accepted(
        &["G9"],
        &["probe_success", "probe_grpc_status_code", "probe_grpc_healthcheck_response"],
        Reason::Fix,
        "`grpc`: the call ends with the timeout, with status 4; blackbox_exporter waits for as long as the server takes",
    ),
    accepted(
        &["G10"],
        &["probe_success", "probe_grpc_status_code", "probe_grpc_healthcheck_response"],
        Reason::Fix,
        "`grpc`: an IPv6 address is a target; blackbox_exporter finds no way to it",
    ),
    accepted(
        &["G1", "G2", "G3", "G4", "G6", "G7", "G9", "G10", "G11", "G12"],
        &["probe_ssl_earliest_cert_expiry"],
        Reason::Older,
        "`grpc`: `probe_ssl_earliest_cert_expiry` is there only for a call over TLS that succeeded; in 0.23 always, else 0",
    ),
];

/// The table.
fn entries() -> impl Iterator<Item = &'static Accepted> {
    [COMMON, PROCESS, API, ADDRESSES, HTTP, TCP, DNS, ICMP, GRPC].into_iter().flatten()
}

/// How often each entry was needed, by its text.
static USED: Mutex<BTreeMap<&'static str, usize>> = Mutex::new(BTreeMap::new());

impl Accepted {
    fn covers(&self, difference: &Difference) -> bool {
        let subject = difference.subject.as_str();
        let metric = subject.split('{').next().unwrap_or(subject);
        self.cases.iter().any(|id| *id == "*" || *id == difference.id)
            && self.subjects.iter().any(|wanted| *wanted == subject || *wanted == metric)
    }
}

/// Whether there is an entry for a difference.
pub(crate) fn is_covered(difference: &Difference) -> bool {
    entries().any(|entry| entry.covers(difference))
}

/// Whether a difference is meant; notes that its entry is needed.
pub(crate) fn is_accepted(difference: &Difference) -> bool {
    let Some(entry) = entries().find(|entry| entry.covers(difference)) else { return false };
    *USED.lock().unwrap_or_else(PoisonError::into_inner).entry(entry.text).or_default() += 1;
    true
}

/// Entries that nothing needed.
pub(crate) fn unused() -> Vec<String> {
    let used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    let unused = entries().filter(|entry| !used.contains_key(entry.text));
    unused.map(|entry| format!("{:?} {:?}: {}", entry.cases, entry.subjects, entry.text)).collect()
}

/// How many differences were accepted.
pub(crate) fn used() -> usize {
    USED.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
}

/// The table for the README.
pub(crate) fn table() -> String {
    let mut text = "| tuermer | why | cases |\n|---|---|---|\n".to_owned();
    for entry in entries() {
        let reason = match entry.reason {
            Reason::Older => "0.23 is older",
            Reason::Fix => "mended",
            Reason::Choice => "chosen",
        };
        let cases = if entry.cases == ["*"] { "all".to_owned() } else { entry.cases.join(", ") };
        let _ = writeln!(text, "| {} | {reason} | {cases} |", entry.text);
    }
    text
}
