//! The hardware TLB as the events let it be known.
//!
//! GXemul shows all that is written to it. QEMU shows that something is written; what, follows from what the kernel does: a refill
//! writes the line that answered, an insertion the line that was inserted, and after every call a live entry has its line in the STLB.
//! Where `tlbwr` writes follows from how QEMU chooses, which is always the same.

use crate::machine::Machine;
use crate::tlb::record::{Mapping, TlbEntry};

/// How QEMU chooses the place that Random names (target/mips/sysemu/cp0.c and the like, `cpu_mips_get_random`): the generator of the C
/// standard's example, never the same place twice in a row.
#[derive(Debug)]
struct QemuRandom {
    seed: u32,
    previous: u32,
}

impl QemuRandom {
    fn next(&mut self, wired: u32, entries: u32) -> u32 {
        loop {
            self.seed = self.seed.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            let index = (self.seed >> 16) % (entries - wired) + wired;
            if index != self.previous {
                self.previous = index;
                return index;
            }
        }
    }
}

/// Number and kind of a machine's entries.
pub struct Size {
    /// Entries.
    pub entries: u32,
    /// The first so many are never replaced by `tlbwr`.
    pub wired: u32,
}

/// The TLB of the processor that a machine's emulator shows: of the 24Kf in QEMU, and of the R3000A.
pub fn size(machine: Machine) -> Size {
    match machine {
        Machine::Malta => Size { entries: 16, wired: 0 },
        Machine::Decstation => Size { entries: 64, wired: 8 },
    }
}

/// The hardware TLB.
pub struct HardwareTlb {
    size: Size,
    random: QemuRandom,
    entries: Vec<Option<Mapping>>,
    /// Places that have changed since they were last asked for.
    changed: Vec<u32>,
}

impl HardwareTlb {
    /// An empty one.
    pub fn new(machine: Machine) -> HardwareTlb {
        let size = size(machine);
        let entries = vec![None; size.entries as usize];
        HardwareTlb { size, random: QemuRandom { seed: 1, previous: 0 }, entries, changed: Vec::new() }
    }

    /// The place that Random names at this moment: asking changes it, as it does in QEMU.
    pub fn random(&mut self) -> u32 {
        self.random.next(self.size.wired, self.size.entries)
    }

    /// Replaces an entry, and gives what stood there.
    pub fn write(&mut self, index: u32, maps: Option<Mapping>) -> TlbEntry {
        let place = &mut self.entries[index as usize];
        if *place != maps {
            self.changed.push(index);
        }
        TlbEntry { index, maps: std::mem::replace(place, maps) }
    }

    /// The place of an environment's page (pair), if it stands somewhere.
    pub fn find(&self, environment: u32, address: u32) -> Option<u32> {
        let found = |maps: &Mapping| maps.environment == environment && maps.address == address;
        self.entries.iter().position(|entry| entry.as_ref().is_some_and(found)).map(|index| index as u32)
    }

    /// What stands at a place.
    pub fn get(&self, index: u32) -> Option<&Mapping> {
        self.entries[index as usize].as_ref()
    }

    /// Shows each entry that maps something to `now`, and makes it what that says: EntryLo words, or nothing.
    pub fn revise(&mut self, mut now: impl FnMut(&Mapping) -> Option<Vec<u32>>) {
        for index in 0..self.size.entries {
            if let Some(maps) = &self.entries[index as usize] {
                let new = now(maps).map(|lo| Mapping { lo, ..maps.clone() });
                self.write(index, new);
            }
        }
    }

    /// The entries that have changed since this was last called.
    pub fn take_changes(&mut self) -> Vec<TlbEntry> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().map(|index| TlbEntry { index, maps: self.get(index).cloned() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_never_names_the_same_place_twice_in_a_row() {
        let mut tlb = HardwareTlb::new(Machine::Malta);
        let drawn: Vec<u32> = (0..1000).map(|_| tlb.random()).collect();
        assert!(drawn.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(drawn.iter().all(|&index| index < 16));
        assert!((0..16).all(|index| drawn.contains(&index)));
    }

    #[test]
    fn changes_are_told_once_and_as_they_are_in_the_end() {
        let mut tlb = HardwareTlb::new(Machine::Decstation);
        let maps = |address| Some(Mapping { environment: 1, address, lo: vec![0x200] });
        assert_eq!(tlb.write(9, maps(0x1000)).maps, None);
        assert_eq!(tlb.write(9, maps(0x2000)).maps, maps(0x1000));
        assert_eq!(tlb.find(1, 0x2000), Some(9));
        assert_eq!(tlb.take_changes(), [TlbEntry { index: 9, maps: maps(0x2000) }]);
        assert_eq!(tlb.take_changes(), []);
        tlb.revise(|_| None);
        assert_eq!(tlb.take_changes(), [TlbEntry { index: 9, maps: None }]);
    }
}
