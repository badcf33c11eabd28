//! The calls: each checks everything, then acts.

use crate::Kernel;
use crate::account::{Cut, Unit};
use crate::budget::Budget;
use crate::dispatch::Calls;
use crate::environment::Accepted;
use crate::frame::{Owner, Right};
use crate::kernel::FIRST;
use crate::machine::Machine;
use crate::name::number_of_tag;
use aegis_abi::limits::ENV_DATA_BYTES;
use aegis_abi::{Env, Error, Lo, Pid, UserPtr, UserVa, calls};
use zerocopy::{FromZeros, IntoBytes};

// Not inlined: otherwise the short calls would pay for the stack frame of the long ones.
impl<M: Machine> Calls for Kernel<M> {
    #[inline(never)]
    fn pid(&mut self) -> Result<Pid, Error> {
        // Answered in assembly on hardware; the host tests come here.
        self.environment().pid().ok_or(Error::NotPermitted)
    }

    #[inline(never)]
    fn e_set(&mut self, env: UserPtr) -> Result<(), Error> {
        self.check_context(env)?;
        let current = self.current();
        self.delete_guaranteed(current, &mut Budget::new())?;
        // Point of no return.
        self.replace_context(current);
        Ok(())
    }

    #[inline(never)]
    fn e_alloc(&mut self, n: u32, env: UserPtr, account: u32) -> Result<Pid, Error> {
        let (own, cut) = (self.own_account(), Cut::of(account)?);
        let answer = self.accounts.check(own, cut);
        self.unless_the_dead_pay(answer)?;
        let number = self.choose_number(Some(n).filter(|&n| n != calls::ANY))?;
        self.check_context(env)?;
        let current = self.current();
        let is_the_kernels = |frame| self.frames.owner(frame) == Owner::Kernel;
        if !self.draft.named().all(|(frame, _)| is_the_kernels(frame) || self.frames.shares(current, frame)) {
            return Err(Error::NotPermitted);
        }
        // Point of no return.
        self.accounts.charge(own, Unit::Environment);
        let account = self.accounts.open(own, cut);
        Ok(self.create(number, current, [account, own]))
    }

    #[inline(never)]
    fn e_ref(&mut self, pid: Pid) -> Result<(), Error> {
        let number = self.lookup_to_write(pid)?;
        let (current, own) = (self.current(), self.own_account());
        let record = self.environments[number].record;
        let is_held = record.references >> current & 1 != 0;
        let is_free = is_held || number == current || record.payer == own;
        if !is_free {
            let answer = self.accounts.check_unit(own, Unit::Environment);
            self.unless_the_dead_pay(answer)?;
        }
        // Point of no return.
        let record = &mut self.environments[number].record;
        record.references |= 1 << current;
        if !is_free {
            record.paying |= 1 << current;
            self.accounts.charge(own, Unit::Environment);
        }
        Ok(())
    }

    #[inline(never)]
    fn e_unref(&mut self, pid: Pid) -> Result<(), Error> {
        let number = self.lookup_even_dead(pid)?;
        if self.environments[number].record.references >> self.current() & 1 == 0 {
            return Err(Error::NotPermitted);
        }
        // Point of no return.
        self.drop_reference(self.current(), number);
        if !self.is_alive(number) {
            self.bury(Some(number), &mut Budget::new());
        }
        self.go_on_if_alive();
        Ok(())
    }

    #[inline(never)]
    fn e_add(&mut self, pid: Pid, env: Pid) -> Result<(), Error> {
        let (writer, number) = (self.lookup(pid)?, self.lookup_to_write(env)?);
        // Point of no return.
        self.environments[number].record.writers |= 1 << writer;
        Ok(())
    }

    #[inline(never)]
    fn e_free(&mut self, pid: Pid) -> Result<(), Error> {
        let current = self.current();
        let number = match self.lookup_to_write(pid) {
            Ok(number) => {
                // Point of no return.
                self.destroy(number);
                self.drop_reference(current, number);
                number
            }
            Err(Error::NoSuchEnvironment) => self.destruction_under_way(pid)?,
            Err(error) => return Err(error),
        };
        let is_done = self.bury(Some(number), &mut Budget::new());
        if !self.is_alive(current) {
            self.reschedule();
            return Ok(());
        }
        self.environments[current].destroying = (!is_done).then_some(pid);
        if is_done { Ok(()) } else { Err(Error::Again) }
    }

