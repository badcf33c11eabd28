//! A clock that counts instructions, made of the LANCE, the network interface. It is GXemul's doing and means nothing on
//! hardware: GXemul looks whether there is a frame to send once in about 16,400 instructions, whatever the host does
//! meanwhile. So a frame is handed over after each tick, without touching the chip's registers, which would send it at once;
//! that it was sent is the next tick.
//!
//! The frame goes to nobody: the chip loops it back, with its receiver off. While this clock runs, the LANCE is not to be had as a
//! network interface.
//!
//! Source: AMD Am7990 data sheet; GXemul 0.7.0, dev_le.

use crate::board::device;
use core::mem::offset_of;
use stlb::Word;
use tock_registers::interfaces::Writeable;
use tock_registers::registers::ReadWrite;
use tock_registers::{register_bitfields, register_structs};

register_structs! {
    /// The chip's two ports: write the number of a register to one, and find it in the other.
    Ports {
        (0x0 => data: ReadWrite<u16, Csr0::Register>),
        (0x2 => _1),
        (0x4 => number: ReadWrite<u16>),
        (0x6 => @END),
    }
}

register_structs! {
    /// A place in the ring of frames to be sent.
    Descriptor {
        (0x0 => address: ReadWrite<u16>),
        (0x2 => flags: ReadWrite<u16, Flags::Register>),
        (0x4 => length: ReadWrite<u16>),
        (0x6 => errors: ReadWrite<u16>),
        (0x8 => @END),
    }
}

register_structs! {
    /// What the buffer memory holds. Addresses in it count from its start.
    Memory {
        /// The initialization block.
        (0x00 => mode: ReadWrite<u16, Mode::Register>),
        (0x02 => station: [ReadWrite<u16>; 3]),
        (0x08 => groups: [ReadWrite<u16>; 4]),
        (0x10 => receive_ring: [ReadWrite<u16>; 2]),
        (0x14 => transmit_ring: [ReadWrite<u16>; 2]),
        (0x18 => ring: [Descriptor; 2]),
        (0x28 => frame: [ReadWrite<u16>; FRAME_BYTES / 2]),
        (0x48 => @END),
    }
}

register_bitfields![u16,
    Csr0 [
        INITIALIZE OFFSET(0) NUMBITS(1) [],
        START OFFSET(1) NUMBITS(1) [],
        STOP OFFSET(2) NUMBITS(1) [],
        INTERRUPT_ENABLE OFFSET(6) NUMBITS(1) [],
        /// Cleared by writing 1.
        INITIALIZATION_DONE OFFSET(8) NUMBITS(1) [],
        /// A frame was sent. Cleared by writing 1.
        TRANSMITTED OFFSET(9) NUMBITS(1) [],
    ],
    Mode [
        DISABLE_RECEIVER OFFSET(0) NUMBITS(1) [],
        LOOPBACK OFFSET(2) NUMBITS(1) [],
        /// Loops back inside the chip.
        INTERNAL OFFSET(6) NUMBITS(1) [],
    ],
    Flags [
        END_OF_FRAME OFFSET(8) NUMBITS(1) [],
        START_OF_FRAME OFFSET(9) NUMBITS(1) [],
        /// It is the chip's.
        OWNED_BY_CHIP OFFSET(15) NUMBITS(1) [],
    ],
];

/// Numbers of registers.
mod register {
    /// Control and status.
    pub const CSR0: u16 = 0;
    /// Address of the initialization block, low and high half.
    pub const CSR1: u16 = 1;
    pub const CSR2: u16 = 2;
    /// Byte order and the like.
    pub const CSR3: u16 = 3;
}

/// Position of the logarithm of a ring's length in the second word of its address.
const RING_LENGTH_SHIFT: u32 = 13;
/// The place in the ring to which the chip looks next. It looks at one after the other; there are two, so that it finds none after
/// the one that it was given.
static NEXT: Word = Word::new(0);

/// Bytes of the frame: as many as the chip can loop back.
const FRAME_BYTES: usize = 32;
/// Both bytes of each word of the frame, and of the station's address. That such an address was given locally, its second lowest
/// bit says, so it is nobody else's.
const FILLING: u16 = 0x0202;

fn ports() -> &'static Ports {
    // SAFETY: the KN02 has a LANCE there.
    unsafe { device(0x1f90_0000) }
}

fn memory() -> &'static Memory {
    // SAFETY: its buffer memory, 128 KB, is there.
    unsafe { device(0x1f80_0000) }
}

/// Writes one of the chip's registers.
fn write(number: u16, value: u16) {
    ports().number.set(number);
    ports().data.set(value);
}

/// Starts the ticks.
pub(super) fn start() {
    let memory = memory();
    write(register::CSR0, Csr0::STOP::SET.value);
    memory.mode.write(Mode::DISABLE_RECEIVER::SET + Mode::LOOPBACK::SET + Mode::INTERNAL::SET);
    memory.station.iter().chain(&memory.frame).for_each(|word| word.set(FILLING));
    memory.groups.iter().chain(&memory.receive_ring).for_each(|word| word.set(0));
    memory.transmit_ring[0].set(offset_of!(Memory, ring) as u16);
    memory.transmit_ring[1].set((memory.ring.len().ilog2() as u16) << RING_LENGTH_SHIFT);
    for place in &memory.ring {
        place.address.set(offset_of!(Memory, frame) as u16);
        // The length is given as what is missing to 4,096, below four bits that are 1: so as a negative number.
        place.length.set((FRAME_BYTES as u16).wrapping_neg());
        place.flags.set(0);
    }
    NEXT.set(0);
    write(register::CSR1, 0);
    write(register::CSR2, 0);
    write(register::CSR3, 0);
    write(register::CSR0, Csr0::INITIALIZE::SET.value);
    write(register::CSR0, (Csr0::START::SET + Csr0::INITIALIZATION_DONE::SET).value);
    acknowledge();
}

/// Withdraws the request, and sets out for the next tick.
pub(super) fn acknowledge() {
    write(register::CSR0, (Csr0::INTERRUPT_ENABLE::SET + Csr0::TRANSMITTED::SET).value);
    // From here on the registers must not be touched until the tick.
    let ring = &memory().ring;
    let next = NEXT.get();
    NEXT.set((next + 1) % ring.len() as u32);
    let place = &ring[next as usize];
    place.errors.set(0);
    place.flags.write(Flags::START_OF_FRAME::SET + Flags::END_OF_FRAME::SET + Flags::OWNED_BY_CHIP::SET);
}
