//! Counts the instructions in GXemul's trace (`gxemul -i`), and takes the guest's console out of it.
//!
//! GXemul prints a line for each instruction that it is about to execute, and says other things between these lines:
//!
//! ```text
//! [ exception BP vaddr=0x00000000 pc=0x01000590 ]
//! <vector>
//! 80000080: 3c1b8040        lui   k1,0x8040
//! 80000084: 03600008        jr    k1
//! 80000088: 00000000 (d)    nop
//! ```
//!
//! **Starts of instructions.** An instruction that faults on its data has a line each time that it starts; one that cannot be
//! fetched has none. A branch and its delay slot, marked `(d)`, are printed together before both execute, so a fault in
//! the slot comes after both lines, and the branch starts again with it. All this is what the plugin inside QEMU counts. But
//! where GXemul fails to read an instruction in order to print it, it takes the exception then and there, and executes
//! the first instruction at the vector without a line of its own:
//!
//! - Reading an instruction out of user mode's reach, it says `could not read the instruction` in place of that line.
//! - Reading a delay slot, in a page that misses in the TLB, it prints the branch again as if it were in a delay slot at the
//!   second instruction of the vector, and executes neither branch nor slot. The branch starts again later.
//!
//! Both times the instruction without a line is counted where its line would have stood.
//!
//! **The console.** The guest writes a byte with a store, so at most one byte comes between two instructions' lines; it stands
//! right before what GXemul prints next. Of GXemul's own words `<symbol>`, `[ ... ]` and the above are known, and dropped. They
//! cannot be mistaken for a byte of the guest's with GXemul's words behind it: `[[ ... ]` is a `[` of the guest's. Whatever
//! else GXemul says, such as why it gives up, passes as if the guest had written it. Not understood is a line of which
//! the guest, or GXemul, has written more than one byte before an instruction: the PROM could, but Aegis has it print nothing.

use aegis_counter::{Counter, Entered, KERNEL_START, Tally, marker};
use std::io::BufRead;

/// `rfe`: the instruction after the one in whose delay slot it stands is the first in user mode.
const RFE: u32 = 0x4200_0010;
/// GXemul's words in place of an instruction's line.
const UNREAD: &[u8] = b"XXX_run_instr(): could not read the instruction\n";

/// Is told what a trace shows besides the counts.
pub trait Observer {
    /// GXemul has said something of its own, in this line.
    fn said(&mut self, _line: &[u8]) {}
    /// A stay in the kernel begins.
    fn enter(&mut self, _vector: u32, _now: Tally) {}
    /// User mode goes on at `pc`, after a stay in the kernel; none if what it goes on with cannot be fetched.
    fn leave(&mut self, _pc: Option<u32>, _now: Tally) {}
    /// An instruction is about to be executed, be it at the start of a stay or of user mode. Its line, if it has one.
    fn instruction(&mut self, _address: u32, _line: Option<Line<'_>>, _now: Tally) {}
}

impl Observer for () {}

/// What an instruction's line says besides the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line<'a> {
    /// The instruction's word.
    pub word: u32,
    /// It stands in a delay slot.
    pub in_delay_slot: bool,
    /// The instruction, its operands, and what GXemul says of these.
    pub text: &'a [u8],
}

/// Reads a trace as it comes.
pub struct Trace<O = ()> {
    observer: O,
    /// Where a stay in the kernel may begin.
    vectors: Vec<u32>,
    counter: Counter,
    now: Tally,
    /// Address of the last instruction; none before the first.
    last: Option<u32>,
    /// The last instruction was executed without a line of its own, and where is told by the next.
    unread: bool,
    /// The line that has begun.
    line: Vec<u8>,
    /// What GXemul says before the first instruction.
    banner: Vec<u8>,
}

impl Trace {
    /// A trace that begins. Exceptions enter the kernel at any of `vectors`.
    pub fn new(vectors: Vec<u32>) -> Trace {
        Trace::observed(vectors, ())
    }
}

impl<O: Observer> Trace<O> {
    /// As [`Trace::new`], with somebody who is told.
    pub fn observed(vectors: Vec<u32>, observer: O) -> Trace<O> {
        Trace {
            observer,
            vectors,
            counter: Counter::new(),
            now: Tally::default(),
            last: None,
            unread: false,
            line: Vec::new(),
            banner: Vec::new(),
        }
    }

    /// Who is told.
    pub fn observer(&mut self) -> &mut O {
        &mut self.observer
    }

    /// Reads on, and adds to `guest` what the guest has written. The output may be cut anywhere.
    pub fn read(&mut self, mut output: &[u8], guest: &mut Vec<u8>) {
        while let Ok(1..) = output.read_until(b'\n', &mut self.line)
            && self.line.ends_with(b"\n")
        {
            let mut line = std::mem::take(&mut self.line);
            self.read_line(&line, guest);
            line.clear();
            self.line = line;
        }
    }

