//! Taking frames by force (the abort protocol of thesis 2.4).
//!
//! Frames are taken one by one, and each from its holders one by one, those with grants first, so
//! that no stay in the kernel is long: whoever waits for the frames, or the idle machine, goes on.
//! Shares are taken alone, and of an environment's shares first those that are not shared, from the
//! highest number down, unless its repossession vector prefers others of them. What a holder of a
//! share has named as reserved is not taken, nor what is shared by one that holds no more than its
//! reservation. Each holder finds in its vector what it has lost, so that it can mend its page
//! table, and the contents at a place that it has named there.

use crate::Kernel;
use crate::budget::Budget;
use crate::frame::Right;
use crate::machine::Machine;
use crate::set;
use crate::withdrawal::FORCE;
use aegis_abi::interrupts::{Interrupt, REPOSSESSION};
use aegis_abi::limits::{FRAMES, REPOSSESSION_ENTRIES};
use aegis_abi::{Repossessed, RepossessionVector};
use core::mem::offset_of;
use zerocopy::IntoBytes;

/// Instructions that it takes to look at a frame, about, and at each that shares it; to take one
/// from a holder, and tell that; and to copy its contents.
const LOOK_COST: usize = 30;
const SHARER_COST: usize = 40;
const HOLDER_COST: usize = 1500;
const COPY_COST: usize = 3500;

/// Frames that are being taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Force {
    /// Who was asked for them, and loses them first.
    asked: Option<usize>,
    /// How many are to be taken yet.
    frames: u32,
    /// The frame that is being taken from its holders.
    frame: Option<u32>,
    /// The environments that have nothing that may be taken, a bit each.
    exhausted: u64,
    search: Search,
}

/// A search for a frame that may be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Search {
    /// Of whom.
    number: usize,
    /// Among those that are shared, too?
    shared: bool,
    /// Below this frame.
    end: u32,
}

/// What a search has found.
enum Found {
    /// A frame that may be taken.
    Frame(u32),
    /// There is none.
    Nothing,
    /// It goes on in another stay.
    NotYet,
}

impl Search {
    const fn of(number: usize) -> Search {
        Search { number, shared: false, end: FRAMES as u32 }
    }
}

impl Force {
    /// Takes `frames` frames, from `asked` first.
    pub const fn new(asked: usize, frames: u32) -> Force {
        Force { asked: Some(asked), frames, frame: None, exhausted: 0, search: Search::of(asked) }
    }

    /// Frame `n` has been allocated.
    pub fn spare(&mut self, n: u32) {
        self.frame = self.frame.filter(|&frame| frame != n);
    }

    /// The environments of a set are gone.
    pub fn forget(&mut self, set: u64) {
        self.asked = self.asked.filter(|&asked| set >> asked & 1 == 0);
    }
}

impl<M: Machine> Kernel<M> {
    /// Goes on taking frames by force as far as the budget allows.
    pub(crate) fn repossess(&mut self, budget: &mut Budget) {
        let Some(mut force) = self.revocation.force.take() else { return };
        while !budget.is_spent() {
            if let Some(n) = force.frame {
                if !self.take_a_part(n, budget) {
                    // From now on it may be anybody's.
                    force.frame = None;
                    force.frames = force.frames.saturating_sub(1);
                }
            } else if force.frames > 0 && self.missing() > 0 {
                match self.find_victim(&mut force, budget) {
                    Found::Frame(n) => force.frame = Some(n),
                    Found::Nothing => force.frames = 0,
                    Found::NotYet => {}
                }
            } else {
                return;
            }
        }
        self.revocation.force = Some(force);
    }

