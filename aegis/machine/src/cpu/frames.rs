//! Frames on the kernel's stack, and the pieces of assembly that fill and empty them, the same on both processor families.
//!
//! The stack is empty whenever a program runs, so each frame has a fixed address, below `_stack`.

use core::mem::offset_of;

/// The frame of a call that is answered in Rust. It starts with what the O32 calling convention wants: room for four arguments
/// in registers, and the fifth.
#[repr(C, align(8))]
pub(super) struct CallFrame {
    arguments: [u32; 4],
    pub number: u32,
    pub sp: u32,
    pub ra: u32,
}

/// The frame of what may happen between any two instructions of a program: its caller-saved registers.
#[repr(C, align(8))]
pub(super) struct MissFrame {
    arguments: [u32; 4],
    at: u32,
    v: [u32; 2],
    a: [u32; 4],
    t: [u32; 10],
    ra: u32,
    pub sp: u32,
    pub hi: u32,
    pub lo: u32,
    /// Where the program goes on; Rust may put it back to the beginning of a window.
    pub epc: u32,
}

/// The frame of an interrupt, and of a transfer after the end of a slice: all registers of a program, for
/// it may lose the processor. (`k0` and `k1` are nobody's.)
#[repr(C, align(8))]
pub(super) struct InterruptFrame {
    pub caller_saved: MissFrame,
    /// `s0` to `s7`
    s: [u32; 8],
    gp: u32,
    fp: u32,
}

impl InterruptFrame {
    /// Of a program whose registers are all 0.
    pub const ZERO: InterruptFrame = InterruptFrame {
        caller_saved: MissFrame {
            arguments: [0; 4],
            at: 0,
            v: [0; 2],
            a: [0; 4],
            t: [0; 10],
            ra: 0,
            sp: 0,
            hi: 0,
            lo: 0,
            epc: 0,
        },
        s: [0; 8],
        gp: 0,
        fp: 0,
    };

    /// Sets `v0`, `v1` and where the program goes on.
    pub fn set_message(&mut self, v0: u32, v1: u32, pc: u32) {
        self.caller_saved.v = [v0, v1];
        self.caller_saved.epc = pc;
    }

    /// `a0` to `a2`.
    pub fn arguments(&self) -> [u32; 3] {
        let [a0, a1, a2, _] = self.caller_saved.a;
        [a0, a1, a2]
    }

    /// Sets `a0` to `a2`.
    pub fn set_arguments(&mut self, [a0, a1, a2]: [u32; 3]) {
        self.caller_saved.a[..3].copy_from_slice(&[a0, a1, a2]);
    }
}

/// The frame of code that does not return.
#[repr(C, align(8))]
pub(super) struct LastFrame {
    arguments: [u32; 4],
}

/// Offset of `at` in a [`MissFrame`].
pub(super) const AT: usize = offset_of!(MissFrame, at);
/// Offset of `v0`.
pub(super) const V: usize = offset_of!(MissFrame, v);
/// Offset of `a0`.
pub(super) const A: usize = offset_of!(MissFrame, a);
/// Offset of `t0`; `t8` and `t9` follow `t7`.
pub(super) const T: usize = offset_of!(MissFrame, t);
/// Offset of `ra`.
pub(super) const RA: usize = offset_of!(MissFrame, ra);
/// Offset of `s0` in an [`InterruptFrame`], which begins with a [`MissFrame`].
pub(super) const S: usize = offset_of!(InterruptFrame, s);
/// Offset of `gp`.
pub(super) const GP: usize = offset_of!(InterruptFrame, gp);
/// Offset of `fp`.
pub(super) const FP: usize = offset_of!(InterruptFrame, fp);
const _: () = assert!(offset_of!(InterruptFrame, caller_saved) == 0);

