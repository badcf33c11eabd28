//! Processes: made from the archive, waited for, destroyed; and calls between them. The program is its own children: the first argument
//! says what it is.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod children;
mod files;
mod parent;

/// This program's name in the archive.
const SELF: &str = "processes";

exos::entry!(main);

fn main() -> i32 {
    match exos::args().nth(1) {
        None => parent::main(),
        Some(role) => children::main(role),
    }
}
