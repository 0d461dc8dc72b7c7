//! Postfix and Dovecot, asked whether they would take mail from users, from strangers, and from each other.

use std::net::{SocketAddr, TcpStream};

use crate::daemon::dovecot::PASSWORD;
use crate::daemon::office::Office;
use crate::daemon::postfix::Postfix;
use crate::daemon::postgrey::Postgrey;
use crate::daemon::tuermer::{Metrics, Tuermer};
use crate::daemon::{eventually, swaks};
use crate::support::program;

impl Office {
    /// Asks once.
    async fn ask(&self, address: SocketAddr, settings: &str) -> Metrics {
        ask(address, &format!("{}, {settings}", self.tls)).await
    }
}

async fn ask(address: SocketAddr, settings: &str) -> Metrics {
    agent(settings).probe("mail", &address.to_string()).await
}

fn agent(settings: &str) -> Tuermer {
    Tuermer::start(&configuration(settings))
}

fn configuration(settings: &str) -> String {
    format!(
        "probe_metrics: all
probe_targets: any
modules: {{ mail: {{ prober: smtp, timeout: 20s, smtp: {{ preferred_ip_protocol: ip4, {settings} }} }} }}
"
    )
}

fn reason(metrics: &Metrics) -> &str {
    metrics.find("probe_failure_info", &[]).expect("a failure").0
}

/// Who logs in with which password.
fn user(name: &str, password: &str) -> String {
    format!("username: {name}, password: {password}, mail_from: {name}@town.example")
}

#[tokio::test]
async fn users_may_write_to_anybody() {
    let Some(office) = Office::start("") else { return };
    for (encryption, address) in [("starttls: required", office.submission), ("tls: true", office.submissions)] {
        for (mechanism, used) in [
            ("", "SCRAM-SHA-256"),
            (", mechanism: SCRAM-SHA-256", "SCRAM-SHA-256"),
            (", mechanism: PLAIN", "PLAIN"),
            (", mechanism: LOGIN", "LOGIN"),
        ] {
            let user = user("clerk", PASSWORD);
            let settings = format!("{encryption}, {user}{mechanism}, recipients: [somebody@elsewhere.example]");
            let metrics = office.ask(address, &settings).await;
            assert_eq!(
                metrics.value("probe_success"),
                Some(1.0),
                "{encryption}{mechanism}: {metrics:?}\n{}",
                office.dovecot.log()
            );
            let auth = metrics.find("probe_smtp_auth_ok", &[&format!("mechanism=\"{used}\"")]);
            assert_eq!(auth.map(|(_, value)| value), Some(1.0), "{encryption}{mechanism}: {metrics:?}");
        }
    }
}

#[tokio::test]
async fn a_wrong_password_lets_nobody_in() {
    let Some(office) = Office::start("") else { return };
    for (encryption, address) in [("starttls: required", office.submission), ("tls: true", office.submissions)] {
        for mechanism in ["SCRAM-SHA-256", "PLAIN", "LOGIN"] {
            let user = user("clerk", "let-me-out");
            let metrics =
                office.ask(address, &format!("{encryption}, {user}, mechanism: {mechanism}, recipients: []")).await;
            let expected = r#"phase="auth",reason="auth_refused""#;
            assert!(reason(&metrics).contains(expected), "{encryption} {mechanism}: {}", reason(&metrics));
        }
    }
}

#[tokio::test]
async fn that_wrong_passwords_are_refused_is_tried_before_the_right_one() {
    let Some(office) = Office::start("") else { return };
    for mechanism in ["SCRAM-SHA-256", "PLAIN", "LOGIN"] {
        let settings = format!(
            "starttls: required, {}, mechanism: {mechanism}, refuses: {{ wrong_password: true }}, recipients: [clerk@town.example]",
            user("clerk", PASSWORD)
        );
        let metrics = office.ask(office.submission, &settings).await;
        assert_eq!(metrics.value("probe_success"), Some(1.0), "{mechanism}: {metrics:?}");
        let refused = metrics.find("probe_smtp_bad_auth_rejected", &[]);
        assert_eq!(refused.map(|(_, value)| value), Some(1.0), "{mechanism}: {metrics:?}");
    }
}

