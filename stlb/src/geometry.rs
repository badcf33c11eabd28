//! What differs between the two processors: the shape of an entry, the layout of Context and EntryLo, and the hash.

use crate::Lo;
use crate::table::Word;

/// Bits that a user virtual address has.
const USER_ADDRESS_BITS: u32 = 31;
/// log2 of the bytes in a page.
const PAGE_SHIFT: u32 = 12;

/// What one entry maps: the Context register of a reference to it (process tag and page or page pair), and the `lo` word
/// of each page. The R3000 has one page an entry; there the second half is always invalid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Process tag and virtual page (pair), as the Context register holds them.
    pub context: u32,
    /// The even and the odd page, or just one.
    pub lo: [Lo; 2],
}

impl Line {
    /// A line without a valid half.
    pub const fn empty(context: u32) -> Line {
        Line { context, lo: [Lo::INVALID; 2] }
    }

    /// Is no half valid?
    #[inline]
    pub fn is_empty(&self) -> bool {
        !self.lo.iter().any(Lo::v)
    }
}

/// How a Context register becomes a slot: the words on the way, in the order in which the refill sequence makes them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Hash {
    /// Context, shifted so that the low bits of the page (pair) number meet the process tag.
    pub page: u32,
    /// Context, shifted so that the process tag meets these.
    pub tag: u32,
    /// Both combined, by an exclusive or.
    pub mixed: u32,
    /// That, brought down to its last place.
    pub moved: u32,
    /// The bits of it that count: the byte offset of the slot in the table.
    pub offset: u32,
}

/// A processor's way of translating.
pub trait Geometry {
    /// An entry of table and overflow buffer, as the refill sequence reads it.
    type Entry: Entry;

    /// Pages that an entry maps: 1 or 2.
    const PAGES: usize;
    /// The process tag in the Context register (the field PTEBase).
    const TAG_MASK: u32;
    /// Position of the address space identifier in EntryHi.
    const ASID_SHIFT: u32;
    /// Position of the virtual page (pair) number in the Context register.
    const VPN_SHIFT: u32;
    /// Bits of an EntryLo register that the hardware TLB keeps.
    const ENTRY_LO: u32;

    /// The Context register of a reference to `va`, a user address, under the process tag in the high bits of `tag`.
    fn context(tag: u32, va: u32) -> u32 {
        let vpn = (va & ((1 << USER_ADDRESS_BITS) - 1)) >> (PAGE_SHIFT + Self::PAGES as u32 - 1);
        (tag & Self::TAG_MASK) | vpn << Self::VPN_SHIFT
    }

    /// The virtual address of the first page that a Context register names.
    fn va(context: u32) -> u32 {
        (context & !Self::TAG_MASK) >> Self::VPN_SHIFT << (PAGE_SHIFT + Self::PAGES as u32 - 1)
    }

    /// Which half of its entry maps `va`?
    fn half(va: u32) -> usize {
        (va >> PAGE_SHIFT) as usize & (Self::PAGES - 1)
    }

    /// How a Context register is hashed for a table of `slots` slots: a power of two, and two at least.
    fn hash(context: u32, slots: usize) -> Hash;

    /// The slot in which a Context register is looked for, in a table of `slots` slots: a power of two, and two at least.
    #[inline]
    fn slot_of(context: u32, slots: usize) -> usize {
        Self::hash(context, slots).offset as usize / size_of::<Self::Entry>()
    }

    /// The slot of the table in which a Context register is looked for.
    #[inline]
    fn slot(context: u32) -> usize {
        Self::slot_of(context, crate::SLOTS)
    }

    /// The EntryLo register for `lo`: never global, and all zeros where `lo` is invalid.
    fn entry_lo(lo: Lo) -> u32;
}

/// The EntryLo registers of an entry: EntryLo0 and EntryLo1, or just EntryLo, the second being 0. An invalid half is 0.
pub type Registers = [u32; 2];

mod sealed {
    /// Nobody else makes entries: `Stlb` relies on their being made of [`crate::Word`]s alone.
    pub trait Sealed {}
    impl Sealed for super::Mips32Entry {}
    impl Sealed for super::R3000Entry {}
    #[cfg(test)]
    impl Sealed for crate::table::tests::ObservedEntry {}
}

