//! The pinned pages of data: what the stubs and the miss handler need without a mapping of their own.

use super::cell::Cell;
use crate::arguments;
use crate::layout;
use aegis_abi::interrupts::KINDS;
use aegis_abi::limits::{QUEUE_ENTRIES, REPOSSESSION_ENTRIES, SAVE_AREA_BYTES};
use aegis_abi::{Interrupt, InterruptQueue, Repossessed, RepossessionVector};
use core::mem::offset_of;

/// Where the kernel stores `a0`, `a1`, `a2` on an exception.
#[repr(C, align(16))]
pub struct SaveArea {
    /// `a0`, `a1`, `a2`.
    pub a: [Cell<u32>; 3],
}

/// What the miss handler saves while it works on one miss: the registers that a system call may change.
#[repr(C)]
pub struct MissFrame {
    /// `at`
    pub at: Cell<u32>,
    /// `v0` and `v1`
    pub v: [Cell<u32>; 2],
    /// `a0` to `a3`
    pub a: [Cell<u32>; 4],
    /// `t0` to `t9`
    pub t: [Cell<u32>; 10],
    /// HI
    pub hi: Cell<u32>,
    /// LO
    pub lo: Cell<u32>,
    /// Where the program was interrupted; also the slot from which the miss handler resumes it.
    pub epc: Cell<u32>,
    /// The address that missed.
    pub badvaddr: Cell<u32>,
    /// Load or store, and whether in a delay slot.
    pub cause: Cell<u32>,
    /// Address of the page's entry.
    pub entry: Cell<u32>,
}

/// The interrupt queue, an [`InterruptQueue`] in cells: the kernel changes it between any two instructions.
#[repr(C)]
pub struct Queue {
    /// See [`InterruptQueue::head`].
    pub head: Cell<u32>,
    /// See [`InterruptQueue::overflow`].
    pub overflow: [Cell<u32>; KINDS],
    /// See [`InterruptQueue::withheld`].
    pub withheld: Cell<u32>,
    /// See [`InterruptQueue::ended`].
    pub ended: Cell<u32>,
    /// See [`InterruptQueue::tail`].
    pub tail: Cell<u32>,
    /// See [`InterruptQueue::mask`].
    pub mask: Cell<u32>,
    /// See [`InterruptQueue::room`].
    pub room: Cell<u32>,
    /// See [`InterruptQueue::cuts`].
    pub cuts: Cell<u32>,
    /// See [`InterruptQueue::entries`].
    pub entries: [Entry; QUEUE_ENTRIES],
}

/// An [`Interrupt`] in cells.
#[repr(C)]
pub struct Entry {
    /// See [`Interrupt::kind`].
    pub kind: Cell<u32>,
    /// See [`Interrupt::arguments`].
    pub arguments: [Cell<u32>; 3],
}

const _: () = {
    assert!(size_of::<Queue>() == size_of::<InterruptQueue>() && size_of::<Entry>() == size_of::<Interrupt>());
    assert!(offset_of!(Queue, withheld) == offset_of!(InterruptQueue, withheld));
    assert!(offset_of!(Queue, ended) == offset_of!(InterruptQueue, ended));
    assert!(offset_of!(Queue, tail) == offset_of!(InterruptQueue, tail));
    assert!(offset_of!(Queue, mask) == offset_of!(InterruptQueue, mask));
    assert!(offset_of!(Queue, room) == offset_of!(InterruptQueue, room));
    assert!(offset_of!(Queue, entries) == offset_of!(InterruptQueue, entries));
};

/// The repossession vector, a [`RepossessionVector`] in cells.
#[repr(C)]
pub struct Vector {
    /// See [`RepossessionVector::head`].
    pub head: Cell<u32>,
    /// See [`RepossessionVector::unrecorded`].
    pub unrecorded: Cell<u32>,
    /// See [`RepossessionVector::tail`].
    pub tail: Cell<u32>,
    /// See [`RepossessionVector::entries`]: frame and place.
    pub entries: [[Cell<u32>; 2]; REPOSSESSION_ENTRIES],
}

