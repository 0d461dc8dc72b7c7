//! Where the cases live: their servers, and the programs that are shared by all cases with the same flags.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::OnceCell;
use tuermer_probes::testkit::Responder;

use crate::acceptance::faults_of_record;
use crate::case::{Ask, Case, Deed, Row};
use crate::names;
use crate::process::folder;
use crate::program::{Agent, Answer, Program, Seen, Start, encoded};
use crate::serve::{Served, authority};

/// How long the record of a row's servers may take to be as expected.
const RECORD_PATIENCE: Duration = Duration::from_secs(2);

/// What came out of a row with one program.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Asked { answers: Vec<Answer>, heard: Vec<u8> },
    Ran { exit: String, printed: String },
    Saw(Seen),
}

impl Outcome {
    /// Whether tuermer was not allowed to ask, as an ordinary user's may not send ICMP: where servers are optional, the
    /// row is left out.
    pub(crate) fn lacks_rights(&self, name: &str) -> bool {
        let Self::Asked { answers, .. } = self else { return false };
        let lacks = |answer: &Answer| answer.status == 503 && answer.text().contains("agent_permission");
        let is_required = std::env::var_os("DAEMONS").is_some_and(|value| value == "required");
        let is_left_out = !is_required && answers.iter().any(lacks);
        if is_left_out {
            eprintln!("skipped: {name}: tuermer has not the rights that this takes");
        }
        is_left_out
    }
}

/// A row with its servers, ready to be run.
pub(crate) struct Ready {
    pub(crate) name: String,
    pub(crate) row: Row,
    pub(crate) served: Served,
    variables: Vec<(String, String)>,
    /// Modules by name, placeholders filled in.
    modules: Vec<(String, String)>,
    outcomes: tokio::sync::Mutex<BTreeMap<bool, Result<Outcome, String>>>,
    refusals: BTreeMap<bool, OnceCell<Option<String>>>,
}

/// Everything that is shared.
pub(crate) struct World {
    names: Responder,
    /// Where files of the bench lie.
    _folder: TempDir,
    /// Rows by case.
    rows: BTreeMap<&'static str, Vec<Arc<Ready>>>,
    /// Programs for many rows, by program and what they share.
    agents: tokio::sync::Mutex<BTreeMap<(bool, Group), Arc<Agent>>>,
}

/// What the rows of one process share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    beside: String,
}

impl World {
    /// Starts the servers of these cases.
    pub(crate) async fn of(cases: &[Case]) -> Self {
        let names = names::server().await;
        let folder = folder();
        std::fs::write(folder.path().join("ca.pem"), authority().pem()).expect("written");
        let mut rows: BTreeMap<&'static str, Vec<Arc<Ready>>> = BTreeMap::new();
        for case in cases {
            for (number, row) in case.rows().iter().enumerate() {
                let ready = Ready::of(case, number, row, &folder).await;
                rows.entry(case.id).or_default().push(Arc::new(ready));
            }
        }
        Self { names, _folder: folder, rows, agents: tokio::sync::Mutex::default() }
    }

    /// The rows of a case.
    pub(crate) fn rows(&self, id: &str) -> &[Arc<Ready>] {
        self.rows.get(id).map_or(&[], Vec::as_slice)
    }

    /// Runs a row with a program, at most once.
    pub(crate) async fn outcome(&self, ready: &Ready, program: Program) -> Result<Outcome, String> {
        // Both programs ask the same servers: one after the other, so that it is known who said what.
        let mut outcomes = ready.outcomes.lock().await;
        if let Some(outcome) = outcomes.get(&(program == Program::Tuermer)) {
            return outcome.clone();
        }
        let outcome = self.run(ready, program).await;
        outcomes.insert(program == Program::Tuermer, outcome.clone());
        outcome
    }

