//! A million transfers between two environments, there and back, under timer interrupts. The program is its own server: the argument says
//! so.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use exos::abi::Pid;
use exos::process;
use exos::rpc::{self, Failure};
use exos::{Cell, interrupts, machine, schedule};
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

exos::entry!(main);

/// Calls: two transfers each.
const CALLS: u32 = 500_000;

/// The server's sum.
static SUM: Cell<u32> = Cell::new(0);

fn main() -> i32 {
    match exos::args().nth(1) {
        Some("server") => server(),
        _ => tap::run(&[("a million transfers end with the right sum", million)]),
    }
}

/// Adds what it is sent, and answers the sum.
fn server() -> i32 {
    extern "C" fn add(n: u32, _: u32, _: u32, _: u32, _: Pid) -> u64 {
        SUM.set(SUM.get().wrapping_add(n));
        SUM.get().into()
    }
    if rpc::serve(add).is_err() {
        return 1;
    }
    loop {
        schedule::yield_now();
    }
}

fn million() -> Outcome {
    let server = get!(process::spawn("pingpong", &["server"]));
    while rpc::short(server.pid(), [0; 4]).is_err() {
        get!(schedule::yield_to(server.pid()));
    }
    let (ticks, ended) = (machine::counters().ticks, interrupts::slices_ended());
    let mut sum = 0u32;
    for n in 1..=CALLS {
        sum = sum.wrapping_add(n);
        // Rounds of different length: in step with the clock, ticks would find the same few places
        // again and again. (GXemul looks for interrupts only now and then.)
        for turn in 0..n.wrapping_mul(0x9e37_79b1) >> 28 {
            core::hint::black_box(turn);
        }
        loop {
            match rpc::short(server.pid(), [n, 0, 0, 0]) {
                Ok(answer) => {
                    check_eq!(answer, [sum, 0], "the sum after {n} calls");
                    break;
                }
                // Its own slice had begun, and it was not back yet.
                Err(Failure::Busy) => get!(schedule::yield_to(server.pid())),
                Err(error) => return Err(alloc::format!("call {n}: {error}").into()),
            }
        }
    }
    let (ticks, ended) = (machine::counters().ticks - ticks, interrupts::slices_ended() - ended);
    exos::println!("# {ticks} ticks, of which {ended} ended a slice of the client's while it ran");
    check!(ticks > 50 && ended > 10, "too few ticks to fall between");
    Ok(())
}
