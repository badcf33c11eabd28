//! From the board's entry to `main`.

use core::arch::global_asm;

global_asm!(
    ".section .reset.startup,\"ax\",@progbits",
    ".set push",
    ".set noreorder",
    ".set noat",
    // Entry: from the board's `_start`, with nothing of use in the registers. The loader has put .data in place.
    ".globl _reset",
    "_reset:",
    "mtc0  $zero, $12", // Status: kernel mode, interrupts off, vectors in memory (BEV off)
    "lui   $sp, %hi(_stack - 16)",
    "addiu $sp, $sp, %lo(_stack - 16)", // sp = the kernel's stack, with room for arguments
    "lui   $t0, %hi(__sbss)",
    "addiu $t0, $t0, %lo(__sbss)", // t0 = next word of .bss
    "lui   $t1, %hi(__ebss)",
    "addiu $t1, $t1, %lo(__ebss)", // t1 = its end
    "b     2f",
    " nop",
    "1:",
    "sw    $zero, -4($t0)",
    "2:",
    "bne   $t0, $t1, 1b",
    " addiu $t0, $t0, 4", // beyond the end at last, which is as well
    "j     main",
    " nop",
    ".set pop",
);
