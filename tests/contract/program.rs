//! The two programs, run in the same way.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::names;
use crate::process::tuermer::listening;
use crate::process::{Daemon, folder};
use crate::support::program;

/// How long a run to the end may take.
const RUN_SECONDS_MAX: &str = "10";

/// How long an answer may take: some questions hang blackbox_exporter.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// Exit code of `timeout` for a program that went on.
const WENT_ON: i32 = 124;

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Program {
    Tuermer,
    /// Debian's blackbox_exporter 0.23.
    Blackbox,
}

/// How a program is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start {
    pub(crate) config: String,
    pub(crate) files: Vec<(String, String)>,
    pub(crate) flags: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
}

/// A running program.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
    daemon: Mutex<Daemon>,
    folder: PathBuf,
    client: reqwest::Client,
}

/// An answer over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The status; 0 if the connection was dropped.
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) took: Duration,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; empty if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or("not text"))
    }

    /// The value of a series.
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        crate::exposition::Exposition::parse(&self.text()).ok()?.value(series)
    }
}

/// What was noted on the way through some steps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(pub(crate) Vec<(String, String)>);

impl Seen {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Notes something; what is noted under one name must be the same with both programs.
    pub(crate) fn note(&mut self, what: impl Into<String>, value: impl ToString) {
        self.0.push((what.into(), value.to_string()));
    }
}

impl Program {
    /// The file to run; none if this machine has none, which `DAEMONS=required` forbids.
    pub(crate) fn file(self) -> Option<PathBuf> {
        static BLACKBOX: LazyLock<Option<PathBuf>> =
            LazyLock::new(|| program(&["prometheus-blackbox-exporter", "blackbox_exporter"]));
        match self {
            Self::Tuermer => Some(PathBuf::from(env!("CARGO_BIN_EXE_tuermer"))),
            Self::Blackbox => BLACKBOX.clone(),
        }
    }

    fn command(self, folder: &Path) -> Command {
        let file = self.file().expect("the caller asked whether there is one");
        let mut command = match self {
            Self::Tuermer => Command::new(file),
            Self::Blackbox => {
                let hosts = folder.join("hosts");
                let switch = folder.join("nsswitch.conf");
                fs::write(&hosts, names::hosts()).expect("written");
                fs::write(&switch, "hosts: files\n").expect("written");
                view(&hosts, &switch, &file).unwrap_or_else(|| Command::new(file))
            }
        };
        command.current_dir(folder);
        command
    }

