//! Dovecot, asked what its users ask.

use std::net::{SocketAddr, TcpStream};

use tuermer_probes::testkit::{Authority, Leaf};

use crate::daemon::dovecot::{Dovecot, PASSWORD, SMALL_QUOTA_BYTES};
use crate::daemon::nginx::Pem;
use crate::daemon::tuermer::{Metrics, Tuermer};
use crate::daemon::{eventually, folder, swaks};
use crate::support::program;

/// A mail store with a certificate, and what is needed to believe it.
struct Store {
    dovecot: Dovecot,
    /// Keeps the authority's file.
    _folder: tempfile::TempDir,
    tls: String,
}

impl Store {
    fn start(settings: &str) -> Option<Self> {
        Self::with(settings, |authority| authority.leaf(&["mail.town.example"]))
    }

    fn with(settings: &str, leaf: impl FnOnce(&Authority) -> Leaf) -> Option<Self> {
        program(&["swaks"])?;
        let authority = Authority::new();
        let leaf = leaf(&authority);
        let folder = folder();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, authority.pem()).expect("written");
        let dovecot = Dovecot::start(settings, &Pem { certificate: &leaf.pem, key: &leaf.key_pem })?;
        let tls = format!("tls_config: {{ ca_file: {}, server_name: mail.town.example }}", ca.display());
        Some(Self { dovecot, _folder: folder, tls })
    }

    /// A module for the store.
    fn module(&self, name: &str, settings: &str) -> String {
        let tls = &self.tls;
        format!(
            "  {name}: {{ prober: mailbox, timeout: 10s, mailbox: {{ preferred_ip_protocol: ip4, {tls}, {settings} }} }}\n"
        )
    }

    /// Asks once.
    async fn ask(&self, address: SocketAddr, settings: &str) -> Metrics {
        agent(&self.module("store", settings)).probe("store", &address.to_string()).await
    }
}

fn agent(modules: &str) -> Tuermer {
    Tuermer::start(&format!("probe_metrics: all\nprobe_targets: any\nmodules:\n{modules}"))
}

fn user(name: &str) -> String {
    format!("username: {name}, password: {PASSWORD}")
}

fn reason(metrics: &Metrics) -> &str {
    metrics.find("probe_failure_info", &[]).expect("a failure").0
}

/// Every way into the store: protocol, encryption, and where.
fn doors(store: &Store) -> [(&'static str, &'static str, SocketAddr); 5] {
    let addresses = &store.dovecot.addresses;
    [
        ("imap", "tls", addresses.imaps),
        ("imap", "starttls", addresses.imap),
        ("pop3", "tls", addresses.pop3s),
        ("pop3", "starttls", addresses.pop3),
        ("managesieve", "starttls", addresses.sieve),
    ]
}

/// How a user logs in: by the strongest way, or by a given one.
const MECHANISMS: [(&str, &str); 4] = [
    ("any", ""),
    ("scram", ", mechanism: SCRAM-SHA-256"),
    ("plain", ", mechanism: PLAIN"),
    ("login", ", mechanism: LOGIN"),
];

