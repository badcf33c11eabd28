//! The console: line 3 of the DC7085, which has four serial lines behind one set of registers. Output is polled; input is
//! polled or, once enabled, announced by an interrupt.
//!
//! Speed and format stay as the PROM has set them.

use crate::board::device;
use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite, WriteOnly};
use tock_registers::{register_bitfields, register_structs};

register_structs! {
    /// The chip: registers of 16 bits, 8 bytes apart.
    Dc7085 {
        (0x00 => csr: ReadWrite<u16, Control::Register>),
        (0x02 => _1),
        (0x08 => receive: ReadOnly<u16, Receive::Register>),
        (0x0a => _2),
        (0x10 => transmit_control: ReadWrite<u16, TransmitControl::Register>),
        (0x12 => _3),
        (0x18 => transmit: WriteOnly<u16>),
        (0x1a => @END),
    }
}

register_bitfields![u16,
    Control [
        /// Scans the lines: on while the chip is used.
        MASTER_SCAN_ENABLE OFFSET(5) NUMBITS(1) [],
        /// Interrupts when a byte was received.
        RECEIVE_INTERRUPT_ENABLE OFFSET(6) NUMBITS(1) [],
        /// A line that is enabled for transmission waits for a byte.
        TRANSMIT_READY OFFSET(15) NUMBITS(1) [],
    ],
    Receive [
        BYTE OFFSET(0) NUMBITS(8) [],
        /// Line that received it.
        LINE OFFSET(8) NUMBITS(2) [],
        /// There is one. Reading the register takes it away.
        VALID OFFSET(15) NUMBITS(1) [],
    ],
    TransmitControl [
        /// A bit for each line.
        ENABLE OFFSET(0) NUMBITS(4) [],
    ],
];

/// The line that is the console.
const LINE: u16 = 3;

fn chip() -> &'static Dc7085 {
    // SAFETY: the KN02 has a DC7085 there.
    unsafe { device(0x1fe0_0000) }
}

/// Prepares the console.
pub(super) fn init() {
    chip().csr.write(Control::MASTER_SCAN_ENABLE::SET);
    chip().transmit_control.write(TransmitControl::ENABLE.val(1 << LINE));
}

/// Sends bytes until the transmitter is busy, and returns how many.
pub fn transmit(bytes: &[u8]) -> usize {
    for (sent, &byte) in bytes.iter().enumerate() {
        // No other line is enabled, so it is the console that is ready.
        if !chip().csr.is_set(Control::TRANSMIT_READY) {
            return sent;
        }
        chip().transmit.set(byte.into());
    }
    bytes.len()
}

/// Takes a byte that was received, if there is one.
pub fn receive() -> Option<u8> {
    loop {
        let received = chip().receive.extract();
        if !received.is_set(Receive::VALID) {
            return None;
        }
        // What came on another line is dropped.
        if received.read(Receive::LINE) == LINE {
            return Some(received.read(Receive::BYTE) as u8);
        }
    }
}

/// Turns the interrupt on or off that there is while the chip holds a byte that it has received.
pub fn listen(on: bool) {
    chip().csr.modify(Control::RECEIVE_INTERRUPT_ENABLE.val(on.into()));
}
