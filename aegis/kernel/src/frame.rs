//! Page frames: who holds shares of them, who was granted rights, and which are free.
//!
//! An environment that has allocated a frame holds a *share* of it, and so has whoever joined with
//! the leave of one that holds a share. Shares are what counts as an environment's own. A *grant*
//! costs the grantee nothing, and ends with the share of the granter. All grants of a frame come
//! from one holder of a share, its *owner*. Whoever holds the only share may write the frame.
//!
//! A frame without shares is free as soon as no binding names it.

use crate::exposed::Paged;
use crate::marks::Marks;
use aegis_abi::Error;
use aegis_abi::exposed::Frame;
use aegis_abi::limits::{ENVS, FRAMES};
use core::ops::Range;

pub use aegis_abi::exposed::Owner;

/// The highest bit of a set of environments is that of environment 63.
const _: () = assert!(ENVS == u64::BITS as usize);

/// Frames of a stretch, for the marks.
const STRETCH: usize = 64;

/// A right to a frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
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
    /// Frames without shares that are not free yet.
    parting: u32,
    /// The first free frames of two lists, by whether they may hold something; 0: none. Both lists
    /// lie in the records.
    first: [u16; 2],
    /// Shares that each environment holds.
    shares: [u32; ENVS],
    /// Where each environment may have rights, the public frames of the kernel aside.
    marks: Marks<{ FRAMES / STRETCH / 32 }>,
    /// The records, which every program may read.
    pub(crate) table: Paged<[Frame; FRAMES]>,
}

impl Frames {
    /// A table without memory.
    pub const fn new() -> Frames {
        Frames {
            table: Paged([Frame::UNUSED; FRAMES]),
            total: 0,
            free: 0,
            parting: 0,
            first: [0; 2],
            shares: [0; ENVS],
            marks: Marks::NONE,
        }
    }

    /// Takes over `total` frames, at most `FRAMES`. Those for which `kernel` says so are the
    /// kernel's; frame 0 must be among them. The rest is free, the lowest to be given away first.
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

    /// Number of frames without shares that bindings still name.
    pub fn parting(&self) -> u32 {
        self.parting
    }

    /// The owner of frame `n`, which exists.
    pub fn owner(&self, n: u32) -> Owner {
        self.table[n as usize].owner()
    }

    /// May frame `n`, which exists, hold something though it is free?
    #[cfg(feature = "checked")]
    pub fn is_dirty(&self, n: u32) -> bool {
        self.table[n as usize].dirty != 0
    }

    /// Has environment `env` this right to frame `n`, which exists?
    #[inline]
    pub fn has(&self, env: usize, n: u32, right: Right) -> bool {
        let frame = &self.table[n as usize];
        let holders = match right {
            Right::Read => frame.readers,
            Right::Write => frame.writers,
        };
        holders >> env & 1 != 0
    }

    /// Does environment `env` hold a share of frame `n`, which exists?
    pub fn shares(&self, env: usize, n: u32) -> bool {
        self.table[n as usize].sharers >> env & 1 != 0
    }

    /// Checks that frame `n` exists, is somebody's, and that `env` has the right to it.
    #[inline]
    pub fn check(&self, env: usize, n: u32, right: Right) -> Result<(), Error> {
        self.check_taken(n)?;
        if self.has(env, n, right) { Ok(()) } else { Err(Error::NotPermitted) }
    }

    /// Checks that frame `n` exists and is somebody's.
    #[inline]
    fn check_taken(&self, n: u32) -> Result<(), Error> {
        if n >= self.total {
            Err(Error::NoSuchFrame)
        } else if self.owner(n) == Owner::Nobody {
            Err(Error::FrameFree)
        } else {
            Ok(())
        }
    }

    /// Checks that frame `n` exists and is not the kernel's, and that `env` has any right to it, or
    /// a share.
    #[inline]
    pub fn check_holder(&self, env: usize, n: u32) -> Result<(), Error> {
        self.check_taken(n)?;
        if self.is_held(env, n) { Ok(()) } else { Err(Error::NotPermitted) }
    }

    /// Checks that frame `n` exists and that `env` holds a share of it, with whatever rights.
    pub fn check_sharer(&self, env: usize, n: u32) -> Result<(), Error> {
        self.check_holder(env, n)?;
        if self.shares(env, n) { Ok(()) } else { Err(Error::NotPermitted) }
    }

