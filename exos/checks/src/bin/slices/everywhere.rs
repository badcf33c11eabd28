//! Interrupted everywhere: an environment that yields the rest of its slice to another one, each
//! time an instruction earlier, lets the end of the slice fall on one instruction after the other
//! of what that does when it goes on. (A slice that begins between two ticks has a whole one, so
//! that no end falls there.)

use crate::excess::HONEST;
use alloc::format;
use alloc::vec::Vec;
use exos::abi::Pid;
use exos::abi::calls::{ANY, Number};
use exos::exceptions::{Cause, Context, handle, unhandle};
use exos::page_table::Rights;
use exos::region::Region;
use exos::{layout, machine, schedule};
use exos_checks::feature::{Feature, needs};
use exos_checks::raw::bare::{
    COUNT, Entries, Entry, FAILED, FROM, GIVEN, HITS, LIMIT, PARTNER, Pages, free, give_slice,
};
use exos_checks::raw::calls::call;
use exos_checks::raw::library::{in_delay_slot, ways_back, window};
use exos_checks::raw::registers::{Registers, TESTED, across_break};
use exos_checks::tap::Outcome;
use exos_checks::{check, check_eq, get};

/// Turns of the delay, within which enough places must have been hit.
const PATIENCE: u32 = 8 * 16_500;

/// Where the delay starts: beyond the end of a slice, in instructions. Without a fine clock all slices
/// that are handed over begin between two ticks, and end with the second.
fn longest() -> u32 {
    if Feature::FineClock.lack().is_some() { 33_001 } else { 16_501 }
}

/// Is what was hit enough? All places are; where the emulator runs several instructions as one, a
/// quarter of them. (A window is one place, its first, at which such an emulator may never stop.)
/// `None`: not yet. The error names what is missing.
fn enough(turns: u32, all: &[u32], missing: &[u32]) -> Option<Outcome> {
    let coarse = Feature::FineInterrupts.lack().is_some();
    if missing.is_empty() || (coarse && missing.len() * 4 <= all.len() * 3) {
        return Some(Ok(()));
    }
    let names = || -> Vec<_> { missing.iter().map(|&place| format!("{place:#x} {:?}", window(place))).collect() };
    (turns >= PATIENCE)
        .then(|| Err(format!("{} of {} places were never hit: {:?}", missing.len(), all.len(), names()).into()))
}

const DELAY: Entries =
    Entries { init: Some(Entry::Delay), pro: Some(Entry::Delay), epi: Some(Entry::Leave), gate: None, agate: None };

/// An environment that delays, and yields to `partner`. In the second of its two slices it finds
/// where that was interrupted at the end of the first.
fn delay(pages: &Pages, partner: Pid) -> Result<Pid, alloc::string::String> {
    pages.store(FROM, longest());
    pages.store(PARTNER, partner.0);
    let pid = get!(pages.start_under(&pages.with_library(DELAY)));
    get!(give_slice(pid, ANY));
    get!(give_slice(pid, ANY));
    Ok(pid)
}

/// Lets the delay start anew when it is so short that the end of the slice falls far behind the way
/// back: so that each place has its turn often. `restarts` counts that. (Where interrupts are looked
/// for now and then only, the end falls anywhere, and short delays cost less.)
fn stay_close(pages: &Pages, restarts: &mut u32) {
    /// Instructions from the end of a delay to the end of the slice, with room to spare.
    const FAR: u32 = 3000;
    if Feature::FineInterrupts.lack().is_none() && pages.load(LIMIT) < longest() - FAR {
        *restarts += 1;
        // The two slices share the delays between them, odd ones and even ones: not the same each
        // time, and not in turn either, for that could keep step with the slices.
        pages.store(FROM, longest() - restarts.count_ones() % 2);
        pages.store(LIMIT, 0);
    }
}

/// A value for each register.
fn pattern(seed: u32) -> Registers {
    core::array::from_fn(|n| (n as u32 + 1).wrapping_mul(0x0101_0101) ^ seed.wrapping_mul(0x9e37_79b9))
}

pub fn library() -> Outcome {
    handle(Cause::Breakpoint, |context: &mut Context| context.skip().expect("no delay slot here"));
    let pages = get!(Pages::new());
    let pid = delay(&pages, machine::pid())?;
    let places: Vec<u32> = ways_back().collect();
    let hit = |place: u32| {
        let byte = (place - layout::PINNED_TEXT.start) / 4;
        pages.load(HITS + byte / 4 * 4) >> (8 * (byte % 4)) & 1 != 0
    };
    let region = get!(Region::reserve(1));
    get!(region.demand_zero(0..1, Rights::ReadWrite));
    let (mut turn, mut restarts) = (0u32, 0);
    loop {
        for _ in 0..64 {
            turn = turn.wrapping_add(1);
            let before = pattern(turn);
            // A page misses, and the page of the page table that it is looked up in.
            get!(call(Number::tlbdeleten, [region.start(), 1, 0, 0]));
            get!(call(Number::tlbdeleten, [layout::WINDOW.start + (region.start() >> 10), 1, 0, 0]));
            check_eq!(region.load(0), 0, "a page of zeros");
            let after = across_break(&before);
            for n in (0..34).filter(|&n| n >= 32 || TESTED >> n & 1 != 0) {
                check_eq!(after[n], before[n], "turn {turn}, register {n}");
            }
        }
        stay_close(&pages, &mut restarts);
        let missing: Vec<u32> = places.iter().copied().filter(|&place| !hit(place)).collect();
        if let Some(outcome) = enough(pages.load(COUNT), &places, &missing) {
            exos::println!("# all but {} of {} places hit in {} turns", missing.len(), places.len(), pages.load(COUNT));
            outcome?;
            break;
        }
    }
    get!(free(pid));
    unhandle(Cause::Breakpoint);
    Ok(())
}

pub fn bare() -> Outcome {
    needs(Feature::FineInterrupts)?;
    let (pages, subject) = (get!(Pages::new()), get!(Pages::new()));
    for (n, value) in pattern(5).into_iter().enumerate() {
        // What cannot be held is not compared.
        subject.store(GIVEN + 4 * n as u32, if [0, 26, 27].contains(&n) { 0 } else { value });
    }
    let held = get!(subject.start(Entries { init: Some(Entry::Hold), ..HONEST }));
    get!(give_slice(held, ANY));
    let pid = delay(&pages, held)?;
    let places: Vec<u32> =
        Entry::restore().filter(|&(_, address)| !in_delay_slot(address)).map(|(place, _)| place).collect();
    check!(places.len() > 30, "the restore is {} instructions", places.len());
    let mut restarts = 0;
    loop {
        schedule::sleep(100);
        stay_close(&pages, &mut restarts);
        check_eq!(subject.load(FAILED), 0, "registers that have changed");
        let missing: Vec<u32> = places.iter().copied().filter(|n| subject.load(HITS + 4 * n) == 0).collect();
        if let Some(outcome) = enough(pages.load(COUNT), &places, &missing) {
            exos::println!("# all but {} of {} places hit in {} turns", missing.len(), places.len(), pages.load(COUNT));
            outcome?;
            break;
        }
    }
    check!(subject.load(COUNT) > 1000, "the registers were looked at {} times", subject.load(COUNT));
    get!(free(held));
    get!(free(pid));
    Ok(())
}
