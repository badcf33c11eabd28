//! The measured spans that need exact instructions, and the minimal handler.

use crate::markers::{self, Span};
use core::arch::{asm, global_asm};
use exos::abi::calls::Number;
use exos::abi::{Error, Pid};
use exos::exceptions::Cause;
use exos::rpc::{self, LongMessage};
use exos::rt::dispatch;
use exos::rt::state::{GENX, SLOT};
use exos::unaudited;

global_asm!(
    ".section .pinned.text.exos_checks, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    ".set noat",
    ".globl exos_checks_empty",
    "exos_checks_empty:",
    "jr    $ra",
    " nop",
    // u32 exos_checks_calibration(turns): counts up in a loop, turns times. It lies in one page, so that no refill falls into it.
    ".balign 32",
    ".globl exos_checks_calibration",
    "exos_checks_calibration:",
    ".word {open}",
    "addu  $v0, $zero, $zero",
    "1:",
    "addiu $a0, $a0, -1",
    "bne   $a0, $zero, 1b",
    " addiu $v0, $v0, 1",
    ".word {close}",
    "jr    $ra",
    " nop",
    // The least that a handler can do: continue behind the instruction, without the kernel.
    // Entry: a0 = EPC, the program's a0 in the save area; a1 and a2 were saved too and are put back.
    // The resume sequence is in no window, which would take a jump more: no clock ticks where this is used.
    ".balign 64",
    ".globl exos_checks_minimal_handler",
    "exos_checks_minimal_handler:",
    "addiu $a0, $a0, 4",
    "sw    $a0, {slot}($zero)",             // slot = EPC + 4
    "lw    $a0, {genx}+0($zero)",
    "lw    $a1, {genx}+4($zero)",
    "lw    $a2, {genx}+8($zero)",
    "lw    $k0, {slot}($zero)",
    "nop",
    "jr    $k0",
    " nop",
    ".set pop",
    slot = const SLOT,
    genx = const GENX,
    open = const Span::Calibration.open(),
    close = const Span::Calibration.close(),
);

unsafe extern "C" {
    safe fn exos_checks_calibration(turns: u32) -> u32;
    fn exos_checks_minimal_handler();
}

/// Has the kernel dispatch exceptions of a cause to the minimal handler; or to the library again.
pub fn minimal_handler(cause: Cause, on: bool) -> Result<(), Error> {
    // SAFETY: the handler is pinned, and puts back all that it changes.
    unsafe { dispatch::handle_raw(cause, on.then_some(exos_checks_minimal_handler as unsafe extern "C" fn())) }
}

/// Opens and closes a span around one instruction with given registers. Returns `$v0`, `$v1` and a sum of the others.
macro_rules! span {
    ($span:expr, $instruction:expr, $v0:expr, $a0:expr) => {{
        let (mut v0, v1): (u32, u32) = ($v0, 0);
        // SAFETY: the instruction is a system call without effect, or raises an exception that its handler skips; all that
        // a call may change is declared as changed.
        unsafe {
            asm!(
                ".word {open}", $instruction, ".word {close}",
                open = const $span.open(), close = const $span.close(),
                inout("$2") v0, inlateout("$3") v1 => _, inout("$4") $a0 => _, out("$5") _, out("$6") _, out("$7") _,
                out("$8") _, out("$9") _, out("$10") _, out("$11") _, out("$12") _, out("$13") _, out("$14") _,
                out("$15") _, out("$24") _, out("$25") _, options(nostack)
            );
        }
        v0
    }};
}

/// A `break`, in [`Span::ExceptionRoundTrip`].
pub fn exception_round_trip() {
    span!(Span::ExceptionRoundTrip, "break", 0, 0);
}

/// An `add` that overflows, in [`Span::ExceptionOverflow`].
pub fn exception_overflow() {
    span!(Span::ExceptionOverflow, "add $2, $4, $4", 0, i32::MAX);
}

/// A load from an odd address, in [`Span::ExceptionUnaligned`].
pub fn exception_unaligned() {
    span!(Span::ExceptionUnaligned, "lw $2, 1($4)", 0, SLOT);
}

/// `mfc1`, in [`Span::ExceptionCoprocessor`]: the floating-point unit must be off.
pub fn exception_coprocessor() {
    span!(Span::ExceptionCoprocessor, ".word 0x44020000", 0, 0);
}

/// An opcode that is none, in [`Span::ExceptionReserved`].
pub fn exception_reserved() {
    span!(Span::ExceptionReserved, unaudited!(".word 0xfc000000"), 0, 0);
}

/// A store to `address`, in [`Span::ExceptionProtection`]: the page must be read-only, and be in the hardware TLB.
pub fn exception_protection(address: u32) {
    // SAFETY: as in `span!`.
    unsafe {
        asm!(
            ".set push", ".set noreorder",
            "lw    $2, 0($4)",
            "nop",
            ".word {open}", "sw    $2, 0($4)", ".word {close}",
            ".set pop",
            open = const Span::ExceptionProtection.open(), close = const Span::ExceptionProtection.close(),
            in("$4") address, out("$2") _, options(nostack)
        );
    }
}

