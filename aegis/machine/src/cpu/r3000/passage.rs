//! The passages between assembly and Rust, and from the kernel to a program, as pieces of assembly.
//!
//! Those to and from Rust need the operands `DISPATCHER` and `CURRENT`; the way back also `RESUME`.

/// Goes to the Rust function `$function` with `$jump`, `jal` or `j`. From here on a fault is the kernel's own. Changes k1.
///
/// The exception has pushed kernel mode and interrupts off onto Status' stack of modes, and there they stay until `rfe`. EPC,
/// Cause and BadVAddr keep their values too: nothing but a fault, which ends all, changes them.
macro_rules! enter_rust {
    ($jump:literal, $function:literal) => {
        concat!(
            "lui   $k1, %hi({DISPATCHER})\n", // k1 = upper half of the address of the kernel's own block
            "addiu $k1, $k1, %lo({DISPATCHER})\n", // k1 = the kernel's own block
            $jump,
            " ",
            $function,
            "\n",
            " sw   $k1, {CURRENT}($k1)" // current block = the kernel's
        )
    };
}

/// Comes back from Rust, towards the environment that is to run: a fault is then its own. Changes k0 and k1.
macro_rules! leave_rust {
    () => {
        concat!(
            "lui   $k1, %hi({DISPATCHER} + {CURRENT})\n", // k1 = upper half of the address of CURRENT
            "lw    $k0, %lo({DISPATCHER} + {RESUME})($k1)\n", // k0 = the block to resume
            "nop\n",                                      // hazard: load delay
            "sw    $k0, %lo({DISPATCHER} + {CURRENT})($k1)"  // current block = the one to resume
        )
    };
}

/// Goes to `$target`, a register, in user mode. Changes `$scratch`, another. Needs the operands of [`empty_cache`].
macro_rules! back_to_user {
    ($target:literal, $scratch:literal) => {
        concat!(
            empty_cache!($scratch),
            "jr    ",
            $target,
            "\n",                // go on there
            " .word 0x42000010"  // rfe: in user mode
        )
    };
}

/// Makes GXemul forget what the kernel has touched. Changes `$scratch`. Needs the operands `FLUSH`, `ISOLATE_CACHES` and
/// `USER_STATUS`.
///
/// GXemul lets a program read, write and execute what the kernel has touched lately: its cache of translations does not know
/// who asked. Setting Status.IsC empties that cache, so that is done, and undone, as the last thing, when nothing is touched any
/// more but the instructions that follow. On hardware it does no harm, as nothing is loaded or stored meanwhile. The refill
/// sequence does without: all that it touches is the software TLB, which every program may read, and what was loaded only, a
/// program cannot write.
///
/// Status.CU1 keeps its value, for the floating-point unit. It is carried in the lowest bit meanwhile, as there is but one register.
///
/// The feature `counting` leaves it out (`FLUSH` is 0): what is counted is what a real R3000 needs.
macro_rules! empty_cache {
    ($scratch:literal) => {
        concat!(
            ".if {FLUSH}\n",
            "mfc0  ",
            $scratch,
            ", $12\n",
            "nop\n", // hazard: load delay
            "srl   ",
            $scratch,
            ", ",
            $scratch,
            ", 29\n", // Status.CU1
            "sll   ",
            $scratch,
            ", ",
            $scratch,
            ", 29 - 16\n",
            "addiu ",
            $scratch,
            ", ",
            $scratch,
            ", {ISOLATE_CACHES} >> 16\n",
            "sll   ",
            $scratch,
            ", ",
            $scratch,
            ", 16\n",
            "ori   ",
            $scratch,
            ", ",
            $scratch,
            ", {USER_STATUS}\n",
            "mtc0  ",
            $scratch,
            ", $12\n", // Status: caches isolated, user mode after rfe
            "srl   ",
            $scratch,
            ", ",
            $scratch,
            ", 29\n",
            "sll   ",
            $scratch,
            ", ",
            $scratch,
            ", 29\n",
            "ori   ",
            $scratch,
            ", ",
            $scratch,
            ", {USER_STATUS}\n",
            "mtc0  ",
            $scratch,
            ", $12\n", // Status: user mode after rfe
            "nop\n",
            ".endif\n",
        )
    };
}

/// Goes to `$pending` if an interrupt is, and else on, towards `$target`, a register, in user mode; EPC says that, too. Changes `$scratch`,
/// another. Needs the operand `FLUSH`.
///
/// GXemul looks for interrupts once in some 8,191 instructions, and forgets one that it finds in the kernel: a program whose calls are long
/// could be there at every look, and keep the processor for ever. So who comes back from a long call looks itself. (The EPC of a real R3000
/// cannot be written; but there the interrupt comes by itself, as soon as the program goes on.)
macro_rules! look_for_interrupts {
    ($pending:literal, $target:literal, $scratch:literal) => {
        concat!(
            ".if {FLUSH}\n",
            "mtc0  ",
            $target,
            ", $14\n", // EPC
            "mfc0  ",
            $scratch,
            ", $13\n", // Cause
            "mfc0  ",
            $target,
            ", $12\n", // Status
            "nop\n",   // hazard: load delay
            "and   ",
            $scratch,
            ", ",
            $scratch,
            ", ",
            $target,
            "\n",
            "andi  ",
            $scratch,
            ", ",
            $scratch,
            ", 0xff00\n", // pending, and not masked
            "bnez  ",
            $scratch,
            ", ",
            $pending,
            "\n",
            " mfc0 ",
            $target,
            ", $14\n",
            "nop\n", // hazard: load delay
            ".endif\n",
        )
    };
}

pub(super) use {back_to_user, empty_cache, enter_rust, leave_rust, look_for_interrupts};

/// 1 where GXemul's cache of translations is emptied on the way to a program, 0 where instructions are counted.
pub(super) const FLUSH: u32 = !cfg!(feature = "counting") as u32;
