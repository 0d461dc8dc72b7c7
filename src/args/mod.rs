//! The command line: blackbox_exporter's flags without a subcommand, tuermer's own tools as subcommands.
//!
//! Reads words and the files that stand for words, does nothing.

mod files;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgAction, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use tuermer_probes::settings::Span;

use crate::cli::generated;

/// Exit code of success.
pub const EXIT_GOOD: u8 = 0;
/// Exit code of a wrong command line or configuration, and of `probe` for a service that does not work.
pub const EXIT_BAD: u8 = 1;
/// Exit code of `probe` where nothing is known about the service: it could not be asked.
pub const EXIT_UNKNOWN: u8 = 2;

/// Where the demo's page is, unless that address is taken.
pub const DEMO_ADDRESS: &str = "127.0.0.1:9115";

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

/// How the agent runs: the flags of blackbox_exporter.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct AgentArgs {
    /// Configuration file [default: tuermer.yml if there is one, else blackbox.yml]
    #[arg(long = "config.file", value_name = "FILE")]
    pub config_file: Option<PathBuf>,

    /// Check the configuration file and exit
    #[arg(long = "config.check", conflicts_with = "no_config_check")]
    pub config_check: bool,
    #[arg(long = "no-config.check", hide = true)]
    no_config_check: bool,

    /// Load the configuration file again when it changed
    #[arg(long = "config.enable-auto-reload", conflicts_with = "no_auto_reload")]
    pub auto_reload: bool,
    #[arg(long = "no-config.enable-auto-reload", hide = true)]
    no_auto_reload: bool,

    /// How often to look whether the configuration file changed; 0: never
    #[arg(long = "config.auto-reload-interval", value_name = "SECONDS", default_value_t = 30)]
    pub auto_reload_interval: u32,

    /// Seconds to take off the scrape timeout, so that the answer arrives in time
    #[arg(
        long = "timeout-offset",
        value_name = "SECONDS",
        default_value_t = 0.5,
        value_parser = finite,
        allow_negative_numbers = true
    )]
    pub timeout_offset: f64,

    /// How many results of `/probe` are kept for `/logs`, and as many failures besides
    #[arg(long = "history.limit", value_name = "NUMBER", default_value_t = 100)]
    pub history_limit: u32,

    /// How much is told of each probe: from `error` why it failed, from `info` in `debug=true` and `/logs` also
    /// what was said, with `debug` that in the agent's log too
    #[arg(long = "log.prober", value_name = "LEVEL", default_value = "info")]
    pub log_prober: String,

    /// Level of the agent's log
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "info", value_enum, ignore_case = true)]
    pub log_level: LogLevel,

    /// Form of the agent's log
    #[arg(long = "log.format", value_name = "FORMAT", default_value = "logfmt", value_enum)]
    pub log_format: LogFormat,

    /// Address to listen on: `host:port`, `:port`, `vsock://:port`; may be given several times
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = ":9115", action = ArgAction::Append)]
    pub listen_addresses: Vec<String>,

    /// Serve on the sockets that systemd passes; needs --web.external-url
    #[arg(long = "web.systemd-socket", conflicts_with = "no_systemd_socket")]
    pub systemd_socket: bool,
    #[arg(long = "no-web.systemd-socket", hide = true)]
    no_systemd_socket: bool,

    /// File with TLS, passwords and headers of the pages, in the format of Prometheus
    #[arg(long = "web.config.file", value_name = "FILE", default_value = "", hide_default_value = true)]
    pub web_config_file: String,

    /// URL under which the pages are reached from outside [default: this machine, the first port]
    #[arg(long = "web.external-url", value_name = "URL", default_value = "", hide_default_value = true)]
    pub external_url: String,

    /// Prefix of every page's path [default: the path of the external URL]
    #[arg(long = "web.route-prefix", value_name = "PATH", default_value = "", hide_default_value = true)]
    pub route_prefix: String,

    /// Print the help of every flag and exit
    #[arg(long = "help-long")]
    pub help_long: bool,
    /// Print the manual page and exit
    #[arg(long = "help-man")]
    pub help_man: bool,
    /// Print a completion script for bash and exit
    #[arg(long = "completion-script-bash", hide = true)]
    pub completion_script_bash: bool,
    /// Print a completion script for zsh and exit
    #[arg(long = "completion-script-zsh", hide = true)]
    pub completion_script_zsh: bool,

    /// Print the version and exit
    #[arg(long = "version", conflicts_with = "no_version")]
    pub version: bool,
    #[arg(long = "no-version", hide = true)]
    no_version: bool,
}

impl AgentArgs {
    /// The configuration file to load.
    pub fn config_file(&self) -> PathBuf {
        self.config_file.clone().unwrap_or_else(default_config_file)
    }

    /// The level of the log of each probe; `None`: there is no such level.
    pub fn prober_level(&self) -> Option<LogLevel> {
        LogLevel::from_str(&self.log_prober, true).ok()
    }
}

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

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Keys and values.
    Logfmt,
    /// One JSON object a line.
    Json,
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

/// The default configuration file: tuermer's own name, else blackbox_exporter's.
pub fn default_config_file() -> PathBuf {
    let own = Path::new("tuermer.yml");
    if own.exists() { own.to_owned() } else { PathBuf::from("blackbox.yml") }
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

fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("not a number of seconds".to_owned()),
    }
}

