//! A case of the contract: what is configured, what serves it, what is asked, and what must come out.
//!
//! Cases are data, so that both suites run the same one; `words.rs` has the words that put them together. Knows no
//! program.

mod words;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::program::{Agent, Seen};
use crate::serve::Served;

pub(crate) use words::case;

/// A future in a box.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

type Serve = Arc<dyn Fn() -> Boxed<Served> + Send + Sync>;
type Steps = Arc<dyn Fn(Agent) -> Boxed<Seen> + Send + Sync>;

/// One case: its id in section 7 of the contract, a sentence, and at least one row.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) sentence: &'static str,
    base: Row,
    rows: Vec<Row>,
}

/// One line of a case: many cases are the same question with several answers.
#[derive(Clone, Default)]
pub(crate) struct Row {
    /// What tells it from the other rows of its case.
    pub(crate) label: String,
    /// Modules by name; both may hold placeholders.
    pub(crate) modules: Vec<(String, String)>,
    /// Further text of tuermer's configuration beside `modules:`, which blackbox_exporter does not get.
    pub(crate) beside: String,
    /// The whole configuration of both programs instead.
    pub(crate) whole: Option<String>,
    /// Files in the working directory of the programs: name and content.
    pub(crate) files: Vec<(String, String)>,
    /// Flags for both programs.
    pub(crate) flags: Vec<String>,
    /// Variables of the environment for both programs.
    pub(crate) environment: Vec<(String, String)>,
    /// Whether the row needs a process of its own.
    pub(crate) is_alone: bool,
    /// The default target of its questions.
    pub(crate) target: String,
    /// What serves it.
    pub(crate) serve: Option<Serve>,
    /// What is done.
    pub(crate) deed: Deed,
    /// What must have been heard by the servers.
    pub(crate) heard: Vec<Heard>,
    /// Why blackbox_exporter 0.23 cannot be asked this.
    pub(crate) not_in_0_23: Option<&'static str>,
}

/// What a row does.
#[derive(Clone)]
pub(crate) enum Deed {
    /// Asks a running program, once or more.
    Ask(Vec<Ask>),
    /// Runs a program to its end: arguments, exit code, words that it must print.
    Run { arguments: Vec<String>, exit: Option<i32>, prints: Vec<String> },
    /// Follows a program through its life, and notes what was seen.
    Steps { steps: Steps, sees: Vec<(String, String)> },
}

impl Default for Deed {
    fn default() -> Self {
        Self::Ask(Vec::new())
    }
}

/// One request to the program.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    pub(crate) method: Option<&'static str>,
    /// Path and query as they are sent; none: `/probe` with module and target.
    pub(crate) path: Option<String>,
    pub(crate) module: Option<String>,
    pub(crate) target: Option<String>,
    /// Further parameters of `/probe`.
    pub(crate) query: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<String>,
    pub(crate) expects: Vec<Expect>,
}

/// What an answer must be.
#[derive(Debug, Clone)]
pub(crate) enum Expect {
    /// Statements on series, see `expect.rs`.
    Series(String),
    /// The metrics that must be there, and no others, beside success, duration and timeout.
    Only(String),
    Status(u16),
    Header(&'static str, String),
    Has(String),
    Lacks(String),
    /// Seconds between question and answer.
    Took {
        min: f64,
        max: f64,
    },
}

/// What a server of the row must have heard.
#[derive(Debug, Clone)]
pub(crate) enum Heard {
    Exactly(Vec<u8>),
    Has(String),
    Lacks(String),
}

impl Case {
    /// Name in the lists of tests.
    pub(crate) fn name(&self) -> String {
        format!("{}_{}", self.id, self.sentence)
    }

    /// Its rows, with labels made unique by the id.
    pub(crate) fn rows(&self) -> &[Row] {
        if self.rows.is_empty() { std::slice::from_ref(&self.base) } else { &self.rows }
    }
}
