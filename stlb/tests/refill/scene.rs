//! A filled table, and one lookup in it.

use crate::image::Image;
use crate::support::Reference;
use proptest::prelude::*;
use stlb::interpreter::{Cpu, Isa, Memory, Register, Stop, TlbWrite, Which};
use stlb::model::{Machine, Model, Place};
use stlb::{Geometry, Lo, Mips32, Stlb, operands};

const K0: usize = 26;
const K1: usize = 27;
/// Status.EXL
const EXL: u32 = 1 << 1;

/// Table and model, filled alike.
pub struct Scene {
    stlb: Box<Stlb<Mips32>>,
    pub model: Model,
}

/// What is in the registers when the exception comes.
#[derive(Clone, Debug)]
pub struct Registers {
    gpr: [u32; 32],
    status: u32,
    epc: u32,
    asid: u8,
    index: u32,
    random: u32,
    entry_lo: [u32; 2],
}

pub fn registers() -> impl Strategy<Value = Registers> {
    let cp0 = (any::<u32>(), 0..0x2000_0000u32, any::<u8>(), 0..8u32, 8..16u32, [0..0x0400_0000u32, 0..0x0400_0000]);
    (any::<[u32; 32]>(), cp0).prop_map(|(mut gpr, (status, epc, asid, index, random, entry_lo))| {
        gpr[0] = 0;
        // In an exception, and in no error
        let status = status & !(1 << 2) | EXL;
        Registers { gpr, status, epc: epc * 4, asid, index, random, entry_lo }
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Hit,
    Miss,
}

/// What the refill sequence sees: its own code to execute, the table to read, nothing to write.
struct Seen<'a> {
    image: &'a Image,
    code: &'a [u32],
    stlb: &'a Stlb<Mips32>,
}

impl Memory for Seen<'_> {
    fn load(&self, address: u32) -> Option<u32> {
        let offset = address.wrapping_sub(self.image.table) as usize;
        // The overflow buffer, right behind, is the kernel's business
        if offset < operands::mips32::TABLE { self.stlb.word(offset) } else { None }
    }

    fn store(&mut self, _: u32, _: u32) -> bool {
        false
    }

    fn fetch(&self, address: u32) -> Option<u32> {
        self.code.get(address.wrapping_sub(self.image.start) as usize / 4).copied()
    }
}

impl Scene {
    pub fn new(pages: &[(Reference, Lo)]) -> Scene {
        let (stlb, mut model) = (Box::new(Stlb::new()), Model::new(Machine::Malta));
        for ((tag, va), lo) in pages {
            stlb.insert(Mips32::context(tag << 23, *va), Mips32::half(*va), *lo);
            model.insert(Machine::Malta.context(*tag, *va), Machine::Malta.half(*va), *lo);
        }
        Scene { stlb, model }
    }

    /// Runs `code` in place of the image's own, on a miss at `context`, and checks all that it did. Returns which way it
    /// rightly went, or what is wrong.
    pub fn run(&self, image: &Image, code: &[u32], context: u32, before: &Registers) -> Result<Outcome, String> {
        let mut cpu = Cpu::new(Isa::Mips32r2, image.start);
        cpu.gpr = before.gpr;
        let entry_hi = context % 0x80_0000 / 16 * 8192 + u32::from(before.asid);
        let values = [
            (Register::Index, before.index),
            (Register::Random, before.random),
            (Register::EntryLo0, before.entry_lo[0]),
            (Register::EntryLo1, before.entry_lo[1]),
            (Register::Context, context),
            (Register::BadVAddr, entry_hi & !0x1fff),
            (Register::EntryHi, entry_hi),
            (Register::Status, before.status),
            (Register::Cause, 2 << 2),
            (Register::Epc, before.epc),
        ];
        for (register, value) in values {
            cpu.cp0[register] = value;
        }
        let mut expected = cpu.clone();
        let mut memory = Seen { image, code, stlb: &self.stlb };
        let stop = cpu.run(&mut memory, &[image.miss], 100).map_err(|fault| fault.to_string())?;

        let (outcome, length) = match self.model.find(context) {
            Some((Place::Slot(_), line)) => {
                let entry_lo = line.lo.map(|lo| Machine::Malta.entry_lo(lo));
                expect("it ends", stop, Stop::Returned(before.epc))?;
                let which = if image.faithful { Which::Index(before.random) } else { Which::Random };
                expect("TLB writes", &cpu.tlb_writes[..], &[TlbWrite { which, entry_hi, entry_lo }][..])?;
                if image.faithful {
                    expected.cp0[Register::Index] = before.random;
                }
                expected.cp0[Register::Status] = before.status & !EXL;
                [expected.cp0[Register::EntryLo0], expected.cp0[Register::EntryLo1]] = entry_lo;
                (Outcome::Hit, image.hit_length())
            }
            _ => {
                expect("it ends", stop, Stop::At(image.miss))?;
                expect("TLB writes", &cpu.tlb_writes[..], &[])?;
                expect("k0", cpu.gpr[K0], context)?;
                for register in [Register::EntryLo0, Register::EntryLo1] {
                    expected.cp0[register] = cpu.cp0[register];
                }
                (Outcome::Miss, image.miss_length())
            }
        };
        expect("instructions", cpu.executed, length)?;
        for scratch in [K0, K1] {
            expected.gpr[scratch] = cpu.gpr[scratch];
        }
        expect("general registers", cpu.gpr, expected.gpr)?;
        expect("coprocessor 0", cpu.cp0, expected.cp0)?;
        Ok(outcome)
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:x?}, expected {expected:x?}")) }
}
