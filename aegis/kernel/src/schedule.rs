//! Who runs: round-robin through the vector of time slices (thesis 3.3, .7).
//!
//! The kernel begins slices and reports their end; what is saved and restored in between is the
//! application's affair. An environment whose slice is over is called up at its epilogue, and gives
//! up the processor by `yield` ([`handover`](crate::handover)). If it has not done so at the next
//! tick, the kernel switches by hand ([`suspension`](crate::suspension)), and the slice pays for
//! the tick: one of its turns is skipped. Nobody is destroyed for being late.
//!
//! A slice that begins at a tick ends with the next one. A slice that begins between two ticks ends
//! with the second, so that it has a whole tick whatever its predecessor did.
//!
//! What is overdue belongs to the slice. Deaths, births, donations and transfers change neither
//! when it ends nor what it owes.
//!
//! Where the next slice belongs to whoever runs already, nothing happens: contiguous slices cost no
//! switches (3.3.1).

use crate::Kernel;
use crate::account::Unit;
use crate::interrupt::Due;
use crate::machine::Machine;
use crate::name::number_of_tag;
use crate::slice::Slice;
use aegis_abi::limits::{SLICE_TICKS, SLICES};
use aegis_abi::{interrupts, status};

// A slice lasts one whole tick.
const _: () = assert!(SLICE_TICKS == 1);

/// Where in the vector we are.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// The slice that runs, or ran last.
    pub(crate) position: usize,
    /// The slice that begins next: the current one is over, and who runs has yet to give up the
    /// processor.
    pub(crate) next: Option<usize>,
    /// Ticks until the current slice is over.
    left: u32,
    /// A tick is being answered.
    pub(crate) ticking: bool,
    /// A tick has found the current slice over: whoever runs loses the processor when the kernel is
    /// left.
    overdue: bool,
    /// Slices in a row that were given up early, with no interrupt between. A whole revolution of
    /// them, and there is nothing to do.
    pub early: usize,
    /// The current slice was freed, and allocated anew: it is no longer whose it was when it began.
    pub given_away: bool,
    /// Nobody runs: the machine waits for an interrupt.
    pub(crate) idle: bool,
    /// Ticks so far.
    pub ticks: u32,
    /// The environments that want an interrupt at a tick to come, a bit each.
    pub timers: u64,
    /// Those of them that were due already, a bit each.
    pub due_timers: u64,
    /// The environment whose timer fires first, if it is due.
    pub next_timer: u32,
    /// Ticks a second, if a clock ticks.
    pub rate: Option<u32>,
}

impl Schedule {
    pub const fn new() -> Schedule {
        Schedule {
            position: 0,
            next: None,
            left: 1,
            ticking: false,
            overdue: false,
            early: 0,
            given_away: false,
            idle: false,
            ticks: 0,
            timers: 0,
            due_timers: 0,
            next_timer: 0,
            rate: None,
        }
    }

    /// Does the machine wait for an interrupt?
    pub fn is_idle(&self) -> bool {
        self.idle
    }
}

impl<M: Machine> Kernel<M> {
    /// Sets how often the clock ticks a second, from now on; 0 where it counts something else than
    /// time.
    pub fn set_clock(&mut self, rate: u32) {
        self.schedule.rate = Some(rate);
    }

    /// Answers the clock: `passed` ticks have passed since the last that was answered. Time goes on
    /// by all of them. The slice that runs is charged one, since who runs cannot help what the
    /// kernel or the emulator's host does meanwhile.
    pub fn tick(&mut self, passed: u32) {
        #[cfg(feature = "checked")]
        self.check_now_and_then();
        self.schedule.ticks = self.schedule.ticks.wrapping_add(passed);
        self.schedule.early = 0;
        self.schedule.ticking = true;
        self.fire_timers(passed);
        self.resume_input();
        if self.schedule.idle {
            return;
        }
        if self.schedule.next.is_some() {
            self.slices.owe(self.debtor());
            self.schedule.overdue = true;
        } else if self.schedule.left > 1 {
            self.schedule.left -= 1;
        } else {
            self.end_slice();
        }
    }

    /// Is the processor to be taken from whoever runs?
    pub(crate) fn is_overdue(&self) -> bool {
        self.schedule.overdue
    }

    /// The slice that pays for what the current one is overdue: that, or, where it was freed, one
    /// of whoever runs.
    fn debtor(&self) -> usize {
        let position = self.schedule.position;
        let current = self.current();
        let is_its =
            |n: &usize| self.slices.get(*n).is_some_and(|slice| [slice.owner, slice.holder].contains(&current));
        match self.slices.get(position) {
            Some(_) => position,
            None => (0..SLICES).find(is_its).unwrap_or(position),
        }
    }

    /// Ends the current slice.
    fn end_slice(&mut self) {
        self.settle();
        let current = self.current();
        let Some(next) = self.next_slice() else { return };
        let goes_on = self.slices.get(next).is_some_and(|slice| slice.holder == current);
        if goes_on && self.slices.late(next).is_none() {
            self.schedule.position = next;
            self.schedule.left = 1;
            self.machine.count_slice();
            self.machine.set_holder(None);
            return;
        }
        let is_freed = self.slices.get(self.schedule.position).is_none();
        self.schedule.next = Some(next);
        // Nothing of it could pay for more time.
        self.schedule.overdue = is_freed;
        self.machine.set_over(true);
        self.set_ended(current, 1);
        let can_be = self.upcall(current, Due::SliceEnd).is_some();
        if can_be && self.is_unmasked(current, interrupts::SLICE_END) {
            if self.due.replace(Due::SliceEnd).is_some() {
                // An interrupt, which is in the queue.
                self.withhold(current);
            }
        } else {
            self.withhold(current);
        }
    }

