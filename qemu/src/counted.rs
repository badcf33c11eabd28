//! A program's run whose instructions are counted, from the building of the kernel to the counts.

use crate::board::{Board, Counting, Input};
use crate::cargo::{Workspace, command_line};
use crate::counts::Counts;
use crate::image::{self, Kernel};
use crate::machine::Machine;
use crate::run::{BOOT, COUNTING, NO_CLOCK};
use crate::session::{End, Errors, Lines, Patience};
use crate::test::host::tail;
use anyhow::{Context, Result, bail};
use std::time::Duration;

/// What is to be run.
pub struct Wanted<'a> {
    /// On which machine.
    pub machine: Machine,
    /// Features of the kernel besides that for counting.
    pub features: &'a [&'a str],
    /// Program and arguments.
    pub command_line: &'a str,
    /// Longest time that it may take.
    pub limit: Duration,
}

/// Runs it, with no clock, and returns what it has printed and what was counted. Each line is shown to `each` as it comes.
///
/// # Errors
/// When something cannot be built or started, the user has interrupted it, the program has not ended with status 0, or the counts cannot be
/// read or hold a marker without its partner.
pub fn run(workspace: &Workspace, wanted: &Wanted<'_>, each: impl FnMut(&str)) -> Result<(String, Counts)> {
    let Wanted { machine, features, command_line: guests, limit } = *wanted;
    let programs = image::build_programs(workspace, machine)?;
    let all_features = [&[COUNTING], features].concat();
    let kernel = Kernel { machine, features: &all_features, archive: None };
    let program = guests.split(' ').next().unwrap_or_default();
    programs.find(program)?;
    let kernel = kernel.build(workspace, &image::entries(machine, &programs.built)?)?;
    let counting = Counting::new(workspace, machine, &[&[program], features].concat().join("-"))?;
    let out = counting.out.clone();
    let board = Board {
        machine,
        kernel,
        command_line: format!("{NO_CLOCK} {guests}"),
        semihosting: true,
        counting: Some(counting),
        ..Board::default()
    };
    let command = board.command()?;
    workspace.show(&command);
    let patience = Patience { first_output: Some(BOOT), end: Some(limit), ..Patience::default() };
    let (mut lines, mut each) = (Lines::default(), each);
    let end = board.run(Input::None, Errors::Taken, patience, |chunk| lines.push(chunk, &mut each))?;
    let text = lines.text();
    match end {
        End::Exited(0) => {}
        End::Interrupted => bail!("interrupted"),
        end => bail!(
            "the program {program} has failed on {machine} ({end:?}):\n{}\n{}",
            tail(&text),
            command_line(&command)
        ),
    }
    let counts = Counts::read(&out)?;
    counts.check_markers().with_context(|| format!("in {}", out.display()))?;
    Ok((text, counts))
}
