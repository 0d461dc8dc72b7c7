//! The ladder: a [`Kind`] with settings is a [`Module`]; a module bound to a target is a [`BoxProbe`]; a run of it is a [`Report`].

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::bounded;
use crate::failure::{Failure, Reason};
use crate::measure::Measure;
use crate::memory::Owner;
use crate::net::{self, Net};
use crate::phase::Phase;
use crate::recorder::Recorder;
use crate::report::{Outcome, Report};
use crate::secret;
use crate::target::{Invalid, Target};
use crate::terms::Terms;

/// One question put to one service. This is all there is to write for a new kind.
pub trait Probe: Sized + fmt::Debug + Send + Sync + 'static {
    /// The kind's name in configuration files and in metric names.
    const NAME: &'static str;
    /// What is asked, in one sentence.
    const ABOUT: &'static str;
    /// What a target looks like.
    const TARGET: &'static str;
    /// What a run goes through, in the usual order.
    const PHASES: &'static [Phase];
    /// True if blackbox_exporter shows no phase of this prober at all, not even those that other probers show.
    const PHASES_EXTRA: bool = false;
    /// Whether a run has steps of its own, so that it cannot have one for each address.
    const HAS_STEPS: bool = false;
    /// Whether a run sends mail: then only the configuration's checks run it, nobody by `/probe`.
    const SENDS_MAIL: bool = false;
    /// Where among the settings the `hostname` of a request counts, as keys one below the other; `None`: in none.
    const HOSTNAME: Option<&'static [&'static str]> = None;
    /// What a run can read, besides [`net::MEASURES`].
    const MEASURES: &'static [&'static Measure];
    /// What can be set. Deserialised strictly; unknown keys are errors.
    type Settings: DeserializeOwned + JsonSchema + fmt::Debug + Send + Sync + 'static;

    /// Everything that can be wrong without touching the network is found here. Called for every `/probe`: cheap.
    fn bind(settings: &Arc<Self::Settings>, target: &Target) -> Result<Self, Invalid>;

    /// Writes down what stands before anything was asked: readings and phases that are zero from the start.
    fn begin(_settings: &Self::Settings, _recorder: &mut Recorder) {}

    /// Whether the settings hold what must not go to a target of a stranger's choice: credentials, a client's key, an attempt
    /// at what must be refused. Whatever is typed as a secret says so by itself, in the settings' `Debug`; a kind that
    /// answers for itself asks `secret::shows_in` too. Asked once, when a module is loaded.
    fn carries_secrets(settings: &Self::Settings) -> bool {
        secret::shows_in(settings)
    }

    /// Whom a run sends mail, for kinds that do.
    fn mailing(_settings: &Self::Settings) -> Option<Mailing> {
        None
    }

    /// Which mail a run looks for among what arrives at the agent itself, for kinds that do.
    fn awaited(_settings: &Self::Settings, _target: &Target) -> Option<Awaited> {
        None
    }

    /// Asks the question once. The caller keeps the deadline; the probe spawns nothing.
    fn run(&self, net: &Net, recorder: &mut Recorder) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// The mail that each run of a probe sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailing {
    /// The mailbox it goes to.
    pub recipient: Box<str>,
    /// How many mails an hour the mailbox may get at most, from all checks together.
    pub per_hour_max: u32,
}

/// The mail that a run looks for at the agent itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// The address it is sent to.
    pub recipient: Box<str>,
    /// How long ago it may have arrived: so long it must be kept. Zero, if it arrives during the run.
    pub time: Duration,
}

type AnySettings = Arc<dyn Any + Send + Sync>;
type BindTarget = fn(&AnySettings, &Target, Owner) -> Result<Arc<dyn Run>, Invalid>;
type ReadSettings = fn(&mut dyn erased_serde::Deserializer<'_>) -> Result<(AnySettings, Owner), erased_serde::Error>;

/// A protocol that can be probed: an entry of [`crate::KINDS`].
#[derive(Clone, Copy)]
pub struct Kind {
    /// The kind's name in configuration files and in metric names.
    pub name: &'static str,
    /// What is asked, in one sentence.
    pub about: &'static str,
    /// What a target looks like.
    pub target: &'static str,
    /// What a run goes through.
    pub phases: &'static [Phase],
    /// Whether blackbox_exporter shows no phase of this prober at all.
    pub phases_extra: bool,
    /// Whether a run has steps of its own.
    pub has_steps: bool,
    /// Whether a run sends mail.
    pub sends_mail: bool,
    /// Where among the settings the `hostname` of a request counts, as keys one below the other.
    pub hostname: Option<&'static [&'static str]>,
    /// What a run can read, besides [`net::MEASURES`].
    pub measures: &'static [&'static Measure],
    read: ReadSettings,
    schema: fn() -> schemars::Schema,
    bind: BindTarget,
    begin: fn(&AnySettings, &mut Recorder),
    carries_secrets: fn(&AnySettings) -> bool,
    mailing: fn(&AnySettings) -> Option<Mailing>,
    awaited: fn(&AnySettings, &Target) -> Option<Awaited>,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kind").field(&self.name).finish()
    }
}

