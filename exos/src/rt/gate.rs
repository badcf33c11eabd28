//! The two sides of calls between environments, on protected control transfers (thesis 3.4.2).
//!
//! What a transfer leaves alone is the message: `t8` says what kind it is, and the words are, by kind, in `a0`-`a3` (short), or in
//! `a0`-`a3`, `t0`-`t7` and `s0`-`s7` (long). The kernel puts the sender's name into `v1`; an answer is taken from the awaited environment
//! only.
//!
//! Strategy of the caller. It parks what it wants to find again, and whom it awaits
//! ([`super::park`]), and transfers. The answer arrives at the gate, which goes on with what is
//! parked. Where the awaited environment dies, the slice returns to a prologue, which finds that out.
//! Three ways differ in what is parked: for a trusted callee, which keeps the registers that a function must keep, just `ra`;
//! otherwise all of these, and the callee sees none of the caller's registers, `sp` included.
//!
//! Strategy of the callee. A request comes when the environment does not run, so something of its
//! own is parked. It is served like an exception, on the exception stack below that, by a plain
//! function; then the answer is transferred. While a request is served another one is refused, as
//! busy; and so is one that comes while an answer is awaited. One that nobody is there to serve is
//! refused with a word of its own. What has come without an upcall while the mask was clear is made up for
//! before a request is served: a server that only serves looks at it nowhere else. (The end of a slice
//! is not among it: an answer after that waits for the slice to begin again.) Messages without an answer are handled like requests, and refused like
//! requests: one is handled at a time.
//!
//! # What makes a call right
//!
//! Environments that nobody trusts transfer to this one whenever it is parked. So:
//!
//! - An answer is taken only if what is parked *on top* awaits its sender: that goes on, and nothing
//!   else. What is parked says itself whom it awaits, for as long as it is parked.
//! - While what is on top awaits an answer, nothing is put above it: requests and messages are
//!   refused before anything is changed, and the prologue runs nothing of this environment. So an
//!   answer finds its call on top whenever it comes. (Above a call that was not sent yet, or whose
//!   answer was taken already, there may be something, as where the message's page must be brought
//!   in. That awaits nobody.)
//! - What is parked on the exception stack is bounded: one request that is being served, and one
//!   message that is being handled, whose functions the end of a slice has cut off.
//! - What is not taken goes back to its sender, and its slice with it, before anything is done: used
//!   for what is parked it would be a stranger's slice in which the callee answers, while this
//!   environment's own stays with the callee. Requests and messages go back as refusals, answers as
//!   [`Returned`](Kind::Returned), which never goes back itself, so that two libraries do not keep
//!   each other busy. A sender that cannot be transferred to is yielded to. (Against those who give
//!   the rest of a slice to the callee itself there is [`crate::lent`].)
//!
//! The refusal of a message is taken if its sender is parked on top; later the message counts as
//! sent.
//!
//! Of a server's registers nothing reaches its clients but the answer.

use super::context::ARGUMENT_BYTES;
use super::park::{Parked, ParkedFunction, park, unpark};
use super::state::address_of;
use crate::interrupts;
use crate::layout;
use crate::rpc::{Kind, LongMessage};
use aegis_abi::calls::transfer::SYNCHRONOUS;
use aegis_abi::calls::{NEXT, Number};
use aegis_abi::interrupts::ALL;
use aegis_abi::{Error, Pid};
use core::arch::global_asm;
use core::mem::{MaybeUninit, offset_of};

/// What a trusting caller pushes.
#[repr(C, align(8))]
struct ParkedTrusting {
    parked: Parked,
    ra: u32,
}

/// What a server pushes while it serves a request: room for arguments, the fifth argument, what is kept while it makes up for what has come,
/// and the message, if it is long.
#[repr(C, align(8))]
struct Served {
    arguments: [u32; ARGUMENT_BYTES / 4],
    caller: u32,
    /// `a0` to `a3`, `v0` and `ra`
    kept: [u32; 6],
    message: LongMessage,
}

/// Saves the floating-point registers, if the unit is on: see [`super::fpu`]. Changes `v0` and `t9`.
macro_rules! put_away {
    () => {
        concat!(
            "lw    $v0, {fpu_on}($zero)\n",
            "move  $t9, $ra\n", // load delay of v0 (MIPS I)
            "beqz  $v0, 1f\n",
            " nop\n",
            "jal   exos_fpu_save\n",
            " nop\n",
            "move  $ra, $t9\n",
            "1:\n"
        )
    };
}

