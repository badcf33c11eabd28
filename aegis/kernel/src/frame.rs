//! Page frames: who owns them, who may do what with them, which are free.

use crate::exposed::Paged;
use aegis_abi::Error;
use aegis_abi::exposed::Frame;
use aegis_abi::limits::{ENVS, FRAMES};

pub use aegis_abi::exposed::Owner;

/// The highest bit of a set of environments is that of environment 63.
const _: () = assert!(ENVS == u64::BITS as usize);

/// A right to a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// To read and execute it.
    Read,
    /// To write it, which includes reading it: no page can be mapped for writing alone.
    Write,
}

/// All frames of the machine.
#[repr(C)]
pub struct Frames {
    total: u32,
    free: u32,
    /// Frames to which each environment has rights, the kernel's public ones aside.
    held: [u32; ENVS],
    /// Frames that each environment owns.
    owned: [u32; ENVS],
    /// The records, which every program may read.
    pub(crate) table: Paged<[Frame; FRAMES]>,
}

impl Frames {
    /// A table without memory.
    pub const fn new() -> Frames {
        Frames { table: Paged([Frame::UNUSED; FRAMES]), total: 0, free: 0, held: [0; ENVS], owned: [0; ENVS] }
    }

    /// Takes over `total` frames, at most `FRAMES`. Those for which `kernel` says so are the kernel's; frame 0 must be among
    /// them. The rest is free, the lowest to be given away first.
    pub fn take_over(&mut self, total: u32, kernel: impl Fn(u32) -> bool) {
        self.total = total.min(FRAMES as u32);
        for n in (0..self.total).rev() {
            if n == 0 || kernel(n) {
                self.table[n as usize].set_owner(Owner::Kernel);
            } else {
                self.table[n as usize].dirty = 1;
                self.link(n);
            }
        }
    }

    /// Lets every environment read a frame of the kernel's.
    pub fn publish(&mut self, n: u32) {
        let frame = &mut self.table[n as usize];
        debug_assert!(frame.owner() == Owner::Kernel);
        frame.readers = u64::MAX;
    }

    /// Number of frames in all.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Number of free frames.
    pub fn free(&self) -> u32 {
        self.free
    }

    /// To whom frame `n`, which exists, belongs.
    pub fn owner(&self, n: u32) -> Owner {
        self.table[n as usize].owner()
    }

    /// May frame `n`, which exists, hold something though it is free?
    #[cfg(feature = "checked")]
    pub fn is_dirty(&self, n: u32) -> bool {
        self.table[n as usize].dirty != 0
    }

    /// Has environment `env` this right to frame `n`, which exists?
    pub fn has(&self, env: usize, n: u32, right: Right) -> bool {
        let frame = &self.table[n as usize];
        let holders = match right {
            Right::Read => frame.readers,
            Right::Write => frame.writers,
        };
        holders >> env & 1 != 0
    }

    /// Checks that frame `n` exists, is somebody's, and that `env` has the right to it.
    #[inline]
    pub fn check(&self, env: usize, n: u32, right: Right) -> Result<(), Error> {
        if n >= self.total {
            Err(Error::NoSuchFrame)
        } else if self.owner(n) == Owner::Nobody {
            Err(Error::FrameFree)
        } else if !self.has(env, n, right) {
            Err(Error::NotPermitted)
        } else {
            Ok(())
        }
    }

    /// Checks that frame `n` exists and is not the kernel's, and that `env` holds it, with whatever rights.
    #[inline]
    pub fn check_holder(&self, env: usize, n: u32) -> Result<(), Error> {
        self.check(env, n, Right::Read)?;
        if self.owner(n) == Owner::Kernel { Err(Error::NotPermitted) } else { Ok(()) }
    }

    /// The environments that have any right to frame `n`, which exists, a bit each.
    pub fn holders(&self, n: u32) -> u64 {
        self.table[n as usize].readers
    }

    /// The environments that may write frame `n`, which exists, a bit each.
    pub fn writers(&self, n: u32) -> u64 {
        self.table[n as usize].writers
    }

    /// A free frame: `wanted`, or the first on the list.
    pub fn choose(&self, wanted: Option<u32>) -> Result<u32, Error> {
        match wanted {
            Some(n) if n >= self.total => Err(Error::NoSuchFrame),
            Some(n) if self.owner(n) != Owner::Nobody => Err(Error::FrameTaken),
            Some(n) => Ok(n),
            None if self.free == 0 => Err(Error::NoMemory),
            None => Ok(u32::from(self.table[0].next)),
        }
    }

