//! blackbox_exporter's contract, as two suites over one table of cases.
//!
//! `acceptance::…` asks tuermer and compares the answer with what the contract says. `differential::…` asks Debian's
//! blackbox_exporter 0.23 the same of the same servers, and compares the two answers; what may differ is one table
//! (`accepted.rs`). Cases are in `cases/`; how to add one is in CONTRIBUTING.md.

mod acceptance;
#[expect(clippy::allow_attributes, reason = "which reasons there are changes with the table")]
#[allow(dead_code, reason = "which reasons there are changes with the table")]
mod accepted;
#[expect(clippy::allow_attributes, reason = "which words of the frame are needed changes with the cases")]
#[allow(dead_code, reason = "which words of the frame are needed changes with the cases")]
mod case;
mod cases;
mod differential;
mod expect;
mod exposition;
mod ids;
mod names;
#[expect(dead_code, reason = "shared with the end-to-end tests")]
#[path = "../support/process/mod.rs"]
mod process;
#[expect(clippy::allow_attributes, reason = "which words of the frame are needed changes with the cases")]
#[allow(dead_code, reason = "which words of the frame are needed changes with the cases")]
mod program;
#[expect(clippy::allow_attributes, reason = "which words of the frame are needed changes with the cases")]
#[allow(dead_code, reason = "which words of the frame are needed changes with the cases")]
mod serve;
mod serve_grpc;
mod serve_websocket;
#[expect(dead_code, reason = "shared with tests that run tools to their end")]
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use crate::case::Case;
use crate::program::Program;
use crate::world::World;

/// How many cases run at once: most of them wait most of the time.
const THREADS: usize = 8;

/// What is printed at the end.
#[derive(Debug, Default)]
struct Tally {
    passed: AtomicUsize,
    compared: AtomicUsize,
    unexplained: AtomicUsize,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
    let all = cases::all();
    let cases: Vec<Case> = all.iter().filter(|case| is_wanted(&arguments, case)).cloned().collect();
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let wanted = if arguments.list { &[][..] } else { &cases[..] };
    let world = Arc::new(runtime.block_on(World::of(wanted)));
    let tally = Arc::new(Tally::default());

    let has_blackbox = Program::Blackbox.file().is_some();
    let mut trials = vec![
        Trial::test("every_case_of_the_contract_is_here", {
            let written: Vec<&'static str> = all.iter().map(|case| case.id).collect();
            move || ids::check(&written).map_err(Failed::from)
        }),
        Trial::test("the_readme_has_the_accepted_differences", {
            let left_out = all_left_out(&all);
            move || the_readme_has_the_table(&left_out)
        }),
    ];
    for case in cases {
        trials.push(acceptance_of(&case, &runtime, &world, &tally));
        if differential::is_comparable(&case) && has_blackbox {
            trials.push(differential_of(&case, &runtime, &world, &tally));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let is_whole = !arguments.list && arguments.filter.is_none() && arguments.skip.is_empty();
    let mut is_good = !conclusion.has_failed();
    if !arguments.list {
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        println!("acceptance: {} of {} cases passed", count(&tally.passed), ids::all().len());
        println!(
            "differential: {} cases compared, {} differences accepted, {} unexplained; {} cases cannot be asked of 0.23",
            count(&tally.compared),
            accepted::used(),
            count(&tally.unexplained),
            all.iter().filter(|case| !differential::is_comparable(case)).count()
        );
    }
    if is_whole && is_good && has_blackbox && program::has_names() {
        for entry in accepted::unused() {
            eprintln!("nothing needs this entry of the accepted differences any more: {entry}");
            is_good = false;
        }
    }
    // The programs end with their world.
    drop(world);
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether any test of a case is wanted.
fn is_wanted(arguments: &Arguments, case: &Case) -> bool {
    let names = [format!("acceptance::{}", case.name()), format!("differential::{}", case.name())];
    arguments.filter.as_ref().is_none_or(|filter| names.iter().any(|name| name.contains(filter)))
}

fn acceptance_of(case: &Case, runtime: &Arc<Runtime>, world: &Arc<World>, tally: &Arc<Tally>) -> Trial {
    let (runtime, world, tally, case) = (Arc::clone(runtime), Arc::clone(world), Arc::clone(tally), case.clone());
    Trial::test(format!("acceptance::{}", case.name()), move || {
        let faults = runtime.block_on(acceptance::faults(&world, &case));
        if faults.is_empty() {
            tally.passed.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        Err(Failed::from(faults.join("\n")))
    })
}

fn differential_of(case: &Case, runtime: &Arc<Runtime>, world: &Arc<World>, tally: &Arc<Tally>) -> Trial {
    let (runtime, world, tally, case) = (Arc::clone(runtime), Arc::clone(world), Arc::clone(tally), case.clone());
    Trial::test(format!("differential::{}", case.name()), move || {
        let compared = runtime.block_on(differential::compare(&world, &case));
        if compared.rows > 0 {
            tally.compared.fetch_add(1, Ordering::Relaxed);
        }
        let unexplained: Vec<String> = compared
            .differences
            .iter()
            .filter(|difference| !accepted::is_accepted(difference))
            .map(|difference| format!("{} [{}]", difference.text, difference.subject))
            .collect();
        tally.unexplained.fetch_add(unexplained.len(), Ordering::Relaxed);
        let faults: Vec<String> = compared.faults.into_iter().chain(unexplained).collect();
        if faults.is_empty() { Ok(()) } else { Err(Failed::from(faults.join("\n"))) }
    })
}

/// What 0.23 cannot be asked, and the cases that have rows of it.
fn all_left_out(cases: &[Case]) -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut left_out: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in cases {
        for why in case.rows().iter().filter_map(|row| row.not_in_0_23) {
            let ids = left_out.entry(why.trim_start_matches(differential::OF_THE_MODULE)).or_default();
            if !ids.contains(&case.id) {
                ids.push(case.id);
            }
        }
    }
    left_out
}

/// `UPDATE_README=1` renews it.
fn the_readme_has_the_table(left_out: &BTreeMap<&'static str, Vec<&'static str>>) -> Result<(), Failed> {
    const BEGIN: &str = "<!-- differences -->\n";
    const END: &str = "<!-- end of differences -->";
    let file = support::project_file("README.md");
    let readme = std::fs::read_to_string(&file)?;
    let (before, rest) = readme.split_once(BEGIN).ok_or("the README lacks the place of the table")?;
    let (present, after) = rest.split_once(END).ok_or("the README lacks the end of the table")?;
    let mut table = accepted::table();
    table += "\n| cannot be asked of 0.23 | cases |\n|---|---|\n";
    for (why, ids) in left_out {
        table += &format!("| {why} | {} |\n", ids.join(", "));
    }
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}"))?;
    } else if present != table {
        return Err("run the test with UPDATE_README=1".into());
    }
    Ok(())
}
