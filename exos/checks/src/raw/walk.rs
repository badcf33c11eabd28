//! The measured walk through pages.

use crate::markers::Span;
use crate::walk::CHUNK;
use alloc::boxed::Box;
use core::arch::asm;

/// The addresses of a span, alone in a page.
#[repr(C, align(4096))]
pub struct Addresses(pub [u32; CHUNK as usize]);

impl Addresses {
    /// A page for addresses.
    pub fn new() -> Box<Addresses> {
        Box::new(Addresses([0; CHUNK as usize]))
    }

    /// Loads a word from each, in [`Span::Walk`]; their sum. All must be mapped in a region of the test's.
    pub fn walk(&self) -> u32 {
        let mut sum = 0;
        let range = self.0.as_ptr_range();
        // SAFETY: loads change nothing, and those of the addresses stay within the list.
        unsafe {
            asm!(
                ".set push", ".set noat", ".set noreorder",
                ".word {open}",
                "1:",
                "lw    {address}, 0({next})",
                "addiu {next}, {next}, 4",         // hazard: load delay
                "lw    {value}, 0({address})",
                "bne   {next}, {end}, 1b",         // hazard: load delay
                " addu {sum}, {sum}, {value}",
                ".word {close}",
                ".set pop",
                open = const Span::Walk.open(), close = const Span::Walk.close(),
                address = out(reg) _, value = out(reg) _, next = inout(reg) range.start => _, end = in(reg) range.end,
                sum = inout(reg) sum, options(nostack, readonly)
            );
        }
        sum
    }
}