/// Clears what a function may change, but for `v0`, `v1`, `a0`, `a1` and `t8`.
macro_rules! clear {
    () => {
        concat!(
            "move  $at, $zero\n",
            "move  $a2, $zero\n",
            "move  $a3, $zero\n",
            "move  $t0, $zero\n",
            "move  $t1, $zero\n",
            "move  $t2, $zero\n",
            "move  $t3, $zero\n",
            "move  $t4, $zero\n",
            "move  $t5, $zero\n",
            "move  $t6, $zero\n",
            "move  $t7, $zero\n",
            "move  $t9, $zero\n",
            "mthi  $zero\n",
            "mtlo  $zero\n"
        )
    };
}

/// Moves a long message between registers and memory, with `lw` or `sw`: at `$offset` from the register `$base`.
macro_rules! long_message {
    ($move:literal, $offset:literal, $base:literal) => {
        concat!(
            ".irp  n, 4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23\n",
            $move,
            " $\\n, ",
            $offset,
            "+4*(\\n-4)(",
            $base,
            ")\n",
            ".endr\n"
        )
    };
}

global_asm!(
    ".section .text.exos_gate, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    ".set noat",

    // The callers. The mask is clear. They return an error code, 0 if there is an answer, which they store.

    // u32 exos_call_trusted(a0, a1, a2, a3, pid, [u32; 5] *answer): the answer is two words; where the kernel
    // refuses the transfer, it is what was to be sent, and the callee. The callee keeps s0-s7, gp, fp. If it dies, they are lost, and
    // with them the program.
    ".globl exos_call_trusted",
    "exos_call_trusted:",
    put_away!(),
    "lw    $v1, 16($sp)",
    "addiu $sp, $sp, -{trusting_bytes}",
    "lui   $t0, %hi(exos_trusted_resume)",
    "addiu $t0, $t0, %lo(exos_trusted_resume)",
    "lw    $t1, {parked}($zero)",
    "sw    $t0, {resume}($sp)",
    "sw    $t1, {link}($sp)",
    "sw    $v1, {awaited}($sp)",
    "sw    $ra, {trusting_ra}($sp)",
    "sw    $sp, {parked}($zero)",
    "li    $t8, {short_request}",
    "li    $v0, {synchronous}",
    "syscall",                              // returns only if it is refused: all else is as it was
    "lw    $t0, {trusting_bytes}+20($sp)",
    "move  $v0, $v1",
    "lw    $t1, {trusting_bytes}+16($sp)",
    "sw    $a2, 8($t0)",
    "sw    $a3, 12($t0)",
    "sw    $t1, 16($t0)",
    "b     1f",
    " lw   $t1, {link}($sp)",
    // The answer: a0, a1; or v0 = error: a refusal of the callee's, or the callee is gone, and with it our registers.
    "exos_trusted_resume:",
    "lw    $t1, {link}($sp)",
    "sltiu $t0, $v0, {refused}",
    "beqz  $v0, 1f",
    " nop",
    "bnez  $t0, exos_lost_registers",       // it is the kernel that has refused
    " nop",
    "1:",
    "lw    $ra, {trusting_ra}($sp)",
    "addiu $sp, $sp, {trusting_bytes}",
    "lw    $t0, 20($sp)",
    "sw    $t1, {parked}($zero)",
    "sw    $a0, 0($t0)",
    "sw    $a1, 4($t0)",
    "jr    $ra",
    " nop",
    "exos_lost_registers:",
    "jal   {lost_registers}",               // lost_registers(error), on what room is left
    " move $a0, $v0",

    // u32 exos_call_untrusted(a0, a1, a2, a3, pid, [u32; 2] *answer): nothing of the caller's is at the callee's mercy, and
    // nothing but the message is to be seen.
    ".globl exos_call_untrusted",
    "exos_call_untrusted:",
    put_away!(),
    "lw    $v1, 16($sp)",
    "nop",                                  // hazard: load delay (MIPS I)
    park!("exos_untrusted_resume", "$v1"),
    "li    $t8, {short_request}",
    "move  $at, $zero",
    ".irp  n, 8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,25,28,29,30,31",
    "move  $\\n, $zero",
    ".endr",
    "mthi  $zero",
    "mtlo  $zero",
    "li    $v0, {synchronous}",
    "syscall",                              // returns only if it is refused
    "lw    $sp, {parked}($zero)",
    "move  $v0, $v1",
    "exos_untrusted_resume:",
    unpark!(),
    "lw    $t0, 20($sp)",
    "nop",                                  // hazard: load delay (MIPS I)
    "sw    $a0, 0($t0)",
    "sw    $a1, 4($t0)",
    "jr    $ra",
    " nop",

    // u32 exos_call_long(LongMessage *message, pid): as the above; the message is replaced by the answer.
    ".globl exos_call_long",
    "exos_call_long:",
    put_away!(),
    "move  $t8, $a0",                       // t8 = &message
    "move  $v1, $a1",
    "sw    $a0, 0($sp)",                    // the caller has left room for arguments
    park!("exos_long_resume", "$v1"),
    long_message!("lw   ", "0", "$t8"),
    "move  $at, $zero",
    "move  $t9, $zero",
    "move  $gp, $zero",
    "move  $sp, $zero",
    "move  $fp, $zero",
    "move  $ra, $zero",
    "mthi  $zero",
    "mtlo  $zero",
    "li    $t8, {long_request}",
    "li    $v0, {synchronous}",
    "syscall",                              // returns only if it is refused
    "lw    $sp, {parked}($zero)",
    "b     2f",
    " move $v0, $v1",
    // The answer in the registers of a message; or v0 = error.
    "exos_long_resume:",
    "bnez  $v0, 2f",
    " nop",
    "lw    $t9, {frame_bytes}($sp)",
    "nop",                                  // hazard: load delay (MIPS I)
    long_message!("sw   ", "0", "$t9"),
    "2:",
    unpark!(),
    "jr    $ra",
    " nop",

    // The gate. Entry: v1 = sender, t8 = kind, all else the message. The mask is clear.
    ".globl exos_gate",
    "exos_gate:",
    "lw    $sp, {parked}($zero)",
    "sltiu $v0, $t8, {message_kind}",
    "lw    $at, {awaited}($sp)",            // at = whom what is parked awaits
    "bnez  $v0, 3f",                        // a request
    " addiu $v0, $t8, -{answer}",
    // An answer, or the refusal of one.
    "bne   $at, $v1, 9f",                   // not from there
    " lw   $t9, {resume}($sp)",
    "12:",
    "beqz  $v0, 4f",
    " xori $v0, $v0, {unserved}-{answer}",
    "sltu  $v0, $zero, $v0",                // whatever else it says, it is busy
    "addiu $v0, $v0, {refused}",
    "jr    $t9",
    " nop",
    "4:",
    "jr    $t9",
    " move $v0, $zero",

    // Nobody awaits it. It may be the refusal of a message, whose sender is what is parked.
    "9:",
    "lui   $at, %hi(exos_send_resume)",
    "addiu $at, $at, %lo(exos_send_resume)",
    "bne   $t9, $at, 1f",
    " sltiu $at, $t8, {returned}",
    "lw    $at, {frame_bytes}+16($sp)",     // at = the receiver
    "nop",                                  // hazard: load delay (MIPS I)
    "beq   $at, $v1, 12b",
    " sltiu $at, $t8, {returned}",
    "1:",
    "bnez  $at, exos_gate_return",
    " li   $t8, {returned}",
    "b     exos_gate_yield",                // came back already
    " move $a0, $v1",

    // A request.
    "3:",
    "bnez  $at, 8f",                        // awaits an answer itself
    " sll  $v0, $t8, 2",
    "lw    $at, {serving}($zero)",
    "lw    $v0, {handlers}($v0)",           // v0 = handler
    "bnez  $at, 8f",                        // serves another one
    " addiu $t9, $sp, -{guard}",
    "beqz  $v0, 10f",                       // nobody is there to serve it
    " sltiu $t9, $t9, {guard_to_end}+1",
    "bnez  $t9, 5f",                        // what is parked stands on the exception stack: below it
    " li   $t9, 1",
    "ori   $sp, $zero, {stack_end}",
    "5:",
    "addiu $sp, $sp, -{served_bytes}",
    "sw    $t9, {serving}($zero)",
    "li    $t9, {all}",
    "sw    $t9, {mask}($zero)",
    "lw    $t9, {withheld}($zero)",
    "bnez  $t8, 6f",                        // a long one
    " sw   $v1, {caller}($sp)",             // the fifth argument
    "beqz  $t9, 1f",
    " nop",
    "jal   exos_gate_make_up",
    " nop",
    "1:",
    "jalr  $v0",                            // u64 handler(a0, a1, a2, a3, caller)
    " nop",
    "sw    $zero, {mask}($zero)",
    "move  $a0, $v0",
    "move  $a1, $v1",
    clear!(),
    "7:",
    "lw    $v0, {fpu_on}($zero)",
    "lw    $v1, {caller}($sp)",
    "beqz  $v0, 1f",
    " sw   $zero, {serving}($zero)",
    "jal   exos_fpu_save",                  // changes v0 and ra alone
    " nop",
    "1:",
    "move  $ra, $zero",
    "move  $sp, $zero",
    "li    $t8, {answer}",
    "li    $v0, {synchronous}",
    "syscall",                              // returns only if it is refused: the client is gone
    "j     exos_prologue",
    " nop",

    "6:",
    long_message!("sw   ", "{message}", "$sp"),
    "beqz  $t9, 1f",
    " addiu $a0, $sp, {message}",
    "jal   exos_gate_make_up",
    " nop",
    "1:",
    "lw    $a1, {caller}($sp)",
    "jalr  $v0",                            // handler(&message, caller)
    " nop",
    "sw    $zero, {mask}($zero)",
    clear!(),
    "move  $gp, $zero",
    "move  $fp, $zero",
    long_message!("lw   ", "{message}", "$sp"),
    "b     7b",
    " nop",

    // Refused: the message goes back, with t8 = why; nothing has been changed but at, v0, t9 and sp.
    "10:",
    "b     exos_gate_return",
    " li   $t8, {unserved}",
    "8:",
    "li    $t8, {refusal}",
    "exos_gate_return:",
    "move  $sp, $v1",                       // its own name: it learns nothing
    "move  $at, $zero",
    "move  $t9, $zero",
    "li    $v0, {synchronous}",
    "syscall",                              // returns only if it is refused
    "move  $a0, $sp",
    "exos_gate_yield:",
    "li    $v0, {yield}",
    "syscall",                              // yield(sender) returns only if it is gone
    "j     exos_prologue",
    " nop",

    // Makes up for what has come: a function that keeps a0-a3 and v0 as well. sp = &Served.
    "exos_gate_make_up:",
    "sw    $a0, {kept}+0($sp)",
    "sw    $a1, {kept}+4($sp)",
    "sw    $a2, {kept}+8($sp)",
    "sw    $a3, {kept}+12($sp)",
    "sw    $ra, {kept}+20($sp)",
    "jal   {unmask}",
    " sw   $v0, {kept}+16($sp)",
    "lw    $ra, {kept}+20($sp)",
    "lw    $v0, {kept}+16($sp)",
    "lw    $a0, {kept}+0($sp)",
    "lw    $a1, {kept}+4($sp)",
    "lw    $a2, {kept}+8($sp)",
    "lw    $a3, {kept}+12($sp)",
    "jr    $ra",
    " nop",

    // The gate for messages without an answer. Entry: v1 = sender, a0-a3 = message. The mask is clear. What is left of the
    // slice is used for what is parked, which awaits nobody.
    ".globl exos_agate",
    "exos_agate:",
    "lw    $sp, {parked}($zero)",
    "lw    $v0, {handlers}+{message_kind}*4($zero)",
    "lw    $at, {awaited}($sp)",
    "lw    $t9, {handling}($zero)",
    "beqz  $v0, 10b",                       // nobody is there to take it
    " nop",
    "bnez  $at, 8b",                        // awaits an answer
    " addiu $at, $sp, -{guard}",
    "bnez  $t9, 8b",                        // handles another one
    " sltiu $at, $at, {guard_to_end}+1",
    "bnez  $at, 5f",
    " li   $t9, 1",
    "ori   $sp, $zero, {stack_end}",
    "5:",
    "addiu $sp, $sp, -{served_bytes}",
    "sw    $t9, {handling}($zero)",
    "li    $t9, {all}",
    "sw    $t9, {mask}($zero)",
    "lw    $t9, {withheld}($zero)",
    "sw    $v1, {caller}($sp)",             // the fifth argument
    "beqz  $t9, 1f",
    " nop",
    "jal   exos_gate_make_up",
    " nop",
    "1:",
    "jalr  $v0",                            // handler(a0, a1, a2, a3, caller)
    " nop",
    "sw    $zero, {mask}($zero)",
    "sw    $zero, {handling}($zero)",
    "lw    $v0, {fpu_on}($zero)",
    "nop",                                  // hazard: load delay (MIPS I)
    "beqz  $v0, 1f",
    " nop",
    "jal   exos_fpu_save",
    " nop",
    "move  $a0, $zero",
    "li    $v0, {fpu}",
    "syscall",                              // fpu(0): what is parked may go on at once
    "1:",
    "j     exos_prologue",
    " nop",
    ".set pop",
    trusting_bytes = const size_of::<ParkedTrusting>(),
    trusting_ra = const offset_of!(ParkedTrusting, ra),
    frame_bytes = const size_of::<ParkedFunction>(),
    resume = const offset_of!(ParkedFunction, parked.resume),
    link = const offset_of!(ParkedFunction, parked.link),
    s = const offset_of!(ParkedFunction, s),
    gp = const offset_of!(ParkedFunction, gp),
    fp = const offset_of!(ParkedFunction, fp),
    ra = const offset_of!(ParkedFunction, ra),
    served_bytes = const size_of::<Served>(),
    caller = const offset_of!(Served, caller),
    kept = const offset_of!(Served, kept),
    message = const offset_of!(Served, message),
    parked = const address_of!(parked),
    awaited = const offset_of!(ParkedFunction, parked.awaited),
    serving = const address_of!(serving),
    handling = const address_of!(handling),
    handlers = const address_of!(handlers),
    mask = const address_of!(queue.mask),
    withheld = const address_of!(queue.withheld),
    yield = const Number::r#yield as u32,
    fpu = const Number::fpu as u32,
    fpu_on = const address_of!(fpu.on),
    all = const ALL,
    guard = const layout::EXCEPTION_STACK_GUARD.start,
    guard_to_end = const layout::EXCEPTION_STACK.end() - layout::EXCEPTION_STACK_GUARD.start,
    stack_end = const layout::EXCEPTION_STACK.end(),
    short_request = const Kind::ShortRequest as u32,
    long_request = const Kind::LongRequest as u32,
    message_kind = const Kind::Message as u32,
    answer = const Kind::Answer as u32,
    refusal = const Kind::Refusal as u32,
    unserved = const Kind::Unserved as u32,
    returned = const Kind::Returned as u32,
    refused = const UNSERVED,
    synchronous = const SYNCHRONOUS,
    lost_registers = sym lost_registers,
    unmask = sym unmask,
);