    #[inline(never)]
    fn e_write(&mut self, pid: Pid, offset: u32, from: UserPtr, bytes: u32) -> Result<(), Error> {
        let number = self.lookup_to_write(pid)?;
        let end = offset.checked_add(bytes).ok_or(Error::BadLength)?;
        let mut buffer = [0; ENV_DATA_BYTES];
        let data = buffer.get_mut(offset as usize..end as usize).ok_or(Error::TooLong)?;
        let source = self.user_range(from, bytes)?;
        self.read_user(&source, data);
        // Point of no return.
        self.machine.write_data(number, offset as usize, data);
        Ok(())
    }

    #[inline(never)]
    fn tlbwr(&mut self, va: UserVa, lo: Lo) -> Result<(), Error> {
        self.write_binding(va, lo)
    }

    #[inline(never)]
    fn tlbrprotn(&mut self, va: UserVa, pages: u32) -> Result<u32, Error> {
        self.read_protect(va, pages)
    }

    #[inline(never)]
    fn unprotn(&mut self, va: UserVa, pages: u32) -> Result<u32, Error> {
        self.unprotect(va, pages)
    }

    #[inline(never)]
    fn tlbdeleten(&mut self, va: UserVa, pages: u32) -> Result<u32, Error> {
        self.delete(va, pages)
    }

    #[inline(never)]
    fn tlbflush(&mut self) -> Result<(), Error> {
        if self.flush(self.current(), &mut Budget::new()) { Ok(()) } else { Err(Error::Again) }
    }

    #[inline(never)]
    fn p_alloc(&mut self, frame: u32) -> Result<u32, Error> {
        let n = self.choose_frame(Some(frame).filter(|&frame| frame != calls::ANY))?;
        // Point of no return.
        let current = self.current();
        if self.frames.give(current, n) {
            self.machine.zero(n);
        }
        self.served(current, n);
        Ok(n)
    }

    #[inline(never)]
    fn p_unref(&mut self, frame: u32) -> Result<(), Error> {
        self.frames.check_holder(self.current(), frame)?;
        self.leave_frame(frame)
    }

    #[inline(never)]
    fn p_add(&mut self, prot: u32, pid: Pid, frame: u32) -> Result<(), Error> {
        let right = if prot == 0 { None } else { Some(protection(prot)?) };
        self.grant(right, pid, frame)
    }

    #[inline(never)]
    fn p_give(&mut self, pid: Pid, list: UserPtr, count: u32) -> Result<u32, Error> {
        self.give_frames(pid, list, count)
    }

    #[inline(never)]
    fn p_share(&mut self, pid: Pid, prot: u32, list: UserPtr, count: u32) -> Result<u32, Error> {
        self.share_frames(pid, protection(prot)?, list, count)
    }

    #[inline(never)]
    fn p_accept(&mut self, pid: Pid, frames: u32) -> Result<(), Error> {
        self.lookup(pid)?;
        // Point of no return.
        let current = self.current();
        self.environments[current].accepted = Accepted { from: pid, frames };
        Ok(())
    }

    #[inline(never)]
    fn console_write(&mut self, text: UserPtr, bytes: u32) -> Result<u32, Error> {
        let source = self.user_range(text, bytes)?;
        let written = self.write_to_console(&source);
        self.resume_input();
        Ok(written)
    }

    #[inline(never)]
    fn power_off(&mut self, status: u32) -> Result<(), Error> {
        if self.current() != FIRST {
            return Err(Error::NotPermitted);
        }
        self.power_off_with(status as u8);
        Ok(())
    }

    #[inline(never)]
    fn console_focus(&mut self, pid: Pid) -> Result<(), Error> {
        let number = self.lookup(pid)?;
        let current = self.current();
        if current != FIRST && !self.may_write(self.input.holder()) {
            return Err(Error::NotPermitted);
        }
        // Point of no return.
        self.input.pass(current, number);
        self.resume_input();
        Ok(())
    }

    #[inline(never)]
    fn s_alloc(&mut self, pid: Pid, n: u32) -> Result<u32, Error> {
        let n = self.slices.choose(Some(n).filter(|&n| n != calls::ANY))?;
        let number = self.lookup_to_write(pid)?;
        let own = self.own_account();
        let answer = self.accounts.check_unit(own, Unit::Slice);
        self.unless_the_dead_pay(answer)?;
        // Point of no return.
        self.accounts.charge(own, Unit::Slice);
        self.slices.give(number, n, own);
        self.allocated(number, n);
        Ok(n as u32)
    }

