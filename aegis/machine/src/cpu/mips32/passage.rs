//! The passage between assembly and Rust, as pieces of assembly.
//!
//! Both need the operands `DISPATCHER` and `CURRENT`; the way back also `RESUME` and `STATUS`.

/// Goes to the Rust function `$function` with `$jump`, `jal` or `j`. From here on a fault is the kernel's own. Changes k1.
///
/// The block to come back to is in RESUME always: it is written wherever CURRENT is.
macro_rules! enter_rust {
    ($jump:literal, $function:literal) => {
        concat!(
            "lui   $k1, %hi({DISPATCHER})\n", // k1 = upper half of the address of the kernel's own block
            "addiu $k1, $k1, %lo({DISPATCHER})\n", // k1 = the kernel's own block
            "sw    $k1, {CURRENT}($k1)\n",    // current block = the kernel's
            "mtc0  $zero, $12\n",             // Status: kernel mode, exception level off
            $jump,
            " ",
            $function,
            "\n",
            " ehb", // hazard: Status before the callee's first instruction
        )
    };
}

/// Comes back from Rust, towards the environment that is to run: a fault is then its own. Changes k0 and k1.
macro_rules! leave_rust {
    () => {
        concat!(
            "lui   $k1, %hi({DISPATCHER} + {CURRENT})\n", // k1 = upper half of the address of CURRENT
            "lw    $k0, %lo({DISPATCHER} + {RESUME})($k1)\n", // k0 = the block to resume
            "sw    $k0, %lo({DISPATCHER} + {CURRENT})($k1)\n", // current block = the one to resume
            "lw    $k0, {STATUS}($k0)\n",                 // k0 = its Status
            "mtc0  $k0, $12",                             // Status: exception level on, floating-point unit as it was
        )
    };
}

pub(super) use {enter_rust, leave_rust};
