//! The numbers that assembly about the software TLB needs, for each processor.

use crate::geometry::{Geometry, Mips32, Mips32Entry, R3000, R3000Entry};
use core::mem::offset_of;

/// Those for MIPS32.
pub mod mips32 {
    use super::*;

    /// Shift that brings the process tag to the slot bits.
    pub const HASH_SHIFT: u32 = Mips32::hash_shift(crate::SLOTS);
    /// Shift of the page pair in Context; also log2 of an entry's size.
    pub const VPN_SHIFT: u32 = Mips32::VPN_SHIFT;
    /// Bits of a slot number.
    pub const SLOT_BITS: u32 = crate::SLOTS.trailing_zeros();
    /// Offset of the tag in an entry.
    pub const TAG: usize = offset_of!(Mips32Entry, tag);
    /// Offset of the even page's EntryLo in an entry.
    pub const LO0: usize = offset_of!(Mips32Entry, lo0);
    /// Offset of the odd page's EntryLo in an entry.
    pub const LO1: usize = offset_of!(Mips32Entry, lo1);
    /// Bytes of an entry.
    pub const ENTRY: usize = size_of::<Mips32Entry>();
    /// Bytes of the table, and so the offset of the overflow buffer.
    pub const TABLE: usize = crate::SLOTS * ENTRY;
    /// 1 when the refill is to behave like a TLB of 16 entries under QEMU too (feature `faithful`), else 0.
    pub const FAITHFUL: u32 = cfg!(feature = "faithful") as u32;
}

/// Those for the R3000.
pub mod r3000 {
    use super::*;

    /// Shift that brings the page up, so that it meets the process tag.
    pub const HASH_UP: u32 = R3000::HASH_UP;
    /// Shift that brings the combination down, to the slot bits of an offset.
    pub const HASH_DOWN: u32 = R3000::HASH_DOWN;
    /// Bits of an entry's offset in the table: the thesis' `STLB_MASK & ~7`.
    pub const OFFSET_MASK: u32 = R3000::offset_mask(crate::SLOTS);
    /// Offset of the tag in an entry.
    pub const TAG: usize = offset_of!(R3000Entry, tag);
    /// Offset of EntryLo in an entry.
    pub const LO: usize = offset_of!(R3000Entry, lo);
    /// Bytes of an entry.
    pub const ENTRY: usize = size_of::<R3000Entry>();
    /// Bytes of the table, and so the offset of the overflow buffer.
    pub const TABLE: usize = crate::SLOTS * ENTRY;
}
