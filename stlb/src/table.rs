//! Table and overflow buffer.

use crate::geometry::{Entry, Geometry, Line, Mips32, NO_TAG, R3000, Registers};
use crate::overflow::Overflow;
use crate::{Lo, OVERFLOW, SLOTS, operands};
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ops::Range;

/// A word that the refill sequence may read between any two instructions: every access is volatile, so writes happen in
/// the order in which they stand.
#[derive(Debug)]
#[repr(transparent)]
pub struct Word(UnsafeCell<u32>);

// SAFETY: there is one processor, and only the kernel, which nothing interrupts, writes; a word is read whole.
#[cfg(target_os = "none")]
unsafe impl Sync for Word {}

impl Word {
    /// A word with this value.
    pub const fn new(value: u32) -> Word {
        Word(UnsafeCell::new(value))
    }

    /// Its value.
    #[inline]
    pub fn get(&self) -> u32 {
        // SAFETY: the cell is valid and aligned, and no reference into it ever exists.
        unsafe { self.0.get().read_volatile() }
    }

    /// Gives it a value.
    #[inline]
    pub fn set(&self, value: u32) {
        // SAFETY: as in `get`; on one processor a whole word is written at once.
        unsafe { self.0.get().write_volatile(value) }
    }
}

/// What becomes of a line that a scan has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edit {
    /// It stays as it is.
    Keep,
    /// Its halves become these. Where none is valid, the line goes.
    Replace([Lo; 2]),
}

/// The software TLB: table, with the overflow buffer right behind it.
///
/// The alignment lets MIPS32's refill sequence put an index into the table's address with one instruction. The R3000's
/// adds, and its table is half as large: for it, half the alignment would do.
#[repr(C, align(131072))]
pub struct Stlb<G: Geometry> {
    table: [G::Entry; SLOTS],
    overflow: Overflow<G>,
}

/// What an insertion has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inserted {
    /// What the half was bound to before.
    pub previous: Lo,
    /// The halves of the line as it now is, for the hardware TLB.
    pub registers: Registers,
    /// The line that had to leave, if any.
    pub evicted: Option<Line>,
}

impl<G: Geometry> Default for Stlb<G> {
    fn default() -> Self {
        Self::new()
    }
}

impl<G: Geometry> Stlb<G> {
    /// An empty software TLB.
    pub const fn new() -> Self {
        Stlb { table: [const { <G::Entry as Entry>::EMPTY }; SLOTS], overflow: Overflow::new() }
    }

    /// The line for a Context register, if it stands in table or overflow buffer.
    pub fn probe(&self, context: u32) -> Option<Line> {
        self.find(context).map(Entry::line)
    }

    /// The halves of the line for a Context register, for the hardware TLB; zeros if it stands nowhere.
    pub fn registers(&self, context: u32) -> Registers {
        self.find(context).map_or([0; 2], Entry::registers)
    }

    /// Is the line for this Context register in the overflow buffer?
    pub fn is_in_overflow(&self, context: u32) -> bool {
        self.overflow.find(context).is_some()
    }

    /// Binds half `half` of the pair that `context` names to `lo`, and keeps the other half as it stands.
    ///
    /// The pair is taken from wherever it stands and put into the table; what stood in its slot moves to the overflow
    /// buffer, where a line may have to make room for it. Where no half is valid afterwards, the pair is gone, and nothing
    /// else moves.
    #[inline]
    pub fn insert(&self, context: u32, half: usize, lo: Lo) -> Inserted {
        debug_assert!(
            context.trailing_zeros() >= G::VPN_SHIFT,
            "{context:#x} is no Context register: its low bits are 0"
        );
        debug_assert!(half < G::PAGES, "an entry has no half {half}");
        let slot = &self.table[G::slot(context)];
        let occupant = slot.tag().get();
        let (previous, moving) = if occupant == context {
            slot.tag().set(NO_TAG);
            let previous = slot.lo(half);
            slot.set_lo(half, lo);
            (previous, None)
        } else {
            let mut line = self.overflow.take(context).unwrap_or(Line::empty(context));
            let previous = core::mem::replace(&mut line.lo[half], lo);
            if line.is_empty() {
                return Inserted { previous, registers: [0; 2], evicted: None };
            }
            let moving = (occupant != NO_TAG).then(|| slot.line());
            slot.tag().set(NO_TAG);
            slot.set_halves(line.lo);
            (previous, moving)
        };
        if !slot.is_void() {
            slot.tag().set(context);
        }
        let evicted = moving.and_then(|moving| self.overflow.push(moving));
        Inserted { previous, registers: slot.registers(), evicted }
    }