    /// Notes with whom the current slice is, and that it is over.
    pub(crate) fn settle(&mut self) {
        let position = self.schedule.position;
        // With whoever runs, unless that has only the rest of it.
        let holder = self.machine.holder().unwrap_or(self.current());
        self.slices.set_holder(position, holder);
        if let Some(slice) = self.slices.get(position) {
            self.slice_over(slice.owner);
        }
    }

    /// Notes who has the current slice, where that is not who runs.
    pub(crate) fn note_holder(&self, holder: Option<usize>) {
        self.machine.set_holder(holder.filter(|&holder| holder != self.current()));
    }

    /// Slice `n` has been allocated to `number`. Where it is the current one, freed meanwhile, who
    /// runs has only the rest of it.
    pub(crate) fn allocated(&mut self, number: usize, n: usize) {
        if n == self.schedule.position {
            self.schedule.given_away = true;
            self.note_holder(Some(number));
        }
    }

    /// The slice after the current one, without those whose turn is skipped: those that owe one,
    /// which is so paid, and those that nobody can be entered for.
    fn next_slice(&mut self) -> Option<usize> {
        let mut position = self.schedule.position;
        // Slices in a row that nobody can be entered for. It ends: each other step but the last
        // pays.
        let mut closed = 0;
        while closed <= SLICES {
            position = self.slices.after(position)?;
            if self.slices.pay(position) {
                closed = 0;
            } else if self.is_deliverable(position) || self.entrant(position).is_some() {
                return Some(position);
            } else {
                if self.slices.get(position).is_none() {
                    // The slice is free, and its last turn has come.
                    self.slices.drop_late(position);
                }
                closed += 1;
            }
        }
        None
    }

    /// Who is entered when slice `n` begins: its holder. Where that cannot be entered, a slice that
    /// is lent goes back. `None`: nobody.
    fn entrant(&mut self, n: usize) -> Option<usize> {
        // Where it has been freed, nobody pays for more than the transfer that may wait for it.
        let Slice { owner, holder, .. } = self.slices.get(n)?;
        if self.can_enter(holder) {
            return Some(holder);
        }
        self.slices.set_holder(n, owner);
        Some(owner).filter(|&owner| self.can_enter(owner))
    }

    /// Has the last tick just been, so that a slice that begins now has all of the time to the
    /// next?
    fn is_at_tick(&self) -> bool {
        self.schedule.ticking || self.machine.is_prompt() == Some(true)
    }

    /// Begins the slice that follows one that is over, which is given up now; more than a short
    /// time after its end, it owes a turn.
    pub(crate) fn hand_over(&mut self, next: usize) {
        if self.machine.is_prompt() == Some(false) {
            self.slices.owe(self.debtor());
        }
        self.start(next);
    }

    /// Begins slice `n`; where it has been freed meanwhile, or nobody can be entered for it any
    /// more, the one after it.
    pub(crate) fn start(&mut self, n: usize) {
        self.schedule.left = if self.is_at_tick() { 1 } else { 2 };
        self.schedule.position = n;
        self.schedule.next = None;
        self.schedule.overdue = false;
        self.schedule.given_away = false;
        self.machine.count_slice();
        self.machine.set_over(false);
        self.machine.set_holder(None);
        if self.deliver(n) {
            return;
        }
        match self.entrant(n) {
            Some(holder) => self.enter(holder),
            None => self.start_next(),
        }
    }

    pub(crate) fn start_next(&mut self) {
        match self.next_slice() {
            Some(next) => self.start(next),
            None => {
                log::error!("no environment is left that has a slice and can be entered");
                self.power_off_with(status::NO_ENVIRONMENT);
            }
        }
    }

    /// Finds somebody to run: the machine idles, or who ran is gone. Does not return on hardware.
    pub(crate) fn reschedule(&mut self) {
        if self.schedule.idle {
            return self.start_next();
        }
        // Who had the slice for a part of it gives it back to the holder, who had all of it to the
        // owner.
        let position = self.schedule.position;
        if let Some(owner) = self.slices.get(position).map(|slice| slice.owner) {
            self.slices.set_holder(position, self.machine.holder().unwrap_or(owner));
        }
        if let Some(next) = self.schedule.next {
            return self.hand_over(next);
        }
        // The slice goes on: it does not begin again.
        self.machine.set_holder(None);
        match self.entrant(position) {
            Some(holder) => self.enter(holder),
            None => self.start_next(),
        }
    }

    /// The environments of a set are gone: nothing here may name them any more.
    pub(crate) fn forget(&mut self, set: u64) {
        let Kernel { slices, accounts, .. } = self;
        slices.leave(set, |payer| accounts.refund(payer, Unit::Slice));
        slices.drop_late_to(|callee| set >> number_of_tag(callee.0) & 1 != 0);
        self.schedule.timers &= !set;
        self.schedule.due_timers &= !set;
        if self.machine.holder().is_some_and(|holder| set >> holder & 1 != 0) {
            let owner = self.slices.get(self.schedule.position).map(|slice| slice.owner);
            self.note_holder(owner);
        }
    }
}
