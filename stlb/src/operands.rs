//! The numbers that assembly about MIPS32's software TLB needs.

use crate::geometry::{Geometry, Mips32, Mips32Entry};
use core::mem::offset_of;

/// Shift that brings the process tag to the slot bits.
pub const HASH_SHIFT: u32 = Mips32::HASH_SHIFT;
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
