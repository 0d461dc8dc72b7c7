//! What is read of a mail's way.

use crate::mailbox::measures as store;
use crate::measure::{Measure, Unit};
use crate::smtp::measures as smtp;

pub(super) static SENT: Measure = Measure::level("probe_mail_sent", Unit::None, "1 if a server took the mail.");
pub(super) static SIZE: Measure =
    Measure::level("probe_mail_size_bytes", Unit::Bytes, "Size of the mail that is sent.");
pub(super) static ARRIVED: Measure =
    Measure::level("probe_mail_arrived", Unit::None, "1 if the mail was found. Absent where nobody could look.");
pub(super) static DELIVERY: Measure = Measure::level(
    "probe_mail_delivery_seconds",
    Unit::Seconds,
    "Time from the moment a server took the mail until it was found.",
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
pub(super) static HOP_DELAY: Measure = Measure::level(
    "probe_mail_hop_delay_seconds",
    Unit::Seconds,
    "Time between a hop and the one before it, by the servers' clocks; hop 1 is the first after the sender.",
)
.labels(&["hop"]);
pub(super) static HOPS_SKEWED: Measure = Measure::level(
    "probe_mail_hops_skewed",
    Unit::None,
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
pub(super) static SPAM_SCORE: Measure =
    Measure::level("probe_mail_spam_score", Unit::None, "Points that the receiving side's filter gave the mail.");
pub(super) static SPAM_FLAGGED: Measure =
    Measure::level("probe_mail_spam_flagged", Unit::None, "1 if the receiving side's filter marked the mail as spam.");
pub(super) static CONTENT_TEST_OK: Measure =
    Measure::level("probe_mail_content_test_ok", Unit::None, "1 if what filters must stop was stopped.")
        .labels(&["test"]);
pub(super) static BOUNCED: Measure =
    Measure::level("probe_mail_bounced", Unit::None, "1 if a notice said that the mail will not be delivered.");
pub(super) static BOUNCE_STATUS_INFO: Measure =
    Measure::level("probe_mail_bounce_status_info", Unit::Info, "Status code of that notice (RFC 3463).")
        .labels(&["status"]);
pub(super) static DELAY_NOTICES: Measure =
    Measure::level("probe_mail_delay_notices", Unit::None, "Notices that the mail is not delivered yet.");
pub(super) static LATE: Measure = Measure::level(
    "probe_mail_late_messages",
    Unit::None,
    "Mails of earlier runs that this run found: they came after their run had given up.",
);
pub(super) static LATE_AGE: Measure = Measure::level(
    "probe_mail_late_age_seconds",
    Unit::Seconds,
    "Longest time that one of these took at most, from its sending until it was found.",
);
pub(super) static DUPLICATES: Measure =
    Measure::level("probe_mail_duplicate_messages", Unit::None, "How often the mail was found beyond the first time.");
pub(super) static FORGED: Measure = Measure::level(
    "probe_mail_forged_messages",
    Unit::None,
    "Mails with a token of this check that its key did not seal.",
);
pub(super) static UNKNOWN: Measure = Measure::level(
    "probe_mail_unknown_messages",
    Unit::None,
    "Mails with a token of this check from before the agent's start, or forged: without token_key nobody can tell.",
);
pub(super) static RETURNED: Measure =
    Measure::level("probe_mail_late_bounces", Unit::None, "Notices that mails of earlier runs will not be delivered.");
pub(super) static DELETED: Measure =
    Measure::level("probe_mail_deleted_messages", Unit::None, "Mails of the check that this run deleted.");

/// All of them, with what the dialogues read.
pub(super) const ALL: &[&Measure] = &[
    &SENT,
    &SIZE,
    &ARRIVED,
    &DELIVERY,
    &LAG,
    &FOLDER_INFO,
    &JUNK,
    &TOKEN_PRESENT,
    &BODY_INTACT,
    &HEADER_INTACT,
    &HOPS,
    &HOPS_WITHOUT_TLS,
    &HOP_DELAY,
    &HOPS_SKEWED,
    &AUTH_PASS,
    &AUTH_RESULT_INFO,
    &DKIM_LOCAL_PASS,
    &AUTH_LOCAL_PASS,
    &AUTH_LOCAL_RESULT_INFO,
    &SPAM_SCORE,
    &SPAM_FLAGGED,
    &CONTENT_TEST_OK,
    &BOUNCED,
    &BOUNCE_STATUS_INFO,
    &DELAY_NOTICES,
    &LATE,
    &LATE_AGE,
    &DUPLICATES,
    &FORGED,
    &UNKNOWN,
    &RETURNED,
    &DELETED,
    &smtp::MX_RECORDS,
    &smtp::MX_NULL,
    &smtp::MX_IMPLICIT,
    &smtp::REPLY_CODE,
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
