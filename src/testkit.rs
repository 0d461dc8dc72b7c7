//! A made-up kind, checks and reports, for tests.

use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use tuermer_probes::net::{FileContent, Files, Net, Resolver};
use tuermer_probes::{
    Failure, Invalid, Kind, Label, Lap, Measure, Module, Notes, Outcome, Phase, Probe, Reading, Reason, Recorder,
    Report, Target, Unit,
};

use crate::plan::{Access, Check, NamedModule, Plan};

pub(crate) const CONNECT: Phase = Phase::new("connect");
pub(crate) const TLS: Phase = Phase::new("tls").whole_only();
pub(crate) const QUEUE: Phase = Phase::new("queue").extra();

pub(crate) static CODE: Measure = Measure::level("probe_fake_code", Unit::None, "The code.\nAll \\ of it.");
pub(crate) static BYTES: Measure = Measure::count("probe_fake_size_bytes", Unit::Bytes, "How much there was.").extra();
pub(crate) static INFO: Measure =
    Measure::level("probe_fake_info", Unit::Info, "Who it was.").labels(&["version", "name"]);
pub(crate) static MAILS: Measure = Measure::total("probe_fake_mails_total", "How many there were.").labels(&["colour"]);
pub(crate) static WAYS: Measure =
    Measure::distribution("probe_fake_way_seconds", Unit::Seconds, &[0.5, 10.0, 60.0], "How long they took.")
        .labels(&["hop"]);
pub(crate) static WAY: Measure =
    Measure::distribution("probe_fake_whole_way_seconds", Unit::Seconds, &[1.0], "How long all of it took.");
pub(crate) static LAST_MAIL: Measure =
    Measure::lasting("probe_fake_last_mail_timestamp_seconds", Unit::Timestamp, "When the last one came.");

thread_local! {
    static STARTS: RefCell<Vec<(String, Instant)>> = const { RefCell::new(Vec::new()) };
}

/// What began in this thread so far: the runtime of a test with paused time has one thread only.
pub(crate) fn starts() -> Vec<(String, Instant)> {
    STARTS.with_borrow(Clone::clone)
}

/// Does what its target says: `pass`, `fail`, `panic`, or a number of milliseconds to wait. Words after `/` are a comment.
#[derive(Debug)]
pub(crate) struct Fake(String);

impl Probe for Fake {
    const NAME: &'static str = "fake";
    const ABOUT: &'static str = "Does as it is told.";
    const TARGET: &'static str = "What to do.";
    const PHASES: &'static [Phase] = &[CONNECT, TLS, QUEUE];
    const MEASURES: &'static [&'static Measure] = &[&CODE, &BYTES, &INFO, &MAILS, &WAYS, &WAY, &LAST_MAIL];
    type Settings = ();

    fn bind(_: &Arc<()>, target: &Target) -> Result<Self, Invalid> {
        Ok(Self(target.text().to_owned()))
    }

    async fn run(&self, _: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        recorder.enter(CONNECT);
        STARTS.with_borrow_mut(|starts| starts.push((self.0.clone(), Instant::now())));
        match self.0.split('/').next().unwrap_or_default() {
            "pass" => Ok(()),
            "fail" => Err(Failure::new(Reason::ConnectRefused, "refused")),
            "panic" => panic!("told to"),
            millis => {
                tokio::time::sleep(Duration::from_millis(millis.parse().unwrap())).await;
                Ok(())
            }
        }
    }
}

pub(crate) static FAKE: Kind = Kind::of::<Fake>();

pub(crate) fn module() -> Module {
    FAKE.module(serde_json::Value::Null).unwrap()
}

/// A check of the made-up kind, once in ten seconds.
pub(crate) fn check(name: &str, target: &str, labels: &[(&str, &str)]) -> Check {
    let mut hasher = DefaultHasher::new();
    (name, target).hash(&mut hasher);
    let target = Target::new(target);
    Check {
        identity: hasher.finish(),
        content: 1,
        name: name.into(),
        module: Arc::new(NamedModule {
            name: "fake_module".into(),
            module: Some(module()),
            timeout: None,
            access: Access::Open,
        }),
        labels: labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(10),
        probe: module().bind(&target).unwrap(),
        target,
    }
}

pub(crate) fn plan(checks: impl IntoIterator<Item = Check>) -> Plan {
    Plan { checks: checks.into_iter().map(Arc::new).collect(), ..Plan::default() }
}

/// A world without names and files.
pub(crate) fn net() -> Net {
    Net::new(Resolver::of_servers(&[([127, 0, 0, 1], 9).into()]).unwrap(), Arc::new(NoFiles))
}

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> io::Result<FileContent> {
        Err(io::ErrorKind::NotFound.into())
    }
}

pub(crate) fn moment(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_403_186 + seconds)
}

pub(crate) fn lap(step: Option<&str>, phase: Phase, start: u64, millis: u64, cut: bool) -> Lap {
    let (start, length) = (Duration::from_millis(start), Duration::from_millis(millis));
    Lap { step: step.map(Into::into), phase, start, length, cut }
}

pub(crate) fn reading(
    measure: &'static Measure,
    step: Option<&str>,
    labels: &[(&'static str, &str)],
    value: f64,
) -> Reading {
    let label = |(name, value): &(&'static str, &str)| Label { name: (*name).into(), value: (*value).into() };
    Reading { measure, step: step.map(Into::into), labels: labels.iter().map(label).collect(), value }
}

/// A report without laps and readings that began so many seconds after [`moment`] zero.
pub(crate) fn report(seconds: u64, outcome: Outcome) -> Report {
    Report {
        began: moment(seconds),
        duration: Duration::from_micros(12_345),
        timeout: Duration::from_secs(5),
        outcome,
        laps: Vec::new(),
        declared: Vec::new(),
        readings: Vec::new(),
        notes: Notes::default(),
    }
}

pub(crate) fn failed(reason: Reason) -> Outcome {
    Outcome::Fail(Failure::new(reason, "it did not work"))
}