    /// Runs it to its end: exit code and everything printed.
    pub(crate) fn run(self, start: &Start, arguments: &[String]) -> (String, String) {
        let folder = folder();
        let mut command = self.command(folder.path());
        let mut all: Vec<String> = Vec::new();
        if !start.config.is_empty() && !arguments.iter().any(|argument| argument.starts_with("--config.file")) {
            all.push(write_config(folder.path(), start));
        }
        write_files(folder.path(), &start.files);
        if !arguments.iter().any(|argument| argument.starts_with("--web.listen-address")) {
            all.push("--web.listen-address=127.0.0.1:0".to_owned());
        }
        all.extend(start.flags.iter().chain(arguments).cloned());
        command.args(all).envs(start.environment.iter().cloned());
        let mut limited = Command::new("timeout");
        limited.arg(RUN_SECONDS_MAX).arg(command.get_program()).args(command.get_args()).current_dir(folder.path());
        limited.envs(start.environment.iter().cloned());
        let Output { status, stdout, stderr } = limited.output().expect("it runs");
        let exit = match status.code() {
            Some(WENT_ON) => "none: it went on".to_owned(),
            Some(code) => code.to_string(),
            None => status.to_string(),
        };
        (exit, format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
    }

    /// Whether it takes a configuration.
    pub(crate) fn check(self, config: &str) -> Result<(), String> {
        let start = Start { config: config.to_owned(), ..Start::default() };
        let (exit, printed) = self.run(&start, &["--config.check".to_owned()]);
        if exit == "0" { Ok(()) } else { Err(printed.trim().to_owned()) }
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(self, start: &Start) -> Agent {
        let folder = folder();
        let path = folder.path().to_owned();
        let mut command = self.command(&path);
        command.arg(write_config(&path, start));
        write_files(&path, &start.files);
        if !start.flags.iter().any(|flag| flag.starts_with("--web.listen-address")) {
            command.arg("--web.listen-address=127.0.0.1:0");
        }
        command.args(&start.flags).envs(start.environment.iter().cloned());
        let name = match self {
            Self::Tuermer => "tuermer",
            Self::Blackbox => "blackbox_exporter",
        };
        let mut daemon = Daemon::start(name, folder, &mut command);
        let address = listening(&mut daemon);
        let daemon = Mutex::new(daemon.until_listening(address));
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let client = client.timeout(ANSWER_TIME_MAX);
        let client = client.pool_max_idle_per_host(0).build().expect("a client");
        Agent { program: self, address, daemon, folder: path, client }
    }
}

/// Runs something with the names of the bench, and no others, in a view of the file system of its own. None where the
/// system does not allow that.
fn view(hosts: &Path, switch: &Path, file: &Path) -> Option<Command> {
    static FLAGS: LazyLock<Option<&[&str]>> = LazyLock::new(|| {
        let of_root: &[&str] = &["--mount"];
        let of_others: &[&str] = &["--map-root-user", "--mount"];
        let may = |flags: &&[&str]| {
            let mut trial = Command::new("unshare");
            trial.args(*flags).args(["sh", "-c", "mount --bind /etc/hosts /etc/hosts"]);
            trial.output().is_ok_and(|output| output.status.success())
        };
        [of_root, of_others].into_iter().find(may)
    });
    let script = "mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/nsswitch.conf && shift 2 && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args((*FLAGS)?).args(["sh", "-c", script, "sh"]).args([hosts, switch, file]);
    Some(command)
}

/// Whether blackbox_exporter knows the names of the bench.
pub(crate) fn has_names() -> bool {
    let nothing = Path::new("");
    view(nothing, nothing, nothing).is_some()
}

fn write_config(folder: &Path, start: &Start) -> String {
    let file = folder.join("config.yml");
    fs::write(&file, &start.config).expect("written");
    format!("--config.file={}", file.display())
}

fn write_files(folder: &Path, files: &[(String, String)]) {
    for (name, content) in files {
        fs::write(folder.join(name), content).expect("written");
    }
}

impl Agent {
    /// Sends a request and waits for the answer.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: Option<String>,
    ) -> Answer {
        let begin = Instant::now();
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let dropped = |error: reqwest::Error| Answer {
            status: 0,
            headers: reqwest::header::HeaderMap::new(),
            body: error.to_string().into_bytes(),
            took: begin.elapsed(),
        };
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return dropped(error),
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        match response.bytes().await {
            Ok(body) => Answer { status, headers, body: body.to_vec(), took: begin.elapsed() },
            Err(error) => dropped(error),
        }
    }

    /// `GET`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], None).await
    }

    /// `POST` without a body.
    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.ask("POST", path, &[], None).await
    }

    /// `/probe` with a module and a target.
    pub(crate) async fn probe(&self, module: &str, target: &str) -> Answer {
        self.get(&format!("/probe?module={}&target={}", encoded(module), encoded(target))).await
    }

    /// Writes a file in its working directory; `config.yml` is its configuration.
    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.folder.join(name), content).expect("written");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner).signal(signal);
    }

    /// Waits for its end, and gives the exit code.
    pub(crate) fn exit(&self) -> String {
        let status = self.daemon.lock().unwrap_or_else(PoisonError::into_inner).wait();
        status.code().map_or_else(|| status.to_string(), |code| code.to_string())
    }

    /// What it has printed until now.
    pub(crate) fn log(&self) -> String {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner).log()
    }
}

/// A value of a query, encoded.
pub(crate) fn encoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}
