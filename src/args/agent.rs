//! How the agent runs: blackbox_exporter's flags.

use std::path::{Path, PathBuf};

use clap::{ArgAction, ValueEnum};

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

/// The default configuration file: tuermer's own name, else blackbox_exporter's.
pub fn default_config_file() -> PathBuf {
    let own = Path::new("tuermer.yml");
    if own.exists() { own.to_owned() } else { PathBuf::from("blackbox.yml") }
}

fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("not a number of seconds".to_owned()),
    }
}
