//! Time slices: what their ends cost those who ignore them, and what they do not change in a program, wherever they fall; queues; sleep;
//! critical sections. The program is its own children too: the first argument says so.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod critical;
mod everywhere;
mod excess;
mod queues;

use alloc::vec::Vec;
use exos::abi::calls::Number;
use exos::abi::limits::{COPY_FRAMES, PAGE_BYTES};
use exos::region::Frame;
use exos::schedule;
use exos_checks::feature::{Feature, needs};
use exos_checks::raw::calls::call;
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

exos::entry!(main);

fn main() -> i32 {
    if let Some(role) = exos::args().nth(1) {
        return critical::child(role);
    }
    tap::run(&[
        ("who ignores the end of its slices is switched by hand, and nobody else suffers", excess::ignored),
        ("the kernel keeps all registers of who is switched by hand", excess::registers),
        ("who comes late forfeits slices", excess::late),
        ("who gives up just before a tick steals nothing", excess::thief),
        ("a program that is interrupted anywhere on its way back has its registers", everywhere::library),
        ("one without a library, interrupted anywhere in its prologue, has them too", everywhere::bare),
        ("who gives away the rest of its slices keeps them", excess::given_away),
        ("a queue that is full says how many were dropped", queues::full),
        ("a queue full of garbage harms nobody but its owner", queues::garbage),
        ("who sleeps wakes in time, and the machine idles", sleep),
        ("a critical section needs no lock", critical::sections),
        ("long calls keep no interrupts away", long_calls),
        ("ticks that pass within a call are counted", ticks_in_calls),
    ])
}

/// A program that is in the kernel nearly all the time is interrupted as often as any.
fn long_calls() -> Outcome {
    const CALLS: u32 = 1000;
    let frame = get!(Frame::any());
    let before = schedule::ticks();
    for _ in 0..CALLS {
        get!(call(Number::memset, [frame.get(), 0, 1, PAGE_BYTES]));
    }
    // Each stores a thousand words at least.
    let (ticks, least) = (schedule::ticks().wrapping_sub(before), CALLS * (PAGE_BYTES / 4) / excess::SLICE);
    check!(ticks >= least, "{ticks} ticks during {CALLS} calls, and not {least}");
    Ok(())
}

/// Ticks that fall into calls are lost no more where the calls are as long as they can be.
fn ticks_in_calls() -> Outcome {
    const CALLS: u32 = 400;
    needs(Feature::FineClock)?;
    let mut frames: Vec<Frame> = (0..128).map_while(|_| Frame::any().ok()).collect();
    frames.sort_unstable_by_key(Frame::get);
    let in_a_row = |run: &&[Frame]| run[run.len() - 1].get() - run[0].get() == COPY_FRAMES - 1;
    let run = frames.windows(COPY_FRAMES as usize).find(in_a_row).ok_or("no frames in a row")?;
    let ticks_of = |calls: u32, frames: u32| -> Result<u32, alloc::string::String> {
        let before = schedule::ticks();
        for _ in 0..calls {
            get!(call(Number::memset, [run[0].get(), 0, 1, frames * PAGE_BYTES]));
        }
        Ok(schedule::ticks().wrapping_sub(before))
    };
    let (short, long) = (ticks_of(CALLS * COPY_FRAMES, 1)?, ticks_of(CALLS, COPY_FRAMES)?);
    check!(long * 10 >= short * 8, "{long} ticks during long calls, and {short} where the same is done by short ones");
    Ok(())
}

fn sleep() -> Outcome {
    for ticks in [1, 2, 10, 50] {
        let before = schedule::ticks();
        schedule::sleep(ticks);
        let slept = schedule::ticks().wrapping_sub(before);
        check!((ticks..=ticks + 1).contains(&slept), "slept {slept} ticks instead of {ticks}");
    }
    // Nothing else runs: each yield that ends a revolution waits for a tick.
    let (before, mut yields) = (schedule::ticks(), 0);
    while schedule::ticks().wrapping_sub(before) < 50 {
        schedule::yield_now();
        yields += 1;
    }
    check!(yields <= 51, "{yields} yields in 50 ticks");
    check_eq!(schedule::rate(), None, "rate of a clock that counts instructions");
    Ok(())
}