    /// Replaces the halves of the line for `context`, where it stands. Where none is valid, the line goes. Does nothing if
    /// it stands nowhere.
    pub fn replace(&self, context: u32, lo: [Lo; 2]) {
        let slot = &self.table[G::slot(context)];
        if context != NO_TAG && slot.tag().get() == context {
            write(slot, Line { context, lo });
        } else if let Some(entry) = self.overflow.find(context) {
            self.overflow.write(entry, Line { context, lo });
        }
    }

    /// Shows every line whose Context register is `context` under `mask` to `edit`, and does to it what that says.
    pub fn scan(&self, mask: u32, context: u32, mut edit: impl FnMut(Line) -> Edit) {
        self.scan_slots(0..SLOTS, mask, context, &mut edit);
        self.scan_overflow(mask, context, edit);
    }

    /// As [`scan`](Self::scan), in these slots of the table.
    ///
    /// # Panics
    /// Where the table has no such slots.
    pub fn scan_slots(&self, range: Range<usize>, mask: u32, context: u32, mut edit: impl FnMut(Line) -> Edit) {
        let mut slots = &self.table[range];
        while let Some(n) = first::<G>(slots, mask, context) {
            if let Edit::Replace(lo) = edit(slots[n].line()) {
                write(&slots[n], Line { context: slots[n].tag().get(), lo });
            }
            slots = &slots[n + 1..];
        }
    }

    /// As [`scan`](Self::scan), in the overflow buffer.
    pub fn scan_overflow(&self, mask: u32, context: u32, mut edit: impl FnMut(Line) -> Edit) {
        for entry in self.overflow.entries() {
            if is_under::<G>(entry, mask, context)
                && let Edit::Replace(lo) = edit(entry.line())
            {
                self.overflow.write(entry, Line { context: entry.tag().get(), lo });
            }
        }
    }

    /// The word at a byte offset of table and overflow buffer, as the refill sequence, or a program that has them mapped,
    /// loads it. `None` where no entry is, or between two words.
    pub fn word(&self, offset: usize) -> Option<u32> {
        if offset >= (SLOTS + OVERFLOW) * size_of::<G::Entry>() || !offset.is_multiple_of(size_of::<Word>()) {
            return None;
        }
        // SAFETY: `Stlb` starts with `SLOTS + OVERFLOW` entries, one after the other; an entry is made of `Word`s
        // alone (the trait is sealed); and the offset is a multiple of a `Word`.
        let word = unsafe { &*core::ptr::from_ref(self).cast::<Word>().byte_add(offset) };
        Some(word.get())
    }

    fn find(&self, context: u32) -> Option<&G::Entry> {
        // An empty entry holds NO_TAG, and so would be taken for the line of that "Context".
        if context == NO_TAG {
            return None;
        }
        let slot = &self.table[G::slot(context)];
        if slot.tag().get() == context { Some(slot) } else { self.overflow.find(context) }
    }
}

/// Does the entry hold a line whose Context register is `context` under `mask`?
#[inline(always)]
fn is_under<G: Geometry>(entry: &G::Entry, mask: u32, context: u32) -> bool {
    let tag = entry.tag().get();
    (tag ^ context) & mask == 0 && tag != NO_TAG
}

/// The first of the slots for which [`is_under`] holds. It is a function of its own so that its loop, which goes through the whole table, keeps
/// all that it needs in registers: six instructions a slot.
#[inline(never)]
fn first<G: Geometry>(slots: &[G::Entry], mask: u32, context: u32) -> Option<usize> {
    slots.iter().position(|entry| is_under::<G>(entry, mask, context))
}

/// Writes a line in the stated order: tag off, halves, tag on. A line without a valid half leaves the entry empty.
pub(crate) fn write<E: Entry>(entry: &E, line: Line) {
    entry.tag().set(NO_TAG);
    entry.set_halves(line.lo);
    if !entry.is_void() {
        entry.tag().set(line.context);
    }
}

// What the refill sequences take for granted: an index can be put into the low bits of the table's address (MIPS32), `lui`
// loads all of it, and the overflow buffer follows the table.
const _: () = {
    assert!(align_of::<Stlb<Mips32>>() >= operands::mips32::TABLE);
    assert!(offset_of!(Stlb<Mips32>, table) == 0 && offset_of!(Stlb<R3000>, table) == 0);
    assert!(offset_of!(Stlb<Mips32>, overflow) == operands::mips32::TABLE);
    assert!(align_of::<Stlb<R3000>>() >= 1 << 16);
    assert!(offset_of!(Stlb<R3000>, overflow) == operands::r3000::TABLE);
    // The offset of an entry is an operand of `andi`, and `ins` takes no more bits than the hash has.
    assert!(SLOTS.is_power_of_two() && operands::r3000::OFFSET_MASK <= 0xffff);
};

#[cfg(test)]
pub(crate) mod tests;
