//! Mail servers that follow a script, and a zone that leads to them.

mod dane;
mod dialogue;
mod domain;
mod greylist;
mod login;
mod misfortunes;
mod verdicts;

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use serde_json::{Value, json};

use crate::report::{NoteKind, Report};
use crate::testkit::{Act, Authority, Peer, ask, assert_laps_cover_the_run, close, hear, say, starttls, wait_for_ever};

/// Ample: a test that needs it has failed.
const AMPLE: Duration = Duration::from_secs(20);
/// For peers that stay silent.
const SHORT: Duration = Duration::from_millis(400);

const EHLO: &str = "EHLO [127.0.0.1]\r\n";
const RCPT: &str = "RCPT TO:<postmaster>\r\n";

/// What a server waits for and then says, phase by phase.
type Stage = (&'static str, Vec<Act>, Act);

/// A dialogue in the open.
fn plain() -> Vec<Stage> {
    vec![
        ("greeting", vec![], say("220 mx.example.org ESMTP\r\n")),
        ("ehlo", vec![hear(EHLO)], say("250-mx.example.org\r\n250-SIZE 1000\r\n250 DSN\r\n")),
        ("mail", vec![hear("MAIL FROM:<>\r\n")], say("250 2.1.0 Ok\r\n")),
        ("rcpt", vec![hear(RCPT)], say("250 2.1.5 Ok\r\n")),
        ("rset", vec![hear("RSET\r\n")], say("250 2.0.0 Ok\r\n")),
        ("quit", vec![hear("QUIT\r\n")], say("221 2.0.0 Bye\r\n")),
    ]
}

/// A dialogue that becomes encrypted.
fn encrypted(config: Arc<ServerConfig>) -> Vec<Stage> {
    let mut stages = plain();
    stages[1].2 = say("250-mx.example.org\r\n250 STARTTLS\r\n");
    let turn = [
        ("starttls", vec![hear("STARTTLS\r\n")], say("220 2.0.0 Go ahead\r\n")),
        ("tls", vec![], starttls(config)),
        ("ehlo", vec![hear(EHLO)], say("250-mx.example.org\r\n250-SIZE 2000\r\n250 AUTH PLAIN\r\n")),
    ];
    stages.splice(2..2, turn);
    stages
}

/// The whole dialogue.
fn script(stages: &[Stage]) -> Vec<Act> {
    script_with(stages, stages.len(), [])
}

/// The dialogue up to the stage, whose answer is replaced. The stages after it do not come.
fn script_with(stages: &[Stage], broken: usize, acts: impl IntoIterator<Item = Act>) -> Vec<Act> {
    let mut script = Vec::new();
    for (_, heard, said) in &stages[..broken] {
        script.extend(heard.iter().cloned());
        script.push(said.clone());
    }
    if let Some((_, heard, _)) = stages.get(broken) {
        script.extend(heard.iter().cloned());
    }
    script.extend(acts);
    script
}

/// The dialogue with a refusal at the stage, after which the server still takes QUIT.
fn refusing(stages: &[Stage], broken: usize, reply: &str) -> Vec<Act> {
    script_with(
        stages,
        broken,
        [say(reply), hear("RSET\r\n"), say("250 Ok\r\n"), hear("QUIT\r\n"), say("221 Bye\r\n"), close()],
    )
}

/// Where a phase is answered for the first time.
fn stage(stages: &[Stage], phase: &str) -> usize {
    stages.iter().position(|(name, ..)| *name == phase).expect("a phase of the dialogue")
}

/// Asks one server.
async fn ask_peer(peer: &Peer, settings: Value, timeout: Duration) -> Report {
    let report = ask("smtp", settings, &peer.address().to_string(), timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

/// A server for 127.0.0.1 and the settings with which it is trusted.
fn trusted(authority: &Authority) -> (Arc<ServerConfig>, Value) {
    (authority.leaf(&["127.0.0.1"]).server(), json!({"tls_config": {"ca": authority.pem()}}))
}

/// The reading of a measure with these label values in the step.
fn reading(report: &Report, step: Option<&str>, name: &str, values: &[&str]) -> Option<f64> {
    let same = |reading: &&crate::Reading| {
        reading.measure.name == name
            && reading.step.as_deref() == step
            && reading.labels.iter().map(|label| &*label.value).eq(values.iter().copied())
    };
    report.readings.iter().find(same).map(|reading| reading.value)
}

/// What was said: `C:` the probe, `S:` the server.
fn dialogue(report: &Report) -> Vec<String> {
    let line = |(_, kind, text): (Duration, NoteKind, &str)| match kind {
        NoteKind::Sent => Some(format!("C: {text}")),
        NoteKind::Received => Some(format!("S: {text}")),
        NoteKind::Info => None,
    };
    report.notes.iter().filter_map(line).collect()
}

/// A server that takes a connection and says nothing.
fn silent() -> Vec<Act> {
    vec![wait_for_ever()]
}
