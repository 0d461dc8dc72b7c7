//! A server that only speaks TLS 1.0 or 1.1 is described, and never called down where the settings would have it.

use crate::daemon::nginx::Pem;
use crate::daemon::openssl::OpenSsl;
use crate::daemon::tuermer::Tuermer;
use tuermer_probes::testkit::Authority;

const MODULES: &str = "
probe_metrics: all
modules:
  page: { prober: http, timeout: 5s, http: { preferred_ip_protocol: ip4, tls_config: { insecure_skip_verify: true } } }
  old page:
    prober: http
    timeout: 5s
    http: { preferred_ip_protocol: ip4, tls_config: { insecure_skip_verify: true, min_version: TLS10 } }
  port:
    prober: tcp
    timeout: 5s
    tcp: { preferred_ip_protocol: ip4, tls: true, tls_config: { insecure_skip_verify: true } }
  certificate: { prober: tls, timeout: 5s, tls: { tls_config: { insecure_skip_verify: true } } }
  modern:
    prober: tls
    timeout: 5s
    tls: { tls_config: { insecure_skip_verify: true }, scan_versions: [TLS12, TLS13], fail_if_offers: [TLS10, TLS11] }
";

#[tokio::test]
async fn a_server_of_old_versions_is_told_from_one_that_is_down() {
    let leaf = Authority::new().leaf(&["localhost"]);
    let pem = Pem { certificate: &leaf.pem, key: &leaf.key_pem };
    let tuermer = Tuermer::start(MODULES);
    for (argument, version) in [("-tls1", "TLS 1.0"), ("-tls1_1", "TLS 1.1")] {
        let Some(server) = OpenSsl::start(&pem, &[argument]) else { return };
        let (page, bare) = (format!("https://{}/", server.address), server.address.to_string());
        let down = tuermer.probe("page", &page).await;
        assert_eq!(down.value("probe_success"), Some(0.0), "TLS 1.2 is due and not spoken");
        assert!(down.find("probe_failure_info", &[r#"reason="tls_alert""#]).is_some(), "{down:?}");

        let (status, text) = tuermer.get(&format!("/probe?module=old%20page&target={page}")).await;
        assert_eq!(status, 503, "{text}");
        assert!(text.contains("agent_unbuilt") && text.contains("does not speak"), "{text}");

        let seen = tuermer.probe("certificate", &bare).await;
        let session = seen.find("probe_tls_session_info", &[&format!("version=\"{version}\"")]);
        assert!(session.is_some_and(|(labels, _)| labels.contains("_CBC_SHA")), "{seen:?}");
        assert!(seen.find("probe_tls_leaf_info", &[r#"subjectalternative="localhost""#]).is_some(), "{seen:?}");
        assert!(seen.find("probe_failure_info", &[r#"reason="version_unexpected""#]).is_some(), "{seen:?}");
    }
}

#[tokio::test]
async fn a_server_of_weak_suites_only_is_not_called_down() {
    let leaf = Authority::new().leaf(&["localhost"]);
    let pem = Pem { certificate: &leaf.pem, key: &leaf.key_pem };
    let tuermer = Tuermer::start(MODULES);
    let weak = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"];
    let Some(server) = OpenSsl::start(&pem, &weak) else { return };
    for (module, target) in [
        ("page", format!("https://{}/", server.address)),
        ("port", server.address.to_string()),
        ("certificate", server.address.to_string()),
    ] {
        let (status, text) = tuermer.get(&format!("/probe?module={module}&target={target}")).await;
        assert_eq!(status, 503, "{module}: {text}");
        let words = "the server speaks TLS 1.2 with TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA at best";
        assert!(text.contains("agent_unbuilt") && text.contains(words), "{module}: {text}");
    }
}

#[tokio::test]
async fn a_server_that_still_takes_old_versions_fails_the_check_for_it() {
    let leaf = Authority::new().leaf(&["localhost"]);
    let pem = Pem { certificate: &leaf.pem, key: &leaf.key_pem };
    let tuermer = Tuermer::start(MODULES);
    let Some(lax) = OpenSsl::start(&pem, &[]) else { return };
    let found = tuermer.probe("modern", &lax.address.to_string()).await;
    let offered = |version| found.value(&format!("probe_tls_offered{{version=\"{version}\"}}"));
    assert_eq!(["TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"].map(offered), [Some(1.0); 4], "{found:?}");
    assert!(found.find("probe_failure_info", &[r#"reason="version_unexpected""#]).is_some(), "{found:?}");

    let Some(strict) = OpenSsl::start(&pem, &["-no_tls1", "-no_tls1_1"]) else { return };
    let found = tuermer.probe("modern", &strict.address.to_string()).await;
    let offered = |version| found.value(&format!("probe_tls_offered{{version=\"{version}\"}}"));
    let due = [Some(0.0), Some(0.0), Some(1.0), Some(1.0)];
    assert_eq!(["TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"].map(offered), due, "{found:?}");
    assert_eq!(found.value("probe_success"), Some(1.0), "{found:?}");
}
