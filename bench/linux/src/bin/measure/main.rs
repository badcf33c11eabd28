//! The first process: measures what Linux' operations cost, prints a line for each, and restarts the machine.
//!
//! Output, each a line: `kernel RELEASE VERSION`; `figure ...` (see [`count::measure`]); at last `ended STATUS`, 0 if all went well. Where
//! something fails, a line `failed: ...` stands before.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod calls;
mod count;
mod exceptions;
mod memory;
mod processes;

use aegis_bench_linux::{println, system};
use core::arch::global_asm;

global_asm!(
    ".globl start",
    "start:",
    "addiu $sp, $sp, -16", // where what is called may save its arguments
    "jal   main",
);

#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    // The kernel treats its first process in many ways unlike others, so another one measures.
    let Some(child) = system::fork() else {
        measure_all();
        system::exit(0)
    };
    println!("ended {}", system::wait(child));
    system::drain_console();
    system::restart()
}

fn measure_all() {
    let (release, version) = system::kernel();
    system::lift_realtime_limit();
    println!("kernel {} {}", text(&release), text(&version));
    system::drain_console();
    settle();
    memory::refill();
    calls::calibrate();
    calls::all();
    exceptions::all();
    memory::protection();
    memory::demand_zero();
    memory::matrix_multiply();
    processes::yield_alone();
    processes::yield_to_each_other();
    processes::messages();
    processes::spawn();
}

/// Waits for a second of virtual time, in which the kernel ends what it has put off while booting.
fn settle() {
    const SECOND: u32 = 1_000_000_000 / 6;
    let start = count::count();
    while count::count().wrapping_sub(start) < SECOND {}
}

fn text(name: &[u8]) -> &str {
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    core::str::from_utf8(&name[..end]).unwrap_or("?")
}