/// A call of an empty function, in [`Span::ProcedureCall`].
pub fn procedure_call() {
    // SAFETY: the function returns, and changes nothing but `$ra`.
    unsafe {
        asm!(
            ".set push", ".set noreorder",
            "move  $8, $ra",
            ".word {open}",
            "jal   exos_checks_empty",
            " nop",
            ".word {close}",
            "move  $ra, $8",
            ".set pop",
            open = const Span::ProcedureCall.open(), close = const Span::ProcedureCall.close(),
            out("$8") _, options(nostack)
        );
    }
}

/// A `break`, in [`Span::RustHandler`]. Returns what the handler leaves in `$v0`.
pub fn rust_handler() -> u32 {
    span!(Span::RustHandler, "break", 0, 0)
}

/// The call `pid`, in [`Span::NullCall`].
pub fn null_call() -> u32 {
    span!(Span::NullCall, "syscall", Number::pid as u32, 0)
}

/// The call `p_unref` of `frame`, in [`Span::SmallCall`]; returns the error code.
pub fn small_call(frame: u32) -> u32 {
    let v1: u32;
    // SAFETY: as in `span!`; the call fails.
    unsafe {
        asm!(
            ".word {open}", "syscall", ".word {close}",
            open = const Span::SmallCall.open(), close = const Span::SmallCall.close(),
            inout("$2") Number::p_unref as u32 => _, out("$3") v1, inout("$4") frame => _, out("$5") _, out("$6") _,
            out("$7") _, out("$8") _, out("$9") _, out("$10") _, out("$11") _, out("$12") _, out("$13") _,
            out("$14") _, out("$15") _, out("$24") _, out("$25") _, options(nostack)
        );
    }
    v1
}

/// A load in a span.
macro_rules! load {
    ($span:expr, $address:expr) => {{
        let value: u32;
        // SAFETY: the page is mapped in a region of the test's, or by the library.
        unsafe {
            asm!(
                ".set push", ".set noat",
                ".word {open}", "lw {value}, 0({address})", ".word {close}",
                ".set pop",
                open = const $span.open(), close = const $span.close(),
                value = out(reg) value, address = in(reg) $address, options(nostack)
            );
        }
        value
    }};
}

/// A load, in [`Span::Miss`].
pub fn miss(address: u32) -> u32 {
    load!(Span::Miss, address)
}

/// A load, in [`Span::OverflowHit`].
pub fn overflow_hit(address: u32) -> u32 {
    load!(Span::OverflowHit, address)
}

/// A load, in [`Span::GuaranteedHit`].
pub fn guaranteed_hit(address: u32) -> u32 {
    load!(Span::GuaranteedHit, address)
}

/// Loads one word each from `pages` pages from `start` on, in [`Span::StlbHits`]; their sum.
pub fn stlb_hits(start: u32, pages: u32) -> u32 {
    let mut sum = 0;
    // SAFETY: the pages are mapped in a region of the test's.
    unsafe {
        asm!(
            ".set push", ".set noat", ".set noreorder",
            ".word {open}",
            "1:",
            "lw    {value}, 0({address})",
            "addiu {address}, {address}, {page}",
            "bne   {address}, {end}, 1b",
            " addu {sum}, {sum}, {value}",
            ".word {close}",
            ".set pop",
            open = const Span::StlbHits.open(), close = const Span::StlbHits.close(),
            page = const exos::abi::limits::PAGE_BYTES,
            value = out(reg) _, address = inout(reg) start => _, end = in(reg) start + pages * exos::abi::limits::PAGE_BYTES,
            sum = inout(reg) sum, options(nostack)
        );
    }
    sum
}

/// Does `body` in a span, whose number is `ID`. The compiler may move into it, and out of it, what has no effect.
#[inline(always)]
pub fn around<const ID: u16, R>(body: impl FnOnce() -> R) -> R {
    // SAFETY: the markers do nothing.
    unsafe { asm!(".word {open}", open = const markers::open(ID), options(nostack)) };
    let result = body();
    // SAFETY: as above.
    unsafe { asm!(".word {close}", close = const markers::close(ID), options(nostack)) };
    result
}

/// A loop of `turns` turns, at least one, in [`Span::Calibration`]; as many as it has made. Its length stands in
/// [`calibration_length`](crate::markers::calibration_length), counted by hand.
pub fn calibration(turns: u32) -> u32 {
    exos_checks_calibration(turns)
}

/// Opens and closes a span around what is more than an instruction.
macro_rules! around {
    ($span:expr, $body:expr) => {{ around::<{ $span.id() }, _>(|| $body) }};
}

/// A short call of a trusted server, which adds; in [`Span::TrustedCall`].
pub fn trusted_call(server: Pid, a: u32, b: u32) -> u32 {
    around!(Span::TrustedCall, rpc::trusted(server, [a, b, 0, 0])).map_or(u32::MAX, |[sum, _]| sum)
}

/// A short call of an untrusted server, which adds; in [`Span::UntrustedCall`].
pub fn untrusted_call(server: Pid, a: u32, b: u32) -> u32 {
    around!(Span::UntrustedCall, rpc::short(server, [a, b, 0, 0])).map_or(u32::MAX, |[sum, _]| sum)
}

/// A long call, which comes back as it went; in [`Span::LongCall`].
pub fn long_call(server: Pid, first: u32) -> u32 {
    let mut message = LongMessage([first; rpc::LONG_WORDS]);
    around!(Span::LongCall, rpc::call(server, &mut message)).map_or(u32::MAX, |()| message.0[0])
}
