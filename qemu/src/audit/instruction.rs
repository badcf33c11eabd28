//! What an instruction of the R3000 does, as far as its neighbours must know.

use rabbitizer::opcodes::Opcode;
use rabbitizer::{Instruction, InstructionDisplayFlags, InstructionFlags, IsaVersion, Vram};

/// Major opcode of a load to the floating-point unit.
const LWC1: u32 = 0x31;

/// A decoded instruction.
#[derive(Clone, Copy)]
pub struct Decoded {
    address: u32,
    inner: Instruction,
}

/// Where control may go after the delay slot of a branch or jump.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// To these addresses.
    To(Vec<u32>),
    /// To an address in a register.
    Unknown,
}

impl Decoded {
    /// Decodes `word`, which stands at `address`.
    pub fn new(address: u32, word: u32) -> Decoded {
        let flags = InstructionFlags::new(IsaVersion::MIPS_I);
        Decoded { address, inner: Instruction::new(word, Vram::new(address), flags) }
    }

    fn word(self) -> u32 {
        self.inner.word()
    }

    fn rs(self) -> u32 {
        1 << (self.word() >> 21 & 31)
    }

    fn rt(self) -> u32 {
        1 << (self.word() >> 16 & 31)
    }

    fn rd(self) -> u32 {
        1 << (self.word() >> 11 & 31)
    }

    /// Is it an instruction that the machine has? It has no coprocessor but 0 and 1; `rfe` alone is not known under this name.
    pub fn is_known(self) -> bool {
        const RFE: u32 = 0x4200_0010;
        /// Major opcodes of coprocessors 2 and 3, and of their loads and stores.
        const COPROCESSORS: [u32; 6] = [0x12, 0x13, 0x32, 0x33, 0x3a, 0x3b];
        let is_coprocessors = COPROCESSORS.contains(&(self.word() >> 26));
        self.word() == RFE || self.inner.is_valid() && !is_coprocessors
    }

    /// Does it do nothing?
    pub fn is_nop(self) -> bool {
        self.word() == 0
    }

    /// Is it one of coprocessor 0, and so for the kernel?
    pub fn is_kernels(self) -> bool {
        self.word() >> 26 == 0x10
    }

    /// Registers whose values it uses.
    pub fn reads(self) -> u32 {
        let opcode = self.inner.opcode();
        let mut registers = 0;
        for (reads, register) in
            [(opcode.reads_rs(), self.rs()), (opcode.reads_rt(), self.rt()), (opcode.reads_rd(), self.rd())]
        {
            if reads {
                registers |= register;
            }
        }
        if self.is_partial_load() {
            // It uses the register that it changes a part of, too; that the other part is on its way is no matter.
            registers &= !self.rt();
            registers |= self.rs();
        }
        registers & !1
    }

    /// The general register that it loads, which is not there for the next instruction: from memory, or from a coprocessor.
    pub fn loads(self) -> u32 {
        let from_coprocessor = matches!(self.inner.opcode(), Opcode::core_mfc0 | Opcode::core_mfc1 | Opcode::core_cfc1);
        let to_coprocessor = self.word() >> 26 == LWC1;
        let loads = self.inner.opcode().does_load() && !to_coprocessor || from_coprocessor;
        if loads { self.rt() & !1 } else { 0 }
    }

    /// Does it load a part of a register, and keep the rest: `lwl`, `lwr`?
    pub fn is_partial_load(self) -> bool {
        matches!(self.inner.opcode(), Opcode::core_lwl | Opcode::core_lwr)
    }

    /// Does it change a part of these registers, and so use the rest?
    pub fn merges(self, registers: u32) -> bool {
        self.is_partial_load() && self.rt() & registers != 0
    }

    /// Does it read HI or LO?
    pub fn reads_hi_lo(self) -> bool {
        self.inner.opcode().reads_hi() || self.inner.opcode().reads_lo()
    }

    /// Does it write HI or LO?
    pub fn writes_hi_lo(self) -> bool {
        self.inner.opcode().modifies_hi() || self.inner.opcode().modifies_lo()
    }

    /// Does it have a delay slot?
    pub fn is_branch(self) -> bool {
        self.inner.opcode().has_delay_slot()
    }

    /// Where a branch or jump leads; `None` if it is neither.
    pub fn branches_to(self) -> Option<Next> {
        if !self.is_branch() {
            return None;
        }
        let opcode = self.inner.opcode();
        if opcode.jumps_to_register() {
            return Some(Next::Unknown);
        }
        if let Some(target) = self.jump_target() {
            return Some(Next::To(vec![target]));
        }
        let offset = ((self.word() as u16 as i16 as i32) << 2) as u32;
        let target = self.address.wrapping_add(4).wrapping_add(offset);
        let behind = self.address.wrapping_add(8);
        // `beq` of a register with itself, `bgez` and `bgezal` of `$zero`, `blez` of it: always. (Disassemblers have names
        // for some.)
        let always = match (self.word() >> 26, self.word() >> 16 & 31) {
            (4, _) => self.rs() == self.rt(),
            (1, 0x01 | 0x11) | (6, _) => self.rs() == 1,
            _ => false,
        };
        Some(Next::To(if always || target == behind { vec![target] } else { vec![target, behind] }))
    }

    /// Where a `j` or `jal` leads.
    pub fn jump_target(self) -> Option<u32> {
        let jumps = matches!(self.word() >> 26, 2 | 3);
        jumps.then(|| self.address.wrapping_add(4) & 0xf000_0000 | (self.word() & 0x03ff_ffff) << 2)
    }

    /// As a line of a disassembly.
    pub fn line(self) -> String {
        let text = match self.word() {
            0x4200_0010 => "rfe".to_owned(),
            _ => self.inner.display::<&str>(&InstructionDisplayFlags::default(), None, 0).to_string(),
        };
        format!("{:08x}: {:08x}  {text}", self.address, self.word())
    }
}
