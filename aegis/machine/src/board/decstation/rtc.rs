//! The real-time clock: an MC146818, of which only the periodic interrupt is used.
//!
//! Under GXemul it keeps pace with the host's clock, in bursts: no two runs are alike.

#![expect(clippy::modulo_one, reason = "register_structs checks that registers are aligned, even to one byte")]

use crate::board::device;
use crate::board::interrupts::REAL_TIME_RATE;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite};
use tock_registers::{register_bitfields, register_structs};

register_structs! {
    /// The chip: registers of 8 bits, 4 bytes apart. The ten of time and date come first.
    Mc146818 {
        (0x00 => _time),
        (0x28 => a: ReadWrite<u8, A::Register>),
        (0x29 => _1),
        (0x2c => b: ReadWrite<u8, B::Register>),
        (0x2d => _2),
        (0x30 => c: ReadOnly<u8, C::Register>),
        (0x31 => @END),
    }
}

register_bitfields![u8,
    A [
        /// Rate of the periodic interrupt.
        RATE_SELECT OFFSET(0) NUMBITS(4) [],
        /// What the time is derived from.
        DIVIDER OFFSET(4) NUMBITS(3) [
            Crystal32768Hz = 2
        ],
    ],
    B [
        /// Hours from 0 to 23.
        HOURS_24 OFFSET(1) NUMBITS(1) [],
        /// Time and date in binary, not in decimal digits.
        BINARY OFFSET(2) NUMBITS(1) [],
        PERIODIC_INTERRUPT_ENABLE OFFSET(6) NUMBITS(1) [],
    ],
    C [
        /// The period has passed. Reading the register clears it and withdraws the request.
        PERIODIC_INTERRUPT OFFSET(6) NUMBITS(1) [],
    ],
];

/// The value of RATE_SELECT for `rate` ticks a second, a power of two from 2 to 8,192: 15 for 2, and one less each time that doubles.
const fn rate_select(rate: u32) -> u8 {
    assert!(rate.is_power_of_two() && 2 <= rate && rate <= 8192);
    16 - rate.trailing_zeros() as u8
}

fn chip() -> &'static Mc146818 {
    // SAFETY: the KN02 has an MC146818 there.
    unsafe { device(0x1fe8_0000) }
}

/// Starts the ticks.
pub(super) fn start() {
    chip().a.write(A::DIVIDER::Crystal32768Hz + A::RATE_SELECT.val(const { rate_select(REAL_TIME_RATE) }));
    acknowledge();
    chip().b.write(B::PERIODIC_INTERRUPT_ENABLE::SET + B::BINARY::SET + B::HOURS_24::SET);
}

/// Stops them.
pub(super) fn stop() {
    chip().b.write(B::BINARY::SET + B::HOURS_24::SET);
    acknowledge();
}

/// Withdraws the request. Was there a tick?
pub(super) fn acknowledge() -> bool {
    chip().c.is_set(C::PERIODIC_INTERRUPT)
}
