//! Interrupts of the clock: a program that they come between does not notice.
//!
//! The argument names the clock that the kernel was told to use; without one, nothing is tested. Of the clock `deterministic` it
//! shows how long each tick took, which is the same in every run.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use exos::machine;
use exos_checks::raw::registers::{Registers, TESTED, across_count};
use exos_checks::raw::ticks::{TURN, turns_to_tick};
use exos_checks::tap::{self, Outcome, Test};
use exos_checks::{check, check_eq};

exos::entry!(main);

/// Turns within which a clock that runs must tick.
const PATIENCE: u32 = 500_000_000;
/// Instructions from tick to tick of the deterministic clock, nearly.
const PERIOD: u32 = 16_400;
/// Ticks that are waited for.
const TICKS: u32 = 20;

fn main() -> i32 {
    const ALL: [Test; 3] = [
        ("the clock ticks", ticks),
        ("no register changes in an interrupt", registers),
        ("ticks are as many instructions apart, each time", alike),
    ];
    match machine::args().nth(1) {
        None => {
            exos::println!("1..1\nok 1 - ticks # SKIP no clock");
            0
        }
        Some("deterministic") => tap::run(&ALL),
        Some(_) => tap::run(&ALL[..2]),
    }
}

fn ticks() -> Outcome {
    let before = machine::counters().ticks;
    for tick in 0..TICKS {
        check!(turns_to_tick(PATIENCE) < PATIENCE, "no tick {tick}");
    }
    check!(machine::counters().ticks.wrapping_sub(before) >= TICKS, "fewer ticks than were seen");
    Ok(())
}

fn registers() -> Outcome {
    let mut before: Registers = core::array::from_fn(|n| (n as u32 + 1).wrapping_mul(0x0101_0101) ^ 0xa5a5_0000);
    const V0: usize = 2;
    before[V0] = 1_000_000;
    let start = machine::counters().ticks;
    // In real time this may have to be done often.
    for _ in 0..PATIENCE / before[V0] {
        let mut expected = before;
        expected[V0] = u32::MAX;
        let after = across_count(&before);
        for n in (0..before.len()).filter(|&n| n >= 32 || TESTED & 1 << n != 0) {
            check_eq!(after[n], expected[n], "register {n}");
        }
        if machine::counters().ticks.wrapping_sub(start) >= TICKS {
            return Ok(());
        }
    }
    check!(false, "fewer than {TICKS} ticks");
    Ok(())
}

fn alike() -> Outcome {
    let mut turns = [0; TICKS as usize];
    // The first time, code and data may still miss in the TLB.
    for _ in 0..2 {
        turns.fill_with(|| turns_to_tick(PATIENCE));
    }
    exos::println!("# turns from tick to tick: {turns:?}");
    // The first was under way already; the others need not be a whole number, and GXemul runs a few instructions as one.
    let (least, most) = turns[1..].iter().fold((u32::MAX, 0), |(least, most), &n| (least.min(n), most.max(n)));
    check!(most - least <= 2, "from {least} to {most} turns");
    // The kernel's answer to a tick, in which the next slice is chosen, takes some hundreds.
    check!((PERIOD - 600..=PERIOD + 500).contains(&(most * TURN)), "{most} turns of {TURN} instructions");
    Ok(())
}
