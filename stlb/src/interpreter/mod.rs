//! An interpreter of MIPS instructions, just large enough to run a refill sequence as it was assembled, on the host.
//!
//! It is strict: whatever it does not know stops it with a [`Fault`], and so does what an emulator lets pass and hardware
//! does not: a TLB write before the barrier that it needs, a register read in its load delay slot, a branch in a delay
//! slot. Caches, interrupts and the translation of addresses are left out; memory is what [`Memory`] says.

mod cp0;
mod fault;
mod instruction;
#[cfg(test)]
mod tests;

pub use cp0::{Cp0, Register};
pub use fault::{Fault, Reason};
pub use instruction::Instruction;

use std::vec::Vec;

/// The instruction set, and what goes with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isa {
    /// The R3000's: a loaded register is there one instruction later; exceptions are left by `jr` with `rfe`.
    Mips1,
    /// The 24Kf's: loads interlock; exceptions are left by `eret`; a TLB write needs `ehb` after the last `mtc0`.
    Mips32r2,
}

/// What the program sees at its addresses.
pub trait Memory {
    /// The word at an aligned address, if it may be read.
    fn load(&self, address: u32) -> Option<u32>;

    /// Writes the word at an aligned address. Returns whether that may be done.
    fn store(&mut self, address: u32, value: u32) -> bool;

    /// The instruction at an aligned address, if one may be executed there.
    fn fetch(&self, address: u32) -> Option<u32> {
        self.load(address)
    }
}

/// Which entry of the TLB was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// That which Random names (`tlbwr`).
    Random,
    /// That which Index, as it was, names (`tlbwi`).
    Index(u32),
}

/// A write to the hardware TLB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TlbWrite {
    /// To which entry.
    pub which: Which,
    /// EntryHi at that moment.
    pub entry_hi: u32,
    /// EntryLo0 and EntryLo1 at that moment; on the R3000, EntryLo, and what is no register there.
    pub entry_lo: [u32; 2],
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// It came to an address where it was to stop.
    At(u32),
    /// It returned from the exception, to this address.
    Returned(u32),
}

/// A processor in an exception.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cpu {
    /// Which one.
    pub isa: Isa,
    /// The general registers.
    pub gpr: [u32; 32],
    /// Coprocessor 0.
    pub cp0: Cp0,
    /// What was written to the TLB, in this order.
    pub tlb_writes: Vec<TlbWrite>,
    /// Instructions executed.
    pub executed: u64,
    /// The instruction that is next, and that after it.
    pc: [u32; 2],
    /// The next instruction stands in the delay slot of a jump to a register, of another branch, or in none.
    slot: Option<Slot>,
    /// The register that the last instruction is still loading (MIPS I).
    loading: Option<u8>,
    /// Since the last barrier, coprocessor 0 was written (MIPS32).
    unsettled: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Slot {
    OfJumpToRegister,
    OfBranch,
}

impl Cpu {
    /// A processor that is to execute what stands at `pc`; all registers are 0.
    pub fn new(isa: Isa, pc: u32) -> Cpu {
        Cpu {
            isa,
            gpr: [0; 32],
            cp0: Cp0::new(isa),
            tlb_writes: Vec::new(),
            executed: 0,
            pc: [pc, pc.wrapping_add(4)],
            slot: None,
            loading: None,
            unsettled: false,
        }
    }

    /// The address of the next instruction.
    pub fn pc(&self) -> u32 {
        self.pc[0]
    }

    /// Runs until it comes to one of the addresses `stops`, or returns from the exception.
    pub fn run(&mut self, memory: &mut impl Memory, stops: &[u32], limit: u64) -> Result<Stop, Fault> {
        let end = self.executed + limit;
        while !stops.contains(&self.pc()) {
            if self.executed == end {
                return Err(Fault { at: self.pc(), reason: Reason::Limit(limit) });
            }
            if self.step(memory)? {
                return Ok(Stop::Returned(self.pc()));
            }
        }
        Ok(Stop::At(self.pc()))
    }

    /// Executes one instruction. Returns whether that ended the exception.
    pub fn step(&mut self, memory: &mut impl Memory) -> Result<bool, Fault> {
        let at = self.pc();
        self.try_step(at, memory).map_err(|reason| Fault { at, reason })
    }

    fn try_step(&mut self, at: u32, memory: &mut impl Memory) -> Result<bool, Reason> {
        let word = memory.fetch(aligned(at)?).ok_or(Reason::Fetch)?;
        let instruction = Instruction::decode(word, self.isa).ok_or(Reason::Reserved(word))?;
        let slot = self.slot.take();
        if slot.is_some() && instruction.is_branch() {
            return Err(Reason::BranchInDelaySlot);
        }
        if let Some(register) = self.loading.take()
            && instruction.reads().contains(&register)
        {
            return Err(Reason::LoadDelay(register));
        }
        self.pc = [self.pc[1], self.pc[1].wrapping_add(4)];
        self.executed += 1;
        let returned = self.execute(instruction, slot, memory)?;
        self.gpr[0] = 0;
        Ok(returned)
    }

