//! TLB misses of every kind, an exception and control transfers, for who watches from outside (`./x tlb`, `./x trace`). Between two markers the
//! program says what the kernel's own counters say of the misses.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use exos::exceptions::Cause;
use exos::machine;
use exos_checks::markers::Span;
use exos_checks::paths;
use exos_checks::raw::spans::{self, around};
use exos_checks::tap;

exos::entry!(main);

fn main() -> i32 {
    // The first look may miss itself.
    machine::counters();
    let before = machine::counters();
    let (status, after) = around::<{ Span::Watched.id() }, _>(|| {
        let status = tap::run(&[
            ("misses handled by the library", paths::misses),
            ("hits in the software TLB", paths::stlb_hits),
            ("hits behind the table", paths::other_hits),
            ("an exception", || paths::minimally(Cause::Overflow, spans::exception_overflow)),
            ("control transfers there and back", paths::transfers_there_and_back),
        ]);
        (status, machine::counters())
    });
    exos::println!(
        "counters: overflow {} guaranteed {} upcalls {}",
        after.overflow - before.overflow,
        after.guaranteed - before.guaranteed,
        after.upcalls - before.upcalls
    );
    status
}
