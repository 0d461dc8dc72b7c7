//! The dialogue of expected and sent text that the kinds `tcp` and `unix` share.
//!
//! Knows no addresses: it begins where there is a connection.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::failure::{Failure, Reason, shown};
use crate::measure::{Label, Measure, Unit};
use crate::net::{Net, Tls};
use crate::pattern::{Groups, Pattern};
use crate::phase::Phase;
use crate::recorder::Recorder;
use crate::tcp::entry::{Entry, Expected, LabelOfMatch, Written};
use crate::tcp::template::Veil;
use crate::tcp::wire::Wire;

/// The dialogue is being held.
pub(crate) const EXCHANGE: Phase = Phase::new("exchange");

/// Longest value of a label in bytes. Chosen: a long banner; labels are kept by Prometheus.
const LABEL_BYTES_MAX: usize = 4096;

/// How much of the last line a failure quotes. Chosen: the message has room for little more.
const QUOTED_BYTES_MAX: usize = 200;

static FAILED_DUE_TO_REGEX: Measure = Measure::level(
    "probe_failed_due_to_regex",
    Unit::None,
    "1 if the peer closed the connection without a line that matches.",
);
static FAILED_DUE_TO_BYTES: Measure =
    Measure::level("probe_failed_due_to_bytes", Unit::None, "1 if the peer sent other bytes than the expected.");
static EXPECT_INFO: Measure =
    Measure::level("probe_expect_info", Unit::Info, "What the operator's labels say of the lines that matched.");

/// What a dialogue can read.
pub(crate) const MEASURES: &[&Measure] = &[&FAILED_DUE_TO_REGEX, &FAILED_DUE_TO_BYTES, &EXPECT_INFO];

/// `query_response`: what is expected and sent, in order.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct Dialogue(#[schemars(with = "Vec<Written>")] Vec<Entry>);

impl Dialogue {
    /// A dialogue of these entries.
    #[cfg(test)]
    pub(super) fn of(entries: Vec<Entry>) -> Self {
        Self(entries)
    }

    /// What is expected and sent, in order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The phases a run of it goes through.
    pub(crate) fn declare(&self, recorder: &mut Recorder) {
        if !self.0.is_empty() {
            recorder.declare(&[EXCHANGE]);
        }
    }

    /// Holds the dialogue. `name` is what a certificate must be for where the dialogue turns encrypted.
    pub(crate) async fn hold(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        mut wire: Wire,
        tls: &Tls,
        name: &str,
    ) -> Result<(), Failure> {
        recorder.read(&FAILED_DUE_TO_REGEX, 0.0);
        recorder.read(&FAILED_DUE_TO_BYTES, 0.0);
        if !self.0.is_empty() {
            recorder.enter(EXCHANGE);
        }
        let mut spoken = Spoken::default();
        let mut hides_sent = false;
        for Entry { expected, send, starttls, names_secrets } in &self.0 {
            hides_sent |= names_secrets;
            let mut answer = match expected {
                Expected::Nothing => send.fill(net, None, &mut spoken.veil)?,
                Expected::Bytes(bytes) => {
                    spoken.bytes(recorder, &mut wire, bytes).await?;
                    send.fill(net, None, &mut spoken.veil)?
                }
                Expected::Line { pattern, labels } => {
                    spoken.line(recorder, &mut wire, pattern).await?;
                    let line = wire.line_again();
                    let needed = send.has_groups() || labels.is_some();
                    let groups = if needed { pattern.captures(line) } else { None };
                    if let Some(labels) = labels {
                        spoken.show(net, recorder, labels, groups.as_ref())?;
                    }
                    send.fill(net, groups.as_ref(), &mut spoken.veil)?
                }
            };
            if !answer.is_empty() {
                if hides_sent {
                    recorder.sent("<secret>");
                } else {
                    recorder.sent(spoken.veil.shown(&answer));
                }
                answer.push(b'\n');
                wire.send(&answer).await?;
            }
            if *starttls {
                wire = wire.secure(net, recorder, tls, name).await?;
                recorder.enter(EXCHANGE);
            }
        }
        wire.close().await;
        Ok(())
    }
}

/// What a dialogue remembers.
#[derive(Default)]
struct Spoken {
    veil: Veil,
    /// Labels of all lines that matched: of one name the last.
    labels: Vec<Label>,
}

impl Spoken {
    /// Reads lines until one matches. The others are gone: later entries never see them.
    async fn line(&self, recorder: &mut Recorder, wire: &mut Wire, pattern: &Pattern) -> Result<(), Failure> {
        let mut count = 0_usize;
        let mut last = Vec::new();
        loop {
            let Some(line) = wire.line().await? else {
                recorder.read(&FAILED_DUE_TO_REGEX, 1.0);
                return Err(self.unmatched(pattern, count, &last));
            };
            recorder.received(self.veil.shown(line));
            if pattern.is_match(line) {
                recorder.read(&FAILED_DUE_TO_REGEX, 0.0);
                return Ok(());
            }
            count += 1;
            last.clear();
            last.extend_from_slice(line);
        }
    }

    fn unmatched(&self, pattern: &Pattern, count: usize, last: &[u8]) -> Failure {
        let source = pattern.source();
        if count == 0 {
            let message = format_args!("the peer closed the connection where a line should match {source:?}");
            return Failure::new(Reason::ClosedEarly, message);
        }
        let last = shown(&self.veil.over(last), QUOTED_BYTES_MAX);
        let message = format_args!("no line matches {source:?}; the last of {count} was \"{last}\"");
        Failure::new(Reason::AnswerUnexpected, message)
    }

    /// Reads as many bytes as are expected and compares.
    async fn bytes(&self, recorder: &mut Recorder, wire: &mut Wire, expected: &[u8]) -> Result<(), Failure> {
        let bytes = wire.bytes(expected.len()).await?;
        if !bytes.is_empty() {
            recorder.received(self.veil.shown(bytes));
        }
        if bytes.len() < expected.len() {
            let (came, due) = (bytes.len(), expected.len());
            let message = format_args!("the peer closed the connection after {came} of {due} expected bytes");
            return Err(Failure::new(Reason::ClosedEarly, message));
        }
        if bytes != expected {
            recorder.read(&FAILED_DUE_TO_BYTES, 1.0);
            let [found, due] = [bytes, expected].map(|bytes| shown(&self.veil.over(bytes), QUOTED_BYTES_MAX));
            let message = format_args!("the peer sent \"{found}\" and not \"{due}\"");
            return Err(Failure::new(Reason::AnswerUnexpected, message));
        }
        Ok(())
    }

    /// Shows labels of a line that matched, together with those of the lines before it.
    fn show(
        &mut self,
        net: &Net,
        recorder: &mut Recorder,
        labels: &[LabelOfMatch],
        groups: Option<&Groups<'_>>,
    ) -> Result<(), Failure> {
        for LabelOfMatch { name, value } in labels {
            let value = value.fill(net, groups, &mut self.veil)?;
            let mut value = String::from_utf8_lossy(&self.veil.over(&value)).into_owned();
            value.truncate(value.floor_char_boundary(LABEL_BYTES_MAX));
            let value = value.into_boxed_str();
            match self.labels.iter_mut().find(|label| *label.name == **name) {
                Some(label) => label.value = value,
                None => self.labels.push(Label { name: name.to_string().into(), value }),
            }
        }
        recorder.forget(&EXPECT_INFO);
        recorder.read_labelled(&EXPECT_INFO, self.labels.clone(), 1.0);
        Ok(())
    }
}
