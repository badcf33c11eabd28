//! The calls: each checks everything, then acts.

use crate::Kernel;
use crate::dispatch::Calls;
use crate::environment::Context;
use crate::frame::{Owner, Right};
use crate::kernel::FIRST;
use crate::machine::Machine;
use aegis_abi::limits::{ENV_DATA_BYTES, ENVS};
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
        let context = self.given_context(env)?;
        // Point of no return.
        self.replace_context(self.current(), context);
        Ok(())
    }

    #[inline(never)]
    fn e_alloc(&mut self, n: u32, env: UserPtr) -> Result<Pid, Error> {
        let number = match n {
            calls::ANY => (FIRST + 1..ENVS).find(|&n| !self.is_alive(n)).ok_or(Error::NoEnvironment)?,
            n if n as usize >= ENVS => return Err(Error::NoSuchEnvironment),
            // The first environment has rights that nobody inherits.
            n if n as usize == FIRST || self.is_alive(n as usize) => return Err(Error::EnvironmentTaken),
            n => n as usize,
        };
        let context = self.given_context(env)?;
        // Point of no return.
        Ok(self.create(number, context, self.current()))
    }

    #[inline(never)]
    fn e_ref(&mut self, pid: Pid) -> Result<(), Error> {
        let number = self.lookup_to_write(pid)?;
        // Point of no return.
        self.environments[number].record.references |= 1 << self.current();
        Ok(())
    }

    #[inline(never)]
    fn e_unref(&mut self, pid: Pid) -> Result<(), Error> {
        let number = self.lookup(pid)?;
        let holder = 1 << self.current();
        let references = &mut self.environments[number].record.references;
        if *references & holder == 0 {
            return Err(Error::NotPermitted);
        }
        // Point of no return.
        *references &= !holder;
        if *references == 0 {
            self.end_environment(number);
        }
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
        let number = self.lookup_to_write(pid)?;
        // Point of no return.
        self.end_environment(number);
        Ok(())
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
        self.flush(self.current());
        Ok(())
    }

    #[inline(never)]
    fn p_alloc(&mut self, frame: u32) -> Result<u32, Error> {
        let n = self.choose_frame(Some(frame).filter(|&frame| frame != calls::ANY))?;
        // Point of no return.
        let current = self.current();
        if self.frames.give(current, n) {
            self.machine.zero(n);
        }
        self.served(current);
        Ok(n)
    }

    #[inline(never)]
    fn p_unref(&mut self, frame: u32) -> Result<(), Error> {
        let current = self.current();
        self.frames.check_holder(current, frame)?;
        // Point of no return.
        self.give_up(current, frame);
        Ok(())
    }

    #[inline(never)]
    fn p_add(&mut self, prot: u32, pid: Pid, frame: u32) -> Result<(), Error> {
        let right = match prot {
            0 => None,
            calls::READ => Some(Right::Read),
            calls::READ_WRITE => Some(Right::Write),
            _ => return Err(Error::BadProtection),
        };
        let current = self.current();
        self.frames.check_holder(current, frame)?;
        if self.frames.owner(frame) != Owner::Environment(current) {
            return Err(Error::NotPermitted);
        }
        let number = self.lookup(pid)?;
        if number == current {
            return Err(Error::BadProtection);
        }
        // Point of no return.
        match right {
            None => {
                self.leave(number, frame);
            }
            Some(right) => {
                if right == Right::Read && self.frames.has(number, frame, Right::Write) {
                    self.break_bindings(number, frame, Right::Write);
                    self.frames.protect(number, frame);
                }
                self.frames.add(number, frame, right);
            }
        }
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
        // Point of no return.
        self.slices.give(number, n);
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
        self.slices.free(n);
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
    /// The context at a pointer, checked against the rights of the running environment.
    fn given_context(&self, env: UserPtr) -> Result<Context, Error> {
        if !env.get().is_multiple_of(align_of::<Env>() as u32) {
            return Err(Error::Misaligned);
        }
        let source = self.user_range(env, size_of::<Env>() as u32)?;
        let mut given = Env::new_zeroed();
        self.read_user(&source, given.as_mut_bytes());
        Context::check(&self.frames, self.current(), &given)
    }

    /// The number of an allocated slice that the running environment may change.
    fn slice_to_change(&self, n: u32) -> Result<usize, Error> {
        let (n, slice) = self.slices.check(n)?;
        let may = slice.access >> self.current() & 1 != 0 || self.may_write(slice.owner);
        if may { Ok(n) } else { Err(Error::NotPermitted) }
    }

    /// Destroys an environment; where the running one is gone with it, another one runs.
    fn end_environment(&mut self, number: usize) {
        self.destroy(number);
        if !self.is_alive(self.current()) {
            self.reschedule();
        }
    }
}
