//! Visible revocation of frames (thesis 2.4).
//!
//! Every environment may hold shares of [`RESERVED_FRAMES`] frames, whatever others do. When one
//! that has fewer asks for any frame and none is free, it is told to try again, and the environment
//! that is furthest above its own is asked to give up as many as are missing: it alone knows which.
//! If there are too few when two of its slices are over, frames are taken from it by force
//! ([`repossession`](crate::repossession)).
//!
//! What is left of the dead is taken before anybody living is asked. Frames that are free while
//! somebody waits for them are given to those below their reservation only.

use crate::Kernel;
use crate::budget::Budget;
use crate::frame::Owner;
use crate::machine::Machine;
use crate::repossession::Force;
use crate::set;
use aegis_abi::Error;
use aegis_abi::interrupts::{Interrupt, REVOCATION};
use aegis_abi::limits::{ENVS, RESERVED_FRAMES, REVOCATION_SLICES};

/// What every environment may own.
const RESERVATION: u32 = RESERVED_FRAMES as u32;

/// Instructions that it takes to zero a frame.
const ZEROING_COST: usize = 1400;

/// Who wants frames, who was asked for them, and from whom they are being taken.
#[derive(Debug, Default)]
pub(crate) struct Revocation {
    /// The environments that were told to try again, a bit each, until they own what is reserved
    /// for them.
    pub waiting: u64,
    request: Option<Request>,
    /// Frames that are being taken by force.
    pub force: Option<Force>,
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
        Revocation { waiting: 0, request: None, force: None }
    }

    /// Who was asked and has yet to answer.
    pub fn asked(&self) -> Option<usize> {
        Some(self.request?.asked)
    }

    /// The environments of a set are gone: nothing here may name them any more.
    pub fn forget(&mut self, set: u64) {
        self.waiting &= !set;
        self.request = self.request.filter(|request| set >> request.asked & 1 == 0);
        if let Some(force) = &mut self.force {
            force.forget(set);
        }
    }
}

impl<M: Machine> Kernel<M> {
    /// The frame that the running environment gets: `wanted`, or any.
    pub(crate) fn choose_frame(&mut self, wanted: Option<u32>) -> Result<u32, Error> {
        let chosen = self.frames.choose(wanted);
        if self.may_become_free(wanted, chosen) {
            return self.find_frame(wanted);
        }
        self.check_spare(chosen)
    }

    /// May a frame, which cannot be had, be had when something is done that is due?
    fn may_become_free(&self, wanted: Option<u32>, chosen: Result<u32, Error>) -> bool {
        match chosen {
            Err(Error::NoMemory | Error::Again) => true,
            Err(Error::FrameTaken) => wanted.is_some_and(|n| {
                let sharers = self.frames.sharers(n);
                sharers != 0 && sharers & !self.dying == 0
            }),
            _ => false,
        }
    }

    /// Refuses a frame that is promised to others.
    fn check_spare(&self, chosen: Result<u32, Error>) -> Result<u32, Error> {
        let n = chosen?;
        let is_spare = self.frames.free() > self.promised();
        if self.is_below(self.current()) || is_spare { Ok(n) } else { Err(Error::NoMemory) }
    }

    /// Where no frame is free, or not the wanted one yet: works on what may make it free.
    #[cold]
    fn find_frame(&mut self, wanted: Option<u32>) -> Result<u32, Error> {
        let mut budget = Budget::new();
        self.reclaim(&mut budget);
        self.forgo_upcall();
        if !self.is_alive(self.current()) {
            self.reschedule();
            return Err(Error::Again);
        }
        let chosen = self.frames.choose(wanted);
        if !self.may_become_free(wanted, chosen) {
            return self.check_spare(chosen);
        }
        if self.is_something_due() {
            return Err(Error::Again);
        }
        let current = self.current();
        if wanted.is_some() || !self.is_below(current) {
            return chosen;
        }
        self.demand(current)?;
        self.repossess(&mut budget);
        self.forgo_upcall();
        let none =
            if self.revocation.force.is_some() || self.is_something_due() { Error::Again } else { Error::TryAgain };
        self.frames.choose(None).map_err(|_| none)
    }

