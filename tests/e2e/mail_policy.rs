//! What a town publishes for its mail: in zones that BIND serves with signatures, and on nginx over TLS.

use tuermer_probes::testkit::Authority;

use crate::asked::Asked;
use crate::daemon::bind::{Bind, Signing};
use crate::daemon::folder;
use crate::daemon::nginx::{Nginx, Pem};
use crate::daemon::opendkim::Key;
use crate::daemon::tuermer::Tuermer;

/// Names of the mail host's address.
const REVERSE: &str = "$TTL 300
@ SOA ns.town.example. hostmaster.town.example. 1 3600 600 86400 60
@ NS ns.town.example.
25 PTR mx.town.example.
";

/// All policies.
const ALL: [&str; 8] = ["dane", "dkim", "dmarc", "mta_sts", "mx", "reverse", "spf", "tls_rpt"];

/// What is read of a town in order, without `probe_`.
const IN_ORDER: &[&str] = &[
    r#"dane_dnssec_secure{mx="mx.town.example"} 1"#,
    r#"dane_tlsa_records{mx="mx.town.example"} 1"#,
    r#"dane_tlsa_usable{mx="mx.town.example"} 1"#,
    r#"dkim_key_bits{selector="one"} 2048"#,
    r#"dkim_key_info{selector="one",type="rsa"} 1"#,
    r#"dkim_key_present{selector="one"} 1"#,
    r#"dkim_key_revoked{selector="one"} 0"#,
    r#"dkim_key_testing{selector="one"} 0"#,
    r#"dmarc_info{policy="reject",subdomain_policy="reject"} 1"#,
    "dmarc_inherited 0",
    "dmarc_percent 100",
    r#"dmarc_policy{policy="none"} 0"#,
    r#"dmarc_policy{policy="quarantine"} 0"#,
    r#"dmarc_policy{policy="reject"} 1"#,
    "dmarc_present 1",
    "dmarc_report_addresses 1",
    r#"mail_fcrdns_ok{ip="192.0.2.25",mx="mx.town.example"} 1"#,
    r#"mail_mx_addresses{family="ip4",mx="mx.town.example"} 1"#,
    r#"mail_mx_addresses{family="ip6",mx="mx.town.example"} 0"#,
    r#"mail_mx_alias{mx="mx.town.example"} 0"#,
    "mail_mx_implicit 0",
    r#"mail_mx_info{mx="mx.town.example",preference="10"} 1"#,
    "mail_mx_null 0",
    "mail_mx_records 1",
    "mail_mx_secure 1",
    r#"mta_sts_info{id="20261123",mode="enforce"} 1"#,
    "mta_sts_max_age_seconds 86400",
    r#"mta_sts_mode{mode="enforce"} 1"#,
    r#"mta_sts_mode{mode="none"} 0"#,
    r#"mta_sts_mode{mode="testing"} 0"#,
    r#"mta_sts_mx_match{mx="mx.town.example"} 1"#,
    "mta_sts_policy_valid 1",
    "mta_sts_record_valid 1",
    r#"spf_all_info{result="fail"} 1"#,
    "spf_lookups 2",
    "spf_records 1",
    r#"spf_sender_info{result="pass",sender="192.0.2.25"} 1"#,
    r#"spf_sender_info{result="pass",sender="198.51.100.7"} 1"#,
    r#"spf_sender_pass{sender="192.0.2.25"} 1"#,
    r#"spf_sender_pass{sender="198.51.100.7"} 1"#,
    "spf_valid 1",
    "spf_void_lookups 0",
    "tlsrpt_record_valid 1",
];

/// A town with its servers, and the agent that asks.
struct Town {
    bind: Bind,
    _nginx: Nginx,
    _files: tempfile::TempDir,
    tuermer: Tuermer,
}

impl Town {
    /// A town with this MX record, whose MTA-STS policy names this mail host; modules `all`, which wants everything to be
    /// good, and `senders` with a sender that is none of the town's. `None` where a server is missing on this machine.
    fn start(mx: &str, named: &str) -> Option<Self> {
        let authority = Authority::new();
        let host = authority.leaf(&["mta-sts.town.example"]);
        let location = format!(
            "location = /.well-known/mta-sts.txt {{ default_type text/plain;
               return 200 \"version: STSv1\\nmode: enforce\\nmx: {named}\\nmax_age: 86400\\n\"; }}"
        );
        let nginx = Nginx::start(&location, &Pem { certificate: &host.pem, key: &host.key_pem })?;
        let key = Key::rsa()?;
        let zone = format!(
            "$TTL 300
@ SOA ns hostmaster 2026112301 3600 600 86400 60
@ NS ns
@ MX {mx}
@ TXT \"v=spf1 a:mx.town.example include:_senders.town.example -all\"
_senders TXT \"v=spf1 ip4:198.51.100.0/24 ~all\"
_dmarc TXT \"v=DMARC1; p=reject; rua=mailto:reports@town.example\"
_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:reports@town.example\"
_mta-sts TXT \"v=STSv1; id=20261123;\"
_25._tcp.mx TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
ns A 127.0.0.1
mx A 192.0.2.25
mta-sts A {}
{}",
            nginx.https.ip(),
            key.record
        );
        let reverse = [["2.0.192.in-addr.arpa", REVERSE]];
        let bind = Bind::start_signed_beside("town.example", &zone, &Signing::default(), &reverse)?;
        let files = folder();
        let [ca, anchor] = ["ca.pem", "anchor"].map(|name| files.path().join(name));
        std::fs::write(&ca, authority.pem()).expect("written");
        std::fs::write(&anchor, &bind.anchor).expect("written");
        let module = |name: &str, require: &str, senders: &str| {
            format!(
                "  {name}:
    prober: mail_policy
    timeout: 20s
    mail_policy:
      require: [{require}]
      spf_senders: [{senders}]
      dkim_selectors: [one]
      mta_sts_port: {}
      tls_config: {{ ca_file: {} }}
",
                nginx.https.port(),
                ca.display()
            )
        };
        let config = format!(
            "probe_metrics: all\nprobe_targets: any\nresolver: ['{}']\ndnssec_trust_anchors: {}\nmodules:\n{}{}",
            bind.address,
            anchor.display(),
            module("all", &ALL.join(", "), "192.0.2.25, 198.51.100.7"),
            module("senders", "spf", "192.0.2.25, 203.0.113.9"),
        );
        let tuermer = Tuermer::start(&config);
        Some(Self { bind, _nginx: nginx, _files: files, tuermer })
    }

