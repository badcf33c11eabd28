//! Calls: of a procedure, and the smallest of the kernel; and what shows that Count counts instructions.

use crate::count::{measure, timed};
use aegis_bench_linux::system;
use core::arch::{asm, global_asm};

global_asm!(".set push", ".set noreorder", ".globl procedure", "procedure:", "jr    $31", " nop", ".set pop",);

unsafe extern "C" {
    fn procedure();
}

/// Loops of three instructions a turn.
pub fn calibrate() {
    for (id, turns) in [("calibration-3000", 1_000), ("calibration-30000", 10_000), ("calibration-300000", 100_000)] {
        measure(id, turns, 0, || {
            timed(|| {
                // SAFETY: it only counts down.
                unsafe {
                    asm!(
                        ".set push", ".set noreorder", "1:", "addiu $16, $16, -1", "bnez $16, 1b", " nop", ".set pop",
                        inout("$16") turns => _,
                    );
                }
            })
        });
    }
}

/// Measures both calls.
pub fn all() {
    const CALLS: u32 = 10_000;
    measure("procedure-call", CALLS, 2, || {
        timed(|| {
            // SAFETY: the procedure does nothing, and needs no stack.
            unsafe {
                asm!(
                    ".set push", ".set noreorder", "move $17, $31", "1:", "jal {procedure}", " nop", "bnez $16, 1b",
                    " addiu $16, $16, -1", "move $31, $17", ".set pop",
                    procedure = sym procedure, inout("$16") CALLS - 1 => _, out("$17") _,
                );
            }
        })
    });
    measure("null-call", CALLS, 2, || {
        timed(|| {
            // SAFETY: the call changes nothing; all that a call may change is declared as changed.
            unsafe {
                asm!(
                    ".set push", ".set noreorder", ".set noat", "move $17, $1", "1:", "li $2, {getppid}", "syscall", "bnez $16, 1b",
                    " addiu $16, $16, -1", "move $1, $17", ".set pop",
                    getppid = const system::GETPPID, inout("$16") CALLS - 1 => _, out("$17") _,
                    out("$2") _, out("$3") _, out("$7") _, out("$8") _, out("$9") _, out("$10") _, out("$11") _, out("$12") _,
                    out("$13") _, out("$14") _, out("$15") _, out("$24") _, out("$25") _,
                );
            }
        })
    });
}
