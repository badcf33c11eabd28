//! Shows environments, slices, frames and the software TLB of the running system, from the kernel's own tables, which every program may
//! read: no call is made for any row. With arguments it runs a program of the archive for a while, and shows it too.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use exos::abi::limits::{ENVS, SLICES};
use exos::exposed::{Census, Tables};
use exos::{interrupts, machine, print, println, process, schedule};

exos::entry!(main);

/// Ticks that a program is given before it is shown.
const WHILE: u32 = 32;

fn main() -> i32 {
    match show() {
        Ok(()) => 0,
        Err(error) => {
            println!("ps: {error}");
            1
        }
    }
}

fn show() -> Result<(), alloc::boxed::Box<dyn Error>> {
    let mut arguments = exos::args().skip(1);
    let _child = match arguments.next() {
        None => None,
        Some(name) => {
            let rest: Vec<&str> = arguments.collect();
            let child = process::spawn(name, &rest).map_err(|error| alloc::format!("{name}: {error}"))?;
            schedule::sleep(WHILE);
            Some(child)
        }
    };
    let tables = Tables::map()?;
    let census = interrupts::critical(|| tables.census());
    environments(&tables, &census);
    slices(&tables, &census);
    let frames = tables.frames.len() as u32;
    println!();
    println!("frames        {frames}: {} of the kernel's, {} free", census.kernel, census.free);
    println!(
        "software TLB  {} of {} entries in use",
        census.stlb_entries,
        machine::STLB_SLOTS + machine::STLB_OVERFLOW
    );
    match tables.rate.get(0) {
        0 => println!("clock         tick {}, which counts instructions", tables.tick.get(0)),
        rate => println!("clock         tick {}, {rate} a second", tables.tick.get(0)),
    }
    Ok(())
}

fn environments(tables: &Tables, census: &Census) {
    println!("ENV       PID  SHARES  GRANTED  SLICES  STLB  OWES  CHANGED BY");
    for (number, record) in tables.environments.iter().enumerate().filter(|(_, record)| record.pid != 0) {
        let share = &census.shares[number];
        println!(
            "{number:>3}  {:08x}  {:>6}  {:>7}  {:>6}  {:>4}  {:>4}  {}",
            record.pid,
            share.owned,
            share.granted,
            share.slices,
            share.stlb_pages,
            owed(tables, number),
            names(record.writers)
        );
    }
}

/// Turns that the slices of an environment owe.
fn owed(tables: &Tables, number: usize) -> u32 {
    let own = |slice: &exos::exposed::Slice| slice.access != 0 && usize::from(slice.owner) == number;
    tables.slices.iter().filter(own).map(|slice| slice.owed).sum()
}

/// The numbers in a set of environments.
fn names(set: u64) -> String {
    let numbers: Vec<String> = (0..ENVS).filter(|n| set >> n & 1 != 0).map(|n| alloc::format!("{n}")).collect();
    numbers.join(" ")
}

fn slices(tables: &Tables, census: &Census) {
    println!();
    print!("slices        {} of {SLICES}:", census.slices);
    for (n, slice) in tables.slices.iter().enumerate().filter(|(_, slice)| slice.access != 0) {
        print!("  {n} of {}", slice.owner);
        if slice.holder != slice.owner {
            print!(" (with {})", slice.holder);
        }
    }
    println!();
}
