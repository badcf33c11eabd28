//! Instructions that Rust does not have, for programs that want the exception.
//!
//! Where the handler skips the instruction, the result is the one given here for that case, or what the handler puts into
//! the register; so each is safe.

use core::arch::asm;

/// An instruction for assembly that no program for the R3000 should have, and that stands there on purpose. Its address goes to
/// a section that is not loaded, where `./x audit` finds it.
#[macro_export]
macro_rules! unaudited {
    ($instruction:literal) => {
        concat!("90:\n", $instruction, "\n.pushsection .audit.exempt,\"\",@progbits\n.word 90b\n.popsection")
    };
}

/// `a + b` with the processor's trapping addition, which raises [`Cause::Overflow`](crate::exceptions::Cause::Overflow);
/// `otherwise` if it was skipped. The sum is computed into `$v0`, where a handler can leave a value of its own.
pub fn add_trapping(a: i32, b: i32, otherwise: i32) -> i32 {
    let mut sum = otherwise;
    // SAFETY: the instruction touches nothing but its registers.
    unsafe {
        asm!(".set push", ".set noat", "add $2, {a}, {b}", ".set pop", a = in(reg) a, b = in(reg) b, inout("$2") sum, options(nomem, nostack))
    };
    sum
}

/// A reserved instruction: raises [`Cause::Reserved`](crate::exceptions::Cause::Reserved). `otherwise` stands in `$v0`, where a
/// handler can leave a value of its own.
pub fn reserved(otherwise: u32) -> u32 {
    let mut value = otherwise;
    // Opcode 63 is reserved on MIPS I and on MIPS32.
    // SAFETY: the instruction does nothing but raise its exception.
    unsafe { asm!(crate::unaudited!(".word 0xfc000000"), inout("$2") value, options(nomem, nostack)) };
    value
}

/// `break`: raises [`Cause::Breakpoint`](crate::exceptions::Cause::Breakpoint).
pub fn breakpoint() {
    // SAFETY: the instruction does nothing but raise its exception.
    unsafe { asm!("break", options(nostack)) };
}

/// Keeps the compiler from moving accesses to memory from one side of it to the other. (The one in `core` has LLVM make a `sync` for
/// the R3000, which it has not.)
#[inline(always)]
pub fn barrier() {
    // SAFETY: there is no instruction.
    unsafe { asm!("", options(nostack, preserves_flags)) };
}

/// Where the caller is: program counter, stack pointer, and return address register.
#[inline(always)]
pub fn position() -> (u32, u32, u32) {
    let (pc, sp, ra): (u32, u32, u32);
    // SAFETY: registers are read; `bal` to the next instruction gives the program counter, and the old return address is
    // put back.
    unsafe {
        asm!(
            ".set push", ".set noreorder", ".set noat",
            "move {ra}, $31",
            "bal 1f",
            " nop",
            "1: move {pc}, $31",
            "move $31, {ra}",
            "move {sp}, $29",
            ".set pop",
            pc = out(reg) pc, sp = out(reg) sp, ra = out(reg) ra,
            options(nomem, nostack)
        );
    }
    (pc, sp, ra)
}
