//! A signed mail through Postfix, looked at by OpenDKIM and by the probe; what happens to mail on a long way; and doors
//! that let no mail in.

use std::net::SocketAddr;

use crate::daemon::bind::Bind;
use crate::daemon::dovecot::PASSWORD;
use crate::daemon::office::Office;
use crate::daemon::opendkim::{Key, Opendkim};
use crate::daemon::postfix::Postfix;
use crate::daemon::postgrey::Postgrey;
use crate::daemon::tuermer::Tuermer;
use crate::daemon::{eventually, free_address};
use crate::trip::{Way, assert_failed, first_run, success, value, values};

/// The measure of each hop.
const HOP_DELAY: &str = "last_hop_delay_seconds";

/// A zone of the town with these records besides.
fn zone(records: &str) -> String {
    format!("$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n{records}\n")
}

/// Starts an agent that sends a mail to the clerk by this way, and looks for it in the clerk's mailbox.
fn agent(office: &Office, target: &str, submit: &str, more: &str, resolver: Option<SocketAddr>) -> Tuermer {
    let file = resolver.map_or_else(String::new, |address| format!("resolver: ['{address}']\n"));
    Way { target: target.to_owned(), submit, settings: more.trim_start(), file, ..Way::of(office) }.start()
}

/// The module's lines for a key, with more.
fn signed(key: &Key, more: &str) -> String {
    let private: String = key.private.lines().map(|line| format!("          {line}\n")).collect();
    format!(
        "      dkim:\n        domain: town.example\n        selector: one\n        private_key: |\n{private}      trusted_authserv_ids: [mx.town.example]\n      check_authentication: [dkim, dmarc]\n{more}"
    )
}

/// A town whose name server has these records, and whose mail server has OpenDKIM look at what it takes.
fn town(records: &str, settings: &str) -> Option<(Bind, Opendkim, Office)> {
    let bind = Bind::start("town.example", &zone(records))?;
    let opendkim = Opendkim::start(bind.address)?;
    let office = Office::start(&format!("{}{settings}", opendkim.settings()))?;
    Some((bind, opendkim, office))
}

#[tokio::test]
async fn a_signed_mail_passes_in_a_milters_eyes_and_in_the_probes() {
    let Some(key) = Key::rsa() else { return };
    let records = format!("{}\n_dmarc TXT \"v=DMARC1; p=reject; adkim=s\"", key.record);
    let Some((bind, opendkim, office)) = town(&records, "") else { return };
    let more =
        signed(&key, "      require_authentication: [dkim]\n      fail_if_altered: true\n      padding_bytes: 3000");
    let metrics = first_run(&agent(&office, &office.smtp.to_string(), "", &more, Some(bind.address))).await;
    assert_eq!(success(&metrics), Some(1.0), "{metrics:?}\n{}\n{}", office.postfix.log(), opendkim.log());
    assert_eq!(value(&metrics, "auth_pass", "method=\"dkim\""), Some(1.0), "{metrics:?}");
    assert_eq!(value(&metrics, "auth_local_pass", "method=\"dmarc\""), Some(1.0), "{metrics:?}");
    assert_eq!(values(&metrics, ["arrived", "dkim_local_pass", "body_intact"]), [Some(1.0); 3], "{metrics:?}");
}

#[tokio::test]
async fn a_signature_that_fits_another_key_authenticates_nobody() {
    let (Some(key), Some(other)) = (Key::rsa(), Key::rsa()) else { return };
    let Some((bind, opendkim, office)) = town(&other.record, "") else { return };
    let more = signed(&key, "      require_authentication: [dkim]");
    let metrics = first_run(&agent(&office, &office.smtp.to_string(), "", &more, Some(bind.address))).await;
    assert_failed(&metrics, "fetch", "retrieval", "mail_unauthenticated", &office);
    let found = metrics.find("probe_mail_auth_result_info", &["method=\"dkim\"", "result=\"fail\""]);
    assert!(found.is_some(), "{metrics:?}\n{}", opendkim.log());
    assert_eq!(value(&metrics, "auth_pass", "method=\"dkim\""), Some(0.0), "{metrics:?}");
    assert_eq!(
        values(&metrics, ["arrived", "dkim_local_pass", "body_intact"]),
        [1.0, 0.0, 1.0].map(Some),
        "{metrics:?}"
    );

    // What nobody requires is only told.
    let metrics = first_run(&agent(&office, &office.smtp.to_string(), "", &signed(&key, ""), Some(bind.address))).await;
    assert_eq!(success(&metrics), Some(1.0), "{metrics:?}");
    assert_eq!(values(&metrics, ["arrived", "dkim_local_pass"]), [1.0, 0.0].map(Some), "{metrics:?}");
}

