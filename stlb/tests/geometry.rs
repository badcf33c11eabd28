//! Hash, Context and entries against their definitions.

use proptest::prelude::*;
use std::collections::HashSet;
use stlb::model::Machine;
use stlb::{Geometry, Line, Lo, Mips32, R3000, SLOTS, Stlb};

/// What must come back of a half that was stored.
fn kept(lo: Lo) -> Lo {
    match (lo.v(), lo.0) {
        (false, _) => Lo(0),
        (true, word) => Lo(word & 0xffff_feff), // G is bit 8 of figure 9-8
    }
}

/// Stores both halves, and returns them as they come back, with the words of the entry.
fn stored<G: Geometry>(context: u32, lo: [Lo; 2]) -> (Option<Line>, [u32; 3]) {
    let stlb = Box::new(Stlb::<G>::new());
    for (half, lo) in lo.into_iter().enumerate().take(G::PAGES) {
        stlb.insert(context, half, lo);
    }
    let entry = G::slot(context) * size_of::<G::Entry>();
    (stlb.probe(context), [0, 4, 8].map(|word| stlb.word(entry + word).unwrap()))
}

proptest! {
    #[test]
    fn mips32_hashes_as_defined(context: u32) {
        // 19 and 8191, unless the table is smaller
        let slot = (context >> 4 ^ context >> (32 - SLOTS.ilog2())) as usize & (SLOTS - 1);
        prop_assert_eq!(Mips32::slot(context), slot);
        prop_assert_eq!(Mips32::slot(context), Machine::Malta.slot(context));
    }

    #[test]
    fn r3000_hashes_as_figure_9_7(context: u32) {
        // sll, xor, srl, andi: the offset of an entry of 8 bytes
        let offset = ((context << 17 ^ context) >> 16) & (SLOTS as u32 * 8 - 1) & !7;
        prop_assert_eq!(R3000::slot(context) * 8, offset as usize);
        prop_assert_eq!(R3000::slot(context), Machine::Decstation.slot(context));
    }

    #[test]
    fn a_table_of_any_size_is_hashed_as_one_of_the_usual_size(context: u32, bits in 1..=13u32) {
        let slots = 1usize << bits;
        let (malta, decstation) = (Mips32::slot_of(context, slots), R3000::slot_of(context, slots));
        prop_assert!(malta < slots && decstation < slots);
        // The tag comes from the top of Context, however many bits a slot has; on the R3000 the upper bits are left out.
        prop_assert_eq!(malta, (context >> 4 ^ context >> (32 - bits)) as usize % slots);
        prop_assert_eq!(decstation, R3000::slot_of(context, 8192) % slots);
        prop_assert_eq!([Mips32::slot_of(context, SLOTS), R3000::slot_of(context, SLOTS)], [Mips32::slot(context), R3000::slot(context)]);
    }

    #[test]
    fn context_is_tag_and_page(tag: u32, va in 0..0x8000_0000u32) {
        let (malta, decstation) = (Mips32::context(tag, va), R3000::context(tag, va));
        prop_assert_eq!(malta, Machine::Malta.context(tag >> 23, va));
        prop_assert_eq!(decstation, Machine::Decstation.context(tag >> 21, va));
        prop_assert_eq!(Mips32::va(malta), va / 8192 * 8192);
        prop_assert_eq!(R3000::va(decstation), va / 4096 * 4096);
        prop_assert_eq!(Mips32::half(va), Machine::Malta.half(va));
        prop_assert_eq!(R3000::half(va), 0);
        // A kernel address names no other process' page
        prop_assert_eq!(Mips32::context(tag, va | 0x8000_0000), malta);
        prop_assert_eq!(R3000::context(tag, va | 0x8000_0000), decstation);
    }

    #[test]
    fn mips32_entries_keep_both_halves(context: u32, words: [u32; 2]) {
        let (context, lo) = (context & !15, words.map(Lo));
        let (line, entry) = stored::<Mips32>(context, lo);
        if !lo[0].v() && !lo[1].v() {
            prop_assert_eq!(line, None);
            return Ok(());
        }
        prop_assert_eq!(line.unwrap().lo, lo.map(kept));
        prop_assert_eq!(entry[0], context);
        for (lo, entry_lo) in lo.into_iter().zip(&entry[1..]) {
            prop_assert_eq!(*entry_lo, Mips32::entry_lo(lo));
            prop_assert_eq!(*entry_lo, Machine::Malta.entry_lo(lo));
            if lo.v() {
                let field = |low: u32, bits: u32| entry_lo >> low & ((1 << bits) - 1);
                let cache = if lo.n() { 2 } else { 3 };
                let fields = [field(6, 20), field(3, 3), field(2, 1), field(1, 1), field(0, 1), field(26, 6)];
                prop_assert_eq!(fields, [lo.pfn(), cache, u32::from(lo.d()), 1, 0, 0]);
            } else {
                prop_assert_eq!(*entry_lo, 0);
            }
        }
    }

    #[test]
    fn r3000_entries_keep_their_page(context: u32, word: u32) {
        let (context, lo) = (context & !3, Lo(word));
        let (line, entry) = stored::<R3000>(context, [lo, Lo::INVALID]);
        prop_assert_eq!(R3000::entry_lo(lo), Machine::Decstation.entry_lo(lo));
        if lo.v() {
            prop_assert_eq!(line.unwrap().lo, [kept(lo), Lo::INVALID]);
            prop_assert_eq!(&entry[..2], [context, word & !0x100]);
        } else {
            prop_assert_eq!(line, None);
        }
    }

    #[test]
    fn fields_stand_where_figure_9_8_has_them(word: u32) {
        let lo = Lo(word);
        let flags = [lo.w(), lo.g(), lo.v(), lo.d(), lo.n()].map(u32::from);
        prop_assert_eq!(flags, [0, 8, 9, 10, 11].map(|bit| word >> bit & 1));
        prop_assert_eq!([lo.tags(), lo.pfn()], [word >> 1 & 127, word >> 12]);
    }
}

/// A process with no more pages than slots, in a row, collides with itself nowhere.
fn neighbours_do_not_collide<G: Geometry>() {
    for tag in [0, 0x1234_5678, u32::MAX] {
        let bytes = (G::PAGES as u32) << 12;
        for base in [0, 0x1000_0000, 0x7fff_ffff - bytes * SLOTS as u32 + 1] {
            let slots = (0..SLOTS as u32).map(|i| G::slot(G::context(tag, base + i * bytes)));
            assert_eq!(slots.collect::<HashSet<_>>().len(), SLOTS, "tag {tag:#x} from {base:#x}");
        }
    }
}

#[test]
fn pages_in_a_row_take_different_slots() {
    neighbours_do_not_collide::<Mips32>();
    neighbours_do_not_collide::<R3000>();
}
