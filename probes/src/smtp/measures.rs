//! What is read off mail servers.

use crate::mail_policy::measures as policy;
use crate::measure::{Measure, Unit};

pub(crate) static MX_RECORDS: Measure =
    Measure::level("probe_mail_mx_records", Unit::None, "MX records of the domain; 0 if it has none.");
pub(crate) static MX_NULL: Measure =
    Measure::level("probe_mail_mx_null", Unit::None, "1 if the domain says by a null MX that it takes no mail.");
pub(crate) static MX_IMPLICIT: Measure =
    Measure::level("probe_mail_mx_implicit", Unit::None, "1 if the domain has no MX and its own address stands in.");
pub(crate) static MX_USABLE: Measure = Measure::level(
    "probe_mail_mx_usable",
    Unit::None,
    "Mail hosts of the domain of which at least one server would have taken the message.",
);
pub(crate) static MX_PREFERENCE: Measure =
    Measure::level("probe_smtp_mx_preference", Unit::None, "Preference of the server's MX record; lower comes first.");

pub(crate) static SERVERS: Measure = Measure::level(
    "probe_smtp_servers",
    Unit::None,
    "Servers that could be asked: each mail host at each of its addresses.",
);
pub(crate) static SERVERS_ACCEPTING: Measure =
    Measure::level("probe_smtp_servers_accepting", Unit::None, "Servers that would have taken the message.");
pub(crate) static DELIVERABLE: Measure =
    Measure::level("probe_mail_deliverable", Unit::None, "1 if at least one server would have taken the message.");
pub(crate) static SERVER_SUCCESS: Measure =
    Measure::level("probe_smtp_server_success", Unit::None, "1 if this server would have taken the message.");
pub(crate) static SERVER_FAILURE_INFO: Measure =
    Measure::level("probe_smtp_server_failure_info", Unit::Info, "Why this server would not have taken the message.")
        .labels(&["reason", "phase"]);

pub(crate) static REPLY_CODE: Measure =
    Measure::level("probe_smtp_reply_code", Unit::None, "Code of the last reply to a command.").labels(&["command"]);
pub(crate) static REPLIES: Measure = Measure::total(
    "probe_smtp_replies_total",
    "Replies to a command, by code; codes that no standard has are 2xx, 3xx, 4xx, 5xx or other.",
)
.labels(&["command", "code"]);
pub(crate) static ENHANCED_STATUS_INFO: Measure =
    Measure::level("probe_smtp_enhanced_status_info", Unit::Info, "Enhanced status code of a reply to a command.")
        .labels(&["command", "status"]);
pub(crate) static CAPABILITY: Measure = Measure::level(
    "probe_smtp_capability",
    Unit::None,
    "1 if the server offers the capability, before or after the encrypted channel was there.",
)
.labels(&["capability", "tls"]);
pub(crate) static AUTH_MECHANISM_INFO: Measure =
    Measure::level("probe_smtp_auth_mechanism_info", Unit::Info, "A way to log in that the server offers.")
        .labels(&["mechanism", "tls"]);
pub(crate) static MAX_SIZE: Measure = Measure::level(
    "probe_smtp_max_size_bytes",
    Unit::Bytes,
    "Largest message the server takes, as it says; 0: no fixed limit.",
);
pub(crate) static STARTTLS_OFFERED: Measure =
    Measure::level("probe_smtp_starttls_offered", Unit::None, "1 if the server offers STARTTLS.");
pub(crate) static RCPT_ACCEPTED: Measure =
    Measure::level("probe_smtp_rcpt_accepted", Unit::None, "1 if the server accepted every recipient.");
pub(crate) static GREYLISTED: Measure = Measure::level(
    "probe_smtp_greylisted",
    Unit::None,
    "1 if the server asked to come back later because it does not know the sender yet.",
);
pub(crate) static GREYLIST_PENDING: Measure = Measure::level(
    "probe_smtp_greylist_pending_seconds",
    Unit::Seconds,
    "How long the server has been asking to come back later so far, over runs; 0 if it does not.",
);
pub(crate) static GREYLIST_EVENTS: Measure =
    Measure::total("probe_smtp_greylist_events_total", "How often the server asked to come back later.");
