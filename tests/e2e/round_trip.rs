//! A mail through Postfix into Dovecot, found again; and every way in which it gets lost.

use std::net::TcpStream;

use crate::daemon::dovecot::PASSWORD;
use crate::daemon::office::Office;
use crate::daemon::tuermer::Tuermer;
use crate::daemon::{eventually, swaks};
use crate::support::program;
use crate::trip::{Way, assert_failed, first_run, run, success, value, values};

/// Where the mail is handed in.
#[derive(Clone, Copy)]
pub(crate) enum Door {
    /// As a user, who logs in.
    User,
    /// As a stranger, who does not.
    Stranger,
}

/// Keeps mail for the store in the queue.
const HELD: &str = "defer_transports = lmtp";
/// Tries again at once.
const IMPATIENT: &str = "minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s";

/// Starts an agent that sends a mail from the clerk, and looks for it in the clerk's mailbox.
pub(crate) fn agent(office: &Office, door: Door, seconds: u32, to: &str, settings: &str) -> Tuermer {
    let way = Way { to, settings, seconds, ..Way::of(office) };
    match door {
        Door::User => {
            let submit = &format!("starttls: required, username: clerk, password: {PASSWORD},");
            Way { target: office.submission.to_string(), submit, ..way }.start()
        }
        Door::Stranger => way.start(),
    }
}

