//! The tools beside the agent: `check`, `probe`, `import`, `kinds`, and texts made from the command line itself.

pub mod check;
pub mod generated;
pub mod import;
pub mod kinds;
mod paint;
pub mod probe;

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::args::{EXIT_BAD, EXIT_GOOD};

/// Prints to the standard output. A reader that hangs up early (`| head`) is no fault.
fn print(text: &[u8]) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(&format!("cannot write: {error}"), EXIT_BAD),
        _ => ExitCode::from(EXIT_GOOD),
    }
}

/// Prints to the standard error.
fn fail(text: &str, code: u8) -> ExitCode {
    // Nowhere is left to say that this failed.
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
    ExitCode::from(code)
}
