//! Code that runs for long with known registers, for interrupts to come between.

use core::arch::asm;
use core::mem::offset_of;
use exos::abi::Info;
use exos::abi::info::Counters;
use exos::layout;

/// Where the ticks are counted: in the information page.
const TICKS: u32 = layout::INFO.start + (offset_of!(Info, counters) + offset_of!(Counters, ticks)) as u32;

/// Instructions of a turn of [`turns_to_tick`].
pub const TURN: u32 = 6;

/// Does nothing for so many instructions, and a few more, as many each time.
pub fn wait(instructions: u32) {
    // SAFETY: the loop changes nothing but the registers given.
    unsafe {
        asm!(
            ".set push", ".set noat", ".set noreorder",
            "andi  {odd}, {turns}, 1",
            "bnez  {odd}, 1f",
            " srl  {turns}, {turns}, 1",
            "nop",
            "1:",
            "bgtz  {turns}, 1b",
            " addiu {turns}, {turns}, -1",
            ".set pop",
            turns = inout(reg) instructions => _, odd = out(reg) _,
            options(nostack, nomem)
        );
    }
}

/// Waits for the counter of ticks to change, `limit` turns at most. Returns the turns.
pub fn turns_to_tick(limit: u32) -> u32 {
    let left: u32;
    // SAFETY: the library keeps the information page mapped.
    unsafe {
        asm!(
            ".set push", ".set noat", ".set noreorder",
            "lw    {before}, 0({ticks})",
            "1:",
            "lw    {now}, 0({ticks})",
            "addiu {left}, {left}, -1",
            "bne   {now}, {before}, 2f",
            " nop",
            "bnez  {left}, 1b",
            " nop",
            "2:",
            ".set pop",
            ticks = in(reg) TICKS, before = out(reg) _, now = out(reg) _, left = inout(reg) limit => left,
            options(nostack, readonly)
        );
    }
    limit - left
}
