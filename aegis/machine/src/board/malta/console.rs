//! The console: the first 16550 UART of the super I/O chip. Output is polled; input is announced by an interrupt, once that is
//! enabled.

use crate::Owned;
use crate::memory::KSEG1;
use core::num::NonZeroUsize;
use uart_16550::backend::MmioBackend;
use uart_16550::spec::registers::IER;
use uart_16550::{Config, Uart16550};

/// The UART: in the PCI I/O window, at a PC's COM1.
const UART: usize = KSEG1 as usize + 0x1800_0000 + 0x3f8;

static CONSOLE: Owned<Option<Uart16550<MmioBackend>>> = Owned::new(None);

/// Prepares the console.
pub(crate) fn init() {
    let Some(address) = NonZeroUsize::new(UART) else { return };
    // SAFETY: the address is the UART's, whose registers are one byte apart; nobody else uses it.
    let Ok(mut uart) = (unsafe { Uart16550::new_mmio_from_address(address, 1) }) else { return };
    // Where the UART does not answer as it should, there is nobody to tell.
    let _ = uart.init(Config::default());
    CONSOLE.with(|console| *console = Some(uart));
}

/// Sends bytes, waiting for each to leave.
pub fn transmit(bytes: &[u8]) {
    CONSOLE.with(|console| {
        if let Some(uart) = console {
            uart.send_bytes_exact(bytes);
        }
    });
}

/// Takes a byte that was received, if there is one.
pub(super) fn receive() -> Option<u8> {
    CONSOLE.with(|console| console.as_mut()?.try_receive_byte().ok())
}

/// Interrupts whenever a byte was received, until all are taken.
pub(super) fn enable_interrupt() {
    CONSOLE.with(|console| {
        if let Some(uart) = console {
            uart.enable_interrupts(IER::DATA_READY);
        }
    });
}
