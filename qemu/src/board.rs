//! A board to be switched on, whatever its emulator, and how its run is watched to its end.

use crate::cargo::Workspace;
use crate::machine::Machine;
use crate::run::{DETERMINISTIC_CLOCK, NONCE_OPTION};
use crate::session::{self, End, Errors, Patience};
use crate::stop_watch::StopWatch;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where the guest's console goes.
#[derive(Clone, Debug, Default)]
pub enum Console {
    /// To the emulator's standard input and output.
    #[default]
    Standard,
    /// Output to a file, no input.
    File(PathBuf),
}

/// Counting of instructions.
#[derive(Clone, Debug, Default)]
pub struct Counting {
    /// The file with the counts.
    pub out: PathBuf,
    /// The library that counts inside the emulator, where it takes one.
    pub plugin: Option<PathBuf>,
    /// Further addresses where a stay in the kernel may begin.
    pub vectors: Vec<u32>,
}

impl Counting {
    /// Counts on `machine` into a file called `name`, which does not exist yet: old counts must not pass for new ones.
    pub fn new(workspace: &Workspace, machine: Machine, name: &str) -> Result<Counting> {
        let directory = workspace.target.join("counts").join(machine.name());
        std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let out = directory.join(format!("{name}.json"));
        if out.exists() {
            std::fs::remove_file(&out).with_context(|| format!("cannot remove {}", out.display()))?;
        }
        Ok(Counting { out, plugin: machine.emulator().plugin(workspace)?, vectors: Vec::new() })
    }
}

/// Watching of the TLB, besides counting, where the emulator must be told.
#[derive(Clone, Debug, Default)]
pub struct Watching {
    /// The file that is to be the guest's memory.
    pub memory: PathBuf,
    /// What the library that counts is to watch: names and values.
    pub arguments: Vec<(&'static str, String)>,
}

/// A board to be switched on.
#[derive(Clone, Debug, Default)]
pub struct Board {
    /// Which.
    pub machine: Machine,
    /// The kernel image.
    pub kernel: PathBuf,
    /// Program and arguments.
    pub command_line: String,
    /// The guest can end the emulator with an exit status, where the emulator offers that.
    pub semihosting: bool,
    /// Memory holds anything at power-on, as on hardware, and not zeros, where the emulator offers that.
    pub dirty_memory: bool,
    /// Memory, in MB; `None`: what the board has by itself.
    pub memory: Option<u32>,
    /// The console.
    pub console: Console,
    /// Every run is to be the same, to the instruction, even if nothing is counted.
    pub exact: bool,
    /// Count instructions.
    pub counting: Option<Counting>,
    /// End the run when so many instructions have been executed, where the emulator offers that;
    /// they are counted then.
    pub limit: Option<u64>,
    /// Watch the TLB.
    pub watching: Option<Watching>,
    /// Wait for gdb at this port.
    pub gdb_port: Option<u16>,
}

/// How an emulator is started and watched.
pub trait Emulator {
    /// Refuses an emulator that is missing or too old, also one that cannot count if that is asked for.
    fn check(&self, counting: bool) -> Result<()>;

    /// The emulator's program and arguments for a board.
    fn command(&self, board: &Board) -> Result<Vec<OsString>>;

    /// It hangs or ends when its standard input does.
    fn needs_endless_input(&self) -> bool;

    /// How the end of this board's run shows.
    fn ending(&self, board: &Board) -> Ending;

    /// Takes the guest's console out of the emulator's output.
    fn filter(&self, board: &Board) -> Box<dyn Filter>;

    /// Builds the library that counts inside the emulator, if that is how it counts.
    fn plugin(&self, workspace: &Workspace) -> Result<Option<PathBuf>>;

    /// The emulator's own debugger for a board, in place of gdb, if it has no stub for that.
    fn debugger(&self, board: &Board) -> Option<Vec<OsString>>;
}

/// How the end of a run shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The emulator ends with the guest's exit status.
    Status,
    /// The kernel says its exit status in its last line, and stands still.
    LastLine,
    /// The kernel says its exit status in its last line, and the emulator ends by itself, with a status that means nothing.
    LastLineThenEnd,
}

/// Takes the guest's console out of an emulator's output.
pub trait Filter {
    /// Adds to `guest` what the guest has written.
    fn pass(&mut self, output: &[u8], guest: &mut Vec<u8>);

    /// The emulator has ended.
    fn finish(&mut self, guest: &mut Vec<u8>) -> Result<()>;

    /// Has enough been seen, so that the emulator is to be ended?
    fn has_enough(&self) -> bool {
        false
    }
}

/// All output is the guest's.
pub struct Unfiltered;

