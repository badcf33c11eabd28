//! Examples with numbers: a reference to memory, where it is looked for, and what each instruction of the refill sequence does with it. The
//! numbers come from the crate `stlb`: its hash, its table, and its interpreter, which executes the kernel's machine code.

use crate::listing::{Listing, cp0_register};
use crate::machine::Machine;
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::collections::BTreeMap;
use std::fmt::Write;
use stlb::interpreter::{Cpu, Isa, Memory, Register};
use stlb::operands::{mips32, r3000};
use stlb::{Geometry, Lo, Mips32, R3000, SLOTS, Stlb, model};

/// Numbers of the registers that the refill sequences use.
const K: [(usize, &str); 2] = [(26, "$k0"), (27, "$k1")];
/// Any will do for the example: where what missed stands.
const EPC: u32 = 0x0040_0120;

/// The environment, by its number, which is its address space identifier.
const ENVIRONMENT: u32 = 3;
/// What it refers to, in which frame that lies; on MIPS32, the pair's other page lies in the frame beside it.
const ADDRESS: u32 = 0x0120_3a94;
const FRAME: u32 = 0x4d2;

/// A reference that misses in the hardware TLB.
pub struct Reference {
    machine: Machine,
    /// The number in the field of Context that is the process tag.
    tag: u32,
    /// The number in the field of EntryHi that is the address space identifier.
    asid: u32,
    address: u32,
    frame: u32,
}

impl Reference {
    /// The example on a machine.
    pub fn of(machine: Machine) -> Reference {
        let mask = if machine.is_mips1() { R3000::TAG_MASK } else { Mips32::TAG_MASK };
        // As the kernel makes it: the number with its bits reversed, and nothing else in the first generation.
        let tag = (ENVIRONMENT.reverse_bits() & mask) >> mask.trailing_zeros();
        Reference { machine, tag, asid: ENVIRONMENT, address: ADDRESS, frame: FRAME }
    }

    fn model(&self) -> model::Machine {
        match self.machine {
            Machine::Malta => model::Machine::Malta,
            Machine::Decstation => model::Machine::Decstation,
        }
    }

    fn is_malta(&self) -> bool {
        self.machine == Machine::Malta
    }

    /// The register Context.
    fn context(&self) -> u32 {
        self.model().context(self.tag, self.address)
    }

    /// The slot of the table; the table's own hash and the model's must agree.
    fn slot(&self) -> Result<usize> {
        let context = self.context();
        let slot = if self.is_malta() { Mips32::slot(context) } else { R3000::slot(context) };
        ensure!(slot == self.model().slot(context), "table and model disagree on the slot of {context:#010x}");
        Ok(slot)
    }

    fn entry_bytes(&self) -> usize {
        if self.is_malta() { mips32::ENTRY } else { r3000::ENTRY }
    }

    /// One of its numbers.
    pub fn value(&self, name: &str) -> Result<String> {
        let page = self.address >> 12;
        Ok(match name {
            "tag" => format!("{:#x}", self.tag),
            "asid" => self.asid.to_string(),
            "address" => format!("{:#010x}", self.address),
            "page" => format!("{page:#x}"),
            "pair" => format!("{:#x}", page >> 1),
            "within" => format!("{:#x}", self.address & 0xfff),
            "half" => (if self.model().half(self.address) == 0 { "even" } else { "odd" }).to_owned(),
            "context" => format!("{:#010x}", self.context()),
            "slot" => self.slot()?.to_string(),
            "slot-hex" => format!("{:#x}", self.slot()?),
            "offset" => format!("{:#x}", self.slot()? * self.entry_bytes()),
            "frame" => format!("{:#x}", self.frame),
            "physical" => format!("{:#010x}", self.frame << 12 | self.address & 0xfff),
            _ => bail!("no number is called {name}"),
        })
    }