const _: () = {
    assert!(size_of::<Vector>() == size_of::<RepossessionVector>());
    assert!(offset_of!(Vector, unrecorded) == offset_of!(RepossessionVector, unrecorded));
    assert!(offset_of!(Vector, tail) == offset_of!(RepossessionVector, tail));
    assert!(offset_of!(Vector, entries) == offset_of!(RepossessionVector, entries));
    assert!(offset_of!(Repossessed, frame) == 0 && offset_of!(Repossessed, place) == size_of::<u32>());
};

/// What the library knows of the floating-point unit: see [`super::fpu`].
#[repr(C)]
pub struct Fpu {
    /// 1: it is on, and the registers are in it.
    pub on: Cell<u32>,
    /// 1: it was on before, and unless it is again, the registers are here.
    pub saved: Cell<u32>,
    /// The control register.
    pub control: Cell<u32>,
    /// The others.
    pub registers: [Cell<u32>; 32],
}

/// What a process and its parent share.
#[repr(C)]
pub struct Family {
    /// Bytes of the arguments, written by the parent; 0: the program is the first, whose command
    /// line the kernel has.
    pub argument_bytes: Cell<u32>,
    /// The arguments: see [`crate::arguments`].
    pub arguments: [Cell<u8>; arguments::BYTES],
    /// Has the process ended by itself?
    pub exited: Cell<u32>,
    /// Its exit status then.
    pub status: Cell<u32>,
}

/// What the library counts. Each wraps around at 2^32.
#[repr(C)]
pub struct Counts {
    /// Misses of pages that were handed to the library.
    pub misses: Cell<u32>,
    /// Misses of pages of the page table itself.
    pub table_misses: Cell<u32>,
    /// Pages that the miss handler has given a frame.
    pub zero_fills: Cell<u32>,
}

/// The state of the library.
#[repr(C, align(4096))]
pub struct State {
    /// Unused: in the program's file, a save area at the very start of the image would have the address 0, which says
    /// that there is none.
    nothing: SaveArea,
    /// The resume slot: where the general stubs continue the program.
    pub slot: Cell<u32>,
    /// The kernel's save area for TLB misses. Not first in the page: in the image's context, address 0 means none.
    pub tlbx: SaveArea,
    /// The kernel's save area for other exceptions.
    pub genx: SaveArea,
    /// The kernel's save area for interrupts and the end of a slice.
    pub intx: SaveArea,
    /// The interrupt queue.
    pub queue: Queue,
    /// The repossession vector.
    pub vector: Vector,
    /// Stack pointer of what goes on when the program has the processor again: see [`super::park`].
    pub parked: Cell<u32>,
    /// The lowest of what is parked: a frame of three words.
    pub bottom: [Cell<u32>; 3],
    /// Is a request being served?
    pub serving: Cell<u32>,
    /// Is a message being handled?
    pub handling: Cell<u32>,
    /// 1: an upcall came when the library could not take it, and is to be made up for: see [`super::interrupt`].
    pub deferred: Cell<u32>,
    /// Where the last upcall fell: for the tests, which see to it that they fall everywhere.
    pub interrupted: Cell<u32>,
    /// Where the stub that defers an upcall continues.
    pub deferred_epc: Cell<u32>,
    /// Where the interrupt stub continues the program; EPC on its way there, too.
    pub interrupt_slot: Cell<u32>,
    /// `a2` while the miss handler finds out what has missed.
    pub miss_a2: Cell<u32>,
    /// Functions that answer requests and messages: see [`crate::rpc`].
    pub handlers: [Cell<u32>; 3],
    /// The floating-point unit.
    pub fpu: Fpu,
    /// For the parent's eyes.
    pub family: Family,
    /// EPC on its way from its register to the exception stack.
    pub epc: Cell<u32>,
    /// BadVAddr, alike.
    pub badvaddr: Cell<u32>,
    /// Cause, alike.
    pub cause: Cell<u32>,
    /// One frame for misses of pages, one for misses of the page table that happen meanwhile.
    pub miss: [MissFrame; 2],
    /// Counters.
    pub counts: Counts,
    /// Error code of the call with which the last miss failed, or 0 where there was no mapping.
    pub miss_error: Cell<u32>,
    /// How far the end of the program has got: see [`crate::report`].
    pub dying: Cell<u32>,
    /// Frame of the first page of the image.
    pub first_frame: Cell<u32>,
}

