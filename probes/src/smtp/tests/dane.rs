//! Where TLSA records are looked for, and what of the way to a mail host must be verified for them to count.

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::name::CNAME;
use hickory_proto::rr::rdata::{A, MX, TLSA};
use hickory_proto::rr::{Name, RData, RecordType};

use super::verdicts::{NO, Records, Town, YES, read, tlsa, verdicts};
use super::*;
use crate::net::tree::{Tree, name};
use crate::net::{Anchors, Net, Resolver};
use crate::report::Verdict;
use crate::testkit::{Data, DiskFiles, Leaf, ask_in, gist};

/// The town, whose mail host is an alias of `other.example.org`, with these TLSA records at the two names.
fn with_alias(mut town: Town, at_other: Vec<Data>, at_own: Vec<Data>) -> Town {
    let port = town.peer.address().port();
    let other: &'static str = format!("_{port}._tcp.other.example.org.").leak();
    let own = town.tlsa_name();
    let mut records: Records = vec![
        ("example.org.", Data::Mx(10, "mx.example.org.")),
        ("mx.example.org.", Data::Alias("other.example.org.")),
        ("other.example.org.", Data::A([127, 0, 0, 1])),
        (".", Data::Authentic),
    ];
    records.extend(at_other.into_iter().map(|data| (other, data)));
    records.extend(at_own.into_iter().map(|data| (own, data)));
    town.records = records;
    town
}

#[tokio::test]
async fn the_tlsa_records_of_an_alias_stand_at_its_other_name_or_at_its_own() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["mx.example.org"]);
    let mut town = Town::new(authority, &leaf).await;
    let right = || vec![tlsa(3, 1, 1, &leaf.der)];
    let wrong = || vec![Data::Tlsa(3, 1, 1, vec![7; 32])];
    for (at_other, at_own, expected, verdict, count) in [
        (right(), vec![], "up", YES, 1.0),
        (vec![], right(), "up", YES, 1.0),
        // What stands at the other name comes first.
        (right(), wrong(), "up", YES, 1.0),
        (wrong(), right(), "tls_dane_mismatch in tls", NO, 1.0),
        (vec![], vec![], "dane_invalid in tlsa", None, 0.0),
    ] {
        let case = format!("{at_other:?} {at_own:?}");
        town = with_alias(town, at_other, at_own);
        let report = town.asked(json!({"dane": "require"})).await;
        assert_eq!(gist(&report), expected, "{case}: {:?}", report.failure());
        assert_eq!(verdicts(&report), [YES, verdict, None], "{case}");
        assert_eq!(read(&report, "probe_dane_tlsa_records"), Some(count), "{case}");
    }
}

#[tokio::test]
async fn below_an_authority_the_certificate_is_for_the_name_at_which_its_record_stands() {
    for (named, expected) in
        [("other.example.org", "up"), ("example.org", "up"), ("mx.example.org", "tls_cert_name in tls")]
    {
        let authority = Authority::new();
        let leaf = authority.leaf(&[named]).with_chain([authority.der()]);
        let record = tlsa(2, 0, 1, &authority.der());
        let town = with_alias(Town::new(Authority::new(), &leaf).await, vec![record], vec![]);
        assert_eq!(gist(&town.asked(json!({"dane": "require"})).await), expected, "{named}");
    }
}

const STEP: &str = "mail.signed.test 127.0.0.1";

/// A mail host of `signed.test`, and its certificate.
struct Signed {
    peer: Peer,
    leaf: Leaf,
    authority: Authority,
}

impl Signed {
    async fn new(host: &str) -> Self {
        let authority = Authority::new();
        let leaf = authority.leaf(&[host]);
        let mut stages = encrypted(leaf.server());
        let rcpt = stage(&stages, "rcpt");
        stages[rcpt].1 = vec![hear("RCPT TO:<postmaster@signed.test>\r\n")];
        let peer = Peer::play(script(&stages)).await;
        Self { peer, leaf, authority }
    }

    /// Zones in which this host has an address at `address` and this certificate's TLSA record.
    fn zones(&self, mx: &str, address: &str) -> Tree {
        let Data::Tlsa(usage, selector, matching, data) = tlsa(3, 1, 1, &self.leaf.der) else { unreachable!() };
        let record = RData::TLSA(TLSA::new(usage.into(), selector.into(), matching.into(), data));
        let owner = name(&format!("_{}._tcp.{mx}.", self.peer.address().port()));
        let mut tree = Tree::new();
        tree.zone("signed.test.").records.retain(|(_, data)| data.record_type() != RecordType::MX);
        tree.zone("signed.test.").records.push((name("signed.test."), RData::MX(MX::new(10, name(&format!("{mx}."))))));
        for (owner, data) in [(owner, record), (name(address), RData::A(A([127, 0, 0, 1].into())))] {
            let zone = if name("bare.test.").zone_of(&owner) { "bare.test." } else { "signed.test." };
            tree.zone(zone).records.push((owner, data));
        }
        tree
    }

