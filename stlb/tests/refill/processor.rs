//! What the two processors have in their registers around a refill sequence, by their manuals, in the plain arithmetic
//! of the model.

use proptest::prelude::*;
use stlb::Lo;
use stlb::interpreter::{Isa, Register};
use stlb::model::Machine;

/// Status of MIPS32: exception level, error level.
const EXL: u32 = 1 << 1;
const ERL: u32 = 1 << 2;
/// Bytes of a page.
const PAGE: u32 = 4096;

/// What is in the registers when the exception comes, but for what it tells of the address.
#[derive(Clone, Debug)]
pub struct Registers {
    pub gpr: [u32; 32],
    pub cp0: Vec<(Register, u32)>,
}

/// The instruction set of a machine's processor.
pub fn isa(machine: Machine) -> Isa {
    match machine {
        Machine::Malta => Isa::Mips32r2,
        Machine::Decstation => Isa::Mips1,
    }
}

/// Anything that a processor can have in its registers in a TLB miss of a user program's.
pub fn registers(machine: Machine) -> impl Strategy<Value = Registers> {
    let entries: u32 = match machine {
        Machine::Malta => 16,
        Machine::Decstation => 64,
    };
    let cp0 = (any::<u32>(), 0..0x2000_0000u32, any::<u32>(), 0..8u32, 8..entries, any::<[u32; 2]>());
    (any::<[u32; 32]>(), cp0).prop_map(move |(mut gpr, (status, epc, asid, index, random, entry_lo))| {
        gpr[0] = 0;
        let mut cp0 = vec![(Register::Epc, epc * 4), (Register::Cause, 2 << 2)];
        cp0.extend(match machine {
            Machine::Malta => vec![
                // In an exception, and in no error
                (Register::Status, status & !ERL | EXL),
                (Register::EntryHi, asid % 256),
                (Register::Index, index),
                (Register::Random, random),
                (Register::EntryLo0, entry_lo[0] % 0x0400_0000),
                (Register::EntryLo1, entry_lo[1] % 0x0400_0000),
            ],
            Machine::Decstation => vec![
                // In kernel mode, interrupts off
                (Register::Status, status / 4 * 4),
                (Register::EntryHi, asid % 64 * 64),
                (Register::Index, index * 256),
                (Register::Random, random * 256),
                (Register::EntryLo0, entry_lo[0] / 256 * 256),
            ],
        });
        Registers { gpr, cp0 }
    })
}

/// The first address that the entry for a Context register maps.
pub fn va(machine: Machine, context: u32) -> u32 {
    let bytes = PAGE * machine.pages() as u32;
    let process = u32::MAX / machine.tags() + 1;
    context % process / machine.context(0, bytes) * bytes
}

/// The EntryLo registers for a line's halves: the R3000's has no room for the bits of the software's, and is just one.
pub fn entry_lo(machine: Machine, lo: [Lo; 2]) -> [u32; 2] {
    let entry_lo = lo.map(|lo| machine.entry_lo(lo));
    match machine {
        Machine::Malta => entry_lo,
        Machine::Decstation => entry_lo.map(|entry_lo| entry_lo / 256 * 256),
    }
}

/// Status after the return from the exception.
pub fn status_after(machine: Machine, status: u32) -> u32 {
    match machine {
        Machine::Malta => status & !EXL,
        // Three pairs of mode and interrupt enable: the older two move down, and the oldest stays too
        Machine::Decstation => status / 16 * 16 + status / 4 % 16,
    }
}
