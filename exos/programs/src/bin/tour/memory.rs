//! 1,024 pages under the program's own page table.

use crate::claim;
use crate::show::{Grouped, heading};
use core::hint::black_box;
use exos::abi::limits::PAGE_BYTES;
use exos::machine::{self, Place};
use exos::page_table::{Error, Rights};
use exos::println;
use exos::region::Region;

/// Pages that are touched.
const PAGES: u32 = 1024;
/// How many of them have a rival for their slot of the software TLB.
const RIVALS: u32 = 8;
/// Distance of rivals: the slot repeats after this many bytes.
const RIVAL_DISTANCE: u32 = machine::STLB_SLOTS as u32 * PAGE_BYTES * machine::PAGES_PER_ENTRY;
/// Odd, so that multiples modulo the (even) number of pages are a permutation of them.
const STRIDE: u32 = 613;
const WORDS: u32 = PAGE_BYTES / 4;

/// The pages: most of them in a row, a few far behind.
struct Pages {
    row: Region,
    rivals: Region,
}

impl Pages {
    /// Region and offset of page `page`.
    fn find(&self, page: u32) -> (&Region, u32) {
        match page.checked_sub(PAGES - RIVALS) {
            None => (&self.row, page * PAGE_BYTES),
            // One for each of the first entries of the row.
            Some(rival) => (&self.rivals, rival * machine::PAGES_PER_ENTRY * PAGE_BYTES),
        }
    }

    fn address(&self, page: u32) -> u32 {
        let (region, offset) = self.find(page);
        region.start() + offset
    }
}

/// What one pass showed.
#[derive(Clone, Copy, Default)]
struct Pass {
    in_table: u32,
    in_overflow: u32,
    absent: u32,
    overflow: u32,
    guaranteed: u32,
    upcalls: u32,
    misses: u32,
    table_misses: u32,
    zero_fills: u32,
    wrong_words: u32,
}

/// Touches the pages twice.
pub fn show() -> Result<(), Error> {
    heading(3, "1,024 pages, touched twice");
    println!("  The program maps 1,024 pages and touches them in a scattered order, more than");
    println!("  a hardware TLB can hold. A miss is answered by the first of these that can:");
    println!("  the software TLB (STLB) that the kernel keeps; its overflow buffer; a");
    println!("  guaranteed mapping; or else the program, by an upcall: its handler looks the");
    println!("  page up in its own page table and asks the kernel to bind it. {RIVALS} of the");
    println!("  pages have to share a slot of the STLB with others, so that the overflow");
    let entry = if machine::PAGES_PER_ENTRY == 1 { "one page" } else { "one page or two" };
    println!("  buffer is used too; an entry that is put there holds {entry}.");
    println!();

    let row = Region::reserve(PAGES - RIVALS)?;
    let rivals = Region::reserve_at(row.start() + RIVAL_DISTANCE, RIVALS * machine::PAGES_PER_ENTRY)?;
    row.demand_zero(0..row.pages(), Rights::ReadWrite)?;
    for rival in 0..RIVALS {
        let page = rival * machine::PAGES_PER_ENTRY;
        rivals.demand_zero(page..page + 1, Rights::ReadWrite)?;
    }
    let pages = Pages { row, rivals };
    let rival = pages.address(PAGES - 1);
    claim(machine::slot(rival) == machine::slot(rival - RIVAL_DISTANCE), "rivals share a slot of the STLB");

    let first = pass(&pages, PAGES, |region, at, word| {
        // What was never written must be zero; then every word gets a value of its own.
        let wrong = region.load(at) != 0;
        region.store(at, word);
        wrong
    });
    let check = |region: &Region, at, word| region.load(at) != word;
    // One page beforehand, so that the code of the second pass is where its data is: in the STLB.
    pass(&pages, 1, check);
    let second = pass(&pages, PAGES, check);
    print(&first, &second);

    claim(first.wrong_words == 0, "new memory is filled with zeros");
    claim(second.wrong_words == 0, "every word is what was written");
    claim(first.absent == PAGES, "before the first pass, no page is in the STLB");
    claim(first.zero_fills >= PAGES && first.misses >= PAGES, "in the first pass, every page comes to the program");
    claim(first.upcalls == first.misses + first.table_misses, "kernel and program count the same upcalls");
    claim(second.in_table + second.in_overflow == PAGES, "before the second pass, every page is in the STLB");
    claim(second.in_overflow > 0 && second.overflow > 0, "rivals are found in the overflow buffer");
    claim(second.upcalls == 0 && second.misses == 0, "in the second pass, no page comes to the program");
    Ok(())
}

