//! `tuermer import`: Prometheus' scrape configuration as checks.

use std::path::Path;
use std::process::ExitCode;

use super::{fail, print};
use crate::args::{EXIT_BAD, default_config_file};
use crate::config;

/// Prints the translation, and on the standard error what could not be translated.
pub fn run(file: &Path, config_file: Option<&Path>) -> ExitCode {
    let default = default_config_file();
    let modules = match config_file.or_else(|| default.exists().then_some(default.as_path())) {
        Some(path) => match config::load(path) {
            Ok(loaded) => Some(loaded),
            Err(error) => return fail(&error.to_string(), EXIT_BAD),
        },
        None => None,
    };
    match config::import(file, modules.as_ref()) {
        Ok(imported) => {
            for note in imported.notes {
                fail(&format!("{}\n\u{20}", note.trim_end()), EXIT_BAD);
            }
            fail(&imported.summary, EXIT_BAD);
            print(imported.text.as_bytes())
        }
        Err(error) => fail(&error.to_string(), EXIT_BAD),
    }
}
