//! What there is to be named: environments, living and dead, frames, and the director's knowledge of what must not succeed.

use super::random::Random;
use alloc::vec::Vec;
use core::ops::Range;
use exos::abi::limits::PAGE_SHIFT;

/// Names kept of each kind.
const KEPT: usize = 64;

/// The last few of something.
pub struct Last(Vec<u32>);

impl Last {
    pub fn new() -> Last {
        Last(Vec::with_capacity(KEPT))
    }

    pub fn push(&mut self, random: &mut Random, word: u32) {
        if self.0.len() < KEPT {
            self.0.push(word);
        } else {
            let place = random.below(KEPT as u32) as usize;
            self.0[place] = word;
        }
    }

    pub fn get(&self) -> &[u32] {
        &self.0
    }
}

/// What is known about a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// Nobody has it any more, or never had.
    Nobodys,
    /// It is the director's or the victim's: not to be harmed.
    Protected,
    /// Of a frame: it may be read.
    Readable,
    /// Anybody's.
    Anybodys,
}

pub struct World {
    pub random: Random,
    /// The emulator survives but a part of all instructions.
    pub fragile: bool,
    pub frame_count: u32,
    /// Frames of the kernel's that a refill touches: its vectors, and the software TLB.
    pub touched: Range<u32>,
    pub director: u32,
    pub victim: u32,
    /// The hostile environments that live, or are not known to be dead.
    pub hostile: Vec<u32>,
    /// Environments that these have made.
    pub children: Last,
    /// Names of the dead.
    pub stale: Last,
    /// Frames of director and victim.
    pub private: Vec<u32>,
    /// Frames of the kernel's that everybody may read, and one of the victim's.
    pub readable: Vec<u32>,
    /// Frames that hostile environments share.
    pub common: Vec<u32>,
    /// Slices that director and victim live on.
    pub slices: u32,
}

impl World {
    /// The name of an environment; `made` are those that the one who names it has made.
    pub fn pid(&mut self, own: u32, made: &[u32]) -> (u32, Whose) {
        let World { random, .. } = self;
        match random.below(16) {
            0..3 => (own, Whose::Anybodys),
            3..6 if !made.is_empty() => (random.choose(made), Whose::Anybodys),
            3..8 => (random.any(&self.hostile).unwrap_or(own), Whose::Anybodys),
            8 | 9 => (random.any(self.children.get()).unwrap_or(own), Whose::Anybodys),
            10..12 => match random.any(self.stale.get()) {
                Some(pid) => (pid, Whose::Nobodys),
                None => (own, Whose::Anybodys),
            },
            12 => (self.victim, Whose::Protected),
            13 => (self.director, Whose::Protected),
            14 => (own ^ 1 << random.below(32), Whose::Nobodys),
            _ => (random.choose(&[0, 1, 63, 64, u32::MAX, 1 << 31]), Whose::Anybodys),
        }
    }

    /// A frame; `own` are those that the environment knows to be its own.
    pub fn frame(&mut self, own: &[u32]) -> (u32, Whose) {
        let World { random, .. } = self;
        match random.below(16) {
            0..8 if !own.is_empty() => (random.choose(own), Whose::Anybodys),
            8..10 => (random.choose(&self.private), Whose::Protected),
            10 => (random.choose(&self.readable), Whose::Readable),
            11 => (random.choose(&self.common), Whose::Anybodys),
            12 => (
                random.choose(&[0, 1, u32::MAX, 0xf_ffff, 0xffff, 0x1_0000, self.frame_count, self.frame_count + 1]),
                Whose::Protected,
            ),
            // As far as there is room for it in a binding.
            13 => (self.frame_count + random.below((1 << 20) - self.frame_count), Whose::Protected),
            _ => (random.below(self.frame_count), Whose::Anybodys),
        }
    }

    /// May a load of a program's from this address succeed, though it is the kernel's? GXemul lets programs read, and execute, what the
    /// last refill has touched. It shows everybody what it may anyway.
    pub fn is_open(&self, address: u32) -> bool {
        let frame = address.wrapping_sub(0x8000_0000) >> PAGE_SHIFT;
        self.fragile && (frame == 0 || self.touched.contains(&frame))
    }

    /// A number of anything.
    pub fn number(&mut self) -> u32 {
        let random = &mut self.random;
        match random.below(8) {
            0 => random.next(),
            1 => random.choose(&[0, 1, u32::MAX, i32::MAX as u32, 1 << 31, 0xf_ffff, 0x10_0000, 0xffff, 0x1_0000]),
            2 => 1 << random.below(32),
            3 => 0u32.wrapping_sub(random.below(64)),
            4 => random.below(4096),
            _ => random.below(8),
        }
    }
}
