//! What the contract expects, case by case.

use crate::case::{Case, Deed, Expect, Heard};
use crate::expect;
use crate::exposition::Exposition;
use crate::program::{Answer, Program};
use crate::world::{Outcome, Ready, World};

/// Runs a case with tuermer; everything that is not as it must be.
pub(crate) async fn faults(world: &World, case: &Case) -> Vec<String> {
    let mut faults = Vec::new();
    for ready in world.rows(case.id) {
        let found = faults_of_row(world, ready).await;
        faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", ready.name)));
    }
    faults
}

async fn faults_of_row(world: &World, ready: &Ready) -> Vec<String> {
    let outcome = match world.outcome(ready, Program::Tuermer).await {
        Ok(outcome) => outcome,
        Err(error) => return vec![error],
    };
    if outcome.lacks_rights(&ready.name) {
        return Vec::new();
    }
    match (&ready.row.deed, &outcome) {
        (Deed::Ask(asks), Outcome::Asked { answers, heard }) => {
            let mut faults = Vec::new();
            if asks.iter().all(|ask| ask.expects.is_empty()) && ready.row.heard.is_empty() {
                faults.push("nothing is expected of it".to_owned());
            }
            for (ask, answer) in asks.iter().zip(answers) {
                faults.extend(faults_of_answer(ready, &ask.expects, answer));
            }
            faults.extend(faults_of_record(ready, heard));
            faults
        }
        (Deed::Run { exit: wanted, prints, .. }, Outcome::Ran { exit, printed }) => {
            let mut faults = Vec::new();
            if wanted.is_none_or(|wanted| wanted.to_string() != *exit) {
                faults.push(format!("exit code {exit}, not {wanted:?}: {printed}"));
            }
            let missing = prints.iter().map(|words| ready.filled(words)).filter(|words| !printed.contains(words));
            faults.extend(missing.map(|words| format!("does not print {words:?} but {printed}")));
            faults
        }
        (Deed::Steps { sees, .. }, Outcome::Saw(seen)) => {
            let wanted: Vec<(String, String)> =
                sees.iter().map(|(what, value)| (what.clone(), ready.filled(value))).collect();
            if wanted == seen.0 && !wanted.is_empty() {
                Vec::new()
            } else {
                vec![format!("saw {:?},\n      not {wanted:?}", seen.0)]
            }
        }
        (_, outcome) => vec![format!("an unfitting outcome: {outcome:?}")],
    }
}

fn faults_of_answer(ready: &Ready, expects: &[Expect], answer: &Answer) -> Vec<String> {
    let mut faults = Vec::new();
    let status = expects.iter().find_map(|expect| match expect {
        Expect::Status(status) => Some(*status),
        _ => None,
    });
    if answer.status != status.unwrap_or(200) {
        faults.push(format!("status {}, not {}: {}", answer.status, status.unwrap_or(200), answer.text()));
        return faults;
    }
    let text = answer.text();
    for expect in expects {
        match expect {
            Expect::Status(_) => {}
            Expect::Series(statements) => match Exposition::parse(&text) {
                Ok(exposition) => faults.extend(expect::faults(&ready.filled(statements), &exposition)),
                Err(error) => faults.push(error),
            },
            Expect::Only(names) => match Exposition::parse(&text) {
                Ok(exposition) => faults.extend(expect::faults_of_names(names, &exposition)),
                Err(error) => faults.push(error),
            },
            Expect::Header(name, begins) => {
                let (value, begins) = (answer.header(name), ready.filled(begins));
                let holds = if begins.is_empty() { value.is_empty() } else { value.starts_with(&begins) };
                if !holds {
                    faults.push(format!("header {name} is {value:?}, not {begins:?}"));
                }
            }
            Expect::Has(words) => {
                let words = ready.filled(words);
                if !text.contains(&words) {
                    faults.push(format!("no {words:?} in the answer:\n{text}"));
                }
            }
            Expect::Lacks(words) => {
                let words = ready.filled(words);
                if text.contains(&words) {
                    faults.push(format!("{words:?} in the answer:\n{text}"));
                }
            }
            Expect::Took { min, max } => {
                let took = answer.took.as_secs_f64();
                if took < *min || took > *max {
                    faults.push(format!("took {took} s, not {min} to {max} s"));
                }
            }
        }
    }
    if !faults.is_empty() && expects.iter().any(|expect| matches!(expect, Expect::Series(_) | Expect::Only(_))) {
        faults.push(format!("the answer was:\n{}", shown(&text)));
    }
    faults
}

/// Samples without the comments between them.
fn shown(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("    {line}\n")).collect()
}

/// Everything that is wrong with what the servers heard.
pub(crate) fn faults_of_record(ready: &Ready, heard: &[u8]) -> Vec<String> {
    ready.row.heard.iter().filter_map(|expected| fault_of_record(ready, expected, heard)).collect()
}

fn fault_of_record(ready: &Ready, expected: &Heard, heard: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(heard);
    match expected {
        Heard::Exactly(bytes) if bytes != heard => {
            let wanted = String::from_utf8_lossy(bytes).into_owned();
            Some(format!("the server heard {text:?}, not {wanted:?}"))
        }
        Heard::Has(words) if !text.contains(&ready.filled(words)) => {
            Some(format!("the server heard no {words:?} but {text:?}"))
        }
        Heard::Lacks(words) if text.contains(&ready.filled(words)) => {
            Some(format!("the server heard {words:?} in {text:?}"))
        }
        Heard::Exactly(_) | Heard::Has(_) | Heard::Lacks(_) => None,
    }
}
