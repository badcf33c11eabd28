//! How GXemul is started as a DECstation 5000/200.

use crate::board::{Board, Emulator, Ending, Filter};
use crate::cargo::Workspace;
use crate::machine::Vectors;
use crate::noise::Noise;
use crate::session::{self, End, Errors, Patience};
use crate::trace::Trace;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The emulator.
const EMULATOR: &str = "gxemul";
/// Longest time that it may take to tell its version.
const ANSWER: Duration = Duration::from_secs(10);
/// The PROM hands over so many bytes of command line.
const COMMAND_LINE_MAX: usize = aegis_abi::limits::COMMAND_LINE_BYTES - 1;
/// What GXemul says among the guest's output, and what is no news: a reference to a low address is an ordinary TLB miss, and a
/// 64-bit instruction is reserved on this processor.
const NOISE: [&str; 2] = ["[ warning: LOW reference: ", "[ WARNING/NOTE: attempt to execute a 64-bit instruction "];

/// GXemul's `-E dec -e 5000/200`.
pub struct Gxemul;

impl Emulator for Gxemul {
    fn check(&self, _counting: bool) -> Result<()> {
        let mut command = Command::new(EMULATOR);
        command.arg("-h");
        let patience = Patience { end: Some(ANSWER), ..Patience::default() };
        let mut output = Vec::new();
        let command = session::without_input(command);
        let end = session::run(command, Errors::Taken, patience, |chunk| output.extend_from_slice(chunk))
            .context("install GXemul (./x does on Debian)")?;
        if let End::TooLong(limit) = end {
            bail!("`{EMULATOR} -h` has not ended in {} s", limit.as_secs());
        }
        let words = String::from_utf8_lossy(&output);
        ensure!(words.starts_with("GXemul"), "`{EMULATOR} -h` does not say that it is GXemul: `{}`", words.trim_end());
        Ok(())
    }

    fn command(&self, board: &Board) -> Result<Vec<OsString>> {
        let length = board.command_line.len();
        ensure!(
            length <= COMMAND_LINE_MAX,
            "program and arguments have {length} bytes; the board hands over {COMMAND_LINE_MAX}, so shorten them"
        );
        let mut words = match board.counting {
            // Each instruction is a line; the last ones come when the emulator ends, as it does by itself. It would say that this
            // means `-v`, so say it ourselves.
            Some(_) => vec![EMULATOR, "-i", "-v"],
            // GXemul would keep its output back.
            None => vec!["stdbuf", "-o0", EMULATOR, "-q"],
        };
        words.extend(MACHINE);
        if board.dirty_memory {
            words.push("-S");
        }
        let memory = board.memory.map(|memory| memory.to_string());
        if let Some(memory) = &memory {
            words.extend(["-M", memory]);
        }
        let mut words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        words.extend(["-o".into(), board.command_line.clone().into(), board.kernel.clone().into()]);
        Ok(words)
    }

    fn needs_endless_input(&self) -> bool {
        true
    }

    fn ending(&self, _: &Board) -> Ending {
        Ending::LastLineThenEnd
    }

    fn filter(&self, board: &Board) -> Box<dyn Filter> {
        let Some(counting) = &board.counting else { return Box::new(Quiet(Noise::new(&NOISE))) };
        let Vectors { refill, general } = board.machine.vectors();
        let vectors = [refill, general].into_iter().chain(counting.vectors.iter().copied()).collect();
        Box::new(Counted { trace: Trace::new(vectors), out: counting.out.clone() })
    }

    fn plugin(&self, _: &Workspace) -> Result<Option<PathBuf>> {
        Ok(None)
    }

    fn debugger(&self, board: &Board) -> Option<Vec<OsString>> {
        let words = [EMULATOR, "-V"].into_iter().chain(MACHINE).map(OsString::from);
        let board = ["-o".into(), board.command_line.clone().into(), board.kernel.clone().into()];
        Some(words.chain(board).collect())
    }
}

/// Arguments that make it the machine.
const MACHINE: [&str; 4] = ["-E", "dec", "-e", "5000/200"];

/// The guest's console without what GXemul says in between.
struct Quiet(Noise);

impl Filter for Quiet {
    fn pass(&mut self, output: &[u8], guest: &mut Vec<u8>) {
        self.0.pass(output, guest);
    }

    fn finish(&mut self, guest: &mut Vec<u8>) -> Result<()> {
        self.0.finish(guest);
        Ok(())
    }
}

/// The guest's console without the trace in between, which is counted.
struct Counted {
    trace: Trace,
    out: PathBuf,
}

impl Filter for Counted {
    fn pass(&mut self, output: &[u8], guest: &mut Vec<u8>) {
        self.trace.read(output, guest);
    }

    fn finish(&mut self, guest: &mut Vec<u8>) -> Result<()> {
        let counts = self.trace.finish(guest);
        std::fs::write(&self.out, counts).with_context(|| format!("cannot write {}", self.out.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    #[test]
    fn the_command_line_goes_to_the_prom() {
        let board = Board {
            machine: Machine::Decstation,
            kernel: "k".into(),
            command_line: "tour a b".into(),
            ..Board::default()
        };
        let words = Gxemul.command(&board).unwrap();
        assert_eq!(words, ["stdbuf", "-o0", "gxemul", "-q", "-E", "dec", "-e", "5000/200", "-o", "tour a b", "k"]);
    }

    #[test]
    fn a_command_line_that_the_board_would_cut_is_refused() {
        let board = |length| Board { command_line: "x".repeat(length), ..Board::default() };
        assert!(Gxemul.command(&board(COMMAND_LINE_MAX)).is_ok());
        let error = Gxemul.command(&board(COMMAND_LINE_MAX + 1)).unwrap_err().to_string();
        assert!(error.contains("shorten"), "{error}");
    }
}
