//! QEMU's stub for gdb, spoken to in gdb's remote protocol (the gdb manual, appendix "gdb Remote Serial Protocol").
//!
//! It shows the general registers, Status, Cause and BadVAddr. The other registers of coprocessor 0 follow from the instructions: what
//! `mtc0` writes was in a general register, and where `mfc0` reads one, that is compared.

use crate::board::Board;
use crate::cargo::{Workspace, command_line};
use crate::listing::has_delay_slot;
use crate::session::{self, Killed};
use crate::tlb::step::{COUNT, Debugger, Executed, State};
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};
use stlb::interpreter::{Cp0, Isa, Register};

/// Longest time that QEMU may take to listen, and the guest to reach where it is to stop.
const LISTENS: Duration = Duration::from_secs(20);
const STOPS: Duration = Duration::from_secs(300);
/// Words of memory in a packet.
const PACKET: usize = 256;
/// Registers as gdb has them: 32 general ones, and these.
const STATUS: usize = 32;
const LO: usize = 33;
const HI: usize = 34;
const BAD_VADDR: usize = 35;
const CAUSE: usize = 36;
const PC: usize = 37;
/// Cause: the code, scaled by 4; the exception came in a branch delay slot.
const CODE: u32 = 0x7c;
const BD: u32 = 1 << 31;
/// Bytes of an instruction.
const INSTRUCTION: u32 = 4;
/// Of EntryHi, what the processor sets on a TLB miss; of Context, what it sets, and how far it brings BadVAddr down.
const VPN2: u32 = 0xffff_e000;
const BAD_VPN2: u32 = 0x007f_fff0;
const BAD_VPN2_SHIFT: u32 = 9;
/// The registers of coprocessor 0 that follow from the instructions.
const FOLLOWED: [(Register, &str); 6] = [
    (Register::Index, "Index"),
    (Register::EntryLo0, "EntryLo0"),
    (Register::EntryLo1, "EntryLo1"),
    (Register::Context, "Context"),
    (Register::EntryHi, "EntryHi"),
    (Register::Epc, "EPC"),
];

/// A guest in QEMU, under its stub for gdb.
pub struct Gdb {
    _emulator: Killed,
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    cp0: Cp0,
    /// Numbers of those registers of `cp0` that are known.
    known: BTreeSet<u8>,
    breakpoints: BTreeSet<u32>,
    /// Where the last instruction was, if it was a branch.
    branched: Option<u32>,
}

impl Gdb {
    /// Starts QEMU.
    ///
    /// # Errors
    /// When it does not start, or does not listen in time.
    pub fn start(workspace: &Workspace, board: &Board) -> Result<Gdb> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot find a free port for QEMU")?;
        let port = listener.local_addr().context("cannot tell the port for QEMU")?.port();
        drop(listener);
        let board = Board { gdb_port: Some(port), ..board.clone() };
        let words = board.machine.emulator().command(&board)?;
        let mut command = session::tied_to_us(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        workspace.show(&command);
        let shown = command_line(&command);
        let mut emulator = Killed(command.spawn().with_context(|| format!("cannot start {shown}"))?);
        let start = Instant::now();
        let stream = loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
                break stream;
            }
            ensure!(emulator.0.try_wait()?.is_none(), "QEMU has ended at once: {shown}");
            ensure!(start.elapsed() < LISTENS, "QEMU does not listen at port {port}: {shown}");
            std::thread::sleep(Duration::from_millis(20));
        };
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(STOPS)))
            .context("cannot set up a socket")?;
        let writer = stream.try_clone().context("cannot copy a socket")?;
        let reader = BufReader::new(stream);
        let (cp0, known) = (Cp0::new(Isa::Mips32r2), BTreeSet::new());
        let mut gdb =
            Gdb { _emulator: emulator, reader, writer, cp0, known, breakpoints: BTreeSet::new(), branched: None };
        gdb.ask("?")?;
        Ok(gdb)
    }

    /// Sends a packet, and gives the answer's contents.
    fn ask(&mut self, packet: &str) -> Result<String> {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        write!(self.writer, "${packet}#{sum:02x}").context("cannot write to QEMU")?;
        let mut answer = Vec::new();
        // Acknowledgements come before the answer.
        while self.byte()? != b'$' {}
        loop {
            match self.byte()? {
                b'#' => break,
                byte => answer.push(byte),
            }
        }
        let _checksum = [self.byte()?, self.byte()?];
        self.writer.write_all(b"+").context("cannot write to QEMU")?;
        String::from_utf8(answer).context("QEMU's answer is no text")
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.reader.read_exact(&mut byte).context("QEMU does not answer")?;
        Ok(byte[0])
    }

    /// Has the guest run, by `packet`, until it stops.
    fn resume(&mut self, packet: &str) -> Result<()> {
        let answer = self.ask(packet)?;
        ensure!(answer.starts_with('T') || answer.starts_with('S'), "the guest has ended: QEMU says `{answer}`");
        Ok(())
    }

    fn registers(&mut self) -> Result<Vec<u32>> {
        let answer = self.ask("g")?;
        let words = little_endian(&answer).filter(|words| words.len() > PC);
        words.with_context(|| format!("QEMU shows too few registers: `{answer}`"))
    }

    /// Follows an instruction: the registers before and after it.
    fn follow(&mut self, word: u32, before: &[u32], after: &[u32]) -> Result<()> {
        let (rt, rd) = ((word >> 16 & 31) as usize, (word >> 11 & 31) as u8);
        let is_followed = FOLLOWED.iter().any(|&(register, _)| register as u8 == rd);
        match word >> 21 {
            // mtc0
            0x204 => {
                if is_followed && self.cp0.write(rd, before[rt]).is_some() {
                    self.known.insert(rd);
                }
            }
            // mfc0
            0x200 if is_followed && rt != 0 => {
                let value = after[rt];
                let expected = self.cp0.read(rd);
                ensure!(
                    !self.known.contains(&rd) || expected == Some(value),
                    "register {rd} of coprocessor 0 holds {value:#x}, and not {expected:#x?} as it should: the tool has lost track"
                );
            }
            // tlbp sets Index, and tlbr all of an entry.
            _ if word == 0x4200_0008 => self.forget(&[Register::Index]),
            _ if word == 0x4200_0001 => self.forget(&[Register::EntryHi, Register::EntryLo0, Register::EntryLo1]),
            _ => {}
        }
        let is_vector = |pc: u32| pc >= aegis_counter::KERNEL_START && before[PC] < aegis_counter::KERNEL_START;
        if is_vector(after[PC]) {
            self.exception(before, after);
        }
        Ok(())
    }

    fn forget(&mut self, registers: &[Register]) {
        registers.iter().for_each(|&register| {
            self.known.remove(&(register as u8));
        });
    }

    /// The processor has taken an exception.
    fn exception(&mut self, before: &[u32], after: &[u32]) {
        let in_delay_slot = after[CAUSE] & BD != 0;
        self.cp0[Register::Epc] = if in_delay_slot { before[PC] - INSTRUCTION } else { before[PC] };
        self.known.insert(Register::Epc as u8);
        if (1..=3).contains(&((after[CAUSE] & CODE) >> 2)) {
            let bad = after[BAD_VADDR];
            let context = self.cp0[Register::Context];
            self.cp0[Register::Context] = context & !BAD_VPN2 | bad >> BAD_VPN2_SHIFT & BAD_VPN2;
            self.cp0[Register::EntryHi] = self.cp0[Register::EntryHi] & !VPN2 | bad & VPN2;
        }
    }
}

