//! The adversary: hostile environments beside a victim. This program makes both, tells the hostile ones what to do, and looks whether the
//! victim, itself, or the kernel came to harm. `./x fuzz` runs it, on a kernel that checks all its invariants again and again.
//!
//! Arguments: a seed, and a number of steps. The run is the same for the same seed. Exit status 0: nothing was found; 1: the last lines
//! say what. (What hostile environments print decides nothing; they hardly print anything.)

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod hostile;
mod instruction;
mod random;
mod scarcity;
mod script;
mod victim;
mod world;

use alloc::vec::Vec;
use exos::abi::calls::{Number, TABLE};
use exos::abi::limits::{PAGE_BYTES, SLICES};
use exos::page_table::Rights;
use exos::region::{Frame, Region};
use exos::{machine, println, schedule};
use exos_checks::feature::Feature;
use exos_checks::raw::calls::call;
use exos_checks::tap::{NotPassed, Outcome};
use exos_checks::{check_eq, get};
use hostile::{Hostile, Tally};
use random::Random;
use scarcity::Scarcity;
use victim::Victim;
use world::{Last, World};

exos::entry!(main);

/// Hostile environments at a time, besides those that they make themselves.
const HOSTILE: usize = 12;
/// Frames that they share.
const COMMON: usize = 3;
/// Rounds between two looks at all of the victim's memory and the director's own.
const ROUNDS: u32 = 64;
/// Pages of the director's own that it watches.
const WATCHED: u32 = 8;
/// Steps between two lines that say how far it is.
const PROGRESS: u64 = 10_000;

/// The instruction `break`, which ends the hostile environments' code.
const BREAK: u32 = 0x0d;

fn main() -> i32 {
    let mut arguments = exos::args().skip(1);
    let seed = arguments.next().map_or(Some(1), |word| word.parse().ok());
    let steps = arguments.next().map_or(Some(20_000), |word| word.parse::<u32>().ok());
    let (Some(seed), Some(steps)) = (seed, steps) else {
        println!("usage: fuzz [SEED [STEPS]]");
        return 2;
    };
    let mut tally = Tally::new();
    let outcome = run(seed, steps.into(), &mut tally);
    tell(&tally);
    let why = match outcome {
        Ok(()) => {
            println!("fuzz: seed {seed}, {} steps: nothing found", tally.steps);
            return 0;
        }
        Err(NotPassed::Failed(why)) => why,
        Err(NotPassed::Skipped(why)) => why.into(),
    };
    println!("fuzz: found at seed {seed}, step {}: {why}", tally.steps);
    1
}

/// What the director itself has to lose.
struct Own {
    region: Region,
    code: Region,
    words: Vec<u32>,
}

impl Own {
    fn check(&self) -> Outcome {
        for offset in (0..WATCHED * PAGE_BYTES).step_by(4) {
            check_eq!(self.region.load(offset), !offset, "word {offset:#x} of the director's own");
        }
        for (n, &word) in self.words.iter().enumerate() {
            check_eq!(self.code.load(4 * n as u32), word, "word {n} of the hostile environments' code");
        }
        Ok(())
    }
}

