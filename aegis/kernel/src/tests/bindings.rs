//! The TLB calls.

use super::model::*;
use crate::kernel::FIRST;
use crate::machine::{Machine, Refill};
use crate::{Kernel, Miss};
use aegis_abi::calls::Number;
use aegis_abi::limits::{PAGE_SHIFT, RANGE_PAGES};
use aegis_abi::{Error, Lo, Mapping};
use stlb::{Geometry, Mips32, R3000};

const WRITE: u32 = Number::tlbwr as u32;
const PROTECT: u32 = Number::tlbrprotn as u32;
const UNPROTECT: u32 = Number::unprotn as u32;
const DELETE: u32 = Number::tlbdeleten as u32;
const FLUSH: u32 = Number::tlbflush as u32;

/// A page in the standard segment, and the other of its pair.
const VA: u32 = 0x0100_0000;
const BUDDY: u32 = VA + 0x1000;
const LO: Lo = Lo::writable(GUARANTEED_FRAME);
const READ_ONLY: Lo = Lo(LO.0 & !Lo::D);

fn bound<G: Geometry>() -> Box<Kernel<Model<G>>> {
    let mut kernel = kernel::<G>();
    for va in [VA, BUDDY] {
        kernel.call(WRITE, [va, LO.0, 0, 0]).unwrap();
    }
    kernel
}

fn one_page_of_a_pair_changes_alone<G: Geometry>() {
    for (number, expected) in [(PROTECT, Some(READ_ONLY)), (DELETE, None)] {
        let mut kernel = bound::<G>();
        kernel.call(number, [VA + 0x123, 1, 0, 0]).unwrap();
        kernel.check().unwrap();
        let hardware = |lo: Option<Lo>| lo.map(|lo| Lo(lo.0 & !Lo::SOFT));
        assert_eq!(hardware(reference(&mut kernel, VA)), hardware(expected));
        assert_eq!(hardware(reference(&mut kernel, BUDDY)), hardware(Some(LO)));
    }
}

#[test]
fn one_page_of_a_pair_changes_alone_on_both_processors() {
    one_page_of_a_pair_changes_alone::<Mips32>();
    one_page_of_a_pair_changes_alone::<R3000>();
}

/// Edits pages piece by piece, and looks at the kernel after each.
fn edit<G: Geometry>(kernel: &mut Kernel<Model<G>>, number: u32, va: u32, pages: u32) {
    let mut done = 0;
    while done < pages {
        let edited = kernel.call(number, [va + (done << PAGE_SHIFT), pages - done, 0, 0]).unwrap();
        assert_eq!(edited, (pages - done).min(RANGE_PAGES));
        done += edited;
    }
    kernel.check().unwrap();
}

/// Two pages on both sides of the end of a piece, in the midst of a pair, and of nothing.
fn ranges_are_edited_piece_by_piece<G: Geometry>() {
    for skipped in [0, 1, RANGE_PAGES - 1, RANGE_PAGES, 2 * RANGE_PAGES + 1] {
        let mut kernel = bound::<G>();
        let (start, pages) = (VA - (skipped << PAGE_SHIFT), skipped + 2);
        let writable =
            |kernel: &mut Kernel<Model<G>>| [VA, BUDDY].map(|va| reference(kernel, va).is_some_and(|lo| lo.d()));
        edit(&mut kernel, PROTECT, start, pages);
        assert_eq!(writable(&mut kernel), [false; 2], "protected, {skipped} skipped");
        edit(&mut kernel, UNPROTECT, start, pages);
        assert_eq!(writable(&mut kernel), [true; 2], "made writable, {skipped} skipped");
        edit(&mut kernel, DELETE, start, pages - 1);
        assert_eq!(reference(&mut kernel, VA), None, "deleted, {skipped} skipped");
        assert!(reference(&mut kernel, BUDDY).is_some(), "beyond the end, {skipped} skipped");
    }
}

#[test]
fn ranges_are_edited_piece_by_piece_on_both_processors() {
    ranges_are_edited_piece_by_piece::<Mips32>();
    ranges_are_edited_piece_by_piece::<R3000>();
}

#[test]
fn a_piece_ends_where_it_says() {
    for number in [PROTECT, DELETE] {
        let mut kernel = bound::<Mips32>();
        let start = BUDDY - (RANGE_PAGES << PAGE_SHIFT);
        assert_eq!(kernel.call(number, [start, 0x7_0000, 0, 0]), Ok(RANGE_PAGES));
        assert!(reference(&mut kernel, VA).is_none_or(|lo| !lo.d()), "the last page of the piece");
        assert!(reference(&mut kernel, BUDDY).unwrap().d(), "the first page behind it");
        assert_eq!(kernel.call(number, [BUDDY, 0, 0, 0]), Ok(0));
        assert!(reference(&mut kernel, BUDDY).unwrap().d(), "no page");
        kernel.check().unwrap();
    }
}