impl Kind {
    /// The entry for a probe.
    pub const fn of<P: Probe>() -> Self {
        Self {
            name: P::NAME,
            about: P::ABOUT,
            target: P::TARGET,
            phases: P::PHASES,
            phases_extra: P::PHASES_EXTRA,
            has_steps: P::HAS_STEPS,
            sends_mail: P::SENDS_MAIL,
            hostname: P::HOSTNAME,
            measures: P::MEASURES,
            read: |deserializer| {
                let settings: P::Settings = erased_serde::deserialize(deserializer)?;
                let owner = Owner::of(P::NAME, &settings);
                Ok((Arc::new(settings), owner))
            },
            schema: || schemars::SchemaGenerator::default().into_root_schema_for::<P::Settings>(),
            bind: |settings, target, owner| {
                let probe = P::bind(&settings_of::<P>(settings), target)?;
                Ok(Arc::new(Bound { probe, settings: settings_of::<P>(settings), owner }))
            },
            begin: |settings, recorder| P::begin(&settings_of::<P>(settings), recorder),
            carries_secrets: |settings| P::carries_secrets(&settings_of::<P>(settings)),
            mailing: |settings| P::mailing(&settings_of::<P>(settings)),
            awaited: |settings, target| P::awaited(&settings_of::<P>(settings), target),
        }
    }

    /// The kind with settings.
    pub fn module<'de>(&'static self, settings: impl serde::Deserializer<'de>) -> Result<Module, erased_serde::Error> {
        let mut settings = <dyn erased_serde::Deserializer<'_>>::erase(settings);
        let (settings, owner) = (self.read)(&mut settings)?;
        Ok(Module { kind: self, settings, owner, terms: None })
    }

    /// The settings as a JSON schema.
    pub fn schema(&self) -> schemars::Schema {
        (self.schema)()
    }
}

fn settings_of<P: Probe>(settings: &AnySettings) -> Arc<P::Settings> {
    Arc::clone(settings).downcast().expect("a module's settings are its kind's")
}

/// A kind with its settings.
#[derive(Clone)]
pub struct Module {
    kind: &'static Kind,
    settings: AnySettings,
    /// Tells it from modules with other settings or terms.
    owner: Owner,
    /// `None`: as every run without terms.
    terms: Option<Arc<Terms>>,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Module").field(&self.kind.name).finish()
    }
}

impl Module {
    /// The kind.
    pub const fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// Points the module at a target.
    pub fn bind(&self, target: &Target) -> Result<BoxProbe, Invalid> {
        Ok(BoxProbe {
            asked: (self.kind.bind)(&self.settings, target, self.owner.at(target))?,
            terms: self.terms.clone(),
        })
    }

    /// The module on these terms.
    #[must_use]
    pub fn on(self, terms: Terms) -> Self {
        if terms.is_empty() {
            return Self { terms: None, ..self };
        }
        Self { owner: self.owner.and(&terms), terms: Some(Arc::new(terms)), ..self }
    }

    /// Whether the module holds what must not go to a target of a stranger's choice, or reaches what is on this machine
    /// only.
    pub fn carries_secrets(&self) -> bool {
        (self.kind.carries_secrets)(&self.settings)
    }

    /// Whom a run sends mail, if it sends any.
    pub fn mailing(&self) -> Option<Mailing> {
        (self.kind.mailing)(&self.settings)
    }

    /// Which mail a run looks for at the agent itself, if it does.
    pub fn awaited(&self, target: &Target) -> Option<Awaited> {
        (self.kind.awaited)(&self.settings, target)
    }

    /// The report of a run that could not even start because the target cannot be asked.
    pub fn refuse(&self, invalid: &Invalid, timeout: Duration) -> Report {
        let mut recorder = Recorder::start(timeout);
        (self.kind.begin)(&self.settings, &mut recorder);
        recorder.finish(Outcome::Fail(Failure::new(Reason::TargetInvalid, invalid)))
    }
}

