//! The console: the first 16550 UART of the super I/O chip, polled.

use crate::Owned;
use crate::memory::KSEG1;
use core::fmt;
use core::num::NonZeroUsize;
use uart_16550::backend::MmioBackend;
use uart_16550::{Config, Uart16550};

/// The UART: in the PCI I/O window, at a PC's COM1.
const UART: usize = KSEG1 as usize + 0x1800_0000 + 0x3f8;

/// The UART, and whether a new line would begin with the next byte.
struct State {
    uart: Option<Uart16550<MmioBackend>>,
    at_line_start: bool,
}

static CONSOLE: Owned<State> = Owned::new(State { uart: None, at_line_start: true });

/// Prepares the console.
pub(crate) fn init() {
    let Some(address) = NonZeroUsize::new(UART) else { return };
    // SAFETY: the address is the UART's, whose registers are one byte apart; nobody else uses it.
    let Ok(mut uart) = (unsafe { Uart16550::new_mmio_from_address(address, 1) }) else { return };
    // Where the UART does not answer as it should, there is nobody to tell.
    let _ = uart.init(Config::default());
    CONSOLE.with(|console| console.uart = Some(uart));
}

/// Writes to the console, byte for byte.
pub fn console_write(bytes: &[u8]) {
    let Some(&last) = bytes.last() else { return };
    CONSOLE.with(|console| {
        console.at_line_start = last == b'\n';
        if let Some(uart) = &mut console.uart {
            uart.send_bytes_exact(bytes);
        }
    });
}

/// Ends a line that a program has left unfinished, so that what the kernel says stands on a line of its own.
pub(crate) fn end_line() {
    if CONSOLE.with(|console| !console.at_line_start) {
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
