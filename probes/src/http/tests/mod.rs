//! Tests against scripted peers and a small web site.

mod answers;
mod bodies;
mod cel;
mod encrypted;
mod http2;
mod http3;
mod misfortunes;
mod proxies;
mod redirects;
mod requests;
mod settings;
mod site;
mod tokens;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::report::{NoteKind, Report};
use crate::testkit::{Peer, ask, assert_laps_cover_the_run, close, hear, say};

/// Long enough for everything that is expected to end.
const LONG: Duration = Duration::from_secs(10);
/// For peers that never answer.
const SHORT: Duration = Duration::from_millis(300);

/// A peer that hears a request and answers with this text.
async fn answering(text: impl Into<Vec<u8>>) -> Peer {
    Peer::play(vec![hear("\r\n\r\n"), say(text), close()]).await
}

/// An answer with an announced length.
fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Asks with these settings, which get `preferred_ip_protocol: ip4`.
async fn probe(mut settings: Value, target: &str) -> Report {
    settings["preferred_ip_protocol"] = json!("ip4");
    let report = ask("http", settings, target, LONG).await;
    assert_laps_cover_the_run(&report);
    report
}

/// Asks a peer.
async fn probe_peer(settings: Value, peer: &Peer) -> Report {
    probe(settings, &url(peer.address())).await
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/")
}

/// A reading by the end of its name.
fn read(report: &Report, name: &str) -> Option<f64> {
    report.reading_named(&format!("probe_{name}"))
}

/// Readings by the ends of their names.
fn reads<const N: usize>(report: &Report, names: [&str; N]) -> [Option<f64>; N] {
    names.map(|name| read(report, name))
}

/// Status, announced length, length read.
fn lengths(report: &Report) -> [Option<f64>; 3] {
    reads(report, ["http_status_code", "http_content_length", "http_uncompressed_body_length"])
}

/// Names of the phases that are shown: those that ran and those declared.
fn phases(report: &Report) -> Vec<&'static str> {
    let mut names: Vec<_> = report.laps.iter().map(|lap| lap.phase).chain(report.declared.iter().copied()).collect();
    names.retain(|phase| phase.shown(false).is_some());
    let mut names: Vec<_> = names.into_iter().map(crate::Phase::name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What was sent and received, as far as it was noted.
fn dialogue(report: &Report) -> Vec<String> {
    let lines = report.notes.iter().filter_map(|(_, kind, text)| match kind {
        NoteKind::Sent => Some(format!("> {text}")),
        NoteKind::Received => Some(format!("< {text}")),
        NoteKind::Info => None,
    });
    lines.collect()
}

/// What a peer heard, as text.
fn heard(peer: &Peer) -> String {
    String::from_utf8(peer.heard()).expect("text")
}
