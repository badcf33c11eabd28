//! Tests in the emulator.

use super::host::tail;
use super::judge::{Verdict, judge};
use super::report::Report;
use crate::annotate::Annotator;
use crate::archive::Entry;
use crate::cargo::{Workspace, command_line};
use crate::case::{Case, Expect};
use crate::cases::cases;
use crate::counts::Counts;
use crate::image::{self, Kernel, Program};
use crate::malta::{self, Counting, Malta, StopWatch, Version};
use crate::run::BOOT;
use crate::session::{self, End, Errors, Patience};
use crate::symbols::Symbols;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Runs all cases: those of the table, and the test programs that it does not name.
pub fn run(workspace: &Workspace, version: Version, programs: &[Program], report: &mut Report) -> Result<()> {
    let mut cases = cases();
    for program in programs.iter().filter(|program| program.is_check) {
        let is_named = |case: &Case| case.name == program.name;
        let is_ways_to_end = |case: &Case| case.program() == program.name && !matches!(case.expect, Expect::Tap);
        if !cases.iter().any(|case| is_named(case) || is_ways_to_end(case)) {
            cases.push(Case::tap(&program.name));
        }
    }
    cases.retain(|case| report.may_want(&case.name));
    // Cases with the same kernel stand together, since cargo keeps one of them at hand.
    cases.sort_by_key(|case| (case.features, case.file.map(|(name, _)| name)));

    let counted = cases.iter().any(|case| !case.checks.is_empty());
    let plugin = counted.then(|| malta::check_counting(version).and_then(|()| image::build_plugin(workspace)));
    let entries = image::entries(programs)?;
    for case in &cases {
        if crate::terminal::interrupted() {
            break;
        }
        report.progress(&case.name);
        let counting = match (&plugin, case.checks.is_empty()) {
            (_, true) | (None, _) => None,
            (Some(Ok(plugin)), _) => Some(plugin.as_path()),
            (Some(Err(error)), _) => {
                report.always_failed(&case.name, &format!("{error:#}"));
                continue;
            }
        };
        let kernel = Kernel { features: case.features, archive: case.file.map(|(name, _)| name) };
        let mut all = entries.iter().map(|entry| Entry { name: entry.name.clone(), bytes: entry.bytes.clone() });
        let all: Vec<Entry> = match case.file {
            Some((name, bytes)) => {
                all.by_ref().chain([Entry { name: name.to_owned(), bytes: bytes.to_vec() }]).collect()
            }
            None => all.collect(),
        };
        match kernel.build(workspace, &all) {
            Ok(kernel) => {
                let program = programs.iter().find(|program| program.name == case.program());
                run_case(workspace, case, &kernel, program, counting, report)?;
            }
            Err(error) => report.always_failed(&case.name, &format!("{error:#}")),
        }
    }
    Ok(())
}

fn run_case(
    workspace: &Workspace,
    case: &Case,
    kernel: &Path,
    program: Option<&Program>,
    plugin: Option<&Path>,
    report: &mut Report,
) -> Result<()> {
    let counting = plugin.map(|plugin| Counting::new(workspace, plugin, &case.name)).transpose()?;
    let malta = Malta {
        kernel: kernel.to_path_buf(),
        command_line: case.command_line.clone(),
        semihosting: case.semihosting,
        counting: counting.clone(),
        ..Malta::default()
    };
    let arguments = malta.arguments()?;
    let mut command = session::without_input(session::tied_to_us(malta::EMULATOR));
    command.args(&arguments);
    let mut shown = Command::new(malta::EMULATOR);
    shown.args(&arguments);
    workspace.show(&shown);

    let patience = Patience { first_output: Some(BOOT.min(case.limit)), end: Some(case.limit) };
    let mut output = Vec::new();
    let mut watch = StopWatch::default();
    let end = session::run_until(command, Errors::Taken, patience, |chunk| {
        output.extend_from_slice(chunk);
        watch.pass(chunk)
    })?;
    if end == End::Interrupted {
        return Ok(());
    }
    let symbols = Symbols::read(&workspace.root, kernel, program.map(|program| program.path.as_path()));
    let mut text = Vec::new();
    Annotator::new(|address| symbols.describe(address)).pass(&output, &mut text).context("cannot write to memory")?;
    let text = String::from_utf8_lossy(&text);

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

/// Tells the tests of a run, and what is wrong with the run as a whole.
fn report_verdict(case: &Case, is_tap: bool, verdict: Verdict, details: &str, report: &mut Report) {
    let before = report.total();
    // Once is enough.
    let mut details_left = details;
    for (name, result) in verdict.points {
        let name = format!("{}::{name}", case.name);
        let result = result.map_err(|why| format!("{why}{}", std::mem::take(&mut details_left)));
        report.result(&name, result);
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