    #[inline(never)]
    fn s_free(&mut self, n: u32) -> Result<(), Error> {
        let n = self.slice_to_change(n)?;
        let is_over = n == self.schedule.position && self.schedule.next.is_some();
        if self.slices.owes(n) || is_over {
            return Err(Error::Owing);
        }
        // Point of no return.
        let payer = self.slices.free(n);
        self.accounts.refund(payer, Unit::Slice);
        Ok(())
    }

    #[inline(never)]
    fn s_add(&mut self, pid: Pid, n: u32) -> Result<(), Error> {
        let n = self.slice_to_change(n)?;
        let number = self.lookup_to_write(pid)?;
        // Point of no return.
        self.slices.add(number, n);
        Ok(())
    }

    #[inline(never)]
    fn r#yield(&mut self, pid: Pid) -> Result<(), Error> {
        self.yield_to(pid)
    }

    #[inline(never)]
    fn donate(&mut self, pid: Pid) -> Result<(), Error> {
        self.donate_to(pid)
    }

    #[inline(never)]
    fn s_back(&mut self, n: u32) -> Result<(), Error> {
        self.take_back(n)
    }

    #[inline(never)]
    fn read_exposed_info(&mut self, into: UserPtr) -> Result<(), Error> {
        self.tell_exposed_info(into)
    }

    #[inline(never)]
    fn timer(&mut self, ticks: u32) -> Result<(), Error> {
        self.set_timer(ticks);
        Ok(())
    }

    #[inline(never)]
    fn getrate(&mut self) -> Result<u32, Error> {
        Ok(self.schedule.rate.unwrap_or(0))
    }

    #[inline(never)]
    fn gettick(&mut self) -> Result<u32, Error> {
        Ok(self.schedule.ticks)
    }

    #[inline(never)]
    fn cacheflush(&mut self, start: UserPtr, bytes: u32) -> Result<(), Error> {
        self.flush_caches(start, bytes)
    }

    #[inline(never)]
    fn memcpy(&mut self, to: u32, from: u32, frames: u32) -> Result<u32, Error> {
        self.copy_frames(to, from, frames)
    }

    #[inline(never)]
    fn memset(&mut self, frame: u32, offset: u32, byte: u32, bytes: u32) -> Result<u32, Error> {
        self.fill_frames(frame, offset, byte as u8, bytes)
    }

    #[inline(never)]
    fn fpu(&mut self, flag: u32) -> Result<(), Error> {
        self.switch_fpu(flag)
    }
}

impl<M: Machine> Kernel<M> {
    /// Checks the context at a pointer against the rights of the running environment, and makes a
    /// draft of it.
    fn check_context(&mut self, env: UserPtr) -> Result<(), Error> {
        if !env.get().is_multiple_of(align_of::<Env>() as u32) {
            return Err(Error::Misaligned);
        }
        let source = self.user_range(env, size_of::<Env>() as u32)?;
        let mut given = Env::new_zeroed();
        self.read_user(&source, given.as_mut_bytes());
        let current = self.current();
        self.draft.check(&self.frames, current, &given)
    }

    /// The number of an allocated slice that the running environment may change.
    fn slice_to_change(&self, n: u32) -> Result<usize, Error> {
        let (n, slice) = self.slices.check(n)?;
        let may = slice.access >> self.current() & 1 != 0 || self.may_write(slice.owner);
        if may { Ok(n) } else { Err(Error::NotPermitted) }
    }

    /// Takes the reference of environment `holder` to `number` away, and with the last one the
    /// environment.
    fn drop_reference(&mut self, holder: usize, number: usize) {
        self.take_reference(holder, number);
        let is_the_last = self.environments[number].record.references & !self.dying == 0;
        if is_the_last && self.is_alive(number) {
            self.destroy(number);
        }
        self.free_number(number);
    }

    /// The number of an environment that the running one has begun to destroy.
    fn destruction_under_way(&self, pid: Pid) -> Result<usize, Error> {
        if self.environment().destroying == Some(pid) {
            Ok(number_of_tag(pid.0))
        } else {
            Err(Error::NoSuchEnvironment)
        }
    }
}

/// The right that an argument names.
fn protection(prot: u32) -> Result<Right, Error> {
    match prot {
        calls::READ => Ok(Right::Read),
        calls::READ_WRITE => Ok(Right::Write),
        _ => Err(Error::BadProtection),
    }
}
