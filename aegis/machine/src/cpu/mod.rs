//! The processor families: vectors, TLB, system control registers, entry and exit. One is compiled in; both offer the same
//! names. What they have in common stands here.
//!
//! A program resumes without the kernel by `lw $k0, SLOT($zero); nop; jr $k0`, in a window (see `Env` in `aegis-abi`), and must not
//! lose `k0` between load and jump. What may come between, and writes the TLB, is answered in Rust, and returns to the window's first
//! instruction: interrupts, and misses of a guaranteed page. The assembly returns to where it was, and that is right:
//! - a refill, from the table or the overflow buffer, changes `k0`, and so must not fall between. It can only if the window's page is
//!   not in the TLB, from which its `lw` has just been fetched; and nothing has written the TLB since but what has begun the window again.
//!   The miss of the slot itself is one at the `lw`, which is then done again: it may take the window's page from the TLB, but
//!   then that misses at the `lw`, too. (QEMU does not look there again before it has to, and may find out only at the `jr`. There,
//!   and wherever an entry has two pages, slot and window are the two of one, so that the refill of one is that of the other:
//!   `Kernel::miss` sees to it that none is without the other.)
//! - exceptions are the program's own doing, and a window holds no `syscall`.

mod backtrace;
pub mod dispatch;
mod fault;
mod float;
mod frames;
mod operands;
pub mod suspended;

#[cfg(not(target_vendor = "dec"))]
mod mips32;
#[cfg(not(target_vendor = "dec"))]
use mips32 as family;

/// The timer is the processor's own, where it has one.
#[cfg(not(target_vendor = "dec"))]
pub use mips32::timer;

#[cfg(target_vendor = "dec")]
mod r3000;
#[cfg(target_vendor = "dec")]
use r3000 as family;

pub use family::{TLB_WIRED, clear_fpu, enter, has_fpu, idle, init, name, sync_instructions, tlb, tlb_entries, unfit};
pub use fault::panic;
#[cfg(feature = "planted-fault")]
pub use fault::planted_fault;

use crate::memory;
use aegis_abi::limits::PAGE_BYTES;
use core::arch::asm;
use stlb::{Native, Stlb};

/// The software TLB. The refill sequence knows it as `stlb_table`.
#[unsafe(link_section = ".stlb")]
#[unsafe(export_name = "stlb_table")]
static STLB: Stlb<Native> = Stlb::new();

/// The software TLB.
pub fn stlb() -> &'static Stlb<Native> {
    &STLB
}

/// Instructions of a refill from the software TLB: the sequence has no branch but the one away from it, to a miss.
pub fn refill_instructions() -> u32 {
    unsafe extern "C" {
        static stlb_refill: u32;
        static stlb_refill_end: u32;
    }
    ((&raw const stlb_refill_end).addr() - (&raw const stlb_refill).addr()) as u32 / size_of::<u32>() as u32
}

/// The frames of the software TLB.
pub fn stlb_frames() -> core::ops::Range<u32> {
    memory::frames_of(&STLB)
}

/// Fills the page at this address of kseg0 with zeros. A frame is cleared whenever it changes hands, so this is unrolled: 40
/// instructions for 128 bytes, where `memset` takes 160.
pub(crate) fn clear_page(address: u32) {
    assert!(address >= memory::KSEG0 && address.is_multiple_of(PAGE_BYTES));
    // SAFETY: the page is a program's frame, as the caller has checked, and no program runs.
    unsafe {
        asm!(
            ".set push",
            ".set noreorder",
            ".set noat",
            "1:",
            "sw    $zero, 0({word})",
            "sw    $zero, 4({word})",
            "sw    $zero, 8({word})",
            "sw    $zero, 12({word})",
            "sw    $zero, 16({word})",
            "sw    $zero, 20({word})",
            "sw    $zero, 24({word})",
            "addiu {word}, {word}, 32",
            "bne   {word}, {end}, 1b",
            " sw   $zero, -4({word})",
            ".set pop",
            word = inout(reg) address => _,
            end = in(reg) address + PAGE_BYTES,
            options(nostack),
        );
    }
}

/// Copies the page at an address of kseg0 to another, 20 instructions for 32 bytes. Where they are one, nothing changes.
pub(crate) fn copy_page(to: u32, from: u32) {
    assert!(to >= memory::KSEG0 && from >= memory::KSEG0);
    assert!(to.is_multiple_of(PAGE_BYTES) && from.is_multiple_of(PAGE_BYTES));
    // SAFETY: the page is a program's frame, and the other may be read, as the caller has checked; and no program runs.
    unsafe {
        asm!(
            ".set push",
            ".set noreorder",
            ".set noat",
            "1:",
            "lw    {a}, 0({from})",
            "lw    {b}, 4({from})",
            "lw    {c}, 8({from})",
            "lw    {d}, 12({from})",
            "sw    {a}, 0({to})",
            "sw    {b}, 4({to})",
            "sw    {c}, 8({to})",
            "sw    {d}, 12({to})",
            "lw    {a}, 16({from})",
            "lw    {b}, 20({from})",
            "lw    {c}, 24({from})",
            "lw    {d}, 28({from})",
            "addiu {from}, {from}, 32",
            "sw    {a}, 16({to})",
            "sw    {b}, 20({to})",
            "sw    {c}, 24({to})",
            "sw    {d}, 28({to})",
            "addiu {to}, {to}, 32",
            "bne   {from}, {end}, 1b",
            " nop",
            ".set pop",
            a = out(reg) _,
            b = out(reg) _,
            c = out(reg) _,
            d = out(reg) _,
            to = inout(reg) to => _,
            from = inout(reg) from => _,
            end = in(reg) from + PAGE_BYTES,
            options(nostack),
        );
    }
}