#[test]
fn ranges_end_where_they_should() {
    let mut kernel = bound::<Mips32>();
    edit(&mut kernel, DELETE, BUDDY, 100);
    assert!(reference(&mut kernel, VA).is_some() && reference(&mut kernel, BUDDY).is_none());
    let mut kernel = bound::<Mips32>();
    edit(&mut kernel, DELETE, VA - 0x10_0000, 0x101);
    assert!(reference(&mut kernel, VA).is_none() && reference(&mut kernel, BUDDY).is_some());
    edit(&mut kernel, DELETE, BUDDY, 0x7_efff);
    assert!(reference(&mut kernel, BUDDY).is_none(), "to the end of user space");
}

#[test]
fn a_flush_leaves_only_guarantees() {
    let mut kernel = bound::<Mips32>();
    kernel.call(FLUSH, [0; 4]).unwrap();
    kernel.check().unwrap();
    assert_eq!(reference(&mut kernel, VA), None);
    assert!(reference(&mut kernel, GUARANTEED_VA).is_some());
}

#[test]
fn a_guaranteed_page_is_refilled_and_its_neighbour_is_not() {
    let mut kernel = kernel::<Mips32>();
    assert_eq!(kernel.miss(GUARANTEED_VA), Miss::Refilled);
    assert_eq!(kernel.miss(GUARANTEED_VA + 0x1000), Miss::Upcall);
    assert_eq!(*kernel.machine.counts.borrow(), [Refill::Guaranteed]);
    kernel.check().unwrap();
}

#[test]
fn of_two_guaranteed_pages_of_a_pair_the_miss_of_one_binds_both() {
    for missed in [GUARANTEED_VA, GUARANTEED_VA + 0x1000] {
        let mut kernel = kernel::<Mips32>();
        let mut env = good_env();
        env.xl[0] = Mapping { va: GUARANTEED_VA + 0x1000, lo: Lo::read_only(GUARANTEED_FRAME).0 };
        put(&kernel, page(FIRST) | ENV_OFFSET, &env);
        kernel.call(Number::e_set as u32, [GUARANTEED_VA | ENV_OFFSET, 0, 0, 0]).unwrap();
        assert_eq!(kernel.miss(missed), Miss::Refilled);
        kernel.check().unwrap();
        let line = kernel.machine.stlb().probe(kernel.context_register(missed)).unwrap();
        assert!(line.lo[0].w() && line.lo[1].v() && !line.lo[1].w());
        assert_eq!(*kernel.machine.counts.borrow(), [Refill::Guaranteed], "a miss is counted once");
        kernel.call(FLUSH, [0; 4]).unwrap();
        assert_eq!(kernel.machine.stlb().probe(kernel.context_register(missed)), None);
        kernel.check().unwrap();
    }
}

#[test]
fn what_leaves_the_overflow_buffer_leaves_the_hardware_tlb() {
    let mut kernel = kernel::<Mips32>();
    // Pairs that fall into one slot: page bits that the hash folds onto one another.
    let slot = Mips32::slot(kernel.context_register(VA));
    let colliding: Vec<u32> = (0..0x4_0000u32)
        .map(|pair| 0x0100_0000 + pair * 0x2000)
        .take_while(|&va| va < 0x8000_0000)
        .filter(|&va| Mips32::slot(kernel.context_register(va)) == slot)
        .take(12)
        .collect();
    assert_eq!(colliding.len(), 12, "enough pages collide");
    for &va in &colliding {
        kernel.call(WRITE, [va, LO.0, 0, 0]).unwrap();
        kernel.check().unwrap();
    }
    assert_eq!(
        kernel.frames.bindings(GUARANTEED_FRAME),
        6 + 9,
        "guarantee, save areas, queue, vector, table slot, overflow"
    );
    assert_eq!(colliding.iter().filter(|&&va| reference(&mut kernel, va).is_none()).count(), 3);
}

