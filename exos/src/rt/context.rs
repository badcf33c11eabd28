//! Pieces of assembly that the stubs for exceptions and interrupts share: a [`Context`](crate::exceptions::Context) on the exception
//! stack, and the windows through which a program is resumed.
//!
//! The resume sequence loads `$k0` from a slot and jumps there. It is preceded by a look whether an upcall was deferred, and the whole, a
//! window, can be begun again, since all registers hold what the program will have. The kernel knows the windows from the
//! program's context, and has one begun again in which something has come between: see [`aegis_abi::Env`].

/// Pushes the program's registers onto the exception stack as a context: below what is there if `sp` is on it, else at its end. Entry:
/// `a0`, `a1` and `a2` have been put into the words `epc`, `badvaddr` and `cause`, and the program's stand in the save area
/// `$area`; all other registers are the program's. Goes to `3f` where there is no room, and to `2:` with `a0` as the place of the
/// context. Leaves `sp` = &context.
macro_rules! push_context {
    ($area:literal) => {
        concat!(
            // Which stack? sp is on the exception stack if it lies from its guard page to its end, inclusive.
            "srl   $a0, $sp, 3\n",
            "sll   $a0, $a0, 3\n", // a0 = sp, aligned whatever the program did to it
            "addiu $a1, $sp, -{guard}\n",
            "sltiu $a1, $a1, {guard_to_end}+1\n",
            "bnez  $a1, 1f\n", // on it: continue below
            " nop\n",
            "ori   $a0, $zero, {stack_end}\n", // else start at its end
            "1:\n",
            "addiu $a0, $a0, -{context_bytes}\n", // a0 = &context
            "sltiu $a1, $a0, {lowest}\n",
            "bnez  $a1, 3f\n", // no room above the guard page
            " nop\n",
            "2:\n",
            "sw    $sp, {r}+4*29($a0)\n",
            "move  $sp, $a0\n", // from here, a nested exception would continue below the context
            "sw    $zero, {r}+4*0($sp)\n",
            "sw    $at, {r}+4*1($sp)\n",
            "sw    $v0, {r}+4*2($sp)\n",
            "sw    $v1, {r}+4*3($sp)\n",
            "sw    $a3, {r}+4*7($sp)\n",
            "sw    $t0, {r}+4*8($sp)\n",
            "sw    $t1, {r}+4*9($sp)\n",
            "sw    $t2, {r}+4*10($sp)\n",
            "sw    $t3, {r}+4*11($sp)\n",
            "sw    $t4, {r}+4*12($sp)\n",
            "sw    $t5, {r}+4*13($sp)\n",
            "sw    $t6, {r}+4*14($sp)\n",
            "sw    $t7, {r}+4*15($sp)\n",
            "sw    $s0, {r}+4*16($sp)\n",
            "sw    $s1, {r}+4*17($sp)\n",
            "sw    $s2, {r}+4*18($sp)\n",
            "sw    $s3, {r}+4*19($sp)\n",
            "sw    $s4, {r}+4*20($sp)\n",
            "sw    $s5, {r}+4*21($sp)\n",
            "sw    $s6, {r}+4*22($sp)\n",
            "sw    $s7, {r}+4*23($sp)\n",
            "sw    $t8, {r}+4*24($sp)\n",
            "sw    $t9, {r}+4*25($sp)\n",
            "sw    $zero, {r}+4*26($sp)\n", // k0, k1: nobody's
            "sw    $zero, {r}+4*27($sp)\n",
            "sw    $gp, {r}+4*28($sp)\n",
            "sw    $fp, {r}+4*30($sp)\n",
            "sw    $ra, {r}+4*31($sp)\n",
            "lw    $t0, ",
            $area,
            "+0($zero)\n", // context.a0-a2 = the save area
            "lw    $t1, ",
            $area,
            "+4($zero)\n",
            "lw    $t2, ",
            $area,
            "+8($zero)\n",
            "sw    $t0, {r}+4*4($sp)\n",
            "sw    $t1, {r}+4*5($sp)\n",
            "sw    $t2, {r}+4*6($sp)\n",
            "mfhi  $t0\n",
            "mflo  $t1\n",
            "sw    $t0, {c_hi}($sp)\n",
            "sw    $t1, {c_lo}($sp)\n"
        )
    };
}

/// Loads the registers from the context at `sp`, puts its EPC into `$slot`, and goes to the window `$window`.
macro_rules! pop_context {
    ($slot:literal, $window:literal) => {
        concat!(
            "lw    $t0, {c_epc}($sp)\n",
            "lw    $t1, {c_hi}($sp)\n",
            "lw    $t2, {c_lo}($sp)\n",
            "sw    $t0, ",
            $slot,
            "($zero)\n", // nothing below can raise an exception that would reach us, and an upcall is deferred
            "mthi  $t1\n",
            "mtlo  $t2\n",
            "lw    $at, {r}+4*1($sp)\n",
            "lw    $v0, {r}+4*2($sp)\n",
            "lw    $v1, {r}+4*3($sp)\n",
            "lw    $a0, {r}+4*4($sp)\n",
            "lw    $a1, {r}+4*5($sp)\n",
            "lw    $a2, {r}+4*6($sp)\n",
            "lw    $a3, {r}+4*7($sp)\n",
            "lw    $t0, {r}+4*8($sp)\n",
            "lw    $t1, {r}+4*9($sp)\n",
            "lw    $t2, {r}+4*10($sp)\n",
            "lw    $t3, {r}+4*11($sp)\n",
            "lw    $t4, {r}+4*12($sp)\n",
            "lw    $t5, {r}+4*13($sp)\n",
            "lw    $t6, {r}+4*14($sp)\n",
            "lw    $t7, {r}+4*15($sp)\n",
            "lw    $s0, {r}+4*16($sp)\n",
            "lw    $s1, {r}+4*17($sp)\n",
            "lw    $s2, {r}+4*18($sp)\n",
            "lw    $s3, {r}+4*19($sp)\n",
            "lw    $s4, {r}+4*20($sp)\n",
            "lw    $s5, {r}+4*21($sp)\n",
            "lw    $s6, {r}+4*22($sp)\n",
            "lw    $s7, {r}+4*23($sp)\n",
            "lw    $t8, {r}+4*24($sp)\n",
            "lw    $t9, {r}+4*25($sp)\n",
            "lw    $gp, {r}+4*28($sp)\n",
            "lw    $fp, {r}+4*30($sp)\n",
            "lw    $ra, {r}+4*31($sp)\n",
            "j     ",
            $window,
            "\n",
            " lw   $sp, {r}+4*29($sp)\n" // its load delay falls into the window, which does not use it
        )
    };
}

pub(super) use {pop_context, push_context};

/// Bytes of a window: eight instructions.
pub(super) const WINDOW_BYTES: usize = aegis_abi::limits::RESUME_WINDOW_BYTES as usize;
/// How many there are.
pub(super) const WINDOWS: usize = 5;

/// Bytes of a context on the stack, and of the room for arguments that the o32 convention asks for below it.
pub(super) const CONTEXT_BYTES: usize = size_of::<crate::exceptions::Context>().next_multiple_of(8);
pub(super) const ARGUMENT_BYTES: usize = 16;
/// Room for a handler that there must be below a context at least, so that the report of an overflow is not its cause.
pub(super) const ROOM_BYTES: usize = 256;
