//! Who has the console's input, and to whom it goes back: to whoever gave it, and in the end to the first environment.

use crate::kernel::FIRST;
use aegis_abi::limits::ENVS;
use heapless::Vec;

/// The holder of the input, and those before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Focus {
    /// Environments without the first, each once: each has the input from the one before it, and the last has it now.
    holders: Vec<u8, ENVS>,
}

impl Focus {
    /// The first environment's.
    pub const fn new() -> Focus {
        Focus { holders: Vec::new() }
    }

    /// Who has it.
    pub fn holder(&self) -> usize {
        self.holders.last().map_or(FIRST, |&holder| holder.into())
    }

    /// `by` passes it on to `to`. Those who have it from `by` have it no more; where `to` is one of those who gave it, it has gone back.
    pub fn pass(&mut self, by: usize, to: usize) {
        for end in [by, to] {
            if let Some(place) = self.place(end) {
                self.holders.truncate(place);
            }
        }
        if to != FIRST && self.holder() != to {
            // There is room for each environment once.
            let _ = self.holders.push(to as u8);
        }
    }

    /// The environments of a set are gone: what they had goes back to whoever gave it.
    pub fn forget(&mut self, set: u64) {
        self.holders.retain(|&holder| set >> holder & 1 == 0);
    }

    /// The environments that are named.
    pub fn named(&self) -> impl Iterator<Item = usize> {
        self.holders.iter().map(|&holder| holder.into())
    }

    /// How many holders there are up to `number`, if it is one.
    fn place(&self, number: usize) -> Option<usize> {
        if number == FIRST {
            return Some(0);
        }
        self.holders.iter().position(|&holder| usize::from(holder) == number).map(|place| place + 1)
    }
}