    async fn run(&self, ready: &Ready, program: Program) -> Result<Outcome, String> {
        match &ready.row.deed {
            Deed::Ask(asks) => {
                let agent = self.agent(ready, program).await?;
                let first = [Ask::default()];
                let asks = if asks.is_empty() { &first[..] } else { asks };
                let mark = ready.served.mark();
                let mut answers = Vec::new();
                for ask in asks {
                    answers.push(put(&agent, ready, ask).await);
                }
                Ok(Outcome::Asked { answers, heard: record(ready, &mark, program).await })
            }
            Deed::Run { arguments, .. } => {
                let start = self.start_alone(ready, program);
                let arguments: Vec<String> = arguments.iter().map(|argument| ready.filled(argument)).collect();
                let run = move || program.run(&start, &arguments);
                let (exit, printed) = tokio::task::spawn_blocking(run).await.map_err(|error| error.to_string())?;
                Ok(Outcome::Ran { exit, printed })
            }
            Deed::Steps { steps, .. } => {
                let agent = started(program, self.start_alone(ready, program)).await?;
                Ok(Outcome::Saw(steps(agent).await))
            }
        }
    }

    async fn agent(&self, ready: &Ready, program: Program) -> Result<Arc<Agent>, String> {
        if let Some(refusal) = self.refusal(ready, program).await {
            return Err(format!("{program:?} refuses the configuration: {}", told(&refusal)));
        }
        if ready.row.is_alone {
            return started(program, self.start_alone(ready, program)).await.map(Arc::new);
        }
        let group = Group::of(ready);
        let mut agents = self.agents.lock().await;
        if let Some(agent) = agents.get(&(program == Program::Tuermer, group.clone())) {
            return Ok(Arc::clone(agent));
        }
        let mut modules = Vec::new();
        for ready in self.rows.values().flatten() {
            let is_asked = matches!(ready.row.deed, Deed::Ask(_)) && !ready.row.is_alone;
            if is_asked && Group::of(ready) == group && self.refusal(ready, program).await.is_none() {
                modules.extend(ready.modules.iter().cloned());
            }
        }
        modules.sort();
        modules.dedup();
        let start = Start {
            config: self.config(&modules, &group.beside, program),
            flags: group.flags.clone(),
            environment: group.environment.clone(),
            files: Vec::new(),
        };
        let agent = Arc::new(started(program, start).await?);
        agents.insert((program == Program::Tuermer, group), Arc::clone(&agent));
        Ok(agent)
    }

    /// Why a program does not take the configuration of a row.
    pub(crate) async fn refusal(&self, ready: &Ready, program: Program) -> Option<String> {
        let check = || async {
            let config = self.start_alone(ready, program).config;
            match program {
                Program::Tuermer => tuermer::config::parse(&config, "config.yml").err().map(|error| error.to_string()),
                Program::Blackbox if ready.modules.is_empty() && ready.row.whole.is_none() => None,
                Program::Blackbox => {
                    let check = move || program.check(&config).err();
                    tokio::task::spawn_blocking(check).await.expect("it does not panic")
                }
            }
        };
        ready.refusals.get(&(program == Program::Tuermer))?.get_or_init(check).await.clone()
    }

    fn start_alone(&self, ready: &Ready, program: Program) -> Start {
        let row = &ready.row;
        let config = match &row.whole {
            Some(whole) => ready.filled(whole),
            None if ready.modules.is_empty() && matches!(row.deed, Deed::Run { .. }) => String::new(),
            None => self.config(&ready.modules, &ready.filled(&row.beside), program),
        };
        let filled =
            |pairs: &[(String, String)]| pairs.iter().map(|(name, text)| (name.clone(), ready.filled(text))).collect();
        Start {
            config,
            files: filled(&row.files),
            flags: row.flags.iter().map(|flag| ready.filled(flag)).collect(),
            environment: filled(&row.environment),
        }
    }

    fn config(&self, modules: &[(String, String)], beside: &str, program: Program) -> String {
        let mut config = String::new();
        if program == Program::Tuermer {
            config += beside;
            config += "\n";
            if !beside.contains("resolver:") {
                config += &format!("resolver: [\"{}\"]\n", self.names.address());
            }
            if !beside.contains("probe_targets:") {
                config += "probe_targets: any\n";
            }
        }
        config += if modules.is_empty() { "modules: {}\n" } else { "modules:\n" };
        for (name, yaml) in modules {
            let yaml = yaml.trim_end();
            let is_in_one_line = yaml.starts_with('{') || !yaml.contains(':');
            if is_in_one_line {
                config += &format!("  {name}: {yaml}\n");
            } else {
                config += &format!("  {name}:\n    {}\n", yaml.trim_start_matches('\n').replace('\n', "\n    "));
            }
        }
        config
    }
}