const _: () = {
    // Compared with 0, and an index into the handlers.
    assert!(Kind::ShortRequest as u32 == 0 && Kind::LongRequest as u32 == 1 && Kind::Message as u32 == 2);
    assert!(Kind::Answer as u32 == 3 && Kind::Refusal as u32 == 4 && Kind::Unserved as u32 == 5);
    // All that comes to the gate goes back, if it is not taken, but this.
    assert!(Kind::Returned as u32 == 6);
    assert!(BUSY == UNSERVED + 1);
    assert!(offset_of!(ParkedTrusting, parked) == 0 && offset_of!(ParkedFunction, parked) == 0);
};

/// Where the kernel's error codes end: the callee's library has refused, since it serves no such
/// requests.
const UNSERVED: u32 = 0x100;
/// ... since it is busy.
const BUSY: u32 = 0x101;

unsafe extern "C" {
    /// The gate of requests and answers, for the environment's context. Not to be called.
    pub fn exos_gate();
    /// The gate of messages, alike.
    pub fn exos_agate();
    fn exos_call_trusted(a0: u32, a1: u32, a2: u32, a3: u32, pid: u32, answer: *mut u32) -> u32;
    fn exos_call_untrusted(a0: u32, a1: u32, a2: u32, a3: u32, pid: u32, answer: *mut [u32; 2]) -> u32;
    fn exos_call_long(message: *mut LongMessage, pid: u32) -> u32;
}

