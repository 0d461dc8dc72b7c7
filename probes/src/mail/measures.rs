//! What is read of a mail's way.

use crate::mailbox::measures as store;
use crate::measure::{Measure, Unit};
use crate::smtp::measures as smtp;

/// Bounds of what a mail takes, in seconds. Chosen: from a mail server in the next room to one that tries again for hours.
const DELIVERY_BOUNDS: &[f64] =
    &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0];
/// Bounds of a hop's delay in seconds, which servers tell to the second.
const HOP_BOUNDS: &[f64] = &[1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

// In OpenMetrics a counter's family is called as the counter without `_total`: no gauge may be called so.

pub(super) static SUBMITTED: Measure = Measure::level(
    "probe_mail_submitted",
    Unit::None,
    "1 if a server took the mail: it said so or, where no reply came, the mail or a notice about it was found. Otherwise 0.",
);
pub(super) static SENT: Measure = Measure::total("probe_mail_sent_total", "Mails that a server took.");
pub(super) static SEND_FAILURES: Measure = Measure::total(
    "probe_mail_send_failures_total",
    "Mails that no server took, by phase and reason; also those without a reply that were not found.",
)
.labels(&["phase", "reason"]);
pub(super) static SIZE: Measure =
    Measure::level("probe_mail_size_bytes", Unit::Bytes, "Size of the mail that is sent.");
pub(super) static ARRIVED: Measure = Measure::level(
    "probe_mail_arrived",
    Unit::None,
    "1 if the mail was found. Absent where nobody could look, and where no server took it.",
);
pub(super) static RECEIVED: Measure =
    Measure::total("probe_mail_received_total", "Mails that were found by the run that sent them.");
pub(super) static LAST_RECEIVED: Measure = Measure::lasting(
    "probe_mail_last_received_timestamp_seconds",
    Unit::Timestamp,
    "When a mail was found last by the run that sent it.",
);
pub(super) static LOST: Measure = Measure::total(
    "probe_mail_lost_total",
    "Mails that a server took and the run that sent them did not find, and nobody said why. Those that come later are late, too.",
);
pub(super) static LAST_DELIVERY: Measure = Measure::level(
    "probe_mail_last_delivery_seconds",
    Unit::Seconds,
    "Time from the moment a server took the mail (without a reply: had all of it) until it was found.",
);
pub(super) static DELIVERY: Measure = Measure::distribution(
    "probe_mail_delivery_seconds",
    Unit::Seconds,
    DELIVERY_BOUNDS,
    "Time from the moment a server took a mail until it was found; of late ones, from its sending at most.",
);
pub(super) static LAG: Measure = Measure::level(
    "probe_mail_detection_lag_seconds",
    Unit::Seconds,
    "Part of the delivery during which the mail lay in the mailbox already, by the clock of the mail store.",
);
pub(super) static FOLDER_INFO: Measure =
    Measure::level("probe_mail_folder_info", Unit::Info, "Where the mail was found: inbox, junk or other.")
        .labels(&["folder"]);
pub(super) static JUNK: Measure = Measure::level("probe_mail_junk", Unit::None, "1 if the mail was found among junk.");
pub(super) static TOKEN_PRESENT: Measure = Measure::level(
    "probe_mail_token_present",
    Unit::None,
    "1 if the token still stands in this place of the mail: message_id, header, subject or body.",
)
.labels(&["place"]);
pub(super) static BODY_INTACT: Measure =
    Measure::level("probe_mail_body_intact", Unit::None, "1 if the body arrived as it was sent.");
pub(super) static HEADER_INTACT: Measure =
    Measure::level("probe_mail_header_intact", Unit::None, "1 if the header arrived as it was sent.")
        .labels(&["header"]);
pub(super) static HOPS: Measure =
    Measure::level("probe_mail_hops", Unit::None, "Servers that wrote themselves into the mail (Received).");
pub(super) static HOPS_WITHOUT_TLS: Measure = Measure::level(
    "probe_mail_hops_without_tls",
    Unit::None,
    "Hops between machines without encryption, as the servers say.",
);
pub(super) static LAST_HOP_DELAY: Measure = Measure::level(
    "probe_mail_last_hop_delay_seconds",
    Unit::Seconds,
    "Time between a hop and the one before it, by the servers' clocks; hop 1 is the first after the sender.",
)
.labels(&["hop"]);
pub(super) static HOP_DELAY: Measure = Measure::distribution(
    "probe_mail_hop_delay_seconds",
    Unit::Seconds,
    HOP_BOUNDS,
    "Times between hops and those before them, where the servers' clocks agree.",
)
.labels(&["hop"]);
pub(super) static HOP_SKEW: Measure = Measure::total(
    "probe_mail_hop_skew_total",
    "Hops that were earlier than the one before, by the servers' clocks: those disagree.",
);
pub(super) static AUTH_PASS: Measure = Measure::level(
    "probe_mail_auth_pass",
    Unit::None,
    "1 if a trusted server found that spf, dkim, dmarc or arc passes.",
)
.labels(&["method"]);
pub(super) static AUTH_RESULT_INFO: Measure =
    Measure::level("probe_mail_auth_result_info", Unit::Info, "What a trusted server found by this method.")
        .labels(&["method", "result"]);
pub(super) static DKIM_LOCAL_PASS: Measure = Measure::level(
    "probe_mail_dkim_local_pass",
    Unit::None,
    "1 if the probe itself found a good DKIM signature on the mail that arrived.",
);
pub(super) static AUTH_LOCAL_PASS: Measure = Measure::level(
    "probe_mail_auth_local_pass",
    Unit::None,
    "1 if the probe itself found that spf, dmarc or arc passes.",
)
.labels(&["method"]);
pub(super) static AUTH_LOCAL_RESULT_INFO: Measure =
    Measure::level("probe_mail_auth_local_result_info", Unit::Info, "What the probe itself found by this method.")
        .labels(&["method", "result"]);
pub(super) static AUTH_RESULTS: Measure =
    Measure::total("probe_mail_auth_results_total", "What trusted servers found by this method, by result.")
        .labels(&["method", "result"]);
pub(super) static SPAM_SCORE: Measure =
    Measure::level("probe_mail_spam_score", Unit::None, "Points that the receiving side's filter gave the mail.");
pub(super) static SPAM_FLAGGED: Measure =
    Measure::level("probe_mail_spam_flagged", Unit::None, "1 if the receiving side's filter marked the mail as spam.");
pub(super) static CONTENT_TEST_OK: Measure =
    Measure::level("probe_mail_content_test_ok", Unit::None, "1 if what filters must stop was stopped.")
        .labels(&["test"]);
pub(super) static RETURNED: Measure =
    Measure::level("probe_mail_returned", Unit::None, "1 if a notice said that the mail will not be delivered.");
pub(super) static BOUNCED: Measure = Measure::total(
    "probe_mail_bounced_total",
    "Notices that a mail will not be delivered, also one of an earlier run, by the first digit of the status or none.",
)
.labels(&["status_class"]);
pub(super) static BOUNCE_STATUS_INFO: Measure =
    Measure::level("probe_mail_bounce_status_info", Unit::Info, "Status code of that notice (RFC 3463).")
        .labels(&["status"]);
pub(super) static DELAY_NOTICES: Measure =
    Measure::total("probe_mail_delay_notices_total", "Notices that a mail is not delivered yet.");
pub(super) static LATE: Measure = Measure::total(
    "probe_mail_late_total",
    "Mails of earlier runs that were found: they came after their run had given up.",
);
pub(super) static LATE_AGE: Measure = Measure::level(
    "probe_mail_late_age_seconds",
    Unit::Seconds,
    "Longest time that one of these took at most, from its sending until it was found.",
);
pub(super) static DUPLICATE: Measure =
    Measure::total("probe_mail_duplicate_total", "How often mails were found beyond the first time.");
pub(super) static FORGED: Measure =
    Measure::total("probe_mail_forged_total", "Mails with a token of this check that its key did not seal.");
pub(super) static UNKNOWN: Measure = Measure::total(
    "probe_mail_unknown_total",
    "Mails with a token of this check from before the agent's start, or forged: without token_key nobody can tell.",
);
pub(super) static DELETED: Measure =
    Measure::total("probe_mail_deleted_total", "Mails of the check that its runs deleted.");

/// All of them, with what the dialogues read.
pub(super) const ALL: &[&Measure] = &[
    &SUBMITTED,
    &SENT,
    &SEND_FAILURES,
    &SIZE,
    &ARRIVED,
    &RECEIVED,
    &LAST_RECEIVED,
    &LOST,
    &LAST_DELIVERY,
    &DELIVERY,
    &LAG,
    &FOLDER_INFO,
    &JUNK,
    &TOKEN_PRESENT,
    &BODY_INTACT,
    &HEADER_INTACT,
    &HOPS,
    &HOPS_WITHOUT_TLS,
    &LAST_HOP_DELAY,
    &HOP_DELAY,
    &HOP_SKEW,
    &AUTH_PASS,
    &AUTH_RESULT_INFO,
    &DKIM_LOCAL_PASS,
    &AUTH_LOCAL_PASS,
    &AUTH_LOCAL_RESULT_INFO,
    &AUTH_RESULTS,
    &SPAM_SCORE,
    &SPAM_FLAGGED,
    &CONTENT_TEST_OK,
    &RETURNED,
    &BOUNCED,
    &BOUNCE_STATUS_INFO,
    &DELAY_NOTICES,
    &LATE,
    &LATE_AGE,
    &DUPLICATE,
    &FORGED,
    &UNKNOWN,
    &DELETED,
    &smtp::MX_RECORDS,
    &smtp::MX_NULL,
    &smtp::MX_IMPLICIT,
    &smtp::REPLY_CODE,
    &smtp::REPLIES,
    &smtp::ENHANCED_STATUS_INFO,
    &smtp::CAPABILITY,
    &smtp::AUTH_MECHANISM_INFO,
    &smtp::MAX_SIZE,
    &smtp::STARTTLS_OFFERED,
    &smtp::RCPT_ACCEPTED,
    &smtp::AUTH_OK,
    &store::LOGIN_OK,
    &store::CAPABILITY,
];