    fn execute(&mut self, it: Instruction, slot: Option<Slot>, memory: &mut impl Memory) -> Result<bool, Reason> {
        use Instruction::*;
        let get = |register: u8| self.gpr[usize::from(register)];
        match it {
            Lui { rt, imm } => self.set(rt, u32::from(imm) << 16),
            Ori { rt, rs, imm } => self.set(rt, get(rs) | u32::from(imm)),
            Andi { rt, rs, imm } => self.set(rt, get(rs) & u32::from(imm)),
            Addiu { rt, rs, imm } => self.set(rt, get(rs).wrapping_add_signed(imm.into())),
            Add { rd, rs, rt } => {
                let sum = get(rs).cast_signed().checked_add(get(rt).cast_signed()).ok_or(Reason::Overflow)?;
                self.set(rd, sum.cast_unsigned());
            }
            Addu { rd, rs, rt } => self.set(rd, get(rs).wrapping_add(get(rt))),
            Xor { rd, rs, rt } => self.set(rd, get(rs) ^ get(rt)),
            Sll { rd, rt, shift } => self.set(rd, get(rt) << shift),
            Srl { rd, rt, shift } => self.set(rd, get(rt) >> shift),
            Ins { rt, rs, position, bits } => {
                let mask = (((1u64 << bits) - 1) << position) as u32;
                self.set(rt, get(rt) & !mask | get(rs) << position & mask);
            }
            Lw { rt, base, offset } => {
                let address = aligned(get(base).wrapping_add_signed(offset.into()))?;
                self.set(rt, memory.load(address).ok_or(Reason::Load(address))?);
                self.load_delay(rt);
            }
            Sw { rt, base, offset } => {
                let address = aligned(get(base).wrapping_add_signed(offset.into()))?;
                if !memory.store(address, get(rt)) {
                    return Err(Reason::Store(address));
                }
            }
            Mfc0 { rt, rd } => {
                self.set(rt, self.cp0.read(rd).ok_or(Reason::Cp0(rd))?);
                self.load_delay(rt);
            }
            Mtc0 { rt, rd } => {
                self.cp0.write(rd, get(rt)).ok_or(Reason::Cp0(rd))?;
                self.unsettled = self.isa == Isa::Mips32r2;
            }
            Beq { rs, rt, offset } => self.branch(get(rs) == get(rt), offset),
            Bne { rs, rt, offset } => self.branch(get(rs) != get(rt), offset),
            Bltz { rs, offset } => self.branch(get(rs) >> 31 == 1, offset),
            J { index } => self.jump(self.pc[0] & 0xf000_0000 | index << 2, Slot::OfBranch),
            Jr { rs } => self.jump(get(rs), Slot::OfJumpToRegister),
            Ehb => self.unsettled = false,
            Tlbwr => self.write_tlb(Which::Random)?,
            Tlbwi => self.write_tlb(Which::Index(self.cp0[Register::Index]))?,
            Eret => {
                let to = self.cp0.leave_exception().ok_or(Reason::NoException)?;
                self.pc = [to, to.wrapping_add(4)];
                self.unsettled = false;
                return Ok(true);
            }
            Rfe => {
                self.cp0.pop_status();
                return Ok(slot == Some(Slot::OfJumpToRegister));
            }
        }
        Ok(false)
    }

    fn set(&mut self, register: u8, value: u32) {
        self.gpr[usize::from(register)] = value;
    }

    fn load_delay(&mut self, register: u8) {
        if self.isa == Isa::Mips1 && register != 0 {
            self.loading = Some(register);
        }
    }

    /// Offsets count from the delay slot, which is next by now.
    fn branch(&mut self, taken: bool, offset: i16) {
        let target = self.pc[0].wrapping_add_signed(i32::from(offset) << 2);
        self.jump(if taken { target } else { self.pc[1] }, Slot::OfBranch);
    }

    fn jump(&mut self, target: u32, slot: Slot) {
        self.pc[1] = target;
        self.slot = Some(slot);
    }

    fn write_tlb(&mut self, which: Which) -> Result<(), Reason> {
        if self.unsettled {
            return Err(Reason::Hazard);
        }
        let entry_lo = [self.cp0[Register::EntryLo0], self.cp0[Register::EntryLo1]];
        self.tlb_writes.push(TlbWrite { which, entry_hi: self.cp0[Register::EntryHi], entry_lo });
        Ok(())
    }
}

fn aligned(address: u32) -> Result<u32, Reason> {
    if address.is_multiple_of(4) { Ok(address) } else { Err(Reason::Unaligned(address)) }
}