/// An entry of the table, in words that the refill sequence may read at any time.
pub trait Entry: sealed::Sealed {
    /// An entry that matches nothing.
    const EMPTY: Self;
    /// The tag word. That of an empty entry equals no Context register.
    fn tag(&self) -> &Word;
    /// One half; for an empty entry of no meaning.
    fn lo(&self, half: usize) -> Lo;
    /// Replaces one half, as far as an entry has it. The tag must be off.
    fn set_lo(&self, half: usize, lo: Lo);
    /// The halves as the refill sequence loads them.
    fn registers(&self) -> Registers;

    /// The entry's contents; for an empty entry of no meaning.
    fn line(&self) -> Line {
        Line { context: self.tag().get(), lo: [self.lo(0), self.lo(1)] }
    }
    /// Replaces the halves. The tag must be off.
    fn set_halves(&self, lo: [Lo; 2]) {
        self.set_lo(0, lo[0]);
        self.set_lo(1, lo[1]);
    }
    /// Is no half valid?
    fn is_void(&self) -> bool {
        self.registers() == [0; 2]
    }
}

/// A tag word that no Context register equals: its low bits read as zero on both processors.
pub(crate) const NO_TAG: u32 = 1;

/// MIPS32: an entry maps an even/odd pair of pages.
#[derive(Clone, Copy, Debug)]
pub enum Mips32 {}

/// An entry for [`Mips32`]: 16 bytes.
#[repr(C)]
pub struct Mips32Entry {
    pub(crate) tag: Word,
    pub(crate) lo0: Word,
    pub(crate) lo1: Word,
    /// The software's bits of both halves: bits 7:0 and 15:8.
    pub(crate) soft: Word,
}

impl Mips32 {
    /// The hash combines the low bits of the page pair's number with as many bits from the top of Context, where the
    /// process tag stands; this shift brings those down, for a table of `slots` slots.
    pub const fn hash_shift(slots: usize) -> u32 {
        u32::BITS - slots.trailing_zeros()
    }

    /// Cache attribute in EntryLo: cacheable.
    const CACHED: u32 = 3 << 3;
    /// Cache attribute in EntryLo: uncached.
    const UNCACHED: u32 = 2 << 3;

    /// The `lo` word for an EntryLo register and the software's bits.
    fn lo(entry_lo: u32, soft: u32) -> Lo {
        if entry_lo & 2 == 0 {
            return Lo::INVALID;
        }
        let mut lo = Lo(soft & Lo::SOFT);
        lo.set_v(true);
        lo.set_d(entry_lo & 4 != 0);
        lo.set_n(entry_lo & 0x38 == Mips32::UNCACHED);
        lo.set_pfn(entry_lo >> 6);
        lo
    }
}

impl Geometry for Mips32 {
    type Entry = Mips32Entry;
    const PAGES: usize = 2;
    const TAG_MASK: u32 = 0xff80_0000;
    const ASID_SHIFT: u32 = 0;
    const VPN_SHIFT: u32 = 4;
    const ENTRY_LO: u32 = 0x03ff_ffff;

    /// `(context >> 4 ^ context >> 19) & 8191`; in a smaller table the process tag is brought down further, so that all of it counts.
    #[inline]
    fn hash(context: u32, slots: usize) -> Hash {
        let (page, tag) = (context >> Self::VPN_SHIFT, context >> Self::hash_shift(slots));
        let mixed = page ^ tag;
        let offset = (mixed & (slots as u32 - 1)) * size_of::<Mips32Entry>() as u32;
        Hash { page, tag, mixed, moved: mixed, offset }
    }

    /// EntryLo of MIPS32: PFN 25:6, C 5:3, D 2, V 1, G 0.
    fn entry_lo(lo: Lo) -> u32 {
        /// From V, D and PFN of a `lo` word to those of EntryLo.
        const SHIFT: u32 = Lo::V.trailing_zeros() - 1;
        if !lo.v() {
            return 0;
        }
        let cache = if lo.n() { Self::UNCACHED } else { Self::CACHED };
        lo.pfn() << 6 | cache | (lo.0 & (Lo::V | Lo::D)) >> SHIFT
    }
}

