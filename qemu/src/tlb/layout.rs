//! The geometry of a machine's STLB, chosen when the host tool runs.

use crate::machine::Machine;
use crate::tlb::hardware;
use crate::tlb::record::Shape;
use stlb::{Geometry, Mips32, OVERFLOW, R3000, SLOTS};

/// The functions and constants of a [`Geometry`].
#[derive(Clone, Copy)]
pub struct Layout {
    machine: Machine,
    /// [`Geometry::context`].
    pub context: fn(u32, u32) -> u32,
    /// [`Geometry::va`].
    pub va: fn(u32) -> u32,
    slot: fn(u32) -> usize,
    /// [`Geometry::TAG_MASK`].
    pub tag_mask: u32,
    vpn_shift: u32,
    asid_shift: u32,
    /// [`Geometry::PAGES`].
    pub pages: usize,
    /// Bytes of an entry.
    pub entry_bytes: usize,
}

impl Layout {
    /// A machine's.
    pub fn of(machine: Machine) -> Layout {
        match machine {
            Machine::Malta => Layout::new::<Mips32>(machine),
            Machine::Decstation => Layout::new::<R3000>(machine),
        }
    }

    fn new<G: Geometry>(machine: Machine) -> Layout {
        Layout {
            machine,
            context: G::context,
            va: G::va,
            slot: G::slot,
            tag_mask: G::TAG_MASK,
            vpn_shift: G::VPN_SHIFT,
            asid_shift: G::ASID_SHIFT,
            pages: G::PAGES,
            entry_bytes: size_of::<G::Entry>(),
        }
    }

    /// The slot of the table for a Context register.
    pub fn slot(&self, context: u32) -> u32 {
        (self.slot)(context) as u32
    }

    /// The environment that a name or an EntryHi register names.
    pub fn environment(&self, word: u32) -> u32 {
        word >> self.asid_shift & (aegis_abi::limits::ENVS as u32 - 1)
    }

    /// EntryHi as the processor sets it on a miss of `address` in an environment.
    pub fn entry_hi(&self, address: u32, environment: u32) -> u32 {
        self.first_address(address) | environment << self.asid_shift
    }

    /// First address that the entry for `address` maps.
    pub fn first_address(&self, address: u32) -> u32 {
        (self.va)((self.context)(0, address))
    }

    /// For a record.
    pub fn shape(&self) -> Shape {
        let size = hardware::size(self.machine);
        Shape {
            slots: SLOTS as u32,
            overflow: OVERFLOW as u32,
            entry_bytes: self.entry_bytes as u32,
            pages_per_entry: self.pages as u32,
            tlb_entries: size.entries,
            tlb_wired: size.wired,
            tag_mask: self.tag_mask,
            vpn_shift: self.vpn_shift,
            asid_shift: self.asid_shift,
        }
    }
}
