//! Faults of the kernel's own: registers, a backtrace, and the end.

use super::backtrace;
use crate::board::{self, Console};
use aegis_abi::status;
use core::cell::Cell;
use core::fmt::Write;
use core::panic::PanicInfo;
use stlb::Word;

/// The registers at a fault.
#[repr(C)]
pub(super) struct Registers {
    pub r: [Word; 32],
    pub hi: Word,
    pub lo: Word,
    pub epc: Word,
    pub cause: Word,
    pub bad_vaddr: Word,
    pub status: Word,
}

/// Where the vector saves the registers of a fault.
pub(super) static REGISTERS: Registers = Registers {
    r: [const { Word::new(0) }; 32],
    hi: Word::new(0),
    lo: Word::new(0),
    epc: Word::new(0),
    cause: Word::new(0),
    bad_vaddr: Word::new(0),
    status: Word::new(0),
};

/// Is a report under way? A fault in it must not start another.
struct Reporting(Cell<bool>);

// SAFETY: one processor, and nothing interrupts the kernel.
unsafe impl Sync for Reporting {}

static REPORTING: Reporting = Reporting(Cell::new(false));

/// Names of the registers, in order of their numbers.
const NAMES: [&str; 32] = [
    "zero", "at", "v0", "v1", "a0", "a1", "a2", "a3", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "s0", "s1", "s2",
    "s3", "s4", "s5", "s6", "s7", "t8", "t9", "k0", "k1", "gp", "sp", "fp", "ra",
];
/// Numbers of stack pointer and return address.
const SP: usize = 29;
const RA: usize = 31;

/// Called by the vectors, with all registers saved, when the kernel itself took an exception.
#[unsafe(no_mangle)]
extern "C" fn aegis_kernel_fault() -> ! {
    begin_report();
    let Registers { r, hi, lo, epc, cause, bad_vaddr, status } = &REGISTERS;
    let [hi, lo, epc, cause, bad_vaddr, status] = [hi, lo, epc, cause, bad_vaddr, status].map(Word::get);
    let _ = writeln!(Console, "aegis: panic: exception {} in the kernel", cause >> 2 & 31);
    let _ = writeln!(Console, "  epc {epc:08x}  cause {cause:08x}  status {status:08x}  badvaddr {bad_vaddr:08x}");
    for row in 0..8 {
        let _ = Console.write_str(" ");
        for n in (0..4).map(|column| column * 8 + row) {
            let _ = write!(Console, " {:>4} {:08x}", NAMES[n], r[n].get());
        }
        let _ = writeln!(Console);
    }
    let _ = writeln!(Console, "    hi {hi:08x}   lo {lo:08x}");
    backtrace::print(epc, r[SP].get(), r[RA].get());
    board::power_off(status::PANIC)
}

/// Reports a panic of the kernel's and stops the machine.
pub fn panic(info: &PanicInfo<'_>) -> ! {
    begin_report();
    let _ = writeln!(Console, "aegis: {info}");
    backtrace::print_from_here();
    board::power_off(status::PANIC)
}

fn begin_report() {
    if REPORTING.0.replace(true) {
        // Console or stack may be the trouble: say nothing more.
        board::power_off(status::PANIC);
    }
    board::end_line();
}

/// Call number that makes the kernel read an unaligned word.
#[cfg(feature = "planted-fault")]
const PLANTED_UNALIGNED: u32 = 255;
/// Call number that makes the kernel follow a null pointer.
#[cfg(feature = "planted-fault")]
const PLANTED_NULL: u32 = 254;

/// Call number that makes the kernel follow a pointer into a program's standard segment.
#[cfg(feature = "planted-fault")]
const PLANTED_USER: u32 = 253;

/// Takes an exception in the kernel when a call's number asks for it.
#[cfg(feature = "planted-fault")]
#[inline(never)]
pub fn planted_fault(number: u32) {
    let address = match number {
        PLANTED_UNALIGNED => crate::memory::KSEG0 + 1,
        PLANTED_NULL => 0,
        PLANTED_USER => 0x5000_0000,
        _ => return,
    };
    // SAFETY: none: this is the fault.
    unsafe { core::arch::asm!(".set push", ".set noat", "lw {0}, 0({0})", ".set pop", inout(reg) address => _) }
}
