//! Whom we trust, and what we read off whom.

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa};
use rustls::version::{TLS12, TLS13};

use super::*;
use crate::testkit::{Authority, Leaf, gist, in_days};

const EARLIEST: &str = "probe_ssl_earliest_cert_expiry";
const LAST_CHAIN: &str = "probe_ssl_last_chain_expiry_timestamp_seconds";
const INFO: &str = "probe_ssl_last_chain_info";

/// Names of what blackbox_exporter shows too.
fn shown_names(report: &Report) -> Vec<&'static str> {
    report.readings.iter().filter(|reading| !reading.measure.extra).map(|reading| reading.measure.name).collect()
}

#[tokio::test]
async fn a_trusted_server_is_described() {
    let authority = Authority::new();
    let until = in_days(20.0);
    let leaf = authority.leaf_valid(&["localhost"], in_days(-1.0), until);
    let report = shake(leaf.server(), json!({ "ca": authority.pem() }), "localhost").await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(shown_names(&report), ["probe_tls_version_info", "probe_tls_cipher_info", EARLIEST, LAST_CHAIN, INFO]);
    assert_eq!(report.reading_named(EARLIEST), Some(seconds(until)));
    assert_eq!(report.reading_named(LAST_CHAIN), Some(seconds(until)));
    assert_eq!(report.reading_named("probe_tls_certificate_verified"), Some(1.0));
    assert_eq!(report.reading_named("probe_tls_chain_certificates"), Some(1.0));
    assert_eq!(label(&report, "probe_tls_version_info", "version"), Some("TLS 1.3"));
    assert!(label(&report, "probe_tls_cipher_info", "cipher").unwrap().starts_with("TLS_"));
    assert_eq!(label(&report, INFO, "subject"), Some("CN=rcgen self signed cert"));
    assert_eq!(label(&report, INFO, "issuer"), Some("CN=tuermer test authority"));
    assert_eq!(label(&report, INFO, "subjectalternative"), Some("localhost"));
}

#[tokio::test]
async fn the_name_to_verify_is_the_targets_or_the_settings() {
    let authority = Authority::new();
    let server = authority.leaf(&["localhost", "*.example.com"]).server_of_version(&TLS12);
    let ca = authority.pem();
    let by_address = shake(Arc::clone(&server), json!({ "ca": ca }), "127.0.0.1").await;
    assert_eq!(gist(&by_address), "tls_cert_name in tls");
    assert_eq!(message(&by_address), "the certificate is for localhost,*.example.com, not for 127.0.0.1");
    assert_eq!(shown_names(&by_address), [""; 0]);
    let by_name = shake(Arc::clone(&server), json!({ "ca": ca }), "localhost").await;
    assert_eq!(gist(&by_name), "up");
    assert_eq!(label(&by_name, "probe_tls_version_info", "version"), Some("TLS 1.2"));
    for name in ["localhost", "foo.example.com", "FOO.example.com."] {
        let by_settings = shake(Arc::clone(&server), json!({ "ca": ca, "server_name": name }), "127.0.0.1").await;
        assert_eq!(gist(&by_settings), "up", "{name}");
    }
    for name in ["example.com", "a.b.example.com", "h:8443", "/run/socket"] {
        let report = shake(Arc::clone(&server), json!({ "ca": ca }), name).await;
        assert_eq!(gist(&report), "tls_cert_name in tls", "{name}");
    }
}

#[tokio::test]
async fn addresses_are_verified_against_addresses() {
    let authority = Authority::new();
    let server = authority.leaf(&["127.0.0.1", "::1"]).server();
    let ca = json!({ "ca": authority.pem() });
    assert_eq!(gist(&shake(Arc::clone(&server), ca.clone(), "127.0.0.1").await), "up");
    assert_eq!(gist(&shake(Arc::clone(&server), ca.clone(), "::1").await), "up");
    let report = shake(server, ca, "127.0.0.2").await;
    assert_eq!(message(&report), "the certificate is for 127.0.0.1,::1, not for 127.0.0.2");
}

