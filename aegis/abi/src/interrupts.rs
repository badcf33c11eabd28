//! Interrupts as a program sees them: a queue in its own memory (thesis .10, figure 9-3), and upcalls.
//!
//! The queue has one producer and one consumer, who share no word that both write, but for the mask, of which more below; so
//! neither needs atomic instructions. The kernel trusts nothing that stands in it.
//!
//! An interrupt is put into the queue. If its environment runs, and the mask has the bit of its kind, the environment is called
//! up: at `ih` for an interrupt, at `epi` at the end of its slice. As a processor does, the kernel clears the mask with an upcall, so
//! that the save area is the handler's until it sets the mask again. What arrives while it may not be called up is said by `withheld`:
//! whoever sets the mask again clears that first, looks into the queue, and looks at `withheld` once more after.
//!
//! No byte of the console's input is dropped. It goes to the environment that has the input (see the
//! call `console_focus`) while two things hold: fewer than
//! [`CONSOLE_ENTRIES`](crate::limits::CONSOLE_ENTRIES) entries of its queue are in use, and the
//! program has [`room`](InterruptQueue::room) for it. Otherwise it stays in the device, also where
//! that environment has no queue, and the device does not interrupt. The kernel lets it interrupt
//! again when there is room: it looks at each tick, when a whole revolution of slices was given up
//! early, at each `console_write` and `console_focus`, and when the environment with the input ends.
//! (Where no clock ticks, a program that waits for input must therefore yield.) What a device holds
//! is bounded, and what happens beyond is its own affair: QEMU leaves input to the host.

use crate::limits::QUEUE_ENTRIES;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The slice of the environment is over: it is to give up the processor. Not in the queue; [`InterruptQueue::ended`] says it.
pub const SLICE_END: u32 = 0;
/// Bytes have arrived on the console: [`Interrupt::arguments`] holds their number, and up to [`CONSOLE_BYTES`] bytes.
pub const CONSOLE: u32 = 1;
/// The time that was asked for by the call `timer` has come: the first argument is the tick.
pub const TIMER: u32 = 2;
/// Another environment needs frames: the first argument is how many this one is to give up, by `p_unref`. If there are too few when two slices
/// of its own are over, they are taken by force (thesis 2.4).
pub const REVOCATION: u32 = 3;
/// Frames were taken by force: see [`RepossessionVector`](crate::RepossessionVector), whose head is the first argument.
pub const REPOSSESSION: u32 = 4;
/// Kinds of interrupts.
pub const KINDS: usize = 5;

/// Bytes that one interrupt of the console carries at most.
pub const CONSOLE_BYTES: usize = 8;

/// Every kind, as bits of a mask.
pub const ALL: u32 = (1 << KINDS) - 1;

/// An entry of the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Interrupt {
    /// What kind of interrupt it is: [`CONSOLE`], [`TIMER`], [`REVOCATION`] or [`REPOSSESSION`].
    pub kind: u32,
    /// What there is to say of it.
    pub arguments: [u32; 3],
}

/// The queue. It lies in one page, aligned to 4.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct InterruptQueue {
    /// Written by the kernel: entries put in so far. The next goes to this place, modulo the queue's length.
    pub head: u32,
    /// Written by the kernel: how many interrupts of each kind were dropped, since the queue was full.
    pub overflow: [u32; KINDS],
    /// Set by the kernel when something has happened, or was dropped, without an upcall. Cleared by the program.
    pub withheld: u32,
    /// Written by the kernel: 1 from the end of the environment's slice on, 0 when it starts again.
    pub ended: u32,
    /// Written by the program: entries taken out so far.
    pub tail: u32,
    /// A bit for each kind that may call the environment up. Written by the program; the kernel clears it with an upcall.
    pub mask: u32,
    /// Written by the program: bytes of the console's input that it takes in all, counted from the
    /// first that was put into the queue. So it is what has come so far, and what there is room for;
    /// at 0 none comes. It wraps around at 2^32, and room for 2^31 bytes or more is none.
    pub room: u32,
    /// Written by the kernel: how often the environment was switched by hand, since it had not given up the processor a tick after the end of
    /// its slice.
    pub cuts: u32,
    /// The entries.
    pub entries: [Interrupt; QUEUE_ENTRIES],
}

impl InterruptQueue {
    /// A queue with nothing in it and everything masked.
    pub const EMPTY: InterruptQueue = InterruptQueue {
        head: 0,
        overflow: [0; KINDS],
        withheld: 0,
        ended: 0,
        tail: 0,
        mask: 0,
        room: 0,
        cuts: 0,
        entries: [Interrupt { kind: 0, arguments: [0; 3] }; QUEUE_ENTRIES],
    };
}

const _: () = assert!(QUEUE_ENTRIES.is_power_of_two());