/// The error within what a program printed.
fn told(printed: &str) -> &str {
    printed.split_once("err=").map_or(printed, |(_, error)| error)
}

async fn started(program: Program, start: Start) -> Result<Agent, String> {
    let starting = move || program.start(&start);
    tokio::task::spawn_blocking(starting).await.map_err(|error| format!("{program:?} does not start: {error}"))
}

/// What the servers heard: the last words may arrive after the answer.
async fn record(ready: &Ready, mark: &[usize], program: Program) -> Vec<u8> {
    let deadline = Instant::now() + RECORD_PATIENCE;
    loop {
        let heard = ready.served.heard_since(mark);
        if program == Program::Blackbox || faults_of_record(ready, &heard).is_empty() || Instant::now() > deadline {
            return heard;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn put(agent: &Agent, ready: &Ready, ask: &Ask) -> Answer {
    let path = match &ask.path {
        Some(path) => ready.filled(path),
        None => {
            let target = ready.filled(ask.target.as_ref().unwrap_or(&ready.row.target));
            let module = ready.filled(ask.module.as_deref().unwrap_or("{module}"));
            let mut path = format!("/probe?module={}&target={}", encoded(&module), encoded(&target));
            if !ask.query.is_empty() {
                path += "&";
                path += &ready.filled(&ask.query);
            }
            path
        }
    };
    let headers: Vec<(&str, String)> = ask.headers.iter().map(|(name, value)| (*name, ready.filled(value))).collect();
    let body = ask.body.as_deref().map(|body| ready.filled(body));
    agent.ask(ask.method.unwrap_or("GET"), &path, &headers, body).await
}

impl Group {
    fn of(ready: &Ready) -> Self {
        let row = &ready.row;
        Self {
            flags: row.flags.iter().map(|flag| ready.filled(flag)).collect(),
            environment: row.environment.clone(),
            beside: ready.filled(&row.beside),
        }
    }
}

impl Ready {
    async fn of(case: &Case, number: usize, row: &Row, folder: &TempDir) -> Self {
        let served = match &row.serve {
            Some(serve) => serve().await,
            None => Served::nothing(),
        };
        let module = if number == 0 { case.id.to_owned() } else { format!("{}_{number}", case.id) };
        let mut variables = served.variables().to_vec();
        variables.push(("module".to_owned(), module.clone()));
        variables.push(("ca".to_owned(), folder.path().join("ca.pem").display().to_string()));
        let name = if row.label.is_empty() { case.id.to_owned() } else { format!("{} ({})", case.id, row.label) };
        let mut ready = Self {
            name,
            row: row.clone(),
            served,
            variables,
            modules: Vec::new(),
            outcomes: tokio::sync::Mutex::default(),
            refusals: BTreeMap::from([(true, OnceCell::new()), (false, OnceCell::new())]),
        };
        let modules = row.modules.iter().map(|(name, yaml)| (ready.filled(name), ready.filled(yaml))).collect();
        ready.modules = modules;
        ready
    }

    /// Whether the row needs the names of the bench.
    pub(crate) fn needs_names(&self) -> bool {
        let asks: &[Ask] = if let Deed::Ask(asks) = &self.row.deed { asks } else { &[] };
        let of_asks = asks.iter().flat_map(|ask| ask.target.iter().chain(&ask.path));
        let modules = self.modules.iter().map(|(_, yaml)| yaml);
        let variables = self.variables.iter().map(|(_, value)| value);
        [&self.row.target].into_iter().chain(of_asks).chain(modules).chain(variables).any(|text| names::are_in(text))
    }

    /// A text with its placeholders filled in.
    pub(crate) fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.variables {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }
}
