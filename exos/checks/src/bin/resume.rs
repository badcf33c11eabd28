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
use exos::{Cell, interrupts, layout, machine};
use exos_checks::feature::{Feature, needs};
use exos_checks::raw::calls::call;
use exos_checks::raw::registers::{Registers, TESTED, across_break, across_count, across_load};
use exos_checks::raw::ticks::{TURN, turns_to_tick, wait};
use exos_checks::tap::{self, NotPassed, Outcome};
use exos_checks::{check, get};

exos::entry!(main);

/// Turns within which a clock that runs must tick.
const PATIENCE: u32 = 100_000;
/// As far from what was measured the next tick may come.
const MARGIN: u32 = 500;
/// As many ticks in a row behind what is swept are no accident; and as many must have fallen into it.
const ENOUGH: u32 = 100;
/// Registers of these numbers hold a number of turns, and the address of a load.
const V0: usize = 2;
const T9: usize = 25;

fn main() -> i32 {
    tap::run(&[
        ("an exception", exception),
        ("a miss", miss),
        ("a miss, and one of the page table", table_miss),
        ("an interrupt", interrupt),
    ])
}

/// Where the next tick fell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fallen {
    Before,
    Within,
    Behind,
}

/// What is swept: false if something was wrong. Its argument tells its turns apart.
type Body = fn(u32) -> bool;

static BODY: Cell<Body> = Cell::new(|_| true);
/// Instructions that a step waits for before it does what is swept; or it only measures how many are left until the next tick.
static WAIT: Cell<u32> = Cell::new(MEASURE);
const MEASURE: u32 = u32::MAX;
static TURNS: Cell<u32> = Cell::new(0);
/// Instructions that were left.
static REST: Cell<u32> = Cell::new(0);
static FALLEN: Cell<Option<Fallen>> = Cell::new(None);
static WRONG: Cell<bool> = Cell::new(false);

fn ticks() -> u32 {
    machine::counters().ticks
}

/// Handler for the timer's interrupts: the program was called up by a tick, and so is at the same instruction after it each time. For the
/// next tick nobody is called up.
fn step(_: [u32; 3]) {
    let (body, turn) = (BODY.get(), TURNS.get());
    TURNS.set(turn + 1);
    // So all its pages are at hand.
    let mut right = body(turn);
    let before = ticks();
    let fallen = match WAIT.get() {
        MEASURE => {
            REST.set(turns_to_tick(PATIENCE) * TURN);
            Fallen::Before
        }
        instructions => {
            wait(instructions);
            let missed = ticks() != before;
            right &= body(turn);
            match ticks() != before {
                _ if missed => Fallen::Before,
                true => Fallen::Within,
                false => Fallen::Behind,
            }
        }
    };
    WRONG.set(WRONG.get() || !right);
    FALLEN.set(Some(fallen));
}

/// Takes a step at the next tick.
fn take(instructions: u32) -> Result<Fallen, NotPassed> {
    WAIT.set(instructions);
    FALLEN.set(None);
    get!(call(Number::timer, [1, 0, 0, 0]));
    for _ in 0..PATIENCE {
        if let Some(fallen) = FALLEN.get() {
            check!(!WRONG.get(), "turn {} went wrong", TURNS.get() - 1);
            return Ok(fallen);
        }
    }
    Err("no clock".into())
}

/// Does `body` again and again: the next tick falls before it at first, then into it, each time an instruction later, and at last behind it.
fn sweep(body: Body) -> Outcome {
    needs(Feature::FineInterrupts)?;
    BODY.set(body);
    let before = interrupts::handle(interrupts::TIMER, Some(step));
    // The first time is not like the others.
    take(MEASURE)?;
    take(MEASURE)?;
    let rest = REST.get() + MARGIN;
    let (mut within, mut behind) = (0, 0);
    for earlier in 0..rest {
        match take(rest - earlier)? {
            Fallen::Before => behind = 0,
            Fallen::Within => (within, behind) = (within + 1, 0),
            Fallen::Behind => behind += 1,
        }
        if behind == ENOUGH {
            break;
        }
    }
    interrupts::handle(interrupts::TIMER, before);
    check!(behind == ENOUGH && within >= ENOUGH, "{within} ticks fell into it, the last {behind} behind it");
    exos::println!("# {within} ticks fell into it");
    Ok(())
}

/// A value for each register.
fn pattern(seed: u32) -> Registers {
    core::array::from_fn(|n| (n as u32 + 1).wrapping_mul(0x0101_0101) ^ seed.wrapping_mul(0x9e37_79b9))
}

/// Are the registers the same, but for one of them?
fn same(before: &Registers, after: &Registers, but: usize) -> bool {
    (0..before.len()).all(|n| n == but || after[n] == before[n] || n < 32 && TESTED >> n & 1 == 0)
}

fn exception() -> Outcome {
    handle(Cause::Breakpoint, |context: &mut Context| context.skip().expect("no delay slot here"));
    sweep(|turn| {
        let before = pattern(turn);
        same(&before, &across_break(&before), 0)
    })?;
    unhandle(Cause::Breakpoint);
    Ok(())
}

/// A page of zeros.
static PAGE: Cell<u32> = Cell::new(0);

fn delete(va: u32) -> bool {
    call(Number::tlbdeleten, [va, 1, 0, 0]).is_ok()
}

/// Loads from the page, with all registers set.
fn load(turn: u32) -> bool {
    let mut before = pattern(turn);
    before[T9] = PAGE.get();
    let after = across_load(&before);
    after[T9] == 0 && same(&before, &after, T9)
}

fn miss() -> Outcome {
    let region = get!(Region::reserve(1));
    get!(region.demand_zero(0..1, Rights::ReadWrite));
    PAGE.set(region.start());
    sweep(|turn| delete(PAGE.get()) && load(turn))
}

fn table_miss() -> Outcome {
    let region = get!(Region::reserve(1));
    get!(region.demand_zero(0..1, Rights::ReadWrite));
    PAGE.set(region.start());
    sweep(|turn| delete(PAGE.get()) && delete(layout::WINDOW.start + (PAGE.get() >> 10)) && load(turn))
}

fn interrupt() -> Outcome {
    const LONGEST: u32 = 1500;
    needs(Feature::FineInterrupts)?;
    BODY.set(|_| true);
    let before = interrupts::handle(interrupts::TIMER, Some(step));
    take(MEASURE)?;
    take(MEASURE)?;
    let rest = REST.get() + MARGIN;
    interrupts::handle(interrupts::TIMER, Some(|_| wait(WAIT.get())));
    for turn in 0..LONGEST {
        WAIT.set(rest - turn);
        get!(call(Number::timer, [1, 0, 0, 0]));
        let mut before = pattern(turn);
        // What is left of a period, and a whole one, of which the handler takes most.
        before[V0] = rest;
        let mut expected = before;
        expected[V0] = u32::MAX;
        check!(same(&expected, &across_count(&before), 0), "turn {turn}: a register has changed");
    }
    interrupts::handle(interrupts::TIMER, before);
    Ok(())
}