#[tokio::test]
async fn a_common_name_is_no_name() {
    let authority = Authority::new();
    let leaf = authority.leaf_with(&[], |params| params.distinguished_name.push(DnType::CommonName, "localhost"));
    let report = shake(leaf.server(), json!({ "ca": authority.pem() }), "localhost").await;
    assert_eq!(gist(&report), "tls_cert_name in tls");
    assert_eq!(
        message(&report),
        "the certificate of CN=localhost names no host (localhost is due): only alternative names count, not the common name"
    );
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let intermediate = ours.intermediate("between", in_days(-1.0), in_days(1.0));
    let settings = json!({ "ca": ours.pem() });
    let report = shake(
        theirs.intermediate("x", in_days(-1.0), in_days(1.0)).leaf(&["localhost"]).server(),
        settings.clone(),
        "localhost",
    )
    .await;
    assert_eq!(gist(&report), "tls_cert_untrusted in tls");
    assert_eq!(
        message(&report),
        "no trusted authority vouches for the certificate of CN=rcgen self signed cert, issued by CN=x; the peer sent \
         no intermediate certificate"
    );
    let same_name = shake(theirs.leaf(&["localhost"]).server(), settings.clone(), "localhost").await;
    assert_eq!(gist(&same_name), "tls_cert_untrusted in tls");
    let forgotten = shake(intermediate.leaf(&["localhost"]).server(), settings.clone(), "localhost").await;
    assert_eq!(gist(&forgotten), "tls_cert_untrusted in tls");
    let sent = intermediate.leaf(&["localhost"]).with_chain([intermediate.der()]);
    assert_eq!(gist(&shake(sent.server(), settings, "localhost").await), "up");
}

#[tokio::test]
async fn a_self_signed_certificate_is_refused_or_accepted_unread() {
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let until = in_days(3.0);
        let leaf = Leaf::self_signed(&["localhost"], |params| {
            params.is_ca = is_ca;
            params.not_after = until.into();
        });
        let refused = shake(leaf.server(), json!({ "ca": Authority::new().pem() }), "localhost").await;
        assert_eq!(gist(&refused), "tls_cert_untrusted in tls");
        assert_eq!(
            message(&refused),
            "the certificate of CN=rcgen self signed cert is self-signed and not among the trusted ones"
        );
        assert_eq!(shown_names(&refused), [""; 0]);
        assert_eq!(refused.reading_named("probe_tls_certificate_not_after_timestamp_seconds"), Some(seconds(until)));
        let accepted = shake(leaf.server(), json!({ "insecure_skip_verify": true }), "elsewhere").await;
        assert_eq!(gist(&accepted), "up");
        assert_eq!(accepted.reading_named(EARLIEST), Some(seconds(until)));
        assert_eq!(accepted.reading_named(LAST_CHAIN), Some(-62_135_596_800.0));
        assert_eq!(accepted.reading_named("probe_tls_certificate_verified"), Some(0.0));
    }
}

#[tokio::test]
async fn a_self_signed_certificate_may_be_its_own_authority() {
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let until = in_days(3.0);
        let leaf = Leaf::self_signed(&["localhost"], |params| {
            params.is_ca = is_ca;
            params.not_after = until.into();
        });
        let report = shake(leaf.server(), json!({ "ca": leaf.pem }), "localhost").await;
        assert_eq!(gist(&report), "up", "{}", message(&report));
        assert_eq!(report.reading_named(LAST_CHAIN), Some(seconds(until)));
        assert_eq!(gist(&shake(leaf.server(), json!({ "ca": leaf.pem }), "other").await), "tls_cert_name in tls");
    }
    let trusted = |change: fn(&mut CertificateParams)| async move {
        let leaf = Leaf::self_signed(&["localhost"], change);
        gist(&shake(leaf.server(), json!({ "ca": leaf.pem }), "localhost").await)
    };
    assert_eq!(trusted(|params| params.not_after = in_days(-0.5).into()).await, "tls_cert_expired in tls");
    assert_eq!(trusted(|params| params.not_before = in_days(1.0).into()).await, "tls_cert_not_yet_valid in tls");
    let for_clients: fn(&mut CertificateParams) =
        |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert_eq!(trusted(for_clients).await, "tls_cert_invalid in tls");
}