/// The page directory.
#[repr(C, align(4096))]
pub struct Directory(pub [Cell<u32>; 1024]);

const fn zero() -> Cell<u32> {
    Cell::new(0)
}

const fn zeros<const N: usize>() -> [Cell<u32>; N] {
    [const { zero() }; N]
}

const fn save_area() -> SaveArea {
    SaveArea { a: zeros() }
}

const fn miss_frame() -> MissFrame {
    MissFrame {
        at: zero(),
        v: zeros(),
        a: zeros(),
        t: zeros(),
        hi: zero(),
        lo: zero(),
        epc: zero(),
        badvaddr: zero(),
        cause: zero(),
        entry: zero(),
    }
}

const fn queue() -> Queue {
    Queue {
        head: zero(),
        overflow: zeros(),
        withheld: zero(),
        ended: zero(),
        tail: zero(),
        mask: zero(),
        room: zero(),
        cuts: zero(),
        entries: [const { Entry { kind: zero(), arguments: zeros() } }; QUEUE_ENTRIES],
    }
}

/// The one state. The linker puts it at [`layout::STATE`].
#[unsafe(link_section = ".pinned.state")]
pub static STATE: State = State {
    nothing: save_area(),
    tlbx: save_area(),
    genx: save_area(),
    intx: save_area(),
    queue: queue(),
    vector: Vector {
        head: zero(),
        unrecorded: zero(),
        tail: zero(),
        entries: [const { [zero(), zero()] }; REPOSSESSION_ENTRIES],
    },
    parked: zero(),
    bottom: zeros(),
    serving: zero(),
    handling: zero(),
    deferred: zero(),
    interrupted: zero(),
    deferred_epc: zero(),
    interrupt_slot: zero(),
    miss_a2: zero(),
    handlers: zeros(),
    fpu: Fpu { on: zero(), saved: zero(), control: zero(), registers: zeros() },
    family: Family {
        argument_bytes: zero(),
        arguments: [const { Cell::new(0) }; arguments::BYTES],
        exited: zero(),
        status: zero(),
    },
    slot: zero(),
    epc: zero(),
    badvaddr: zero(),
    cause: zero(),
    miss: [miss_frame(), miss_frame()],
    counts: Counts { misses: zero(), table_misses: zero(), zero_fills: zero() },
    miss_error: zero(),
    dying: zero(),
    first_frame: zero(),
};

/// The one directory. The linker puts it at [`layout::DIRECTORY`].
#[unsafe(link_section = ".pinned.directory")]
pub static DIRECTORY: Directory = Directory(zeros());

/// Address of the save area for TLB misses.
pub const TLBX: usize = layout::STATE.start as usize + offset_of!(State, tlbx);
/// Address of the save area for other exceptions.
pub const GENX: usize = layout::STATE.start as usize + offset_of!(State, genx);
/// Address of the save area for interrupts.
pub const INTX: usize = layout::STATE.start as usize + offset_of!(State, intx);
/// Address of the interrupt queue.
pub const QUEUE: usize = layout::STATE.start as usize + offset_of!(State, queue);
/// Address of the repossession vector.
pub const VECTOR: usize = layout::STATE.start as usize + offset_of!(State, vector);
/// Address of the resume slot.
pub const SLOT: usize = layout::STATE.start as usize + offset_of!(State, slot);
/// Address of the frame for misses of pages.
pub const MISS: usize = layout::STATE.start as usize + offset_of!(State, miss);
/// Address of the frame for misses of the page table.
pub const TABLE_MISS: usize = MISS + size_of::<MissFrame>();

/// Address of a field of the state.
macro_rules! address_of {
    ($($field:tt)+) => {
        $crate::layout::STATE.start as usize + core::mem::offset_of!($crate::rt::state::State, $($field)+)
    };
}
pub(super) use address_of;

const _: () = {
    assert!(offset_of!(State, tlbx) != 0 && offset_of!(State, genx) != 0);
    assert!(size_of::<State>() == layout::STATE.pages as usize * 4096);
    assert!(size_of::<Directory>() == layout::DIRECTORY.pages as usize * 4096);
    assert!(size_of::<SaveArea>() == SAVE_AREA_BYTES as usize);
};
