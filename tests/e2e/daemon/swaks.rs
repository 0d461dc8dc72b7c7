//! swaks: sends a mail by hand, as an administrator does.

use std::net::SocketAddr;
use std::process::Command;

use crate::support::{output, program};

/// Delivers a mail of so many bytes to a mail store by LMTP; it must take it.
pub(crate) fn deliver(store: SocketAddr, recipient: &str, body_bytes: usize) {
    deliver_with(store, recipient, &["--body", &"0123456789abcde\n".repeat(body_bytes.div_ceil(16))]);
}

/// The same with arguments of swaks.
pub(crate) fn deliver_with(store: SocketAddr, recipient: &str, arguments: &[&str]) {
    let program = program(&["swaks"]).expect("the caller looked for it");
    let mut command = Command::new(program);
    command.args(["--protocol", "LMTP", "--server", &store.to_string(), "--helo", "mx.town.example"]);
    command.args(["--from", "mayor@town.example", "--to", recipient]).args(arguments);
    output(&mut command);
}
