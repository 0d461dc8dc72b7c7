//! Texts made from the command line's own description: completions and the manual page.

use std::process::ExitCode;

use clap_complete::Shell;

use super::{fail, print};
use crate::args::{self, EXIT_BAD};

/// Prints a completion script.
pub fn completions(shell: Shell) -> ExitCode {
    print(script(shell).as_bytes())
}

/// Prints the manual page.
pub fn man() -> ExitCode {
    match manual() {
        Ok(page) => print(page.as_bytes()),
        Err(message) => fail(&message, EXIT_BAD),
    }
}

/// A completion script.
pub(crate) fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "tuermer", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page.
pub(crate) fn manual() -> Result<String, String> {
    let mut page = Vec::new();
    let made = clap_mangen::Man::new(args::command()).render(&mut page);
    made.map_err(|error| format!("cannot write the manual page: {error}"))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