impl Entry for Mips32Entry {
    const EMPTY: Self =
        Mips32Entry { tag: Word::new(NO_TAG), lo0: Word::new(0), lo1: Word::new(0), soft: Word::new(0) };

    fn tag(&self) -> &Word {
        &self.tag
    }

    #[inline]
    fn lo(&self, half: usize) -> Lo {
        Mips32::lo(self.half(half).get(), self.soft.get() >> Self::soft_shift(half))
    }

    #[inline]
    fn set_lo(&self, half: usize, lo: Lo) {
        let shift = Self::soft_shift(half);
        self.half(half).set(Mips32::entry_lo(lo));
        self.soft.set(self.soft.get() & !(Lo::SOFT << shift) | (lo.kept().0 & Lo::SOFT) << shift);
    }

    #[inline]
    fn registers(&self) -> Registers {
        [self.lo0.get(), self.lo1.get()]
    }
}

impl Mips32Entry {
    fn half(&self, half: usize) -> &Word {
        if half == 0 { &self.lo0 } else { &self.lo1 }
    }

    /// Where the software's bits of a half stand.
    fn soft_shift(half: usize) -> usize {
        half * Lo::SOFT.count_ones() as usize
    }
}

/// R3000: an entry maps one page.
#[derive(Clone, Copy, Debug)]
pub enum R3000 {}

/// An entry for [`R3000`]: 8 bytes (thesis figure 9-6). The EntryLo register ignores its low 8 bits, so they keep the
/// software's.
#[repr(C)]
pub struct R3000Entry {
    pub(crate) tag: Word,
    pub(crate) lo: Word,
}

impl R3000 {
    /// The shifts of the thesis' hash.
    pub(crate) const HASH_UP: u32 = 17;
    pub(crate) const HASH_DOWN: u32 = 16;

    /// The bits of an entry's byte offset in a table of `slots` slots.
    pub const fn offset_mask(slots: usize) -> u32 {
        (slots * size_of::<R3000Entry>() - 1) as u32 & !(size_of::<R3000Entry>() as u32 - 1)
    }
}

impl Geometry for R3000 {
    type Entry = R3000Entry;
    const PAGES: usize = 1;
    const TAG_MASK: u32 = 0xffe0_0000;
    const ASID_SHIFT: u32 = 6;
    const VPN_SHIFT: u32 = 2;
    const ENTRY_LO: u32 = !Lo::SOFT;

    /// The thesis' hash, figure 9-7: `((context << 17 ^ context) >> 16) & STLB_MASK & ~7` is the byte offset.
    #[inline]
    fn hash(context: u32, slots: usize) -> Hash {
        let (page, tag) = (context << Self::HASH_UP, context);
        let mixed = page ^ tag;
        let moved = mixed >> Self::HASH_DOWN;
        Hash { page, tag, mixed, moved, offset: moved & Self::offset_mask(slots) }
    }

    /// EntryLo of the R3000 is the interface's word, but never global.
    fn entry_lo(lo: Lo) -> u32 {
        lo.kept().0
    }
}

impl Entry for R3000Entry {
    const EMPTY: Self = R3000Entry { tag: Word::new(NO_TAG), lo: Word::new(0) };

    fn tag(&self) -> &Word {
        &self.tag
    }

    #[inline]
    fn lo(&self, half: usize) -> Lo {
        if half == 0 { Lo(self.lo.get()) } else { Lo::INVALID }
    }

    #[inline]
    fn set_lo(&self, half: usize, lo: Lo) {
        if half == 0 {
            self.lo.set(R3000::entry_lo(lo));
        }
    }

    #[inline]
    fn registers(&self) -> Registers {
        [self.lo.get(), 0]
    }
}

const _: () = {
    assert!(size_of::<Mips32Entry>() == 16 && size_of::<R3000Entry>() == 8);
    // A byte offset from the hash needs no multiplication: the entries are as far apart as the pages in Context.
    assert!(size_of::<Mips32Entry>() == 1 << Mips32::VPN_SHIFT);
};