/// What is wrong, in one line.
fn first_paragraph(text: &str) -> String {
    text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Args, Stop> {
        parse(std::iter::once("tuermer").chain(words.iter().copied()).map(OsString::from))
    }

    #[test]
    fn the_command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_flags_of_blackbox_exporter_are_taken_in_both_notations() {
        let args = read(&[
            "--config.file=a.yml",
            "--history.limit",
            "5",
            "--timeout-offset=0.25",
            "--log.level=WARN",
            "--web.listen-address=:1",
            "--web.listen-address",
            "[::1]:2",
            "--no-config.check",
            "--config.enable-auto-reload",
        ]);
        let agent = args.expect("valid").agent;
        assert_eq!(agent.config_file(), Path::new("a.yml"));
        assert_eq!((agent.history_limit, agent.timeout_offset, agent.log_level), (5, 0.25, LogLevel::Warn));
        assert_eq!(agent.listen_addresses, [":1", "[::1]:2"]);
        assert!(agent.auto_reload && !agent.config_check);
    }

    #[test]
    fn without_words_the_agent_runs_with_defaults() {
        let args = read(&[]).expect("valid");
        assert_eq!(args.command, None);
        assert_eq!(args.agent.listen_addresses, [":9115"]);
        assert_eq!((args.agent.auto_reload_interval, args.agent.history_limit), (30, 100));
    }

    #[test]
    fn a_wrong_command_line_is_told_in_one_line() {
        for words in [
            &["--frobnicate"][..],
            &["--history.limit=-1"],
            &["--timeout-offset=abc"],
            &["--timeout-offset=NaN"],
            &["--log.level=foo"],
            &["--log.format=foo"],
            &["stray"],
            &["--config.file=a", "--config.file=b"],
            &["--config.check", "--config.check"],
            &["--config.check", "--no-config.check"],
            &["--config.check", "check"],
            &["kinds", "--output", "xml"],
        ] {
            let stop = read(words).expect_err("wrong");
            assert_eq!((stop.code, stop.text.lines().count()), (EXIT_BAD, 1), "{}", stop.text);
            assert!(stop.text.starts_with("tuermer: error: "), "{}", stop.text);
        }
        let stop = read(&["probe"]).expect_err("wrong");
        assert_eq!(stop.code, EXIT_UNKNOWN);
        assert_eq!(
            stop.text,
            "tuermer: error: the following required arguments were not provided: <MODULE> <TARGET>, try --help\n"
        );
    }

    #[test]
    fn help_and_version_are_good_ends() {
        for words in [&["--help"][..], &["-h"], &["probe", "--help"]] {
            let stop = read(words).expect_err("an end");
            assert_eq!(stop.code, EXIT_GOOD);
            assert!(stop.text.contains("Exit codes:"), "{}", stop.text);
        }
        let stop = read(&["--version"]).expect_err("an end");
        assert_eq!(stop.code, EXIT_GOOD);
        let first = format!("tuermer, version {} (branch: ", env!("CARGO_PKG_VERSION"));
        assert!(stop.text.starts_with(&first), "{}", stop.text);
    }

    #[test]
    fn the_flags_of_the_web_are_read() {
        let agent = read(&[
            "--web.systemd-socket",
            "--web.config.file=a.yml",
            "--web.external-url=http://a/b",
            "--web.route-prefix=/c",
        ]);
        let agent = agent.expect("valid").agent;
        assert!(agent.systemd_socket);
        assert_eq!(
            [agent.web_config_file, agent.external_url, agent.route_prefix],
            ["a.yml", "http://a/b", "/c"].map(str::to_owned)
        );
    }

    #[test]
    fn a_file_stands_for_its_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("args");
        std::fs::write(&path, "# why\n--history.limit\n5\n\n--log.level=warn\r\n").expect("a file");
        let agent = read(&["--config.check", &format!("@{}", path.display())]).expect("valid").agent;
        assert_eq!((agent.history_limit, agent.log_level, agent.config_check), (5, LogLevel::Warn, true));
        let stop = read(&["@/nonexistent"]).expect_err("no file");
        assert_eq!((stop.code, stop.text.lines().count()), (EXIT_BAD, 1), "{}", stop.text);
        let args = read(&["probe", "web", "@home"]).expect("valid");
        assert!(matches!(args.command, Some(Command::Probe(probe)) if probe.target == "@home"));
    }

    #[test]
    fn completions_and_manuals_are_good_ends() {
        for (flag, word) in [
            ("--help-long", "--web.external-url"),
            ("--help-man", ".TH tuermer"),
            ("--completion-script-bash", "--web.external-url"),
            ("--completion-script-zsh", "--web.external-url"),
        ] {
            let stop = read(&[flag]).expect_err("an end");
            assert_eq!(stop.code, EXIT_GOOD, "{flag}");
            assert!(stop.text.contains(word), "{flag}: {}", stop.text);
        }
        let stop = read(&["--completion-bash", "--config.file=a", "--web.r"]).expect_err("an end");
        assert_eq!(stop, Stop { text: "--web.route-prefix\n".to_owned(), code: EXIT_GOOD });
    }

    #[test]
    fn a_probe_is_asked_for() {
        let args = read(&["probe", "web", "https://a/", "--timeout", "1.5s", "--output=json"]).expect("valid");
        let Some(Command::Probe(probe)) = args.command else { panic!("{args:?}") };
        assert_eq!((probe.module.as_str(), probe.target.as_str()), ("web", "https://a/"));
        assert_eq!(probe.timeout, Some(Span(std::time::Duration::from_millis(1500))));
        assert_eq!(probe.output, ProbeOutput::Json);
    }
}
