//! `./x test`: tests on the host, clippy, and tests in the emulator.

mod debugger;
mod emulator;
mod host;
mod judge;
mod lint;
mod report;

use crate::cargo::Workspace;
use crate::image::{self, Kernel};
use crate::{malta, terminal};
use anyhow::{Result, bail};
use clap::Args;
use report::Report;

/// Options of `./x test`.
#[derive(Args)]
pub struct Options {
    /// Only tests whose name contains this
    filter: Option<String>,
}

/// Runs all tests that the filter lets through. The status is 0 if all have passed.
pub fn main(workspace: &Workspace, options: &Options) -> Result<u8> {
    let version = malta::check_emulator()?;
    terminal::catch_interrupts()?;
    let mut report = Report::new(options.filter.clone().unwrap_or_default());

    // Tests on the host look at the kernel image too, so it comes first.
    report.progress("building programs and kernel");
    let built = image::build_programs(workspace).and_then(|programs| {
        let entries = image::entries(&programs)?;
        Ok((Kernel::default().build(workspace, &entries)?, programs))
    });
    let built = match built {
        Ok(built) => Some(built),
        Err(error) => {
            report.always_failed("build", &format!("{error:#}"));
            None
        }
    };
    let image = built.as_ref().map(|(image, _)| image.as_path());
    host::run(workspace, image, &mut report)?;
    if !terminal::interrupted() {
        lint::run(workspace, &mut report)?;
    }
    if let Some((_, programs)) = &built
        && !terminal::interrupted()
    {
        emulator::run(workspace, version, programs, &mut report)?;
        debugger::run(workspace, &mut report)?;
    }
    if terminal::interrupted() {
        report.clear();
        return Ok(130);
    }
    if report.total() == 0 {
        bail!("no test has a name that contains `{}`", report.filter());
    }
    Ok(if report.finish() { 0 } else { 1 })
}