    /// A frame that may be taken: of the one who was asked, and where that has no more, of whoever
    /// is furthest above. (It may have passed on what it was to give up.)
    fn find_victim(&self, force: &mut Force, budget: &mut Budget) -> Found {
        loop {
            let asked = force.asked.filter(|&asked| self.surplus(asked) > 0 && force.exhausted >> asked & 1 == 0);
            let Some(number) = asked.or_else(|| self.furthest_above(force.exhausted)) else { return Found::Nothing };
            if force.search.number != number {
                force.search = Search::of(number);
            }
            let found = self.preferred(number).map(Found::Frame);
            match found.unwrap_or_else(|| self.search(&mut force.search, budget)) {
                Found::Nothing => force.exhausted |= 1 << number,
                found => return found,
            }
        }
    }

    /// Goes on with a search as far as the budget allows, by a frame at least.
    fn search(&self, search: &mut Search, budget: &mut Budget) -> Found {
        while let Some(stretch) = self.frames.previous_stretch(search.number, search.end) {
            for n in (stretch.start..stretch.end.min(search.end)).rev() {
                let sharers = self.frames.sharers(n);
                budget.spend(LOOK_COST + SHARER_COST * sharers.count_ones() as usize);
                let is_eligible = search.shared || sharers.is_power_of_two();
                if is_eligible && self.may_be_taken(search.number, n) {
                    return Found::Frame(n);
                }
                search.end = n;
                if budget.is_spent() {
                    return Found::NotYet;
                }
            }
            search.end = stretch.start;
        }
        if search.shared {
            return Found::Nothing;
        }
        *search = Search { shared: true, ..Search::of(search.number) };
        Found::NotYet
    }

    /// May frame `n` be taken from environment `number`, and all that share it?
    fn may_be_taken(&self, number: usize, n: u32) -> bool {
        self.frames.shares(number, n) && !self.is_reserved(n)
    }

    /// Has a holder of a share of frame `n` named it as reserved, or does it hold no more than its
    /// reservation?
    fn is_reserved(&self, n: u32) -> bool {
        set::members(self.frames.sharers(n))
            .any(|sharer| self.surplus(sharer) == 0 || self.environments[sharer].context.reserved.contains(&n))
    }

    /// The frame that environment `number` has named to be taken next, if it may be.
    fn preferred(&self, number: usize) -> Option<u32> {
        let (_, entry) = self.next_entry(number)?;
        let is_its_alone = |n: u32| self.frames.sharers(n).is_power_of_two() && self.may_be_taken(number, n);
        Some(entry.frame).filter(|&n| n != 0 && n < self.frames.total() && is_its_alone(n))
    }

    /// Goes on with taking frame `n`: from one of its holders, and when all have lost their rights,
    /// and no line names it, their shares. False where it has been taken.
    fn take_a_part(&mut self, n: u32, budget: &mut Budget) -> bool {
        let (grantees, sharers) = (self.frames.grantees(n), self.frames.sharers(n) & self.frames.holders(n));
        let holders = if grantees != 0 { grantees } else { sharers };
        if holders != 0 {
            let number = holders.trailing_zeros() as usize;
            budget.spend(HOLDER_COST);
            self.record(number, n, budget);
            if grantees != 0 {
                self.withdraw(number, n, FORCE)
            } else {
                self.part(number, n, FORCE)
            }
            if self.is_alive(number) {
                let taken = self.environments[number].repossessed;
                self.post(number, Interrupt { kind: REPOSSESSION, arguments: [taken, 0, 0] });
            }
            return true;
        }
        if !self.sweep_for(FORCE, budget) {
            return true;
        }
        for sharer in set::members(self.frames.sharers(n)) {
            budget.spend(SHARER_COST);
            self.frames.leave(sharer, n);
        }
        false
    }

    /// The next entry of an environment's vector and its physical address, if there is one and it
    /// has been prepared.
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

    /// Notes in an environment's vector that frame `n` is taken, and saves the contents where it
    /// wants them.
    fn record(&mut self, number: usize, n: u32, budget: &mut Budget) {
        let Some(vector) = self.environments[number].context.vector else { return };
        let (word, count) = match self.next_entry(number) {
            Some((address, Repossessed { place, .. })) => {
                let fit = place != n && self.frames.check(number, place, Right::Write).is_ok();
                if fit {
                    budget.spend(COPY_COST);
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
