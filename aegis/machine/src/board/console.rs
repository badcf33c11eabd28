//! The console: what all boards have in common. A board supplies `transmit`.

use super::this;
use core::cell::Cell;
use core::fmt;

/// Would a new line begin with the next byte?
struct AtLineStart(Cell<bool>);

// SAFETY: one processor, and nothing interrupts the kernel.
unsafe impl Sync for AtLineStart {}

static AT_LINE_START: AtLineStart = AtLineStart(Cell::new(true));

/// Writes to the console, and waits for it to take all.
pub fn console_write(bytes: &[u8]) {
    let mut left = bytes;
    while !left.is_empty() {
        left = &left[console_write_some(left)..];
    }
}

/// Writes the first of these bytes to the console, as many as it takes without a wait, and returns
/// how many.
pub(crate) fn console_write_some(bytes: &[u8]) -> usize {
    let taken = this::transmit(bytes);
    if let Some(&last) = bytes[..taken].last() {
        AT_LINE_START.0.set(last == b'\n');
    }
    taken
}

/// Ends a line that a program has left unfinished, so that what the kernel says stands on a line of its own.
pub(crate) fn end_line() {
    if !AT_LINE_START.0.get() {
        console_write(b"\n");
    }
}

/// The console as a sink for formatted text.
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        console_write(text.as_bytes());
        Ok(())
    }
}
