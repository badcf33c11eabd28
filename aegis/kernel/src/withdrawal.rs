//! Withdrawing rights to frames, with every binding that rests on them.
//!
//! The right goes first, and with it at once whatever the environment's context rests on it: the
//! kernel writes through save areas and queues. The lines of the software TLB go a stretch at a
//! time, in a *sweep* of the environment's lines, which removes those that rest on no right any
//! more, whatever frames they name. A call that withdraws answers `Again` until the sweeps are done
//! that it awaits, its own and those of whoever has lost rights by it; a frame without shares
//! becomes free with its last binding.
//!
//! Between two stays of a sweep, lines that rest on no right stand in stretches that have not been
//! swept yet only: a line moves between its slot and the overflow buffer alone, and each stay of a
//! sweep begins with the overflow buffer.

use crate::Kernel;
use crate::binding::edit_line;
use crate::budget::Budget;
use crate::environment::right;
use crate::frame::{Frames, Owner, Right};
use crate::machine::Machine;
use crate::set;
use aegis_abi::limits::{ENVS, PAGE_SHIFT};
use aegis_abi::{Error, Lo};
use stlb::{Edit, Geometry, SLOTS};

/// Slots of a stretch of the software TLB.
const STRETCH: usize = 16;
/// Words of marks for the software TLB.
pub(crate) const LINE_MARKS: usize = SLOTS / STRETCH / 32;

/// Instructions that a stretch without lines takes, about; a line more; and a grant to be
/// withdrawn.
const STRETCH_COST: usize = 150;
const LINE_COST: usize = 150;
const GRANT_COST: usize = 800;
/// Instructions that it takes to begin and to end a sweep, about.
const PASS_COST: usize = 1200;

/// Who awaits sweeps besides environments: frames that are being taken by force.
pub(crate) const FORCE: usize = ENVS;
/// In place of those that awaited sweeps and are gone: they are done all the same.
const NOBODY: usize = ENVS + 1;
/// How many these are.
const AWAITING: usize = ENVS + 2;

/// The sweeps that are due.
#[derive(Debug)]
pub(crate) struct Sweeps {
    /// The environments whose lines are to be swept, a bit each.
    stale: u64,
    /// Where the sweep of each goes on: the number of a stretch.
    at: [u16; ENVS],
    /// The sweeps that each awaits, its own and others', a bit each; in whose name rights were
    /// withdrawn awaits those of whoever has lost them.
    awaited: [u64; AWAITING],
    /// Those of them that were under way already, and which it awaits once more.
    twice: [u64; AWAITING],
}

impl Sweeps {
    /// None.
    pub const NONE: Sweeps = Sweeps { stale: 0, at: [0; ENVS], awaited: [0; AWAITING], twice: [0; AWAITING] };

    /// Has environment `number` lost rights on which lines may rest yet?
    pub fn is_due(&self, number: usize) -> bool {
        self.stale >> number & 1 != 0
    }

    /// The lines of environment `number` are to be swept, which `by` awaits.
    fn request(&mut self, number: usize, by: usize) {
        self.stale |= 1 << number;
        let awaiting = if self.at[number] > 0 { &mut self.twice } else { &mut self.awaited };
        awaiting[by] |= 1 << number;
    }

    /// The lines of environment `number` have been swept from the first stretch to the last. Is
    /// that enough?
    fn pass(&mut self, number: usize) -> bool {
        let (bit, mut again) = (1 << number, 0);
        for (awaited, twice) in self.awaited.iter_mut().zip(&mut self.twice) {
            *awaited = *awaited & !bit | *twice & bit;
            *twice &= !bit;
            again |= *awaited & bit;
        }
        self.at[number] = 0;
        self.stale = self.stale & !bit | again;
        again == 0
    }

    /// Environment `number` has no line.
    fn forget(&mut self, number: usize) {
        while !self.pass(number) {}
    }

    /// `by` is gone, and awaits nothing any more.
    pub fn leave(&mut self, by: usize) {
        self.awaited[NOBODY] |= core::mem::take(&mut self.awaited[by]);
        self.twice[NOBODY] |= core::mem::take(&mut self.twice[by]);
    }
}

/// The stretch in which the line for a Context register stands.
pub(crate) fn stretch<G: Geometry>(context: u32) -> usize {
    G::slot(context) / STRETCH
}

impl<M: Machine> Kernel<M> {
    /// Takes from environment `number` every right to frame `n`, and its share. If it is the owner,
    /// its grants have been withdrawn. `by` awaits the sweep that may be due then.
    pub(crate) fn withdraw(&mut self, number: usize, n: u32, by: usize) {
        self.change_rights(number, n, by, |frames| frames.leave(number, n));
    }

