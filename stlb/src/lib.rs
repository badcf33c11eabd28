//! The software TLB of Aegis (STLB): a direct-mapped table of 8192 entries laid under the hardware TLB, an overflow
//! buffer of 8 fully associative entries behind it, and the instructions that refill the hardware TLB from the table.
//!
//! # What it does
//!
//! A hardware TLB of 16 or 64 entries is too small for an exokernel, where each miss that is not answered at once goes up
//! to the application. So Aegis remembers what applications bind. On a miss of the hardware TLB:
//!
//! 1. the refill sequence, at the refill vector, hashes the Context register to a slot of the table, loads what the
//!    slot maps, compares its tag with Context, and on a match writes the hardware TLB. [`r3000_refill!`] is the thesis'
//!    own, figure 9-7: 18 instructions, one page. [`mips32_refill!`] takes 16, for two pages;
//! 2. else the kernel looks in the overflow buffer ([`Stlb::probe`]), where lines go that had to make room in the table;
//! 3. else it is the application's turn.
//!
//! Context is the tag: the processor puts the page (pair) that missed into its low part, and Aegis keeps a process tag in
//! its high part, so one comparison answers "this page, of this process".
//!
//! # How to use it
//!
//! ```
//! use stlb::{Geometry, Lo, Mips32, Stlb};
//!
//! let stlb = Box::new(Stlb::<Mips32>::new());
//! let (tag, va) = (0x155 << 23, 0x0040_3000);
//! let context = Mips32::context(tag, va);
//!
//! stlb.insert(context, Mips32::half(va), Lo::writable(0x123));
//! let line = stlb.probe(context).unwrap();
//! assert_eq!(line.lo[1].pfn(), 0x123); // 0x0040_3000 is the odd page of its pair
//! assert!(!line.lo[0].v()); // nothing is known of the even one
//!
//! stlb.replace(context, [Lo::INVALID; 2]);
//! assert_eq!(stlb.probe(context), None); // a line without a valid half is gone
//! ```
//!
//! The kernel keeps its [`Stlb`], of the geometry [`Native`], in a static called `stlb_table`, and calls the macro for its
//! processor in the section of its refill vector. Assembly that reads the table elsewhere takes its numbers from
//! [`operands`].
//!
//! # Invariants
//!
//! - (tag, pair) stands at most once in table and overflow buffer together;
//! - an entry in the table stands in the slot that the hash of its own tag word names;
//! - an entry with a tag has at least one valid half; an empty entry's tag word can equal no Context register;
//! - no half is global (G = 0), whatever was asked for;
//! - writes go tag off, halves, tag on, so that a refill in between sees a miss and never a mixture.
//!
//! # What is where
//!
//! - [`Lo`]: the interface's word for a page, the same on every machine;
//! - [`Geometry`], [`Mips32`], [`R3000`]: the hash, for a table of any size, and how Context and an entry are laid out;
//! - [`Stlb`]: table and overflow buffer. The crate's only `unsafe` code is in its file;
//! - `model`, `interpreter` (feature `model`, host only): the same lookup written in the most obvious way, and a MIPS
//!   interpreter just large enough to run the assembled refill sequences against it. It refuses what an emulator lets
//!   pass: on the R3000, a register used in its load delay; on MIPS32, a TLB write without the barrier before it.
//!
//! # Features
//!
//! - `faithful`: on MIPS32, the refill writes with `tlbwi` at Random, two instructions more. QEMU keeps what `tlbwr`
//!   evicts alive for a while; with `tlbwi` it shows the 16 entries of the hardware. On the R3000 this changes nothing:
//!   under GXemul, `tlbwr` forgets what it replaces (entries 63 down to 8, in turn).
//! - `slots-512`, `slots-1024`, `slots-2048`, `slots-4096`: a table of so many entries, to measure what its size is worth. The
//!   refill sequences stay as they are, with other numbers in them.
//! - `overflow-2`: an overflow buffer of two entries, the least with which programs get on (see [`OVERFLOW`]).
//! - `model`: see above.
//!
//! # Tests
//!
//! `cargo test -p stlb`. The test `refill` runs both refill sequences as they were assembled: those of the kernel images
//! that the environment variables `AEGIS_IMAGE` (Malta) and `AEGIS_IMAGE_DECSTATION` name, else ones that it builds by
//! itself. It also compares the R3000's with figure 9-7, instruction for instruction.
//!
//! Source: the thesis, section .12 of chapter 9, figures 9-6 to 9-8, and section 3.1.1.

#![no_std]

#[cfg(any(test, feature = "model"))]
extern crate std;

pub mod geometry;
#[cfg(any(test, feature = "model"))]
pub mod interpreter;
mod lo;
#[cfg(any(test, feature = "model"))]
pub mod model;
pub mod operands;
mod overflow;
mod refill;
mod table;

pub use geometry::{Entry, Geometry, Hash, Line, Mips32, R3000, Registers};
pub use lo::Lo;
pub use table::{Edit, Inserted, Stlb, Word};

/// Entries of the direct-mapped table: 8192 (thesis .12), unless a feature asks for fewer. Of several features, the smallest counts.
pub const SLOTS: usize = if cfg!(feature = "slots-512") {
    512
} else if cfg!(feature = "slots-1024") {
    1024
} else if cfg!(feature = "slots-2048") {
    2048
} else if cfg!(feature = "slots-4096") {
    4096
} else {
    8192
};
/// Entries of the overflow buffer: 8 (thesis .12), or 2 with the feature `overflow-2`.
///
/// Without any, a program can stand still for ever: what stands in neither table nor buffer may not stand in the hardware TLB, so
/// where an instruction's own page and that of its data share a slot, each would drive out the other. The page of a handler for
/// misses may share it too. On Malta ExOS does not even start with a table of 512 entries and a buffer of none or one; with two it does.
pub const OVERFLOW: usize = if cfg!(feature = "overflow-2") { 2 } else { 8 };

/// The geometry of the machine that this is compiled for; on the host, Malta's.
#[cfg(not(target_vendor = "dec"))]
pub type Native = Mips32;
/// The geometry of the machine that this is compiled for.
#[cfg(target_vendor = "dec")]
pub type Native = R3000;