    /// Checks that frame `n` exists, and that `env` holds a share of it and has the right to it.
    pub fn check_share(&self, env: usize, n: u32, right: Right) -> Result<(), Error> {
        self.check(env, n, right)?;
        if self.shares(env, n) { Ok(()) } else { Err(Error::NotPermitted) }
    }

    /// The environments that have any right to frame `n`, which exists, a bit each.
    pub fn holders(&self, n: u32) -> u64 {
        self.table[n as usize].readers
    }

    /// The environments that may write frame `n`, which exists, a bit each.
    pub fn writers(&self, n: u32) -> u64 {
        self.table[n as usize].writers
    }

    /// The environments that hold a share of frame `n`, which exists, a bit each.
    pub fn sharers(&self, n: u32) -> u64 {
        self.table[n as usize].sharers
    }

    /// The environments to which rights to frame `n`, which is not the kernel's, were granted, a
    /// bit each.
    pub fn grantees(&self, n: u32) -> u64 {
        self.holders(n) & !self.sharers(n)
    }

    /// A free frame: `wanted`, or the first on the lists, zeroed ones before others.
    ///
    /// # Errors
    /// `NoSuchFrame`, `FrameTaken`, `NoMemory`; `Again` for a frame that bindings still name,
    /// though nobody has a share of it.
    pub fn choose(&self, wanted: Option<u32>) -> Result<u32, Error> {
        match wanted {
            Some(n) if n >= self.total => Err(Error::NoSuchFrame),
            Some(n) if self.owner(n) != Owner::Nobody => Err(Error::FrameTaken),
            Some(n) if self.bindings(n) > 0 => Err(Error::Again),
            Some(n) => Ok(n),
            None => self.first.into_iter().find(|&first| first != 0).map(u32::from).ok_or(Error::NoMemory),
        }
    }

    /// The first of `count` consecutive free frames, the lowest there are.
    pub fn choose_run(&self, count: u32) -> Result<u32, Error> {
        let mut first = 0;
        for n in 0..self.total {
            if self.choose(Some(n)).is_err() {
                first = n + 1;
            } else if n + 1 - first == count {
                return Ok(first);
            }
        }
        Err(Error::NoMemory)
    }

    /// Gives frame `n`, which is free, to `env`, with the only share. Says whether it must be
    /// zeroed first.
    pub fn give(&mut self, env: usize, n: u32) -> bool {
        self.unlink(n);
        let frame = &mut self.table[n as usize];
        frame.set_owner(Owner::Environment(env));
        (frame.readers, frame.writers, frame.sharers) = (1 << env, 1 << env, 1 << env);
        let dirty = core::mem::replace(&mut frame.dirty, 0) != 0;
        self.shares[env] += 1;
        self.marks.mark(env, n as usize / STRETCH);
        dirty
    }

    /// A free frame that must be zeroed before it is given away, if there is one.
    pub fn first_dirty(&self) -> Option<u32> {
        Some(u32::from(self.first[1])).filter(|&n| n != 0)
    }

    /// Notes that frame `n`, which is free, has been zeroed.
    pub fn zeroed(&mut self, n: u32) {
        self.unlink(n);
        self.table[n as usize].dirty = 0;
        self.link(n);
    }

    /// Lets `env` have a share of frame `n`, of which there are shares, with this right in place of
    /// what it had. Whoever holds the only one keeps every right.
    pub fn share(&mut self, env: usize, n: u32, right: Right) {
        self.set_right(env, n, right);
        let frame = &mut self.table[n as usize];
        self.shares[env] += u32::from(frame.sharers >> env & 1 == 0);
        frame.sharers |= 1 << env;
        complete(frame);
    }

    /// Grants `env` a right to frame `n`, in place of what it had, in the name of `owner`, which
    /// holds a share.
    pub fn grant(&mut self, owner: usize, env: usize, n: u32, right: Right) {
        self.table[n as usize].set_owner(Owner::Environment(owner));
        self.set_right(env, n, right);
    }

    fn set_right(&mut self, env: usize, n: u32, right: Right) {
        let frame = &mut self.table[n as usize];
        frame.readers |= 1 << env;
        match right {
            Right::Read => frame.writers &= !(1 << env),
            Right::Write => frame.writers |= 1 << env,
        }
        self.marks.mark(env, n as usize / STRETCH);
    }

    /// Takes from `env` every right to frame `n`, but not its share.
    pub fn part(&mut self, env: usize, n: u32) {
        let frame = &mut self.table[n as usize];
        frame.readers &= !(1 << env);
        frame.writers &= !(1 << env);
    }

