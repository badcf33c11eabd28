//! Walks through working sets of pages in several patterns, for the software TLB's hit rates: `walk LARGEST FACTOR WARMUP CHUNKS`.
//!
//! The working sets have 16 pages, FACTOR times as many, and so on up to LARGEST, the smaller being parts of the larger. Before a
//! pattern is measured it is walked for as many accesses as the working set has pages, but at most WARMUP; then it goes on for
//! CHUNKS spans. All pages are mapped to one frame, so they cost no memory.
//!
//! A line for each walk says what the next spans are: `walk PATTERN PAGES CHUNKS`. Ahead comes `walk of N instructions a refill`,
//! and some spans of [`Span::Miss`](exos_checks::markers::Span::Miss), by which the host tool learns what an upcall looks like.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use exos::abi::limits::PAGE_BYTES;
use exos::page_table::Rights;
use exos::region::{Frame, Region};
use exos::{machine, println};
use exos_checks::raw::spans;
use exos_checks::raw::walk::Addresses;
use exos_checks::walk::{CHUNK, LARGEST, Pattern, SMALLEST, Walk};

exos::entry!(main);

/// Misses that are shown for comparison. The first few may miss in more than the one page.
const MISSES: u32 = 7;
/// Pages between these, so that no two share an entry of a TLB.
const APART: u32 = 2;
const _: () = assert!(MISSES * APART < SMALLEST);

fn main() -> Result<(), String> {
    let arguments: Option<[u32; 4]> = parse();
    let Some([largest, factor, warmup, chunks]) = arguments.filter(|[largest, factor, ..]| {
        largest.is_power_of_two() && (SMALLEST..=LARGEST).contains(largest) && factor.is_power_of_two() && *factor > 1
    }) else {
        return Err("usage: walk LARGEST FACTOR WARMUP CHUNKS".into());
    };
    let said = |error| alloc::format!("cannot map the working set: {error:?}");
    let region = Region::reserve(largest).map_err(said)?;
    let frame = Frame::any().map_err(|error| alloc::format!("no memory for the working set: {error:?}"))?;
    for page in 0..largest {
        region.map(page, &frame, Rights::ReadWrite).map_err(said)?;
    }
    region.store(0, 1);

    println!("walk of {} instructions a refill", machine::info().refill_instructions);
    for miss in 1..=MISSES {
        spans::miss(region.address(miss * APART));
    }
    let mut addresses = Addresses::new();
    for pages in
        core::iter::successors(Some(SMALLEST), |pages| Some(pages << factor.ilog2())).take_while(|&n| n <= largest)
    {
        for pattern in Pattern::ALL {
            let mut walk = Walk::new(pattern, pages);
            for page in walk.by_ref().take(warmup.min(pages) as usize) {
                region.load(page * PAGE_BYTES);
            }
            println!("walk {} {pages} {chunks}", pattern.name());
            for _ in 0..chunks {
                for (address, page) in addresses.0.iter_mut().zip(&mut walk) {
                    *address = region.address(page);
                }
                // Each word is 1.
                let sum = addresses.walk();
                if sum != CHUNK {
                    return Err(alloc::format!("{CHUNK} accesses in the pattern {pattern:?} found {sum} ones"));
                }
            }
        }
    }
    Ok(())
}

/// The arguments, if there are as many and all are numbers.
fn parse<const N: usize>() -> Option<[u32; N]> {
    let mut numbers = machine::args().skip(1).map(str::parse);
    let mut parsed = [0; N];
    for place in &mut parsed {
        *place = numbers.next()?.ok()?;
    }
    numbers.next().is_none().then_some(parsed)
}
