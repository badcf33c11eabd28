//! Who runs: round-robin through the vector of time slices (thesis 3.3, .7).
//!
//! The kernel begins slices and says when they are over; what is saved and restored in between is the application's affair. So
//! nothing here switches by force: an environment whose slice is over is told, by its epilogue, and gives up the processor by
//! `yield`. Until then each tick is on its account: it forfeits as many of its slices, and is destroyed when it owes too much.
//!
//! Where the next slice belongs to whoever runs already, nothing happens: contiguous slices cost no switches (3.3.1).

use crate::Kernel;
use crate::environment::Environment;
use crate::interrupt::Due;
use crate::machine::Machine;
use crate::slice::Slice;
use aegis_abi::limits::{EXCESS_THRESHOLD, SLICE_TICKS};
use aegis_abi::{Error, Handler, Pid, interrupts, status};

// A slice is over with the first tick that comes in it.
const _: () = assert!(SLICE_TICKS == 1);

/// A slice that is over, and whoever runs has yet to give up the processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ended {
    /// Who was told last. `None`: it has been destroyed since.
    told: Option<usize>,
    /// The slice that begins then.
    next: usize,
}

/// Where in the vector we are.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// The slice that runs, or ran last.
    position: usize,
    ended: Option<Ended>,
    /// Slices in a row that were given up early, with no interrupt between. A whole revolution of them, and there is
    /// nothing to do.
    pub early: usize,
    /// Nobody runs: the machine waits for an interrupt.
    idle: bool,
    /// Ticks so far.
    pub ticks: u32,
    /// The environments that want an interrupt at a tick to come, a bit each.
    pub timers: u64,
    /// Ticks a second, if a clock ticks.
    pub rate: Option<u32>,
}

impl Schedule {
    pub const fn new() -> Schedule {
        Schedule { position: 0, ended: None, early: 0, idle: false, ticks: 0, timers: 0, rate: None }
    }

    /// Who was told that the slice is over, and has yet to give up the processor.
    pub fn told(&self) -> Option<usize> {
        self.ended?.told
    }

    /// Does the machine wait for an interrupt?
    pub fn is_idle(&self) -> bool {
        self.idle
    }
}

impl<M: Machine> Kernel<M> {
    /// A clock ticks from now on, so many times a second; 0 where it counts something else than time.
    pub fn set_clock(&mut self, rate: u32) {
        self.schedule.rate = Some(rate);
    }

    /// The clock has ticked: so many ticks have passed since the last that was answered. Time goes on by all of them; the slice that
    /// runs is charged one, since who runs cannot help what the kernel does meanwhile, or the host.
    pub fn tick(&mut self, passed: u32) {
        #[cfg(feature = "checked")]
        self.check_now_and_then();
        self.schedule.ticks = self.schedule.ticks.wrapping_add(passed);
        self.schedule.early = 0;
        self.fire_timers(passed);
        self.resume_input();
        if self.schedule.idle {
            return;
        }
        let current = self.current();
        match self.schedule.ended {
            None => self.end_slice(),
            Some(Ended { told, next }) => {
                if let Some(late) = told {
                    self.charge(late);
                }
                // Whoever was told may have transferred away.
                if self.is_alive(current) && told != Some(current) {
                    self.schedule.ended = Some(Ended { told: Some(current), next });
                    self.tell(current);
                }
            }
        }
    }

    /// The current slice is over.
    fn end_slice(&mut self) {
        self.settle();
        let current = self.current();
        let Some(next) = self.next_slice() else { return };
        if self.slices.get(next).is_some_and(|slice| slice.holder == current) {
            self.schedule.position = next;
            self.machine.set_holder(None);
            return;
        }
        self.schedule.ended = Some(Ended { told: Some(current), next });
        self.tell(current);
    }

    /// Tells an environment, which runs, that its slice is over.
    fn tell(&mut self, number: usize) {
        self.set_ended(number, 1);
        let can_be = self.upcall(number, Due::SliceEnd).is_some();
        if can_be && self.is_unmasked(number, interrupts::SLICE_END) {
            if self.due.replace(Due::SliceEnd).is_some() {
                // An interrupt, which is in the queue.
                self.withhold(number);
            }
        } else {
            self.withhold(number);
        }
    }

    /// An environment has let a tick pass after its slice was over.
    fn charge(&mut self, number: usize) {
        let excess = &mut self.environments[number].record.excess;
        *excess += 1;
        if *excess > EXCESS_THRESHOLD {
            log::error!("environment {number} destroyed: {excess} ticks beyond the end of its slices");
            self.destroy(number);
        }
    }

    /// The current slice is over.
    fn settle(&mut self) {
        self.note_whose_it_is();
        if let Some(slice) = self.slices.get(self.schedule.position) {
            self.slice_over(slice.owner);
        }
    }

    /// Notes with whom the current slice is: with whoever runs, unless that has only the rest of it.
    fn note_whose_it_is(&mut self) {
        let holder = self.machine.holder().unwrap_or(self.current());
        self.slices.set_holder(self.schedule.position, holder);
    }

    /// Notes who has the current slice, where that is not who runs.
    fn note_holder(&self, holder: Option<usize>) {
        self.machine.set_holder(holder.filter(|&holder| holder != self.current()));
    }

    /// Slice `n` has been allocated to `number`. Where it is the current one, freed meanwhile, who runs has only the
    /// rest of it.
    pub(crate) fn allocated(&self, number: usize, n: usize) {
        if n == self.schedule.position {
            self.note_holder(Some(number));
        }
    }