    /// The emulator has ended: the text of the file with the counts. A line without an end is no more than a piece of one, left
    /// by an emulator that was killed. An emulator that has executed nothing has said why, and that is added to `guest`.
    pub fn finish(&mut self, guest: &mut Vec<u8>) -> String {
        if self.last.is_none() {
            guest.append(&mut self.banner);
            guest.append(&mut self.line);
        }
        self.counter.finish(self.now)
    }

    fn read_line(&mut self, line: &[u8], guest: &mut Vec<u8>) {
        if let Some(instruction) = Instruction::parse(line) {
            self.start(instruction);
        } else if self.last.is_none() {
            self.banner.extend_from_slice(line);
        } else if let Some(instruction) = Instruction::parse(&line[1..]) {
            guest.push(line[0]);
            self.start(instruction);
        } else if is_emulators(line) {
            self.said(line);
        } else if is_emulators(&line[1..]) {
            guest.push(line[0]);
            self.said(&line[1..]);
        } else {
            guest.extend_from_slice(line);
        }
    }

    fn said(&mut self, line: &[u8]) {
        self.unread |= line == UNREAD;
        self.observer.said(line);
    }

    /// An instruction is about to be executed, as its line says.
    fn start(&mut self, instruction: Instruction<'_>) {
        let Instruction { address, line } = instruction;
        let in_delay_slot = line.in_delay_slot;
        let before = address.wrapping_sub(4);
        if in_delay_slot && self.last != Some(before) {
            self.execute(before, None);
        } else {
            if std::mem::take(&mut self.unread) {
                self.execute(before, None);
            }
            self.execute(address, Some(line));
        }
    }

    /// An instruction is about to be executed; its line, if it has one.
    fn execute(&mut self, address: u32, line: Option<Line<'_>>) {
        let in_user_mode = address < KERNEL_START;
        if in_user_mode && self.last.is_some_and(|last| last >= KERNEL_START) {
            if self.counter.leave(self.now) {
                self.observer.leave(Some(address), self.now);
            }
        } else if self.vectors.contains(&address)
            && let Entered::Stay { after_another } = self.counter.enter(address, self.now)
        {
            if after_another {
                self.observer.leave(None, self.now);
            }
            self.observer.enter(address, self.now);
        }
        self.observer.instruction(address, line, self.now);
        let word = line.map(|line| line.word);
        self.last = Some(address);
        if word == Some(RFE) {
            self.counter.about_to_return(self.now);
        }
        if let Some(number) = word.and_then(marker) {
            self.counter.mark(number, self.now);
        } else if in_user_mode {
            self.now.user += 1;
        } else {
            self.now.kernel += 1;
        }
    }
}

/// Whether a line, complete with its end, is GXemul's own and of a known kind.
fn is_emulators(line: &[u8]) -> bool {
    match line {
        [b'<', name, .., b'>', b'\n'] => *name != b'<',
        [b'[', b' ', .., b'\n'] => true,
        _ => line == UNREAD,
    }
}

/// An instruction's line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction<'a> {
    /// Where it stands.
    pub address: u32,
    /// The rest of it.
    pub line: Line<'a>,
}

impl Instruction<'_> {
    /// Takes `80000088: 42000010 (d)    rfe` apart.
    pub fn parse(line: &[u8]) -> Option<Instruction<'_>> {
        let (head, text) = line.split_first_chunk::<22>()?;
        let in_delay_slot = match &head[18..] {
            b"    " => false,
            b" (d)" => true,
            _ => return None,
        };
        let colon = &head[8..10] == b": ";
        let line = Line { word: hex(&head[10..18])?, in_delay_slot, text };
        colon.then_some(Instruction { address: hex(&head[..8])?, line })
    }
}

