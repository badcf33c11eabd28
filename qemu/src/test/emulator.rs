//! Tests in the emulator.

use super::Built;
use super::host::tail;
use super::judge::{Outcome, Verdict, judge};
use super::report::Report;
use crate::annotate::Annotator;
use crate::archive::Entry;
use crate::board::{Board, Counting, Input};
use crate::cargo::{Workspace, command_line, words_of};
use crate::case::{Case, Expect};
use crate::cases::{cases, clock};
use crate::counts::Counts;
use crate::figure;
use crate::image::{self, Kernel, Program, Programs};
use crate::machine::Machine;
use crate::run::{BOOT, CLOCK_OPTION, COUNTING, DETERMINISTIC_CLOCK, NO_CLOCK};
use crate::session::{End, Errors, Patience};
use crate::symbols::Symbols;
use anyhow::{Context, Result};
use std::path::Path;

/// Runs all cases on a machine: those of the table, and the test programs that it does not name; on Malta again at so many other phases of
/// the clock of instructions.
pub fn run(workspace: &Workspace, built: &Built, phases: u32, report: &mut Report) -> Result<()> {
    let Built { machine, programs, .. } = built;
    let machine = *machine;
    // A program that does not build is a failed test, and no other.
    for failure in &programs.broken {
        let name = format!("{machine}::{}", failure.name);
        if report.may_want(&name) && (report.wants(&name) || report.filter().contains("::")) {
            report.always_failed(&name, &words_of([failure]));
        }
    }
    let mut cases = all_cases(machine, programs);
    if machine == Machine::Malta {
        cases.extend(
            (1..=phases)
                .flat_map(|n| all_cases(machine, programs).into_iter().filter_map(move |case| at_phase(case, n))),
        );
    }
    cases.retain(|case| report.may_want(&case.name));
    // Cases with the same kernel stand together, since cargo keeps one of them at hand.
    cases.sort_by_key(|case| (case.features.clone(), case.file.map(|(name, _)| name)));

    cases.retain(|case| {
        let broken = programs.broken.iter().find(|failure| failure.name == case.program());
        if broken.is_some() {
            report.result(&case.name, Err("its program does not build".to_owned()));
        }
        broken.is_none()
    });
    let entries = image::entries(machine, &programs.built)?;
    for case in &cases {
        if crate::terminal::interrupted() {
            break;
        }
        report.progress(&case.name);
        let kernel = Kernel { machine, features: &case.features, archive: case.file.map(|(name, _)| name) };
        let mut all = entries.iter().map(|entry| Entry { name: entry.name.clone(), bytes: entry.bytes.clone() });
        let all: Vec<Entry> = match case.file {
            Some((name, bytes)) => {
                all.by_ref().chain([Entry { name: name.to_owned(), bytes: bytes.to_vec() }]).collect()
            }
            None => all.collect(),
        };
        match kernel.build(workspace, &all) {
            Ok(kernel) => {
                let program = programs.built.iter().find(|program| program.name == case.program());
                run_case(workspace, machine, case, &kernel, program, report)?;
            }
            Err(error) => report.always_failed(&case.name, &format!("{error:#}")),
        }
    }
    Ok(())
}

/// The cases of the table, and the test programs that it does not name.
fn all_cases(machine: Machine, programs: &Programs) -> Vec<Case> {
    let mut cases = cases(machine);
    for program in programs.built.iter().filter(|program| program.is_check) {
        if !cases.iter().any(|case| case.is_about(&program.name)) {
            cases.push(Case::tap(&program.name));
        }
    }
    cases.retain(|case| case.only.is_none_or(|only| only == machine));
    for case in &mut cases {
        case.name = format!("{machine}::{}", case.name);
        let is_counted = !case.checks.is_empty();
        if is_counted {
            case.features.push(COUNTING);
        }
        // Tests are to be the same in every run.
        if !case.command_line.contains(CLOCK_OPTION) {
            let clock = if is_counted { NO_CLOCK } else { DETERMINISTIC_CLOCK };
            case.command_line = format!("{clock} {}", case.command_line);
        }
    }
    cases
}

