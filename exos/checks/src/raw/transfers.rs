//! Transfers with all registers under the test's control, from an environment with the library, and their way back to a gate of the
//! test's own.

use super::registers::Registers;
use crate::markers::Span;
use core::arch::global_asm;
use exos::abi::calls::transfer::{ASYNCHRONOUS, SYNCHRONOUS};
use exos::abi::{Error, Pid};
use exos::interrupts::critical;
use exos::layout;
use exos::rt::env;

// Where the registers are put: at the low end of the exception stack, which is far from where it is used, and within reach of `$zero`.
const SCRATCH: u32 = layout::EXCEPTION_STACK.start;
/// What is loaded.
const BEFORE: u32 = SCRATCH;
/// What is found.
const AFTER: u32 = SCRATCH + 0x100;
/// What the compiler wants to find again.
const KEPT: u32 = SCRATCH + 0x200;

global_asm!(
    ".section .pinned.text.exos_checks_transfers, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    ".set noat",
    // u32 exos_checks_transfer(number, pid): loads all registers, transfers; returns an error code, or 0 after an answer.
    ".macro TRANSFER name, marker",
    ".globl exos_checks_transfer_\\name",
    "exos_checks_transfer_\\name:",
    ".irp  n, 16,17,18,19,20,21,22,23,28,29,30,31",
    "sw    $\\n, {kept}+4*\\n($zero)",
    ".endr",
    "lw    $t0, {before}+4*32($zero)",
    "lw    $t1, {before}+4*33($zero)",
    "mthi  $t0",
    "mtlo  $t1",
    "move  $v0, $a0",
    "move  $v1, $a1",
    ".irp  n, 1,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,28,29,30,31",
    "lw    $\\n, {before}+4*\\n($zero)",
    ".endr",
    ".word \\marker",
    "syscall",
    ".word \\marker+1",                     // refused: v1 = why
    "b     exos_checks_transfer_back",
    " move $v0, $v1",
    ".endm",
    "TRANSFER synchronous, {open_synchronous}",
    "TRANSFER asynchronous, {open_asynchronous}",
    "TRANSFER there_and_back, {open_round_trip}",
    ".purgem TRANSFER",
    // The gates: one closes the span of a round trip.
    ".globl exos_checks_transfer_closing_gate",
    "exos_checks_transfer_closing_gate:",
    ".word {open_round_trip}+1",
    ".globl exos_checks_transfer_gate",
    "exos_checks_transfer_gate:",
    ".irp  n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,28,29,30,31",
    "sw    $\\n, {after}+4*\\n($zero)",
    ".endr",
    "mfhi  $t0",
    "mflo  $t1",
    "sw    $t0, {after}+4*32($zero)",
    "sw    $t1, {after}+4*33($zero)",
    "move  $v0, $zero",
    "exos_checks_transfer_back:",
    ".irp  n, 16,17,18,19,20,21,22,23,28,29,30,31",
    "lw    $\\n, {kept}+4*\\n($zero)",
    ".endr",
    "nop",
    "jr    $ra",
    " nop",
    ".set pop",
    before = const BEFORE,
    after = const AFTER,
    kept = const KEPT,
    open_synchronous = const Span::Transfer.open(),
    open_asynchronous = const Span::AsynchronousTransfer.open(),
    open_round_trip = const Span::RoundTrip.open(),
);

unsafe extern "C" {
    safe fn exos_checks_transfer_synchronous(number: u32, pid: u32) -> u32;
    safe fn exos_checks_transfer_asynchronous(number: u32, pid: u32) -> u32;
    safe fn exos_checks_transfer_there_and_back(number: u32, pid: u32) -> u32;
    fn exos_checks_transfer_gate();
    fn exos_checks_transfer_closing_gate();
}

/// Makes the test's own gate the environment's, for both kinds.
///
/// # Errors
/// Those of the kernel's call `e_set`.
pub fn open_gate() -> Result<(), Error> {
    set_gate(exos_checks_transfer_gate)
}

fn set_gate(gate: unsafe extern "C" fn()) -> Result<(), Error> {
    let gate = gate as *const () as usize as u32;
    // SAFETY: the gate puts back what it changes, and nobody transfers here but those to whom the test does.
    unsafe { env::change(|context| (context.gate, context.agate) = (gate, gate)) }
}

/// Transfers synchronously, in [`Span::RoundTrip`], `times` times, to an environment that transfers back.
///
/// # Errors
/// The kernel's, which leaves the registers to the caller.
pub fn round_trips(pid: Pid, times: u32) -> Result<(), Error> {
    set_gate(exos_checks_transfer_closing_gate)?;
    for _ in 0..times {
        let code = critical(|| exos_checks_transfer_there_and_back(SYNCHRONOUS, pid.0));
        Error::from_code(code).map_or(Ok(()), Err)?;
    }
    open_gate()
}

/// Transfers with `before` in the registers, but for `$v0` and `$v1`, and returns what is in them when somebody transfers back.
///
/// # Errors
/// The kernel's, which leaves the registers to the caller.
pub fn transfer(synchronous: bool, pid: Pid, before: &Registers) -> Result<Registers, Error> {
    critical(|| {
        for (n, &value) in before.iter().enumerate() {
            super::calls::store(BEFORE + 4 * n as u32, value);
        }
        let code = if synchronous {
            exos_checks_transfer_synchronous(SYNCHRONOUS, pid.0)
        } else {
            exos_checks_transfer_asynchronous(ASYNCHRONOUS, pid.0)
        };
        match code {
            0 => Ok(core::array::from_fn(|n| super::calls::load(AFTER + 4 * n as u32))),
            code => Err(Error::from_code(code).expect("the kernel returns codes of the interface only")),
        }
    })
}
