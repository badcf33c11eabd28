//! Interrupts: there is no driver for them on this board.

use crate::board::interrupts::{Event, Missing, Source};

/// Lines of the processor that are used, as bits of Cause and Status.
pub const LINES: u32 = 0;

/// Lets a device interrupt: there is none that could.
pub fn enable(_: Source) -> Result<(), Missing> {
    Err(Missing)
}

/// Reports why the processor was interrupted: it never is.
pub fn handle(_cause: u32, _report: impl FnMut(Event)) {}