/// The case at phase `n` of the clock of instructions, if it runs under that.
fn at_phase(case: Case, n: u32) -> Option<Case> {
    let rest = case.command_line.strip_prefix(DETERMINISTIC_CLOCK).filter(|rest| rest.starts_with(' '))?;
    let (machine, name) = case.name.split_once("::")?;
    let (name, command_line) = (format!("{machine}::phase {n}::{name}"), clock(n, rest));
    Some(Case { name, command_line, ..case })
}

fn run_case(
    workspace: &Workspace,
    machine: Machine,
    case: &Case,
    kernel: &Path,
    program: Option<&Program>,
    report: &mut Report,
) -> Result<()> {
    let is_counted = !case.checks.is_empty();
    let counting = is_counted.then(|| Counting::new(workspace, machine, case.short_name())).transpose()?;
    let board = Board {
        machine,
        kernel: kernel.to_path_buf(),
        command_line: case.command_line.clone(),
        semihosting: case.semihosting,
        dirty_memory: case.dirty_memory,
        memory: case.memory,
        counting: counting.clone(),
        ..Board::default()
    };
    let shown = board.command()?;
    workspace.show(&shown);

    let patience = Patience { first_output: Some(BOOT.min(case.limit)), end: Some(case.limit), ..Patience::default() };
    let mut output = Vec::new();
    let input = if case.input.is_empty() { Input::None } else { Input::Text(case.input) };
    let end = board.run(input, Errors::Taken, patience, |chunk| output.extend_from_slice(chunk))?;
    if end == End::Interrupted {
        return Ok(());
    }
    let symbols = Symbols::read(&workspace.root, kernel, program.map(|program| program.path.as_path()));
    let mut text = Vec::new();
    Annotator::new(|address| symbols.describe(address)).pass(&output, &mut text).context("cannot write to memory")?;
    let text = String::from_utf8_lossy(&text);

    draw_figures(workspace, machine, case, &text, report);
    let verdict = judge(&case.expect, end, &text);
    let details = format!("\n{}\n{}", tail(&text), command_line(&shown));
    let is_tap = matches!(case.expect, Expect::Tap);
    report_verdict(case, is_tap, verdict, &details, report);
    if let Some(Counting { out, .. }) = &counting {
        let counts = Counts::read(out);
        for (name, check) in &case.checks {
            let result = counts.as_ref().map_err(|error| format!("{error:#}"));
            let result =
                result.and_then(|counts| check(counts).map_err(|error| format!("{error:#}\n{}", command_line(&shown))));
            report.result_with_note(&format!("{}::{name}", case.name), result);
        }
    }
    Ok(())
}

/// Draws the figures that a run has shown: one that cannot be drawn fails the case.
fn draw_figures(workspace: &Workspace, machine: Machine, case: &Case, text: &str, report: &mut Report) {
    let drawn = figure::figures(text)
        .and_then(|figures| figures.iter().try_for_each(|figure| figure.draw(&workspace.figures(machine)).map(drop)));
    if let Err(error) = drawn {
        report.always_failed(&case.name, &format!("{error:#}"));
    }
}

/// Tells the tests of a run, and what is wrong with the run as a whole.
fn report_verdict(case: &Case, is_tap: bool, verdict: Verdict, details: &str, report: &mut Report) {
    let before = report.total();
    // Once is enough.
    let mut details_left = details;
    for (name, outcome) in verdict.points {
        let name = format!("{}::{name}", case.name);
        match outcome {
            Outcome::Passed => report.result(&name, Ok(())),
            Outcome::Skipped(why) => report.skipped(&name, &why),
            Outcome::Failed(why) => {
                report.result(&name, Err(format!("{why}{}", std::mem::take(&mut details_left))));
            }
        }
    }
    match verdict.fault {
        // A test of this run that is wanted may be among those that gave no result.
        Some(why)
            if is_tap && (report.wants(&case.name) || report.total() > before || report.filter().contains("::")) =>
        {
            report.always_failed(&case.name, &format!("{why}{details_left}"));
        }
        Some(why) => report.result(&case.name, Err(format!("{why}{details_left}"))),
        None if is_tap => {}
        None => report.result(&case.name, Ok(())),
    }
}
