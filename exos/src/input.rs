//! The console's input, as it is typed. It comes by interrupts and waits here until it is read.

use crate::rt::cell::Cell;
use crate::schedule;
use crate::{console, interrupts};
use alloc::string::String;

/// Bytes that may wait.
const BYTES: usize = 256;

static RING: [Cell<u8>; BYTES] = [const { Cell::new(0) }; BYTES];
/// Bytes that came, and that were read, so far.
static CAME: Cell<u32> = Cell::new(0);
static READ: Cell<u32> = Cell::new(0);

/// End of transmission: Ctrl-D.
pub const END: u8 = 4;

/// Takes what an interrupt brings: the number of bytes, and these. What does not fit is lost.
pub(crate) fn receive([count, low, high]: [u32; 3]) {
    let bytes = (u64::from(high) << 32 | u64::from(low)).to_le_bytes();
    for &byte in bytes.iter().take(count as usize) {
        let came = CAME.get();
        if came.wrapping_sub(READ.get()) < BYTES as u32 {
            RING[came as usize % BYTES].set(byte);
            CAME.set(came.wrapping_add(1));
        }
    }
}

/// The next byte, if one has come.
pub fn byte() -> Option<u8> {
    let read = READ.get();
    if read == CAME.get() {
        return None;
    }
    let byte = RING[read as usize % BYTES].get();
    READ.set(read.wrapping_add(1));
    Some(byte)
}

/// Waits for the next byte, and leaves the processor to others. What has been printed of a line is
/// shown first.
///
/// # Panics
/// In a critical section, and in an interrupt handler: the console's interrupt would never come.
#[track_caller]
pub fn wait() -> u8 {
    interrupts::may_wait("input::wait");
    console::flush();
    loop {
        if let Some(byte) = byte() {
            return byte;
        }
        schedule::yield_now();
    }
}

/// Reads a line, showing what is typed; the last byte can be taken back. `None` at [`END`].
///
/// # Panics
/// As [`wait`] does.
#[track_caller]
pub fn line() -> Option<String> {
    let mut line = String::new();
    loop {
        match wait() {
            END => return None,
            b'\r' | b'\n' => {
                crate::println!();
                return Some(line);
            }
            8 | 127 if line.pop().is_some() => crate::print!("\u{8} \u{8}"),
            byte @ b' '..127 => {
                line.push(byte.into());
                crate::print!("{}", char::from(byte));
            }
            _ => {}
        }
    }
}