/// Why a call has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The kernel's reason.
    Kernel(Error),
    /// The callee's library has refused it: it serves another request, or handles another message,
    /// or awaits an answer. Later it may take it.
    Busy,
    /// The callee's library has refused it: the callee serves no requests of this kind, short or
    /// long, or takes no messages. Unless it is about to begin, it never takes one.
    Unserved,
}

/// A short call of an environment that keeps the registers of its callers. The mask must be clear.
pub fn call_trusted(pid: Pid, [a0, a1, a2, a3]: [u32; 4]) -> Result<[u32; 2], Failure> {
    let mut answer = MaybeUninit::<[u32; 5]>::uninit();
    // SAFETY: the function keeps to the calling convention, as long as the callee does: that is what the caller trusts it
    // for. It stores as many words as are read here.
    unsafe {
        let words = answer.as_mut_ptr().cast::<u32>();
        match exos_call_trusted(a0, a1, a2, a3, pid.0, words) {
            0 => Ok([words.read(), words.add(1).read()]),
            code if code >= UNSERVED => Err(if code == BUSY { Failure::Busy } else { Failure::Unserved }),
            code => call_trusted_again(code, answer.assume_init()),
        }
    }
}

/// Makes a trusted call again that the kernel has refused with this code, if the callee was suspended.
#[cold]
fn call_trusted_again(mut code: u32, mut sent: [u32; 5]) -> Result<[u32; 2], Failure> {
    loop {
        let [a0, a1, a2, a3, pid] = sent;
        refused(Pid(pid), code)?;
        let mut answer = sent;
        // SAFETY: as above.
        code = unsafe { exos_call_trusted(a0, a1, a2, a3, pid, answer.as_mut_ptr()) };
        if code == 0 {
            return Ok([answer[0], answer[1]]);
        }
        sent = [a0, a1, a2, a3, pid];
    }
}