    /// Changes the rights of environment `number` to frame `n`, and breaks the bindings that rest
    /// on those that are lost: its context's at once, while its lines are to be swept. (Not so
    /// where nothing is lost: a call that is made again begins no new sweep.)
    pub(crate) fn change_rights(&mut self, number: usize, n: u32, by: usize, change: impl FnOnce(&mut Frames)) {
        let rights = |frames: &Frames| [Right::Read, Right::Write].map(|right| frames.has(number, n, right));
        let [read, wrote] = rights(&self.frames);
        change(&mut self.frames);
        let [still_reads, still_writes] = rights(&self.frames);
        let (reads, writes) = (read && !still_reads, wrote && !still_writes);
        if (!reads && !writes) || self.frames.bindings(n) == 0 {
            return;
        }
        let context = &mut self.environments[number].context;
        let mut broken = 0;
        context.guaranteed.retain(|mapping| {
            let rests = if right(mapping.lo) == Right::Write { writes } else { reads };
            let breaks = mapping.lo.pfn() == n && rests;
            broken += u32::from(breaks);
            !breaks
        });
        if writes {
            for place in context.places() {
                broken += u32::from(place.take_if(|address| *address >> PAGE_SHIFT == n).is_some());
            }
        }
        for _ in 0..broken {
            self.frames.unbind(n);
        }
        if broken > 0 {
            self.set_block(number);
        }
        if self.frames.bindings(n) > 0 {
            self.sweeps.request(number, by);
        }
    }

    /// Withdraws what environment `number`, if it is the owner of frame `n`, has granted. False
    /// where more is left than the budget allows.
    pub(crate) fn end_grants(&mut self, number: usize, n: u32, budget: &mut Budget) -> bool {
        if self.frames.owner(n) != Owner::Environment(number) {
            return true;
        }
        for grantee in set::members(self.frames.grantees(n)) {
            if budget.is_spent() {
                return false;
            }
            budget.spend(GRANT_COST);
            self.withdraw(grantee, n, number);
        }
        true
    }

    /// Sweeps as far as the budget allows. False where more is left.
    pub(crate) fn sweep(&mut self, budget: &mut Budget) -> bool {
        while self.sweeps.stale != 0 {
            if !self.sweep_lines(self.sweeps.stale.trailing_zeros() as usize, budget) {
                return false;
            }
        }
        true
    }

    /// Does as far as the budget allows the sweeps that `by` awaits. False where more is left.
    pub(crate) fn sweep_for(&mut self, by: usize, budget: &mut Budget) -> bool {
        loop {
            let awaited = self.sweeps.awaited[by] | self.sweeps.twice[by];
            if awaited == 0 {
                return true;
            }
            if !self.sweep_lines(awaited.trailing_zeros() as usize, budget) {
                return false;
            }
        }
    }

    /// `Again`, unless all is swept within the budget that the running environment awaits.
    pub(crate) fn sweep_or_again(&mut self, budget: &mut Budget) -> Result<(), Error> {
        if self.sweep_for(self.current(), budget) { Ok(()) } else { Err(Error::Again) }
    }

    /// Sweeps the lines of environment `number` as far as the budget allows, once. False where the
    /// budget is spent.
    fn sweep_lines(&mut self, number: usize, budget: &mut Budget) -> bool {
        self.edit_overflow(number, |frames, lo| rested(frames, number, lo));
        while let Some(stretch) = self.lines.next(number, self.sweeps.at[number].into()) {
            self.edit_stretch(number, stretch, budget, |frames, lo| rested(frames, number, lo));
            self.sweeps.at[number] = stretch as u16 + 1;
            if budget.is_spent() {
                return false;
            }
        }
        self.sweeps.pass(number);
        budget.spend(PASS_COST);
        !budget.is_spent()
    }

    /// Removes all lines of environment `number` as far as the budget allows, whatever they rest
    /// on. False where more is left.
    pub(crate) fn flush(&mut self, number: usize, budget: &mut Budget) -> bool {
        self.edit_overflow(number, |_, _| Lo::INVALID);
        while let Some(stretch) = self.lines.next(number, 0) {
            if budget.is_spent() {
                return false;
            }
            self.edit_stretch(number, stretch, budget, |_, _| Lo::INVALID);
        }
        self.sweeps.forget(number);
        true
    }

    /// Replaces the valid halves of the lines of environment `number` in the overflow buffer by
    /// what `edit` makes of them.
    fn edit_overflow(&mut self, number: usize, mut edit: impl FnMut(&Frames, Lo) -> Lo) {
        let tag = self.tag(number);
        let Kernel { machine, frames, .. } = self;
        machine.stlb().scan_overflow(M::Geometry::TAG_MASK, tag, |line| {
            edit_line(machine, frames, number, line, |frames, _, lo| edit(frames, lo))
        });
    }

    /// The same in a stretch of the table, from which the mark goes with the last line.
    fn edit_stretch(
        &mut self,
        number: usize,
        stretch: usize,
        budget: &mut Budget,
        mut edit: impl FnMut(&Frames, Lo) -> Lo,
    ) {
        let tag = self.tag(number);
        let Kernel { machine, frames, lines, .. } = self;
        let (mut found, mut left) = (0, 0);
        let slots = stretch * STRETCH..(stretch + 1) * STRETCH;
        machine.stlb().scan_slots(slots, M::Geometry::TAG_MASK, tag, |line| {
            let edit = edit_line(machine, frames, number, line, |frames, _, lo| edit(frames, lo));
            found += 1;
            left += usize::from(!matches!(edit, Edit::Replace(lo) if lo.iter().all(|lo| !lo.v())));
            edit
        });
        if left == 0 {
            lines.unmark(number, stretch);
        }
        budget.spend(STRETCH_COST + LINE_COST * found);
    }
}

/// What is left of the half `lo` of a line of environment `number`.
fn rested(frames: &Frames, number: usize, lo: Lo) -> Lo {
    if frames.has(number, lo.pfn(), right(lo)) { lo } else { Lo::INVALID }
}
