//! What an environment is told of frames that were taken from it by force: the repossession vector, in its own memory (thesis 2.4).
//!
//! The program prepares the entries: which frame it would rather lose, and where its contents are to go. The kernel uses them in order, writes
//! over each what was done, and raises an interrupt of the kind [`REPOSSESSION`](crate::interrupts::REPOSSESSION). It trusts nothing that
//! stands here.
//!
//! There is no disk. The place for the contents is another frame, of a kind that the kernel does not take: one of those that the
//! environment has reserved, or one that another environment, which has less, keeps for it. Without a place they are lost.

use crate::limits::REPOSSESSION_ENTRIES;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An entry of the vector.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Repossessed {
    /// Before: the number of the frame that the environment would rather lose, of which it is the owner; 0: any. After: that of the frame
    /// that was taken.
    pub frame: u32,
    /// Before: the number of a frame that the environment may write, to which the contents are copied; 0: none. After: the same if that was
    /// done, else 0.
    pub place: u32,
}

/// The vector. It lies in one page, aligned to 4.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RepossessionVector {
    /// Written by the kernel: entries used so far. The next is this one, modulo the vector's length.
    pub head: u32,
    /// Written by the kernel: frames that were taken when there was no entry left. Which they are can be seen in the frames' table only.
    pub unrecorded: u32,
    /// Written by the program: entries seen to, and prepared again, so far.
    pub tail: u32,
    /// The entries.
    pub entries: [Repossessed; REPOSSESSION_ENTRIES],
}

impl RepossessionVector {
    /// Nothing taken, nothing prepared.
    pub const EMPTY: RepossessionVector = RepossessionVector {
        head: 0,
        unrecorded: 0,
        tail: 0,
        entries: [Repossessed { frame: 0, place: 0 }; REPOSSESSION_ENTRIES],
    };
}

const _: () = assert!(REPOSSESSION_ENTRIES.is_power_of_two());
