//! Memory: page table, demand-zero pages, protection, heap, the software TLB from outside.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use exos::Cell;
use exos::abi::limits::{FRAMES, PAGE_BYTES};
use exos::exceptions::{Cause, Context, handle, unhandle};
use exos::page_table::{Error, Rights};
use exos::region::{Frame, Region};
use exos::{layout, machine};
use exos_checks::raw::calls::flush;
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

mod refills;

exos::entry!(main);

fn main() -> i32 {
    tap::run(&[
        ("demand-zero pages come zeroed at the first touch", demand_zero),
        ("a frame can be mapped at two places", two_places),
        ("neighbours, though they may share a TLB entry, are pages of their own", neighbours),
        ("read-only pages refuse stores until made writable", protect),
        ("a page mapped for reading only stays so", reading_only),
        ("unmapped pages fault and give their frames back", unmap),
        ("the software TLB follows the page table", follows),
        ("senseless requests are refused", refused),
        ("a frame given up while mapped is out of reach", frame_given_up),
        ("freed frames come back zeroed", zeroed),
        ("the page table is paged", refills::paged_table),
        ("1,024 pages twice, no upcall in the second pass", refills::twice),
        ("rivals for a slot are refilled from the overflow buffer", refills::overflow_buffer),
        ("a page table that cannot grow is an error", table_without_memory),
        ("the heap", heap),
        ("the archive holds this program", archive),
    ])
}

static FAULTS: Cell<u32> = Cell::new(0);
static FAULT_ADDRESS: Cell<u32> = Cell::new(0);

fn note_and_skip(context: &mut Context) {
    FAULTS.set(FAULTS.get() + 1);
    FAULT_ADDRESS.set(context.badvaddr);
    context.skip().expect("no delay slot here");
}

/// Runs `access`; the address of the one fault with this cause, if there was one.
fn fault(cause: Cause, access: impl FnOnce()) -> Option<u32> {
    FAULTS.set(0);
    handle(cause, note_and_skip);
    access();
    unhandle(cause);
    match FAULTS.get() {
        0 => None,
        1 => Some(FAULT_ADDRESS.get()),
        more => panic!("{more} faults instead of one"),
    }
}

fn demand_zero() -> Outcome {
    let region = get!(Region::reserve(16));
    get!(region.demand_zero(0..16, Rights::ReadWrite));
    region.store(15 * PAGE_BYTES, 1); // brings the page of the page table about
    let before = machine::counts().zero_fills;
    for page in [3, 7, 8] {
        for word in 0..PAGE_BYTES / 4 {
            check_eq!(region.load(page * PAGE_BYTES + word * 4), 0, "word {word} of page {page}");
        }
        region.store(page * PAGE_BYTES, page);
    }
    check_eq!(machine::counts().zero_fills - before, 3, "frames for three touched pages");
    for page in 0..15 {
        let touched = [3, 7, 8].contains(&page);
        check_eq!(machine::mapping(region.address(page)).is_some(), touched, "page {page} has a frame");
    }
    Ok(())
}

fn two_places() -> Outcome {
    let region = get!(Region::reserve(8));
    let frame = get!(Frame::any());
    get!(region.map(1, &frame, Rights::ReadWrite));
    get!(region.map(6, &frame, Rights::ReadOnly));
    region.store(PAGE_BYTES + 0x10, 0x1234_5678);
    check_eq!(region.load(6 * PAGE_BYTES + 0x10), 0x1234_5678, "the word at the other place");
    check_eq!(
        fault(Cause::Modified, || region.store(6 * PAGE_BYTES + 0x10, 0)),
        Some(region.address(6) + 0x10),
        "a store to the read-only place"
    );
    check_eq!(machine::mapping(region.address(6)).map(|lo| lo.pfn()), Some(frame.get()), "frame");
    Ok(())
}

