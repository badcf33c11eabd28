//! Visible revocation (thesis 2.4): this program has all memory, and others, who have none, want their reservation.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use exos::abi::Error;
use exos::abi::calls::{ANY, Number, READ};
use exos::abi::limits::{PAGE_SHIFT, RESERVED_FRAMES};
use exos::exceptions::{Cause, Context, handle, unhandle};
use exos::page_table::Rights;
use exos::region::{Frame, Region};
use exos::revocation::{self, Loss};
use exos::{Cell, machine, schedule};
use exos_checks::raw::bare::{self, Alive, COUNT, Entries, Entry, FAILED, MASK, Pages, STARTS, free, give_slice};
use exos_checks::raw::calls::{call, give};
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

exos::entry!(main);

fn main() -> i32 {
    tap::run(&[
        ("who is asked gives up what it can do without", answered),
        ("who does not answer is robbed, of nothing reserved, and mends its page table", ignored),
        ("who holds a taken page as a save area loses that, and others nothing", save_area),
    ])
}

/// What is reserved.
const RESERVATION: u32 = RESERVED_FRAMES as u32;
/// What a hungry one lacks of it at first: it has shares of its two pages.
const LACK: u32 = RESERVATION - bare::PAGES;

/// All frames that are to be had.
struct Hoard(Vec<u32>);

impl Hoard {
    fn new() -> Hoard {
        // Room first: there will be none.
        let mut frames = vec![0; machine::info().frames as usize];
        let mut count = 0;
        while let Ok(frame) = call(Number::p_alloc, [ANY, 0, 0, 0]) {
            frames[count] = frame;
            count += 1;
        }
        frames.truncate(count);
        Hoard(frames)
    }
}

impl Drop for Hoard {
    fn drop(&mut self) {
        for &frame in &self.0 {
            // Some may have gone.
            let _ = call(Number::p_unref, [frame, 0, 0, 0]);
        }
    }
}

/// An environment that wants frames.
struct Hungry {
    pages: Pages,
    env: Alive,
}

impl Hungry {
    fn new() -> Result<Hungry, String> {
        let pages = get!(Pages::new());
        let hungry = Some(Entry::Hungry);
        let entries = Entries { init: hungry, pro: hungry, epi: Some(Entry::Leave), ..Entries::default() };
        let env = Alive(get!(pages.start(entries)));
        // What it has just taken it must count: an upcall between would begin it anew.
        pages.store(MASK, 0);
        Ok(Hungry { pages, env })
    }

    /// Lets it run for as many slices as it needs to have its reservation, at most `limit`: how many.
    fn feed(&self, limit: u32) -> Result<u32, String> {
        get!(give_slice(self.env.0, ANY));
        for slices in 0..limit {
            if self.pages.load(COUNT) == LACK {
                return Ok(slices);
            }
            schedule::yield_now();
        }
        Err(alloc::format!("it has {} frames after {limit} slices", self.pages.load(COUNT)))
    }
}

/// Frames to be given up, and how many there are.
static SPARE: [Cell<u32>; 16] = [const { Cell::new(0) }; 16];
static GIVEN: Cell<u32> = Cell::new(0);
static REQUESTS: Cell<u32> = Cell::new(0);

fn answered() -> Outcome {
    fn give(frames: u32) {
        REQUESTS.set(REQUESTS.get() + 1);
        for _ in 0..frames {
            let frame = SPARE[GIVEN.get() as usize].get();
            if call(Number::p_unref, [frame, 0, 0, 0]).is_ok() {
                GIVEN.set(GIVEN.get() + 1);
            }
        }
    }
    let hungry = Hungry::new()?;
    let hoard = Hoard::new();
    for (place, &frame) in SPARE.iter().zip(&hoard.0) {
        place.set(frame);
    }
    revocation::answer(Some(give));
    let slices = hungry.feed(10)?;
    schedule::yield_now();
    revocation::answer(None);
    check_eq!([REQUESTS.get(), GIVEN.get()], [1, LACK], "requests, and frames given");
    check_eq!(hungry.pages.load(FAILED), 0, "the last error, when it has its reservation");
    check_eq!(revocation::lost(), 0, "frames taken by force");
    exos::println!("# it had what is reserved for it in its slice number {slices}");
    Ok(())
}

