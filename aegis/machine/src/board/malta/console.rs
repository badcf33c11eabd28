//! The console: the first 16550 UART of the super I/O chip. Output is polled; input is announced by an interrupt, once that is
//! enabled.
//!
//! Its FIFOs stay off. Whenever they are turned on, what the receiver holds is cleared, and a byte
//! may arrive at any moment, also before the kernel runs. Without them the host is held back while
//! there is one, so that none is lost.

use crate::Owned;
use crate::memory::KSEG1;
use core::num::NonZeroUsize;
use uart_16550::Uart16550;
use uart_16550::backend::{Backend, MmioBackend};
use uart_16550::spec::registers::{IER, LCR, MCR, WordLength, offsets};

/// The UART: in the PCI I/O window, at a PC's COM1.
const UART: usize = KSEG1 as usize + 0x1800_0000 + 0x3f8;

/// The UART's clock, divided by 16 and this, gives 9,600 bits a second.
const DIVISOR: u16 = 12;

static CONSOLE: Owned<Option<Uart16550<MmioBackend>>> = Owned::new(None);

/// Prepares the console.
pub(crate) fn init() {
    let Some(address) = NonZeroUsize::new(UART) else { return };
    // SAFETY: the address is the UART's, whose registers are one byte apart; nobody else uses it.
    let Ok(mut uart) = (unsafe { Uart16550::new_mmio_from_address(address, 1) }) else { return };
    // `Uart16550::init` would clear what was received already. Speed and format, 8 bits without
    // parity, are as it sets them.
    let registers = [
        (offsets::IER, 0),
        (offsets::LCR, LCR::DLAB.bits()),
        (offsets::DLL, DIVISOR.to_le_bytes()[0]),
        (offsets::DLM, DIVISOR.to_le_bytes()[1]),
        (offsets::LCR, WordLength::EightBits.to_raw_bits()),
        (offsets::MCR, (MCR::DTR | MCR::RTS | MCR::OUT_2_INT_ENABLE).bits()),
    ];
    for (register, value) in registers {
        // SAFETY: the UART has these registers.
        unsafe { uart.backend_mut().write(register as u8, value) };
    }
    CONSOLE.with(|console| *console = Some(uart));
}

/// Sends bytes until the transmitter is busy, and returns how many.
pub fn transmit(bytes: &[u8]) -> usize {
    CONSOLE.with(|console| {
        // What nobody can see is sent.
        let Some(uart) = console else { return bytes.len() };
        let mut sent = 0;
        while sent < bytes.len() {
            match uart.send_bytes(&bytes[sent..]) {
                0 => break,
                more => sent += more,
            }
        }
        sent
    })
}

/// Takes a byte that was received, if there is one.
pub fn receive() -> Option<u8> {
    CONSOLE.with(|console| console.as_mut()?.try_receive_byte().ok())
}

/// Turns the interrupt on or off that there is while the UART holds a byte that it has received.
pub fn listen(on: bool) {
    CONSOLE.with(|console| match console {
        Some(uart) if on => uart.enable_interrupts(IER::DATA_READY),
        Some(uart) => uart.disable_interrupts(IER::DATA_READY),
        None => {}
    });
}
