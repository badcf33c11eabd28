//! Backtraces of the kernel, printed. The host tool adds names to the lines.

use crate::board::Console;
use core::arch::asm;
use core::fmt::Write;

unsafe extern "C" {
    /// Bounds of the kernel's code (linker.ld).
    static __text_start: u8;
    static __text_end: u8;
    /// Start of the kernel's stack, and end of the one for faults behind it (linker.ld).
    static __stack_start: u8;
    static __crash_stack: u8;
}

/// Lines at most.
const DEPTH: usize = 32;

/// Prints the way to `pc`, a line a frame, innermost first.
pub(super) fn print(pc: u32, sp: u32, ra: u32) {
    let _ = writeln!(Console, "  backtrace:");
    unwind::walk(pc, sp, ra, DEPTH, word, |address| {
        let _ = writeln!(Console, "    at {address:#010x}");
    });
}

/// Prints the way to the caller.
#[inline(never)]
pub(super) fn print_from_here() {
    let (pc, sp): (u32, u32);
    // SAFETY: reads registers.
    unsafe {
        asm!(
            ".set push",
            ".set noat",
            "1:",
            "lui   {pc}, %hi(1b)",
            "addiu {pc}, {pc}, %lo(1b)",
            "move  {sp}, $29",
            ".set pop",
            pc = out(reg) pc,
            sp = out(reg) sp,
            options(nomem, nostack),
        );
    }
    // This function calls another, so it has a frame, and the register ra is not needed.
    print(pc, sp, 0);
}

/// The word at an address of the kernel's code or stacks.
fn word(address: u32) -> Option<u32> {
    let within = |start: *const u8, end: *const u8| (start as u32..end as u32).contains(&address);
    let known = within(&raw const __text_start, &raw const __text_end)
        || within(&raw const __stack_start, &raw const __crash_stack);
    // SAFETY: code or stack is there, as checked, and the word is aligned; what the stack holds may be anything.
    (known && address.is_multiple_of(4)).then(|| unsafe { (address as *const u32).read_volatile() })
}