#[tokio::test]
async fn a_mail_is_sent_found_and_deleted() {
    let Some(office) = Office::start("") else { return };
    for door in [Door::User, Door::Stranger] {
        let tuermer = agent(&office, door, 15, "clerk", "padding_bytes: 3000");
        let metrics = first_run(&tuermer).await;
        assert_eq!(success(&metrics), Some(1.0), "{metrics:?}\n{}", office.postfix.log());
        let seen =
            values(&metrics, ["submitted", "arrived", "junk", "body_intact", "returned", "deleted_total", "hops"]);
        assert_eq!(seen, [1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 2.0].map(Some), "{metrics:?}");
        let strange = values(
            &metrics,
            ["late_total", "duplicate_total", "forged_total", "lost_total", "delay_notices_total", "hops_without_tls"],
        );
        assert_eq!(strange, [Some(0.0); 6], "{metrics:?}");
        assert!(metrics.find("probe_mail_folder_info", &[r#"folder="inbox""#]).is_some(), "{metrics:?}");
        for place in ["message_id", "header", "subject", "body"] {
            let present = metrics.find("probe_mail_token_present", &[&format!("place=\"{place}\"")]);
            assert_eq!(present.map(|(_, value)| value), Some(1.0), "{place}: {metrics:?}");
        }
    }
}

#[tokio::test]
async fn a_mail_that_stays_in_the_queue_is_missing() {
    let Some(office) = Office::start(HELD) else { return };
    let tuermer = agent(&office, Door::User, 5, "clerk", "");
    let metrics = first_run(&tuermer).await;
    assert_failed(&metrics, "fetch", "transit", "mail_missing", &office);
    assert_eq!(values(&metrics, ["submitted", "arrived", "returned"]), [1.0, 0.0, 0.0].map(Some), "{metrics:?}");
    assert_eq!(success(&metrics), Some(0.0));
    assert_eq!(
        values(&metrics, ["sent_total", "lost_total", "received_total"]),
        [1.0, 1.0, 0.0].map(Some),
        "{metrics:?}"
    );
}

#[tokio::test]
async fn whether_a_mail_arrived_is_not_known_while_the_store_is_down() {
    let Some(mut office) = Office::start("") else { return };
    // Another store takes its place, so that the old one ends.
    let addresses = office.dovecot.addresses;
    let Some(elsewhere) = Office::start("") else { return };
    office.dovecot = elsewhere.dovecot;
    eventually("nobody to listen", async || TcpStream::connect(addresses.imaps).is_err().then_some(())).await;
    let elsewhere = office.dovecot.addresses;
    office.dovecot.addresses = addresses;
    let tuermer = agent(&office, Door::Stranger, 5, "clerk", "");
    office.dovecot.addresses = elsewhere;
    let metrics = first_run(&tuermer).await;
    assert_failed(&metrics, "fetch", "connect", "mail_unseen", &office);
    assert_eq!(values(&metrics, ["submitted", "arrived"]), [Some(1.0), None], "{metrics:?}");
    assert_eq!(success(&metrics), None, "neither up nor down: {metrics:?}");
}

#[tokio::test]
async fn a_mail_to_a_full_mailbox_comes_back() {
    let Some(office) = Office::start("") else { return };
    if program(&["swaks"]).is_none() {
        return;
    }
    swaks::deliver(office.dovecot.addresses.lmtp, "full@town.example", 25_000);
    let tuermer = agent(&office, Door::User, 15, "full", "");
    let metrics = first_run(&tuermer).await;
    assert_failed(&metrics, "fetch", "transit", "bounced", &office);
    assert_eq!(values(&metrics, ["submitted", "arrived", "returned"]), [1.0, 0.0, 1.0].map(Some), "{metrics:?}");
    assert!(metrics.find("probe_mail_bounce_status_info", &[r#"status="5.2.2""#]).is_some(), "{metrics:?}");
}

#[tokio::test]
async fn a_mail_that_a_filter_takes_for_junk_is_found_there() {
    let Some(office) = Office::start("") else { return };
    office.dovecot.filter("clerk", "require \"fileinto\";\nfileinto \"Junk\";\n");
    let metrics = first_run(&agent(&office, Door::User, 15, "clerk", "")).await;
    assert_failed(&metrics, "fetch", "retrieval", "mail_junked", &office);
    assert_eq!(values(&metrics, ["arrived", "junk"]), [Some(1.0); 2], "{metrics:?}");

    let metrics = first_run(&agent(&office, Door::User, 15, "clerk", "junk: pass")).await;
    assert_eq!(success(&metrics), Some(1.0), "{metrics:?}");

    let metrics = first_run(&agent(&office, Door::User, 15, "clerk", "content: gtube")).await;
    assert_eq!(success(&metrics), Some(1.0), "{metrics:?}");
    let stopped = metrics.find("probe_mail_content_test_ok", &[r#"test="gtube""#]);
    assert_eq!(stopped.map(|(_, value)| value), Some(1.0), "{metrics:?}");
}

#[tokio::test]
async fn a_filter_that_lets_everything_in_fails_its_test() {
    let Some(office) = Office::start("") else { return };
    let metrics = first_run(&agent(&office, Door::User, 15, "clerk", "content: eicar")).await;
    assert_failed(&metrics, "fetch", "retrieval", "mail_unfiltered", &office);
    let stopped = metrics.find("probe_mail_content_test_ok", &[r#"test="eicar""#]);
    assert_eq!(stopped.map(|(_, value)| value), Some(0.0), "{metrics:?}");
}

#[tokio::test]
async fn a_second_copy_is_counted() {
    let Some(office) = Office::start("") else { return };
    let script = "require [\"fileinto\", \"mailbox\", \"copy\"];\nfileinto :copy :create \"Copies\";\n";
    office.dovecot.filter("clerk", script);
    let metrics = first_run(&agent(&office, Door::User, 15, "clerk", "")).await;
    assert_eq!(success(&metrics), Some(1.0), "{metrics:?}");
    let seen = values(&metrics, ["arrived", "duplicate_total", "deleted_total"]);
    assert_eq!(seen, [1.0, 1.0, 2.0].map(Some), "{metrics:?}");
}

/// The token of the first mail that Postfix took.
fn token(log: &str) -> &str {
    let from = log.find("message-id=<t1").expect("a mail of a check") + "message-id=<".len();
    let end = log[from..].find('@').expect("a domain");
    &log[from..from + end]
}

#[tokio::test]
async fn a_forged_token_is_told_from_a_late_mail() {
    let Some(office) = Office::start("") else { return };
    if program(&["swaks"]).is_none() {
        return;
    }
    let tuermer = agent(&office, Door::User, 5, "clerk", "");
    let metrics = first_run(&tuermer).await;
    assert_eq!(values(&metrics, ["arrived", "forged_total"]), [Some(1.0), Some(0.0)], "{metrics:?}");
    let log = office.postfix.log();
    let genuine = token(&log);
    let last = if genuine.ends_with('0') { '1' } else { '0' };
    let header = format!("X-Tuermer-Token: {}{last}", &genuine[..genuine.len() - 1]);
    let lmtp = office.dovecot.addresses.lmtp;
    swaks::deliver_with(lmtp, "clerk@town.example", &["--add-header", &header]);
    let metrics =
        run(&tuermer, "a forged mail to be seen", |metrics| values(metrics, ["forged_total"]) == [Some(1.0)]).await;
    assert_eq!(values(&metrics, ["arrived", "late_total"]), [Some(1.0), Some(0.0)], "{metrics:?}");
    assert_eq!(success(&metrics), Some(1.0), "{metrics:?}");
}

#[tokio::test]
async fn an_agent_that_was_killed_finds_its_mail_late() {
    let Some(office) = Office::start(&format!("{HELD}\n{IMPATIENT}")) else { return };
    let tuermer = agent(&office, Door::User, 5, "clerk", "");
    eventually("the mail to lie in the queue", async || office.postfix.log().contains("status=deferred").then_some(()))
        .await;
    tuermer.daemon.signal(nix::sys::signal::Signal::SIGKILL);
    drop(tuermer);
    office.postfix.reload_without(HELD);
    eventually("the mail to arrive", async || office.dovecot.log().contains("saved mail to INBOX").then_some(())).await;

    let tuermer = agent(&office, Door::User, 5, "clerk", "");
    let metrics = run(&tuermer, "the late mail to be seen", |metrics| {
        value(metrics, "late_total", "").is_some_and(|late| late > 0.0)
    })
    .await;
    assert_eq!(values(&metrics, ["arrived", "late_total", "forged_total"]), [1.0, 1.0, 0.0].map(Some), "{metrics:?}");
    assert!(value(&metrics, "late_age_seconds", "").is_some_and(|age| age > 5.0), "{metrics:?}");
    assert_eq!(success(&metrics), Some(1.0), "{metrics:?}");
    // It is counted once, and was observed with the mails that arrived in time.
    let metrics = run(&tuermer, "later runs to end", |metrics| {
        value(metrics, "received_total", "").is_some_and(|received| received >= 3.0)
    })
    .await;
    assert_eq!(values(&metrics, ["arrived", "late_total"]), [Some(1.0); 2], "{metrics:?}");
    let received = value(&metrics, "received_total", "");
    let counted = |le: &str| {
        let bucket = metrics.find("probe_mail_delivery_seconds_bucket", &[&format!("le=\"{le}\"")]);
        bucket.map(|(_, value)| value)
    };
    assert_eq!(value(&metrics, "delivery_seconds_count", ""), received.map(|received| received + 1.0));
    assert_eq!((counted("5"), counted("7200")), (received, received.map(|received| received + 1.0)), "{metrics:?}");
    assert!(value(&metrics, "last_received_timestamp_seconds", "").is_some(), "{metrics:?}");
}
