//! Processes that tests start: in the foreground, in a folder of their own, ended on drop.

pub(crate) mod tuermer;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longest time a server may take to answer, and a condition to come true.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: &'static str,
    child: Child,
    folder: TempDir,
}

impl Daemon {
    /// Starts a server whose output goes to `log` in its folder.
    pub(crate) fn start(name: &'static str, folder: TempDir, command: &mut Command) -> Self {
        let log = fs::File::create(folder.path().join("log")).expect("a log file");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { name, child, folder }
    }

    /// Waits until something answers at the address.
    pub(crate) fn until_listening(mut self, address: SocketAddr) -> Self {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            self.assert_running();
            assert!(Instant::now() < deadline, "{} does not listen on {address}:\n{}", self.name, self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }

    /// Waits until the log says this.
    pub(crate) fn until_printed(mut self, words: &str) -> Self {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(words) {
            self.assert_running();
            assert!(Instant::now() < deadline, "{} never says {words:?}:\n{}", self.name, self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }

    /// Fails the test with the log if the server has ended.
    pub(crate) fn assert_running(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!("{} ended with {status}:\n{}", self.name, self.log());
        }
    }

    /// What it has printed until now.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        nix::sys::signal::kill(id, signal).expect("the process is ours");
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the process is ours") {
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not end:\n{}", self.name, self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(nix::sys::signal::Signal::SIGTERM);
            let deadline = Instant::now() + Duration::from_secs(5);
            while matches!(self.child.try_wait(), Ok(None)) {
                if Instant::now() > deadline {
                    // It had its chance.
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        if std::thread::panicking() {
            eprintln!("--- log of {} ---\n{}", self.name, self.log());
        }
    }
}

/// A folder that is gone with the test.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new().prefix("tuermer-e2e-").tempdir().expect("a folder")
}

/// A loopback address that no other test uses, with a port that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let process = std::process::id();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [_, _, high, low] = process.to_be_bytes();
    let address = Ipv4Addr::new(127, 64 | (high & 63), low, u8::try_from(number % 250 + 1).expect("below 251"));
    let listener = TcpListener::bind((address, 0)).expect("a loopback address");
    SocketAddr::new(IpAddr::V4(address), listener.local_addr().expect("an address").port())
}

/// Waits until `f` gives something; says what it waited for if it never does.
pub(crate) async fn eventually<T, F: AsyncFnMut() -> Option<T>>(what: &str, mut f: F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = f().await {
            return value;
        }
        assert!(Instant::now() < deadline, "did not come true within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
