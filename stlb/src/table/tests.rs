//! What cannot be seen from outside: the order of writes.

use super::*;
use crate::Hash;
use std::boxed::Box;

/// A processor whose entries check that their tag is off while their halves change.
enum Observed {}

#[repr(C)]
pub(crate) struct ObservedEntry {
    tag: Word,
    halves: [Word; 2],
}

impl Entry for ObservedEntry {
    const EMPTY: Self = ObservedEntry { tag: Word::new(NO_TAG), halves: [const { Word::new(0) }; 2] };

    fn tag(&self) -> &Word {
        &self.tag
    }

    fn lo(&self, half: usize) -> Lo {
        Lo(self.halves[half].get())
    }

    fn set_lo(&self, half: usize, lo: Lo) {
        assert_eq!(self.tag.get(), NO_TAG, "a refill at this moment would load a mixture");
        self.halves[half].set(lo.0);
    }

    fn registers(&self) -> Registers {
        [self.halves[0].get(), self.halves[1].get()]
    }
}

impl Geometry for Observed {
    type Entry = ObservedEntry;
    const PAGES: usize = 2;
    const TAG_MASK: u32 = Mips32::TAG_MASK;
    const ASID_SHIFT: u32 = Mips32::ASID_SHIFT;
    const VPN_SHIFT: u32 = Mips32::VPN_SHIFT;
    const ENTRY_LO: u32 = Mips32::ENTRY_LO;

    /// Everything collides.
    fn hash(_: u32, _: usize) -> Hash {
        Hash { offset: 7 * size_of::<ObservedEntry>() as u32, ..Hash::default() }
    }

    fn entry_lo(lo: Lo) -> u32 {
        lo.0
    }
}

#[test]
fn halves_change_only_while_the_tag_is_off() {
    let stlb = Box::new(Stlb::<Observed>::new());
    let context = |n: u32| n << Observed::VPN_SHIFT;
    for round in 0..3 {
        for n in 0..16 {
            stlb.insert(context(n), n as usize % 2, Lo::writable(n + round));
        }
    }
    // Where it stands in the table, in the overflow buffer, and through a scan
    stlb.replace(context(15), [Lo::read_only(1); 2]);
    stlb.replace(context(14), [Lo::read_only(2); 2]);
    stlb.scan(0, 0, |line| Edit::Replace([Lo::read_only(3), line.lo[1]]));
    assert_eq!(stlb.probe(context(14)).unwrap().lo, [Lo::read_only(3), Lo::read_only(2)]);
    assert!(stlb.is_in_overflow(context(14)) && !stlb.is_in_overflow(context(15)));
}

#[test]
fn words_are_those_of_the_entries_and_nothing_else() {
    let stlb = Box::new(Stlb::<Observed>::new());
    stlb.insert(0x40, 0, Lo::read_only(1));
    stlb.insert(0x50, 1, Lo::read_only(2));
    let entry = size_of::<ObservedEntry>();
    assert_eq!([0, 4, 8].map(|word| stlb.word(7 * entry + word)), [Some(0x50), Some(0), Some(Lo::read_only(2).0)]);
    assert_eq!([0, 4, 8].map(|word| stlb.word(SLOTS * entry + word)), [Some(0x40), Some(Lo::read_only(1).0), Some(0)]);
    let end = (SLOTS + OVERFLOW) * entry;
    assert_eq!((stlb.word(end - 4), stlb.word(end), stlb.word(usize::MAX - 3)), (Some(0), None, None));
    assert_eq!([1, 2, 3].map(|odd| stlb.word(odd)), [None; 3]);
}