    async fn asked(&self, module: &str) -> Asked {
        Asked::of(&self.tuermer, module, "town.example").await
    }
}

/// That this, and nothing else, was found of the policies: all are good but these.
fn assert_good_but(found: &Asked, wrong: &[&str]) {
    let lines = |value: &dyn Fn(&str) -> bool| {
        ALL.map(|policy| format!("{{policy=\"{policy}\"}} {}", u8::from(value(policy)))).to_vec()
    };
    assert_eq!(found.beginning("probe_mail_policy_check_ok"), lines(&|policy| !wrong.contains(&policy)), "{found:?}");
    assert_eq!(found.beginning("probe_mail_policy_check_unknown"), lines(&|_| false), "{found:?}");
}

#[tokio::test]
async fn a_town_in_order_passes() {
    let Some(town) = Town::start("10 mx", "mx.town.example") else { return };
    let found = town.asked("all").await;
    assert_eq!(found.verdict(), "up", "{found:?}");
    assert_good_but(&found, &[]);
    let mut lines = found.beginning("probe_");
    // What every run and every certificate is read for, and what was looked at above.
    let others = ["success ", "timeout_", "tls_", "mail_policy_check_"];
    lines.retain(|line| !others.iter().any(|other| line.starts_with(other)));
    assert_eq!(lines, IN_ORDER);
}

#[tokio::test]
async fn a_sender_that_spf_does_not_name_is_told() {
    let Some(town) = Town::start("10 mx", "mx.town.example") else { return };
    let found = town.asked("senders").await;
    assert_eq!(found.verdict(), r#"down{phase="spf",reason="spf_invalid"}"#);
    assert_good_but(&found, &["spf"]);
    assert_eq!(
        found.beginning("probe_spf_sender_"),
        [
            r#"info{result="fail",sender="203.0.113.9"} 1"#,
            r#"info{result="pass",sender="192.0.2.25"} 1"#,
            r#"pass{sender="192.0.2.25"} 1"#,
            r#"pass{sender="203.0.113.9"} 0"#,
        ]
    );
}

#[tokio::test]
async fn a_policy_that_names_another_mail_host_is_told() {
    let Some(town) = Town::start("10 mx", "old.town.example") else { return };
    let found = town.asked("all").await;
    assert_eq!(found.verdict(), r#"down{phase="fetch",reason="mta_sts_invalid"}"#);
    assert_good_but(&found, &["mta_sts"]);
    assert_eq!(found.beginning("probe_mta_sts_mx_match"), [r#"{mx="mx.town.example"} 0"#]);
}

#[tokio::test]
async fn a_null_mx_is_told() {
    let Some(town) = Town::start("0 .", "mx.town.example") else { return };
    let found = town.asked("all").await;
    assert_eq!(found.verdict(), r#"down{phase="mx",reason="mx_missing"}"#);
    assert_good_but(&found, &["mx", "reverse", "mta_sts", "dane"]);
    assert_eq!(found.beginning("probe_mail_mx_"), ["implicit 0", "null 1", "records 1"]);
}

#[tokio::test]
async fn without_its_name_server_nothing_is_known_of_the_town() {
    let Some(town) = Town::start("10 mx", "mx.town.example") else { return };
    assert_eq!(town.asked("all").await.verdict(), "up");
    let Town { bind, _nginx, _files, tuermer } = town;
    drop(bind);
    let (status, text) = tuermer.get("/probe?module=all&target=town.example").await;
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("policy_unknown"), "{text}");
    let found = Asked::of(&tuermer, "all", "town.example").await;
    assert_eq!(found.verdict(), r#"unknown{phase="mx",reason="policy_unknown"}"#);
    // Nothing is good, nothing is wrong, nothing is gone.
    let mut lines = vec![r#"failure_info{phase="mx",reason="policy_unknown"} 1"#.to_owned()];
    lines.extend(ALL.map(|policy| format!("mail_policy_check_unknown{{policy=\"{policy}\"}} 1")));
    lines.push("timeout_seconds 20".to_owned());
    assert_eq!(found.beginning("probe_"), lines);
}