    /// The first of `count` consecutive free frames, the lowest there are.
    pub fn choose_run(&self, count: u32) -> Result<u32, Error> {
        let mut first = 0;
        for n in 0..self.total {
            if self.owner(n) != Owner::Nobody {
                first = n + 1;
            } else if n + 1 - first == count {
                return Ok(first);
            }
        }
        Err(Error::NoMemory)
    }

    /// Gives frame `n`, which is free, to `env` with all rights. Says whether it must be zeroed first.
    pub fn give(&mut self, env: usize, n: u32) -> bool {
        self.unlink(n);
        let frame = &mut self.table[n as usize];
        frame.set_owner(Owner::Environment(env));
        frame.readers = 1 << env;
        frame.writers = 1 << env;
        self.held[env] += 1;
        self.owned[env] += 1;
        core::mem::replace(&mut frame.dirty, 0) != 0
    }

    /// Gives `env` a right to frame `n`, which is somebody's. A frame of the kernel's stays as it is.
    pub fn add(&mut self, env: usize, n: u32, right: Right) {
        let frame = &mut self.table[n as usize];
        if frame.owner() == Owner::Kernel {
            return;
        }
        self.held[env] += u32::from(frame.readers >> env & 1 == 0);
        frame.readers |= 1 << env;
        if right == Right::Write {
            frame.writers |= 1 << env;
        }
    }

    /// Takes the right to write frame `n` from `env`. No binding of `env` may rest on it any more.
    pub fn protect(&mut self, env: usize, n: u32) {
        self.table[n as usize].writers &= !(1 << env);
    }

    /// Frames to which `env` has rights, the kernel's public ones aside.
    pub fn held(&self, env: usize) -> u32 {
        self.held[env]
    }

    /// Frames that `env` owns.
    pub fn owned(&self, env: usize) -> u32 {
        self.owned[env]
    }

    /// Takes all rights to frame `n` from `env`. No binding of `env` may name it any more. When it was the owner, the lowest
    /// remaining holder becomes it; when nobody remains, the frame is free, and the answer is true: it must be zeroed. A frame of the
    /// kernel's stays as it is.
    pub fn leave(&mut self, env: usize, n: u32) -> bool {
        let frame = &mut self.table[n as usize];
        if frame.owner() == Owner::Kernel {
            return false;
        }
        self.held[env] -= (frame.readers >> env & 1) as u32;
        frame.readers &= !(1 << env);
        frame.writers &= !(1 << env);
        if frame.owner() != Owner::Environment(env) {
            return false;
        }
        self.owned[env] -= 1;
        if frame.readers != 0 {
            let heir = frame.readers.trailing_zeros() as usize;
            frame.set_owner(Owner::Environment(heir));
            self.owned[heir] += 1;
            return false;
        }
        debug_assert!(frame.bindings == 0);
        frame.set_owner(Owner::Nobody);
        self.link(n);
        true
    }

    /// Bindings that name frame `n`.
    pub fn bindings(&self, n: u32) -> u16 {
        self.table[n as usize].bindings
    }

    /// One more binding names frame `n`.
    #[inline]
    pub fn bind(&mut self, n: u32) {
        self.table[n as usize].bindings += 1;
    }

    /// One binding less names frame `n`.
    #[inline]
    pub fn unbind(&mut self, n: u32) {
        let bindings = &mut self.table[n as usize].bindings;
        debug_assert!(*bindings > 0);
        *bindings -= 1;
    }

    /// The free frames, in the order in which they would be given away.
    pub fn free_list(&self) -> impl Iterator<Item = u32> {
        let next = |n: u32| Some(u32::from(self.table[n as usize].next)).filter(|&n| n != 0);
        core::iter::successors(next(0), move |&n| next(n))
    }

    fn link(&mut self, n: u32) {
        let first = self.table[0].next;
        self.table[n as usize].next = first;
        self.table[n as usize].previous = 0;
        self.table[first as usize].previous = n as u16;
        self.table[0].next = n as u16;
        self.free += 1;
    }

    fn unlink(&mut self, n: u32) {
        let Frame { next, previous, .. } = self.table[n as usize];
        self.table[previous as usize].next = next;
        self.table[next as usize].previous = previous;
        self.free -= 1;
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}
