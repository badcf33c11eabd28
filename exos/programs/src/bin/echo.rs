//! Says each line again that is typed, until Ctrl-D. Its arguments are the first line.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use exos::{input, println};

exos::entry!(main);

fn main() {
    let arguments: Vec<&str> = exos::args().skip(1).collect();
    let first: String = arguments.join(" ");
    if first.is_empty() {
        println!("Type something; Ctrl-D ends it.");
    } else {
        println!("{first}");
    }
    while let Some(line) = input::line() {
        println!("{line}");
    }
}