pub(crate) static GREYLIST_DELAY: Measure = Measure::distribution(
    "probe_smtp_greylist_delay_seconds",
    Unit::Seconds,
    &[1.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0],
    "How long the server made wait that had asked to come back later, from the first try to the one it took. At most one \
     interval too long.",
);
pub(crate) static GREYLIST_LAST_DELAY: Measure =
    Measure::lasting("probe_smtp_greylist_last_delay_seconds", Unit::Seconds, "The last of these waits.");

pub(crate) static AUTH_OK: Measure =
    Measure::level("probe_smtp_auth_ok", Unit::None, "1 if the server let the user in.").labels(&["mechanism"]);
pub(crate) static BAD_AUTH_REJECTED: Measure =
    Measure::level("probe_smtp_bad_auth_rejected", Unit::None, "1 if the server refused a wrong password.");
pub(crate) static INVALID_RCPT_REJECTED: Measure = Measure::level(
    "probe_smtp_invalid_rcpt_rejected",
    Unit::None,
    "1 if the server refused a recipient who does not exist.",
);
pub(crate) static OPEN_RELAY: Measure = Measure::level(
    "probe_smtp_open_relay",
    Unit::None,
    "1 if the server would have taken a stranger's message for somebody elsewhere.",
);

pub(crate) static STARTTLS_STRIPPED: Measure = Measure::level(
    "probe_smtp_starttls_stripped",
    Unit::None,
    "1 if the server does not offer STARTTLS though its TLSA records or the MTA-STS policy ask for it: somebody on the \
     way may have taken it out. Absent where neither does.",
);
pub(crate) static TLS_VERIFIED: Measure = Measure::level(
    "probe_tls_verified",
    Unit::None,
    "1 if the encryption holds by this method (webpki, dane, mta_sts), 0 if not. Absent where the method does not apply \
     or nothing is known.",
)
.labels(&["method"]);
pub(crate) static DANE_RECORDS: Measure =
    Measure::level("probe_dane_tlsa_records", Unit::None, "TLSA records of the mail host at the server's port.");
pub(crate) static DANE_USABLE: Measure =
    Measure::level("probe_dane_tlsa_usable", Unit::None, "Of these, records that mail servers can use.");
pub(crate) static DANE_SECURE: Measure = Measure::level(
    "probe_dane_dnssec_secure",
    Unit::None,
    "1 if the TLSA records, the addresses of the host and the MX record that names it are verified (DNSSEC). Absent if \
     that is not known.",
);
pub(crate) static DANE_MATCH: Measure = Measure::level(
    "probe_dane_match",
    Unit::None,
    "Of the usable TLSA records, those that mean a certificate which the server shows now.",
);
pub(crate) static MTA_STS_MX_MATCH: Measure =
    Measure::level("probe_mta_sts_mx_match", Unit::None, "1 if the MTA-STS policy names the mail host.");

/// All of them.
pub(crate) const ALL: &[&Measure] = &[
    &MX_RECORDS,
    &MX_NULL,
    &MX_IMPLICIT,
    &MX_USABLE,
    &MX_PREFERENCE,
    &SERVERS,
    &SERVERS_ACCEPTING,
    &DELIVERABLE,
    &SERVER_SUCCESS,
    &SERVER_FAILURE_INFO,
    &REPLY_CODE,
    &REPLIES,
    &ENHANCED_STATUS_INFO,
    &CAPABILITY,
    &AUTH_MECHANISM_INFO,
    &MAX_SIZE,
    &STARTTLS_OFFERED,
    &RCPT_ACCEPTED,
    &GREYLISTED,
    &GREYLIST_PENDING,
    &GREYLIST_EVENTS,
    &GREYLIST_DELAY,
    &GREYLIST_LAST_DELAY,
    &STARTTLS_STRIPPED,
    &TLS_VERIFIED,
    &DANE_RECORDS,
    &DANE_USABLE,
    &DANE_SECURE,
    &DANE_MATCH,
    &MTA_STS_MX_MATCH,
    &policy::MTA_STS_RECORD_VALID,
    &policy::MTA_STS_POLICY_VALID,
    &policy::MTA_STS_INFO,
    &policy::MTA_STS_MODE,
    &policy::MTA_STS_MAX_AGE,
    &AUTH_OK,
    &BAD_AUTH_REJECTED,
    &INVALID_RCPT_REJECTED,
    &OPEN_RELAY,
];