    /// Shares that `env` holds.
    pub fn owned(&self, env: usize) -> u32 {
        self.shares[env]
    }

    /// Takes from `env` every right to frame `n`, and the share, if it holds one; what it has
    /// granted has been withdrawn before. When no share is left, the frame is free, or will be with
    /// the last binding. A frame of the kernel's stays as it is.
    pub fn leave(&mut self, env: usize, n: u32) {
        let frame = &mut self.table[n as usize];
        if frame.owner() == Owner::Kernel {
            return;
        }
        let rest = !(1 << env);
        self.shares[env] -= (frame.sharers >> env & 1) as u32;
        (frame.readers, frame.writers, frame.sharers) =
            (frame.readers & rest, frame.writers & rest, frame.sharers & rest);
        if frame.sharers == 0 {
            debug_assert!(frame.readers == 0, "what was granted has been withdrawn");
            frame.set_owner(Owner::Nobody);
            frame.dirty = 1;
            match frame.bindings {
                0 => self.link(n),
                _ => self.parting += 1,
            }
            return;
        }
        if frame.owner() == Owner::Environment(env) {
            frame.set_owner(Owner::Environment(frame.sharers.trailing_zeros() as usize));
        }
        complete(frame);
    }

    /// Frames among which `env` may have rights, the public ones aside: the first stretch of them.
    pub fn first_stretch(&self, env: usize) -> Option<Range<u32>> {
        let start = self.marks.next(env, 0)? * STRETCH;
        Some(start as u32..(start + STRETCH).min(self.total as usize) as u32)
    }

    /// The same for the last stretch that begins below frame `end`.
    pub fn previous_stretch(&self, env: usize, end: u32) -> Option<Range<u32>> {
        let start = self.marks.previous(env, (end as usize).div_ceil(STRETCH))? * STRETCH;
        Some(start as u32..(start + STRETCH).min(self.total as usize) as u32)
    }

    /// Notes that `env` has no right to any frame of the stretch in which `n` lies, the public ones
    /// aside.
    pub fn leave_stretch(&mut self, env: usize, n: u32) {
        self.marks.unmark(env, n as usize / STRETCH);
    }

    /// Is the stretch of frame `n` marked for `env`?
    pub fn is_marked(&self, env: usize, n: u32) -> bool {
        self.marks.is_marked(env, n as usize / STRETCH)
    }

    /// Has `env` any right to frame `n`, which exists, or a share of it, and is it not the
    /// kernel's?
    pub fn is_held(&self, env: usize, n: u32) -> bool {
        (self.has(env, n, Right::Read) || self.shares(env, n)) && self.owner(n) != Owner::Kernel
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

    /// One binding less names frame `n`. The last one frees a frame of which nobody has a share.
    #[inline]
    pub fn unbind(&mut self, n: u32) {
        let frame = &mut self.table[n as usize];
        debug_assert!(frame.bindings > 0);
        frame.bindings -= 1;
        if frame.bindings == 0 && frame.owner() == Owner::Nobody {
            self.parting -= 1;
            self.link(n);
        }
    }

    /// The free frames, in the order in which they would be given away.
    pub fn free_list(&self) -> impl Iterator<Item = u32> {
        let next = |n: &u32| Some(u32::from(self.table[*n as usize].next)).filter(|&n| n != 0);
        let lists = self.first.into_iter().map(u32::from).filter(|&first| first != 0);
        lists.flat_map(move |first| core::iter::successors(Some(first), next))
    }

    fn link(&mut self, n: u32) {
        let list = usize::from(self.table[n as usize].dirty);
        let first = core::mem::replace(&mut self.first[list], n as u16);
        self.table[n as usize].next = first;
        self.table[n as usize].previous = 0;
        if first != 0 {
            self.table[first as usize].previous = n as u16;
        }
        self.free += 1;
    }

    fn unlink(&mut self, n: u32) {
        let Frame { next, previous, dirty, .. } = self.table[n as usize];
        match previous {
            0 => self.first[usize::from(dirty)] = next,
            previous => self.table[previous as usize].next = next,
        }
        if next != 0 {
            self.table[next as usize].previous = previous;
        }
        self.free -= 1;
    }
}

/// Gives whoever holds the only share of a frame every right.
fn complete(frame: &mut Frame) {
    if frame.sharers.is_power_of_two() {
        frame.readers |= frame.sharers;
        frame.writers |= frame.sharers;
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}
