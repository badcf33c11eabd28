//! The refill sequences: what runs on a miss of the hardware TLB.
//!
//! Every number in them comes from the definitions that the table uses, as a `const` operand.

/// Emits the refill sequence for MIPS32 at the current place of the section `$section`, under the symbol
/// `stlb_refill`: 16 instructions on a hit (18 with the feature `faithful`), loading two pages.
///
/// Afterwards the assembler is back in the section where it was. The crate that calls this needs
/// `#![feature(asm_experimental_arch)]`.
///
/// Needs two symbols: `stlb_table`, an `Stlb<Mips32>`, and `stlb_miss`, where it goes on a miss, with Context in `k0`.
#[macro_export]
macro_rules! mips32_refill {
    ($section:literal) => {
        core::arch::global_asm!(
            concat!(".pushsection ", $section, ",\"ax\",@progbits"),
            ".set push",
            ".set mips32r2",
            ".set noreorder",
            ".set noat",
            ".globl stlb_refill",
            ".type stlb_refill, @function",
            // Entry: an access by a user program missed in the hardware TLB. Context holds process tag and page pair;
            // EntryHi, set by the processor, what the new TLB entry is to match. k0 and k1 alone are ours.
            // Strategy: load the halves before the tag is compared, so that k1 can then take the tag.
            // The half that was asked for may be invalid: the repeated access then comes to the general vector.
            // Exit: hit, the access again; miss, stlb_miss, k0 = Context, nothing written to the hardware TLB.
            "stlb_refill:",
            "mfc0  $k0, $4",                      // k0 = Context
            "srl   $k1, $k0, {hash_shift}",       // bring the process tag down to the page bits
            "srl   $k0, $k0, {vpn_shift}",        // drop what stands below the page bits
            "xor   $k0, $k0, $k1",                // k0 = hash, in the low bits
            "lui   $k1, %hi(stlb_table)",         // k1 = table; it is aligned to its size, so this is all of it
            "ins   $k1, $k0, {vpn_shift}, {slot_bits}", // k1 = &table[hash]
            "lw    $k0, %lo(stlb_table + {lo0})($k1)",              // k0 = entry.lo0
            "mtc0  $k0, $2",                      // EntryLo0 = entry.lo0, on trust
            "lw    $k0, %lo(stlb_table + {lo1})($k1)",              // k0 = entry.lo1
            "mtc0  $k0, $3",                      // EntryLo1 = entry.lo1, on trust
            "lw    $k1, %lo(stlb_table + {tag})($k1)",              // k1 = entry.tag
            "mfc0  $k0, $4",                      // k0 = Context, again
            "bne   $k0, $k1, stlb_miss",          // another process or page pair: not here
            ".if {faithful}",
            " mfc0 $k1, $1",                      // k1 = Random
            "mtc0  $k1, $0",                      // Index = k1
            "ehb",                                // hazard: Index, EntryLo0, EntryLo1 before tlbwi
            "tlbwi",                              // the same entry as tlbwr's, but QEMU then really forgets the old one
            ".else",
            " ehb",                               // hazard: EntryLo0, EntryLo1 before tlbwr
            "tlbwr",                              // load the pair in place of a random one
            ".endif",
            "eret",                               // repeat the access
            ".globl stlb_refill_end",
            "stlb_refill_end:",
            ".size stlb_refill, . - stlb_refill",
            ".set pop",
            ".popsection",
            hash_shift = const $crate::operands::mips32::HASH_SHIFT,
            vpn_shift = const $crate::operands::mips32::VPN_SHIFT,
            slot_bits = const $crate::operands::mips32::SLOT_BITS,
            tag = const $crate::operands::mips32::TAG,
            lo0 = const $crate::operands::mips32::LO0,
            lo1 = const $crate::operands::mips32::LO1,
            faithful = const $crate::operands::mips32::FAITHFUL,
        );
    };
}

/// Emits the refill sequence for the R3000 at the current place of the section `$section`, under the symbol
/// `stlb_refill`: the thesis' own, figure 9-7, instruction for instruction; 18 on a hit.
///
/// Afterwards the assembler is back in the section where it was. The crate that calls this needs
/// `#![feature(asm_experimental_arch)]`.
///
/// Needs two symbols: `stlb_table`, an `Stlb<R3000>`, and `stlb_miss`, where it goes on a miss, with Context in `k0` and
/// EPC in `k1`, whose load delay is the first instruction there.
#[macro_export]
macro_rules! r3000_refill {
    ($section:literal) => {
        core::arch::global_asm!(
            concat!(".pushsection ", $section, ",\"ax\",@progbits"),
            ".set push",
            ".set mips1",
            ".set noreorder",
            ".set noat",
            ".globl stlb_refill",
            ".type stlb_refill, @function",
            // Entry: an access by a user program missed in the hardware TLB. Context holds process tag and page; EntryHi,
            // set by the processor, what the new TLB entry is to match. k0 and k1 alone are ours.
            // Strategy: load EntryLo before the tag is compared, so that k0 can then take Context.
            // What `lw` or `mfc0` loads is not there for the next instruction (load delay). That is each time one that has
            // no need of it, as the right column says; only once there was none, and it is a `nop`.
            // Exit: hit, the access again; miss, stlb_miss, k0 = Context, k1 = EPC, nothing written to the hardware TLB.
            "stlb_refill:",
            "mfc0  $k0, $4",                      // k0 = Context: process tag and page that missed
            "mfc0  $k1, $4",                      // k1 = Context, too; load delay of k0
            "sll   $k0, $k0, {hash_up}",          // move the page up; load delay of k1
            "xor   $k1, $k0, $k1",                // combine it with the process tag
            "srl   $k1, $k1, {hash_down}",        // move both down, to the offset of an entry of 8 bytes
            "andi  $k0, $k1, {offset_mask}",      // k0 = offset of the slot
            "lui   $k1, %hi(stlb_table)",         // k1 = table, at a known place
            "add   $k1, $k0, $k1",                // k1 = &table[hash]; in kseg0, so that `add` cannot trap
            "lw    $k0, %lo(stlb_table + {lo})($k1)",   // k0 = entry.lo
            "lw    $k1, %lo(stlb_table + {tag})($k1)",  // k1 = entry.tag; load delay of k0
            "mtc0  $k0, $2",                      // EntryLo = entry.lo, on trust; load delay of k1
            "mfc0  $k0, $4",                      // k0 = Context, again
            "nop",                                // hazard: load delay of k0
            "bne   $k0, $k1, stlb_miss",          // another process or page: not here
            " mfc0 $k1, $14",                     // k1 = EPC
            "tlbwr",                              // load the page in place of a random one; load delay of k1
            "jr    $k1",                          // repeat the access
            " .word 0x42000010",                  // rfe, which the assembler does not know: back to user mode
            ".globl stlb_refill_end",
            "stlb_refill_end:",
            ".size stlb_refill, . - stlb_refill",
            ".set pop",
            ".popsection",
            hash_up = const $crate::operands::r3000::HASH_UP,
            hash_down = const $crate::operands::r3000::HASH_DOWN,
            offset_mask = const $crate::operands::r3000::OFFSET_MASK,
            lo = const $crate::operands::r3000::LO,
            tag = const $crate::operands::r3000::TAG,
        );
    };
}