    async fn asked(
        &self,
        tree: Tree,
        demand: &str,
        change: impl Fn(&Name, RecordType, &mut Message) -> bool + Send + Sync + 'static,
    ) -> Report {
        let anchors = Anchors::read(&tree.anchor(".")).expect("anchors");
        let server = tree.serve(change).await;
        let resolver = Resolver::of_servers(&[server.address()]).expect("a resolver").with_anchors(Arc::new(anchors));
        let settings = json!({
            "port": self.peer.address().port(),
            "tls_config": {"ca": self.authority.pem()},
            "tls_policy": {"dane": demand},
        });
        let report = ask_in(&Net::new(resolver, Arc::new(DiskFiles)), "smtp", settings, "signed.test", AMPLE).await;
        assert_laps_cover_the_run(&report);
        report
    }
}

fn unchanged(_: &Name, _: RecordType, _: &mut Message) -> bool {
    true
}

fn by_dane(report: &Report, step: &str) -> Option<f64> {
    reading(report, Some(step), "probe_tls_verified", &["dane"])
}

#[tokio::test]
async fn records_of_a_signed_zone_count_also_where_an_alias_leads_out_of_it() {
    let town = Signed::new("mail.signed.test").await;
    let report = town.asked(town.zones("mail.signed.test", "mail.signed.test."), "require", unchanged).await;
    assert_eq!((&*gist(&report), by_dane(&report, STEP)), ("up", YES), "{:?}", report.failure());

    let mut tree = town.zones("mail.signed.test", "mail.bare.test.");
    let alias = RData::CNAME(CNAME(name("mail.bare.test.")));
    tree.zone("signed.test.").records.push((name("mail.signed.test."), alias));
    let report = town.asked(tree, "require", unchanged).await;
    assert_eq!((&*gist(&report), by_dane(&report, STEP)), ("up", YES), "{:?}", report.failure());
    assert_eq!(reading(&report, Some(STEP), "probe_dane_dnssec_secure", &[]), Some(1.0));
}

#[tokio::test]
async fn tlsa_records_do_not_apply_to_addresses_that_nobody_signed() {
    let town = Signed::new("mail.bare.test").await;
    let step = "mail.bare.test 127.0.0.1";
    for (demand, expected) in [("report", "up"), ("require", "dane_invalid in tlsa")] {
        let tree = town.zones("mail.bare.test", "mail.bare.test.");
        // The name server, which is believed, vouches for the TLSA record alone.
        let vouch = |_: &Name, kind, reply: &mut Message| {
            reply.metadata.authentic_data = kind == RecordType::TLSA;
            true
        };
        let report = town.asked(tree, demand, vouch).await;
        assert_eq!(gist(&report), expected, "{:?}", report.failure());
        assert_eq!(by_dane(&report, step), None);
        assert_eq!(reading(&report, Some(step), "probe_dane_tlsa_usable", &[]), Some(1.0));
        assert_eq!(reading(&report, Some(step), "probe_dane_dnssec_secure", &[]), Some(0.0));
        if let Some(failure) = report.failure() {
            assert_eq!(failure.message(), "the addresses of the mail host mail.bare.test are not verified by DNSSEC");
        }
    }
}

#[tokio::test]
async fn forged_addresses_keep_senders_away_that_look_at_tlsa_records() {
    let town = Signed::new("mail.signed.test").await;
    for (demand, expected) in [("report", "up"), ("require", "dns_bogus in tlsa")] {
        let tree = town.zones("mail.signed.test", "mail.signed.test.");
        let report = town.asked(tree, demand, without_signatures_of(RecordType::A)).await;
        assert_eq!(gist(&report), expected, "{:?}", report.failure());
        assert_eq!(by_dane(&report, STEP), NO);
        assert_eq!(reading(&report, Some(STEP), "probe_dane_tlsa_records", &[]), None);
    }
}

#[tokio::test]
async fn forged_mx_records_only_show_where_dane_is_not_required() {
    let town = Signed::new("mail.signed.test").await;
    for (demand, expected, shown, verdict) in [
        ("ignore", "up", None, Verdict::Up),
        ("report", "up", NO, Verdict::Up),
        ("require", "dns_bogus in resolve", None, Verdict::Down),
    ] {
        let tree = town.zones("mail.signed.test", "mail.signed.test.");
        let report = town.asked(tree, demand, without_signatures_of(RecordType::MX)).await;
        assert_eq!(gist(&report), expected, "{:?}", report.failure());
        assert_eq!((by_dane(&report, STEP), report.verdict()), (shown, verdict), "{demand}");
        assert_eq!(reading(&report, Some(STEP), "probe_dane_tlsa_records", &[]), None);
    }
}

/// Takes the signatures out of the answers to one sort of question.
fn without_signatures_of(wanted: RecordType) -> impl Fn(&Name, RecordType, &mut Message) -> bool + Send + Sync {
    move |_, kind, reply| {
        if kind == wanted {
            reply.answers.retain(|record| record.record_type() != RecordType::RRSIG);
        }
        true
    }
}
