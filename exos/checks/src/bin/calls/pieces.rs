//! Calls that do a piece of their work at a time: a piece ends where the call says, and repeated
//! they do all of it.

use super::RANGES;
use alloc::string::String;
use alloc::vec::Vec;
use exos::abi::Lo;
use exos::abi::calls::Number;
use exos::abi::limits::{CONSOLE_WRITE_BYTES, PAGE_BYTES, RANGE_PAGES};
use exos::machine;
use exos::page_table::Rights;
use exos::region::Region;
use exos_checks::raw::calls::{call, insert, write};
use exos_checks::tap::Outcome;
use exos_checks::{check, check_eq, get};

/// A whole piece, and part of another.
const PAGES: u32 = RANGE_PAGES + 5;

/// What is cached for the pages of a region.
fn cached(region: &Region) -> Vec<Option<Lo>> {
    let lo = |page| machine::probe(region.address(page)).map(|(lo, _)| lo).filter(Lo::v);
    (0..region.pages()).map(lo).collect()
}

/// Makes a call for the pages from `done` on; how many it has edited then.
fn edit(region: &Region, number: Number, done: u32) -> Result<u32, String> {
    let left = PAGES - done;
    let edited = get!(call(number, [region.address(done), left, 0, 0]));
    check_eq!(edited, left.min(RANGE_PAGES), "{number:?} of {left} pages");
    Ok(done + edited)
}

pub fn ranges() -> Outcome {
    let region = get!(Region::reserve(PAGES));
    get!(region.demand_zero(0..PAGES, Rights::ReadWrite));
    for number in RANGES {
        for page in 0..PAGES {
            check!(insert(region.address(page)), "page {page} cannot be inserted");
            region.store(page * PAGE_BYTES, page);
        }
        if number == Number::unprotn {
            let done = edit(&region, Number::tlbrprotn, 0)?;
            edit(&region, Number::tlbrprotn, done)?;
        }
        let expected = |done: u32| {
            move |page: u32| match number {
                Number::tlbdeleten => (page >= done).then_some(true),
                Number::tlbrprotn => Some(page >= done),
                _ => Some(page < done),
            }
        };
        let mut done = 0;
        while done < PAGES {
            done = edit(&region, number, done)?;
            for (page, lo) in (0..).zip(cached(&region)) {
                check_eq!(lo.map(|lo| lo.d()), expected(done)(page), "{number:?}, {done} pages done: page {page}");
            }
        }
    }
    for page in 0..PAGES {
        check_eq!(region.load(page * PAGE_BYTES), page, "the word in page {page}");
    }
    Ok(())
}

pub fn text() -> Outcome {
    // A comment in the protocol of the tests.
    static TEXT: [u8; CONSOLE_WRITE_BYTES as usize + 9] = {
        let mut text = [b'.'; CONSOLE_WRITE_BYTES as usize + 9];
        text[0] = b'#';
        text[CONSOLE_WRITE_BYTES as usize + 8] = b'\n';
        text
    };
    exos::console::flush();
    let mut most = 0;
    get!(write(&TEXT, |taken| most = most.max(taken)));
    check!(most <= CONSOLE_WRITE_BYTES, "{most} bytes at once");
    Ok(())
}
