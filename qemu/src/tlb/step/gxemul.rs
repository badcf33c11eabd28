//! GXemul's own debugger, in a dialogue: it prompts, and is asked.
//!
//! It shows all registers, and what it steps through as its trace does; a branch and its delay slot are one step.

use crate::board::Board;
use crate::cargo::{Workspace, command_line};
use crate::session::{self, Killed};
use crate::tlb::step::{COUNT, Debugger, Executed, State, names};
use crate::trace::{Instruction, hex};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What GXemul shows when it may be asked.
const PROMPT: &[u8] = b"GXemul> ";
/// Longest time that an answer may take.
const ANSWERS: Duration = Duration::from_secs(300);
/// Bytes of a word.
const WORD: u32 = 4;
/// Registers of coprocessor 0 under GXemul's names, and under the manual's.
pub const CP0: [(&str, &str); 9] = [
    ("index", "Index"),
    ("random", "Random"),
    ("entrylo0", "EntryLo"),
    ("context", "Context"),
    ("badvaddr", "BadVAddr"),
    ("entryhi", "EntryHi"),
    ("status", "Status"),
    ("cause", "Cause"),
    ("epc", "EPC"),
];

/// Status of the R3000: the last load missed in the data cache.
pub const STATUS_CM: u32 = 1 << 19;

/// A guest in GXemul, under its debugger.
pub struct Dialogue {
    _emulator: Killed,
    input: ChildStdin,
    output: Receiver<Vec<u8>>,
}

impl Dialogue {
    /// Starts GXemul.
    ///
    /// # Errors
    /// When it does not start, or does not prompt.
    pub fn start(workspace: &Workspace, board: &Board) -> Result<Dialogue> {
        let words = board.machine.emulator().debugger(board).context("GXemul has a debugger")?;
        let mut command = session::tied_to_us(&words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        workspace.show(&command);
        let shown = command_line(&command);
        let mut emulator = Killed(command.spawn().with_context(|| format!("cannot start {shown}"))?);
        let input = emulator.0.stdin.take().context("it has an input")?;
        let mut stdout = emulator.0.stdout.take().context("it has an output")?;
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut buffer)
                && sender.send(buffer[..length].to_vec()).is_ok()
            {}
        });
        let mut dialogue = Dialogue { _emulator: emulator, input, output };
        dialogue.answers(1)?;
        Ok(dialogue)
    }

    /// Gives commands, and gives what is answered, one after the other.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn ask(&mut self, commands: &[&str]) -> Result<Vec<String>> {
        let words: String = commands.iter().map(|command| format!("{command}\n")).collect();
        self.input.write_all(words.as_bytes()).context("cannot write to GXemul")?;
        self.answers(commands.len())
    }

    /// Waits for so many prompts, and gives what stands before each.
    fn answers(&mut self, count: usize) -> Result<Vec<String>> {
        let (start, mut seen, mut answers) = (Instant::now(), Vec::new(), Vec::new());
        while answers.len() < count {
            let left = ANSWERS.saturating_sub(start.elapsed());
            let Ok(chunk) = self.output.recv_timeout(left) else {
                bail!("GXemul does not answer; it has said `{}`", String::from_utf8_lossy(&seen));
            };
            seen.extend_from_slice(&chunk);
            while let Some(at) = seen.windows(PROMPT.len()).position(|window| window == PROMPT) {
                answers.push(String::from_utf8_lossy(&seen[..at]).into_owned());
                seen.drain(..at + PROMPT.len());
            }
        }
        Ok(answers)
    }
}

impl Debugger for Dialogue {
    fn break_at(&mut self, address: u32) -> Result<()> {
        self.ask(&[&format!("breakpoint add {address:#010x}")]).map(drop)
    }

    fn go_on(&mut self) -> Result<()> {
        let answer = self.ask(&["continue"])?.concat();
        if !answer.contains("BREAKPOINT") {
            bail!("the guest has ended: GXemul says `{}`", answer.trim_end());
        }
        Ok(())
    }

