//! `./x audit` as tests: one for each image.

use super::report::Report;
use crate::audit;
use crate::cargo::Workspace;
use crate::machine::Machine;
use anyhow::Result;

/// Audits all images for `machine`, if that is one whose processor needs it.
pub fn run(workspace: &Workspace, machine: Machine, report: &mut Report) -> Result<()> {
    let group = format!("{machine}::audit");
    if machine != audit::MACHINE || !report.may_want(&group) {
        return Ok(());
    }
    report.progress(&group);
    for image in audit::images(workspace)? {
        let result = audit::test(workspace, &image).map_err(|error| format!("{error:#}"));
        report.result_with_note(&format!("{group}::{}", image.name), result);
    }
    Ok(())
}
