//! Passing frames on: grants, shares, and gifts (figure 9-5 has grants alone).
//!
//! Nobody gets a share without consent: who passes one on is a writer of the receiver, or the
//! receiver has said that it accepts so many frames from it. Grants need none, as they cost
//! nothing. Only who holds a share passes anything on, and no more than it has itself.

use crate::Kernel;
use crate::budget::Budget;
use crate::environment::Accepted;
use crate::frame::{Owner, Right};
use crate::machine::Machine;
use aegis_abi::limits::LIST_FRAMES;
use aegis_abi::{Error, Pid, UserPtr};
use heapless::Vec;
use zerocopy::IntoBytes;

/// Instructions that it takes to pass a frame on, about.
const FRAME_COST: usize = 900;

/// Numbers of frames.
type List = Vec<u32, LIST_FRAMES>;

impl<M: Machine> Kernel<M> {
    /// The running environment gives up its share of frame `n`, or the rights that it was granted,
    /// one of which it has.
    #[inline(never)]
    pub(crate) fn leave_frame(&mut self, n: u32) -> Result<(), Error> {
        let current = self.current();
        let mut budget = Budget::new();
        // Point of no return.
        if !self.frames.shares(current, n) {
            // Whoever has granted them finds out by withdrawing them.
            self.withdraw(current, n, current);
            self.sweep_for(current, &mut budget);
            return Ok(());
        }
        if !self.end_grants(current, n, &mut budget) {
            return Err(Error::Again);
        }
        self.part(current, n, current);
        self.sweep_or_again(&mut budget)?;
        self.give_up(current, n);
        Ok(())
    }

    /// Environment `number` has no right to frame `n` any more, and nothing granted, though it
    /// holds a share yet.
    ///
    /// The share goes last, when no line of the environment names the frame: whoever is left with
    /// the frame sees by that that it is alone.
    pub(crate) fn part(&mut self, number: usize, n: u32, by: usize) {
        self.change_rights(number, n, by, |frames| frames.part(number, n));
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
            return Err(self.refuse_grant(n));
        }
        // Point of no return.
        match right {
            None => self.withdraw(number, n, current),
            Some(right) => {
                self.change_rights(number, n, current, |frames| frames.grant(current, number, n, right));
            }
        }
        self.sweep_or_again(&mut Budget::new())
    }

    /// Why the running environment grants nothing of frame `n`. Of the dead nothing is to stand in
    /// the way: what is left of them is worked on.
    #[cold]
    fn refuse_grant(&mut self, n: u32) -> Error {
        let owner = if let Owner::Environment(owner) = self.frames.owner(n) { 1 << owner } else { 0 };
        let dead = (owner | self.frames.grantees(n)) & self.dying;
        if dead == 0 {
            return Error::Granted;
        }
        self.bury_first(Some(dead.trailing_zeros() as usize))
    }

    /// The call `p_give`.
    pub(crate) fn give_frames(&mut self, pid: Pid, list: UserPtr, count: u32) -> Result<u32, Error> {
        let current = self.current();
        let list = self.frame_list(list, count)?;
        let number = self.lookup(pid)?;
        if number == current {
            return Err(Error::BadProtection);
        }
        list.iter().try_for_each(|&n| self.frames.check_sharer(current, n))?;
        self.check_accepted(number, &list)?;
        // Point of no return. What was done before the call was made again is found done.
        let mut budget = Budget::new();
        let mut given = 0;
        for &n in &list {
            if budget.is_spent() || !self.end_grants(current, n, &mut budget) {
                break;
            }
            budget.spend(FRAME_COST);
            self.let_join(number, n, self.right_of(current, n).max(self.right_of(number, n)));
            self.part(current, n, current);
            given += 1;
        }
        if given < list.len().min(1) {
            return Err(Error::Again);
        }
        self.sweep_or_again(&mut budget)?;
        for &n in &list[..given] {
            // It may stand there twice.
            if self.frames.shares(current, n) {
                self.give_up(current, n);
            }
        }
        Ok(given as u32)
    }

    /// The call `p_share`.
    pub(crate) fn share_frames(&mut self, pid: Pid, right: Right, list: UserPtr, count: u32) -> Result<u32, Error> {
        let current = self.current();
        let list = self.frame_list(list, count)?;
        let number = self.lookup(pid)?;
        list.iter().try_for_each(|&n| self.frames.check_share(current, n, right))?;
        self.check_accepted(number, &list)?;
        // Point of no return.
        let mut budget = Budget::new();
        let mut shared = 0;
        for &n in &list {
            if budget.is_spent() {
                break;
            }
            budget.spend(FRAME_COST);
            // Who is no writer takes nothing away.
            let least = if self.may_write(number) { Right::Read } else { self.right_of(number, n) };
            self.let_join(number, n, right.max(least));
            shared += 1;
        }
        self.sweep_or_again(&mut budget)?;
        Ok(shared)
    }

    /// Lets environment `number` have a share of frame `n`, with this right in place of what it
    /// had.
    fn let_join(&mut self, number: usize, n: u32, right: Right) {
        let current = self.current();
        let is_new = !self.frames.shares(number, n);
        self.change_rights(number, n, current, |frames| frames.share(number, n, right));
        if is_new && !self.may_write(number) {
            self.environments[number].accepted.frames -= 1;
        }
        self.is_served(number);
    }

    /// The right that environment `number` has to frame `n`, to read at least.
    fn right_of(&self, number: usize, n: u32) -> Right {
        if self.frames.has(number, n, Right::Write) { Right::Write } else { Right::Read }
    }

    /// Checks that environment `number` gets shares of frames from the running one with the leave
    /// of somebody who may give it.
    fn check_accepted(&self, number: usize, list: &List) -> Result<(), Error> {
        let Accepted { from, frames } = self.environments[number].accepted;
        let count = list.iter().filter(|&&n| !self.frames.shares(number, n)).count();
        let is_accepted = Some(from) == self.environment().pid() && count <= frames as usize;
        if self.may_write(number) || is_accepted { Ok(()) } else { Err(Error::NotAccepted) }
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
