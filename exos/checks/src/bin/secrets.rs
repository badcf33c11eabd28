//! No register or page of one environment shows in another. A bare environment has a secret in all its registers, and in BadVAddr; a
//! spy that starts after it looks for that in all of its own. And no frame, and no environment's data, survives its owner.
//!
//! Of transfers, synchronous and asynchronous, the registers are the message: there is nothing to be looked for. Nor can a program
//! with the library see its registers as they were at its prologue; it starts there by the same path as the spy.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use exos::abi::Error;
use exos::abi::calls::Number;
use exos::abi::limits::{ENV_DATA_BYTES, ENVS, EXCEPTIONS, PAGE_BYTES};
use exos::page_table::Rights;
use exos::region::{Frame, Region};
use exos::{layout, machine, println, schedule};
use exos_checks::raw::bare::{
    Alive, BAD_VADDR, DATA_WORDS, Entries, Entry, GIVEN, MASK, PARTNER, Pages, SEEN, STARTS, free, give_slice, make,
    write_data,
};
use exos_checks::raw::calls::{call, without_upcalls};
use exos_checks::raw::ticks::turns_to_tick;
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

exos::entry!(main);

fn main() -> i32 {
    tap::run(&[
        ("registers, when a tick ends a slice and the epilogue saves nothing", || spied(Switch::Tick(Entry::Leave))),
        ("registers, when a tick ends a slice and the epilogue saves all", || spied(Switch::Tick(Entry::Epilogue))),
        ("registers, after a yield to the spy", || spied(Switch::Yield)),
        ("registers, after a yield to whoever is next", || spied(Switch::Next)),
        ("registers, after a yield to whoever is next, with nobody to run before a tick", idle),
        ("registers, after a donation", || spied(Switch::Donate)),
        ("registers, after a death by one's own hand", || spied(Switch::Die)),
        ("registers, after the kernel has switched by hand", || spied(Switch::Cut)),
        ("registers, after a death by an exception that nobody handles", || spied(Switch::Unhandled)),
        ("frames, given up by their owner or with it", frames),
        ("an environment's data", data),
    ])
}

/// How the processor goes from the secret's environment to the spy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Switch {
    /// The slice ends, and this is the epilogue.
    Tick(Entry),
    Yield,
    Next,
    Donate,
    Die,
    /// It has no epilogue, and does not look at the clock.
    Cut,
    Unhandled,
}

/// Starts of the spy: the first at its beginning, the others at its prologue.
const ROUNDS: u32 = 12;
/// The slice of the environment with the secret, and the one after it.
const SLICES: [u32; 2] = [1, 2];
/// The spy's argument.
const ARGUMENT: u32 = 0x0a46_0e17;
/// What stands where the spy will note something.
const NOTHING: u32 = 0xdead_0001;

/// The secret, a word for each register: another one in each round. That of `$ra` is an address, too, which nobody has mapped.
fn secret(round: u32, n: u32) -> u32 {
    let word = (round * 64 + n + 1).wrapping_mul(0x9e37_79b9) | 1 << 30;
    if n == 31 { word & 0x0fff_fffc | 0x4000_0000 } else { word }
}

/// Puts the secret where the environment loads it from.
fn give(pages: &Pages, round: u32) {
    for n in 0..34 {
        pages.store(GIVEN + 4 * n, secret(round, n));
    }
    pages.store(BAD_VADDR, NOTHING);
    // Not all that an upcall may have led to sets it again.
    pages.store(MASK, u32::MAX);
}

/// An environment that starts with a secret whenever it starts.
fn keeper(pages: &Pages, switch: Switch) -> Result<Alive, Error> {
    let (entry, epi) = match switch {
        Switch::Tick(epilogue) => (Entry::SecretTurn, Some(epilogue)),
        Switch::Yield => (Entry::SecretYield, Some(Entry::Leave)),
        Switch::Next => (Entry::SecretNext, Some(Entry::Leave)),
        Switch::Donate => (Entry::SecretDonate, Some(Entry::Leave)),
        Switch::Die => (Entry::SecretDie, Some(Entry::Leave)),
        Switch::Cut | Switch::Unhandled => (Entry::SecretTurn, None),
    };
    let entries = Entries { init: Some(entry), pro: Some(entry), epi, ..Entries::default() };
    if switch == Switch::Unhandled {
        let mut env = pages.env(entries);
        env.xh = [0; EXCEPTIONS];
        return make(&env).map(Alive);
    }
    pages.start(entries).map(Alive)
}

