//! Postfix's encryption, judged by authorities, by TLSA records that BIND serves with signatures, and by the MTA-STS
//! policy that nginx hands out: three verdicts that know nothing of each other.

use std::net::SocketAddr;
use std::process::Command;
use std::time::UNIX_EPOCH;

use tuermer_probes::testkit::{Authority, Leaf, in_days};

use crate::daemon::bind::{Bind, Signing};
use crate::daemon::nginx::{Nginx, Pem};
use crate::daemon::postfix::Postfix;
use crate::daemon::tuermer::{Metrics, Tuermer};
use crate::daemon::{folder, free_address};
use crate::support::{output, program};

/// A town that takes mail, and what it publishes.
struct Town {
    authority: Authority,
    /// What its mail host shows.
    shown: Leaf,
    /// What its TLSA record names, if it has one.
    named: Option<String>,
    /// The mail host that its policy names, if it has a policy.
    policy: Option<&'static str>,
    /// Lines for Postfix.
    postfix: &'static str,
    /// How its zone is signed.
    signing: Signing,
}

impl Town {
    /// A town whose mail host shows this certificate.
    fn with(authority: Authority, shown: Leaf) -> Self {
        Self { authority, shown, named: None, policy: None, postfix: "", signing: Signing::default() }
    }

    fn in_order() -> Self {
        let authority = Authority::new();
        let shown = authority.leaf(&["mx.town.example"]);
        Self::with(authority, shown)
    }

    /// Starts the town and asks whether it takes mail. `None` where a server is missing on this machine.
    async fn asked(&self, tls_policy: &str) -> Option<Seen> {
        let Self { authority, shown, named, policy, postfix, signing } = self;
        let address = free_address();
        let chain = format!("{}{}", shown.pem, authority.pem());
        let pem = Pem { certificate: &chain, key: &shown.key_pem };
        let postfix = Postfix::start_with(address, postfix, "", Some(&pem))?;

        let host = authority.leaf(&["mta-sts.town.example"]);
        let rules = policy.unwrap_or_default();
        let location = format!(
            "location = /.well-known/mta-sts.txt {{ default_type text/plain;
               return 200 \"version: STSv1\\nmode: enforce\\nmx: {rules}\\nmax_age: 86400\\n\"; }}"
        );
        let nginx = Nginx::start(&location, &Pem { certificate: &host.pem, key: &host.key_pem })?;

        let bind = Bind::start_signed("town.example", &self.zone(address, nginx.https), signing)?;
        let files = folder();
        let [ca, anchor] = ["ca.pem", "anchor"].map(|name| files.path().join(name));
        std::fs::write(&ca, authority.pem()).expect("written");
        std::fs::write(&anchor, &bind.anchor).expect("written");
        let config = format!(
            "probe_metrics: all
probe_targets: any
resolver: ['{}']
dnssec_trust_anchors: {}
modules:
  mail:
    prober: smtp
    timeout: 20s
    smtp:
      port: {}
      preferred_ip_protocol: ip4
      recipients: [clerk@town.example]
      tls_config: {{ ca_file: {ca} }}
      tls_policy: {{ {tls_policy}, mta_sts_port: {}, mta_sts_tls_config: {{ ca_file: {ca} }} }}
",
            bind.address,
            anchor.display(),
            address.port(),
            nginx.https.port(),
            ca = ca.display(),
        );
        let metrics = Tuermer::start(&config).probe("mail", "town.example").await;
        drop(postfix);
        Some(Seen { metrics, named: named.clone(), step: format!("step=\"mx.town.example {}\"", address.ip()) })
    }

    fn zone(&self, mail_host: SocketAddr, policy_host: SocketAddr) -> String {
        let mut zone = format!(
            "$TTL 300
@ SOA ns hostmaster 2026112301 3600 600 86400 60
@ NS ns
@ MX 10 mx
ns A 127.0.0.1
mx A {}
mta-sts A {}
",
            mail_host.ip(),
            policy_host.ip()
        );
        if let Some(named) = &self.named {
            zone += &format!("_{}._tcp.mx TLSA {named}\n", mail_host.port());
        }
        if self.policy.is_some() {
            zone += "_mta-sts TXT \"v=STSv1; id=20261123;\"\n";
        }
        zone
    }
}

/// What was seen of the one mail host.
struct Seen {
    metrics: Metrics,
    named: Option<String>,
    step: String,
}

impl Seen {
    fn of_host(&self, name: &str, label: &str) -> Option<f64> {
        self.metrics.find(name, &[&self.step, label]).map(|(_, value)| value)
    }

    fn read(&self, name: &str) -> Option<f64> {
        self.of_host(name, "")
    }

