//! Tests of the page of `./x tlb --html`, in a headless browser, where there is one.

use super::host;
use super::report::Report;
use crate::browser;
use crate::cargo::{FOR_HOST, Workspace};
use anyhow::Result;

/// The package that has them. It is built only here: what drives the browser takes a minute to compile.
pub const PACKAGE: &str = "aegis-browser";
/// What their names begin with.
const GROUP: &str = "aegis-browser::page";

/// Runs them, or says why not.
pub fn run(workspace: &Workspace, report: &mut Report) -> Result<()> {
    if !report.may_want(GROUP) {
        return Ok(());
    }
    if browser::find().is_none() {
        report.missing(GROUP, &browser::missing());
        return Ok(());
    }
    report.progress("building the tests in a browser");
    match workspace.build(FOR_HOST.into_iter().chain(["test", "--no-run", "--tests", "-p", PACKAGE]), &[]) {
        Ok(built) => {
            for artifact in built.iter().filter(|built| built.is_test_file && built.executable.is_some()) {
                host::run_binary(workspace, artifact, &[], &[], report)?;
            }
        }
        Err(error) => report.always_failed("build::browser", &format!("{error:#}")),
    }
    Ok(())
}
