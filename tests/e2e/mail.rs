//! Postfix, asked whether it would take mail.

use std::net::{SocketAddr, TcpStream};

use tuermer_probes::testkit::Authority;

use crate::daemon::bind::Bind;
use crate::daemon::nginx::Pem;
use crate::daemon::postfix::Postfix;
use crate::daemon::tuermer::{Metrics, Tuermer};
use crate::daemon::{eventually, folder};

/// Asks a Postfix for a recipient; `more` are further settings of the module.
async fn ask(server: SocketAddr, recipient: &str, more: &str) -> Metrics {
    let tuermer = Tuermer::start(&format!(
        "modules: {{ mail: {{ prober: smtp, timeout: 10s, smtp: {{ preferred_ip_protocol: ip4, recipients: [{recipient}], {more} }} }} }}
probe_metrics: all
"
    ));
    tuermer.probe("mail", &server.to_string()).await
}

fn reason(metrics: &Metrics) -> &str {
    metrics.find("probe_failure_info", &[]).expect("a failure").0
}

#[tokio::test]
async fn postfix_takes_mail_for_a_known_recipient() {
    let Some(postfix) = Postfix::start("", None) else { return };
    let metrics = ask(postfix.address, "clerk@town.example", "starttls: optional").await;
    assert_eq!(metrics.value("probe_success"), Some(1.0), "{metrics:?}");
}

#[tokio::test]
async fn an_unknown_recipient_is_refused() {
    let Some(postfix) = Postfix::start("", None) else { return };
    let metrics = ask(postfix.address, "nobody@town.example", "starttls: optional").await;
    assert_eq!(metrics.value("probe_success"), Some(0.0));
    assert!(reason(&metrics).contains(r#"phase="rcpt",reason="recipient_refused""#), "{}", reason(&metrics));
}

#[tokio::test]
async fn a_temporary_refusal_is_told_apart() {
    let settings = "smtpd_recipient_restrictions = check_recipient_access inline:{{clerk@town.example=450 4.3.2 Maintenance}}, reject_unauth_destination";
    let Some(postfix) = Postfix::start(settings, None) else { return };
    let metrics = ask(postfix.address, "clerk@town.example", "starttls: optional").await;
    assert!(reason(&metrics).contains(r#"phase="rcpt",reason="rejected_temporarily""#), "{}", reason(&metrics));
}

#[tokio::test]
async fn greylisting_is_told_apart() {
    let settings = "smtpd_recipient_restrictions = check_recipient_access inline:{{clerk@town.example=450 4.2.0 Greylisted, see http://postgrey.schweikert.ch/help/town.example.html}}, reject_unauth_destination";
    let Some(postfix) = Postfix::start(settings, None) else { return };
    let metrics = ask(postfix.address, "clerk@town.example", "starttls: optional").await;
    assert!(reason(&metrics).contains(r#"phase="rcpt",reason="greylisted""#), "{}", reason(&metrics));
}

#[tokio::test]
async fn a_server_that_is_down_refuses_the_connection() {
    let Some(postfix) = Postfix::start("", None) else { return };
    let address = postfix.address;
    drop(postfix);
    // A child of Postfix may hold the port for a moment longer than its parent.
    eventually("nobody to listen", async || TcpStream::connect(address).is_err().then_some(())).await;
    let metrics = ask(address, "clerk@town.example", "starttls: optional").await;
    assert!(reason(&metrics).contains(r#"phase="connect",reason="connect_refused""#), "{}", reason(&metrics));
}

#[tokio::test]
async fn a_server_without_starttls_is_refused_where_it_is_required() {
    let Some(postfix) = Postfix::start("", None) else { return };
    let metrics = ask(postfix.address, "clerk@town.example", "starttls: required").await;
    assert!(reason(&metrics).contains(r#"reason="starttls_missing""#), "{}", reason(&metrics));
}

#[tokio::test]
async fn certificates_of_postfix_are_verified() {
    let authority = Authority::new();
    let files = folder();
    let ca = files.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let tls = format!("starttls: required, tls_config: {{ ca_file: {}, server_name: mx.town.example }}", ca.display());
    let good = authority.leaf(&["mx.town.example"]);
    let expired = authority.expired_leaf(&["mx.town.example"]);
    for (leaf, wanted) in [(&good, None), (&expired, Some(r#"phase="tls",reason="tls_cert_expired""#))] {
        let Some(postfix) = Postfix::start("", Some(&Pem { certificate: &leaf.pem, key: &leaf.key_pem })) else {
            return;
        };
        let metrics = ask(postfix.address, "clerk@town.example", &tls).await;
        match wanted {
            None => assert_eq!(metrics.value("probe_success"), Some(1.0), "{metrics:?}"),
            Some(wanted) => assert!(reason(&metrics).contains(wanted), "{}", reason(&metrics)),
        }
        let expiry = metrics.find("probe_tls_certificate_not_after_timestamp_seconds", &[]);
        assert!(
            expiry.is_some_and(|(_, value)| value > 0.0),
            "facts also of a certificate that is refused: {metrics:?}"
        );
    }
}

#[tokio::test]
async fn one_dead_mail_server_of_two_is_redundancy_lost() {
    let Some(postfix) = Postfix::start("", None) else { return };
    let address = postfix.address;
    let port = address.port();
    // The dead one is an address on which nobody listens.
    let zone = format!(
        "$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
@ MX 10 dead
@ MX 20 mx
ns A 127.0.0.1
dead A 127.66.66.66
mx A {}
",
        address.ip()
    );
    let Some(bind) = Bind::start("town.example", &zone) else { return };
    let tuermer = Tuermer::start(&format!(
        "resolver: ['{}']
probe_metrics: all
modules: {{ mail: {{ prober: smtp, timeout: 10s, smtp: {{ port: {port}, preferred_ip_protocol: ip4, recipients: [clerk@town.example], starttls: optional }} }} }}
",
        bind.address
    ));
    let metrics = tuermer.probe("mail", "town.example").await;
    assert_eq!(metrics.value("probe_success"), Some(1.0), "{metrics:?}");
    let (_, dead) =
        metrics.find("probe_smtp_server_success", &["dead.town.example"]).expect("the dead server is shown");
    let (_, alive) =
        metrics.find("probe_smtp_server_success", &["mx.town.example"]).expect("the living server is shown");
    assert_eq!((dead, alive), (0.0, 1.0), "{metrics:?}");
    let rolled_up = ["probe_mail_deliverable", "probe_smtp_servers", "probe_smtp_servers_accepting"];
    assert_eq!(rolled_up.map(|name| metrics.value(name)), [1.0, 2.0, 1.0].map(Some), "{metrics:?}");
    // Each server has its own times. What failed was not measured, and what came after it never began.
    let time = |step: &str, phase: &str| {
        let labels = [format!("step=\"{step}"), format!("phase=\"{phase}\"")];
        metrics.find("probe_smtp_duration_seconds", &labels.each_ref().map(String::as_str)).map(|(_, time)| time > 0.0)
    };
    let times = [("dead.", "connect"), ("dead.", "greeting"), ("mx.", "connect"), ("mx.", "greeting"), ("mx.", "rcpt")];
    let took_time = times.map(|(step, phase)| time(&format!("{step}town.example"), phase).unwrap_or_default());
    assert_eq!(took_time, [false, false, true, true, true], "{metrics:?}");
}