fn neighbours() -> Outcome {
    let region = get!(Region::reserve(4));
    let first = (region.start() / PAGE_BYTES) % 2;
    let (even, odd) = (first, first + 1);
    for (mapped, other) in [(even, odd), (odd, even)] {
        get!(region.demand_zero(mapped..mapped + 1, Rights::ReadWrite));
        region.store(mapped * PAGE_BYTES, 11);
        let address = fault(Cause::TlbLoad, || {
            region.load(other * PAGE_BYTES);
        });
        check_eq!(address, Some(region.address(other)), "the page beside it");
        check_eq!(region.load(mapped * PAGE_BYTES), 11, "the page itself");
        get!(region.demand_zero(other..other + 1, Rights::ReadWrite));
        region.store(other * PAGE_BYTES, 22);
        check_eq!((region.load(mapped * PAGE_BYTES), region.load(other * PAGE_BYTES)), (11, 22), "both pages");
        get!(region.unmap(other..other + 1));
        check_eq!(region.load(mapped * PAGE_BYTES), 11, "the page whose neighbour has gone");
        get!(region.unmap(mapped..mapped + 1));
    }
    Ok(())
}

fn protect() -> Outcome {
    let region = get!(Region::reserve(4));
    get!(region.demand_zero(0..4, Rights::ReadWrite));
    for page in 0..3 {
        region.store(page * PAGE_BYTES, page);
    }
    get!(region.protect(1..4, Rights::ReadOnly));
    check_eq!(fault(Cause::Modified, || region.store(0, 10)), None, "a store beside the range");
    for page in 1..3 {
        let address = fault(Cause::Modified, || region.store(page * PAGE_BYTES, 10));
        check_eq!(address, Some(region.address(page)), "a store to page {page}");
        check_eq!(region.load(page * PAGE_BYTES), page, "page {page} is as it was");
    }
    // Page 3 was never touched: its first touch is a store.
    let address = fault(Cause::Modified, || region.store(3 * PAGE_BYTES, 10));
    check_eq!(address, Some(region.address(3)), "a first store to a protected page");
    get!(region.protect(2..4, Rights::ReadWrite));
    check_eq!(fault(Cause::Modified, || region.store(2 * PAGE_BYTES, 20)), None, "a store after unprotecting");
    check_eq!(fault(Cause::Modified, || region.store(3 * PAGE_BYTES, 30)), None, "the same for page 3");
    check_eq!((region.load(2 * PAGE_BYTES), region.load(3 * PAGE_BYTES)), (20, 30), "what was stored");
    check!(fault(Cause::Modified, || region.store(PAGE_BYTES, 10)).is_some(), "page 1 is still protected");
    Ok(())
}

fn reading_only() -> Outcome {
    let region = get!(Region::reserve(2));
    let frame = get!(Frame::any());
    get!(region.map(0, &frame, Rights::ReadOnly));
    check_eq!(region.load(0), 0, "a new frame");
    let refused = Error::NotWritable(region.address(0));
    check_eq!(region.protect(0..1, Rights::ReadWrite), Err(refused), "unprotecting");
    check!(fault(Cause::Modified, || region.store(0, 1)).is_some(), "a store is refused");
    Ok(())
}

fn unmap() -> Outcome {
    let region = get!(Region::reserve(4));
    get!(region.demand_zero(0..4, Rights::ReadWrite));
    region.store(PAGE_BYTES, 5);
    let frame = machine::mapping(region.address(1)).map(|lo| lo.pfn()).ok_or("the page has no frame")?;
    check!(Frame::number(frame).is_err(), "the frame is in use");
    get!(region.unmap(1..3));
    let load = fault(Cause::TlbLoad, || {
        region.load(PAGE_BYTES);
    });
    check_eq!(load, Some(region.address(1)), "a load");
    check_eq!(fault(Cause::TlbStore, || region.store(2 * PAGE_BYTES, 1)), Some(region.address(2)), "a store");
    let again = get!(Frame::number(frame));
    get!(region.map(1, &again, Rights::ReadOnly));
    check_eq!(region.load(PAGE_BYTES), 0, "the frame that was given back");
    Ok(())
}