/// Works on every word of the first `count` pages in scattered order with `work`, which says whether the word was wrong.
///
/// It must be one piece of code, whatever the count, so that running it for one page brings all of it into the STLB.
#[inline(never)]
fn pass(pages: &Pages, count: u32, work: impl Fn(&Region, u32, u32) -> bool) -> Pass {
    let mut result = Pass::default();
    // First ask the exposed STLB where the pages are. That reads some pages itself, so it is not part of what is counted.
    for page in 0..PAGES {
        match machine::probe(pages.address(page)) {
            Some((_, Place::Table)) => result.in_table += 1,
            Some((_, Place::Overflow)) => result.in_overflow += 1,
            None => result.absent += 1,
        }
    }

    let (kernel, own) = (machine::counters(), machine::counts());
    for step in 0..black_box(count) {
        let page = step * STRIDE % PAGES;
        let (region, offset) = pages.find(page);
        for word in 0..WORDS {
            // Never zero, and different for every word of every page.
            let value = (page * WORDS + word).wrapping_mul(0x9e37_79b1) | 1 << 31;
            result.wrong_words += u32::from(work(region, offset + word * 4, value));
        }
    }
    let (kernel_after, own_after) = (machine::counters(), machine::counts());

    result.overflow = kernel_after.overflow.wrapping_sub(kernel.overflow);
    result.guaranteed = kernel_after.guaranteed.wrapping_sub(kernel.guaranteed);
    result.upcalls = kernel_after.upcalls.wrapping_sub(kernel.upcalls);
    result.misses = own_after.misses.wrapping_sub(own.misses);
    result.table_misses = own_after.table_misses.wrapping_sub(own.table_misses);
    result.zero_fills = own_after.zero_fills.wrapping_sub(own.zero_fills);
    result
}

fn print(first: &Pass, second: &Pass) {
    let line = |what: &str, number: fn(&Pass) -> u32| {
        println!("  {what:<54} {:>9} {:>9}", Grouped(number(first)), Grouped(number(second)));
    };
    println!("  {:<54} {:>9} {:>9}", "", "1st pass", "2nd pass");
    println!("  where the pages were before, says the STLB:");
    line("  in its table", |pass| pass.in_table);
    line("  in its overflow buffer", |pass| pass.in_overflow);
    line("  in neither", |pass| pass.absent);
    println!("  misses during the pass, besides hits in the table:");
    line("  answered from the overflow buffer (kernel's count)", |pass| pass.overflow);
    line("  answered by a guaranteed mapping (kernel's count)", |pass| pass.guaranteed);
    line("  handed to the program (kernel's count)", |pass| pass.upcalls);
    line("  for pages (program's count)", |pass| pass.misses);
    line("  for the page table itself (program's count)", |pass| pass.table_misses);
    line("frames that the program got for them", |pass| pass.zero_fills);
    line("words checked", |_| PAGES * WORDS);
    line("words found wrong", |pass| pass.wrong_words);
    println!();
    println!("  Nobody counts hits in the STLB's table: counting would cost more than the");
    let instructions = machine::info().refill_instructions;
    println!("  refill itself, which takes {instructions} instructions (`./x test` counts them from");
    println!("  outside).");
}