#[tokio::test]
async fn users_come_in_by_every_protocol_and_mechanism() {
    let Some(store) = Store::start("") else { return };
    let mut modules = String::new();
    for (protocol, encryption, _) in doors(&store) {
        for (name, mechanism) in MECHANISMS {
            for who in ["clerk", "hashed"] {
                let settings = format!("protocol: {protocol}, encryption: {encryption}, {}{mechanism}", user(who));
                modules += &store.module(&format!("{protocol}-{encryption}-{name}-{who}"), &settings);
            }
        }
    }
    let tuermer = agent(&modules);
    for (protocol, encryption, address) in doors(&store) {
        for (name, _) in MECHANISMS {
            for who in ["clerk", "hashed"] {
                let module = format!("{protocol}-{encryption}-{name}-{who}");
                let metrics = tuermer.probe(&module, &address.to_string()).await;
                let seen = ["probe_success", "probe_mailbox_login_ok"].map(|name| metrics.value(name));
                assert_eq!(seen, [Some(1.0); 2], "{module}: {metrics:?}\n{}", store.dovecot.log());
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_by_every_protocol_and_mechanism() {
    let Some(store) = Store::start("") else { return };
    let mut modules = String::new();
    for (protocol, encryption, _) in doors(&store) {
        for (name, mechanism) in MECHANISMS {
            let account = format!("username: clerk, password: let-me-out{mechanism}");
            let settings = format!("protocol: {protocol}, encryption: {encryption}, {account}");
            modules += &store.module(&format!("{protocol}-{encryption}-{name}"), &settings);
        }
    }
    let tuermer = agent(&modules);
    for (protocol, encryption, address) in doors(&store) {
        for (name, _) in MECHANISMS {
            let module = format!("{protocol}-{encryption}-{name}");
            let metrics = tuermer.probe(&module, &address.to_string()).await;
            assert_eq!(metrics.value("probe_mailbox_login_ok"), Some(0.0), "{module}");
            let expected = r#"phase="login",reason="auth_refused""#;
            assert!(reason(&metrics).contains(expected), "{module}: {}\n{}", reason(&metrics), store.dovecot.log());
        }
    }
}

#[tokio::test]
async fn messages_and_quota_are_counted() {
    let Some(store) = Store::start("") else { return };
    let addresses = store.dovecot.addresses;
    for _ in 0..3 {
        swaks::deliver(addresses.lmtp, "clerk@town.example", 2000);
    }
    let clerk = user("clerk");
    let metrics = store.ask(addresses.imaps, &format!("protocol: imap, {clerk}, fail_if_quota_above: 0.5")).await;
    let value = |name: &str| metrics.value(&format!("probe_mailbox_{name}"));
    assert_eq!(metrics.value("probe_success"), Some(1.0), "{metrics:?}");
    assert_eq!([value("messages"), value("unseen")], [Some(3.0); 2], "{metrics:?}");
    assert_eq!(value("quota_limit_bytes"), Some(1_048_576.0), "{metrics:?}");
    let (used, size) = (value("quota_used_bytes").expect("used"), value("size_bytes").expect("a size"));
    assert!((6000.0..12_000.0).contains(&used) && (6000.0..12_000.0).contains(&size), "{metrics:?}");
    assert_eq!(value("quota_used_ratio"), Some(used / 1_048_576.0), "{metrics:?}");
    assert!(metrics.find("probe_mailbox_capability_info", &[r#"capability="STARTTLS""#]).is_none(), "{metrics:?}");

    let metrics = store.ask(addresses.pop3s, &format!("protocol: pop3, {clerk}")).await;
    assert_eq!(metrics.value("probe_mailbox_messages"), Some(3.0), "{metrics:?}");
    assert_eq!(metrics.value("probe_mailbox_size_bytes"), Some(size), "{metrics:?}");

    for (protocol, address) in [("imap", addresses.imaps), ("pop3", addresses.pop3s)] {
        let settings = format!("protocol: {protocol}, {clerk}, fail_if_more_messages_than: 2");
        let metrics = store.ask(address, &settings).await;
        assert!(reason(&metrics).contains(r#"reason="mailbox_full""#), "{protocol}: {}", reason(&metrics));
    }
}

#[tokio::test]
async fn a_mailbox_near_its_quota_fails() {
    let Some(store) = Store::start("") else { return };
    let addresses = store.dovecot.addresses;
    swaks::deliver(addresses.lmtp, "full@town.example", 17_000);
    let settings = format!("protocol: imap, {}, fail_if_quota_above: 0.8", user("full"));
    let metrics = store.ask(addresses.imaps, &settings).await;
    assert!(reason(&metrics).contains(r#"phase="quota",reason="mailbox_full""#), "{}", reason(&metrics));
    let limit = metrics.value("probe_mailbox_quota_limit_bytes");
    assert_eq!(limit, Some(f64::from(SMALL_QUOTA_BYTES)), "{metrics:?}");
    assert!(metrics.value("probe_mailbox_quota_used_ratio").is_some_and(|ratio| ratio > 0.8), "{metrics:?}");
}

#[tokio::test]
async fn filter_scripts_are_counted() {
    let Some(store) = Store::start("") else { return };
    let settings = format!("protocol: managesieve, {}", user("clerk"));
    let metrics = store.ask(store.dovecot.addresses.sieve, &settings).await;
    let counted = ["scripts", "scripts_active"].map(|name| metrics.value(&format!("probe_mailbox_sieve_{name}")));
    assert_eq!(counted, [Some(0.0); 2], "{metrics:?}");
    for tls in ["before", "after"] {
        let labels = [r#"capability="SIEVE""#, &format!("tls=\"{tls}\"")];
        assert!(metrics.find("probe_mailbox_capability_info", &labels).is_some(), "{tls}: {metrics:?}");
    }
}

#[tokio::test]
async fn mail_that_a_filter_moves_is_counted_where_it_went() {
    let Some(store) = Store::start("") else { return };
    let addresses = store.dovecot.addresses;
    store.dovecot.filter("clerk", "require \"fileinto\";\nfileinto \"Junk\";\n");
    swaks::deliver(addresses.lmtp, "clerk@town.example", 100);
    for (folder, messages) in [("INBOX", 0.0), ("Junk", 1.0)] {
        let settings = format!("protocol: imap, {}, folder: {folder}", user("clerk"));
        let metrics = store.ask(addresses.imaps, &settings).await;
        let seen = metrics.value("probe_mailbox_messages");
        assert_eq!(seen, Some(messages), "{folder}: {metrics:?}\n{}", store.dovecot.log());
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_not_empty() {
    let Some(store) = Store::start("") else { return };
    let settings = format!("protocol: imap, {}, folder: Nowhere", user("clerk"));
    let metrics = store.ask(store.dovecot.addresses.imaps, &settings).await;
    assert!(reason(&metrics).contains(r#"phase="select",reason="rejected""#), "{}", reason(&metrics));
    assert_eq!(metrics.value("probe_mailbox_messages"), None);
}

#[tokio::test]
async fn a_store_that_is_down_refuses_the_connection() {
    let Some(Store { dovecot, _folder, tls }) = Store::start("") else { return };
    let address = dovecot.addresses.imaps;
    drop(dovecot);
    eventually("nobody to listen", async || TcpStream::connect(address).is_err().then_some(())).await;
    let module = format!(
        "  store: {{ prober: mailbox, timeout: 10s, mailbox: {{ preferred_ip_protocol: ip4, {tls}, {} }} }}\n",
        user("clerk")
    );
    let metrics = agent(&module).probe("store", &address.to_string()).await;
    assert!(reason(&metrics).contains(r#"phase="connect",reason="connect_refused""#), "{}", reason(&metrics));
}

#[tokio::test]
async fn an_expired_certificate_is_told() {
    let Some(store) = Store::with("", |authority| authority.expired_leaf(&["mail.town.example"])) else { return };
    for (protocol, encryption, address) in doors(&store) {
        let settings = format!("protocol: {protocol}, encryption: {encryption}, {}", user("clerk"));
        let metrics = store.ask(address, &settings).await;
        let expected = r#"phase="tls",reason="tls_cert_expired""#;
        assert!(reason(&metrics).contains(expected), "{protocol} {encryption}: {}", reason(&metrics));
    }
}

#[tokio::test]
async fn no_password_goes_over_a_connection_that_is_not_encrypted() {
    // The server would take it.
    let Some(store) = Store::start("disable_plaintext_auth = no\nauth_debug = yes") else { return };
    let addresses = store.dovecot.addresses;
    let mut modules = String::new();
    for protocol in ["imap", "pop3", "managesieve"] {
        for (name, mechanism) in MECHANISMS {
            let settings = format!("protocol: {protocol}, encryption: none, {}{mechanism}", user("clerk"));
            modules += &store.module(&format!("{protocol}-{name}"), &settings);
        }
    }
    let tuermer = agent(&modules);
    for (protocol, address) in [("imap", addresses.imap), ("pop3", addresses.pop3), ("managesieve", addresses.sieve)] {
        for name in ["any", "scram"] {
            let metrics = tuermer.probe(&format!("{protocol}-{name}"), &address.to_string()).await;
            assert_eq!(metrics.value("probe_success"), Some(1.0), "{protocol} {name}: {metrics:?}");
        }
        for name in ["plain", "login"] {
            let metrics = tuermer.probe(&format!("{protocol}-{name}"), &address.to_string()).await;
            let expected = r#"phase="login",reason="config_unusable""#;
            assert!(reason(&metrics).contains(expected), "{protocol} {name}: {}", reason(&metrics));
        }
    }
    let log = store.dovecot.log();
    assert!(log.contains("SCRAM-SHA-256"), "{log}");
    assert!(!log.contains("\tPLAIN\t") && !log.contains("\tLOGIN\t"), "{log}");
}

#[tokio::test]
async fn a_server_that_takes_passwords_only_when_encrypted_is_asked_for_none_in_clear() {
    let Some(store) = Store::start("auth_mechanisms = plain login") else { return };
    let addresses = store.dovecot.addresses;
    for (protocol, address) in [("imap", addresses.imap), ("pop3", addresses.pop3), ("managesieve", addresses.sieve)] {
        let settings =
            format!("protocol: {protocol}, encryption: none, allow_cleartext_login: true, {}", user("clerk"));
        let metrics = store.ask(address, &settings).await;
        assert!(
            reason(&metrics).contains(r#"phase="login",reason="auth_missing""#),
            "{protocol}: {}",
            reason(&metrics)
        );
    }
}
