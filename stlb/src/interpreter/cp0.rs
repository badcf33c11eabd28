//! Coprocessor 0.

use super::Isa;
use core::ops::{Index, IndexMut};

/// The registers that are there, under their numbers. The R3000's EntryLo is `EntryLo0`; its `EntryLo1` is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the architecture's")]
#[repr(u8)]
pub enum Register {
    Index = 0,
    Random = 1,
    EntryLo0 = 2,
    EntryLo1 = 3,
    Context = 4,
    BadVAddr = 8,
    EntryHi = 10,
    Status = 12,
    Cause = 13,
    Epc = 14,
}

/// The registers' values. Indexing is the test's way to them: it may change what a program may not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cp0 {
    isa: Isa,
    values: [u32; 32],
}

impl Cp0 {
    /// Status of MIPS32: exception level, error level.
    const EXL: u32 = 1 << 1;
    const ERL: u32 = 1 << 2;

    /// All registers 0.
    pub fn new(isa: Isa) -> Cp0 {
        Cp0 { isa, values: [0; 32] }
    }

    /// The bits that `mtc0` can write, or `None` where there is no such register.
    fn writable(&self, number: u8) -> Option<u32> {
        use Register::*;
        let mips1 = self.isa == Isa::Mips1;
        let is = |register: Register| number == register as u8;
        let mask = match mips1 {
            _ if is(Random) || is(BadVAddr) => 0,
            _ if is(Status) => u32::MAX,
            true if is(Epc) => 0,
            true if is(Cause) => 0x0000_0300,
            true if is(Index) => 0x3f00,
            true if is(EntryLo0) => 0xffff_ff00,
            true if is(Context) => 0xffe0_0000,
            true if is(EntryHi) => 0xffff_ffc0,
            false if is(Epc) => u32::MAX,
            false if is(Cause) => 0x08c0_0300,
            false if is(Index) => 0xf,
            false if is(EntryLo0) || is(EntryLo1) => 0x03ff_ffff,
            false if is(Context) => 0xff80_0000,
            false if is(EntryHi) => 0xffff_e0ff,
            _ => return None,
        };
        Some(mask)
    }

    /// `mfc0`; `None` where there is no such register.
    pub fn read(&self, number: u8) -> Option<u32> {
        self.writable(number).map(|_| self.values[usize::from(number)])
    }

    /// `mtc0`; `None` where there is no such register, or only one to be read.
    pub fn write(&mut self, number: u8, value: u32) -> Option<()> {
        let mask = self.writable(number).filter(|mask| *mask != 0)?;
        let register = &mut self.values[usize::from(number)];
        *register = *register & !mask | value & mask;
        Some(())
    }

    /// `eret`: where to go on; `None` when that is no return from an exception.
    pub fn leave_exception(&mut self) -> Option<u32> {
        let status = self[Register::Status];
        if status & (Cp0::EXL | Cp0::ERL) != Cp0::EXL {
            return None;
        }
        self[Register::Status] = status & !Cp0::EXL;
        Some(self[Register::Epc])
    }

    /// `rfe`: the previous mode and interrupt enable become the current ones, the old ones the previous ones.
    pub(super) fn pop_status(&mut self) {
        let status = self[Register::Status];
        self[Register::Status] = status & !0xf | status >> 2 & 0xf;
    }
}

impl Index<Register> for Cp0 {
    type Output = u32;

    fn index(&self, register: Register) -> &u32 {
        &self.values[register as usize]
    }
}

impl IndexMut<Register> for Cp0 {
    fn index_mut(&mut self, register: Register) -> &mut u32 {
        &mut self.values[register as usize]
    }
}