#[tokio::test]
async fn a_certificate_of_the_wrong_make_is_invalid() {
    let authority = Authority::new();
    let settings = json!({ "ca": authority.pem() });
    let for_clients = authority.leaf_with(&["localhost"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let report = shake(for_clients.server(), settings.clone(), "localhost").await;
    assert_eq!(gist(&report), "tls_cert_invalid in tls");
    assert_eq!(
        message(&report),
        "the certificate of CN=rcgen self signed cert or of an authority above is not made for servers"
    );
    let of_authority =
        authority.leaf_with(&["localhost"], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let report = shake(of_authority.server(), settings, "localhost").await;
    assert_eq!(gist(&report), "tls_cert_invalid in tls");
    assert_eq!(message(&report), "the certificate of CN=rcgen self signed cert is an authority's, not a server's");
}

#[tokio::test]
async fn certificates_out_of_their_time_are_refused() {
    let (past, soon, later) = (in_days(-90.0), in_days(-3.0), in_days(4.5));
    let authority = Authority::new();
    let settings = json!({ "ca": authority.pem() });
    let expired = shake(authority.leaf_valid(&["localhost"], past, soon).server(), settings.clone(), "localhost").await;
    assert_eq!(gist(&expired), "tls_cert_expired in tls");
    assert!(message(&expired).starts_with("the certificate of CN=rcgen self signed cert expired 3 days ago, at "));
    assert_eq!(expired.reading_named("probe_tls_certificate_not_after_timestamp_seconds"), Some(seconds(soon)));
    let future = authority.leaf_valid(&["localhost"], later, in_days(9.0));
    let future = shake(future.server(), settings.clone(), "localhost").await;
    assert_eq!(gist(&future), "tls_cert_not_yet_valid in tls");
    assert!(message(&future).starts_with("the certificate of CN=rcgen self signed cert becomes valid in 4 days, at "));
    let between = authority.intermediate("between", past, soon);
    let leaf = between.leaf(&["localhost"]).with_chain([between.der()]);
    let report = shake(leaf.server(), settings, "localhost").await;
    assert_eq!(gist(&report), "tls_cert_expired in tls");
    assert!(message(&report).starts_with("the intermediate certificate of CN=between expired 3 days ago, at "));
    let old = authority.renewed(past, soon);
    let report = shake(authority.leaf(&["localhost"]).server(), json!({ "ca": old.pem() }), "localhost").await;
    assert_eq!(gist(&report), "tls_cert_expired in tls");
    assert!(message(&report).starts_with("the trusted authority of the chain expired 3 days ago, at "));
    let both = format!("{}{}", old.pem(), authority.pem());
    assert_eq!(gist(&shake(authority.leaf(&["localhost"]).server(), json!({ "ca": both }), "localhost").await), "up");
}

/// Acceptance case T4.
#[tokio::test]
async fn the_last_chain_is_the_verified_one_that_lasts_longest() {
    let from = in_days(-1.0);
    let long = Authority::valid(from, in_days(3.0));
    let short = long.renewed(from, in_days(1.0));
    let leaf_end = in_days(2.0);
    let leaf = long.leaf_valid(&["localhost"], from, leaf_end).with_chain([short.der()]);
    for ca in [format!("{}{}", long.pem(), short.pem()), format!("{}{}", short.pem(), long.pem())] {
        let report = shake(leaf.server(), json!({ "ca": ca }), "localhost").await;
        assert_eq!(gist(&report), "up");
        let earliest = report.reading_named(EARLIEST).unwrap();
        assert!((earliest - seconds(in_days(1.0))).abs() < 60.0, "{earliest}");
        assert_eq!(report.reading_named(LAST_CHAIN), Some(seconds(leaf_end)));
    }
}

#[tokio::test]
async fn of_two_intermediates_with_one_key_the_better_counts() {
    let from = in_days(-1.0);
    let root = Authority::valid(from, in_days(50.0));
    let other_root = Authority::valid(from, in_days(50.0)).intermediate("unused", from, in_days(50.0));
    let long_end = in_days(20.0);
    let (short, long) = root.intermediate_pair("between", from, [in_days(10.0), long_end]);
    let leaf_end = in_days(30.0);
    let chain = [other_root.der(), short.der(), long.der()];
    let leaf = long.leaf_valid(&["localhost"], from, leaf_end).with_chain(chain);
    let report = shake(leaf.server(), json!({ "ca": root.pem() }), "localhost").await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(report.reading_named(LAST_CHAIN), Some(seconds(long_end)));
    assert_eq!(report.reading_named("probe_tls_chain_certificates"), Some(4.0));
}

/// Acceptance case H86.
#[tokio::test]
async fn the_earliest_expiry_is_of_what_was_sent() {
    let (from, leaf_end) = (in_days(-1.0), in_days(2.0));
    let authority = Authority::new();
    let leaf = authority.leaf_valid(&["localhost"], from, leaf_end).with_chain([authority.der()]);
    let report = shake(leaf.server(), json!({ "ca": authority.pem() }), "localhost").await;
    assert_eq!(report.reading_named(EARLIEST), Some(seconds(leaf_end)));
    assert_eq!(report.reading_named(LAST_CHAIN), Some(seconds(leaf_end)));
    let unrelated = Authority::valid(from, in_days(-0.5)).der();
    let leaf = authority.leaf_valid(&["localhost"], from, leaf_end).with_chain([unrelated]);
    let report = shake(leaf.server(), json!({ "ca": authority.pem() }), "localhost").await;
    assert_eq!(gist(&report), "up");
    assert!(report.reading_named(EARLIEST).unwrap() < seconds(in_days(0.0)));
    assert_eq!(report.reading_named(LAST_CHAIN), Some(seconds(leaf_end)));
}

#[tokio::test]
async fn names_of_a_certificate_are_bounded() {
    let authority = Authority::new();
    let leaf = authority.leaf_with(&["localhost"], |params| {
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "x\n".repeat(9000));
    });
    let report = shake(leaf.server(), json!({ "ca": authority.pem() }), "localhost").await;
    assert_eq!(gist(&report), "up");
    assert_eq!(label(&report, INFO, "subject").unwrap().len(), 2048);
    let report = shake(leaf.server(), json!({ "ca": Authority::new().pem() }), "localhost").await;
    assert!(message(&report).len() <= crate::MESSAGE_BYTES_MAX && !message(&report).contains('\n'));
}

#[tokio::test]
async fn a_certificate_of_version_one_is_accepted_where_nobody_verifies() {
    let authority = Authority::new();
    let mut leaf = authority.leaf(&["localhost"]);
    leaf.der = without_version(&leaf.der).into();
    for version in [&TLS12, &TLS13] {
        let report = shake(leaf.server_of_version(version), json!({ "insecure_skip_verify": true }), "localhost").await;
        assert_eq!(gist(&report), "up", "{}", message(&report));
        let report = shake(leaf.server_of_version(version), json!({ "ca": authority.pem() }), "localhost").await;
        assert_eq!(gist(&report), "tls_cert_invalid in tls");
    }
}

/// Takes the five bytes of the version out of a certificate (RFC 5280 section 4.1). Both outer lengths have two bytes.
fn without_version(der: &[u8]) -> Vec<u8> {
    assert_eq!((&der[..2], &der[4..6], &der[8..13]), (&[0x30, 0x82][..], &[0x30, 0x82][..], &[0xa0, 3, 2, 1, 2][..]));
    let shorter = |length: &[u8]| (u16::from_be_bytes([length[0], length[1]]) - 5).to_be_bytes();
    [&der[..2], &shorter(&der[2..4]), &der[4..6], &shorter(&der[6..8]), &der[13..]].concat()
}
