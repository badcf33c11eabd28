//! Time beyond the end of a slice, and before it (thesis 3.3.1).

use alloc::vec::Vec;
use exos::abi::Pid;
use exos::abi::calls::ANY;
use exos::schedule;
use exos_checks::feature::{Feature, needs};
use exos_checks::raw::bare::{
    Alive, COUNT, CUTS, Entries, Entry, FAILED, GIVEN, LIMIT, MASK, PARTNER, Pages, STARTS, free, give_slice,
};
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
    // One that goes on, one that masks its interrupts, one that has no epilogue.
    for (epi, mask) in [(Some(Entry::Ignore), u32::MAX), (Some(Entry::Epilogue), 0), (None, u32::MAX)] {
        let counters = Counters::new(3)?;
        check_eq!(revolutions(&counters, 20)?, 20, "slices each has had in 20 revolutions");
        let pages = get!(Pages::new());
        let pid = Alive(get!(pages.start(Entries { epi, ..HONEST })));
        pages.store(MASK, mask);
        get!(give_slice(pid.0, ANY));
        let start = schedule::ticks();
        let slices = revolutions(&counters, 40)?;
        let ticks = schedule::ticks().wrapping_sub(start);
        let cuts = pages.load(CUTS);
        exos::println!("# {epi:?}, {mask:x}: {ticks} ticks, of which the others had {slices} slices each; {cuts} cuts");
        check!((40..=41).contains(&slices), "the others have had {slices} slices in 40 revolutions");
        // It runs in each second one, and is switched by hand each time.
        check!((19..=21).contains(&cuts), "{cuts} cuts in 40 revolutions");
        check!(pages.load(STARTS) <= 1, "it has started {} times: it goes on where it was", pages.load(STARTS));
        drop(pid);
        let slices = revolutions(&counters, 20)?;
        check!((20..=21).contains(&slices), "the others have had {slices} slices in 20 revolutions after that");
    }
    Ok(())
}

/// The kernel keeps all registers of who is switched by hand.
pub fn registers() -> Outcome {
    let counters = Counters::new(1)?;
    let pages = get!(Pages::new());
    for n in (0..34).filter(|n| ![0, 26, 27].contains(n)) {
        pages.store(GIVEN + 4 * n, (n + 1) * 0x0101_0101);
    }
    let pid = Alive(get!(pages.start(Entries { init: Some(Entry::Hold), epi: None, ..HONEST })));
    get!(give_slice(pid.0, ANY));
    while pages.load(CUTS) < 100 {
        revolutions(&counters, 10)?;
    }
    check_eq!(pages.load(FAILED), 0, "registers that have changed");
    check!(pages.load(COUNT) > 1000, "the registers were looked at {} times", pages.load(COUNT));
    Ok(())
}

pub fn late() -> Outcome {
    needs(Feature::FineClock)?;
    let counters = Counters::new(2)?;
    let pages = get!(Pages::new());
    let pid = Alive(get!(pages.start(Entries { epi: Some(Entry::Late), ..HONEST })));
    get!(give_slice(pid.0, ANY));
    revolutions(&counters, 5)?;
    for (turns, forfeited) in [(0, 0), (SLICE / 4, 20)] {
        let (before, others) = (pages.load(STARTS), counters.slices()?);
        for _ in 0..40 {
            // Half a tick after the end of its slice it gives up the processor.
            pages.store(LIMIT, turns);
            revolutions(&counters, 1)?;
        }
        let (had, others) = (pages.load(STARTS) - before, counters.slices()? - others);
        check_eq!(others, 40, "slices of the others");
        let lost = others - had;
        check!(lost.abs_diff(forfeited) <= 1, "{lost} slices forfeited, not {forfeited}");
    }
    Ok(())
}

/// Who gives up the processor just before each tick takes no time from who runs after it.
pub fn thief() -> Outcome {
    needs(Feature::FineClock)?;
    let work = |steals: bool| -> Result<u32, alloc::string::String> {
        let (thief, victim) = (get!(Pages::new()), get!(Pages::new()));
        let begin = Some(if steals { Entry::Thief } else { Entry::Count });
        let thief_pid =
            Alive(get!(thief.start(Entries { init: begin, pro: begin, epi: Some(Entry::Leave), ..HONEST })));
        let victim_pid = Alive(get!(victim.start(HONEST)));
        thief.store(LIMIT, SLICE * 9 / 20);
        get!(give_slice(thief_pid.0, ANY));
        get!(give_slice(victim_pid.0, ANY));
        schedule::sleep(10);
        let before = victim.load(COUNT);
        // (This program's own slice is given up at once.)
        schedule::sleep(400);
        Ok(victim.load(COUNT).wrapping_sub(before))
    };
    let (honest, stolen) = (work(false)?, work(true)?);
    exos::println!(
        "# turns of work beside one that uses its slice: {honest}; beside one that yields just before a tick: {stolen}"
    );
    check!(u64::from(stolen) * 100 >= u64::from(honest) * 97, "{stolen} turns instead of {honest}");
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
        // The end of the last slice has cleared the mask. This one ends, too, and when the next begins
        // there is time for what is to come.
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
