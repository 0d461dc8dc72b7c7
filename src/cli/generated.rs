//! Texts made from the command line's own description: completions and the manual page.

use std::process::ExitCode;

use clap_complete::Shell;

use super::{fail, print};
use crate::args::{self, EXIT_BAD};

/// Prints a completion script.
pub fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "tuermer", &mut script);
    print(&script)
}

/// Prints the manual page.
pub fn man() -> ExitCode {
    let mut page = Vec::new();
    match clap_mangen::Man::new(args::command()).render(&mut page) {
        Ok(()) => print(&page),
        Err(error) => fail(&format!("cannot write the manual page: {error}"), EXIT_BAD),
    }
}