#[test]
fn errors_of_bindings() {
    let free = 30;
    let cases = [
        (WRITE, 0, LO.0, Error::BadAddress),
        (WRITE, 0xfff, LO.0, Error::BadAddress),
        (WRITE, 0x8000_0000, LO.0, Error::BadAddress),
        (WRITE, u32::MAX, LO.0, Error::BadAddress),
        (WRITE, GUARANTEED_VA, LO.0, Error::Guaranteed),
        (WRITE, GUARANTEED_VA + 0xfff, LO.0, Error::Guaranteed),
        (WRITE, VA, LO.0 & !Lo::V, Error::BadMapping),
        (WRITE, VA, LO.0 & !Lo::W, Error::BadMapping),
        (WRITE, VA, Lo::writable(FRAMES).0, Error::NoSuchFrame),
        (WRITE, VA, Lo::writable(0xf_ffff).0, Error::NoSuchFrame),
        (WRITE, VA, Lo::writable(free).0, Error::FrameFree),
        (WRITE, VA, Lo::read_only(0).0, Error::NotPermitted),
        (WRITE, VA, Lo::writable(PUBLIC_FRAME).0, Error::NotPermitted),
        (WRITE, VA, Lo::read_only(PUBLIC_FRAME).0 | Lo::W, Error::NotPermitted),
        (PROTECT, 0, 1, Error::BadAddress),
        (PROTECT, VA, 0x7_f001, Error::BadLength),
        (PROTECT, VA, u32::MAX, Error::BadLength),
        (PROTECT, 0x1000, 2, Error::Guaranteed),
        (UNPROTECT, VA, u32::MAX, Error::BadLength),
        (UNPROTECT, 0x1000, 0x7_0000, Error::Guaranteed),
        (DELETE, 0x7fff_f000, 2, Error::BadLength),
        (DELETE, GUARANTEED_VA, 1, Error::Guaranteed),
    ];
    let mut kernel = bound::<Mips32>();
    for (number, a0, a1, error) in cases {
        let before = snapshot(&kernel);
        assert_eq!(kernel.call(number, [a0, a1, 0, 0]), Err(error), "call {number}, {a0:#x}, {a1:#x}");
        assert!(before == snapshot(&kernel), "call {number}, {a0:#x}, {a1:#x} changed something");
    }
    kernel.check().unwrap();
}

#[test]
fn a_page_without_w_is_not_made_writable() {
    let mut kernel = bound::<Mips32>();
    kernel.call(WRITE, [BUDDY, Lo::read_only(GUARANTEED_FRAME).0, 0, 0]).unwrap();
    kernel.call(PROTECT, [VA, 1, 0, 0]).unwrap();
    let before = snapshot(&kernel);
    assert_eq!(kernel.call(UNPROTECT, [VA, 2, 0, 0]), Err(Error::NotPermitted));
    assert!(before == snapshot(&kernel), "the first page was changed");
}

#[test]
fn a_page_of_a_piece_that_is_refused_keeps_the_others_as_they_are() {
    // In the midst of a piece, at both its ends, and behind it.
    for refused in [1, 0, RANGE_PAGES / 2, RANGE_PAGES - 1, RANGE_PAGES] {
        let mut kernel = kernel::<R3000>();
        for page in 0..RANGE_PAGES + 2 {
            let lo = if page == refused { Lo(LO.0 & !(Lo::W | Lo::D)) } else { READ_ONLY };
            kernel.call(WRITE, [VA + (page << PAGE_SHIFT), lo.0, 0, 0]).unwrap();
        }
        if refused < RANGE_PAGES {
            fails(&mut kernel, Number::unprotn, [VA, RANGE_PAGES + 2, 0, 0], Error::NotPermitted);
        } else {
            assert_eq!(kernel.call(UNPROTECT, [VA, RANGE_PAGES + 2, 0, 0]), Ok(RANGE_PAGES));
            let rest = [VA + (RANGE_PAGES << PAGE_SHIFT), 2, 0, 0];
            fails(&mut kernel, Number::unprotn, rest, Error::NotPermitted);
        }
        kernel.check().unwrap();
    }
}

fn global_is_forced_off<G: Geometry>() {
    let mut kernel = kernel::<G>();
    let mut lo = LO;
    lo.set_g(true);
    lo.set_tags(0x55);
    kernel.call(WRITE, [VA, lo.0, 0, 0]).unwrap();
    let context = kernel.context_register(VA);
    let kept = kernel.machine.stlb().probe(context).unwrap().lo[0];
    assert!(!kept.g() && kept.tags() == 0x55 && kept.w());
}

#[test]
fn global_is_forced_off_and_the_softwares_bits_are_kept() {
    global_is_forced_off::<Mips32>();
    // Here the register would take the bit as it is.
    global_is_forced_off::<R3000>();
}
