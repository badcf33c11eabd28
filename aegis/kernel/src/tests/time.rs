//! Time as its holders have it: model programs that work, an instruction at a time, and give up the processor when they like.

use super::model::*;
use crate::Kernel;
use crate::kernel::FIRST;
use aegis_abi::calls::{NEXT, Number};
use stlb::Mips32;

/// Instructions from tick to tick.
const PERIOD: u64 = 16_400;
/// Instructions that it takes to save the registers and give up the processor at the end of a slice.
const EPILOGUE: u64 = 120;
/// Ticks that are looked at.
const TICKS: u64 = 400;

/// When a program gives up the processor.
#[derive(Clone, Copy, Debug)]
enum Program {
    /// When it is told, at once.
    Honest,
    /// So many instructions before the tick number `tick` after its slice began, if it is not told before; then at once.
    Before { tick: u64, instructions: u64 },
}

/// What a program runs from the begin of its slice on until it yields, if nobody interrupts it.
fn patience(program: Program, now: u64) -> u64 {
    match program {
        Program::Honest => u64::MAX,
        Program::Before { tick, instructions } => {
            let end = (now / PERIOD + tick) * PERIOD;
            end.saturating_sub(now).saturating_sub(instructions).max(1)
        }
    }
}

/// Lets the programs run, each in an environment with one slice: the instructions that each had, and its slices.
fn share<const N: usize>(programs: [Program; N]) -> [(u64, u64); N] {
    let mut kernel: Box<Kernel<Model<Mips32>>> = family(N - 1);
    // The first slice begins now.
    (0..N).for_each(|_| _ = kernel.call(Number::r#yield as u32, [NEXT.0, 0, 0, 0]));
    assert_eq!(kernel.current(), FIRST);
    let mut had = [(0, 0); N];
    let mut now = 0;
    let mut left = patience(programs[FIRST], now);
    while now < TICKS * PERIOD {
        let current = kernel.current();
        let to_tick = PERIOD - now % PERIOD;
        let run = left.min(to_tick);
        now += run;
        left -= run;
        had[current].0 += run;
        if run == to_tick {
            tick(&mut kernel);
            if queue(&kernel, current).ended != 0 {
                left = left.min(EPILOGUE);
            }
        }
        if left == 0 {
            kernel.call(Number::r#yield as u32, [NEXT.0, 0, 0, 0]).unwrap();
            let next = kernel.current();
            had[next].1 += 1;
            left = patience(programs[next], now);
        }
    }
    had
}

#[test]
fn honest_programs_have_the_same_time() {
    let [one, other] = share([Program::Honest; 2]).map(|(had, _)| had);
    assert!(one.abs_diff(other) <= 2 * PERIOD, "{one} and {other} instructions");
    let three = share([Program::Honest; 3]).map(|(had, _)| had);
    assert!(three.iter().all(|had| had.abs_diff(TICKS * PERIOD / 3) <= 2 * PERIOD), "{three:?}");
}

#[test]
fn who_yields_just_before_each_tick_gains_nothing() {
    let [_, (honest, _)] = share([Program::Honest; 2]);
    for instructions in (1..40).chain((40..PERIOD).step_by(97)) {
        let thief = Program::Before { tick: 1, instructions };
        let [(gain, _), (victim, _)] = share([thief, Program::Honest]);
        assert!(victim * 100 >= honest * 97, "{instructions} before the tick: {victim} of {honest}, the thief {gain}");
    }
}

#[test]
fn each_slice_is_a_whole_tick_whenever_it_begins() {
    // Whoever comes before, one who goes on until the second tick of its slice too.
    for tick in 1..=2 {
        for instructions in (1..40).chain((40..PERIOD).step_by(97)) {
            let [_, (victim, slices)] = share([Program::Before { tick, instructions }, Program::Honest]);
            assert!(victim >= (slices - 1) * PERIOD, "tick {tick}, {instructions}: {victim} in {slices} slices");
        }
    }
}
