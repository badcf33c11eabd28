//! Visible revocation of frames (thesis 2.4).
//!
//! Every environment may own [`RESERVED_FRAMES`] frames, whatever others do. When one that has fewer asks for any frame and none is free, it is
//! told to try again, and the environment that is furthest above its own is asked to give up as many as are missing: it alone knows
//! which. If there are too few when two of its slices are over, frames are taken from it by force (the abort protocol), but none that an
//! environment has named as reserved, and it is told which, so that it can mend its page table.
//!
//! Frames that are free while somebody waits for them are given to those below their reservation only.

use crate::Kernel;
use crate::machine::Machine;
use aegis_abi::interrupts::{Interrupt, REPOSSESSION, REVOCATION};
use aegis_abi::limits::{ENVS, REPOSSESSION_ENTRIES, RESERVED_FRAMES, REVOCATION_SLICES};
use aegis_abi::{Error, Repossessed, RepossessionVector};
use core::mem::offset_of;
use zerocopy::IntoBytes;

use crate::frame::{Owner, Right};

/// What every environment may own.
const RESERVATION: u32 = RESERVED_FRAMES as u32;

/// Who wants frames, and who was asked for them.
#[derive(Debug, Default)]
pub(crate) struct Revocation {
    /// The environments that were told to try again, a bit each, until they own what is reserved for them.
    pub waiting: u64,
    request: Option<Request>,
}

/// An environment was asked for frames.
#[derive(Clone, Copy, Debug)]
struct Request {
    asked: usize,
    /// How many it has yet to give up.
    frames: u32,
    /// Slices of its own that it has left to answer.
    slices: u32,
}

impl Revocation {
    pub const fn new() -> Revocation {
        Revocation { waiting: 0, request: None }
    }

    /// Who was asked and has yet to answer.
    pub fn asked(&self) -> Option<usize> {
        Some(self.request?.asked)
    }

    /// An environment is gone: nothing here may name it any more.
    pub fn forget(&mut self, number: usize) {
        self.waiting &= !(1 << number);
        self.request = self.request.filter(|request| request.asked != number);
    }
}

impl<M: Machine> Kernel<M> {
    /// The frame that the running environment gets: `wanted`, or any.
    pub(crate) fn choose_frame(&mut self, wanted: Option<u32>) -> Result<u32, Error> {
        let current = self.current();
        let chosen = self.frames.choose(wanted);
        if self.frames.owned(current) >= RESERVATION {
            let spare = self.frames.free() > self.promised();
            return chosen.and_then(|n| if spare { Ok(n) } else { Err(Error::NoMemory) });
        }
        if chosen == Err(Error::NoMemory) {
            self.demand(current)?;
            return self.frames.choose(None).map_err(|_| Error::TryAgain);
        }
        chosen
    }

    /// Environment `number` has got a frame.
    pub(crate) fn served(&mut self, number: usize) {
        if self.frames.owned(number) >= RESERVATION {
            self.revocation.waiting &= !(1 << number);
        }
    }

    /// Environment `number` gives up frame `n`.
    #[inline(never)]
    pub(crate) fn give_up(&mut self, number: usize, n: u32) {
        if self.leave(number, n)
            && let Some(request) = self.revocation.request.as_mut().filter(|request| request.asked == number)
        {
            request.frames = request.frames.saturating_sub(1);
        }
    }

    /// Frames that those who wait for one lack of their reservation.
    fn promised(&self) -> u32 {
        let mut waiting = self.revocation.waiting;
        let mut promised = 0;
        while waiting != 0 {
            promised += RESERVATION.saturating_sub(self.frames.owned(waiting.trailing_zeros() as usize));
            waiting &= waiting - 1;
        }
        promised
    }

    /// Frames that must be given up.
    fn missing(&self) -> u32 {
        self.promised().saturating_sub(self.frames.free())
    }

    /// Environment `number`, below its reservation, finds no frame: somebody is asked, unless somebody has been already.
    fn demand(&mut self, number: usize) -> Result<(), Error> {
        let asked = match self.revocation.request {
            Some(request) => request.asked,
            None => self.furthest_above().ok_or(Error::NoMemory)?,
        };
        // Point of no return.
        self.revocation.waiting |= 1 << number;
        if !self.slices.owned(asked) {
            // It has no time to answer in.
            self.revocation.request = None;
            self.repossess(asked, self.missing());
            self.forgo_upcall();
        } else if self.revocation.request.is_none() {
            let frames = self.missing();
            self.revocation.request = Some(Request { asked, frames, slices: REVOCATION_SLICES });
            self.post(asked, Interrupt { kind: REVOCATION, arguments: [frames, 0, 0] });
        }
        Ok(())
    }

    /// A slice of environment `owner` is over.
    pub(crate) fn slice_over(&mut self, owner: usize) {
        let Some(Request { asked, frames, slices }) = &mut self.revocation.request else { return };
        if *asked == owner {
            *slices -= 1;
            if *slices == 0 {
                let due = *frames;
                self.revocation.request = None;
                self.repossess(owner, due);
            }
        }
    }