/// A spy. It has no epilogue: it is done long before its slice is over.
struct Spy {
    pages: Pages,
    env: Alive,
}

impl Spy {
    fn new() -> Result<Spy, Error> {
        let pages = Pages::new()?;
        let look = Some(Entry::Look);
        let mut env = pages.env(Entries { init: look, pro: look, ..Entries::default() });
        env.argument = ARGUMENT;
        let env = make(&env).map(Alive)?;
        Ok(Spy { pages, env })
    }

    /// Covers what it has noted before.
    fn cover(&self) {
        for n in 0..34 {
            self.pages.store(SEEN + 4 * n, NOTHING);
        }
        self.pages.store(BAD_VADDR, NOTHING);
    }

    /// Checks what it has noted at its start number `starts`.
    fn check(&self, starts: u32) -> Outcome {
        check_eq!(self.pages.load(STARTS), starts, "starts of the spy");
        let info = machine::mapping(layout::INFO.start).map_or(0, |lo| lo.pfn());
        let arguments = if starts == 1 { [ARGUMENT, info] } else { [0; 2] };
        // Of `$k0` and `$k1` nothing is said.
        for n in (1..34).filter(|n| ![26, 27].contains(n)) {
            let expected = if let 4 | 5 = n { arguments[n as usize - 4] } else { 0 };
            check_eq!(self.pages.load(SEEN + 4 * n), expected, "register {n} at start {starts} of the spy");
        }
        check_eq!(self.pages.load(BAD_VADDR), 0, "BadVAddr at start {starts}, with an exception that brings none");
        Ok(())
    }

    /// The spy ends.
    fn end(self) -> Outcome {
        get!(free(self.env.0));
        Ok(())
    }
}

fn spied(switch: Switch) -> Outcome {
    let spy = get!(Spy::new());
    let pages = get!(Pages::new());
    let mut keeper = get!(keeper(&pages, switch));
    // So that it may start the spy, and give it a slice.
    let let_write = |keeper: &Alive| call(Number::e_add, [keeper.0.0, spy.env.0.0, 0, 0]);
    get!(let_write(&keeper));
    let dies = matches!(switch, Switch::Die | Switch::Unhandled);
    for round in 0..ROUNDS {
        give(&pages, round);
        spy.cover();
        pages.store(PARTNER, if switch == Switch::Die { keeper.0.0 } else { spy.env.0.0 });
        // One revolution: this slice, the secret's, the spy's. There is time for all of it: a tick has just been.
        turns_to_tick(u32::MAX);
        get!(without_upcalls(|| {
            give_slice(keeper.0, SLICES[0])?;
            if !matches!(switch, Switch::Yield | Switch::Donate) {
                give_slice(spy.env.0, SLICES[1])?;
            }
            schedule::yield_now();
            // The one of those that have died is free. The one of those that were switched by hand pays first.
            for slice in SLICES.into_iter().rev() {
                while call(Number::s_free, [slice, 0, 0, 0]) == Err(Error::Owing) {
                    schedule::yield_now();
                }
            }
            Ok::<(), Error>(())
        }));
        let noted = if switch == Switch::Unhandled { NOTHING } else { secret(round, 31) };
        check_eq!(pages.load(BAD_VADDR), noted, "what the secret's environment has touched in round {round}");
        spy.check(round + 1)?;
        if dies {
            check_eq!(free(keeper.0), Err(Error::NoSuchEnvironment), "the end of one that has died");
        }
        if dies || switch == Switch::Cut {
            // (It would go on where it was.)
            keeper = get!(self::keeper(&pages, switch));
            get!(let_write(&keeper));
        }
    }
    spy.end()
}

/// The machine idles when as many have yielded in a row, with no tick between, as there are slices. So the secret's is to be the last of
/// these: this program yields twice, and gives up a slice in between.
fn idle() -> Outcome {
    let spy = get!(Spy::new());
    let pages = get!(Pages::new());
    let keeper = get!(keeper(&pages, Switch::Next));
    for round in 0..ROUNDS {
        give(&pages, round);
        spy.cover();
        let ticks = get!(without_upcalls(|| {
            let own = machine::pid();
            turns_to_tick(u32::MAX);
            for (n, pid) in [own, keeper.0, spy.env.0].into_iter().enumerate() {
                give_slice(pid, n as u32 + 1)?;
            }
            schedule::yield_now();
            call(Number::s_free, [0; 4])?;
            let before = schedule::ticks();
            schedule::yield_now();
            let ticks = schedule::ticks().wrapping_sub(before);
            // This program has slice 1 now, and goes back to slice 0.
            give_slice(own, 0)?;
            for n in [2, 3] {
                call(Number::s_free, [n, 0, 0, 0])?;
            }
            schedule::yield_now();
            call(Number::s_free, [1, 0, 0, 0])?;
            Ok::<u32, Error>(ticks)
        }));
        check!(ticks > 0, "nobody waited for a tick in round {round}");
        check_eq!(
            pages.load(BAD_VADDR),
            secret(round, 31),
            "what the secret's environment has touched in round {round}"
        );
        spy.check(round + 1)?;
    }
    spy.end()
}