impl Filter for Unfiltered {
    fn pass(&mut self, output: &[u8], guest: &mut Vec<u8>) {
        guest.extend_from_slice(output);
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

/// What the guest reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// Nothing.
    None,
    /// This, at once, and then nothing more.
    Text(&'static str),
    /// What we are given, and where that ends, and is no terminal, end of input.
    Ours,
}

impl Board {
    /// Is every run to be the same, to the instruction?
    pub fn is_deterministic(&self) -> bool {
        self.exact || self.counting.is_some() || self.has_clock_of_instructions()
    }

    /// Does the kernel get the clock of instructions, with a phase or without?
    fn has_clock_of_instructions(&self) -> bool {
        let is_that = |word: &str| word.split(',').next() == Some(DETERMINISTIC_CLOCK);
        self.command_line.split(' ').any(is_that)
    }

    /// The command that starts the emulator, as one would type it.
    pub fn command(&self) -> Result<Command> {
        let words = self.machine.emulator().command(self)?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        Ok(command)
    }

    /// Runs the board to its end, passing what the guest writes to `sink` as it comes.
    pub fn run(&self, input: Input, errors: Errors, patience: Patience, sink: impl FnMut(&[u8])) -> Result<End> {
        let mut filter = self.machine.emulator().filter(self);
        self.run_through(&mut *filter, input, errors, patience, sink)
    }

    /// As [`Board::run`], through a filter of the caller's.
    pub fn run_through(
        &self,
        filter: &mut dyn Filter,
        input: Input,
        errors: Errors,
        patience: Patience,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<End> {
        let emulator = self.machine.emulator();
        let ending = emulator.ending(self);
        let mut watch = if ending == Ending::Status { None } else { Some(StopWatch::new()?) };
        let words = match &watch {
            Some(watch) => {
                let command_line = format!("{NONCE_OPTION}{} {}", watch.nonce, self.command_line);
                emulator.command(&Board { command_line, ..self.clone() })?
            }
            None => emulator.command(self)?,
        };
        let mut command = session::tied_to_us(&words[0]);
        command.args(&words[1..]);
        let _kept_open = match input {
            Input::None if !emulator.needs_endless_input() => {
                command.stdin(Stdio::null());
                None
            }
            // On a terminal the emulator sets the modes.
            Input::Ours if !emulator.needs_endless_input() && std::io::stdin().is_terminal() => None,
            _ => {
                let (reader, mut writer) = std::io::pipe().context("cannot make a pipe")?;
                // Ctrl-C is for us: GXemul would take it for a call of its debugger.
                command.stdin(reader).process_group(0);
                if let Input::Text(text) = input {
                    writer.write_all(text.as_bytes()).context("cannot write to a pipe")?;
                }
                if input == Input::Ours {
                    let copy = writer.try_clone().context("cannot copy a pipe")?;
                    let is_terminal = std::io::stdin().is_terminal();
                    // It ends with our input, or with us; where the emulator has ended, nobody reads.
                    std::thread::spawn(move || pass_input(std::io::stdin().lock(), copy, is_terminal));
                }
                Some(writer)
            }
        };
        let mut status = None;
        let mut guest = Vec::new();
        let mut pass = |guest: &mut Vec<u8>| {
            if let Some(watch) = &mut watch {
                status = status.or(watch.pass(guest));
            }
            sink(guest);
            guest.clear();
            status
        };
        let end = session::run_until(command, errors, patience, |chunk| {
            filter.pass(chunk, &mut guest);
            let status = pass(&mut guest).filter(|_| ending == Ending::LastLine);
            status.or(filter.has_enough().then_some(0))
        })?;
        filter.finish(&mut guest)?;
        pass(&mut guest);
        Ok(match (ending, end, status) {
            (Ending::Status, ..) => end,
            (_, End::Exited(_), Some(status)) => End::Exited(status),
            (_, End::Exited(_), None) => End::Lost,
            _ => end,
        })
    }
}

/// What a terminal sends at the end of the input: Ctrl-D.
const END_OF_INPUT: u8 = 4;

/// Copies input as it comes, and waits where nobody reads it yet. Its end is told by a byte, since
/// a console has no other way; at a terminal it may go on after that.
fn pass_input(mut from: impl Read, mut to: impl Write, is_terminal: bool) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => to.write_all(&[END_OF_INPUT])?,
            Ok(length) => {
                to.write_all(&buffer[..length])?;
                continue;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return to.write_all(&[END_OF_INPUT]),
        }
        if !is_terminal {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_of_instructions_makes_runs_the_same_with_a_phase_too() {
        for (command_line, is) in [
            ("aegis.clock=deterministic tour", true),
            ("aegis.clock=deterministic,phase=1,jitter=2 tour", true),
            ("aegis.clock=rtc tour", false),
            ("tour aegis.clock=deterministics", false),
        ] {
            let board = Board { command_line: command_line.to_owned(), ..Board::default() };
            assert_eq!(board.is_deterministic(), is, "{command_line}");
        }
    }

    #[test]
    fn the_end_of_the_input_is_told_once() {
        for text in ["", "hello\n", "no end of line"] {
            let mut out = Vec::new();
            pass_input(text.as_bytes(), &mut out, false).unwrap();
            assert_eq!(out, [text.as_bytes(), &[END_OF_INPUT]].concat());
        }
    }

    #[test]
    fn long_input_arrives_whole() {
        let text: Vec<u8> = (0..100_000_u32).map(|n| b'a' + (n % 23) as u8).collect();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let copied = std::thread::scope(|scope| {
            // More than fits into the pipe: it waits for the reader.
            scope.spawn(|| pass_input(&text[..], writer, false).unwrap());
            let mut copied = Vec::new();
            reader.read_to_end(&mut copied).unwrap();
            copied
        });
        assert_eq!(copied, [&text[..], &[END_OF_INPUT]].concat());
    }
}