    /// The slice after the current one, without those that are forfeited, which are paid with, and those that nobody can be
    /// entered for.
    fn next_slice(&mut self) -> Option<usize> {
        let mut position = self.schedule.position;
        // Slices in a row that nobody can be entered for. It ends: each other step but the last pays a tick that somebody owes.
        let mut closed = 0;
        while closed < self.slices.allocated() {
            position = self.slices.after(position)?;
            let Some(holder) = self.entrant(position) else {
                closed += 1;
                continue;
            };
            closed = 0;
            match &mut self.environments[holder].record.excess {
                0 => return Some(position),
                excess => *excess -= 1,
            }
        }
        None
    }

    /// Who runs when slice `n` begins: its holder. Where that cannot be entered, a slice that is lent goes back. `None`: nobody.
    fn entrant(&mut self, n: usize) -> Option<usize> {
        let Slice { owner, holder, .. } = self.slices.get(n)?;
        if self.entry(holder).is_some() {
            return Some(holder);
        }
        self.slices.set_holder(n, owner);
        self.entry(owner).map(|_| owner)
    }

    /// Begins slice `n`; where it has been freed meanwhile, or nobody can be entered for it any more, the one after it.
    fn start(&mut self, n: usize) {
        self.schedule.position = n;
        self.schedule.ended = None;
        self.machine.set_holder(None);
        match self.entrant(n) {
            Some(holder) => self.enter(holder),
            None => self.start_next(),
        }
    }

    fn start_next(&mut self) {
        match self.next_slice() {
            Some(next) => self.start(next),
            None => {
                log::error!("no environment is left that has a slice and can be entered");
                self.power_off_with(status::NO_ENVIRONMENT);
            }
        }
    }

    /// Where an environment is entered, its prologue, or at first its beginning, and with which arguments. `None`: it has none.
    fn entry(&self, number: usize) -> Option<(Handler, [u32; 2])> {
        let Environment { record, context, .. } = &self.environments[number];
        let (pc, arguments) = if record.started != 0 {
            (context.pro, [0, 0])
        } else {
            (context.init, [context.argument, self.machine.info_frame()])
        };
        (pc != 0).then_some((pc, arguments))
    }

    /// Lets an environment run that can be entered. Does not return on hardware.
    fn enter(&mut self, number: usize) {
        let Some((pc, arguments)) = self.entry(number) else { return };
        self.schedule.idle = false;
        let started = core::mem::replace(&mut self.environments[number].record.started, 1);
        if started == 0 {
            // Its gates are open now.
            self.set_block(number);
        }
        self.set_ended(number, 0);
        self.machine.set_current(number);
        self.note_holder(self.machine.holder());
        self.machine.run(pc, arguments);
    }

    /// Finds somebody to run: the machine idles, or who ran is gone. Does not return on hardware.
    pub(crate) fn reschedule(&mut self) {
        if self.schedule.idle {
            return self.start_next();
        }
        // Who had the slice for a part of it gives it back to the holder, who had all of it to the owner.
        let position = self.schedule.position;
        if let Some(owner) = self.slices.get(position).map(|slice| slice.owner) {
            self.slices.set_holder(position, self.machine.holder().unwrap_or(owner));
        }
        self.start(self.schedule.ended.map_or(position, |Ended { next, .. }| next));
    }

    /// An environment is gone: nothing here may name it any more.
    pub(crate) fn forget(&mut self, number: usize) {
        self.slices.leave(number);
        self.schedule.timers &= !(1 << number);
        if self.machine.holder() == Some(number) {
            let owner = self.slices.get(self.schedule.position).map(|slice| slice.owner);
            self.note_holder(owner);
        }
        if let Some(ended) = &mut self.schedule.ended {
            ended.told = ended.told.filter(|&told| told != number);
        }
    }

    /// The environment of this name, to which the one that runs may yield.
    fn yieldable(&self, pid: Pid) -> Result<usize, Error> {
        let number = self.lookup(pid)?;
        if self.environments[number].record.started == 0 && !self.may_write(number) {
            return Err(Error::NotStarted);
        }
        self.entry(number).map(|_| number).ok_or(Error::NoGate)
    }

    /// The call `yield`.
    pub(crate) fn yield_to(&mut self, pid: Pid) -> Result<(), Error> {
        if pid != aegis_abi::calls::NEXT {
            let number = self.yieldable(pid)?;
            // Point of no return. Of a slice that is over there is no rest.
            if self.schedule.ended.is_none() {
                if self.machine.holder().is_none() {
                    self.machine.set_holder(Some(self.current()));
                }
                self.enter(number);
                return Ok(());
            }
        }
        if let Some(Ended { next, .. }) = self.schedule.ended {
            // Transfers may have brought it elsewhere since it was over.
            self.note_whose_it_is();
            self.start(next);
            return Ok(());
        }
        self.settle();
        self.machine.set_holder(None);
        self.forgo_upcall();
        self.schedule.early += 1;
        if self.schedule.early >= self.slices.allocated().max(1) {
            self.resume_input();
            if self.schedule.rate.is_some() {
                self.schedule.early = 0;
                self.schedule.idle = true;
                self.machine.idle();
                return Ok(());
            }
        }
        self.start_next();
        Ok(())
    }

    /// The call `donate`.
    pub(crate) fn donate_to(&mut self, pid: Pid) -> Result<(), Error> {
        let number = self.yieldable(pid)?;
        let position = self.schedule.position;
        let listed = self.slices.get(position).is_some_and(|slice| slice.access >> self.current() & 1 != 0);
        if !listed || !self.may_write(number) {
            return Err(Error::NotPermitted);
        }
        // Point of no return.
        self.slices.give(number, position);
        match self.schedule.ended {
            Some(Ended { next, .. }) => self.start(next),
            None => {
                self.machine.set_holder(None);
                self.enter(number);
            }
        }
        Ok(())
    }
}
