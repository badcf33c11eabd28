//! Backtraces of the program, printed.

use crate::{report, rt};

/// Lines of a printed backtrace at most.
const DEPTH: usize = 32;

/// Prints a backtrace, a line for each address; the host tool adds the names.
pub fn print(pc: u32, sp: u32, ra: u32) {
    let read = |address| {
        report::pause();
        rt::memory::peek(address)
    };
    unwind::walk(pc, sp, ra, DEPTH, read, |address| crate::println!("    at {address:#010x}"));
}

/// Prints a backtrace from the caller on.
pub fn print_here() {
    let (pc, sp, ra) = rt::instructions::position();
    print(pc, sp, ra);
}