/// Moves the caller-saved general registers between the processor and the [`MissFrame`] at `sp`: `$move` is `sw` or `lw`. Needs
/// the operands AT, V, A, T and RA. After loads, `ra` may not be used by the next instruction (load delay, MIPS I).
macro_rules! caller_saved {
    ($move:literal) => {
        concat!(
            $move,
            " $at, {AT}($sp)\n",
            $move,
            " $v0, {V} + 0($sp)\n",
            $move,
            " $v1, {V} + 4($sp)\n",
            $move,
            " $a0, {A} + 0($sp)\n",
            $move,
            " $a1, {A} + 4($sp)\n",
            $move,
            " $a2, {A} + 8($sp)\n",
            $move,
            " $a3, {A} + 12($sp)\n",
            $move,
            " $t0, {T} + 0($sp)\n",
            $move,
            " $t1, {T} + 4($sp)\n",
            $move,
            " $t2, {T} + 8($sp)\n",
            $move,
            " $t3, {T} + 12($sp)\n",
            $move,
            " $t4, {T} + 16($sp)\n",
            $move,
            " $t5, {T} + 20($sp)\n",
            $move,
            " $t6, {T} + 24($sp)\n",
            $move,
            " $t7, {T} + 28($sp)\n",
            $move,
            " $t8, {T} + 32($sp)\n",
            $move,
            " $t9, {T} + 36($sp)\n",
            $move,
            " $ra, {RA}($sp)",
        )
    };
}

/// Saves what a program's registers hold in the [`MissFrame`] on the empty stack, and makes that the stack. Changes k0 and, once
/// saved, t0 and t1. Needs the operands of `caller_saved` and MISS_FRAME, MISS_SP, MISS_HI and MISS_LO.
macro_rules! save_interrupted {
    () => {
        concat!(
            "lui   $k0, %hi(_stack - {MISS_FRAME})\n", // k0 = upper half of the address of a frame on the kernel's stack
            "addiu $k0, $k0, %lo(_stack - {MISS_FRAME})\n", // k0 = frame on the kernel's stack
            "sw    $sp, {MISS_SP}($k0)\n", // frame.sp = the program's
            "move  $sp, $k0\n", // sp = frame
            caller_saved!("sw   "),
            "\n",
            "mfhi  $t0\n", // t0 = HI
            "mflo  $t1\n", // t1 = LO
            "sw    $t0, {MISS_HI}($sp)\n", // frame.hi = HI
            "sw    $t1, {MISS_LO}($sp)",
        )
    };
}

/// Loads what `save_interrupted` has saved. `sp` may not be used by the next instruction (load delay, MIPS I).
macro_rules! load_interrupted {
    () => {
        concat!(
            "lw    $t0, {MISS_HI}($sp)\n", // t0 = frame.hi
            "lw    $t1, {MISS_LO}($sp)\n", // t1 = frame.lo
            "mthi  $t0\n",                 // HI = frame.hi
            "mtlo  $t1\n",                 // LO = frame.lo
            caller_saved!("lw   "),
            "\n",
            "lw    $sp, {MISS_SP}($sp)",
        )
    };
}

/// Moves the registers that a function must keep between the processor and the `InterruptFrame` at `sp`:
/// `$move` is `sw` or `lw`. Needs the operands S, GP and FP.
macro_rules! callee_saved {
    ($move:literal) => {
        concat!(
            ".irp n, 0,1,2,3,4,5,6,7\n",
            $move,
            " $s\\n, {S} + 4*\\n($sp)\n",
            ".endr\n",
            $move,
            " $gp, {GP}($sp)\n",
            $move,
            " $fp, {FP}($sp)",
        )
    };
}

/// Clears the registers that a call may change, but for the answer in `v0` and `v1`: they may hold something of the kernel's.
macro_rules! clear_caller_saved {
    () => {
        concat!(
            "move  $at, $zero\n",
            "move  $a0, $zero\n",
            "move  $a1, $zero\n",
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
            "move  $t8, $zero\n",
            "move  $t9, $zero\n",
            "mthi  $zero\n",
            "mtlo  $zero",
        )
    };
}

pub(super) use {callee_saved, caller_saved, clear_caller_saved, load_interrupted, save_interrupted};
