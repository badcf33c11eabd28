//! Text on its way to the console, a line at a time, from a pinned buffer that the kernel can always read.
//!
//! Interrupt handlers print too, between any two pieces of text: while the buffer is changed or
//! sent, interrupts are masked. What serves requests may print while the program is parked, also
//! where it waits for the device in the midst of a text: that is put behind it, and sent behind it.

use super::cell::Cell;
use super::state::STATE;
use super::{call, park};
use crate::interrupts::{in_critical, masked};
use crate::layout;
use crate::outgoing::{Device, Outgoing};
use crate::report::{self, DYING_NOT};
use aegis_abi::UserPtr;
use aegis_abi::calls::NEXT;
use core::fmt;

/// Bytes that are put into the buffer at a time: a small part of a slice.
const PIECE: usize = 256;

const BYTES: usize = layout::CONSOLE.pages as usize * layout::PAGE_BYTES as usize;

#[repr(C, align(4096))]
struct Buffer([Cell<u8>; BYTES]);

/// The linker puts it at [`layout::CONSOLE`].
#[unsafe(link_section = ".pinned.console")]
static BUFFER: Buffer = Buffer([const { Cell::new(0) }; BYTES]);

/// Bytes of the buffer that hold text.
static LENGTH: Cell<usize> = Cell::new(0);

/// Of these, the bytes that were sent.
static SENT: Cell<usize> = Cell::new(0);

/// The console behind its buffer. Whenever it is used, interrupts must be masked.
#[derive(Debug)]
struct Own;

const TEXT: Outgoing<Own> = Outgoing(Own);

impl Device for Own {
    const BYTES: usize = BYTES;

    fn set(&self, n: usize, byte: u8) {
        BUFFER.0[n].set(byte);
    }
    fn length(&self) -> usize {
        LENGTH.get()
    }
    fn set_length(&self, length: usize) {
        LENGTH.set(length);
    }
    fn sent(&self) -> usize {
        SENT.get()
    }
    fn set_sent(&self, sent: usize) {
        SENT.set(sent);
    }

    fn write(&self, start: usize, bytes: usize) -> usize {
        let text = UserPtr::new(layout::CONSOLE.start + start as u32).expect("the buffer lies in user space");
        // The call cannot fail: the buffer is pinned and one page long. If it does, there is no way
        // to say so, and the text is lost.
        // SAFETY: the call only reads.
        unsafe { call::console_write(text, bytes as u32) }.map_or(bytes, |taken| taken as usize)
    }

    /// Gives up the processor. Before there is anything to go on with, in a critical section, and
    /// while the program ends, the device is asked again at once.
    fn wait(&self) {
        report::pause();
        if STATE.parked.get() != 0 && !in_critical() && STATE.dying.get() == DYING_NOT {
            // It is not refused: it names nobody.
            let _ = park::give_up(NEXT);
        }
    }
}

/// The console, as a writer.
#[derive(Debug)]
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().chunks(PIECE) {
            masked(|| piece.iter().for_each(|&byte| TEXT.put(byte)));
            report::pause();
        }
        Ok(())
    }
}

/// Sends what has been printed of the current line.
pub fn flush() {
    masked(send);
}

fn send() {
    TEXT.send();
    report::pause();
}
