//! The interrupt controllers: a PC's pair of 8259s, in the PIIX4, of which the second asks the first. The GT64120, which leads to
//! them, asks them for the processor which interrupt it is.
//!
//! Source: Intel 8259A data sheet; GT-64120 data sheet, the register PCI Interrupt Acknowledge.

use crate::board::device;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite};

/// A controller's two ports.
#[repr(C)]
struct Ports {
    command: ReadWrite<u8>,
    /// A bit for each interrupt that is not let through.
    mask: ReadWrite<u8>,
}

/// The input of the first controller at which the second stands.
const CASCADE: u8 = 2;
/// Inputs of one controller.
const INPUTS: u8 = 8;

/// The command that starts initialization, with four words.
const INITIALIZE: u8 = 0x11;
/// The fourth word: for an 8086, where the end of an interrupt has to be said.
const MODE_8086: u8 = 0x01;
/// The command that says so, for the interrupt that is being served.
const END_OF_INTERRUPT: u8 = 0x20;

fn first() -> &'static Ports {
    // SAFETY: the controllers stand at a PC's ports, in the PCI I/O window.
    unsafe { device(0x1800_0020) }
}

fn second() -> &'static Ports {
    // SAFETY: as above.
    unsafe { device(0x1800_00a0) }
}

/// Lets no interrupt through.
pub(super) fn init() {
    for (ports, base, cascade) in [(first(), 0, 1 << CASCADE), (second(), INPUTS, CASCADE)] {
        ports.command.set(INITIALIZE);
        ports.mask.set(base);
        ports.mask.set(cascade);
        ports.mask.set(MODE_8086);
        ports.mask.set(!0);
    }
}

/// Lets an interrupt of the first controller through.
pub(super) fn enable(input: u8) {
    first().mask.set(first().mask.get() & !(1 << input));
}

/// Which interrupt it is, which then counts as being served.
pub(super) fn acknowledge() -> u8 {
    // SAFETY: the GT64120's registers stand where QEMU's boot stub has put them.
    let register: &ReadOnly<u32> = unsafe { device(0x1be0_0c34) };
    register.get() as u8
}

/// It has been served.
pub(super) fn end(input: u8) {
    if input >= INPUTS {
        second().command.set(END_OF_INTERRUPT);
    }
    first().command.set(END_OF_INTERRUPT);
}
