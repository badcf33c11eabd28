//! `./x debug` as a test, where there is a gdb. (The DECstation's emulator has no stub for it.)

use super::host::tail;
use super::report::Report;
use crate::cargo::Workspace;
use crate::debug::find_debugger;
use crate::machine::Machine;
use crate::run::DEFAULT_PROGRAM;
use crate::session::{self, End, Errors, Patience};
use anyhow::{Context, Result};
use std::process::Command;
use std::time::Duration;

const NAME: &str = "malta::debug::gdb stops in kernel and program, with their symbols";

/// Registers that are 0 when a program starts.
const CLEARED: [&str; 31] = [
    "at", "v0", "v1", "a2", "a3", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "s0", "s1", "s2", "s3", "s4", "s5",
    "s6", "s7", "t8", "t9", "k0", "k1", "gp", "sp", "s8", "ra", "hi", "lo",
];

/// Has gdb stop at the entry of the kernel, at a program's first instruction, where nothing of the kernel's may be in the
/// registers, and at its `main`.
pub fn run(workspace: &Workspace, machine: Machine, report: &mut Report) -> Result<()> {
    if machine != Machine::Malta || !report.wants(NAME) {
        return Ok(());
    }
    if find_debugger().is_err() {
        report.skipped(NAME, "there is no gdb that knows MIPS (`./x debug` installs one on Debian)");
        return Ok(());
    }
    report.progress(NAME);
    // Building the tests has put another file in the place of the one that runs.
    let ourselves = std::env::args_os().next().context("cannot tell our own program")?;
    let mut command = Command::new(workspace.root.join(ourselves));
    command.current_dir(&workspace.root).args(["debug", DEFAULT_PROGRAM, "--", "-nx", "-batch"]);
    let registers = CLEARED.map(|name| format!("${name}")).join(" | ");
    let print = format!("printf \"registers %#x\\n\", {registers}");
    for gdb in
        ["hbreak main", "continue", "hbreak _start", "continue", &print, "delete", "hbreak exos_program", "continue"]
    {
        command.args(["-ex", gdb]);
    }
    workspace.show(&command);
    let patience = Patience { first_output: None, end: Some(Duration::from_secs(60)) };
    let mut output = Vec::new();
    let command = session::without_input(command);
    let end = session::run(command, Errors::Taken, patience, |chunk| output.extend_from_slice(chunk))?;
    let output = String::from_utf8_lossy(&output);
    let stops = ["aegis/src/main.rs", "_start ()", "registers 0\n", "exos_program ()"];
    let missing = stops.iter().find(|stop| !output.contains(**stop));
    report.result(
        NAME,
        match (end, missing) {
            (End::Interrupted, _) => return Ok(()),
            (End::Exited(0), None) => Ok(()),
            (_, Some(stop)) => Err(format!("gdb did not show `{stop}` ({end:?})\n{}", tail(&output))),
            _ => Err(format!("{end:?}\n{}", tail(&output))),
        },
    );
    Ok(())
}