struct Bound<P: Probe> {
    probe: P,
    settings: Arc<P::Settings>,
    owner: Owner,
}

pub(crate) trait Run: Send + Sync {
    fn run<'a>(&'a self, net: &'a Net, recorder: &'a mut Recorder) -> Running<'a>;
}

pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

impl<P: Probe> Run for Bound<P> {
    fn run<'a>(&'a self, net: &'a Net, recorder: &'a mut Recorder) -> Running<'a> {
        // All of the kind's code is inside the future, where a panic is caught.
        Box::pin(async move {
            recorder.belongs_to(self.owner);
            P::begin(&self.settings, recorder);
            self.probe.run(net, recorder).await
        })
    }
}

/// A module bound to a target: pure data, ready to run any number of times.
#[derive(Clone)]
pub struct BoxProbe {
    asked: Arc<dyn Run>,
    terms: Option<Arc<Terms>>,
}

impl fmt::Debug for BoxProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxProbe")
    }
}

impl BoxProbe {
    /// Asks once. The only place where a deadline is enforced and a panic is caught.
    pub async fn run(&self, net: &Net, timeout: Duration) -> Report {
        if let Some(terms) = &self.terms {
            return bounded::run(&*self.asked, terms, net, timeout).await;
        }
        let mut recorder = Recorder::start(timeout);
        let deadline = recorder.deadline();
        let asked = caught(self.asked.run(net, &mut recorder));
        let outcome = match tokio::time::timeout_at(deadline, asked).await {
            Ok(Ok(())) => Outcome::Pass,
            Ok(Err(failure)) => Outcome::Fail(failure),
            Err(_) => Outcome::Fail(late(&recorder)),
        };
        recorder.finish(outcome)
    }
}

pub(crate) fn late(recorder: &Recorder) -> Failure {
    let timeout = recorder.patience();
    match recorder.current_phase() {
        Some(phase) if let Some(limit) = recorder.overdue() => {
            Failure::new(Reason::PhaseTimeout, format_args!("longer in {} than its limit of {limit:?}", phase.name()))
        }
        Some(phase) if phase == net::RESOLVE => {
            Failure::new(Reason::DnsTimeout, format_args!("no answer to the lookup within {timeout:?}"))
        }
        Some(phase) => Failure::new(Reason::Timeout, format_args!("still in {} after {timeout:?}", phase.name())),
        None => Failure::new(Reason::Timeout, format_args!("not done after {timeout:?}")),
    }
}

/// Turns a panic of the probe into the failure of this one run.
pub(crate) async fn caught(mut asked: Running<'_>) -> Result<(), Failure> {
    std::future::poll_fn(move |context| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| asked.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            Poll::Ready(Err(Failure::new(Reason::AgentPanic, "the probe panicked; the log has the place")))
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{gist, net};

    /// Panics while it begins or while it runs, as its target says.
    #[derive(Debug)]
    struct Panicking {
        while_running: bool,
    }

    impl Probe for Panicking {
        const NAME: &'static str = "panicking";
        const ABOUT: &'static str = "Panics.";
        const TARGET: &'static str = "When to.";
        const PHASES: &'static [Phase] = &[net::CONNECT];
        const MEASURES: &'static [&'static Measure] = &[];
        type Settings = bool;

        fn bind(_: &Arc<bool>, target: &Target) -> Result<Self, Invalid> {
            Ok(Self { while_running: target.text() == "run" })
        }

        fn begin(while_beginning: &bool, _: &mut Recorder) {
            assert!(!while_beginning, "while beginning");
        }

        async fn run(&self, _: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
            recorder.enter(net::CONNECT);
            assert!(!self.while_running, "while running");
            Ok(())
        }
    }

    async fn gist_of(while_beginning: bool, target: &str) -> String {
        static KIND: Kind = Kind::of::<Panicking>();
        let module = KIND.module(serde_json::Value::Bool(while_beginning)).unwrap();
        gist(&module.bind(&Target::new(target)).unwrap().run(&net(), Duration::from_secs(5)).await)
    }

    #[tokio::test]
    async fn a_panic_is_the_failure_of_its_run() {
        assert_eq!(gist_of(false, "pass").await, "up");
        assert_eq!(gist_of(false, "run").await, "agent_panic in connect");
        assert_eq!(gist_of(true, "pass").await, "agent_panic in no phase");
    }
}