    /// The hash, bit by bit.
    pub fn hash(&self) -> Result<String> {
        let context = self.context();
        let mut rows = vec![("Context".to_owned(), context)];
        let bits = SLOTS.trailing_zeros();
        let (last, kept, lowest) = if self.is_malta() {
            let [page, tag] = [mips32::VPN_SHIFT, mips32::HASH_SHIFT];
            rows.push((format!("Context >> {page}"), context >> page));
            rows.push((format!("Context >> {tag}"), context >> tag));
            let xor = context >> page ^ context >> tag;
            rows.push(("xor of these two".to_owned(), xor));
            (format!("its lowest {bits} bits"), xor & ((1 << bits) - 1), 0)
        } else {
            let [up, down] = [r3000::HASH_UP, r3000::HASH_DOWN];
            rows.push((format!("Context << {up}"), context << up));
            let xor = context << up ^ context;
            rows.push(("xor of these two".to_owned(), xor));
            rows.push((format!("that >> {down}"), xor >> down));
            ("without lowest 3 bits".to_owned(), xor >> down & r3000::OFFSET_MASK, 3)
        };
        ensure!(kept as usize >> lowest == self.slot()?, "this is not the table's hash");
        rows.push((last, kept));
        let mut text = String::from("```text\n");
        for (name, value) in rows {
            let bits: Vec<String> = (0..8).rev().map(|digit| format!("{:04b}", value >> (4 * digit) & 0xf)).collect();
            let _ = writeln!(text, "{name:<22}  {}  {value:#010x}", bits.join(" "));
        }
        text.push_str("```\n");
        Ok(text)
    }

    /// The words of a table that has the page, and on MIPS32 the other one of its pair.
    fn table(&self) -> Vec<u32> {
        let words = |word: &dyn Fn(usize) -> Option<u32>| {
            (0..SLOTS * self.entry_bytes()).step_by(4).map_while(word).collect::<Vec<u32>>()
        };
        let context = self.context();
        let half = self.model().half(self.address);
        if self.is_malta() {
            let stlb = Box::new(Stlb::<Mips32>::new());
            stlb.insert(context, half, Lo::writable(self.frame));
            stlb.insert(context, 1 - half, Lo::read_only(self.frame ^ 1));
            words(&|offset| stlb.word(offset))
        } else {
            let stlb = Box::new(Stlb::<R3000>::new());
            stlb.insert(context, half, Lo::writable(self.frame));
            words(&|offset| stlb.word(offset))
        }
    }

    /// The EntryHi that the processor sets.
    fn entry_hi(&self) -> u32 {
        match self.machine {
            Machine::Malta => self.address & !0x1fff | self.asid << Mips32::ASID_SHIFT,
            Machine::Decstation => self.address & !0xfff | self.asid << R3000::ASID_SHIFT,
        }
    }

    /// What each instruction of the refill sequence changes, line by line as the listing numbers them.
    pub fn walk(&self, listing: &Listing) -> Result<String> {
        let code = listing.between("stlb_refill", "stlb_refill_end")?;
        let start = code.first().context("the refill sequence is empty")?.address;
        let isa = if self.is_malta() { Isa::Mips32r2 } else { Isa::Mips1 };
        let mut memory = Seen {
            code: code.iter().map(|one| (one.address, one.word)).collect(),
            table: self.table(),
            table_at: listing.symbol("stlb_table").context("the kernel has no `stlb_table`")?,
        };
        let mut cpu = Cpu::new(isa, start);
        cpu.cp0[Register::Context] = self.context();
        cpu.cp0[Register::EntryHi] = self.entry_hi();
        cpu.cp0[Register::Epc] = EPC;
        // In an exception: MIPS32 has a bit for that; on the R3000 it is kernel mode that shows.
        cpu.cp0[Register::Status] = if self.is_malta() { 2 } else { 0 };
        let mut text = String::from("```text\n");
        for line in 1..=code.len() {
            let before = cpu.clone();
            let returned = cpu.step(&mut memory).map_err(|fault| anyhow!("{fault:?}"))?;
            let mut changes = self.changes(&before, &cpu, memory.table_at);
            if returned {
                changes.push(format!("on at EPC, {EPC:#010x}"));
            }
            let changes = if changes.is_empty() { "nothing changes".to_owned() } else { changes.join("; ") };
            let _ = writeln!(text, "{line:>3}  {changes}");
            if line == code.len() {
                ensure!(returned, "the refill sequence does not end");
            }
        }
        text.push_str("```\n");
        Ok(text)
    }

