//! What stands between the sender and the mailbox: filters that refuse, mark, file and rewrite, and addresses that are
//! gone.

use crate::daemon::office::Office;
use crate::daemon::rspamd::Rspamd;
use crate::round_trip::{Door, agent};
use crate::trip::{assert_failed, first_run, success, values};

/// Marks every mail as spam, as filters do.
const MARKED: &str = "header_checks = regexp:{ {/^X-Tuermer-Token:/ PREPEND X-Spam-Score: 12.3} }";
/// The mailbox's own filter goes by the mark.
const FILED_BY_MARK: &str = "require \"fileinto\";
if header :contains \"X-Spam-Score\" \"12\" { fileinto \"Junk\"; }
";

#[tokio::test]
async fn a_filter_that_refuses_what_it_must_stop_passes_its_test() {
    let Some(rspamd) = Rspamd::start() else { return };
    let Some(office) = Office::start(&rspamd.settings()) else { return };
    let metrics = first_run(&agent(&office, Door::Stranger, 30, "clerk", "content: gtube")).await;
    let logs = || format!("{metrics:?}\n{}\n{}", rspamd.log(), office.postfix.log());
    assert_eq!(success(&metrics), Some(1.0), "{}", logs());
    assert_eq!(values(&metrics, ["submitted", "arrived"]), [Some(0.0), None], "{}", logs());
    let stopped = metrics.find("probe_mail_content_test_ok", &[r#"test="gtube""#]);
    assert_eq!(stopped.map(|(_, value)| value), Some(1.0), "{}", logs());

    // Everything else it lets pass.
    let metrics = first_run(&agent(&office, Door::Stranger, 30, "clerk", "")).await;
    assert_eq!(success(&metrics), Some(1.0), "{metrics:?}\n{}", rspamd.log());
    assert_eq!(values(&metrics, ["submitted", "arrived", "junk"]), [1.0, 1.0, 0.0].map(Some), "{metrics:?}");
}

#[tokio::test]
async fn a_filter_that_marks_a_mail_sends_it_to_junk() {
    let Some(office) = Office::start(MARKED) else { return };
    office.dovecot.filter("clerk", FILED_BY_MARK);
    let metrics = first_run(&agent(&office, Door::Stranger, 15, "clerk", "")).await;
    assert_failed(&metrics, "fetch", "retrieval", "mail_junked", &office);
    assert_eq!(values(&metrics, ["arrived", "junk", "spam_score"]), [1.0, 1.0, 12.3].map(Some), "{metrics:?}");
    assert!(metrics.find("probe_mail_folder_info", &[r#"folder="junk""#]).is_some(), "{metrics:?}");
}

#[tokio::test]
async fn a_mail_to_an_address_that_is_gone_comes_back() {
    let gone = "virtual_alias_maps = inline:{{full@town.example=gone@elsewhere.example}}
transport_maps = inline:{{elsewhere.example=error:5.1.6 Moved away}}";
    let Some(office) = Office::start(gone) else { return };
    let metrics = first_run(&agent(&office, Door::User, 15, "full", "")).await;
    assert_failed(&metrics, "fetch", "transit", "bounced", &office);
    assert_eq!(values(&metrics, ["submitted", "arrived", "returned"]), [1.0, 0.0, 1.0].map(Some), "{metrics:?}");
    assert!(metrics.find("probe_mail_bounce_status_info", &[r#"status="5.1.6""#]).is_some(), "{metrics:?}");
    let counted = metrics.find("probe_mail_bounced_total", &[r#"status_class="5""#]);
    assert_eq!(counted.map(|(_, value)| value), Some(1.0), "{metrics:?}");
}

#[tokio::test]
async fn a_subject_that_was_rewritten_is_told() {
    let rewriting = "header_checks = regexp:{ {/^Subject: (.*)/ REPLACE Subject: [External] $1} }";
    let Some(office) = Office::start(rewriting) else { return };
    let metrics = first_run(&agent(&office, Door::Stranger, 15, "clerk", "fail_if_altered: true")).await;
    assert_failed(&metrics, "fetch", "retrieval", "mail_altered", &office);
    let intact = |header: &str| {
        metrics.find("probe_mail_header_intact", &[&format!("header=\"{header}\"")]).map(|(_, value)| value)
    };
    assert_eq!([intact("subject"), intact("from")], [0.0, 1.0].map(Some), "{metrics:?}");
    assert_eq!(values(&metrics, ["arrived", "body_intact"]), [Some(1.0); 2], "{metrics:?}");
}
