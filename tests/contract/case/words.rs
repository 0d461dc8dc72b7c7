//! The words of a case: a builder that reads like a table.

use std::future::Future;
use std::sync::Arc;

use tuermer_probes::testkit::{Act, Peer};

use super::{Ask, Case, Deed, Expect, Heard, Row, Steps};
use crate::program::{Agent, Seen};
use crate::serve::Served;

/// Begins a case.
pub(crate) fn case(id: &'static str, sentence: &'static str) -> Case {
    let base = Row { target: "{peer}".to_owned(), ..Row::default() };
    Case { id, sentence, base, rows: Vec::new() }
}

impl Case {
    /// Begins a row: everything said before the first row goes for all of them. What follows goes for this one.
    pub(crate) fn row(mut self, label: impl Into<String>) -> Self {
        self.rows.push(Row { label: label.into(), ..self.base.clone() });
        self
    }

    fn now(&mut self) -> &mut Row {
        self.rows.last_mut().unwrap_or(&mut self.base)
    }

    /// The module as YAML (its name is `{module}`), instead of what was said before.
    pub(crate) fn module(mut self, yaml: impl Into<String>) -> Self {
        let row = self.now();
        row.modules.retain(|(name, _)| name != "{module}");
        row.modules.push(("{module}".to_owned(), yaml.into()));
        self
    }

    /// A further module with a name of its own; names are shared by all cases of a process.
    pub(crate) fn module_named(mut self, name: impl Into<String>, yaml: impl Into<String>) -> Self {
        self.now().modules.push((name.into(), yaml.into()));
        self
    }

    /// Text of tuermer's configuration beside `modules:`.
    pub(crate) fn beside(mut self, yaml: impl Into<String>) -> Self {
        self.now().beside = yaml.into();
        self
    }

    /// The whole configuration file, for a process of its own.
    pub(crate) fn config(mut self, yaml: impl Into<String>) -> Self {
        self.now().whole = Some(yaml.into());
        self.alone()
    }

    /// A file in the working directory (`{folder}`), for a process of its own.
    pub(crate) fn file(mut self, name: impl Into<String>, content: impl Into<String>) -> Self {
        self.now().files.push((name.into(), content.into()));
        self.alone()
    }

    /// Flags of the program: a process for all rows with the same.
    pub(crate) fn flags(mut self, flags: &[&str]) -> Self {
        self.now().flags = flags.iter().map(ToString::to_string).collect();
        self
    }