    fn changes(&self, before: &Cpu, after: &Cpu, table: u32) -> Vec<String> {
        // The table may stand elsewhere in the next kernel.
        let shown = |value: u32| {
            let size = (SLOTS * self.entry_bytes()) as u32;
            match value.wrapping_sub(table) {
                0 => "stlb_table".to_owned(),
                offset if offset < size => format!("stlb_table + {offset:#x}"),
                _ => format!("{value:#010x}"),
            }
        };
        let mut changes = Vec::new();
        for (number, name) in K {
            if before.gpr[number] != after.gpr[number] {
                changes.push(format!("{name} = {}", shown(after.gpr[number])));
            }
        }
        for register in [Register::Index, Register::EntryLo0, Register::EntryLo1] {
            let name = cp0_register(self.machine, register as u32, 0).unwrap_or_default();
            if before.cp0[register] != after.cp0[register] {
                changes.push(format!("{name} = {:#010x}", after.cp0[register]));
            }
        }
        for write in &after.tlb_writes[before.tlb_writes.len()..] {
            let lo = &write.entry_lo[..if self.is_malta() { 2 } else { 1 }];
            let lo: Vec<String> = lo.iter().map(|lo| format!("{lo:#010x}")).collect();
            changes.push(format!("a TLB entry = {:#010x}, {}", write.entry_hi, lo.join(", ")));
        }
        changes
    }
}

/// What the refill sequence sees: its own code, and the table.
struct Seen {
    code: BTreeMap<u32, u32>,
    table: Vec<u32>,
    table_at: u32,
}

impl Memory for Seen {
    fn load(&self, address: u32) -> Option<u32> {
        self.table.get(address.wrapping_sub(self.table_at) as usize / 4).copied()
    }

    fn store(&mut self, _: u32, _: u32) -> bool {
        false
    }

    fn fetch(&self, address: u32) -> Option<u32> {
        self.code.get(&address).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_definitions() {
        let malta = Reference::of(Machine::Malta);
        for (name, value) in [
            ("page", "0x1203"),
            ("pair", "0x901"),
            ("half", "odd"),
            ("within", "0xa94"),
            ("context", "0xc0009010"),
            ("slot-hex", "0x1101"),
            ("offset", "0x11010"),
            ("physical", "0x004d2a94"),
        ] {
            assert_eq!(malta.value(name).unwrap(), value, "{name}");
        }
        let decstation = Reference::of(Machine::Decstation);
        for (name, value) in [("context", "0xc000480c"), ("slot-hex", "0xa03"), ("offset", "0x5018")] {
            assert_eq!(decstation.value(name).unwrap(), value, "{name}");
        }
        assert!(malta.value("nothing").is_err());
    }

    #[test]
    fn the_hash_ends_with_the_slot() {
        let malta = Reference::of(Machine::Malta).hash().unwrap();
        assert!(
            malta.contains("Context >> 19           0000 0000 0000 0000 0001 1000 0000 0000  0x00001800\n"),
            "{malta}"
        );
        assert!(malta.ends_with("0001 0001 0000 0001  0x00001101\n```\n"), "{malta}");
        let decstation = Reference::of(Machine::Decstation).hash().unwrap();
        assert!(decstation.ends_with("0101 0000 0001 1000  0x00005018\n```\n"), "{decstation}");
    }
}
