//! Frames that the kernel wants back (thesis 2.4), for an environment that has fewer than are reserved for it.
//!
//! It asks first, by an interrupt of the kind [`REVOCATION`](crate::interrupts::REVOCATION). Which frames a program can do without the program
//! knows best: [`answer`] says what it does then. Memory whose contents can be made anew it gives up by
//! [`Region::discard`](crate::region::Region::discard).
//!
//! Whoever does not answer within two slices is robbed. What the library itself needs is reserved and stays: state, page directory, print
//! buffer, exception stack, stubs. The library then mends its page table: a page that is gone is mapped to the copy of its contents, where
//! the program has prepared a place for one, and else to nothing, so that touching it is an exception. A page of the page table itself
//! cannot be mended: all that it maps is gone. So answer.

use crate::interrupts;
use crate::rt::cell::Cell;
use crate::rt::memory::PAGE_TABLE;
use crate::rt::state::STATE;
use aegis_abi::limits::{PAGE_SHIFT, REPOSSESSION_ENTRIES};

/// Says what the program gives up when it is asked for so many frames: as for
/// [`interrupts::handle`], it is done between any two instructions of the program, outside critical
/// sections. What it allocates may need frames, of which there are too few.
pub fn answer(with: Option<fn(u32)>) {
    ANSWER.set(with);
    interrupts::handle(interrupts::REVOCATION, with.map(|_| asked as interrupts::Handler));
}

static ANSWER: Cell<Option<fn(u32)>> = Cell::new(None);

fn asked([frames, ..]: [u32; 3]) {
    if let Some(answer) = ANSWER.get() {
        answer(frames);
    }
}

/// A page that was taken by force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loss {
    /// The frame.
    pub frame: u32,
    /// Address of the page that was mapped to it. Where there were several, each is told.
    pub va: u32,
    /// The frame that has the contents now.
    pub copy: Option<u32>,
}

/// Says what is done when mapped pages have been taken by force, once for each, as the page table is mended.
pub fn handle_losses(with: Option<fn(Loss)>) {
    LOSSES.set(with);
}

static LOSSES: Cell<Option<fn(Loss)>> = Cell::new(None);

/// Prepares for force: the `i`-th of the frames that are taken next is to be `frame`, if that is still the program's, and its contents are to
/// go to frame `copy`, which the program may write. In place of either there may be none.
///
/// # Panics
/// When `i` is not below [`REPOSSESSION_ENTRIES`].
pub fn prepare(i: usize, frame: Option<u32>, copy: Option<u32>) {
    assert!(i < REPOSSESSION_ENTRIES, "the vector has {REPOSSESSION_ENTRIES} entries");
    let vector = &STATE.vector;
    // None is taken in between.
    interrupts::masked(|| {
        let [first, second] = &vector.entries[(vector.head.get() as usize + i) % REPOSSESSION_ENTRIES];
        first.set(frame.unwrap_or(0));
        second.set(copy.unwrap_or(0));
    });
}

/// Frames that were taken by force so far.
pub fn lost() -> u32 {
    STATE.vector.head.get().wrapping_add(STATE.vector.unrecorded.get())
}

/// Mends the page table after frames have been taken.
pub(crate) fn mend(_: [u32; 3]) {
    let vector = &STATE.vector;
    let (tail, head) = (vector.tail.get(), vector.head.get());
    let entry = |n: u32| {
        let [frame, place] = &vector.entries[n as usize % REPOSSESSION_ENTRIES];
        (frame.get(), Some(place.get()).filter(|&place| place != 0))
    };
    let count = head.wrapping_sub(tail).min(REPOSSESSION_ENTRIES as u32);
    // Most entries of the page table name none of them: a bit for each, by its lowest bits, tells that fast.
    let bit = |frame: u32| 1u64 << (frame % u64::BITS);
    let some = (0..count).fold(0, |bits, n| bits | bit(entry(tail.wrapping_add(n)).0));
    let find = |frame: u32| (0..count).map(|n| entry(tail.wrapping_add(n))).find(|&(gone, _)| gone == frame);
    let lost = |frame: u32| if some & bit(frame) == 0 { None } else { find(frame) };
    // The page table is read below: what is gone of it goes first.
    for n in 0..count {
        PAGE_TABLE.lose_table(entry(tail.wrapping_add(n)).0);
    }
    let tell = |vpn: u32, frame| {
        if let (Some(handler), Some((_, copy))) = (LOSSES.get(), lost(frame)) {
            handler(Loss { frame, va: vpn << PAGE_SHIFT, copy });
        }
    };
    PAGE_TABLE.lose(|frame| lost(frame).map(|(_, copy)| copy), tell, interrupts::give_way);
    for n in 0..count {
        vector.entries[tail.wrapping_add(n) as usize % REPOSSESSION_ENTRIES].iter().for_each(|word| word.set(0));
    }
    vector.tail.set(head);
}