/// Pages that are taken.
const LOST: u32 = LACK;
static TOLD: Cell<u32> = Cell::new(0);
static FAULTS: Cell<u32> = Cell::new(0);

/// Is the program the owner of a frame?
fn owns(frame: u32) -> bool {
    // An owner may not change its own rights so.
    call(Number::p_add, [READ, machine::pid().0, frame, 0]) == Err(Error::BadProtection)
}

fn ignored() -> Outcome {
    fn told(loss: Loss) {
        TOLD.set(TOLD.get() + u32::from(loss.va != 0));
    }
    fn fault(context: &mut Context) {
        FAULTS.set(FAULTS.get() + 1);
        context.skip().expect("no delay slot here");
    }
    let reserved: Vec<u32> =
        machine::guaranteed_mappings().map(|(_, lo)| lo.pfn()).filter(|&frame| owns(frame)).collect();
    let region = get!(Region::reserve(LOST + 1));
    get!(region.demand_zero(0..LOST, Rights::ReadWrite));
    let copy = get!(Frame::any());
    let hungry = Hungry::new()?;
    for page in 0..LOST {
        region.store(page << PAGE_SHIFT, 1000 + page);
    }
    let hoard = Hoard::new();
    // The first keeps its contents.
    for page in 0..LOST {
        let frame = machine::mapping(region.address(page)).map(|lo| lo.pfn());
        revocation::prepare(page as usize, frame, (page == 0).then_some(copy.get()));
    }
    revocation::handle_losses(Some(told));
    handle(Cause::TlbLoad, fault);
    let slices = hungry.feed(10)?;
    let taken: Vec<u32> = (0..LOST).map(|page| region.load(page << PAGE_SHIFT)).collect();
    unhandle(Cause::TlbLoad);
    revocation::handle_losses(None);
    check!(slices >= 2, "taken before it had two slices to answer in");
    check_eq!(revocation::lost(), LOST, "frames taken by force");
    check_eq!(TOLD.get(), LOST, "pages that were mapped to them");
    check_eq!([taken[0], FAULTS.get()], [1000, LOST - 1], "what is in the first page, and how many are not there");
    check!(taken[1..].iter().all(|&word| word == 0), "pages that are gone: {taken:?}");
    // It goes on: the pages can be had again.
    drop(hungry);
    drop(hoard);
    get!(region.demand_zero(1..LOST, Rights::ReadWrite));
    check_eq!(region.load(1 << PAGE_SHIFT), 0, "a new page");
    check!(reserved.len() >= RESERVED_FRAMES, "{} frames are reserved", reserved.len());
    check_eq!(reserved.iter().filter(|&&frame| !owns(frame)).count(), 0, "reserved frames that are gone");
    Ok(())
}

fn save_area() -> Outcome {
    let pages = get!(Pages::new());
    let hungry = Hungry::new()?;
    let hoard = Hoard::new();
    // The victim gets two thirds of all, the highest one as its save area for exceptions.
    let victims = &hoard.0[hoard.0.len() / 3..];
    let highest = victims.iter().copied().max().unwrap_or(0);
    let turn = Some(Entry::Look);
    let mut env = pages.env(Entries { init: turn, pro: turn, epi: Some(Entry::Leave), ..Entries::default() });
    env.genx_save_area = highest << PAGE_SHIFT;
    let victim = get!(pages.start_under(&env));
    get!(give(victims, victim));
    get!(give_slice(victim, ANY));
    for _ in 0..5 {
        schedule::yield_now();
    }
    check!(pages.load(STARTS) >= 4, "the victim takes its exceptions");
    let lost = revocation::lost();
    hungry.feed(10)?;
    check_eq!(revocation::lost(), lost, "frames taken from somebody else");
    for _ in 0..3 {
        schedule::yield_now();
    }
    check_eq!(free(victim), Err(Error::NoSuchEnvironment), "the victim, which can take no exception any more");
    check_eq!(schedule::yield_to(hungry.env.0), Ok(()), "the other goes on");
    Ok(())
}
