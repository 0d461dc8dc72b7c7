//! The agent fetches lists of revoked certificates by itself and shows what they say.

use std::time::Duration;

use crate::daemon::nginx::{Nginx, Pem};
use crate::daemon::tuermer::{Tuermer, command, output};
use crate::daemon::{eventually, folder};
use tuermer_probes::testkit::{Authority, ListOf, Peer, close, hear, say};

#[tokio::test]
async fn a_revoked_certificate_is_seen_by_probes_and_on_the_command_line() {
    let authority = Authority::new();
    let list = authority.revocation_list(&ListOf { revoked: vec![vec![0x2a]], ..ListOf::default() });
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", list.len());
    let script = vec![hear("\r\n\r\n"), say([head.as_bytes(), &list].concat()), close()];
    let publisher = Peer::play(script).await;
    let url = format!("http://{}/ca.crl", publisher.address());
    let leaf = authority.listed_leaf(&["town.example"], &[0x2a], &url);
    let pem = Pem { certificate: &leaf.pem, key: &leaf.key_pem };
    let Some(nginx) = Nginx::start("location / { return 200 'Welcome'; }", &pem) else { return };
    let files = folder();
    let ca = files.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let tls = format!("ca_file: {}, server_name: town.example", ca.display());
    let tuermer = Tuermer::start(&format!(
        "revocation_lists: {{ private_addresses: true }}
modules:
  shown: {{ prober: http, timeout: 5s, http: {{ preferred_ip_protocol: ip4, check_revoked: true, tls_config: {{ {tls} }} }} }}
  refused: {{ prober: tls, timeout: 5s, tls: {{ tls_config: {{ {tls}, fail_if_revoked: true }} }} }}
"
    ));
    let target = format!("https://{}/", nginx.https);
    let labels = ["chain_pos=\"0\"", &format!("crl_url=\"{url}\""), "serialnumber=\"2a\""];
    let found = eventually("the list is fetched", async || {
        let found = tuermer.probe("shown", &target).await;
        found.find("probe_ssl_crl_available", &labels).is_some().then_some(found)
    })
    .await;
    let value = |name: &str| found.find(name, &labels).map(|(_, value)| value);
    assert_eq!(value("probe_ssl_crl_revoked"), Some(1.0), "{found:?}");
    assert_eq!(value("probe_ssl_crl_stale"), Some(0.0));
    assert_eq!(found.value("probe_success"), Some(1.0), "the metrics tell, the probe is no failure");
    let refused = tuermer.probe("refused", &nginx.https.to_string()).await;
    assert_eq!(refused.value("probe_success"), Some(0.0));

    let mut once = command();
    once.arg("probe").arg("--config.file").arg(tuermer.config_file()).args(["refused", &nginx.https.to_string()]);
    let printed = tokio::time::timeout(Duration::from_secs(60), tokio::task::spawn_blocking(move || output(&mut once)));
    let printed = printed.await.expect("in time").expect("it ran");
    let text = String::from_utf8_lossy(&printed.stdout);
    assert!(text.contains("tls_cert_revoked"), "{text} {}", String::from_utf8_lossy(&printed.stderr));
}
