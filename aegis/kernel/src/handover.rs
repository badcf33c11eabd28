//! Giving up the processor: yields, donations, and transfers after the end of a slice (thesis .7).
//!
//! Within a slice protected control transfers are the vectors' affair. After its end, until the
//! processor is given up, they come here: whoever was called would run in no slice, and lose the
//! processor in the middle of what it does. So the transfer waits with the slice, and is made when
//! that begins again. The caller has given up the processor; the callee has noticed nothing yet.

use crate::Kernel;
use crate::environment::Context;
use crate::machine::Machine;
use crate::slice::LateTransfer;
use aegis_abi::calls::NEXT;
use aegis_abi::{Error, Handler, Pid};

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
                self.work_while_idle();
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
        self.slices.give_to(number, position);
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
    /// the next one. Does not return on hardware, unless the transfer is refused.
    ///
    /// # Errors
    /// As for a transfer in time; `Suspended` also where another transfer waits for the slice, or
    /// the slice is somebody else's by now.
    pub fn transfer_late(&mut self, callee: Pid, synchronous: bool) -> Result<(), Error> {
        let position = self.schedule.position;
        let number = self.lookup(callee)?;
        self.open_gate(number, synchronous)?;
        let next = self.schedule.next.ok_or(Error::SliceFree)?;
        let caller = self.environment().pid().ok_or(Error::NoSuchEnvironment)?;
        let is_occupied = self.slices.late(position).is_some() || self.schedule.given_away;
        if is_occupied {
            return Err(Error::Suspended);
        }
        // Point of no return.
        self.slices.keep_late(position, LateTransfer { caller, callee, synchronous });
        self.machine.put_off(position);
        if synchronous && self.machine.holder().is_none() {
            self.slices.set_holder(position, number);
        }
        self.hand_over(next);
        Ok(())
    }

    /// Receiver and gate of a transfer that has waited.
    fn late_gate(&self, late: LateTransfer) -> Result<(usize, Handler), Error> {
        let number = self.lookup(late.callee)?;
        Ok((number, self.open_gate(number, late.synchronous)?))
    }

    /// Is there a transfer that waits for slice `n`, and can be made now?
    pub(crate) fn is_deliverable(&self, n: usize) -> bool {
        self.slices.late(n).is_some_and(|late| self.late_gate(late).is_ok())
    }

    /// Makes the transfer that has waited for slice `n`, which begins, if there is one. Where the
    /// callee is gone, or has no gate any more, it is void; where it is suspended, that goes on
    /// first. Was it made? Then this does not return on hardware.
    pub(crate) fn deliver(&mut self, n: usize) -> bool {
        let Some(late) = self.slices.late(n) else { return false };
        let gate = self.late_gate(late);
        if gate == Err(Error::Suspended) {
            return false;
        }
        self.slices.drop_late(n);
        let Ok((number, gate)) = gate else { return false };
        self.machine.set_holder(self.slices.get(n).map(|slice| slice.holder));
        self.hand_processor(number);
        self.machine.arrive(n, gate, late.caller);
        true
    }

    /// Where transfers to a living environment arrive.
    ///
    /// # Errors
    /// `Suspended`; `NoGate`, also before its start.
    fn open_gate(&self, number: usize, synchronous: bool) -> Result<Handler, Error> {
        if self.is_suspended(number) {
            return Err(Error::Suspended);
        }
        let Context { gate, agate, .. } = self.environments[number].context;
        let gate = if synchronous { gate } else { agate };
        let is_open = self.environments[number].record.started != 0 && gate != 0;
        if is_open { Ok(gate) } else { Err(Error::NoGate) }
    }
}