#[tokio::test]
async fn a_server_that_rewrites_mail_breaks_its_signature() {
    let Some(key) = Key::rsa() else { return };
    let rewriting = "body_checks = regexp:{ {/^This mail watches/ REPLACE [External] This mail watches} }";
    let Some((bind, opendkim, office)) = town(&key.record, rewriting) else { return };
    for (required, reason) in
        [("fail_if_altered: true", "mail_altered"), ("require_authentication: [dkim]", "mail_unauthenticated")]
    {
        let more = signed(&key, &format!("      {required}"));
        let metrics = first_run(&agent(&office, &office.smtp.to_string(), "", &more, Some(bind.address))).await;
        assert_failed(&metrics, "fetch", "retrieval", reason, &office);
        assert_eq!(value(&metrics, "auth_pass", "method=\"dkim\""), Some(0.0), "{metrics:?}\n{}", opendkim.log());
        let seen = values(&metrics, ["arrived", "body_intact", "dkim_local_pass"]);
        assert_eq!(seen, [1.0, 0.0, 0.0].map(Some), "{metrics:?}");
        assert_eq!(value(&metrics, "header_intact", "header=\"subject\""), Some(1.0), "{metrics:?}");
    }
}

#[tokio::test]
async fn a_name_server_that_is_down_is_no_word_against_the_mail() {
    let Some(key) = Key::rsa() else { return };
    let Some(office) = Office::start("") else { return };
    let more = signed(&key, "").replace("trusted_authserv_ids: [mx.town.example]", "require_authentication: [dkim]");
    let nobody = free_address();
    let metrics = first_run(&agent(&office, &office.smtp.to_string(), "", &more, Some(nobody))).await;
    let failure = metrics.find("probe_failure_info", &["reason=\"policy_unknown\""]);
    assert!(failure.is_some(), "{metrics:?}");
    assert_eq!(success(&metrics), None, "neither up nor down: {metrics:?}");
    assert_eq!(
        values(&metrics, ["submitted", "arrived", "dkim_local_pass"]),
        [Some(1.0), Some(1.0), None],
        "{metrics:?}"
    );
}

#[tokio::test]
async fn a_slow_hop_is_shown() {
    let Some(office) = Office::start("") else { return };
    const HELD: &str = "defer_transports = smtp";
    // The relay's own clock and a door to the outside that somebody else has, without encryption.
    let settings = format!(
        "local_transport = smtp:[{}]:{}
header_checks = regexp:{{ {{/^Subject:/ PREPEND Received: from desk.town.example (desk.town.example [192.0.2.7]) by relay.town.example with ESMTP id 7}} }}
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
{HELD}",
        office.smtp.ip(),
        office.smtp.port()
    );
    let relay = free_address();
    let Some(relay) = Postfix::start_with(relay, &settings, "smtp unix - - n - - smtp", None) else { return };
    let tuermer = agent(&office, &relay.address.to_string(), "starttls: never,", "", None);
    // A queue that is looked through every second: the fifth time, four seconds have passed.
    eventually("the mail to lie in the queue", async || {
        (relay.log().matches("status=deferred").count() >= 5).then_some(())
    })
    .await;
    relay.reload_without(HELD);
    let metrics = first_run(&tuermer).await;
    assert_eq!(success(&metrics), Some(1.0), "{metrics:?}\n{}", relay.log());
    assert_eq!(values(&metrics, ["arrived", "hops", "hops_without_tls"]), [1.0, 4.0, 1.0].map(Some), "{metrics:?}");
    let delays = ["1", "2", "3", "4"].map(|hop| value(&metrics, HOP_DELAY, &format!("hop=\"{hop}\"")));
    let [Some(first), Some(second), Some(third), Some(fourth)] = delays else { panic!("{metrics:?}") };
    assert!(third >= 3.0, "the relay held it: {delays:?}");
    assert!([first, second, fourth].iter().all(|other| *other < third), "nobody else did: {delays:?}");
    assert!(value(&metrics, "last_delivery_seconds", "").is_some_and(|whole| whole >= third - 1.0), "{metrics:?}");
}

#[tokio::test]
async fn nothing_is_handed_in_where_the_certificate_has_expired() {
    let office = Office::start_with("", |authority| authority.expired_leaf(&["mail.town.example"]));
    let Some(office) = office else { return };
    let login = format!("username: clerk, password: {PASSWORD},");
    for (target, encryption) in [(office.submission, "starttls: required,"), (office.submissions, "tls: true,")] {
        let metrics = first_run(&agent(&office, &target.to_string(), &format!("{encryption} {login}"), "", None)).await;
        assert_failed(&metrics, "submit", "tls", "tls_cert_expired", &office);
        assert_eq!(values(&metrics, ["submitted", "arrived"]), [Some(0.0), None], "{metrics:?}");
    }
    let log = office.postfix.log();
    assert!(!log.contains("message-id=") && !log.contains("sasl_username"), "{log}");
}

#[tokio::test]
async fn a_stranger_who_must_wait_hands_nothing_in() {
    let Some(postgrey) = Postgrey::start(300) else { return };
    let settings = format!(
        "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:{}",
        postgrey.address
    );
    let Some(office) = Office::start(&settings) else { return };
    let records = format!("@ MX 10 mx\nmx A {}", office.smtp.ip());
    let Some(bind) = Bind::start("town.example", &zone(&records)) else { return };
    let port = format!("port: {},", office.smtp.port());
    let metrics = first_run(&agent(&office, "town.example", &port, "", Some(bind.address))).await;
    assert_failed(&metrics, "submit", "rcpt", "greylisted", &office);
    assert_eq!(values(&metrics, ["submitted", "arrived"]), [Some(0.0), None], "{metrics:?}");
    assert!(!office.postfix.log().contains("message-id="), "{}", office.postfix.log());
}
