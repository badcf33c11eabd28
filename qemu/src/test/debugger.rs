//! `./x debug` as a test: with gdb, where there is one, and with GXemul's own debugger.

use super::Built;
use super::host::tail;
use super::report::Report;
use crate::board::Board;
use crate::cargo::Workspace;
use crate::debug::find_debugger;
use crate::machine::Machine;
use crate::run::DEFAULT_PROGRAM;
use crate::session::{self, End, Errors, Patience};
use anyhow::{Context, Result};
use object::Object;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const GDB: &str = "malta::debug::gdb stops in kernel and program, with their symbols";

const OWN: &str = "decstation::debug::the emulator's debugger stops where it should, and a program starts with nothing of the kernel's";

/// Registers that are 0 when a program starts.
const CLEARED: [&str; 31] = [
    "at", "v0", "v1", "a2", "a3", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "s0", "s1", "s2", "s3", "s4", "s5",
    "s6", "s7", "t8", "t9", "k0", "k1", "gp", "sp", "s8", "ra", "hi", "lo",
];

/// Tests the debugger for a machine.
pub fn run(workspace: &Workspace, built: &Built, report: &mut Report) -> Result<()> {
    match built.machine {
        Machine::Malta => gdb(workspace, report),
        Machine::Decstation => own(workspace, built, report),
    }
}

/// Has the emulator's own debugger stop at a vector, show the first instruction there, and stop at a program's first
/// instruction, where nothing of the kernel's may be in the registers.
fn own(workspace: &Workspace, built: &Built, report: &mut Report) -> Result<()> {
    if !report.wants(OWN) {
        return Ok(());
    }
    report.progress(OWN);
    let Built { machine, programs, kernel } = built;
    let board = Board {
        machine: *machine,
        kernel: kernel.clone(),
        command_line: DEFAULT_PROGRAM.to_owned(),
        ..Board::default()
    };
    let start = entry(&programs.find(DEFAULT_PROGRAM)?.path)?;
    let words = machine.emulator().debugger(&board).context("it has a debugger of its own")?;
    let mut command = session::tied_to_us(&words[0]);
    // It waits for ever at the end of its input, so that stays open.
    let (reader, mut commands) = std::io::pipe().context("cannot make a pipe")?;
    command.args(&words[1..]).stdin(reader);
    workspace.show(&command);
    let asked = format!(
        "breakpoint add {start:#x}\ncontinue\nreg\nbreakpoint delete 0\nbreakpoint add vec_general\ncontinue\nstep\nquit\n"
    );
    commands.write_all(asked.as_bytes()).context("cannot write to a pipe")?;
    let patience = Patience { end: Some(Duration::from_secs(60)), ..Patience::default() };
    let mut output = Vec::new();
    let end = session::run(command, Errors::Taken, patience, |chunk| output.extend_from_slice(chunk))?;
    let output = String::from_utf8_lossy(&output);
    let vector = format!("BREAKPOINT: pc = {:#010x}", machine.vectors().general);
    let shown = [&format!("BREAKPOINT: pc = {start:#x}"), &vector, "<vec_general>", "lui"];
    let missing = shown.into_iter().find(|words| !output.contains(*words));
    // `jr` needs a register, and that may be k1; k0 has served before.
    let left: Vec<&str> = CLEARED
        .into_iter()
        .filter(|name| !matches!(*name, "k0" | "k1"))
        .map(|name| if name == "s8" { "fp" } else { name })
        .filter(|name| !output.contains(&format!(" {name} = 00000000")))
        .collect();
    report.result(
        OWN,
        match (end, missing) {
            (End::Interrupted, _) => return Ok(()),
            (_, Some(missing)) => Err(format!("it did not show `{missing}` ({end:?})\n{}", tail(&output))),
            (End::Exited(_), None) if left.is_empty() => Ok(()),
            (End::Exited(_), None) => Err(format!("at the program's start, not 0: {left:?}\n{}", tail(&output))),
            (end, None) => Err(format!("{end:?}\n{}", tail(&output))),
        },
    );
    Ok(())
}

/// A program's first instruction.
fn entry(program: &Path) -> Result<u64> {
    let bytes = std::fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    Ok(object::File::parse(&*bytes).with_context(|| format!("{} is no ELF file", program.display()))?.entry())
}

/// Has gdb stop at the entry of the kernel, at a program's first instruction, where nothing of the kernel's may be in the
/// registers, and at its `main`.
fn gdb(workspace: &Workspace, report: &mut Report) -> Result<()> {
    if !report.wants(GDB) {
        return Ok(());
    }
    if find_debugger().is_err() {
        report.missing(GDB, "there is no gdb that knows MIPS (./x setup gets one on Debian)");
        return Ok(());
    }
    report.progress(GDB);
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
    let patience = Patience { end: Some(Duration::from_secs(60)), ..Patience::default() };
    let mut output = Vec::new();
    let command = session::without_input(command);
    let end = session::run(command, Errors::Taken, patience, |chunk| output.extend_from_slice(chunk))?;
    let output = String::from_utf8_lossy(&output);
    let stops = ["aegis/src/main.rs", "_start ()", "registers 0\n", "exos_program ()"];
    let missing = stops.iter().find(|stop| !output.contains(**stop));
    report.result(
        GDB,
        match (end, missing) {
            (End::Interrupted, _) => return Ok(()),
            (End::Exited(0), None) => Ok(()),
            (_, Some(stop)) => Err(format!("gdb did not show `{stop}` ({end:?})\n{}", tail(&output))),
            _ => Err(format!("{end:?}\n{}", tail(&output))),
        },
    );
    Ok(())
}
