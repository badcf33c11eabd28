//! 100,000 calls with random numbers and arguments. The kernel must go on, whatever it is told, and this program too: it
//! keeps the calls away from what it lives on itself, and puts right what they do to the rest.
//!
//! The sequence is the same in every run; a number on the command line chooses another.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use exos::abi::Error;
use exos::abi::calls::{ANY, Number, TABLE};
use exos::abi::limits::PAGE_SHIFT;
use exos::exceptions::{Cause, Context, handle};
use exos::region::Frame;
use exos::{Cell, machine, print, println};
use exos_checks::raw::calls::{call, insert};
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

mod player;

use player::Player;

exos::entry!(main);

const CALLS: u32 = 100_000;

fn main() -> i32 {
    tap::run(&[("100,000 random calls", random_calls), ("the program is as it was", afterwards)])
}

static REINSERTED: Cell<u32> = Cell::new(0);

/// A random call has read-protected a binding of a page that is writable: it is inserted as the page table has it.
fn reinsert(context: &mut Context) {
    let writable = machine::mapping(context.badvaddr).is_some_and(|lo| lo.d());
    assert!(writable && insert(context.badvaddr), "store to {:#x} at {:#x}", context.badvaddr, context.epc);
    REINSERTED.set(REINSERTED.get() + 1);
}

static FREE_BEFORE: Cell<u32> = Cell::new(0);

/// Free frames: all that can be allocated, given back at once.
fn free_frames() -> Result<u32, alloc::string::String> {
    let mut frames: Vec<u32> = alloc::vec![1; machine::info().frames as usize];
    frames.clear();
    while let Ok(frame) = call(Number::p_alloc, [ANY, 0, 0, 0]) {
        frames.push(frame);
    }
    for &frame in &frames {
        get!(call(Number::p_unref, [frame, 0, 0, 0]));
    }
    Ok(frames.len() as u32)
}

fn random_calls() -> Outcome {
    let seed = exos::args().nth(1).and_then(|word| word.parse().ok()).filter(|&seed| seed != 0).unwrap_or(0x1995_0eb2);
    handle(Cause::Modified, reinsert);
    let mut results: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    let mut player = Player::new(seed)?;
    free_frames()?;
    player.tidy()?;
    player.take_stock();
    print!("# ");
    exos::console::flush();
    let mut made = 0;
    while made < CALLS {
        if made % 500 == 0 {
            player.tidy()?;
            player.take_stock();
        }
        let (number, code) = player.play();
        if code == u32::MAX {
            continue;
        }
        made += 1;
        check!(code == 0 || Error::from_code(code).is_some(), "call {number} returned the unknown error code {code}");
        *results.entry((number.min(256), code)).or_default() += 1;
        if made % 5_000 == 0 {
            player.check_watched()?;
        }
    }
    println!();
    for row in TABLE {
        print!("# {:<13}", row.name);
        for (&(_, code), &times) in results.range((row.number, 0)..=(row.number, u32::MAX)) {
            match Error::from_code(code) {
                None => print!(" ok {times}"),
                Some(error) => print!(", {error:?} {times}"),
            }
        }
        println!();
    }
    println!("# pages inserted again after a call had read-protected them: {}", REINSERTED.get());
    // Whatever calls there are, each has succeeded and failed; else the arguments are not cunning enough.
    // (None to which the slice could be donated ever runs.)
    let never = [Number::power_off as u32, Number::donate as u32];
    for row in TABLE.iter().filter(|row| !never.contains(&row.number)) {
        check!(results.get(&(row.number, 0)).is_some_and(|&times| times > 20), "{} hardly ever succeeded", row.name);
    }
    let seen: BTreeSet<u32> = results.keys().map(|&(_, code)| code).collect();
    for error in [
        Error::NoSuchCall,
        Error::BadAddress,
        Error::Guaranteed,
        Error::BadLength,
        Error::NoSuchFrame,
        Error::FrameFree,
        Error::FrameTaken,
        Error::NotPermitted,
        Error::BadPointer,
        Error::Unmapped,
        Error::TooLong,
        Error::Misaligned,
        Error::BadMapping,
        Error::NoSuchEnvironment,
        Error::NoGate,
        Error::EnvironmentTaken,
        Error::NoSuchSlice,
        Error::SliceFree,
        Error::SliceTaken,
        Error::BadProtection,
    ] {
        check!(seen.contains(&(error as u32)), "no call failed with {error:?}");
    }
    player.end_environments();
    for frame in core::mem::take(&mut player.frames) {
        get!(call(Number::p_unref, [frame, 0, 0, 0]));
    }
    player.check_watched()?;
    drop(player);
    FREE_BEFORE.set(free_frames()?);
    Ok(())
}

fn afterwards() -> Outcome {
    // Every binding in the STLB agrees with the page table, once stale protections are gone.
    get!(call(Number::tlbflush, [0; 4]));
    let mut wrong = 0;
    machine::for_each_page(|page, lo| {
        let address = page << PAGE_SHIFT;
        if let Some((cached, _)) = machine::probe(address).filter(|_| lo.v()) {
            wrong += u32::from(cached.pfn() != lo.pfn() || cached.d() != lo.d());
        }
    });
    check_eq!(wrong, 0, "bindings that are not the page table's");
    // No frame was lost: the same number is free again, whatever is done in between.
    let frames: Vec<Frame> = (0..100).map_while(|_| Frame::any().ok()).collect();
    check_eq!(frames.len(), 100, "frames to be had");
    drop(frames);
    check_eq!(free_frames()?, FREE_BEFORE.get(), "free frames");
    Ok(())
}