#[tokio::test]
async fn no_login_is_offered_before_the_channel_is_encrypted() {
    let Some(office) = Office::start("") else { return };
    let metrics = office.ask(office.submission, &format!("starttls: never, {}", user("clerk", PASSWORD))).await;
    assert!(reason(&metrics).contains(r#"phase="auth",reason="config_unusable""#), "{}", reason(&metrics));
    assert!(metrics.find("probe_smtp_auth_mechanism_info", &[]).is_none(), "{metrics:?}");
}

#[tokio::test]
async fn a_password_is_not_sent_in_the_open_though_the_server_would_take_it() {
    let Some(office) = Office::start("smtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = no") else { return };
    for mechanism in ["PLAIN", "LOGIN"] {
        let settings = format!("starttls: never, {}, mechanism: {mechanism}", user("clerk", PASSWORD));
        let metrics = office.ask(office.smtp, &settings).await;
        assert!(metrics.find("probe_smtp_auth_mechanism_info", &[mechanism]).is_some(), "{metrics:?}");
        assert!(reason(&metrics).contains(r#"phase="auth",reason="config_unusable""#), "{}", reason(&metrics));
        let log = office.postfix.log();
        assert!(!log.contains("sasl_method") && !log.contains("auth="), "{log}");
    }
}

#[tokio::test]
async fn a_good_server_refuses_unknown_recipients_and_relaying() {
    let Some(office) = Office::start("") else { return };
    let refuses = "refuses: { recipient: nobody@town.example, relay: somebody@elsewhere.example }";
    let metrics = office.ask(office.smtp, &format!("{refuses}, recipients: [clerk@town.example]")).await;
    assert_eq!(metrics.value("probe_success"), Some(1.0), "{metrics:?}");
    let found = ["invalid_rcpt_rejected", "open_relay"].map(|name| metrics.find(&format!("probe_smtp_{name}"), &[]));
    assert_eq!(found.map(|found| found.map(|(_, value)| value)), [Some(1.0), Some(0.0)], "{metrics:?}");
}

#[tokio::test]
async fn an_open_relay_is_found() {
    // As where a proxy in front makes everybody a neighbour.
    let settings = "mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, reject
local_recipient_maps =";
    let Some(postfix) = Postfix::start(settings, None) else { return };
    for (refuses, phase, measure, seen) in [
        ("relay: somebody@elsewhere.example", "relay", "probe_smtp_open_relay", 1.0),
        ("recipient: nobody@town.example", "rcpt_invalid", "probe_smtp_invalid_rcpt_rejected", 0.0),
    ] {
        let metrics =
            ask(postfix.address, &format!("refuses: {{ {refuses} }}, recipients: [clerk@town.example]")).await;
        let expected = format!("phase=\"{phase}\",reason=\"accepted_unexpectedly\"");
        assert!(reason(&metrics).contains(&expected), "{}", reason(&metrics));
        assert_eq!(metrics.find(measure, &[]).map(|(_, value)| value), Some(seen), "{metrics:?}");
    }
}

#[tokio::test]
async fn users_whose_store_is_down_are_not_told_that_their_password_is_wrong() {
    let Some(office) = Office::start("") else { return };
    let Office { dovecot, submission, tls, postfix: _postfix, folder: _folder, .. } = office;
    let sasl = dovecot.addresses.sasl;
    drop(dovecot);
    eventually("nobody to listen", async || TcpStream::connect(sasl).is_err().then_some(())).await;
    let metrics = ask(submission, &format!("{tls}, starttls: required, {}", user("clerk", PASSWORD))).await;
    assert_eq!(metrics.value("probe_success"), Some(0.0));
    // Postfix gives up where it cannot ask which mechanisms there are.
    let reason = reason(&metrics);
    assert!(reason.contains(r#"phase="ehlo""#), "{reason}");
    assert!(["connection_reset", "closed_early"].iter().any(|expected| reason.contains(expected)), "{reason}");
}

#[tokio::test]
async fn a_mail_store_is_asked_over_lmtp() {
    let Some(office) = Office::start("") else { return };
    if program(&["swaks"]).is_none() {
        return;
    }
    let lmtp = office.dovecot.addresses.lmtp;
    let asked = |recipient: &str| format!("protocol: lmtp, starttls: never, recipients: [{recipient}]");
    let metrics = ask(lmtp, &asked("clerk@town.example")).await;
    assert_eq!(metrics.value("probe_success"), Some(1.0), "{metrics:?}");
    let metrics = ask(lmtp, &asked("nobody@town.example")).await;
    assert!(reason(&metrics).contains(r#"phase="rcpt",reason="recipient_refused""#), "{}", reason(&metrics));
    let encrypted = format!("protocol: lmtp, starttls: required, {}, recipients: [clerk@town.example]", office.tls);
    let metrics = ask(lmtp, &encrypted).await;
    assert_eq!(metrics.value("probe_success"), Some(1.0), "{metrics:?}");

    swaks::deliver(lmtp, "full@town.example", 25_000);
    let metrics = ask(lmtp, &asked("full@town.example")).await;
    assert!(reason(&metrics).contains(r#"phase="rcpt",reason="mailbox_full""#), "{}", reason(&metrics));
}

#[tokio::test]
async fn postgrey_lets_a_stranger_wait_and_then_in() {
    let Some(postgrey) = Postgrey::start(2) else { return };
    let settings = format!(
        "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:{}",
        postgrey.address
    );
    let Some(postfix) = Postfix::start(&settings, None) else { return };
    let target = postfix.address.to_string();
    let settings = "mail_from: mayor@town.example, recipients: [clerk@town.example]";
    let tuermer = agent(settings);
    let metrics = tuermer.probe("mail", &target).await;
    assert!(reason(&metrics).contains(r#"phase="rcpt",reason="greylisted""#), "{}", reason(&metrics));
    assert_eq!(metrics.find("probe_smtp_greylisted", &[]).map(|(_, value)| value), Some(1.0), "{metrics:?}");
    assert_eq!(metrics.find("probe_smtp_greylist_pending_seconds", &[]).map(|(_, value)| value), Some(0.0));
    assert!(metrics.find("probe_smtp_greylist_last_delay_seconds", &[]).is_none(), "{metrics:?}");

    // What was seen is kept while the configuration is loaded again, with another world to run in.
    let changed = format!("limits: {{ runs_in_flight: 999 }}\n{}", configuration(settings));
    std::fs::write(tuermer.config_file(), changed).expect("written");
    assert_eq!(tuermer.post("/-/reload").await, (200, String::new()));
    let metrics = eventually("the stranger to be known", async || {
        let metrics = tuermer.probe("mail", &target).await;
        (metrics.value("probe_success") == Some(1.0)).then_some(metrics)
    })
    .await;
    assert_eq!(metrics.find("probe_smtp_greylisted", &[]).map(|(_, value)| value), Some(0.0), "{metrics:?}");
    // postgrey counts whole seconds.
    let delay = metrics.find("probe_smtp_greylist_last_delay_seconds", &[]).map(|(_, value)| value);
    assert!(delay.is_some_and(|delay| (1.0..60.0).contains(&delay)), "{metrics:?}");
}

#[tokio::test]
async fn greylisting_may_count_as_taken() {
    let Some(postgrey) = Postgrey::start(300) else { return };
    let settings = format!(
        "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:{}",
        postgrey.address
    );
    let Some(postfix) = Postfix::start(&settings, None) else { return };
    let metrics =
        ask(postfix.address, "greylisting: pass, mail_from: mayor@town.example, recipients: [clerk@town.example]")
            .await;
    assert_eq!(metrics.value("probe_success"), Some(1.0), "{metrics:?}");
    assert_eq!(metrics.find("probe_smtp_greylisted", &[]).map(|(_, value)| value), Some(1.0), "{metrics:?}");
}
