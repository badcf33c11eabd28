//! Text on its way to the console, a line at a time, from a pinned buffer that the kernel can always read.

use super::call;
use super::cell::Cell;
use crate::layout;
use aegis_abi::UserPtr;
use core::fmt;

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
        for byte in text.bytes() {
            let length = LENGTH.get();
            BUFFER.0[length].set(byte);
            LENGTH.set(length + 1);
            if byte == b'\n' || length + 1 == BYTES {
                flush();
            }
        }
        Ok(())
    }
}

/// Sends what has been printed of the current line.
pub fn flush() {
    let length = LENGTH.get();
    LENGTH.set(0);
    if length == 0 {
        return;
    }
    let start = UserPtr::new(layout::CONSOLE.start).expect("the buffer lies in user space");
    // The call cannot fail: the buffer is pinned and one page long. If it does, there is no way to say so.
    // SAFETY: the call only reads.
    let _ = unsafe { call::console_write(start, length as u32) };
}
