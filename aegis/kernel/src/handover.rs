//! Giving up the processor: yields, donations, and transfers after the end of a slice (thesis .7).
//!
//! Within a slice protected control transfers are the vectors' affair. After its end, until the
//! processor is given up, they come here: whoever was called would run in no slice, and lose the
//! processor in the middle of what it does. So the transfer waits with the slice, and is made when
//! that begins again. The caller has given up the processor; the callee has noticed nothing yet.

use crate::Kernel;
use crate::environment::Context;
use crate::machine::Machine;
use aegis_abi::calls::NEXT;
use aegis_abi::{Error, Handler, Pid};

/// A transfer that waits for its slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LateTransfer {
    caller: Pid,
    callee: Pid,
    synchronous: bool,
}

impl<M: Machine> Kernel<M> {
    /// The environment of this name, to which the one that runs may yield.
    fn yieldable(&self, pid: Pid) -> Result<usize, Error> {
        let number = self.lookup(pid)?;
        if self.environments[number].record.started == 0 && !self.may_write(number) {
            return Err(Error::NotStarted);
        }
        if self.can_enter(number) { Ok(number) } else { Err(Error::NoGate) }
    }

    /// The call `yield`.
    pub(crate) fn yield_to(&mut self, pid: Pid) -> Result<(), Error> {
        if pid != NEXT {
            let number = self.yieldable(pid)?;
            // Point of no return. Of a slice that is over there is no rest.
            if self.schedule.next.is_none() {
                if self.machine.holder().is_none() {
                    self.machine.set_holder(Some(self.current()));
                }
                self.enter(number);
                return Ok(());
            }
        }
        if let Some(next) = self.schedule.next {
            self.hand_over(next);
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
        match self.schedule.next {
            Some(next) => self.hand_over(next),
            None => {
                self.machine.set_holder(None);
                self.enter(number);
            }
        }
        Ok(())
    }

    /// The call `s_back`.
    pub(crate) fn take_back(&mut self, n: u32) -> Result<(), Error> {
        let (n, slice) = self.slices.check(n)?;
        if !self.may_write(slice.owner) {
            return Err(Error::NotPermitted);
        }
        // Point of no return.
        self.slices.set_holder(n, slice.owner);
        if n == self.schedule.position {
            self.note_holder(Some(slice.owner));
        }
        Ok(())
    }

    /// Keeps a transfer to `callee` that whoever runs makes after the end of its slice, and begins
    /// the next one. Does not return on hardware, unless it returns why the transfer is
    /// refused.
    pub fn transfer_late(&mut self, callee: Pid, synchronous: bool) -> Option<Error> {
        let position = self.schedule.position;
        let number = match self.lookup(callee) {
            Ok(number) => number,
            Err(error) => return Some(error),
        };
        if let Some(refusal) = self.refusal(number, synchronous) {
            return Some(refusal);
        }
        let Some(next) = self.schedule.next else { return Some(Error::SliceFree) };
        let Some(caller) = self.environment().pid() else { return Some(Error::NoSuchEnvironment) };
        let has_place = self.schedule.late[position].is_none() && self.slices.get(position).is_some();
        // Else in a turn of its own, which nobody owns.
        let place = if has_place { Ok(position) } else { self.slices.choose(None) };
        let place = match place {
            Ok(place) => place,
            Err(error) => return Some(error),
        };
        // Point of no return.
        self.schedule.late[place] = Some(LateTransfer { caller, callee, synchronous });
        self.slices.set_waiting(place, true);
        self.machine.put_off(place);
        if place == position && synchronous && self.machine.holder().is_none() {
            self.slices.set_holder(position, number);
        }
        self.hand_over(next);
        None
    }

    /// The receiver of the transfer that waits for slice `n`, if there is one and it lives.
    pub(crate) fn receiver(&self, n: usize) -> Option<usize> {
        self.schedule.late[n].and_then(|late| self.lookup(late.callee).ok())
    }

    /// Is there a transfer that waits for slice `n`, and can be made now?
    pub(crate) fn is_deliverable(&self, n: usize) -> bool {
        let Some(late) = self.schedule.late[n] else { return false };
        self.receiver(n).is_some_and(|number| self.refusal(number, late.synchronous).is_none())
    }

    /// Makes the transfer that has waited for slice `n`, which begins, if there is one. Where the
    /// callee is gone, or has no gate any more, it is void; where it is suspended, that goes on
    /// first. Was it made? Then this does not return on hardware.
    pub(crate) fn deliver(&mut self, n: usize) -> bool {
        let Some(LateTransfer { caller, synchronous, .. }) = self.schedule.late[n] else { return false };
        let receiver = self.receiver(n);
        let refusal = receiver.map_or(Some(Error::NoSuchEnvironment), |number| self.refusal(number, synchronous));
        if refusal == Some(Error::Suspended) {
            return false;
        }
        self.schedule.late[n] = None;
        self.slices.set_waiting(n, false);
        let (Some(number), None) = (receiver, refusal) else { return false };
        (self.schedule.idle, self.schedule.ticking) = (false, false);
        self.set_ended(number, 0);
        self.machine.set_current(number);
        self.note_holder(self.slices.get(n).map(|slice| slice.holder));
        self.machine.arrive(n, self.gate(number, synchronous), caller);
        true
    }

    /// Where transfers to an environment arrive; 0: it has no gate.
    fn gate(&self, number: usize, synchronous: bool) -> Handler {
        let Context { gate, agate, .. } = self.environments[number].context;
        if synchronous { gate } else { agate }
    }

    /// Why a transfer to a living environment is refused, if it is.
    fn refusal(&self, number: usize, synchronous: bool) -> Option<Error> {
        if self.is_suspended(number) {
            Some(Error::Suspended)
        } else if self.environments[number].record.started == 0 || self.gate(number, synchronous) == 0 {
            Some(Error::NoGate)
        } else {
            None
        }
    }
}