/// Frames that hold a secret, and frames that are looked at.
const SECRET_FRAMES: usize = 64;
const FRAMES: usize = 256;

/// Fills a page with words of a secret.
fn fill(region: &Region, page: u32) {
    for offset in (0..PAGE_BYTES).step_by(4) {
        region.store(page * PAGE_BYTES + offset, secret(page, offset));
    }
}

/// Says whether the spy would have seen another's BadVAddr.
fn frames() -> Outcome {
    let pages = get!(Pages::new());
    give(&pages, 1);
    let keeper = get!(pages.start(Entries { init: Some(Entry::Leave), ..Entries::default() }));
    let region = get!(Region::reserve(FRAMES as u32));
    let mut secret_frames: Vec<u32> = Vec::new();
    // Of each two, one goes with this program's share, and one with the environment's.
    for page in 0..SECRET_FRAMES as u32 {
        let frame = get!(Frame::any());
        get!(region.map(page, &frame, Rights::ReadWrite));
        fill(&region, page);
        get!(region.unmap(page..page + 1));
        secret_frames.push(frame.get());
        if page % 2 == 0 {
            get!(frame.give(keeper));
        }
    }
    secret_frames.push(pages.data_frame());
    drop(pages);
    get!(free(keeper));

    let mut frames: Vec<Frame> = Vec::with_capacity(FRAMES);
    for page in 0..FRAMES as u32 {
        // Those that have been used are the last that any would be.
        let frame = match secret_frames.get(page as usize) {
            Some(&n) => get!(Frame::number(n)),
            None => get!(Frame::any()),
        };
        get!(region.map(page, &frame, Rights::ReadOnly));
        for offset in (0..PAGE_BYTES).step_by(4) {
            let word = region.load(page * PAGE_BYTES + offset);
            check_eq!(word, 0, "word {offset:#x} of the new frame {:#x}", frame.get());
        }
        frames.push(frame);
    }
    let again = secret_frames.iter().filter(|&&n| frames.iter().any(|frame| frame.get() == n)).count();
    println!("# of {} frames with a secret {again} were had again", secret_frames.len());
    check_eq!(again, secret_frames.len(), "frames that were had again");
    Ok(())
}

fn data() -> Outcome {
    let pages = get!(Pages::new());
    let region = get!(Region::reserve(1));
    get!(region.map_public(0, machine::info().env_data_frame));
    let entries = Entries { init: Some(Entry::Leave), ..Entries::default() };
    let secrets: [u32; DATA_WORDS] = core::array::from_fn(|n| secret(3, n as u32));
    let data = |n: usize| -> [u32; DATA_WORDS] {
        core::array::from_fn(|word| region.load((n * ENV_DATA_BYTES + 4 * word) as u32))
    };
    let holders = |expected: &[u32; DATA_WORDS]| (0..ENVS).filter(|&n| data(n) == *expected).collect::<Vec<usize>>();
    for turn in 0..10 {
        let (one, other) = (get!(pages.start(entries)), get!(pages.start(entries)));
        check_eq!(holders(&[0; DATA_WORDS]).len(), ENVS, "environments whose data are zeros, in turn {turn}");
        get!(write_data(one, &secrets));
        let place = holders(&secrets);
        check_eq!(place.len(), 1, "environments whose data were written");
        get!(write_data(other, &secrets));
        check_eq!(holders(&secrets).len(), 2, "environments whose data were written");
        get!(free(one));
        check_eq!(data(place[0]), [0; DATA_WORDS], "the data of a dead one");
        check_eq!(holders(&secrets).len(), 1, "the data of the other");
        check_eq!(write_data(one, &secrets), Err(Error::NoSuchEnvironment), "written to a dead one");
        get!(free(other));
    }
    check_eq!(holders(&[0; DATA_WORDS]).len(), ENVS, "environments whose data are zeros");
    Ok(())
}
