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
//! - Reading an instruction outside user mode's reach, it says [`UNREAD`] in place of that line.
//! - Reading a delay slot, in a page that misses in the TLB, it prints the slot as if it were the second instruction at the
//!   vector, and executes neither slot nor branch. The latter starts again later.
//!
//! Both times the instruction without a line is counted where it would have stood.
//!
//! **The console.** The guest writes a byte with a store, so at most one byte comes between two lines of instructions; it stands
//! right before what GXemul prints next. Of GXemul's own words only `<symbol>`, `[ ... ]` and [`UNREAD`] are known here, and
//! dropped. A byte of the guest's in front of them is told from them, since none is doubled: `[[ ... ]` is a `[` of the
//! guest's. Whatever else GXemul says, such as why it gives up, passes as if the guest had written it. What the PROM
//! prints by itself would be lost where a line of instructions follows it directly; Aegis has it print nothing.

use aegis_counter::{Counter, KERNEL_START, Tally, marker};
use std::io::BufRead;

/// `rfe`: the instruction after the one in whose delay slot it stands is the first in user mode.
const RFE: u32 = 0x4200_0010;
/// GXemul's words in place of an instruction's line.
const UNREAD: &[u8] = b"XXX_run_instr(): could not read the instruction\n";

/// Reads a trace as it comes.
pub struct Trace {
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
        Trace {
            vectors,
            counter: Counter::new(),
            now: Tally::default(),
            last: None,
            unread: false,
            line: Vec::new(),
            banner: Vec::new(),
        }
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
            self.unread |= line == UNREAD;
        } else if is_emulators(&line[1..]) {
            guest.push(line[0]);
            self.unread |= &line[1..] == UNREAD;
        } else {
            guest.extend_from_slice(line);
        }
    }

    /// An instruction is about to be executed, as its line says.
    fn start(&mut self, instruction: Instruction) {
        let Instruction { address, word, in_delay_slot } = instruction;
        let before = address.wrapping_sub(4);
        if in_delay_slot && self.last != Some(before) {
            self.execute(before, None);
        } else {
            if std::mem::take(&mut self.unread) {
                self.execute(before, None);
            }
            self.execute(address, Some(word));
        }
    }

    /// An instruction is about to be executed; its word, if it is known.
    fn execute(&mut self, address: u32, word: Option<u32>) {
        let in_user_mode = address < KERNEL_START;
        if in_user_mode && self.last.is_some_and(|last| last >= KERNEL_START) {
            self.counter.leave(self.now);
        } else if self.vectors.contains(&address) {
            self.counter.enter(address, self.now);
        }
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

/// What an instruction's line says.
struct Instruction {
    address: u32,
    word: u32,
    in_delay_slot: bool,
}

impl Instruction {
    /// Takes `80000088: 42000010 (d)    rfe` apart.
    fn parse(line: &[u8]) -> Option<Instruction> {
        let (head, _) = line.split_first_chunk::<22>()?;
        let in_delay_slot = match &head[18..] {
            b"    " => false,
            b" (d)" => true,
            _ => return None,
        };
        let colon = &head[8..10] == b": ";
        colon.then_some(Instruction { address: hex(&head[..8])?, word: hex(&head[10..18])?, in_delay_slot })
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}
