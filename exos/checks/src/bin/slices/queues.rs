//! Interrupt queues, from user space.

use crate::excess::{Counters, HONEST};
use core::mem::offset_of;
use exos::abi::InterruptQueue;
use exos::abi::calls::ANY;
use exos::abi::interrupts::TIMER;
use exos::abi::limits::QUEUE_ENTRIES;
use exos::{interrupts, schedule};
use exos_checks::raw::bare::{COUNT, Entries, Entry, Pages, QUEUE, free, give_slice};
use exos_checks::tap::Outcome;
use exos_checks::{check, check_eq, get};

const HEAD: u32 = QUEUE + offset_of!(InterruptQueue, head) as u32;
const OVERFLOW: u32 = QUEUE + offset_of!(InterruptQueue, overflow) as u32;
const TAIL: u32 = QUEUE + offset_of!(InterruptQueue, tail) as u32;
const ENTRIES: u32 = QUEUE + offset_of!(InterruptQueue, entries) as u32;

pub fn full() -> Outcome {
    // It arms its timer again and again, has no handler, and takes nothing out.
    let pages = get!(Pages::new());
    let pid = get!(pages.start(Entries { init: Some(Entry::Timer), ..HONEST }));
    get!(give_slice(pid, ANY));
    let count = QUEUE_ENTRIES as u32;
    while pages.load(HEAD) < count || pages.load(OVERFLOW + 4 * TIMER) < 5 {
        schedule::yield_now();
    }
    check_eq!(pages.load(HEAD), count, "entries that were put in");
    let dropped = pages.load(OVERFLOW + 4 * TIMER);
    let entry = |n: u32, word: u32| pages.load(ENTRIES + 16 * (n % count) + 4 * word);
    for n in 0..count {
        check_eq!(entry(n, 0), TIMER, "kind of entry {n}");
        check!(n == 0 || entry(n, 1) > entry(n - 1, 1), "the ticks of entries {n} and before are out of order");
    }
    // Two places are enough for two.
    pages.store(TAIL, 2);
    while pages.load(OVERFLOW + 4 * TIMER) == dropped {
        schedule::yield_now();
    }
    check_eq!(pages.load(HEAD), count + 2, "entries after two were taken out");
    check!(entry(count, 1) > entry(count - 1, 1), "the seventeenth entry is not where the first was");
    get!(free(pid));
    // This program's own queue does as it should, meanwhile.
    check_eq!(interrupts::dropped(TIMER), 0, "dropped interrupts of this program's");
    Ok(())
}

pub fn garbage() -> Outcome {
    let counters = Counters::new(2)?;
    let before = counters.slices()?;
    let mut lives = 0;
    for _ in 0..5 {
        let pages = get!(Pages::new());
        let pid = get!(pages.start(Entries { init: Some(Entry::Garbage), ..HONEST }));
        get!(give_slice(pid, ANY));
        let start = schedule::ticks();
        while schedule::ticks().wrapping_sub(start) < 60 {
            schedule::yield_now();
            counters.slices()?;
        }
        check!(pages.load(COUNT) > 10, "the queue was overwritten {} times", pages.load(COUNT));
        // Where it has masked the end of its slices for long, it is gone.
        lives += u32::from(free(pid).is_ok());
    }
    exos::println!("# {lives} of 5 who did it lived to the end");
    check!(counters.slices()? - before >= 40, "the others had too few slices");
    Ok(())
}
