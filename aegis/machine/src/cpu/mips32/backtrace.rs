//! Backtraces without debug information: each frame's size and its return address are read from the function's prologue.
//!
//! It relies on prologues that stand at the start of a function (no shrink-wrapping, `.cargo/config.toml`), open the frame
//! with `addiu sp, sp, -SIZE` and save the return address with `sw ra, OFFSET(sp)`. The host tool adds names to the lines.

use crate::board::Console;
use crate::memory::KSEG0;
use core::arch::asm;
use core::fmt::Write;

unsafe extern "C" {
    /// Bounds of the kernel's code (linker.ld).
    static __text_start: u8;
    static __text_end: u8;
    /// Bounds of the kernel's stack and of the one for faults (linker.ld).
    static __stack_start: u8;
    static __crash_stack: u8;
}

/// Frames printed at most.
const DEPTH: usize = 32;
/// Instructions looked through for a prologue at most.
const LONGEST: u32 = 16384;

/// `addiu sp, sp, IMMEDIATE`, less the immediate.
const ADDIU_SP: u32 = 0x27bd_0000;
/// `sw ra, OFFSET(sp)`, less the offset.
const SW_RA: u32 = 0xafbf_0000;
/// `jr ra`.
const JR_RA: u32 = 0x03e0_0008;

/// Prints the way to `pc`, a line a frame, innermost first.
pub(super) fn print(mut pc: u32, mut sp: u32, ra: u32) {
    let _ = writeln!(Console, "  backtrace:");
    for depth in 0..DEPTH {
        let _ = writeln!(Console, "    at {pc:#010x}");
        let caller = match frame(pc, sp, depth == 0) {
            Some(Frame::Open { size, ra_at }) => {
                sp = sp.wrapping_add(size);
                stack_word(ra_at)
            }
            // Only the innermost function can be without one: it has called nobody.
            Some(Frame::None) => Some(ra),
            None => None,
        };
        // The return address is the call's, its delay slot and one instruction.
        match caller.map(|ra| ra.wrapping_sub(8)).filter(|&call| is_code(call) && call != pc) {
            Some(call) => pc = call,
            None => return,
        }
    }
}

/// Prints the way to the caller.
#[inline(never)]
pub(super) fn print_from_here() {
    let (pc, sp): (u32, u32);
    // SAFETY: reads registers.
    unsafe {
        asm!(
            ".set push",
            ".set noat",
            "1:",
            "lui   {pc}, %hi(1b)",
            "addiu {pc}, {pc}, %lo(1b)",
            "move  {sp}, $29",
            ".set pop",
            pc = out(reg) pc,
            sp = out(reg) sp,
            options(nomem, nostack),
        );
    }
    // This function calls another, so it has a frame, and the register ra is not needed.
    print(pc, sp, 0);
}

/// What the code before `pc` says of its function's frame.
enum Frame {
    /// It is open: so big, and the return address is saved there.
    Open { size: u32, ra_at: u32 },
    /// There is none.
    None,
}

/// Looks backwards from `pc` for the prologue.
fn frame(pc: u32, sp: u32, innermost: bool) -> Option<Frame> {
    let mut ra_offset = None;
    let lowest = pc.saturating_sub(4 * LONGEST).max(&raw const __text_start as u32);
    for address in (lowest..pc).rev().filter(|address| address.is_multiple_of(4)) {
        let word = code_word(address)?;
        let immediate = i32::from(word as u16 as i16);
        match word & 0xffff_0000 {
            SW_RA if ra_offset.is_none() => ra_offset = Some(immediate),
            ADDIU_SP if immediate < 0 => {
                let size = immediate.unsigned_abs();
                return match ra_offset {
                    Some(offset) => Some(Frame::Open { size, ra_at: sp.wrapping_add_signed(offset) }),
                    None => innermost.then_some(Frame::None),
                };
            }
            _ if word == JR_RA && innermost && ra_offset.is_none() && !closes_frame(address) => {
                return Some(Frame::None);
            }
            _ => {}
        }
    }
    None
}

/// Does the return at `address` close a frame in its delay slot? Then it may belong to the function in question.
fn closes_frame(address: u32) -> bool {
    code_word(address + 4).is_some_and(|word| word & 0xffff_8000 == ADDIU_SP)
}

fn is_code(address: u32) -> bool {
    let (start, end) = (&raw const __text_start as u32, &raw const __text_end as u32);
    address.is_multiple_of(4) && (start..end).contains(&address)
}

fn code_word(address: u32) -> Option<u32> {
    // SAFETY: the kernel's code is there, and nobody writes it.
    is_code(address).then(|| unsafe { *(address as *const u32) })
}

fn stack_word(address: u32) -> Option<u32> {
    let (start, end) = (&raw const __stack_start as u32, &raw const __crash_stack as u32);
    let valid = address >= KSEG0 && address.is_multiple_of(4) && (start..end).contains(&address);
    // SAFETY: the stacks are there, the word is aligned, and its function is not running on.
    valid.then(|| unsafe { (address as *const u32).read_volatile() })
}
