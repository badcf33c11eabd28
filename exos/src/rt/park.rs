//! Giving up the processor, and having it again: `yield` and the prologue (thesis 3.3, .7).
//!
//! Who gives up the processor pushes onto its stack what it wants to find again, at least the three
//! words of `Parked`, and notes the stack pointer in the state. That is parked; there may be more
//! below it, each with the one before in `link`, as requests are served by an environment that is
//! parked itself (see [`super::gate`]). Below all is a frame that has nothing to go on with, so there
//! always is one. The prologue, where each slice begins, goes on with what was parked last; where
//! that awaits an answer, it has the one work who is to give it. So a program saves just what it needs: a function that yields, what a function must preserve; the end of a slice is an interrupt, which has
//! pushed all registers before it yields.
//!
//! While something is parked the mask is clear: an upcall would come between.

use super::state::{STATE, address_of};
use super::{call, fpu};
use aegis_abi::calls::transfer::ASYNCHRONOUS;
use aegis_abi::calls::{NEXT, Number};
use aegis_abi::{Error, Pid};
use core::arch::global_asm;
use core::mem::offset_of;

/// What is parked, at the stack pointer.
#[repr(C)]
pub(super) struct Parked {
    /// Where to go on, with `sp` = &self, and `v0` = 0, or an error code.
    pub resume: u32,
    /// What was parked before.
    pub link: u32,
    /// The environment whose answer is awaited, and that alone may be what it goes on with; 0: none,
    /// and it goes on when the program has the processor.
    pub awaited: u32,
}

/// What a function that gives up the processor pushes: the registers that it must preserve.
#[repr(C, align(8))]
pub(super) struct ParkedFunction {
    pub parked: Parked,
    /// `s0` to `s7`
    pub s: [u32; 8],
    pub gp: u32,
    pub fp: u32,
    pub ra: u32,
}

/// Pushes a [`ParkedFunction`] that goes on at `$resume` and awaits whom the register `$awaited`
/// names, with `t0` and `t1`.
macro_rules! park {
    ($resume:literal, $awaited:literal) => {
        concat!(
            "addiu $sp, $sp, -{frame_bytes}\n",
            "lui   $t0, %hi(",
            $resume,
            ")\n",
            "addiu $t0, $t0, %lo(",
            $resume,
            ")\n",
            "lw    $t1, {parked}($zero)\n",
            "sw    $t0, {resume}($sp)\n",
            "sw    $t1, {link}($sp)\n",
            "sw    ",
            $awaited,
            ", {awaited}($sp)\n",
            "sw    $s0, {s}+0($sp)\n",
            "sw    $s1, {s}+4($sp)\n",
            "sw    $s2, {s}+8($sp)\n",
            "sw    $s3, {s}+12($sp)\n",
            "sw    $s4, {s}+16($sp)\n",
            "sw    $s5, {s}+20($sp)\n",
            "sw    $s6, {s}+24($sp)\n",
            "sw    $s7, {s}+28($sp)\n",
            "sw    $gp, {gp}($sp)\n",
            "sw    $fp, {fp}($sp)\n",
            "sw    $ra, {ra}($sp)\n",
            "sw    $sp, {parked}($zero)\n"
        )
    };
}

/// Pops what [`park`] has pushed, with `t0`. `ra` may not be used by the next instruction (load delay, MIPS I).
macro_rules! unpark {
    () => {
        concat!(
            "lw    $t0, {link}($sp)\n",
            "lw    $s0, {s}+0($sp)\n",
            "sw    $t0, {parked}($zero)\n",
            "lw    $s1, {s}+4($sp)\n",
            "lw    $s2, {s}+8($sp)\n",
            "lw    $s3, {s}+12($sp)\n",
            "lw    $s4, {s}+16($sp)\n",
            "lw    $s5, {s}+20($sp)\n",
            "lw    $s6, {s}+24($sp)\n",
            "lw    $s7, {s}+28($sp)\n",
            "lw    $gp, {gp}($sp)\n",
            "lw    $fp, {fp}($sp)\n",
            "lw    $ra, {ra}($sp)\n",
            "addiu $sp, $sp, {frame_bytes}\n"
        )
    };
}

pub(super) use {park, unpark};

const _: () = assert!(size_of::<Parked>() == size_of::<[u32; 3]>() && offset_of!(Parked, resume) == 0);

