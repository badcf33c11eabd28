//! The console's input, as it is typed. It comes by interrupts and waits here until it is read.
//!
//! No byte is lost, however much comes at once: the kernel puts no more into the queue than there is
//! room for here ([`InterruptQueue::room`](aegis_abi::InterruptQueue)), and the rest waits in the
//! device. So a program that reads nothing has all its other interrupts, and one that reads late has
//! everything.
//!
//! A program that handles [`CONSOLE`](aegis_abi::interrupts::CONSOLE) itself, by
//! [`interrupts::handle`](crate::interrupts::handle), takes what comes then, and it does not come here.

use crate::interrupts::{self, critical};
use crate::line::Line;
use crate::rt::cell::Cell;
use crate::rt::state::STATE;
use crate::{console, schedule};
use alloc::string::String;

/// Bytes that may wait.
const BYTES: usize = 256;

static RING: [Cell<u8>; BYTES] = [const { Cell::new(0) }; BYTES];
/// Bytes that came into the ring, and that were read, so far.
static CAME: Cell<u32> = Cell::new(0);
static READ: Cell<u32> = Cell::new(0);
/// Bytes that interrupts brought so far, whoever handled them.
static BROUGHT: Cell<u32> = Cell::new(0);

/// End of transmission: Ctrl-D.
pub const END: u8 = 4;

/// An [`END`] that ended a line is still to be read.
static ENDED: Cell<bool> = Cell::new(false);

/// Lets input come. Called once, before interrupts are let through.
pub(crate) fn start() {
    grant();
}

/// Takes what an interrupt brings: the number of bytes, and these.
pub(crate) fn receive([count, low, high]: [u32; 3]) {
    let bytes = (u64::from(high) << 32 | u64::from(low)).to_le_bytes();
    for &byte in bytes.iter().take(count as usize) {
        let came = CAME.get();
        // There is room: the kernel was told how much.
        if came.wrapping_sub(READ.get()) < BYTES as u32 {
            RING[came as usize % BYTES].set(byte);
            CAME.set(came.wrapping_add(1));
        }
    }
}

/// Notes that an interrupt, which has been handled, brought `count` bytes. The mask must be clear.
pub(crate) fn brought(count: u32) {
    BROUGHT.set(BROUGHT.get().wrapping_add(count));
    grant();
}

/// Tells the kernel for how many bytes there is room. The mask must be clear.
fn grant() {
    let free = (BYTES as u32).wrapping_sub(CAME.get().wrapping_sub(READ.get()));
    STATE.queue.room.set(BROUGHT.get().wrapping_add(free));
}

/// The next byte, if one has come.
pub fn byte() -> Option<u8> {
    critical(|| {
        if ENDED.get() {
            ENDED.set(false);
            return Some(END);
        }
        let read = READ.get();
        if read == CAME.get() {
            return None;
        }
        let byte = RING[read as usize % BYTES].get();
        READ.set(read.wrapping_add(1));
        grant();
        Some(byte)
    })
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

/// Reads a line, showing what is typed; the last character can be taken back. Bytes that are no UTF-8
/// are replaced by U+FFFD, and control characters are ignored. `None` at [`END`]; an [`END`] behind
/// other characters ends the line, and is what is read next.
///
/// # Panics
/// As [`wait`] does.
#[track_caller]
pub fn line() -> Option<String> {
    let mut line = Line::new();
    loop {
        match wait() {
            END if line.is_empty() => return None,
            end @ (END | b'\r' | b'\n') => {
                ENDED.set(end == END);
                let (line, rest) = line.finish();
                crate::println!("{rest}");
                return Some(line);
            }
            8 | 127 if line.erase() => crate::print!("\u{8} \u{8}"),
            byte @ (b' '..127 | 128..) => crate::print!("{}", line.push(byte)),
            _ => {}
        }
    }
}