fn follows() -> Outcome {
    let region = get!(Region::reserve(2));
    get!(region.demand_zero(0..2, Rights::ReadWrite));
    let probe = || machine::probe(region.start()).map(|(lo, _)| (lo.pfn(), lo.d(), lo.w()));
    check_eq!(probe(), None, "before the first touch");
    region.store(0, 1);
    let frame = machine::mapping(region.start()).map(|lo| lo.pfn()).ok_or("the page has no frame")?;
    check_eq!(probe(), Some((frame, true, true)), "after the first touch");
    get!(region.protect(0..1, Rights::ReadOnly));
    check_eq!(probe(), Some((frame, false, true)), "read-protected");
    get!(region.protect(0..1, Rights::ReadWrite));
    check_eq!(probe(), Some((frame, true, true)), "writable again");
    flush();
    check_eq!(probe(), None, "after a flush");
    check_eq!(region.load(0), 1, "the word");
    check_eq!(probe(), Some((frame, true, true)), "after a refill");
    get!(region.unmap(0..1));
    check_eq!(probe(), None, "after unmapping");
    Ok(())
}

fn refused() -> Outcome {
    let region = get!(Region::reserve(4));
    get!(region.demand_zero(1..2, Rights::ReadWrite));
    let mapped = Err(Error::Mapped(region.address(1)));
    check_eq!(region.demand_zero(0..4, Rights::ReadWrite), mapped, "mapping twice");
    let frame = get!(Frame::any());
    check_eq!(region.map(1, &frame, Rights::ReadOnly), mapped, "mapping a frame over it");
    let hole = Err(Error::NotMapped(region.address(0)));
    check_eq!(region.protect(0..2, Rights::ReadOnly), hole, "protecting a hole");
    for range in [(0, 5), (3, 2), (5, 5), (0, u32::MAX)] {
        check_eq!(region.unmap(range.0..range.1), Err(Error::NotInRegion), "the range {range:?}");
    }
    check_eq!(region.map(u32::MAX, &frame, Rights::ReadOnly), Err(Error::NotInRegion), "the last page number");
    for count in [layout::REGIONS.pages, u32::MAX] {
        check_eq!(Region::reserve(count).err(), Some(Error::NoAddresses), "a region of {count} pages");
    }
    check_eq!(Region::reserve(0).err(), Some(Error::BadRange), "a region of no page");
    check_eq!(Region::reserve_at(region.start(), 1).err(), Some(Error::NotFree), "a region twice");
    for number in [u32::MAX, u32::MAX - 1, FRAMES as u32] {
        check_eq!(Frame::number(number).err(), Some(exos::abi::Error::NoSuchFrame), "frame {number}");
    }
    for (start, count) in [(0x1000, 1), (region.start(), 1), (0x7000_0000, 1), (0x6fff_f000, 2), (!4095, 2)] {
        check!(Region::reserve_at(start, count).is_err(), "a region of {count} pages at {start:#x}");
    }
    region.store(PAGE_BYTES, 9);
    check_eq!(region.load(PAGE_BYTES), 9, "the page that is mapped");
    Ok(())
}

fn frame_given_up() -> Outcome {
    let region = get!(Region::reserve(2));
    let frame = get!(Frame::any());
    get!(region.map(0, &frame, Rights::ReadWrite));
    region.store(0, 1);
    drop(frame);
    let address = fault(Cause::TlbLoad, || {
        region.load(0);
    });
    check_eq!(address, Some(region.start()), "a load from the lost frame");
    Ok(())
}