    /// Holds environment `number` fewer shares than are reserved for it?
    fn is_below(&self, number: usize) -> bool {
        self.frames.owned(number) < RESERVATION
    }

    /// Is anything left of the dead, or are there frames that will be free when lines are swept?
    fn is_something_due(&self) -> bool {
        self.dying != 0 || self.frames.parting() != 0
    }

    /// Works on what makes frames free without anybody's loss, and on what is being taken by force.
    pub(crate) fn reclaim(&mut self, budget: &mut Budget) {
        if self.bury(None, budget) {
            self.repossess(budget);
        }
        if !budget.is_spent() {
            self.sweep(budget);
        }
    }

    /// Does what is due before the machine waits: takes from the dying, and by force, sweeps, and
    /// zeroes free frames.
    pub(crate) fn work_while_idle(&mut self) {
        let budget = &mut Budget::new();
        self.reclaim(budget);
        if self.dying == 0 && self.revocation.force.is_none() {
            while !budget.is_spent()
                && let Some(n) = self.frames.first_dirty()
            {
                budget.spend(ZEROING_COST);
                self.machine.zero(n);
                self.frames.zeroed(n);
            }
        }
    }

    /// Environment `number` has allocated frame `n`.
    pub(crate) fn served(&mut self, number: usize, n: u32) {
        if let Some(force) = &mut self.revocation.force {
            // It was given up before all had lost it, and is not to be taken from whoever has it
            // now.
            force.spare(n);
        }
        self.is_served(number);
    }

    /// Environment `number` holds a share more.
    pub(crate) fn is_served(&mut self, number: usize) {
        if !self.is_below(number) {
            self.revocation.waiting &= !(1 << number);
        }
    }

    /// Environment `number` gives up frame `n`, of which it has granted nothing.
    #[inline(never)]
    pub(crate) fn give_up(&mut self, number: usize, n: u32) {
        self.withdraw(number, n, number);
        if self.frames.owner(n) == Owner::Nobody
            && let Some(request) = self.revocation.request.as_mut().filter(|request| request.asked == number)
        {
            request.frames = request.frames.saturating_sub(1);
        }
    }

    /// Frames that those who wait for one lack of their reservation.
    fn promised(&self) -> u32 {
        let lacks = |number| RESERVATION.saturating_sub(self.frames.owned(number));
        set::members(self.revocation.waiting).map(lacks).sum()
    }

    /// Frames that must be given up.
    pub(crate) fn missing(&self) -> u32 {
        self.promised().saturating_sub(self.frames.free() + self.frames.parting())
    }

    /// Environment `number`, below its reservation, finds no frame: somebody is asked, unless
    /// somebody has been already.
    fn demand(&mut self, number: usize) -> Result<(), Error> {
        let is_taking = self.revocation.force.is_some();
        let asked = match self.revocation.request {
            Some(request) => request.asked,
            None if is_taking => {
                self.revocation.waiting |= 1 << number;
                return Ok(());
            }
            None => self.furthest_above(0).ok_or(Error::NoMemory)?,
        };
        // Point of no return.
        self.revocation.waiting |= 1 << number;
        let frames = self.missing();
        if !self.slices.owned(asked) || !self.can_enter(asked) {
            // It has no time to answer in.
            self.revocation.request = None;
            self.revocation.force = Some(Force::new(asked, frames));
        } else if self.revocation.request.is_none() {
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
                if due > 0 {
                    // Whoever waits for the frames takes them, or the idle machine does.
                    self.revocation.force = Some(Force::new(owner, due));
                }
            }
        }
    }

    /// Shares that an environment holds above its reservation.
    pub(crate) fn surplus(&self, number: usize) -> u32 {
        self.frames.owned(number).saturating_sub(RESERVATION)
    }

    /// The environment that holds the most shares above its reservation, of those that are not in a
    /// set. Of equals, the lowest.
    pub(crate) fn furthest_above(&self, without: u64) -> Option<usize> {
        let candidates = (0..ENVS).filter(|&number| without >> number & 1 == 0 && self.is_alive(number));
        let surplus = candidates.map(|number| (self.surplus(number), number));
        let (surplus, number) = surplus.max_by_key(|&(surplus, number)| (surplus, ENVS - number))?;
        (surplus > 0).then_some(number)
    }
}
