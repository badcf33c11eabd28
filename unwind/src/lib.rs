//! Backtraces, from the code itself: MIPS has no chain of frames, but every function starts by moving the stack pointer and
//! storing its return address, and how far it does is read from these instructions.
//!
//! It is a diagnosis and may be wrong where code does not come from the compiler; it ends where it finds no sense. It counts on
//! prologues at the start of a function and on return addresses that are saved also in functions that never return: two
//! flags in `.cargo/config.toml` see to that.
//!
//! For kernel and programs alike: it reads memory through a function, and prints nothing. No `unsafe`, tested on the host.

#![no_std]
#![forbid(unsafe_code)]

/// A function's frame, as its prologue makes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Address of the instruction that makes the frame.
    pub prologue: u32,
    /// Bytes by which it moves the stack pointer.
    pub bytes: u32,
    /// Where in the frame the return address is, if it is stored before `pc`.
    pub return_address: Option<u32>,
}

/// Instructions that are searched for a prologue: more than any function has.
const REACH: u32 = 16 * 1024;

/// `addiu $sp, $sp, -n`: n
const fn frame_bytes(word: u32) -> Option<u32> {
    let immediate = word as u16 as i16;
    if word >> 16 == 0x27bd && immediate < 0 { Some(immediate.unsigned_abs() as u32) } else { None }
}

/// `sw $ra, n($sp)`: n
const fn return_address_offset(word: u32) -> Option<u32> {
    let immediate = word as u16 as i16;
    if word >> 16 == 0xafbf && immediate >= 0 { Some(immediate as u32) } else { None }
}

/// The frame of the function that holds `pc`: the nearest prologue before it, but not before `bound`.
pub fn frame(pc: u32, bound: u32, read: &impl Fn(u32) -> Option<u32>) -> Option<Frame> {
    let mut return_address = None;
    let mut at = pc;
    for _ in 0..REACH {
        at = at.checked_sub(4).filter(|&at| at >= bound)?;
        let word = read(at)?;
        if let Some(offset) = return_address_offset(word) {
            return_address = Some(offset);
        }
        if let Some(bytes) = frame_bytes(word) {
            return Some(Frame { prologue: at, bytes, return_address });
        }
    }
    None
}

/// The function that the call before the return address `ra` names, if it is a plain `jal`.
fn callee(ra: u32, read: &impl Fn(u32) -> Option<u32>) -> Option<u32> {
    let call = ra.checked_sub(8)?;
    let word = read(call)?;
    (word >> 26 == 3).then_some(call.wrapping_add(4) & 0xf000_0000 | (word & 0x03ff_ffff) << 2)
}

/// Calls `visit` with `pc` and then with the address of each call that led there, up to `depth` of them.
///
/// `read` gives the word at an address, or `None` where nothing can be read.
pub fn walk(
    mut pc: u32,
    mut sp: u32,
    ra: u32,
    depth: usize,
    read: impl Fn(u32) -> Option<u32>,
    mut visit: impl FnMut(u32),
) {
    visit(pc);
    // The return address is still in its register in a function that has not stored it, or does not need to.
    let mut in_register = Some(ra);
    for _ in 1..depth {
        // A function without a frame would be taken for the one before it: the call that led here tells its beginning.
        let bound = in_register.and_then(|ra| callee(ra, &read)).filter(|&start| start <= pc).unwrap_or(0);
        let (bytes, offset) = match frame(pc, bound, &read) {
            Some(frame) => (frame.bytes, frame.return_address),
            None => (0, None),
        };
        let ra = match (offset, in_register.take()) {
            (Some(offset), _) => read(sp.wrapping_add(offset)),
            (None, ra) => ra,
        };
        let Some(call) = ra.and_then(|ra| ra.checked_sub(8)) else { return };
        if call & 3 != 0 || read(call).is_none() {
            return;
        }
        visit(call);
        pc = call;
        sp = sp.wrapping_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const TEXT: u32 = 0x0100_0000;
    const STACK: u32 = 0x7000_0000;

    const PROLOGUE: u32 = 0x27bd_ffe0; // addiu $sp, $sp, -32
    const STORE_RA: u32 = 0xafbf_001c; // sw $ra, 28($sp)
    const NOP: u32 = 0;
    const fn jal(target: u32) -> u32 {
        3 << 26 | target >> 2 & 0x03ff_ffff
    }

    /// `outer` calls `middle`, which calls `leaf`, which has no frame.
    fn program() -> Vec<u32> {
        Vec::from([
            PROLOGUE,
            STORE_RA,
            jal(TEXT + 0x20),
            NOP,
            0x8fbf_001c,
            0x03e0_0008,
            0x27bd_0020,
            NOP, // outer at 0x00
            PROLOGUE,
            NOP,
            STORE_RA,
            jal(TEXT + 0x40),
            NOP,
            0x03e0_0008,
            0x27bd_0020,
            NOP, // middle at 0x20
            NOP,
            NOP,
            0x03e0_0008,
            NOP, // leaf at 0x40
        ])
    }

    fn walk_from(pc: u32, sp: u32, ra: u32, stack: &[u32]) -> Vec<u32> {
        let text = program();
        let read = |address: u32| {
            let (words, start) = if address >= STACK { (stack, STACK) } else { (&text[..], TEXT) };
            words.get((address.checked_sub(start)? / 4) as usize).copied()
        };
        let mut found = Vec::new();
        walk(pc, sp, ra, 8, read, |address| found.push(address - TEXT));
        found
    }

    /// Two frames of 8 words: middle's, whose return address leads to outer, and outer's, which returns to nowhere.
    fn stack() -> [u32; 16] {
        let mut stack = [0; 16];
        stack[7] = TEXT + 0x10;
        stack
    }

    #[test]
    fn follows_stored_return_addresses() {
        // in middle, at its call; $ra holds a stale address
        assert_eq!(walk_from(TEXT + 0x2c, STACK, TEXT + 0x34, &stack()), [0x2c, 0x08]);
    }

    #[test]
    fn a_leaf_has_no_frame_of_its_own() {
        assert_eq!(walk_from(TEXT + 0x44, STACK, TEXT + 0x34, &stack()), [0x44, 0x2c, 0x08]);
    }

    #[test]
    fn before_the_return_address_is_stored() {
        // in middle's second instruction: the frame exists, the return address is in its register
        assert_eq!(walk_from(TEXT + 0x24, STACK, TEXT + 0x10, &stack()[8..]), [0x24, 0x08]);
        // in its first: there is no frame yet
        assert_eq!(walk_from(TEXT + 0x20, STACK + 0x20, TEXT + 0x10, &stack()), [0x20, 0x08]);
    }

    #[test]
    fn ends_where_there_is_no_sense() {
        assert_eq!(walk_from(TEXT + 0x2c, 0x1000_0001, 0, &stack()), [0x2c]);
        assert_eq!(walk_from(TEXT + 0x44, 0, 0xffff_fff3, &stack()), [0x44]);
        assert_eq!(walk_from(TEXT + 0x1000, STACK, 4, &stack()), [0x1000]);
    }
}