/// The number that these digits are.
pub fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::{Counts, Tally};

    const REFILL: u32 = 0x8000_0000;
    const GENERAL: u32 = 0x8000_0080;

    /// Reads a trace in two pieces; gives the counts and what the guest has written.
    fn read(trace: &[u8], cut: usize) -> (Counts, String) {
        let mut reader = Trace::new(vec![REFILL, GENERAL]);
        let mut guest = Vec::new();
        reader.read(&trace[..cut], &mut guest);
        reader.read(&trace[cut..], &mut guest);
        let counts = reader.finish(&mut guest);
        (serde_json::from_str(&counts).unwrap(), String::from_utf8(guest).unwrap())
    }

    /// Reads what GXemul prints when it runs these lines after its banner, wherever that is cut.
    fn run(lines: &str) -> (Counts, String) {
        let trace = format!("GXemul 0.7.0\nmachine:\n    memory: 64 MB\n\n{lines}\n");
        let read = |cut| read(trace.as_bytes(), cut);
        let result = read(0);
        (1..trace.len()).for_each(|cut| assert_eq!(read(cut), result, "cut at {cut}"));
        result
    }

    fn tally(user: u64, kernel: u64, stays: &[(u32, u64)]) -> Tally {
        let mut tally = Tally { user, kernel, ..Tally::default() };
        for &(vector, length) in stays {
            *tally.stays.entry(vector).or_default().entry(length).or_default() += 1;
        }
        tally
    }

    #[test]
    fn instructions_are_counted_and_the_console_passes() {
        let (counts, guest) = run("\
<_start>
80100000: 3c1abfe0        lui\tk0,0xbfe0
80100004: 3c1b0040        lui\tk1,0x0040
80100008: a7440018        sh\ta0,24(k0)\t[0xbfe00018]
A8010000c: 03600008        jr\tk1
80100010: 42000010 (d)    rfe
[ exception TLBL <tlb> vaddr=0x00400000 pc=0x00400000 ]
80000000: 03600008        jr\tk1
80000004: 42000010 (d)    rfe
00400000: 3c000002        lui\tzr,0x0002
00400004: 0000000c        syscall
[ exception SYS v0=1 a0=\"80000000: 00000000    \" pc=0x00400004 ]
<vector>
80000080: 275a0004        addiu\tk0,k0,4
80000084: 03400008        jr\tk0
80000088: 42000010 (d)    rfe
00400008: 3c000003        lui\tzr,0x0003
0040000c: 00000000        nop");
        assert_eq!(guest, "A");
        assert_eq!(counts.span(1).unwrap(), &tally(1, 3, &[(GENERAL, 3)]));
        assert_eq!(counts.total, tally(2, 10, &[(REFILL, 2), (GENERAL, 3)]));
        counts.check_markers().unwrap();
        assert_eq!(counts.unfinished, None);
    }

    #[test]
    fn a_fault_in_a_delay_slot_starts_both_instructions_again() {
        let (counts, _) = run("\
00400000: 03200008        jr\tt9
00400004: 8d090000 (d)    lw\tt1,0(t0)\t[0x00600000]
[ exception TLBL <tlb> vaddr=0x00600000 pc=0x00400004 ]
80000000: 03600008        jr\tk1
80000004: 42000010 (d)    rfe
00400000: 03200008        jr\tt9
00400004: 8d090000 (d)    lw\tt1,0(t0)\t[0x00600000]
00400100: 00000000        nop");
        assert_eq!(counts.total, tally(5, 2, &[(REFILL, 2)]));
    }

    #[test]
    fn a_return_to_what_cannot_be_fetched_ends_a_stay() {
        let (counts, _) = run("\
00400ffc: 0000000c        syscall
80000080: 03400008        jr\tk0
80000084: 42000010 (d)    rfe
80000000: 275a0004        addiu\tk0,k0,4
80000004: 03600008        jr\tk1
80000008: 42000010 (d)    rfe
00401000: 00000000        nop");
        assert_eq!(counts.total, tally(2, 5, &[(GENERAL, 2), (REFILL, 3)]));
    }

    #[test]
    fn an_instruction_without_a_line_is_counted_where_it_belongs() {
        let (counts, guest) = run("\
00400ffc: 03200008        jr\tt9
[ exception TLBL <tlb> vaddr=0x00401000 pc=0x00400ffc ]
80000004: 03200008 (d)    jr\tt9
80000004: 03600008        jr\tk1
80000008: 42000010 (d)    rfe
00400ffc: 03200008        jr\tt9
00401000: 00000000 (d)    nop
[ exception ADEL vaddr=0x80000000 pc=0x80000000 <vector> ]
XXX_run_instr(): could not read the instruction
80000084: 03600008        jr\tk1
80000088: 42000010 (d)    rfe
00400000: 00000000        nop");
        assert_eq!(counts.total, tally(4, 6, &[(REFILL, 3), (GENERAL, 3)]));
        assert_eq!(guest, "");
    }

    #[test]
    fn the_guests_bytes_are_told_from_the_emulators_words() {
        for (between, guest) in [
            ("", ""),
            ("x", "x"),
            ("8", "8"),
            ("<", "<"),
            ("[", "["),
            ("\n", "\n"),
            ("\n[ warning ]\n", "\n"),
            ("<symbol>\n", ""),
            ("<<symbol>\n", "<"),
            ("[<symbol>\n", "["),
            ("[ exception <tlb> ]\n", ""),
            ("[[ exception ]\n<symbol>\n", "["),
            ("<[ exception ]\n", "<"),
            ("cpu: UNIMPLEMENTED\n", "cpu: UNIMPLEMENTED\n"),
        ] {
            let nop = "00400000: 00000000        nop";
            let (counts, passed) = run(&format!("{nop}\n{between}{nop}"));
            assert_eq!((counts.total.user, passed.as_str()), (2, guest), "{between:?}");
        }
    }

    #[test]
    fn an_emulator_that_executes_nothing_is_heard() {
        let words = "GXemul 0.7.0\nk: not an ELF file\nthe end";
        assert_eq!(read(words.as_bytes(), 0).1, words);
    }

    #[test]
    fn a_line_that_has_been_cut_off_is_nothing() {
        let (counts, guest) = read(b"80100000: 00000000        nop\n80100004: 00000000        n", 0);
        assert_eq!((counts.total.kernel, guest.as_str()), (1, ""));
    }
}
