//! The machines that Aegis runs on. All of the kernel's `unsafe` is here.
//!
//! - [`cpu`]: one module per processor family: vectors, TLB, system control registers, entry and exit;
//! - [`board`]: one module per board: memory map, console, exit;
//! - the rest is common: physical memory, the information page, and [`Hardware`], which is all that the portable kernel
//!   sees.
//!
//! It decides nothing about who may do what.
//!
//! Invariants:
//! - there is one processor, and the kernel runs with interrupts off, from its entry to its exit;
//! - it runs in unmapped segments (kseg0, kseg1), so that no access of its own can miss in the TLB;
//! - the running environment's dispatch block is the current one just while a program runs: each slow entry makes the
//!   kernel's own block current, so that a fault of the kernel's never reaches a program.

#![no_std]
#![cfg(target_arch = "mips")]
#![feature(asm_experimental_arch)]

pub mod board;
pub mod cpu;
mod env_data;
mod hardware;
mod info;
mod logger;
mod memory;
mod owned;

pub use hardware::Hardware;
pub use logger::init as init_log;
pub use owned::{KernelState, Owned};

/// Prepares the machine: vectors, TLB, console. To be called once, first thing.
pub fn init() {
    cpu::init();
    board::init();
}

/// Fills in the information page. `clock_rate`: ticks a second, 0 if they count something else, or there are none.
pub fn publish_info(archive: &'static [u8], command_line: &str, clock_rate: u32) {
    info::publish(archive, command_line, clock_rate);
}

/// Counts ticks of the clock in the information page.
pub fn count_ticks(passed: u32) {
    info::count_ticks(passed);
}

/// The frames that every environment may read: information page, the environments' data, STLB, archive.
pub fn public_frames(archive: &'static [u8]) -> impl Iterator<Item = u32> {
    [info::frames(), env_data::frames(), cpu::stlb_frames(), memory::frames_of(archive)].into_iter().flatten()
}

/// Where the kernel sees the physical address.
pub fn address_of(physical: u32) -> u32 {
    memory::KSEG0 + physical
}
