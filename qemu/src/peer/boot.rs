//! Linux under QEMU, on the board that Aegis runs on: the time that it sees is the number of instructions executed, whatever the host does.

use super::figures;
use crate::cargo::Workspace;
use crate::machine::Machine;
use crate::malta;
use crate::session::{self, End, Errors, Lines, Patience};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The emulator's options, besides the board's. With `shift=0` an instruction is a nanosecond of virtual time. `clock=vm`: Linux measures the
/// processor's frequency with the clock, which so must not be the host's. (The board's seed is handed to the kernel.)
const OPTIONS: &str = "-m 256 -serial stdio -icount shift=0,sleep=off -rtc base=2020-01-01,clock=vm";
/// What the kernel is told. `nowait`: with `sleep=off` QEMU never gets on from the processor's instruction `wait`. Addresses are the
/// same each time; a panic ends the emulator.
const COMMAND_LINE: &str = "console=ttyS0,115200 quiet nokaslr norandmaps nowait panic=-1 rdinit=/init";
/// Longest time that all may take, on a slow and busy host.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Where what the console showed is kept.
pub fn console(directory: &Path) -> PathBuf {
    directory.join("console.txt")
}

/// Boots, and returns what the console has shown.
pub fn run(
    workspace: &Workspace,
    directory: &Path,
    kernel: &Path,
    initramfs: &Path,
    report_progress: &mut dyn FnMut(&str),
) -> Result<String> {
    Machine::Malta.emulator().check(false)?;
    let mut command = session::tied_to_us(malta::emulator());
    command
        .args([malta::BOARD, OPTIONS].iter().flat_map(|words| words.split_ascii_whitespace()))
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", COMMAND_LINE]);
    workspace.show(&command);

    report_progress("Linux: booting");
    let mut shown = Lines::default();
    let patience = Patience { end: Some(LIMIT), ..Patience::default() };
    let end = session::run(session::without_input(command), Errors::Taken, patience, |chunk| {
        shown.push(chunk, |line| {
            if let Some(id) = figures::identifier(line) {
                report_progress(&format!("Linux: {id}"));
            }
        });
    })?;
    let shown = shown.text();
    let file = console(directory);
    std::fs::write(&file, &shown).with_context(|| format!("cannot write {}", file.display()))?;
    match end {
        End::Exited(0) => Ok(shown),
        End::Interrupted => bail!("interrupted"),
        other => {
            bail!("Linux under QEMU has not ended by itself ({other:?}); its console's output is in {}", file.display())
        }
    }
}
