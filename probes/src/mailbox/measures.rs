//! What is read of a mail store.

use crate::measure::{Measure, Unit};

pub(crate) static LOGIN_OK: Measure =
    Measure::level("probe_mailbox_login_ok", Unit::None, "1 if the store let the user in.");
pub(crate) static CAPABILITY: Measure = Measure::level(
    "probe_mailbox_capability_info",
    Unit::Info,
    "Something the store can do, said before or after the channel was encrypted.",
)
.labels(&["capability", "tls"]);
pub(crate) static MESSAGES: Measure =
    Measure::level("probe_mailbox_messages", Unit::None, "Messages in the folder, or in the mailbox of POP3.");
pub(crate) static UNSEEN: Measure =
    Measure::level("probe_mailbox_unseen", Unit::None, "Messages in the folder that nobody has read.");
pub(crate) static SIZE: Measure =
    Measure::level("probe_mailbox_size_bytes", Unit::Bytes, "Size of the messages, if the store tells it.");
pub(crate) static QUOTA_USED: Measure =
    Measure::level("probe_mailbox_quota_used_bytes", Unit::Bytes, "Storage that is used, of what the quota allows.");
pub(crate) static QUOTA_LIMIT: Measure =
    Measure::level("probe_mailbox_quota_limit_bytes", Unit::Bytes, "Storage that the quota allows.");
pub(crate) static QUOTA_RATIO: Measure = Measure::level(
    "probe_mailbox_quota_used_ratio",
    Unit::None,
    "Part of the quota that is used: of storage or of messages, whichever is nearer its end.",
);
pub(crate) static SCRIPTS: Measure =
    Measure::level("probe_mailbox_sieve_scripts", Unit::None, "Filter scripts of the user.");
pub(crate) static SCRIPTS_ACTIVE: Measure =
    Measure::level("probe_mailbox_sieve_scripts_active", Unit::None, "Filter scripts that are active: one or none.");

/// All of them.
pub(crate) const ALL: &[&Measure] = &[
    &LOGIN_OK,
    &CAPABILITY,
    &MESSAGES,
    &UNSEEN,
    &SIZE,
    &QUOTA_USED,
    &QUOTA_LIMIT,
    &QUOTA_RATIO,
    &SCRIPTS,
    &SCRIPTS_ACTIVE,
];
