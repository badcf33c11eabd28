//! `./x test`: tests on the host, clippy, and tests in the emulator.

mod audit;
mod browser;
mod debugger;
mod emulator;
pub(crate) mod host;
pub(crate) mod judge;
mod lint;
mod miri;
mod report;

use crate::cargo::Workspace;
use crate::image::{self, Kernel, Programs};
use crate::machine::Machine;
use crate::terminal;
use anyhow::{Result, bail};
use clap::Args;
use report::Report;
use std::path::PathBuf;

/// The compiler has warned of nothing in all that was built for the tests.
const NO_WARNINGS: &str = "build::no warnings";

/// Options of `./x test`.
#[derive(Args)]
pub struct Options {
    /// Only tests on this machine, and those on the host [default: all machines]
    #[arg(long, value_name = "MACHINE")]
    machine: Option<Machine>,
    /// Pass even where tests are left out for want of something that can be installed
    #[arg(long)]
    allow_missing: bool,
    /// On malta, run the tests under the clock of instructions again at so many other phases, each tick moved a little
    #[arg(long, value_name = "N", default_value_t = 0)]
    phases: u32,
    /// Only tests whose name contains this
    filter: Option<String>,
}

/// What is built for a machine before its tests.
pub(crate) struct Built {
    machine: Machine,
    programs: Programs,
    kernel: PathBuf,
}

/// Runs all tests that the filter lets through. The status is 0 if all have passed.
pub fn main(workspace: &Workspace, options: &Options) -> Result<u8> {
    let filter = options.filter.clone().unwrap_or_default();
    let machines: Vec<Machine> = Machine::ALL
        .into_iter()
        .filter(|machine| options.machine.is_none_or(|wanted| wanted == *machine))
        .filter(|machine| is_for(&filter, *machine))
        .collect();
    terminal::catch_interrupts()?;
    let mut report = Report::new(filter);

    // Tests on the host look at the kernel images too, so they come first.
    let mut built = Vec::new();
    for &machine in &machines {
        report.progress(&format!("building programs and kernel for {machine}"));
        match build(workspace, machine) {
            Ok(machine) => built.push(machine),
            Err(error) => report.always_failed(&format!("build::{machine}"), &format!("{error:#}")),
        }
    }
    report.section("host");
    let absent: Vec<(Machine, String)> = machines
        .iter()
        .filter_map(|&machine| Some((machine, format!("{:#}", machine.emulator().check(true).err()?))))
        .collect();
    host::run(workspace, &built, &absent, &mut report)?;
    if !terminal::interrupted() {
        lint::host(workspace, &mut report)?;
    }
    if !terminal::interrupted() {
        miri::run(workspace, &mut report)?;
    }
    if !terminal::interrupted() {
        browser::run(workspace, &mut report)?;
    }
    for built in &built {
        report.section(built.machine.name());
        if terminal::interrupted() {
            break;
        }
        lint::machine(workspace, built.machine, &mut report)?;
        audit::run(workspace, built.machine, &mut report)?;
        if let Some((_, why)) = absent.iter().find(|(machine, _)| *machine == built.machine) {
            report.always_missing(&format!("{}::*", built.machine), why);
            continue;
        }
        emulator::run(workspace, built, options.phases, &mut report)?;
        debugger::run(workspace, built, &mut report)?;
    }
    if terminal::interrupted() {
        report.clear();
        return Ok(130);
    }
    let warnings = workspace.warnings();
    report.result(NO_WARNINGS, if warnings.is_empty() { Ok(()) } else { Err(warnings.concat()) });
    if report.total() == 0 {
        bail!("no test has a name that contains `{}`", report.filter());
    }
    Ok(if report.finish(options.allow_missing) { 0 } else { 1 })
}

/// May a test on `machine` have a name that contains `filter`? Its name begins with the machine's.
fn is_for(filter: &str, machine: Machine) -> bool {
    !Machine::ALL.iter().any(|other| *other != machine && filter.starts_with(&format!("{other}::")))
}

fn build(workspace: &Workspace, machine: Machine) -> Result<Built> {
    let programs = image::build_programs(workspace, machine)?;
    let kernel =
        Kernel { machine, ..Kernel::default() }.build(workspace, &image::entries(machine, &programs.built)?)?;
    Ok(Built { machine, programs, kernel })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_names_a_machine_leaves_the_others_alone() {
        assert!(is_for("malta::budgets", Machine::Malta) && !is_for("malta::budgets", Machine::Decstation));
        assert!(is_for("budgets", Machine::Malta) && is_for("budgets", Machine::Decstation));
    }
}
