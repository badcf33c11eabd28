//! The processor families: vectors, TLB, system control registers, entry and exit. One is compiled in; all offer the same
//! names.

mod mips32;

pub(crate) use mips32::clear_page;
#[cfg(feature = "planted-fault")]
pub use mips32::planted_fault;
pub use mips32::{dispatch, enter, init, name, panic, stlb, stlb_frames, sync_instructions, tlb, tlb_entries, unfit};