    fn state(&mut self) -> Result<State> {
        let answers = self.ask(&["reg", "reg ,0"])?;
        let values = fields(&answers.concat());
        let value = |name: &str| values.get(name).copied().with_context(|| format!("GXemul does not show {name}"));
        let mut registers = [0; COUNT];
        for (register, name) in registers.iter_mut().zip(names()).skip(1) {
            *register = value(name)?;
        }
        let mut cp0 = BTreeMap::new();
        for (name, known_as) in CP0 {
            cp0.insert(known_as, value(name)?);
        }
        // GXemul sets this bit by fits and starts; of caches it has none.
        cp0.entry("Status").and_modify(|status| *status &= !STATUS_CM);
        Ok(State { pc: value("pc")?, registers, cp0 })
    }

    fn words(&mut self, address: u32, count: usize) -> Result<Vec<u32>> {
        let end = address + count as u32 * WORD;
        let answer = self.ask(&[&format!("dump {address:#x} {end:#x}")])?.concat();
        let words: Vec<u32> = answer.lines().filter_map(dumped).flatten().take(count).collect();
        ensure!(words.len() == count, "GXemul does not show the memory at {address:#010x}: `{}`", answer.trim_end());
        Ok(words)
    }

    fn step(&mut self) -> Result<Vec<Executed>> {
        let answer = self.ask(&["step 1"])?.concat();
        let executed: Vec<Executed> = answer.lines().filter_map(executed).collect();
        Ok(executed)
    }

    fn assume(&mut self, _epc: u32, _context: u32, _entry_hi: u32) {}
}

/// The fields `name = value` and `name=value` of what GXemul shows of registers.
fn fields(words: &str) -> BTreeMap<String, u32> {
    let spread = words.replace('=', " = ");
    let words: Vec<&str> = spread.split_whitespace().collect();
    let field = |window: &[&str]| match window {
        [name, "=", value] if value.len() == 8 => Some((name.to_string(), hex(value.as_bytes())?)),
        _ => None,
    };
    words.windows(3).filter_map(field).collect()
}

/// The words of a line `0x80520010  08000000 01b66f00 01000000 00000000  ......o.`, their lowest bytes first.
fn dumped(line: &str) -> Option<impl Iterator<Item = u32>> {
    let words = line.strip_prefix("0x")?.split_whitespace().skip(1).take(4);
    let words: Option<Vec<u32>> = words.map(|word| hex(word.as_bytes()).map(u32::swap_bytes)).collect();
    words.map(Vec::into_iter)
}

/// What a line says was executed.
fn executed(line: &str) -> Option<Executed> {
    let Instruction { address, line } = Instruction::parse(line.as_bytes())?;
    Some(Executed { address, word: line.word, in_delay_slot: line.in_delay_slot })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_read() {
        let shown = "cpu0:  pc = 80000000    <stlb_refill>\ncpu0:  hi = 00000001  lo = 00000002\n\
                     cpu0:                 at = 0000000a  v0 = 0200008e\ncpu0:    index=80000000   random=00001b00 entrylo0=00704200\n";
        let fields = fields(shown);
        for (name, value) in [("pc", 0x8000_0000), ("hi", 1), ("v0", 0x0200_008e), ("random", 0x1b00)] {
            assert_eq!(fields.get(name), Some(&value), "{name}");
        }
    }

    #[test]
    fn a_branch_and_its_delay_slot_are_two_instructions() {
        let words: Vec<_> = "<stlb_refill>\n80000044: 03600008        jr\tk1\n80000048: 42000010 (d)    rfe\n"
            .lines()
            .filter_map(executed)
            .collect();
        assert_eq!(words.len(), 2);
        assert_eq!(words[1], Executed { address: 0x8000_0048, word: 0x4200_0010, in_delay_slot: true });
    }
}
