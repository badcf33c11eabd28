//! A tour of Aegis, from a program's point of view: the machine, the address space, memory under the program's own page
//! table, exceptions that it handles itself. Every number is read or counted while it runs, and every claim is checked: if
//! one does not hold, the exit status is 1.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod exceptions;
mod machine;
mod memory;
mod show;
mod space;

use exos::{Cell, println};

exos::entry!(main);

/// Claims that did not hold.
static FAILURES: Cell<u32> = Cell::new(0);

/// Says so if a claim does not hold.
fn claim(holds: bool, what: &str) {
    if !holds {
        FAILURES.set(FAILURES.get() + 1);
        println!("  *** This did not hold: {what}");
    }
}

fn main() -> i32 {
    println!();
    println!("A tour of Aegis, an exokernel");
    println!("=============================");
    println!("An exokernel protects the machine; it does not manage it. Aegis hands out page");
    println!("frames, TLB entries and exceptions, and checks who owns what. All else is done");
    println!("by a library, ExOS, inside each program. You are reading the output of one such");
    println!("program, in user mode and without privileges. What it shows it does itself,");
    println!("now, and every number is read or counted while it runs.");

    machine::show();
    space::show();
    if let Err(error) = memory::show() {
        println!("  *** The page table refused: {error}");
        return 1;
    }
    if let Err(error) = exceptions::show() {
        println!("  *** The page table refused: {error}");
        return 1;
    }

    println!();
    match FAILURES.get() {
        0 => println!("Everything held. The program ends here, and with it the machine."),
        failures => println!("{failures} of the claims above did not hold."),
    }
    i32::from(FAILURES.get() != 0)
}