    /// The verdicts by authorities, by TLSA records, by the policy; and that there are no others.
    fn verdicts(&self) -> [Option<f64>; 3] {
        let verdicts = ["webpki", "dane", "mta_sts"]
            .map(|method| self.of_host("probe_tls_verified", &format!("method=\"{method}\"")));
        let count = self.metrics.all("probe_tls_verified", &[]).len();
        assert_eq!(count, verdicts.iter().flatten().count(), "{:?}", self.metrics);
        verdicts
    }

    /// Whether mail is taken, and if not why, and where that was found.
    fn assert_ends(&self, reason: Option<(&str, &str)>) {
        let Self { metrics, named, .. } = self;
        let infos = metrics.all("probe_failure_info", &[]);
        match reason {
            None => assert_eq!((metrics.value("probe_success"), infos.len()), (Some(1.0), 0), "{named:?} {metrics:?}"),
            Some((reason, phase)) => {
                assert_eq!(metrics.value("probe_success"), Some(0.0), "{named:?} {metrics:?}");
                let labels = [format!("reason=\"{reason}\""), format!("phase=\"{phase}\"")];
                let [(found, _)] = infos[..] else { panic!("{infos:?}") };
                assert!(labels.iter().all(|label| found.contains(label)), "{named:?} {found}");
            }
        }
    }
}

/// The SHA-256 of a certificate's key, as openssl has it.
fn key_digest(certificate: &Leaf) -> Option<String> {
    let openssl = program(&["openssl"])?;
    let files = folder();
    let [pem, key, der] = ["cert.pem", "key.pem", "key.der"].map(|name| files.path().join(name));
    std::fs::write(&pem, &certificate.pem).expect("written");
    output(Command::new(&openssl).args(["x509", "-noout", "-pubkey", "-in"]).arg(&pem).arg("-out").arg(&key));
    output(Command::new(&openssl).args(["pkey", "-pubin", "-outform", "DER", "-in"]).arg(&key).arg("-out").arg(&der));
    let printed = output(Command::new(&openssl).args(["dgst", "-sha256", "-r"]).arg(&der));
    printed.split_whitespace().next().map(str::to_owned)
}

const YES: Option<f64> = Some(1.0);
const NO: Option<f64> = Some(0.0);

#[tokio::test]
async fn a_certificate_that_a_tlsa_record_names_needs_no_authority() {
    // Nobody vouches for it, and it is for another name.
    let mut town = Town::with(Authority::new(), Leaf::self_signed(&["elsewhere.example"], |_| {}));
    let Some(digest) = key_digest(&town.shown) else { return };
    town.named = Some(format!("3 1 1 {digest}"));
    for (tls_policy, reason) in [
        ("dane: require", None),
        ("dane: report", Some(("tls_cert_untrusted", "tls"))),
        ("dane: report, webpki: report", None),
    ] {
        let Some(seen) = town.asked(tls_policy).await else { return };
        seen.assert_ends(reason);
        assert_eq!(seen.verdicts(), [NO, YES, None], "{tls_policy}");
        assert_eq!(seen.read("probe_dane_tlsa_records"), Some(1.0));
        assert_eq!(seen.read("probe_dane_dnssec_secure"), Some(1.0));
        assert_eq!(seen.read("probe_dane_match"), Some(1.0));
        assert_eq!(seen.read("probe_smtp_starttls_stripped"), Some(0.0));
    }
}

#[tokio::test]
async fn a_tlsa_record_of_another_certificate_keeps_senders_away_that_go_by_it() {
    let mut town = Town::in_order();
    let Some(digest) = key_digest(&town.authority.leaf(&["mx.town.example"])) else { return };
    town.named = Some(format!("3 1 1 {digest}"));
    for (demand, reason) in [("require", Some(("tls_dane_mismatch", "tls"))), ("report", None)] {
        let Some(seen) = town.asked(&format!("dane: {demand}")).await else { return };
        seen.assert_ends(reason);
        assert_eq!(seen.verdicts(), [YES, NO, None], "{demand}");
        assert_eq!(seen.read("probe_dane_tlsa_usable"), Some(1.0));
        assert_eq!(seen.read("probe_dane_match"), Some(0.0));
    }
}

#[tokio::test]
async fn a_tlsa_record_may_name_the_authority() {
    let mut town = Town::in_order();
    let authority = tuermer_probes::net::Identity::of_der(&town.authority.der()).expect("a certificate");
    town.named = Some(format!("2 0 1 {}", authority.fingerprint_sha256));
    let Some(seen) = town.asked("dane: require").await else { return };
    seen.assert_ends(None);
    assert_eq!(seen.verdicts(), [YES, YES, None]);
    assert_eq!(seen.read("probe_dane_match"), Some(1.0));
}