fn run(seed: u32, steps: u64, tally: &mut Tally) -> Outcome {
    let random = Random::new(seed);
    let region = get!(Region::reserve(WATCHED));
    get!(region.demand_zero(0..WATCHED, Rights::ReadWrite));
    for offset in (0..WATCHED * PAGE_BYTES).step_by(4) {
        region.store(offset, !offset);
    }
    let mut victim = Victim::new()?;
    let mut private = victim.private_frames();
    machine::for_each_page(|_, lo| {
        if lo.v() && lo.d() {
            private.push(lo.pfn());
        }
    });
    private.retain(|&frame| frame != victim.shared().get());
    let code = get!(Frame::any());
    let mut own = Own { region, code: get!(Region::reserve(1)), words: exos_checks::raw::hostile::code().collect() };
    get!(own.code.map(0, &code, Rights::ReadWrite));
    own.words.resize(PAGE_BYTES as usize / 4, BREAK);
    for (n, &word) in own.words.iter().enumerate() {
        own.code.store(4 * n as u32, word);
    }
    let info = machine::info();
    let common: Vec<Frame> = (0..COMMON).map_while(|_| Frame::any().ok()).collect();
    let mut world = World {
        random,
        fragile: Feature::PrivilegedMoves.lack().is_some(),
        frame_count: info.frames,
        touched: info.stlb_frame..info.stlb_frame + info.stlb_frames,
        director: machine::pid().0,
        victim: victim.pid.0,
        hostile: Vec::new(),
        children: Last::new(),
        stale: Last::new(),
        private,
        readable: alloc::vec![
            machine::mapping(exos::layout::INFO.start).map_or(0, |lo| lo.pfn()),
            info.stlb_frame,
            info.archive_frame,
            info.env_data_frame,
            victim.shared().get(),
        ],
        common: common.iter().map(Frame::get).collect(),
        slices: 2,
    };
    let mut hostile = Vec::new();
    for _ in 0..HOSTILE {
        hostile.push(Hostile::new(code.get())?);
    }
    let mut scarcity = None;
    let mut told = 0;
    for round in 1u32.. {
        // In one run of three, memory is scarce, when the director has what it needs itself.
        if seed.is_multiple_of(3) && round == ROUNDS {
            scarcity = Some(Scarcity::new());
        }
        if let Some(scarcity) = &mut scarcity {
            scarcity.attend(&mut world.random);
        }
        for one in &mut hostile {
            if one.is_alive() {
                one.attend(&mut world, tally)?;
            }
            if !one.is_alive() {
                one.create(&mut world, tally)?;
            }
        }
        if world.random.one_in(64) {
            tidy(&hostile);
        }
        victim.set_turns(if world.random.one_in(64) { 1 << 20 } else { 1 + world.random.below(4) });
        schedule::yield_now();
        victim.check()?;
        if round % ROUNDS == 0 {
            victim.check_all()?;
            own.check()?;
        }
        if tally.steps >= told + PROGRESS {
            told = tally.steps;
            println!("fuzz: {told} of {steps} steps");
        }
        if tally.steps >= steps {
            break;
        }
    }
    if let Some((asked, taken)) = scarcity.as_ref().map(Scarcity::told) {
        println!("# sum requests for frames, and frames taken by force: {asked} {taken}");
    }
    let (starts, turns) = victim.told();
    println!("# sum slices and turns of the victim: {starts} {turns}");
    Ok(())
}

/// Takes back slices that have come to those that live, now and then, so that there are some.
fn tidy(hostile: &[Hostile]) {
    for n in 2..SLICES as u32 {
        // What belongs to others is refused.
        let _ = call(Number::s_free, [n, 0, 0, 0]);
    }
    for one in hostile.iter().filter(|one| one.is_alive()) {
        // It may have died.
        let _ = call(Number::s_alloc, [one.pid(), exos::abi::calls::ANY, 0, 0]);
    }
}

/// The sums.
fn tell(tally: &Tally) {
    for row in TABLE {
        let [ok, failed] = tally.calls[row.number as usize];
        println!("# call {}: {ok} ok of {}", row.name, ok + failed);
    }
    let Tally { transfers, transfers_refused, foreign, made, died, destroyed, stuck, expected, upcalls, .. } = *tally;
    for (code, &times) in tally.causes.iter().enumerate().filter(|&(_, &times)| times > 0) {
        println!("# sum exceptions with code {code:2}: {times}");
    }
    println!("# sum calls with the numbers of others: {foreign}");
    println!("# sum transfers, and those refused: {transfers} {transfers_refused}");
    println!("# sum upcalls for interrupts: {upcalls}");
    println!("# sum environments made, died, destroyed at random, stood still: {made} {died} {destroyed} {stuck}");
    println!("# sum steps that had to fail: {expected}");
    println!("# sum ticks: {}", machine::counters().ticks);
    println!("# steps: {}", tally.steps);
}
