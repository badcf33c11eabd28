//! The page table under the page table, and the paths of a refill.

use core::hint::black_box;
use exos::abi::limits::PAGE_BYTES;
use exos::layout;
use exos::machine::{self, PAGES_PER_ENTRY, Place, STLB_OVERFLOW, STLB_SLOTS};
use exos::page_table::Rights;
use exos::region::Region;
use exos_checks::raw::calls::flush;
use exos_checks::tap::Outcome;
use exos_checks::{check, check_eq, get};

/// Bytes between pages that share a slot of the software TLB.
const SAME_SLOT: u32 = STLB_SLOTS as u32 * PAGES_PER_ENTRY * PAGE_BYTES;
/// Bytes that a page of the page table maps.
const TABLE_REACH: u32 = 1024 * PAGE_BYTES;
/// Beyond all regions before it, and at a place that shares no slot of the software TLB with the rest of the program.
const FAR: u32 = layout::REGIONS.start + 8 * SAME_SLOT;

pub fn paged_table() -> Outcome {
    // Far from all else, so that its page of the page table does not exist yet.
    let region = get!(Region::reserve_at(FAR, 2));
    let tables = || machine::tables().filter(|(_, lo)| lo.v()).count();
    let (tables_before, before) = (tables(), machine::counts());
    get!(region.demand_zero(0..1, Rights::ReadWrite));
    check_eq!(tables() - tables_before, 1, "mapping makes one page of the page table");
    check_eq!(machine::counts().table_misses - before.table_misses, 1, "by a miss in it");
    region.store(0, 77);

    // When nothing is cached, a page's miss first misses in the page table.
    flush();
    let before = machine::counts();
    check_eq!(region.load(0), 77, "the word");
    let after = machine::counts();
    check!(after.misses > before.misses, "the page missed");
    check!(after.table_misses > before.table_misses, "and so did its entry");
    check_eq!(after.zero_fills, before.zero_fills, "nothing new was needed");
    check!(
        machine::probe(layout::WINDOW.start + region.start() / TABLE_REACH * PAGE_BYTES).is_some(),
        "the page of the page table is in the STLB"
    );
    Ok(())
}

const PAGES: u32 = 1024;

/// Runs over all words of `count` of the 1,024 pages in scattered order; the number of words for which `work` returns false.
fn scattered(count: u32, work: impl Fn(u32, u32) -> bool) -> u32 {
    let mut wrong = 0;
    for step in 0..count {
        let page = step * 613 % PAGES;
        for word in 0..PAGE_BYTES / 4 {
            let at = page * PAGE_BYTES + word * 4;
            wrong += u32::from(!work(at, at.wrapping_mul(0x9e37_79b1) ^ 0x5a5a_5a5a));
        }
    }
    wrong
}

/// The second pass over `count` of the pages; the number of words that are not what was written.
///
/// It must be one piece of code, whatever the count, so that running it for one page brings all of it into the STLB.
#[inline(never)]
fn second(region: &Region, count: u32) -> u32 {
    scattered(black_box(count), |at, value| region.load(at) == value)
}

pub fn twice() -> Outcome {
    let region = get!(Region::reserve(PAGES));
    get!(region.demand_zero(0..PAGES, Rights::ReadWrite));
    let (kernel, own) = (machine::counters(), machine::counts());
    let wrong = scattered(PAGES, |at, value| {
        let zero = region.load(at) == 0;
        region.store(at, value);
        zero
    });
    check_eq!(wrong, 0, "words that were not zero");
    let (kernel_after, own_after) = (machine::counters(), machine::counts());
    let misses = own_after.misses - own.misses + (own_after.table_misses - own.table_misses);
    check_eq!(kernel_after.upcalls.wrapping_sub(kernel.upcalls), misses, "the kernel's count and the library's");
    check!(own_after.misses - own.misses >= PAGES, "each page comes to the library once");

    // The code of the second pass must be in the STLB too.
    check_eq!(second(&region, 1), 0, "words that are not what was written, in the first page");
    let absent = (0..PAGES).filter(|&page| machine::probe(region.address(page)).is_none()).count();
    check_eq!(absent, 0, "pages that are not in the STLB after the first pass");

    let (kernel, own) = (machine::counters(), machine::counts());
    let wrong = second(&region, PAGES);
    let (kernel_after, own_after) = (machine::counters(), machine::counts());
    check_eq!(wrong, 0, "words that are not what was written");
    check_eq!(kernel_after.upcalls.wrapping_sub(kernel.upcalls), 0, "upcalls in the second pass, by the kernel");
    check_eq!(own_after, own, "the library's counts after the second pass");
    Ok(())
}

pub fn overflow_buffer() -> Outcome {
    const RIVALS: u32 = STLB_OVERFLOW as u32;
    let first = get!(Region::reserve_at(FAR + SAME_SLOT, RIVALS * PAGES_PER_ENTRY));
    let second = get!(Region::reserve_at(first.start() + SAME_SLOT, RIVALS * PAGES_PER_ENTRY));
    let filler = get!(Region::reserve(1024));
    get!(first.demand_zero(0..first.pages(), Rights::ReadWrite));
    get!(second.demand_zero(0..second.pages(), Rights::ReadWrite));
    get!(filler.demand_zero(0..1024, Rights::ReadWrite));
    let offset = |rival: u32| rival * PAGES_PER_ENTRY * PAGE_BYTES;
    for page in 0..1024 {
        filler.store(page * PAGE_BYTES, page);
    }
    for rival in 0..RIVALS {
        first.store(offset(rival), rival);
        second.store(offset(rival), 100 + rival);
        check_eq!(machine::slot(first.start() + offset(rival)), machine::slot(second.start() + offset(rival)), "slots");
    }
    let place = |region: &Region, rival| machine::probe(region.start() + offset(rival)).map(|(_, place)| place);
    let buffered = (0..RIVALS).filter(|&rival| place(&first, rival) == Some(Place::Overflow)).count();
    check_eq!(buffered, STLB_OVERFLOW, "entries pushed into the overflow buffer");
    check!((0..RIVALS).all(|rival| place(&second, rival) == Some(Place::Table)), "the later ones are in the table");

    // The hardware TLB forgets them meanwhile. QEMU keeps entries that `tlbwr` has replaced until a live one loses rights.
    let sum: u32 = (0..1024).map(|page| filler.load(page * PAGE_BYTES)).sum();
    check_eq!(sum, 1023 * 512, "the filler");
    // One of these is live when it loses them, whatever is refilled between.
    for page in 1016..1024 {
        filler.load(page * PAGE_BYTES);
        get!(filler.protect(page..page + 1, Rights::ReadOnly));
    }
    let before = machine::counters();
    for rival in 0..RIVALS {
        check_eq!(first.load(offset(rival)), rival, "first");
        check_eq!(second.load(offset(rival)), 100 + rival, "second");
    }
    let after = machine::counters();
    check_eq!(after.overflow.wrapping_sub(before.overflow), RIVALS, "refills from the overflow buffer");
    check_eq!(after.upcalls, before.upcalls, "upcalls");
    Ok(())
}
