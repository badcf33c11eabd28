//! All registers at once: given values before an exception, read back after it.

use core::arch::global_asm;

/// The general registers by number, then HI and LO. The entries of `$zero`, `$k0`, `$k1` and `$sp` have no meaning.
pub type Registers = [u32; 34];

/// Registers that the test gives values.
pub const TESTED: u32 = !(1 << 0 | 1 << 26 | 1 << 27 | 1 << 29);

global_asm!(
    ".section .text.exos_checks_registers, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    ".set noat",
    // void f(const Registers *before, Registers *after)
    // Strategy: save what the caller wants to keep; load every register; raise the exception; store every register on the
    // stack, whose pointer is the one register that is not tested; copy; put back.
    ".macro WITH_REGISTERS name, trap:vararg",
    ".globl exos_checks_registers_\\name",
    "exos_checks_registers_\\name:",
    "addiu $sp, $sp, -192",
    "sw    $a1, 136($sp)",
    "sw    $s0, 140($sp)",
    "sw    $s1, 144($sp)",
    "sw    $s2, 148($sp)",
    "sw    $s3, 152($sp)",
    "sw    $s4, 156($sp)",
    "sw    $s5, 160($sp)",
    "sw    $s6, 164($sp)",
    "sw    $s7, 168($sp)",
    "sw    $gp, 172($sp)",
    "sw    $fp, 176($sp)",
    "sw    $ra, 180($sp)",
    "lw    $t0, 128($a0)",
    "lw    $t1, 132($a0)",
    "mthi  $t0",
    "mtlo  $t1",
    "lw    $at, 4($a0)",
    "lw    $v0, 8($a0)",
    "lw    $v1, 12($a0)",
    "lw    $a1, 20($a0)",
    "lw    $a2, 24($a0)",
    "lw    $a3, 28($a0)",
    "lw    $t0, 32($a0)",
    "lw    $t1, 36($a0)",
    "lw    $t2, 40($a0)",
    "lw    $t3, 44($a0)",
    "lw    $t4, 48($a0)",
    "lw    $t5, 52($a0)",
    "lw    $t6, 56($a0)",
    "lw    $t7, 60($a0)",
    "lw    $s0, 64($a0)",
    "lw    $s1, 68($a0)",
    "lw    $s2, 72($a0)",
    "lw    $s3, 76($a0)",
    "lw    $s4, 80($a0)",
    "lw    $s5, 84($a0)",
    "lw    $s6, 88($a0)",
    "lw    $s7, 92($a0)",
    "lw    $t8, 96($a0)",
    "lw    $t9, 100($a0)",
    "lw    $gp, 112($a0)",
    "lw    $fp, 120($a0)",
    "lw    $ra, 124($a0)",
    "lw    $a0, 16($a0)",
    "nop",
    "\\trap",
    "sw    $at, 4($sp)",
    "sw    $v0, 8($sp)",
    "sw    $v1, 12($sp)",
    "sw    $a0, 16($sp)",
    "sw    $a1, 20($sp)",
    "sw    $a2, 24($sp)",
    "sw    $a3, 28($sp)",
    "sw    $t0, 32($sp)",
    "sw    $t1, 36($sp)",
    "sw    $t2, 40($sp)",
    "sw    $t3, 44($sp)",
    "sw    $t4, 48($sp)",
    "sw    $t5, 52($sp)",
    "sw    $t6, 56($sp)",
    "sw    $t7, 60($sp)",
    "sw    $s0, 64($sp)",
    "sw    $s1, 68($sp)",
    "sw    $s2, 72($sp)",
    "sw    $s3, 76($sp)",
    "sw    $s4, 80($sp)",
    "sw    $s5, 84($sp)",
    "sw    $s6, 88($sp)",
    "sw    $s7, 92($sp)",
    "sw    $t8, 96($sp)",
    "sw    $t9, 100($sp)",
    "sw    $gp, 112($sp)",
    "sw    $fp, 120($sp)",
    "sw    $ra, 124($sp)",
    "mfhi  $t0",
    "mflo  $t1",
    "sw    $t0, 128($sp)",
    "sw    $t1, 132($sp)",
    "lw    $a1, 136($sp)", // a1 = after
    "addiu $a0, $sp, 136", // a0 = end of the registers on the stack
    "move  $t0, $sp",
    "1:",
    "lw    $t1, 0($t0)",
    "addiu $t0, $t0, 4",
    "sw    $t1, 0($a1)", // *after++ = *t0++
    "bne   $t0, $a0, 1b",
    " addiu $a1, $a1, 4",
    "lw    $ra, 180($sp)",
    "lw    $s0, 140($sp)",
    "lw    $s1, 144($sp)",
    "lw    $s2, 148($sp)",
    "lw    $s3, 152($sp)",
    "lw    $s4, 156($sp)",
    "lw    $s5, 160($sp)",
    "lw    $s6, 164($sp)",
    "lw    $s7, 168($sp)",
    "lw    $gp, 172($sp)",
    "lw    $fp, 176($sp)",
    "jr    $ra",
    " addiu $sp, $sp, 192",
    ".endm",
    "WITH_REGISTERS break, break",
    "WITH_REGISTERS load, lw $t9, 0($t9)",
    "WITH_REGISTERS call, syscall",
    ".macro COUNT",
    "2:",
    "bnez  $v0, 2b",
    " addiu $v0, $v0, -1",
    ".endm",
    "WITH_REGISTERS count, COUNT",
    ".purgem COUNT",
    ".purgem WITH_REGISTERS",
    ".set pop",
);

unsafe extern "C" {
    fn exos_checks_registers_break(before: *const Registers, after: *mut Registers);
    fn exos_checks_registers_load(before: *const Registers, after: *mut Registers);
    fn exos_checks_registers_call(before: *const Registers, after: *mut Registers);
    fn exos_checks_registers_count(before: *const Registers, after: *mut Registers);
}

/// Runs `break` with these registers; the registers afterwards.
pub fn across_break(before: &Registers) -> Registers {
    let mut after = [0; 34];
    // SAFETY: both pointers are good, and the function keeps to the calling convention.
    unsafe { exos_checks_registers_break(before, &mut after) };
    after
}

/// Loads from the address in `$t9` into `$t9` with these registers; the registers afterwards.
pub fn across_load(before: &Registers) -> Registers {
    let mut after = [0; 34];
    // SAFETY: as above.
    unsafe { exos_checks_registers_load(before, &mut after) };
    after
}

/// Makes the call in `$v0` with these registers; the registers afterwards.
pub fn across_call(before: &Registers) -> Registers {
    let mut after = [0; 34];
    // SAFETY: as above; the test makes calls without effect on what it uses.
    unsafe { exos_checks_registers_call(before, &mut after) };
    after
}

/// Counts `$v0` down to 0, and once more, with these registers; the registers afterwards.
pub fn across_count(before: &Registers) -> Registers {
    let mut after = [0; 34];
    // SAFETY: as above.
    unsafe { exos_checks_registers_count(before, &mut after) };
    after
}
