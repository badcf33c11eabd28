//! What the paths cost. The program runs each between two markers and sees that it did what it should; the counting plugin
//! counts, and the host tool compares with the budgets.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use exos_checks::{paths, tap};

exos::entry!(main);

fn main() -> i32 {
    tap::run(&[
        ("loops of known length", paths::calibration),
        ("exception and back, minimal handler", paths::exception_round_trip),
        ("exception and back, handler in Rust", paths::rust_handler),
        ("null call", paths::null_call),
        ("small call", paths::small_call),
        ("misses handled by the library", paths::misses),
        ("hits in the software TLB", paths::stlb_hits),
        ("control transfers", paths::transfers),
        ("calls between environments", paths::calls_between_environments),
    ])
}