impl Debugger for Gdb {
    fn break_at(&mut self, address: u32) -> Result<()> {
        let answer = self.ask(&format!("Z1,{address:x},{INSTRUCTION:x}"))?;
        ensure!(answer == "OK", "QEMU does not stop at {address:#010x}: `{answer}`");
        self.breakpoints.insert(address);
        Ok(())
    }

    fn go_on(&mut self) -> Result<()> {
        // It would stop where it stands.
        let pc = self.registers()?[PC];
        if self.breakpoints.contains(&pc) {
            self.resume("s")?;
        }
        self.branched = None;
        self.resume("c")
    }

    fn state(&mut self) -> Result<State> {
        let words = self.registers()?;
        let mut registers = [0; COUNT];
        registers[..32].copy_from_slice(&words[..32]);
        registers[32] = words[HI];
        registers[33] = words[LO];
        let mut cp0 =
            BTreeMap::from([("Status", words[STATUS]), ("Cause", words[CAUSE]), ("BadVAddr", words[BAD_VADDR])]);
        let known = FOLLOWED.iter().filter(|(register, _)| self.known.contains(&(*register as u8)));
        cp0.extend(known.map(|&(register, name)| (name, self.cp0[register])));
        Ok(State { pc: words[PC], registers, cp0 })
    }

    fn words(&mut self, address: u32, count: usize) -> Result<Vec<u32>> {
        let mut words = Vec::new();
        while words.len() < count {
            let (at, left) = (address + words.len() as u32 * INSTRUCTION, (count - words.len()).min(PACKET));
            let answer = self.ask(&format!("m{at:x},{:x}", left as u32 * INSTRUCTION))?;
            let some = little_endian(&answer).filter(|some| some.len() == left);
            words.extend(some.with_context(|| format!("QEMU does not show the memory at {at:#010x}: `{answer}`"))?);
        }
        Ok(words)
    }

    fn step(&mut self) -> Result<Vec<Executed>> {
        let before = self.registers()?;
        let address = before[PC];
        let in_delay_slot = self.branched == Some(address.wrapping_sub(INSTRUCTION));
        // What cannot be fetched is not executed: the processor takes an exception instead.
        let word = self.words(address, 1).ok().map(|words| words[0]);
        self.resume("s")?;
        let after = self.registers()?;
        let is_at_vector = after[PC] >= aegis_counter::KERNEL_START && address < aegis_counter::KERNEL_START;
        self.branched = word.filter(|&word| has_delay_slot(word) && !is_at_vector).map(|_| address);
        let Some(word) = word else {
            ensure!(is_at_vector, "QEMU shows no instruction at {address:#010x}, but has executed one");
            self.exception(&before, &after);
            return Ok(Vec::new());
        };
        self.follow(word, &before, &after)?;
        Ok(vec![Executed { address, word, in_delay_slot }])
    }

    fn assume(&mut self, epc: u32, context: u32, entry_hi: u32) {
        for (register, value) in [(Register::Epc, epc), (Register::Context, context), (Register::EntryHi, entry_hi)] {
            self.cp0[register] = value;
            self.known.insert(register as u8);
        }
    }
}

/// The words whose bytes these are, the lowest first, two digits each.
fn little_endian(digits: &str) -> Option<Vec<u32>> {
    let word = |digits: &[u8]| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().map(u32::swap_bytes);
    let chunks = digits.as_bytes().chunks_exact(8);
    chunks.remainder().is_empty().then(|| chunks.map(word).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_lowest_byte_first() {
        assert_eq!(little_endian("7856341201000000"), Some(vec![0x1234_5678, 1]));
        assert_eq!(little_endian("E01"), None);
    }
}
