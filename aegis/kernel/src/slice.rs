//! Time slices (thesis .7, figure 9-1): a vector of them, each a resource like a frame, with an owner and an access list. Position is
//! order.

use crate::exposed::Paged;
use aegis_abi::Error;
use aegis_abi::exposed;
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
#[repr(C)]
pub struct Slices {
    /// The allocated ones, a bit each: they are looked for at each tick.
    allocated: u64,
    /// The records, which every program may read.
    pub(crate) table: Paged<[exposed::Slice; SLICES]>,
}

/// A set of slices is a word.
const _: () = assert!(SLICES == u64::BITS as usize);

impl Slices {
    /// All free.
    pub const fn new() -> Slices {
        Slices { allocated: 0, table: Paged([exposed::Slice::FREE; SLICES]) }
    }

    /// Slice `n`, if it is allocated.
    pub fn get(&self, n: usize) -> Option<Slice> {
        let &exposed::Slice { access, owner, holder } = self.table.get(n)?;
        (access != 0).then_some(Slice { owner: owner as usize, holder: holder as usize, access })
    }

    /// How many are allocated.
    pub fn allocated(&self) -> usize {
        self.allocated.count_ones() as usize
    }

    /// Does `env` own any?
    pub fn owned(&self, env: usize) -> bool {
        self.table.iter().any(|slice| slice.access != 0 && slice.owner as usize == env)
    }

    /// The allocated slice that follows slice `n`, the first following the last; slice `n` itself where it is the only one.
    pub fn after(&self, n: usize) -> Option<usize> {
        let later = self.allocated & (!0 << n << 1);
        let next = if later != 0 { later } else { self.allocated };
        (next != 0).then(|| next.trailing_zeros() as usize)
    }

    /// Checks that slice `n` exists and is allocated.
    pub fn check(&self, n: u32) -> Result<(usize, Slice), Error> {
        if n as usize >= SLICES {
            return Err(Error::NoSuchSlice);
        }
        self.get(n as usize).map(|slice| (n as usize, slice)).ok_or(Error::SliceFree)
    }

    /// A free slice: `wanted`, or the first.
    pub fn choose(&self, wanted: Option<u32>) -> Result<usize, Error> {
        match wanted {
            None => Some((!self.allocated).trailing_zeros() as usize).filter(|&n| n < SLICES).ok_or(Error::SliceTaken),
            Some(n) if n as usize >= SLICES => Err(Error::NoSuchSlice),
            Some(n) if self.allocated >> n & 1 != 0 => Err(Error::SliceTaken),
            Some(n) => Ok(n as usize),
        }
    }

    /// Gives slice `n` to `env` alone.
    pub fn give(&mut self, env: usize, n: usize) {
        self.table[n] = exposed::Slice { access: 1 << env, owner: env as u32, holder: env as u32 };
        self.allocated |= 1 << n;
    }

    /// Frees slice `n`.
    pub fn free(&mut self, n: usize) {
        self.table[n] = exposed::Slice::FREE;
        self.allocated &= !(1 << n);
    }

    /// Puts `env` on the access list of slice `n`, which is allocated.
    pub fn add(&mut self, env: usize, n: usize) {
        self.table[n].access |= 1 << env;
    }

    /// Notes who runs when slice `n` begins; where it is free, nobody does.
    pub fn set_holder(&mut self, n: usize, holder: usize) {
        if self.allocated >> n & 1 != 0 {
            self.table[n].holder = holder as u32;
        }
    }

    /// Takes `env` out of everything. What it held goes back to the owner; where it was the owner, the lowest that remains on the list
    /// becomes it, and where nobody remains, the slice is free.
    pub fn leave(&mut self, env: usize) {
        for n in 0..SLICES {
            let slice = &mut self.table[n];
            slice.access &= !(1 << env);
            if slice.access == 0 {
                self.free(n);
                continue;
            }
            if slice.owner as usize == env {
                slice.owner = slice.access.trailing_zeros();
            }
            if slice.holder as usize == env {
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