    /// How many frames may be taken from an environment: what it owns above its reservation, and is nobody's reserved one.
    fn surplus(&self, number: usize) -> u32 {
        let above = self.frames.owned(number).saturating_sub(RESERVATION);
        if above == 0 {
            return 0;
        }
        let mut kept = 0;
        for (holder, environment) in self.environments.iter().enumerate().filter(|(_, e)| e.pid().is_some()) {
            let reserved = &environment.context.reserved;
            for (i, &n) in reserved.iter().enumerate() {
                let owned = n < self.frames.total() && self.frames.owner(n) == Owner::Environment(number);
                // Each counts once.
                kept += u32::from(owned && !reserved[..i].contains(&n) && self.reserver(n) == Some(holder));
            }
        }
        above.min(self.frames.owned(number) - kept)
    }

    /// The first environment that has reserved frame `n` and holds it.
    fn reserver(&self, n: u32) -> Option<usize> {
        let mut holders = self.frames.holders(n);
        while holders != 0 {
            let holder = holders.trailing_zeros() as usize;
            if self.environments[holder].context.reserved.contains(&n) {
                return Some(holder);
            }
            holders &= holders - 1;
        }
        None
    }

    /// The environment from which the most may be taken.
    fn furthest_above(&self) -> Option<usize> {
        let candidates = (0..ENVS).filter(|&number| self.is_alive(number)).map(|number| (self.surplus(number), number));
        // Of equals, the lowest.
        let (surplus, number) = candidates.max_by_key(|&(surplus, number)| (surplus, ENVS - number))?;
        (surplus > 0).then_some(number)
    }

    /// Takes by force what is missing, `due` frames at most: from the one who was asked, and where that has no more, from whoever is furthest
    /// above. (It may have passed on what it was to give up.)
    fn repossess(&mut self, asked: usize, due: u32) {
        let enough = self.frames.free() + due.min(self.missing());
        let mut robbed = 0;
        let mut from = Some(asked).filter(|&asked| self.surplus(asked) > 0);
        while self.frames.free() < enough
            && let Some(number) = from.take().or_else(|| self.furthest_above())
        {
            let mut surplus = self.surplus(number);
            // What it would rather lose first, then from the highest number down.
            while surplus > 0
                && self.frames.free() < enough
                && let Some(n) = self.preferred(number)
            {
                robbed |= self.take(n);
                surplus -= 1;
            }
            for n in (0..self.frames.total()).rev() {
                if surplus == 0 || self.frames.free() >= enough {
                    break;
                }
                if self.may_be_taken(number, n) {
                    robbed |= self.take(n);
                    surplus -= 1;
                }
            }
        }
        while robbed != 0 {
            let number = robbed.trailing_zeros() as usize;
            robbed &= robbed - 1;
            let taken = self.environments[number].repossessed;
            self.post(number, Interrupt { kind: REPOSSESSION, arguments: [taken, 0, 0] });
        }
    }

    fn may_be_taken(&self, number: usize, n: u32) -> bool {
        self.frames.owner(n) == Owner::Environment(number) && self.reserver(n).is_none()
    }

    /// The frame that environment `number` has named to be taken next, if it may be.
    fn preferred(&self, number: usize) -> Option<u32> {
        let (_, entry) = self.next_entry(number)?;
        Some(entry.frame).filter(|&n| n != 0 && n < self.frames.total() && self.may_be_taken(number, n))
    }

    /// Takes frame `n` from all who hold it, and notes it in their vectors. Says who they are, a bit each.
    fn take(&mut self, n: u32) -> u64 {
        let holders = self.frames.holders(n);
        for number in (0..ENVS).filter(|&number| holders >> number & 1 != 0) {
            self.record(number, n);
        }
        for number in (0..ENVS).filter(|&number| holders >> number & 1 != 0) {
            self.leave(number, n);
        }
        holders
    }

    /// The next entry of an environment's vector and its physical address, if there is one and it has been prepared.
    fn next_entry(&self, number: usize) -> Option<(u32, Repossessed)> {
        let environment = &self.environments[number];
        let vector = environment.context.vector?;
        let mut tail = 0u32;
        self.machine.read(vector + offset_of!(RepossessionVector, tail) as u32, tail.as_mut_bytes());
        if environment.repossessed.wrapping_sub(tail) >= REPOSSESSION_ENTRIES as u32 {
            return None;
        }
        let place = environment.repossessed as usize % REPOSSESSION_ENTRIES;
        let address = vector + (offset_of!(RepossessionVector, entries) + place * size_of::<Repossessed>()) as u32;
        let mut entry = Repossessed::default();
        self.machine.read(address, entry.as_mut_bytes());
        Some((address, entry))
    }

    /// Notes in an environment's vector that frame `n` is taken, and saves the contents where it wants them.
    fn record(&mut self, number: usize, n: u32) {
        let Some(vector) = self.environments[number].context.vector else { return };
        let (word, count) = match self.next_entry(number) {
            Some((address, Repossessed { place, .. })) => {
                let fit = place != n && self.frames.check(number, place, Right::Write).is_ok();
                if fit {
                    self.machine.copy(place, n);
                    self.machine.sync_instructions(place);
                }
                let entry = Repossessed { frame: n, place: if fit { place } else { 0 } };
                self.machine.write(address, entry.as_bytes());
                let count = &mut self.environments[number].repossessed;
                *count = count.wrapping_add(1);
                (offset_of!(RepossessionVector, head), *count)
            }
            None => {
                let count = &mut self.environments[number].unrecorded;
                *count = count.wrapping_add(1);
                (offset_of!(RepossessionVector, unrecorded), *count)
            }
        };
        self.machine.write(vector + word as u32, count.as_bytes());
    }
}
