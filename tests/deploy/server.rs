//! A server in the foreground, on a loopback port of its own choice, ended when it is dropped.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
}

impl Server {
    /// Starts a server that is told to listen on port 0, and logs the address it got as `… listening … address=…`.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the server starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        let mut log = String::new();
        let address = lines.find_map(|line| {
            log = format!("{log}{line}\n");
            let (_, rest) = line.split_once("address=")?;
            line.to_lowercase().contains("listening").then(|| rest.split(' ').next().unwrap_or(rest).to_owned())
        });
        // Nobody may be left who writes to a closed pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let server = Self { child, address: address.unwrap_or_default() };
        assert!(!server.address.is_empty(), "{command:?} does not say where it listens:\n{log}");
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
