//! Random instructions.

use super::random::Random;

/// A word for place `place` of a page of instructions that ends at place `end`. Where the emulator is fragile, it is one that it
/// survives: GXemul stops at many words that are no instructions, and at a branch in a delay slot, lets programs use `mfc0` and `mtc0`,
/// and takes a `syscall` with a certain code for a call of its own. So branches stand at even places only, and what is stored goes where
/// no instructions are.
pub fn instruction(random: &mut Random, fragile: bool, place: u32, end: u32) -> u32 {
    if !fragile && random.one_in(2) {
        return random.next();
    }
    let (rs, rt, rd) = (random.below(32) << 21, random.below(32) << 16, random.below(32) << 11);
    let immediate = random.next() & 0xffff;
    match random.below(16) {
        0..4 => {
            let function = random.choose(&[
                0x00, 0x02, 0x03, 0x04, 0x06, 0x07, 0x10, 0x11, 0x12, 0x13, 0x18, 0x19, 0x1a, 0x1b, 0x20, 0x21, 0x22,
                0x23, 0x24, 0x25, 0x26, 0x27, 0x2a, 0x2b,
            ]);
            match function {
                0x00..0x04 => rt | rd | random.below(32) << 6 | function,
                0x10 | 0x12 => rd | function,
                0x11 | 0x13 => rs | function,
                0x18..0x1c => rs | rt | function,
                _ => rs | rt | rd | function,
            }
        }
        4..6 => (8 + random.below(7)) << 26 | rs | rt | immediate,
        6 => 0x0f << 26 | rt | immediate,
        7 | 8 => random.choose(&[0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26]) << 26 | rs | rt | immediate,
        9 if fragile => {
            // To the page of data, or to the kernel's memory.
            let offset = if random.one_in(2) { 0x2000 + (immediate & 0xfff) } else { 0x8000 | immediate };
            random.choose(&[0x28, 0x29, 0x2a, 0x2b, 0x2e]) << 26 | rt | offset
        }
        9 => random.choose(&[0x28, 0x29, 0x2a, 0x2b, 0x2e]) << 26 | rs | rt | immediate,
        10 | 11 if place.is_multiple_of(2) => {
            let offset = random.below(end).wrapping_sub(place + 1) & 0xffff;
            match random.below(8) {
                0..5 => (4 + random.below(2)) << 26 | rs | rt | offset,
                5 => (6 + random.below(2)) << 26 | rs | offset,
                _ => 1 << 26 | rs | random.choose(&[0x00, 0x01, 0x10, 0x11]) << 16 | offset,
            }
        }
        12 => random.below(256) << 6 | 0x0c,
        13 => random.below(1024) << 6 | 0x0d,
        14 => random.choose(&[
            0x4200_0001,
            0x4200_0002,
            0x4200_0006,
            0x4200_0008,
            0x4200_0010,
            0x4485_0000,
            0x4600_0000,
            0xdc00_0000,
            0xfc00_0000,
        ]),
        _ => 0x09 << 26 | rt | random.below(256),
    }
}
