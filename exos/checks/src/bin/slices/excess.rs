//! Excess time (thesis 3.3.1).

use alloc::vec::Vec;
use exos::abi::calls::ANY;
use exos::abi::limits::EXCESS_THRESHOLD;
use exos::abi::{Error, Pid};
use exos::schedule;
use exos_checks::raw::bare::{ENDS, Entries, Entry, FAILED, LIMIT, MASK, PARTNER, Pages, STARTS, free, give_slice};
use exos_checks::raw::ticks::turns_to_tick;
use exos_checks::tap::Outcome;
use exos_checks::{check, check_eq, get};

/// Instructions of a slice, nearly.
pub const SLICE: u32 = 16_400;

/// What saves and restores everything, as it should.
pub const HONEST: Entries = Entries {
    init: Some(Entry::Count),
    pro: Some(Entry::Prologue),
    epi: Some(Entry::Epilogue),
    gate: None,
    agate: None,
};

/// Environments that count, each with a slice.
pub struct Counters(Vec<(Pages, Pid)>);

impl Counters {
    pub fn new(count: usize) -> Result<Counters, alloc::string::String> {
        let mut counters = Vec::new();
        for _ in 0..count {
            let pages = get!(Pages::new());
            let pid = get!(pages.start(HONEST));
            get!(give_slice(pid, ANY));
            counters.push((pages, pid));
        }
        let counters = Counters(counters);
        // From when all have begun, and this program has the first slice of a revolution.
        while counters.0.iter().any(|(pages, _)| pages.load(STARTS) == 0) {
            schedule::yield_now();
        }
        schedule::yield_now();
        counters.0.iter().for_each(|(pages, _)| pages.store(STARTS, 0));
        Ok(counters)
    }

    /// Slices that each has had; fails where they differ by more than one.
    pub fn slices(&self) -> Result<u32, alloc::string::String> {
        let slices: Vec<u32> = self.0.iter().map(|(pages, _)| pages.load(STARTS)).collect();
        let (&least, &most) = (slices.iter().min().unwrap_or(&0), slices.iter().max().unwrap_or(&0));
        check!(most - least <= 1, "slices of those who do as they should: {slices:?}");
        Ok(least)
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        for (_, pid) in &self.0 {
            let _ = free(*pid);
        }
    }
}

/// Lets others work for some revolutions; looks after each.
fn revolutions(counters: &Counters, count: u32) -> Result<u32, alloc::string::String> {
    let before = counters.slices()?;
    for _ in 0..count {
        schedule::yield_now();
        counters.slices()?;
    }
    Ok(counters.slices()? - before)
}

pub fn ignored() -> Outcome {
    // One who goes on, one who masks its interrupts, one who has no epilogue.
    for (epi, mask) in [(Some(Entry::Ignore), u32::MAX), (Some(Entry::Epilogue), 0), (None, u32::MAX)] {
        let counters = Counters::new(3)?;
        check_eq!(revolutions(&counters, 20)?, 20, "slices each has had in 20 revolutions");
        let pages = get!(Pages::new());
        let pid = get!(pages.start(Entries { epi, ..HONEST }));
        pages.store(MASK, mask);
        get!(give_slice(pid, ANY));
        let start = schedule::ticks();
        // Its slice is the last of the revolution: it runs once, and does not stop by itself.
        let slices = revolutions(&counters, 2)?;
        let ticks = schedule::ticks().wrapping_sub(start);
        check_eq!(schedule::yield_to(pid), Err(Error::NoSuchEnvironment), "the one who ignored its end");
        check!(pages.load(ENDS) <= 1, "told {} times", pages.load(ENDS));
        // What the others have not had, it has: its own slice, and what it owed.
        let had = ticks - 3 * slices;
        exos::println!("# {epi:?}, {mask:x}: {ticks} ticks, of which the others had {slices} each");
        check!((EXCESS_THRESHOLD..=EXCESS_THRESHOLD + 3).contains(&had), "it had {had} ticks");
        check_eq!(revolutions(&counters, 20)?, 20, "slices each has had in 20 revolutions after that");
    }
    Ok(())
}

pub fn late() -> Outcome {
    for k in 1..=EXCESS_THRESHOLD {
        let counters = Counters::new(2)?;
        let pages = get!(Pages::new());
        let pid = get!(pages.start(Entries { epi: Some(Entry::Late), ..HONEST }));
        get!(give_slice(pid, ANY));
        revolutions(&counters, 5)?;
        let (before, others) = (pages.load(STARTS), counters.slices()?);
        // Late by k ticks and a half.
        pages.store(LIMIT, (k * SLICE + SLICE / 2) / 2);
        revolutions(&counters, 20)?;
        let (had, others) = (pages.load(STARTS) - before, counters.slices()? - others);
        check_eq!(others, 20, "slices of the others");
        check_eq!(others - had, k, "slices forfeited for {k} ticks");
        get!(free(pid));
    }
    Ok(())
}

pub fn given_away() -> Outcome {
    let (giver, taker) = (get!(Pages::new()), get!(Pages::new()));
    let leave = Some(Entry::Leave);
    let turn = Some(Entry::Turn);
    let taker_pid = get!(taker.open(Entries { init: None, pro: leave, epi: leave, agate: turn, gate: None }));
    giver.store(PARTNER, taker_pid.0);
    let give = Some(Entry::Give);
    let pid = get!(giver.start(Entries { init: give, pro: give, epi: leave, ..HONEST }));
    get!(give_slice(pid, ANY));
    let ticks = schedule::ticks();
    for revolution in 0..20 {
        // The end of the last slice has cleared the mask. This one ends, too, and when the next begins there is time for what is to come.
        taker.store(MASK, u32::MAX);
        turns_to_tick(u32::MAX);
        let starts = giver.load(STARTS);
        taker.store(MASK, u32::MAX);
        schedule::yield_now();
        check_eq!(giver.load(STARTS), starts + 1, "slices that began at who gave them away, after {revolution} more");
    }
    check_eq!(giver.load(FAILED), 0, "transfers refused");
    check!(schedule::ticks().wrapping_sub(ticks) >= 20, "who was given the rest of the slices did not use them");
    get!(free(pid));
    get!(free(taker_pid));
    Ok(())
}
