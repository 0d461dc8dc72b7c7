//! The command line: blackbox_exporter's flags without a subcommand, tuermer's own tools as subcommands.
//!
//! Reads words and the files that stand for words, does nothing.

mod agent;
mod commands;
mod files;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser};
use clap_complete::Shell;

pub use agent::{AgentArgs, LogFormat, LogLevel, default_config_file};
pub use commands::{Command, DEMO_ADDRESS, DemoArgs, DemoChange, KindsOutput, ProbeArgs, ProbeOutput};

use crate::cli::generated;

/// Exit code of success.
pub const EXIT_GOOD: u8 = 0;
/// Exit code of a wrong command line or configuration, and of `probe` for a service that does not work.
pub const EXIT_BAD: u8 = 1;
/// Exit code of `probe` where nothing is known about the service: it could not be asked.
pub const EXIT_UNKNOWN: u8 = 2;

const EXIT_CODES: &str = "\
Exit codes:
  0  success; `probe`: the service works
  1  wrong command line or configuration, or no way to serve; `probe`: the service does not work
  2  `probe`: nothing is known of the service, because it could not be asked

SIGHUP reloads the configuration, SIGTERM and SIGINT end the agent with exit code 0.";

/// Watches services by asking each the question its users would ask, and exports the answers to Prometheus.
#[derive(Debug, Clone, PartialEq, Parser)]
#[command(
    name = "tuermer",
    disable_version_flag = true,
    args_conflicts_with_subcommands = true,
    infer_long_args = false,
    after_help = EXIT_CODES
)]
pub struct Args {
    /// How the agent runs, if there is no subcommand.
    #[command(flatten)]
    pub agent: AgentArgs,
    /// What else is to be done.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Why the command line alone ends the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// What to print.
    pub text: String,
    /// The exit code: success prints to the standard output, everything else to the standard error.
    pub code: u8,
}

/// Reads the command line. Questions for help, version and completions end here too.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Args, Stop> {
    let words: Vec<OsString> = words.into_iter().collect();
    let code = match words.get(1) {
        // Exit code 1 would say that the service is down.
        Some(word) if word == "probe" => EXIT_UNKNOWN,
        _ => EXIT_BAD,
    };
    if words.get(1).is_some_and(|word| word == "--completion-bash") {
        return Err(good(completions_of(words.last())));
    }
    let words = files::expand(words)
        .map_err(|what| Stop { text: format!("tuermer: error: {what}, try --help\n"), code: EXIT_BAD })?;
    let args = Args::try_parse_from(words).map_err(|error| {
        if error.use_stderr() {
            Stop { text: format!("tuermer: {}, try --help\n", first_paragraph(&error.to_string())), code }
        } else {
            good(error.render().to_string())
        }
    })?;
    let asked = [
        (args.agent.version, version as fn() -> String),
        (args.agent.help_long, || command().render_long_help().to_string()),
        (args.agent.help_man, || generated::manual().unwrap_or_default()),
        (args.agent.completion_script_bash, || generated::script(Shell::Bash)),
        (args.agent.completion_script_zsh, || generated::script(Shell::Zsh)),
    ];
    match asked.iter().find(|(is_asked, _)| *is_asked) {
        Some((_, answer)) => Err(good(answer())),
        None => Ok(args),
    }
}

const fn good(text: String) -> Stop {
    Stop { text, code: EXIT_GOOD }
}

/// The flags and subcommands that begin like the word, one a line: what blackbox_exporter's own script for bash asks for.
fn completions_of(word: Option<&OsString>) -> String {
    let begun = word.and_then(|word| word.to_str()).filter(|word| *word != "--completion-bash").unwrap_or_default();
    let command = command();
    let flags = command.get_arguments().filter(|flag| !flag.is_hide_set()).filter_map(clap::Arg::get_long);
    let flags = flags.map(|flag| format!("--{flag}"));
    let commands = command.get_subcommands().map(|command| command.get_name().to_owned());
    let all = flags.chain(commands).filter(|known| known.starts_with(begun));
    all.fold(String::new(), |text, known| text + &known + "\n")
}

/// The command with everything it knows, for generated texts.
pub fn command() -> clap::Command {
    Args::command()
}

/// The version in the form of Prometheus' programs.
pub fn version() -> String {
    let branch = option_env!("TUERMER_BRANCH").unwrap_or("unknown");
    let revision = option_env!("TUERMER_REVISION").unwrap_or("unknown");
    format!(
        "tuermer, version {} (branch: {branch}, revision: {revision})\n  compiler:  {}\n  platform:  {}/{}\n",
        env!("CARGO_PKG_VERSION"),
        env!("TUERMER_RUSTC"),
        std::env::consts::OS,
        std::env::consts::ARCH,
    )
}

/// What is wrong, in one line.
fn first_paragraph(text: &str) -> String {
    text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