/// A short call of any environment. The mask must be clear.
pub fn call_untrusted(pid: Pid, [a0, a1, a2, a3]: [u32; 4]) -> Result<[u32; 2], Failure> {
    let mut answer = [0; 2];
    loop {
        // SAFETY: the function keeps to the calling convention, whatever the callee does.
        match unsafe { exos_call_untrusted(a0, a1, a2, a3, pid.0, &mut answer) } {
            0 => return Ok(answer),
            code => refused(pid, code)?,
        }
    }
}

/// A long call of any environment; the message is replaced by the answer. The mask must be clear.
pub fn call_long(pid: Pid, message: &mut LongMessage) -> Result<(), Failure> {
    loop {
        // SAFETY: as above.
        match unsafe { exos_call_long(message, pid.0) } {
            0 => return Ok(()),
            code => refused(pid, code)?,
        }
    }
}

/// Sends four words to an environment, which gets the rest of the slice. A receiver that is suspended gets no more of
/// it, and counts as busy when it still is at the second try. The mask must be clear.
pub fn send(pid: Pid, words: [u32; 4]) -> Result<(), Failure> {
    for _ in 0..2 {
        match super::park::send(pid, words) {
            0 => return Ok(()),
            code if code == Error::Suspended as u32 => super::park::give_up(NEXT).map_err(Failure::Kernel)?,
            code => return refused(pid, code),
        }
    }
    Err(Failure::Busy)
}

/// A transfer was refused. Where the kernel has suspended the receiver, that is let go on, and the transfer can be
/// tried again; else why it was refused.
#[cold]
#[inline(never)]
fn refused(receiver: Pid, code: u32) -> Result<(), Failure> {
    match code {
        BUSY => Err(Failure::Busy),
        UNSERVED => Err(Failure::Unserved),
        code if code == Error::Suspended as u32 => super::park::give_up(receiver).map_err(Failure::Kernel),
        code => super::park::result(code).map_err(Failure::Kernel),
    }
}

/// Handles what has come, and gives up the processor if the slice is over.
extern "C" fn unmask() {
    interrupts::unmask();
}

/// A trusted callee has died with the registers that it should have kept.
extern "C" fn lost_registers(code: u32) -> ! {
    panic!("a trusted callee is gone ({}), and this program's registers with it", super::call::error(code));
}
