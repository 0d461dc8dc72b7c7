//! The agent's binary.

use std::io::Write as _;
use std::process::ExitCode;

use tuermer::args::{self, Args, Command, EXIT_BAD, EXIT_GOOD, Stop};
use tuermer::cli;

fn main() -> ExitCode {
    let Args { agent, command } = match args::parse(std::env::args_os()) {
        Ok(args) => args,
        Err(stop) => return stopped(&stop),
    };
    match command {
        Some(Command::Check { file }) => cli::check::run(&file.unwrap_or_else(args::default_config_file)),
        Some(Command::Probe(probe)) => cli::probe::run(&probe),
        Some(Command::Kinds { name, output }) => cli::kinds::run(name.as_deref(), output),
        Some(Command::Completions { shell }) => cli::generated::completions(shell),
        Some(Command::Man) => cli::generated::man(),
        Some(Command::Demo(_)) | None => {
            if let Err(message) = agent.refuse_unbuilt() {
                return stopped(&Stop { text: format!("tuermer: error: {message}\n"), code: EXIT_BAD });
            }
            if agent.config_check {
                return cli::check::run(&agent.config_file());
            }
            stopped(&Stop { text: "tuermer: error: the agent is not built yet\n".to_owned(), code: EXIT_BAD })
        }
    }
}

fn stopped(stop: &Stop) -> ExitCode {
    // A reader that has hung up needs no word.
    let _ = if stop.code == EXIT_GOOD {
        std::io::stdout().write_all(stop.text.as_bytes())
    } else {
        std::io::stderr().write_all(stop.text.as_bytes())
    };
    ExitCode::from(stop.code)
}
