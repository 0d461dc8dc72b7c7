//! Whatever a peer says, a run of each kind ends in time, with laps that add up. The first byte picks the kind.
#![no_main]

use std::time::Duration;

use serde_json::json;
use tokio::net::UdpSocket;
use tuermer_probes::testkit::{Peer, ask, assert_laps_cover_the_run, close, say};

const TIMEOUT: Duration = Duration::from_millis(200);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, said)) = bytes.split_first() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(async {
        if kind % 7 == 4 {
            return ask_names(said.to_vec()).await;
        }
        let peer = Peer::play(vec![say(said.to_vec()), close()]).await;
        let target = peer.address().to_string();
        match kind % 7 {
            0 => ask("http", json!({"compression": "gzip"}), &format!("http://{target}/"), TIMEOUT).await,
            1 => ask("smtp", json!({"starttls": "optional"}), &target, TIMEOUT).await,
            2 => ask("tls", json!({}), &target, TIMEOUT).await,
            5 => ask("grpc", json!({}), &target, TIMEOUT).await,
            6 => ask("websocket", json!({}), &format!("ws://{target}/"), TIMEOUT).await,
            _ => ask("tcp", json!({"query_response": [{"expect": "^a(.*)b$", "send": "${1}"}]}), &target, TIMEOUT).await,
        }
    });
    assert_laps_cover_the_run(&report);
    assert!(report.duration < TIMEOUT + Duration::from_secs(5), "a run ends in time");
});

/// Asks a name server that answers with these bytes, under the identifier of the question.
async fn ask_names(mut said: Vec<u8>) -> tuermer_probes::Report {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a loopback port");
    let target = socket.local_addr().expect("an address").to_string();
    let answer = async {
        let mut query = [0; 512];
        if let Ok((_, client)) = socket.recv_from(&mut query).await {
            let identifier = said.len().min(2);
            said[..identifier].copy_from_slice(&query[..identifier]);
            let _ = socket.send_to(&said, client).await;
        }
        std::future::pending().await
    };
    let rules = json!({"query_name": "a.example", "validate_answer_rrs": {"fail_if_matches_regexp": ["x"]}});
    tokio::select! {
        report = ask("dns", rules, &target, TIMEOUT) => report,
        never = answer => never,
    }
}