    /// A variable of the environment: a process for all rows with the same.
    pub(crate) fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.now().environment.push((name.into(), value.into()));
        self
    }

    /// A process of its own, because the row looks at counters or at the history.
    pub(crate) fn alone(mut self) -> Self {
        self.now().is_alone = true;
        self
    }

    /// What serves the row: `{peer}`, `{port}` and whatever else [`Served`] names.
    pub(crate) fn serve<F, Future_>(mut self, serve: F) -> Self
    where
        F: Fn() -> Future_ + Send + Sync + 'static,
        Future_: Future<Output: Into<Served>> + Send + 'static,
    {
        self.now().serve = Some(Arc::new(move || {
            let starting = serve();
            Box::pin(async move { starting.await.into() })
        }));
        self
    }

    /// A scripted peer serves the row.
    pub(crate) fn peer(self, script: impl Into<Vec<Act>>) -> Self {
        let script = script.into();
        self.serve(move || Peer::play(script.clone()))
    }

    /// Does something else than asking; what was asked before the first row would be lost.
    fn instead(&mut self, deed: Deed) {
        let is_lost = !self.rows.is_empty() && matches!(&self.base.deed, Deed::Ask(asks) if !asks.is_empty());
        assert!(!is_lost, "{}: what is asked before the first row is asked by no row", self.id);
        self.now().deed = deed;
    }

    /// The default target, `{peer}` if nothing is said.
    pub(crate) fn target(mut self, target: impl Into<String>) -> Self {
        self.now().target = target.into();
        self
    }

    /// Why 0.23 cannot be asked this.
    pub(crate) fn not_in_0_23(mut self, why: &'static str) -> Self {
        self.now().not_in_0_23 = Some(why);
        self
    }

    fn asks(&mut self) -> &mut Vec<Ask> {
        let deed = &mut self.now().deed;
        if !matches!(deed, Deed::Ask(_)) {
            *deed = Deed::default();
        }
        match deed {
            Deed::Ask(asks) => asks,
            Deed::Run { .. } | Deed::Steps { .. } => unreachable!("it was just made one"),
        }
    }

    /// The request spoken of: the last one, at first one to `/probe`.
    fn ask(&mut self) -> &mut Ask {
        let asks = self.asks();
        if asks.is_empty() {
            asks.push(Ask::default());
        }
        asks.last_mut().expect("there is one")
    }

    /// A further request to `/probe`; what follows goes for it.
    pub(crate) fn again(mut self) -> Self {
        self.asks().push(Ask::default());
        self
    }

    /// A further request to `/probe` with another target.
    pub(crate) fn probe(mut self, target: impl Into<String>) -> Self {
        self.asks().push(Ask { target: Some(target.into()), ..Ask::default() });
        self
    }

    /// The module's name in this request, `{module}` if nothing is said.
    pub(crate) fn asking(mut self, module: impl Into<String>) -> Self {
        self.ask().module = Some(module.into());
        self
    }

    /// A further request, with a path (and query) sent as it is.
    pub(crate) fn get(mut self, path: impl Into<String>) -> Self {
        self.asks().push(Ask { path: Some(path.into()), ..Ask::default() });
        self
    }

    /// The request's method.
    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.ask().method = Some(method);
        self
    }

    /// Further parameters of the request (`hostname=h&debug=true`).
    pub(crate) fn query(mut self, query: impl Into<String>) -> Self {
        self.ask().query = query.into();
        self
    }

    /// A header of the request.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.ask().headers.push((name, value.into()));
        self
    }

    /// The body of the request.
    pub(crate) fn body(mut self, body: impl Into<String>) -> Self {
        self.ask().body = Some(body.into());
        self
    }

    /// The scrape timeout sent with the request.
    pub(crate) fn scrape_timeout(self, seconds: impl Into<String>) -> Self {
        self.header("X-Prometheus-Scrape-Timeout-Seconds", seconds)
    }

    fn expecting(mut self, expect: Expect) -> Self {
        self.ask().expects.push(expect);
        self
    }

    /// Statements on the series of the answer, see `expect.rs`.
    pub(crate) fn expect(self, statements: impl Into<String>) -> Self {
        self.expecting(Expect::Series(statements.into()))
    }

    /// The names of all metrics of the answer, beside success, duration and timeout.
    pub(crate) fn only(self, names: impl Into<String>) -> Self {
        self.expecting(Expect::Only(names.into()))
    }

    /// The status of the answer, 200 if nothing is said.
    pub(crate) fn status(self, status: u16) -> Self {
        self.expecting(Expect::Status(status))
    }

    /// A header of the answer begins with this; an empty text: there is none.
    pub(crate) fn answers_header(self, name: &'static str, begins: impl Into<String>) -> Self {
        self.expecting(Expect::Header(name, begins.into()))
    }

    /// The answer's text holds this.
    pub(crate) fn has(self, text: impl Into<String>) -> Self {
        self.expecting(Expect::Has(text.into()))
    }

    /// The answer's text does not hold this.
    pub(crate) fn lacks(self, text: impl Into<String>) -> Self {
        self.expecting(Expect::Lacks(text.into()))
    }

    /// How many seconds the answer takes.
    pub(crate) fn took(self, min: f64, max: f64) -> Self {
        self.expecting(Expect::Took { min, max })
    }

    /// All that the servers heard is this.
    pub(crate) fn heard(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.now().heard.push(Heard::Exactly(bytes.into()));
        self
    }

    /// The servers heard this.
    pub(crate) fn heard_has(mut self, text: impl Into<String>) -> Self {
        self.now().heard.push(Heard::Has(text.into()));
        self
    }

    /// The servers did not hear this.
    pub(crate) fn heard_lacks(mut self, text: impl Into<String>) -> Self {
        self.now().heard.push(Heard::Lacks(text.into()));
        self
    }

    /// Runs the program to its end. `--config.file` is added if there is a configuration.
    pub(crate) fn run(mut self, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        self.instead(Deed::Run { arguments, exit: None, prints: Vec::new() });
        self
    }

    /// Checks the row's configuration with `--config.check`.
    pub(crate) fn check(self) -> Self {
        self.run(&["--config.check"])
    }

    /// The exit code of the run.
    pub(crate) fn exits(mut self, code: i32) -> Self {
        if let Deed::Run { exit, .. } = &mut self.now().deed {
            *exit = Some(code);
        }
        self
    }

    /// What tuermer prints in the run.
    pub(crate) fn prints(mut self, words: impl Into<String>) -> Self {
        if let Deed::Run { prints, .. } = &mut self.now().deed {
            prints.push(words.into());
        }
        self
    }

    /// Follows a running program: the closure notes what it sees, the same for both programs.
    pub(crate) fn steps<F, Future_>(mut self, steps: F) -> Self
    where
        F: Fn(Agent) -> Future_ + Send + Sync + 'static,
        Future_: Future<Output = Seen> + Send + 'static,
    {
        let steps: Steps = Arc::new(move |agent| Box::pin(steps(agent)));
        self.instead(Deed::Steps { steps, sees: Vec::new() });
        self.alone()
    }

    /// What the steps must have noted with tuermer.
    pub(crate) fn sees(mut self, what: impl Into<String>, value: impl ToString) -> Self {
        if let Deed::Steps { sees, .. } = &mut self.now().deed {
            sees.push((what.into(), value.to_string()));
        }
        self
    }
}
