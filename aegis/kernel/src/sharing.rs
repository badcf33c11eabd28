//! Passing frames on: grants, shares, and gifts (figure 9-5 has grants alone).
//!
//! Nobody gets a share without consent: who passes one on is a writer of the receiver, or the
//! receiver has said that it accepts so many frames from it. Grants need none, as they cost nothing.
//! Only who holds a share passes anything on, and no more than it has itself.

use crate::Kernel;
use crate::budget::Budget;
use crate::environment::Unfinished;
use crate::frame::{Owner, Right};
use crate::machine::Machine;
use aegis_abi::limits::LIST_FRAMES;
use aegis_abi::{Error, Pid, UserPtr};
use heapless::Vec;
use zerocopy::IntoBytes;

/// Instructions that it takes to pass a frame on, about.
const FRAME_COST: usize = 400;

/// Numbers of frames.
type List = Vec<u32, LIST_FRAMES>;

impl<M: Machine> Kernel<M> {
    /// The running environment gives up its share of, or its rights to, frame `n`.
    pub(crate) fn leave_frame(&mut self, n: u32) -> Result<(), Error> {
        let current = self.current();
        let mut budget = Budget::new();
        // Point of no return: of grants, too, a part may be withdrawn.
        if !self.end_grants(current, n, &mut budget) {
            return Err(Error::Again);
        }
        self.give_up(current, n);
        self.end_with(n, 0, &mut budget).map(drop)
    }

    /// Ends a call of the running environment that has given up rights to frame `n`, among others, and returns `result`,
    /// unless bindings are left to be broken.
    fn end_with(&mut self, n: u32, result: u32, budget: &mut Budget) -> Result<u32, Error> {
        if self.sweep(budget) {
            return Ok(result);
        }
        let current = self.current();
        self.environments[current].unfinished = Some(Unfinished::Frames { first: n, result });
        Err(Error::Again)
    }

    /// A call that gives up rights to frame `n` first fails with `error`. If it has been made before, and goes on here, it
    /// has withdrawn the rights, and breaks bindings now.
    #[cold]
    pub(crate) fn finish(&mut self, n: u32, error: Error) -> Result<u32, Error> {
        let current = self.current();
        match self.environments[current].unfinished {
            Some(Unfinished::Frames { first, result }) if first == n => {
                self.environments[current].unfinished = None;
                self.end_with(n, result, &mut Budget::new())
            }
            _ => Err(error),
        }
    }

    /// The call `p_add`; `None` withdraws.
    pub(crate) fn grant(&mut self, right: Option<Right>, pid: Pid, n: u32) -> Result<(), Error> {
        let current = self.current();
        self.frames.check_share(current, n, right.unwrap_or(Right::Read))?;
        let number = self.lookup(pid)?;
        if number == current {
            return Err(Error::BadProtection);
        }
        if self.frames.shares(number, n) {
            return Err(Error::Shared);
        }
        if self.frames.owner(n) != Owner::Environment(current) && self.frames.grantees(n) != 0 {
            return Err(Error::Granted);
        }
        // Point of no return.
        match right {
            None => self.withdraw(number, n),
            Some(right) => {
                self.frames.grant(current, number, n, right);
                self.break_bindings(number, n);
            }
        }
        self.sweep_or_again(&mut Budget::new())
    }

    /// The call `p_give`.
    pub(crate) fn give_frames(&mut self, pid: Pid, list: UserPtr, count: u32) -> Result<u32, Error> {
        let current = self.current();
        let list = self.frame_list(list, count)?;
        let number = self.lookup(pid)?;
        if number == current {
            return Err(Error::BadProtection);
        }
        let Some(&first) = list.first() else { return self.check_accepted(number, 0).map(|()| 0) };
        if let Err(error) = list.iter().try_for_each(|&n| self.frames.check_share(current, n, Right::Read)) {
            return self.finish(first, error);
        }
        self.check_accepted(number, count)?;
        // Point of no return.
        let mut budget = Budget::new();
        let mut given = 0;
        for &n in &list {
            if budget.is_spent() || !self.end_grants(current, n, &mut budget) {
                break;
            }
            given += 1;
            // Not twice.
            if self.frames.shares(current, n) {
                budget.spend(FRAME_COST);
                self.frames.share(number, n, self.right_of(current, n).max(self.right_of(number, n)));
                self.give_up(current, n);
            }
        }
        if given == 0 {
            return Err(Error::Again);
        }
        self.accept(number, given);
        self.end_with(first, given, &mut budget)
    }

    /// The call `p_share`.
    pub(crate) fn share_frames(&mut self, pid: Pid, right: Right, list: UserPtr, count: u32) -> Result<u32, Error> {
        let current = self.current();
        let list = self.frame_list(list, count)?;
        let number = self.lookup(pid)?;
        let Some(&first) = list.first() else { return self.check_accepted(number, 0).map(|()| 0) };
        list.iter().try_for_each(|&n| self.frames.check_share(current, n, right))?;
        self.check_accepted(number, count)?;
        // Point of no return.
        let mut budget = Budget::new();
        let mut shared = 0;
        for &n in &list {
            if budget.is_spent() {
                break;
            }
            budget.spend(FRAME_COST);
            shared += 1;
            // Who is no writer takes nothing away.
            let least = if self.may_write(number) { Right::Read } else { self.right_of(number, n) };
            self.frames.share(number, n, right.max(least));
            self.break_bindings(number, n);
        }
        self.accept(number, shared);
        self.end_with(first, shared, &mut budget)
    }

    /// The right that environment `number` has to frame `n`, to read at least.
    fn right_of(&self, number: usize, n: u32) -> Right {
        if self.frames.has(number, n, Right::Write) { Right::Write } else { Right::Read }
    }

    /// Checks that environment `number` gets frames from the running one with somebody's leave who may give it.
    fn check_accepted(&self, number: usize, count: u32) -> Result<(), Error> {
        let accepted = self.environments[number].accepted;
        let is_accepted = Some(accepted.from) == self.environment().pid() && count <= accepted.frames;
        if self.may_write(number) || is_accepted { Ok(()) } else { Err(Error::NotAccepted) }
    }

    /// Environment `number` has got so many frames from the running one.
    fn accept(&mut self, number: usize, count: u32) {
        if !self.may_write(number) {
            self.environments[number].accepted.frames -= count;
        }
        self.served(number);
    }

    /// The list of frames at a pointer.
    fn frame_list(&self, list: UserPtr, count: u32) -> Result<List, Error> {
        if !list.get().is_multiple_of(align_of::<u32>() as u32) {
            return Err(Error::Misaligned);
        }
        if count as usize > LIST_FRAMES {
            return Err(Error::TooLong);
        }
        let mut frames = List::new();
        // There is room for them all.
        let _ = frames.resize_default(count as usize);
        let source = self.user_range(list, count * size_of::<u32>() as u32)?;
        self.read_user(&source, frames.as_mut_bytes());
        Ok(frames)
    }
}
