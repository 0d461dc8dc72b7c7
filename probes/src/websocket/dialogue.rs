//! The dialogue of messages: `query_response` as `tcp` has it, with a message where that has lines.
//!
//! Knows no frames.

use super::socket::Socket;
use super::{FAILED_DUE_TO_REGEX, TRANSFER};
use crate::failure::{Failure, Reason, shown};
use crate::net::Net;
use crate::recorder::Recorder;
use crate::tcp::dialogue::Dialogue as Written;
use crate::tcp::entry::Expected;
use crate::tcp::template::Veil;

/// How much of a message a failure quotes. Chosen: the failure's own message has room for little more.
const QUOTED_BYTES_MAX: usize = 200;

/// What is expected and sent, in order.
#[derive(Debug)]
pub(super) struct Dialogue(pub(super) Written);

impl Dialogue {
    /// Holds the dialogue, in phase [`TRANSFER`] if there is one. Only `expect` and `send` have a meaning here, as in
    /// blackbox_exporter.
    pub(super) async fn hold(&self, net: &Net, recorder: &mut Recorder, socket: &mut Socket) -> Result<(), Failure> {
        let entries = self.0.entries();
        if entries.is_empty() {
            return Ok(());
        }
        recorder.enter(TRANSFER);
        // Stands unless the dialogue is held to its end, also when the deadline passes.
        recorder.read(&FAILED_DUE_TO_REGEX, 1.0);
        let mut veil = Veil::default();
        for entry in entries {
            let answer = match &entry.expected {
                Expected::Line { pattern, .. } => {
                    let message = socket.message().await?;
                    recorder.received(veil.shown(&message));
                    if !pattern.is_match(&message) {
                        let found = shown(&veil.over(&message), QUOTED_BYTES_MAX);
                        let source = pattern.source();
                        let words = format_args!("the message \"{found}\" does not match {source:?}");
                        return Err(Failure::new(Reason::AnswerUnexpected, words));
                    }
                    let groups = if entry.send.has_groups() { pattern.captures(&message) } else { None };
                    entry.send.fill(net, groups.as_ref(), &mut veil)?
                }
                Expected::Nothing | Expected::Bytes(_) => entry.send.fill(net, None, &mut veil)?,
            };
            if !answer.is_empty() {
                recorder.sent(veil.shown(&answer));
                socket.send(answer).await?;
            }
        }
        recorder.read(&FAILED_DUE_TO_REGEX, 0.0);
        Ok(())
    }
}
