//! Time slices (thesis .7, figure 9-1): a vector of them, each a resource like a frame, with an owner and an access list. Position is
//! order.

use aegis_abi::Error;
use aegis_abi::limits::{ENVS, SLICES};

/// A set of environments is a word.
const _: () = assert!(ENVS == u64::BITS as usize);

/// An allocated slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    /// Whose it is: where it goes back to when its holder dies.
    pub owner: usize,
    /// Who runs when it begins. Written back when it ends: meanwhile it is with whom transfers have brought it to.
    pub holder: usize,
    /// The environments that may free or donate it, the owner among them, a bit each.
    pub access: u64,
}

/// The vector.
pub struct Slices {
    table: [Option<Slice>; SLICES],
    /// The allocated ones, a bit each: they are looked for at each tick.
    allocated: u64,
}

/// A set of slices is a word.
const _: () = assert!(SLICES == u64::BITS as usize);

impl Slices {
    /// All free.
    pub const fn new() -> Slices {
        Slices { table: [None; SLICES], allocated: 0 }
    }

    /// Slice `n`, if it is allocated.
    pub fn get(&self, n: usize) -> Option<&Slice> {
        self.table.get(n)?.as_ref()
    }

    /// How many are allocated.
    pub fn allocated(&self) -> usize {
        self.allocated.count_ones() as usize
    }

    /// The allocated slice that follows slice `n`, the first following the last; slice `n` itself where it is the only one.
    pub fn after(&self, n: usize) -> Option<usize> {
        let later = self.allocated & (!0 << n << 1);
        let next = if later != 0 { later } else { self.allocated };
        (next != 0).then(|| next.trailing_zeros() as usize)
    }

    /// Checks that slice `n` exists and is allocated.
    pub fn check(&self, n: u32) -> Result<(usize, &Slice), Error> {
        let slice = self.table.get(n as usize).ok_or(Error::NoSuchSlice)?;
        slice.as_ref().map(|slice| (n as usize, slice)).ok_or(Error::SliceFree)
    }

    /// A free slice: `wanted`, or the first.
    pub fn choose(&self, wanted: Option<u32>) -> Result<usize, Error> {
        match wanted {
            None => self.table.iter().position(Option::is_none).ok_or(Error::SliceTaken),
            Some(n) => match self.table.get(n as usize) {
                None => Err(Error::NoSuchSlice),
                Some(Some(_)) => Err(Error::SliceTaken),
                Some(None) => Ok(n as usize),
            },
        }
    }

    /// Gives slice `n` to `env` alone.
    pub fn give(&mut self, env: usize, n: usize) {
        self.table[n] = Some(Slice { owner: env, holder: env, access: 1 << env });
        self.allocated |= 1 << n;
    }

    /// Frees slice `n`.
    pub fn free(&mut self, n: usize) {
        self.table[n] = None;
        self.allocated &= !(1 << n);
    }

    /// Puts `env` on the access list of slice `n`.
    pub fn add(&mut self, env: usize, n: usize) {
        if let Some(slice) = &mut self.table[n] {
            slice.access |= 1 << env;
        }
    }

    /// Notes who runs when slice `n` begins; where it is free, nobody does.
    pub fn set_holder(&mut self, n: usize, holder: usize) {
        if let Some(slice) = &mut self.table[n] {
            slice.holder = holder;
        }
    }

    /// Takes `env` out of everything. What it held goes back to the owner; where it was the owner, the lowest that remains on the list
    /// becomes it, and where nobody remains, the slice is free.
    pub fn leave(&mut self, env: usize) {
        for n in 0..SLICES {
            let Some(slice) = &mut self.table[n] else { continue };
            slice.access &= !(1 << env);
            if slice.access == 0 {
                self.free(n);
                continue;
            }
            if slice.owner == env {
                slice.owner = slice.access.trailing_zeros() as usize;
            }
            if slice.holder == env {
                slice.holder = slice.owner;
            }
        }
    }
}

impl Default for Slices {
    fn default() -> Self {
        Self::new()
    }
}
