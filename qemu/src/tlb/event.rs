//! What is seen of a guest, whichever emulator shows it, in the order in which it happens.

use crate::tlb::record::StlbEntry;
use aegis_counter::Tally;

/// Who runs: an environment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Current {
    /// Its number, which is its address space identifier.
    pub environment: u32,
    /// Its process tag, in its place in the register Context.
    pub tag: u32,
}

/// An exception, as the processor notes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exception {
    /// The code in Cause: 2 and 3 are TLB misses.
    pub code: u32,
    /// EPC: the instruction, or the branch before it if that stands in a delay slot.
    pub epc: u32,
    /// It does stand in a delay slot.
    pub in_delay_slot: bool,
    /// BadVAddr.
    pub bad_vaddr: u32,
}

/// A place of the kernel's assembly by which a miss may come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Point {
    /// The table has not got it.
    NotInTable,
    /// Neither has the overflow buffer; or the reference is to the invalid half of a live entry.
    NotInStlb,
    /// The overflow buffer has it.
    Overflow,
    /// It may be in a guaranteed mapping.
    Guaranteed,
    /// It goes to the application.
    Upcall,
    /// There is no handler for it.
    Unhandled,
}

/// What has to do with the hardware TLB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlbEvent {
    /// The register Random is read.
    ReadRandom,
    /// `tlbwr`, of what is not shown.
    WriteRandom,
    /// `tlbwi`, of what is not shown.
    WriteIndexed,
    /// Either, with all that is written.
    Written {
        /// The entry's number.
        index: u32,
        /// EntryHi.
        entry_hi: u32,
        /// EntryLo.
        lo: u32,
    },
}

/// Something has happened, or is about to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The processor takes an exception; the kernel's entry follows.
    Exception(Exception),
    /// A stay in the kernel begins at this vector.
    Enter {
        /// Where.
        vector: u32,
        /// Instructions executed before.
        now: Tally,
        /// Who was running.
        current: Current,
    },
    /// This place is reached.
    At(Point),
    /// See there.
    Tlb(TlbEvent),
    /// User mode goes on after a stay in the kernel.
    Leave {
        /// Where.
        pc: u32,
        /// Instructions executed before.
        now: Tally,
        /// Who.
        current: Current,
    },
    /// An entry of the STLB is now this. It changed during the stay that ends with the `Leave` after this event.
    Stlb(StlbEntry),
    /// User mode goes on where a program has resumed by itself, without the kernel.
    Resume {
        /// Where.
        pc: u32,
        /// Instructions executed before.
        now: Tally,
    },
    /// A marker.
    Mark(u16),
}