#[tokio::test]
async fn signatures_that_are_over_keep_senders_away_that_look_at_them() {
    let mut town = Town::in_order();
    let Some(digest) = key_digest(&town.shown) else { return };
    town.named = Some(format!("3 1 1 {digest}"));
    town.signing.is_expired = true;
    for (demand, reason) in [("require", Some(("dns_bogus", "resolve"))), ("ignore", None)] {
        let Some(seen) = town.asked(&format!("dane: {demand}")).await else { return };
        seen.assert_ends(reason);
        let verdicts = if reason.is_some() { [None; 3] } else { [YES, None, None] };
        assert_eq!(seen.verdicts(), verdicts, "{demand}");
    }
}

#[tokio::test]
async fn a_forged_tlsa_record_keeps_senders_away_that_look_at_it() {
    let mut town = Town::in_order();
    let Some(digest) = key_digest(&town.shown) else { return };
    town.named = Some(format!("3 1 1 {digest}"));
    town.signing.forged = Some(["3 1 1 (", "3 1 0 ("]);
    for (demand, reason) in [("require", Some(("dns_bogus", "tlsa"))), ("report", None)] {
        let Some(seen) = town.asked(&format!("dane: {demand}")).await else { return };
        seen.assert_ends(reason);
        assert_eq!(seen.verdicts(), [YES, NO, None], "{demand}");
        assert_eq!(seen.read("probe_dane_tlsa_records"), None);
        assert_eq!(seen.read("probe_dane_match"), None);
    }
}

#[tokio::test]
async fn encryption_that_is_taken_out_is_noticed_where_a_tlsa_record_asks_for_it() {
    let mut town = Town::in_order();
    let Some(digest) = key_digest(&town.shown) else { return };
    town.named = Some(format!("3 1 1 {digest}"));
    town.postfix = "smtpd_discard_ehlo_keywords = starttls";
    for (demand, reason) in [("require", Some(("starttls_missing", "ehlo"))), ("report", None)] {
        let Some(seen) = town.asked(&format!("dane: {demand}")).await else { return };
        seen.assert_ends(reason);
        assert_eq!(seen.verdicts(), [None, NO, None], "{demand}");
        assert_eq!(seen.read("probe_smtp_starttls_stripped"), Some(1.0));
    }
}

#[tokio::test]
async fn a_policy_that_names_another_mail_host_keeps_senders_away_that_go_by_it() {
    let mut town = Town::in_order();
    for (policy, demand, verdict, reason) in [
        ("mx.town.example", "require", 1.0, None),
        ("*.town.example", "require", 1.0, None),
        ("old.town.example", "report", 0.0, None),
        ("old.town.example", "require", 0.0, Some(("tls_policy", "tls"))),
    ] {
        town.policy = Some(policy);
        let Some(seen) = town.asked(&format!("mta_sts: {demand}")).await else { return };
        seen.assert_ends(reason);
        assert_eq!(seen.verdicts(), [YES, None, Some(verdict)], "{policy} {demand}");
        assert_eq!(seen.read("probe_mta_sts_mx_match"), Some(verdict));
        let labels = [r#"step="mta-sts.town.example""#, r#"id="20261123""#, r#"mode="enforce""#];
        assert!(seen.metrics.find("probe_mta_sts_info", &labels).is_some(), "{:?}", seen.metrics);
    }
}

#[tokio::test]
async fn an_expired_certificate_is_told_with_its_end() {
    let authority = Authority::new();
    let until = in_days(-1.0);
    let shown = authority.leaf_valid(&["mx.town.example"], in_days(-30.0), until);
    let mut town = Town::with(authority, shown);
    town.policy = Some("mx.town.example");
    let Some(digest) = key_digest(&town.shown) else { return };
    town.named = Some(format!("3 1 1 {digest}"));
    let Some(seen) = town.asked("dane: report, mta_sts: report").await else { return };
    seen.assert_ends(Some(("tls_cert_expired", "tls")));
    assert_eq!(seen.verdicts(), [NO, YES, NO]);
    let seconds = until.duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as f64;
    assert_eq!(seen.read("probe_ssl_earliest_cert_expiry"), Some(seconds));
    assert_eq!(seen.read("probe_tls_certificate_not_after_timestamp_seconds"), Some(seconds));
    assert_eq!(seen.read("probe_tls_certificate_verified"), Some(0.0));
    for name in ["probe_tls_version_info", "probe_tls_cipher_info", "probe_tls_key_exchange_info"] {
        assert_eq!(seen.read(name), Some(1.0), "{name}");
    }
}