global_asm!(
    ".section .text.exos_park, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    ".set noat",

    // u32 exos_yield(pid): gives up the processor; an error code if it cannot, 0 when the processor is back. The mask is clear.
    ".globl exos_yield",
    "exos_yield:",
    park!("exos_yield_resume", "$zero"),
    "li    $v0, {yield}",
    "syscall",                              // returns only if it is refused
    "move  $v0, $v1",
    ".globl exos_yield_resume",
    "exos_yield_resume:",
    unpark!(),
    "jr    $ra",
    " nop",

    // u32 exos_send(a0, a1, a2, a3, pid): transfers asynchronously, with four words as a message, and
    // nothing else to be seen. It goes on when the processor is back: with 0, or at once with an error
    // code if the receiver's gate refuses the message (see exos_gate, which finds the receiver in the
    // place of the fifth argument).
    ".globl exos_send",
    "exos_send:",
    "lw    $v1, 16($sp)",
    park!("exos_send_resume", "$zero"),
    "move  $at, $zero",
    ".irp  n, 8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,28,29,30,31",
    "move  $\\n, $zero",
    ".endr",
    "mthi  $zero",
    "mtlo  $zero",
    "li    $v0, {asynchronous}",
    "syscall",                              // returns only if it is refused
    "lw    $sp, {parked}($zero)",
    "move  $v0, $v1",
    ".globl exos_send_resume",
    "exos_send_resume:",
    unpark!(),
    "jr    $ra",
    " nop",

    // The prologue. Entry: all registers 0. Goes on with what was parked last; where that awaits an answer, has the one work who is to
    // give it, as long as that exists.
    ".globl exos_prologue",
    "exos_prologue:",
    "lw    $sp, {parked}($zero)",
    "li    $v0, {yield}",
    "lw    $a0, {awaited}($sp)",
    "lw    $t9, {resume}($sp)",
    "bnez  $a0, 1f",
    " nop",
    "jr    $t9",
    " move $v0, $zero",
    "1:",
    "syscall",                              // yield(awaited) returns only if it is refused
    "lw    $t9, {resume}($sp)",
    "move  $v0, $v1",
    "jr    $t9",
    " nop",

    // Where the lowest frame goes on: nothing is parked.
    "exos_nothing_parked:",
    "li    $a0, {next}",
    "li    $v0, {yield}",
    "syscall",                              // yield(NEXT) does not return
    "b     exos_nothing_parked",
    " nop",
    ".set pop",
    frame_bytes = const size_of::<ParkedFunction>(),
    resume = const offset_of!(ParkedFunction, parked.resume),
    link = const offset_of!(ParkedFunction, parked.link),
    s = const offset_of!(ParkedFunction, s),
    gp = const offset_of!(ParkedFunction, gp),
    fp = const offset_of!(ParkedFunction, fp),
    ra = const offset_of!(ParkedFunction, ra),
    parked = const address_of!(parked),
    awaited = const offset_of!(ParkedFunction, parked.awaited),
    next = const NEXT.0,
    yield = const Number::r#yield as u32,
    asynchronous = const ASYNCHRONOUS,
);

unsafe extern "C" {
    /// The prologue, for the environment's context. Not to be called.
    pub fn exos_prologue();
    fn exos_nothing_parked();
    safe fn exos_yield(pid: u32) -> u32;
    safe fn exos_send(a0: u32, a1: u32, a2: u32, a3: u32, pid: u32) -> u32;
}

/// Parks the lowest frame. The first to be called: before, nothing may give up the processor.
pub fn start() {
    let [resume, ..] = &STATE.bottom;
    resume.set(exos_nothing_parked as *const () as usize as u32);
    STATE.parked.set(address_of!(bottom) as u32);
}

/// Gives up the processor: to an environment, or to whoever is next. The mask must be clear.
pub fn give_up(pid: Pid) -> Result<(), Error> {
    let was_on = fpu::put_away();
    let given_up = result(exos_yield(pid.0));
    if given_up.is_err() && was_on {
        fpu::stayed_on();
    }
    given_up
}

/// Sends four words to an environment, which gets the rest of the slice: an error code, or 0. The
/// mask must be clear.
pub(super) fn send(pid: Pid, [a0, a1, a2, a3]: [u32; 4]) -> u32 {
    fpu::put_away();
    exos_send(a0, a1, a2, a3, pid.0)
}

/// What an error code means.
pub(super) fn result(code: u32) -> Result<(), Error> {
    if code == 0 { Ok(()) } else { Err(call::error(code)) }
}
