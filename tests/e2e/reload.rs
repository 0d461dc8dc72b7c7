//! Loading the configuration again.

use nix::sys::signal::Signal;

use crate::daemon::tuermer::{Tuermer, command, output};
use crate::daemon::{eventually, folder};

const GOOD: &str = "modules: { ping: { prober: tcp, tcp: { preferred_ip_protocol: ip4 } } }\n";
const BETTER: &str = "modules: { ping: { prober: tcp }, pong: { prober: tcp } }\n";
const BAD: &str = "modules: { ping: { prober: tcp, tpc: {} } }\n";

#[tokio::test]
async fn a_bad_file_changes_nothing_and_says_why() {
    let tuermer = Tuermer::start(GOOD);
    std::fs::write(tuermer.config_file(), BAD).unwrap();
    let (status, message) = tuermer.post("/-/reload").await;
    assert_eq!(status, 500);
    assert!(message.contains("tpc") && message.contains("tuermer.yml:1:"), "{message}");
    let metrics = tuermer.metrics("/metrics").await;
    assert_eq!(metrics.value("tuermer_config_last_reload_successful"), Some(0.0));
    assert_eq!(tuermer.get("/probe?module=ping&target=127.0.0.1:1").await.0, 200);

    std::fs::write(tuermer.config_file(), BETTER).unwrap();
    assert_eq!(tuermer.post("/-/reload").await, (200, String::new()));
    let metrics = tuermer.metrics("/metrics").await;
    assert_eq!(metrics.value("tuermer_config_last_reload_successful"), Some(1.0));
    assert_eq!(tuermer.get("/probe?module=pong&target=127.0.0.1:1").await.0, 200);
    assert_eq!(tuermer.get("/-/reload").await.0, 405);
}

#[tokio::test]
async fn trust_anchors_that_cannot_be_used_are_refused_until_they_can() {
    let files = folder();
    let path = files.path().join("anchors");
    let digest = "ab".repeat(32);
    std::fs::write(&path, format!("town.example. DS 1 13 2 {digest}\n")).unwrap();
    let anchors = format!("dnssec_trust_anchors: {}\n", path.display());
    let tuermer = Tuermer::start(&format!("{anchors}{GOOD}"));
    std::fs::write(&path, "town.example. DS 1 13 2 xyz\n").unwrap();
    // The configuration as it was, twice; then another, twice.
    for modules in [GOOD, GOOD, BETTER, BETTER] {
        std::fs::write(tuermer.config_file(), format!("{anchors}{modules}")).unwrap();
        let (status, message) = tuermer.post("/-/reload").await;
        assert_eq!(status, 500, "{message}");
        assert!(message.contains("error: `xyz` is not a digest in hexadecimal digits\n"), "{message}");
        let metrics = tuermer.metrics("/metrics").await;
        assert_eq!(metrics.value("tuermer_config_last_reload_successful"), Some(0.0));
    }
    std::fs::write(&path, format!("town.example. DS 2 13 2 {digest}\n")).unwrap();
    assert_eq!(tuermer.post("/-/reload").await, (200, String::new()));
    assert_eq!(tuermer.get("/probe?module=pong&target=127.0.0.1:1").await.0, 200);
}

#[tokio::test]
async fn a_hangup_reloads() {
    let tuermer = Tuermer::start(GOOD);
    assert_eq!(tuermer.get("/probe?module=pong&target=127.0.0.1:1").await.0, 400);
    std::fs::write(tuermer.config_file(), BETTER).unwrap();
    tuermer.daemon.signal(Signal::SIGHUP);
    eventually("the new module is there", async || {
        (tuermer.get("/probe?module=pong&target=127.0.0.1:1").await.0 == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_changed_file_is_noticed() {
    let tuermer = Tuermer::start_with(GOOD, &["--config.enable-auto-reload"]);
    let fresh = tuermer.config_file().with_extension("new");
    std::fs::write(&fresh, BETTER).unwrap();
    std::fs::rename(&fresh, tuermer.config_file()).unwrap();
    eventually("the new module is there", async || {
        (tuermer.get("/probe?module=pong&target=127.0.0.1:1").await.0 == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn checks_that_did_not_change_keep_their_counters() {
    let check = |target: &str| {
        format!("  {target}: {{ module: ping, targets: ['127.0.0.1:{target}'], interval: 200ms, timeout: 200ms }}\n")
    };
    let tuermer = Tuermer::start(&format!("{GOOD}checks:\n{}", check("1")));
    let runs = async |check: &str| {
        let metrics = tuermer.metrics("/metrics").await;
        let found = metrics.find("probe_runs_total", &[&format!("check=\"{check}\""), r#"outcome="down""#]);
        found.map(|(_, value)| value)
    };
    let before = eventually("three runs", async || runs("1").await.filter(|runs| *runs >= 3.0)).await;
    std::fs::write(tuermer.config_file(), format!("{GOOD}checks:\n{}{}", check("1"), check("2"))).unwrap();
    assert_eq!(tuermer.post("/-/reload").await.0, 200);
    assert!(runs("1").await.expect("the check is still there") >= before);
    eventually("the new check runs", async || runs("2").await.filter(|runs| *runs >= 1.0)).await;
}

#[test]
fn a_signal_ends_the_agent_in_order() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut tuermer = Tuermer::start(GOOD);
        tuermer.daemon.signal(signal);
        assert_eq!(tuermer.daemon.wait().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_bad_file_at_the_start_ends_it_with_the_place() {
    let folder = crate::daemon::folder();
    let file = folder.path().join("tuermer.yml");
    std::fs::write(&file, BAD).unwrap();
    let done =
        output(command().arg(format!("--config.file={}", file.display())).arg("--web.listen-address=127.0.0.1:0"));
    assert_eq!(done.status.code(), Some(1));
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(told.contains("tuermer.yml:1:") && told.contains("tpc"), "{told}");
}
