//! Protected control transfers: every register arrives as it was sent, both kinds, also between timer interrupts; and what is refused.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use exos::abi::calls::ANY;
use exos::abi::calls::transfer::{ASYNCHRONOUS, SYNCHRONOUS};
use exos::abi::{Error, Pid};
use exos::{machine, schedule};
use exos_checks::raw::bare::{COUNT, Entries, Entry, FAILED, FOUND, GIVEN, Pages, free, give_slice, until_started};
use exos_checks::raw::registers::Registers;
use exos_checks::raw::transfers::{open_gate, transfer};
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

exos::entry!(main);

/// Transfers there and back, so that ticks fall between many.
const TIMES: u32 = 4_000;

fn main() -> i32 {
    tap::run(&[
        ("every register arrives, by synchronous transfers", || exchange(true)),
        ("every register arrives, by asynchronous transfers", || exchange(false)),
        ("transfers that are refused", refused),
    ])
}

/// A value for each register, different each time.
fn pattern(seed: u32) -> Registers {
    core::array::from_fn(|n| (n as u32 + 1).wrapping_mul(0x0101_0101) ^ seed.wrapping_mul(0x9e37_79b9))
}

/// Checks what has arrived: all that was sent, but for `$v0`, `$k0` and `$k1`, and the sender's name in `$v1`.
fn arrived(found: impl Fn(usize) -> u32, sent: &Registers, sender: Pid, what: &str, turn: u32) -> Outcome {
    for n in (1..34).filter(|n| ![2, 26, 27].contains(n)) {
        let expected = if n == 3 { sender.0 } else { sent[n] };
        check_eq!(found(n), expected, "{what}, turn {turn}, register {n}");
    }
    Ok(())
}

fn exchange(synchronous: bool) -> Outcome {
    get!(open_gate());
    let pages = get!(Pages::new());
    // It is told when its slice is over while it runs, so it saves everything, and goes on.
    let entries = Entries {
        init: Some(Entry::Turn),
        pro: Some(Entry::Prologue),
        epi: Some(Entry::Epilogue),
        gate: Some(Entry::Exchange),
        agate: Some(Entry::Exchange),
    };
    let pid = get!(pages.start(entries));
    // Of an asynchronous transfer it gets the rest of the slice, and needs one of its own to go on where that does not suffice.
    get!(give_slice(pid, ANY));
    get!(until_started(pid, || {
        schedule::yield_now();
        Ok(())
    }));
    let number = if synchronous { SYNCHRONOUS } else { ASYNCHRONOUS };
    let start = machine::counters().ticks;
    for turn in 0..TIMES {
        let (there, mut back) = (pattern(turn), pattern(!turn));
        back[2] = number;
        for (n, &value) in back.iter().enumerate() {
            pages.store(GIVEN + 4 * n as u32, value);
        }
        let answer = get!(transfer(synchronous, pid, &there));
        arrived(|n| pages.load(FOUND + 4 * n as u32), &there, machine::pid(), "there", turn)?;
        arrived(|n| answer[n], &back, pid, "back", turn)?;
    }
    check_eq!(pages.load(COUNT), TIMES, "transfers that have arrived");
    check_eq!(pages.load(FAILED), 0, "error on the way back");
    check!(machine::counters().ticks.wrapping_sub(start) >= 20, "too few ticks to fall between");
    get!(free(pid));
    Ok(())
}

fn refused() -> Outcome {
    get!(open_gate());
    let pages = get!(Pages::new());
    let before = pattern(7);
    let without = get!(pages.open(Entries::default()));
    let one_kind = get!(pages.open(Entries { gate: Some(Entry::Exchange), ..Entries::default() }));
    for synchronous in [true, false] {
        let to = |pid: Pid| transfer(synchronous, pid, &before).err();
        check_eq!(to(without), Some(Error::NoGate), "an environment without a gate");
        for name in [0, u32::MAX, 0x8000_0000, 0x7fff_f000, machine::pid().0 ^ 1 << 20] {
            check_eq!(to(Pid(name)), Some(Error::NoSuchEnvironment), "the name {name:#x}");
        }
    }
    check_eq!(transfer(false, one_kind, &before).err(), Some(Error::NoGate), "no gate of this kind");
    let wrong = Pid(one_kind.0 ^ 1 << 20);
    check_eq!(transfer(true, wrong, &before).err(), Some(Error::NoSuchEnvironment), "another name of its number");
    get!(free(one_kind));
    for synchronous in [true, false] {
        let refusal = transfer(synchronous, one_kind, &before).err();
        check_eq!(refusal, Some(Error::NoSuchEnvironment), "a name kept too long");
    }
    // The same number under another name.
    let heir = get!(pages.open(Entries { gate: Some(Entry::Exchange), ..Entries::default() }));
    check!(heir != one_kind, "a name given twice");
    check_eq!(transfer(true, one_kind, &before).err(), Some(Error::NoSuchEnvironment), "a name whose number lives on");
    get!(free(heir));
    let both = Entries { gate: Some(Entry::Exchange), agate: Some(Entry::Exchange), ..Entries::default() };
    let child = get!(pages.start(both));
    for synchronous in [true, false] {
        check_eq!(transfer(synchronous, child, &before).err(), Some(Error::NoGate), "before its start");
    }
    get!(free(child));
    get!(free(without));
    Ok(())
}
