//! The prober against scripted peers behind a unix socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpStream, UnixListener};
use tokio::task::JoinHandle;

use crate::report::Report;
use crate::testkit::{
    self, Act, Authority, Peer, assert_laps_cover_the_run, close, gist, hear, say, starttls, wait_for_ever,
};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(400);

/// A unix socket with a scripted peer behind it. Gone when dropped.
struct Socket {
    path: PathBuf,
    peer: Peer,
    task: JoinHandle<()>,
}

impl Socket {
    async fn play(name: &str, script: Vec<Act>) -> Self {
        let peer = Peer::play(script).await;
        let path = std::env::temp_dir().join(format!("tuermer-{}-{name}.sock", std::process::id()));
        let listener = UnixListener::bind(&path).expect("a socket");
        let task = tokio::spawn(pass_on(listener, peer.address()));
        Self { path, peer, task }
    }

    async fn ask_for(&self, timeout: Duration, settings: Value) -> Report {
        ask(timeout, settings, &self.path).await
    }

    async fn ask(&self, settings: Value) -> Report {
        self.ask_for(LONG, settings).await
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
        std::fs::remove_file(&self.path).expect("the socket");
    }
}

async fn pass_on(listener: UnixListener, peer: std::net::SocketAddr) {
    while let Ok((mut here, _)) = listener.accept().await {
        let mut there = TcpStream::connect(peer).await.expect("the peer");
        // An end of either side ends the connection.
        let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
    }
}

async fn ask(timeout: Duration, settings: Value, path: &Path) -> Report {
    let report = testkit::ask("unix", settings, path.to_str().expect("UTF-8"), timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

fn names(report: &Report) -> Vec<&str> {
    report.readings.iter().map(|reading| reading.measure.name).collect()
}

#[tokio::test]
async fn u1_a_socket_is_there_or_is_not() {
    let socket = Socket::play("u1", vec![close()]).await;
    let report = socket.ask(json!({})).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(names(&report), ["probe_failed_due_to_regex", "probe_failed_due_to_bytes"]);
    let report = ask(LONG, json!({}), Path::new("/no/such/socket")).await;
    assert_eq!(gist(&report), "connect_refused in connect");
    assert_eq!(names(&report), Vec::<&str>::new());
}

#[tokio::test]
async fn a_file_that_is_no_socket_refuses() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    assert_eq!(gist(&ask(LONG, json!({}), &path).await), "connect_refused in connect");
}

#[tokio::test]
async fn a_path_that_cannot_be_a_sockets_is_invalid() {
    for path in ["", "a\0b", &"x".repeat(108)] {
        assert_eq!(gist(&ask(LONG, json!({}), Path::new(path)).await), "target_invalid in no phase", "{path:?}");
    }
}

#[tokio::test]
async fn an_abstract_socket_is_reached_by_its_name() {
    let name = format!("tuermer-{}-abstract", std::process::id());
    let _listener = UnixListener::bind(format!("\0{name}")).expect("a socket");
    assert_eq!(gist(&ask(LONG, json!({}), Path::new(&format!("@{name}"))).await), "up");
}

#[tokio::test]
async fn u2_a_dialogue_is_held() {
    let socket = Socket::play("u2", vec![say("ready 1.2\n"), hear("\n"), say("fine\n"), wait_for_ever()]).await;
    let report = socket
        .ask(json!({"query_response": [
            {"expect": "^ready (.*)$", "send": "how $1", "labels": [{"name": "version", "value": "$1"}]},
            {"expect_bytes": "fine"},
        ]}))
        .await;
    assert_eq!(gist(&report), "up");
    assert_eq!(socket.peer.heard(), b"how 1.2\n");
    let info = report.readings.iter().find(|reading| reading.measure.name == "probe_expect_info").expect("labels");
    assert_eq!((&*info.labels[0].name, &*info.labels[0].value), ("version", "1.2"));
}

#[tokio::test]
async fn u3_no_certificate_is_for_a_path() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["db.example"]);
    let socket = Socket::play("u3", vec![starttls(leaf.server()), wait_for_ever()]).await;
    let tls = |tls: Value| json!({"tls": true, "tls_config": tls});
    let report = socket.ask(tls(json!({"ca": authority.pem()}))).await;
    assert_eq!(gist(&report), "tls_cert_name in tls");
    let report = socket.ask(tls(json!({"ca": authority.pem(), "server_name": "db.example"}))).await;
    assert_eq!(gist(&report), "up");
    let report = socket.ask(tls(json!({"insecure_skip_verify": true}))).await;
    assert_eq!(gist(&report), "up");
    assert!(!names(&report).iter().any(|name| name.starts_with("probe_ip") || name.starts_with("probe_dns")));
}

#[tokio::test]
async fn starttls_needs_a_name_from_the_settings() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["db.example"]);
    let socket = Socket::play("starttls", vec![say("S"), starttls(leaf.server()), wait_for_ever()]).await;
    let dialogue = |tls: Value| json!({"tls_config": tls, "query_response": [{"expect_bytes": "S", "starttls": true}]});
    let report = socket.ask(dialogue(json!({"ca": authority.pem()}))).await;
    assert_eq!(gist(&report), "tls_cert_name in tls");
    let report = socket.ask(dialogue(json!({"ca": authority.pem(), "server_name": "db.example"}))).await;
    assert_eq!(gist(&report), "up");
}

#[tokio::test]
async fn u4_an_unreadable_authority_makes_the_module_unusable() {
    let socket = Socket::play("u4", vec![wait_for_ever()]).await;
    let report = socket.ask(json!({"tls": true, "tls_config": {"ca_file": "/no/such/file"}})).await;
    assert_eq!(gist(&report), "config_unusable in tls");
    assert_eq!(names(&report), Vec::<&str>::new());
}

#[tokio::test]
async fn a_silent_peer_times_out_where_it_is_silent() {
    let socket = Socket::play("silent", vec![wait_for_ever()]).await;
    let report = socket.ask_for(SHORT, json!({"query_response": [{"expect": "x"}]})).await;
    assert_eq!(gist(&report), "timeout in exchange");
    drop(socket);
    let socket = Socket::play("silent-tls", vec![wait_for_ever()]).await;
    let report = socket.ask_for(SHORT, json!({"tls": true})).await;
    assert_eq!(gist(&report), "timeout in tls");
}

#[test]
fn settings_of_addresses_are_unknown() {
    let module = |settings| crate::kind("unix").expect("the kind").module(settings).map(drop);
    assert!(module(json!({"preferred_ip_protocol": "ip4"})).is_err());
    assert!(module(json!({"tls": true})).is_ok());
}
