//! A right that is withdrawn while others use the page: their next access misses, wherever the binding is cached (thesis 2.5, .9). The program
//! is its own children: the first argument says what they do.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use exos::abi::Lo;
use exos::abi::calls::ANY;
use exos::exceptions::{Cause, Context, handle};
use exos::page_table::Rights;
use exos::process::{self, End};
use exos::region::{Frame, Region};
use exos::{Cell, machine, schedule};
use exos_checks::raw::bare::{BAD_VADDR, COUNT, Entries, Entry, LIBRARY, Pages, free, give_slice};
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

exos::entry!(main);

/// What stands in the shared page.
const WORD: u32 = 0x5eed;
/// Pages that push one out of the hardware TLB, and out of what QEMU keeps beyond it.
const MANY: u32 = 600;

fn main() -> i32 {
    if let Some(role) = exos::args().nth(1) {
        return child(role).unwrap_or(100);
    }
    tap::run(&[
        ("a right to read, while the page is live in the hardware TLB", || withdrawn("tlb", None)),
        ("a right to read, while the page is in the software TLB", || withdrawn("stlb", None)),
        ("a right to write, while the page is live in the hardware TLB", || withdrawn("write", Some(Rights::ReadOnly))),
        ("a right to read, under a guaranteed mapping", guaranteed),
    ])
}

fn withdrawn(role: &str, left: Option<Rights>) -> Outcome {
    let [shared, flags] = [get!(Frame::any()), get!(Frame::any())];
    let region = get!(Region::reserve(2));
    get!(region.map(0, &shared, Rights::ReadWrite));
    get!(region.map(1, &flags, Rights::ReadWrite));
    region.store(0, WORD);
    let words = [shared.get(), flags.get()].map(|frame| format!("{frame}"));
    let child = get!(process::spawn_without_slice("rights", &[role, &words[0], &words[1]]));
    get!(shared.grant(child.pid(), Some(Rights::ReadWrite)));
    get!(flags.grant(child.pid(), Some(Rights::ReadWrite)));
    get!(give_slice(child.pid(), ANY));
    let (ready, go) = (4096, 4100);
    for _ in 0..10_000 {
        if region.load(ready) != 0 {
            break;
        }
        schedule::yield_now();
    }
    check_eq!(region.load(ready), 1, "the child is ready");
    get!(shared.grant(child.pid(), left));
    region.store(go, 1);
    check_eq!(child.wait(), End::Exited(0), "the child's end: 1 and up say what it found");
    check_eq!(region.load(0), WORD, "what the owner finds");
    Ok(())
}

/// Exceptions that the child has had.
static MISSED: [Cell<u32>; 3] = [const { Cell::new(0) }; 3];

fn child(role: &str) -> Option<i32> {
    fn note(context: &mut Context) {
        let count = match Cause::from_code(context.cause >> 2 & 31) {
            Some(Cause::TlbLoad) => &MISSED[0],
            Some(Cause::TlbStore) => &MISSED[1],
            _ => &MISSED[2],
        };
        count.set(count.get() + 1);
        context.skip().expect("no delay slot here");
    }
    let mut frames = exos::args().skip(2).map(|word| word.parse().ok().map(Frame::shared));
    let (shared, flags) = (frames.next()??, frames.next()??);
    let region = Region::reserve(2).ok()?;
    region.map(0, &shared, Rights::ReadWrite).ok()?;
    region.map(1, &flags, Rights::ReadWrite).ok()?;
    for cause in [Cause::TlbLoad, Cause::TlbStore, Cause::Modified] {
        handle(cause, note);
    }
    region.store(4, region.load(0));
    if region.load(0) != WORD {
        return Some(1);
    }
    if role == "stlb" {
        let others = Region::reserve(MANY).ok()?;
        others.demand_zero(0..MANY, Rights::ReadOnly).ok()?;
        (0..MANY).for_each(|page| assert_eq!(others.load(page * 4096), 0));
    }
    if machine::probe(region.start()).is_none() {
        return Some(2);
    }
    region.store(4096, 1);
    while region.load(4100) == 0 {
        // The page stays live.
        if role != "stlb" && MISSED.iter().all(|count| count.get() == 0) && region.load(0) != WORD {
            break;
        }
    }
    let seen = region.load(0);
    region.store(0, 1);
    let counts = [0, 1, 2].map(|i: usize| MISSED[i].get());
    let mut right = seen == 0 && counts[0] >= 1 && counts[1..] == [1, 0];
    if role == "write" {
        // What is left is the right to read.
        region.unmap(0..1).ok()?;
        region.map(0, &shared, Rights::ReadOnly).ok()?;
        right = right && region.load(0) == WORD;
        region.store(0, 1);
        right = right && MISSED[2].get() == 1;
    }
    Some(if right { 0 } else { 3 })
}

fn guaranteed() -> Outcome {
    let (pages, frame) = (get!(Pages::new()), get!(Frame::any()));
    let guest = Some(Entry::Guest);
    let entries = Entries { init: guest, pro: guest, epi: Some(Entry::Leave), ..Entries::default() };
    let mut env = pages.with_guest(entries, frame.get());
    let mapping = env.xl.iter_mut().find(|mapping| mapping.va == LIBRARY);
    mapping.ok_or("the guest has no such page")?.lo = Lo::writable(frame.get()).0;
    let pid = get!(pages.start_under(&env));
    get!(give_slice(pid, ANY));
    let looks = |times: u32| {
        let before = pages.load(COUNT);
        (0..times).for_each(|_| schedule::yield_now());
        pages.load(COUNT) - before
    };
    check!(looks(20) >= 19, "it does not look");
    check_eq!(pages.load(BAD_VADDR), 0, "what it missed while it had the right");
    // The mapping rests on the right to write.
    get!(frame.share(pid, Rights::ReadOnly));
    check!(looks(20) >= 19, "it does not look any more");
    check_eq!(pages.load(BAD_VADDR), LIBRARY, "what it missed without the right");
    get!(free(pid));
    Ok(())
}
