//! A filled table, and one lookup in it.

use crate::image::Image;
use crate::processor::{self, Registers};
use crate::support::Reference;
use stlb::interpreter::{Cpu, Memory, Register, Stop, TlbWrite, Which};
use stlb::model::{Machine, Model, Place};
use stlb::{Geometry, Lo, Mips32, R3000, SLOTS, Stlb};

pub const K0: u8 = 26;
pub const K1: u8 = 27;

/// Table and model, filled alike.
pub struct Scene {
    machine: Machine,
    /// The words of the table; the overflow buffer, right behind, is the kernel's business.
    table: Vec<u32>,
    pub model: Model,
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
    table: &'a [u32],
}

impl Memory for Seen<'_> {
    fn load(&self, address: u32) -> Option<u32> {
        self.table.get(address.wrapping_sub(self.image.table) as usize / 4).copied()
    }

    fn store(&mut self, _: u32, _: u32) -> bool {
        false
    }

    fn fetch(&self, address: u32) -> Option<u32> {
        self.code.get(address.wrapping_sub(self.image.start) as usize / 4).copied()
    }
}

/// The words of a table with these pages in it.
fn table<G: Geometry>(machine: Machine, pages: &[(Reference, Lo)]) -> Vec<u32> {
    let stlb = Box::new(Stlb::<G>::new());
    for ((tag, va), lo) in pages {
        stlb.insert(machine.context(*tag, *va), machine.half(*va), *lo);
    }
    let offsets = (0..SLOTS * size_of::<G::Entry>()).step_by(4);
    offsets.map(|offset| stlb.word(offset).expect("a word of the table")).collect()
}

impl Scene {
    pub fn new(machine: Machine, pages: &[(Reference, Lo)]) -> Scene {
        let table = match machine {
            Machine::Malta => table::<Mips32>(machine, pages),
            Machine::Decstation => table::<R3000>(machine, pages),
        };
        let mut model = Model::new(machine);
        for ((tag, va), lo) in pages {
            model.insert(machine.context(*tag, *va), machine.half(*va), *lo);
        }
        Scene { machine, table, model }
    }

    /// Runs `code` in place of the image's own, on a miss at `context`, and checks all that it did. Returns which way
    /// it rightly went, or what is wrong.
    pub fn run(&self, image: &Image, code: &[u32], context: u32, before: &Registers) -> Result<Outcome, String> {
        let mut cpu = Cpu::new(processor::isa(self.machine), image.start);
        cpu.gpr = before.gpr;
        for (register, value) in &before.cp0 {
            cpu.cp0[*register] = *value;
        }
        let va = processor::va(self.machine, context);
        cpu.cp0[Register::Context] = context;
        cpu.cp0[Register::BadVAddr] = va;
        cpu.cp0[Register::EntryHi] += va;

        let mut expected = cpu.clone();
        let mut memory = Seen { image, code, table: &self.table };
        let stop = cpu.run(&mut memory, &[image.miss], 100).map_err(|fault| fault.to_string())?;

        let epc = expected.cp0[Register::Epc];
        let (outcome, length) = match self.model.find(context) {
            Some((Place::Slot(_), line)) => {
                expect("it ends", stop, Stop::Returned(epc))?;
                let (entry_hi, random) = (expected.cp0[Register::EntryHi], expected.cp0[Register::Random]);
                let entry_lo = processor::entry_lo(self.machine, line.lo);
                let which = if image.faithful { Which::Index(random) } else { Which::Random };
                expect("TLB writes", &cpu.tlb_writes[..], &[TlbWrite { which, entry_hi, entry_lo }][..])?;
                if image.faithful {
                    expected.cp0[Register::Index] = random;
                }
                let status = expected.cp0[Register::Status];
                expected.cp0[Register::Status] = processor::status_after(self.machine, status);
                [expected.cp0[Register::EntryLo0], expected.cp0[Register::EntryLo1]] = entry_lo;
                (Outcome::Hit, image.hit_length())
            }
            _ => {
                expect("it ends", stop, Stop::At(image.miss))?;
                expect("TLB writes", &cpu.tlb_writes[..], &[])?;
                expect("k0", cpu.gpr[usize::from(K0)], context)?;
                if self.machine == Machine::Decstation {
                    expect("k1", cpu.gpr[usize::from(K1)], epc)?;
                }
                for register in [Register::EntryLo0, Register::EntryLo1] {
                    expected.cp0[register] = cpu.cp0[register];
                }
                (Outcome::Miss, image.miss_length())
            }
        };
        expect("instructions", cpu.executed, length)?;
        for scratch in [K0, K1].map(usize::from) {
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
