//! What else the program can do: subcommands with their flags.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use clap_complete::Shell;

use tuermer_probes::settings::Span;

use crate::args::EXIT_CODES;

/// Where the demo's page is, unless that address is taken.
pub const DEMO_ADDRESS: &str = "127.0.0.1:9115";

/// What else the program can do.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum Command {
    /// Check a configuration file
    Check {
        /// The file [default: tuermer.yml if there is one, else blackbox.yml]
        file: Option<PathBuf>,
    },
    /// Ask one service once and show what happened
    Probe(ProbeArgs),
    /// Translate a scrape configuration that asks blackbox_exporter into checks
    ///
    /// Prints a configuration: the modules' file, if there is one, with the checks below it. What cannot be translated is
    /// told on the standard error.
    Import {
        /// Prometheus' configuration
        file: PathBuf,
        /// File with the modules [default: tuermer.yml if there is one, else blackbox.yml, else none]
        #[arg(long = "config.file", value_name = "FILE")]
        config_file: Option<PathBuf>,
    },
    /// Show what can be probed, with settings, phases and readings
    Kinds {
        /// Only this kind
        name: Option<String>,
        /// In which form
        #[arg(long, value_enum, default_value = "text")]
        output: KindsOutput,
    },
    /// Play a small town and watch it
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// One run of one probe.
#[derive(Debug, Clone, PartialEq, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct ProbeArgs {
    /// Name of a module of the configuration file
    pub module: String,
    /// What to ask
    pub target: String,
    /// Configuration file [default: tuermer.yml if there is one, else blackbox.yml]
    #[arg(long = "config.file", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// In which form
    #[arg(long, value_enum, default_value = "text")]
    pub output: ProbeOutput,
    /// How long the run may take, such as 500ms or 5s [default: the module's, else 10s]
    #[arg(long, value_name = "DURATION", value_parser = Span::parse)]
    pub timeout: Option<Span>,
    /// Name to ask the target for, where it differs from the target's
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
}

/// The town that is played.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct DemoArgs {
    /// Address of the page
    #[arg(long = "at", value_name = "ADDRESS", default_value = DEMO_ADDRESS, global = true)]
    pub at: String,
    /// What to do to a town that runs already
    #[command(subcommand)]
    pub change: Option<DemoChange>,
}

/// What can be done to the town.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum DemoChange {
    /// Break a part of the town
    #[command(after_help = crate::demo::help())]
    Break {
        /// The part
        part: String,
        /// What is to be wrong with it
        fault: Option<String>,
    },
    /// Mend a part of the town
    Mend {
        /// The part
        part: String,
    },
}

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProbeOutput {
    /// For people.
    Text,
    /// For scripts.
    Json,
    /// As Prometheus would read it.
    Metrics,
}

/// How kinds are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindsOutput {
    /// For people.
    Text,
    /// For scripts.
    Json,
    /// For the manual.
    Markdown,
}
