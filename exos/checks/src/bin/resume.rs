//! Interrupted on the way back: a tick falls on one instruction after the other of what resumes the program from an exception, a miss, a
//! miss of the page table, and an interrupt. The program runs alone, so the kernel answers the ticks itself: nobody is called up. The
//! kernel's option `aegis.empty-tlb` is to see to it that each page misses then.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use exos::abi::calls::Number;
use exos::exceptions::{Cause, Context, handle, unhandle};
use exos::page_table::Rights;
use exos::region::Region;
use exos::{Cell, interrupts, layout};
use exos_checks::feature::{Feature, needs};
use exos_checks::raw::calls::call;
use exos_checks::raw::registers::{Registers, TESTED, across_break, across_count, across_load};
use exos_checks::raw::ticks::{TURN, turns_to_tick, wait};
use exos_checks::tap::{self, NotPassed, Outcome};
use exos_checks::{check, check_eq, get};

exos::entry!(main);

/// Turns within which a clock that runs must tick.
const PATIENCE: u32 = 100_000;
/// Registers of these numbers hold a number of turns, and the address of a load.
const V0: usize = 2;
const T9: usize = 25;

fn main() -> i32 {
    tap::run(&[
        ("an exception", exception),
        ("a miss", || miss(false)),
        ("a miss, and one of the page table", || miss(true)),
        ("an interrupt", interrupt),
    ])
}

/// Does `body` right after a tick, so that all its pages are at hand; then, how many instructions are left until the next one.
fn rest(body: impl FnOnce() -> Outcome) -> Result<u32, NotPassed> {
    needs(Feature::FineInterrupts)?;
    turns_to_tick(PATIENCE);
    body()?;
    let turns = turns_to_tick(PATIENCE);
    check!((1..PATIENCE).contains(&turns), "{turns} turns to the next tick");
    Ok(turns * TURN)
}

/// Does `body` again and again, so that a tick falls into it, each time an instruction earlier. `longest`: what it takes, at least.
fn sweep(longest: u32, mut body: impl FnMut(u32) -> Outcome) -> Outcome {
    // The first time is not like the others.
    body(0)?;
    let rest = rest(|| body(0))?;
    for left in 0..longest {
        turns_to_tick(PATIENCE);
        body(left)?;
        wait(rest - left);
        body(left)?;
    }
    Ok(())
}

/// A value for each register.
fn pattern(seed: u32) -> Registers {
    core::array::from_fn(|n| (n as u32 + 1).wrapping_mul(0x0101_0101) ^ seed.wrapping_mul(0x9e37_79b9))
}

/// Compares the registers, but for one of them.
fn compare(turn: u32, before: &Registers, after: &Registers, but: usize) -> Outcome {
    for n in (0..before.len()).filter(|&n| n != but && (n >= 32 || TESTED >> n & 1 != 0)) {
        check_eq!(after[n], before[n], "turn {turn}, register {n}");
    }
    Ok(())
}

fn exception() -> Outcome {
    handle(Cause::Breakpoint, |context: &mut Context| context.skip().expect("no delay slot here"));
    sweep(1000, |turn| {
        let before = pattern(turn);
        compare(turn, &before, &across_break(&before), 0)
    })?;
    unhandle(Cause::Breakpoint);
    Ok(())
}

fn miss(of_the_table: bool) -> Outcome {
    let region = get!(Region::reserve(1));
    get!(region.demand_zero(0..1, Rights::ReadWrite));
    sweep(if of_the_table { 2500 } else { 1500 }, |turn| {
        get!(call(Number::tlbdeleten, [region.start(), 1, 0, 0]));
        if of_the_table {
            get!(call(Number::tlbdeleten, [layout::WINDOW.start + (region.start() >> 10), 1, 0, 0]));
        }
        let mut before = pattern(turn);
        before[T9] = region.start();
        let after = across_load(&before);
        check_eq!(after[T9], 0, "turn {turn}: a page of zeros");
        compare(turn, &before, &after, T9)
    })
}

/// What the handler waits for.
static WAIT: Cell<u32> = Cell::new(0);

fn interrupt() -> Outcome {
    let period = rest(|| Ok(()))?;
    let before = interrupts::handle(interrupts::TIMER, Some(|_| wait(WAIT.get())));
    for turn in 0..1500 {
        WAIT.set(period - turn);
        get!(call(Number::timer, [1, 0, 0, 0]));
        let mut before = pattern(turn);
        // Two periods, the tick before included, and one that the handler takes.
        before[V0] = period;
        let mut expected = before;
        expected[V0] = u32::MAX;
        compare(turn, &expected, &across_count(&before), 0)?;
    }
    interrupts::handle(interrupts::TIMER, before);
    Ok(())
}
