//! Text on its way to the console, a line at a time, from a pinned buffer that the kernel can always read.
//!
//! Interrupt handlers print too, between any two pieces of text: while the buffer is changed or
//! sent, interrupts are masked.

use super::call;
use super::cell::Cell;
use crate::interrupts::masked;
use crate::layout;
use crate::report;
use aegis_abi::UserPtr;
use core::fmt;

/// Bytes that are put into the buffer at a time: a small part of a slice.
const PIECE: usize = 256;

const BYTES: usize = layout::CONSOLE.pages as usize * layout::PAGE_BYTES as usize;

#[repr(C, align(4096))]
struct Buffer([Cell<u8>; BYTES]);

/// The linker puts it at [`layout::CONSOLE`].
#[unsafe(link_section = ".pinned.console")]
static BUFFER: Buffer = Buffer([const { Cell::new(0) }; BYTES]);

static LENGTH: Cell<usize> = Cell::new(0);

/// The console, as a writer.
#[derive(Debug)]
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().chunks(PIECE) {
            masked(|| piece.iter().for_each(|&byte| put(byte)));
        }
        Ok(())
    }
}

/// Interrupts must be masked.
fn put(byte: u8) {
    let length = LENGTH.get();
    BUFFER.0[length].set(byte);
    LENGTH.set(length + 1);
    if byte == b'\n' || length + 1 == BYTES {
        send();
    }
}

/// Sends what has been printed of the current line.
pub fn flush() {
    masked(send);
}

/// Interrupts must be masked.
fn send() {
    let length = LENGTH.get();
    LENGTH.set(0);
    if length == 0 {
        return;
    }
    let start = UserPtr::new(layout::CONSOLE.start).expect("the buffer lies in user space");
    // The call cannot fail: the buffer is pinned and one page long. If it does, there is no way to say so.
    // SAFETY: the call only reads.
    let _ = unsafe { call::console_write(start, length as u32) };
    report::pause();
}
