//! The system control and status register of the KN02: which devices ask for an interrupt, and which may.

use crate::board::device;
use tock_registers::interfaces::{ReadWriteable, Readable};
use tock_registers::register_bitfields;
use tock_registers::registers::ReadWrite;

register_bitfields![u32,
    Csr [
        /// Devices that ask for an interrupt. (What is written there goes to the lights at the back.)
        PENDING OFFSET(0) NUMBITS(8) [],
        /// Devices whose requests reach the processor, in the same order.
        ENABLED OFFSET(16) NUMBITS(8) [],
    ],
];

/// A device, as its bit in both fields.
#[derive(Clone, Copy)]
pub(super) enum Device {
    Lance = 1 << 6,
    Serial = 1 << 7,
}

fn register() -> &'static ReadWrite<u32, Csr::Register> {
    // SAFETY: the KN02 has its register there.
    unsafe { device(0x1ff0_0000) }
}

/// Lets no device interrupt.
pub(super) fn disable_all() {
    register().modify(Csr::ENABLED.val(0));
}

/// Lets a device interrupt.
pub(super) fn enable(device: Device) {
    register().modify(Csr::ENABLED.val(register().read(Csr::ENABLED) | device as u32));
}

/// Does a device ask for an interrupt, and may it?
pub(super) fn is_pending(device: Device) -> bool {
    let register = register().extract();
    register.read(Csr::PENDING) & register.read(Csr::ENABLED) & device as u32 != 0
}