fn zeroed() -> Outcome {
    let region = get!(Region::reserve(2));
    for _ in 0..64 {
        let frame = get!(Frame::any());
        get!(region.map(0, &frame, Rights::ReadWrite));
        for word in [0, 4, 2048, 4092] {
            check_eq!(region.load(word), 0, "word at {word} of frame {}", frame.get());
            region.store(word, u32::MAX);
        }
        let number = frame.get();
        drop(frame);
        get!(region.unmap(0..1));
        let frame = get!(Frame::number(number));
        get!(region.map(0, &frame, Rights::ReadWrite));
        check_eq!(region.load(4092), 0, "frame {number}, allocated again");
        get!(region.unmap(0..1));
    }
    // Every word of one.
    let frame = get!(Frame::any());
    let number = frame.get();
    get!(region.map(0, &frame, Rights::ReadWrite));
    (0..PAGE_BYTES / 4).for_each(|word| region.store(word * 4, u32::MAX));
    drop(frame);
    get!(region.unmap(0..1));
    let frame = get!(Frame::number(number));
    get!(region.map(0, &frame, Rights::ReadWrite));
    for word in 0..PAGE_BYTES / 4 {
        check_eq!(region.load(word * 4), 0, "word {word} of frame {number}, filled before");
    }
    Ok(())
}

fn table_without_memory() -> Outcome {
    // Far from all else, so that there is no page of the page table for it yet.
    let region = get!(Region::reserve_at(layout::REGIONS.start + (1 << 30), 1));
    // Room for all of them, touched before memory gets scarce.
    let mut frames: Vec<Option<Frame>> = (0..machine::info().frames).map(|_| None).collect();
    let mut taken = 0;
    while let Ok(frame) = Frame::any() {
        frames[taken] = Some(frame);
        taken += 1;
    }
    let refused = region.demand_zero(0..1, Rights::ReadWrite);
    drop(frames);
    check_eq!(refused, Err(Error::Kernel(exos::abi::Error::NoMemory)), "mapping without memory");
    get!(region.demand_zero(0..1, Rights::ReadWrite));
    region.store(0, 5);
    check_eq!(region.load(0), 5, "the word, when there is memory again");
    Ok(())
}

fn heap() -> Outcome {
    let mut numbers: Vec<u32> = Vec::new();
    for i in 0..200_000u32 {
        numbers.push(i.wrapping_mul(2_654_435_761));
    }
    let wrong = numbers.iter().zip(0u32..).filter(|&(&n, i)| n != i.wrapping_mul(2_654_435_761)).count();
    check_eq!(wrong, 0, "wrong numbers in a vector of 800 KB");
    let boxes: Vec<Box<[u8]>> = (0..64usize).map(|i| alloc::vec![i as u8; 1 + i * 100].into_boxed_slice()).collect();
    drop(numbers);
    check!(boxes.iter().enumerate().all(|(i, b)| b.iter().all(|&byte| byte == i as u8)), "blocks are disjoint");
    let mut text = String::new();
    for i in 0..100 {
        text += &format!("{i},");
    }
    check_eq!(text.len(), 10 * 2 + 90 * 3, "formatted text");
    // The heap has 16 MB: 16 times 12 MB succeed only if memory is used again.
    for i in 0..16u8 {
        let mut block: Vec<u8> = Vec::new();
        check!(block.try_reserve_exact(12 << 20).is_ok(), "block {i} of 12 MB");
        block.push(i);
    }
    let mut block: Vec<u8> = Vec::new();
    check!(block.try_reserve_exact(17 << 20).is_err(), "17 MB are more than the heap has");
    Ok(())
}

fn archive() -> Outcome {
    let own = exos::args().next().ok_or("the command line is empty")?;
    let mut found = 0;
    for program in exos::programs() {
        check_eq!(program.data().get(..4), Some(&b"\x7fELF"[..]), "the first bytes of a program");
        let name = program.filename();
        found += u32::from(name.as_str() == Ok(own));
    }
    check_eq!(found, 1, "programs called {own}");
    Ok(())
}
