//! The kernel's state, and what happens on a call, a miss, and an exception that nobody handles.

use crate::dispatch::{Calls, dispatch};
use crate::environment::{Context, Environment};
use crate::frame::{Frames, Right};
use crate::machine::{Machine, Refill};
use crate::name::asid;
use aegis_abi::limits::{ENVS, GUARANTEED_MAPPINGS, PAGE_SHIFT};
use aegis_abi::{Env, Error, Lo, Pid, UserPtr, UserVa, calls, status};
use stlb::Geometry;
use zerocopy::{FromZeros, IntoBytes};

/// Number of the first environment: it alone may power the machine off.
pub const FIRST: usize = 0;

/// All that the kernel knows. The small fields come first, where an instruction's offset reaches them.
#[repr(C)]
pub struct Kernel<M> {
    pub(crate) machine: M,
    /// Number of the environment that runs.
    pub(crate) current: usize,
    #[cfg(feature = "checked")]
    calls: u32,
    pub(crate) environments: [Environment; ENVS],
    pub(crate) frames: Frames,
}

/// How a TLB miss ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Miss {
    /// The hardware TLB has been refilled: repeat the access.
    Refilled,
    /// The application must handle it.
    Upcall,
}

impl<M: Machine> Kernel<M> {
    /// A kernel without memory and environments.
    pub const fn new(machine: M) -> Kernel<M> {
        Kernel {
            machine,
            current: FIRST,
            #[cfg(feature = "checked")]
            calls: 0,
            environments: [const { Environment::NONE }; ENVS],
            frames: Frames::new(),
        }
    }

    /// Answers a system call of the running environment.
    ///
    /// # Errors
    /// As the call's entry in `aegis_abi::for_each_call` says. A failed call has changed nothing.
    pub fn call(&mut self, number: u32, arguments: [u32; 4]) -> Result<u32, Error> {
        #[cfg(feature = "checked")]
        self.check_now_and_then();
        dispatch(self, number, arguments)
    }

    /// Answers a TLB miss of the running environment at `address` that the refill sequence could not answer: STLB,
    /// overflow buffer, guaranteed mapping, application, in this order (thesis 3.1.1).
    ///
    /// A hit in the STLB is possible here, after a reference to the invalid half of a live entry.
    pub fn miss(&mut self, address: u32) -> Miss {
        let context = self.context_register(address);
        let half = M::Geometry::half(address);
        let stlb = self.machine.stlb();
        if let Some(line) = stlb.probe(context).filter(|line| line.lo[half].v()) {
            if stlb.is_in_overflow(context) {
                self.machine.count(Refill::Overflow);
            }
            let registers = line.lo.map(M::Geometry::entry_lo);
            self.machine.tlb_write(asid::<M::Geometry>(self.current), context, registers);
            return Miss::Refilled;
        }
        match self.environment().context.guaranteed(address >> PAGE_SHIFT) {
            Some(lo) => {
                self.bind(context, half, lo);
                self.machine.count(Refill::Guaranteed);
                Miss::Refilled
            }
            None => Miss::Upcall,
        }
    }

    /// Destroys the running environment, which met an exception that it cannot handle.
    pub fn unhandled(&mut self, exception: u32, pc: u32, address: u32) {
        let number = self.current;
        log::error!(
            "environment {number} destroyed: no handler or no save area for exception {exception} at pc {pc:#010x}, \
             BadVAddr {address:#010x}"
        );
        self.destroy(number);
        // With slices and more environments, another one would run now.
        log::error!("no environment is left");
        self.machine.power_off(status::NO_ENVIRONMENT);
    }

    /// The environment that runs.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environments[self.current]
    }

    /// The process tag of environment `number`, in the place that it has in Context.
    pub(crate) fn tag(&self, number: usize) -> u32 {
        self.environments[number].pid.map_or(0, |pid| pid.0) & M::Geometry::TAG_MASK
    }

    /// The Context register of a reference to `address` by the running environment.
    pub(crate) fn context_register(&self, address: u32) -> u32 {
        M::Geometry::context(self.tag(self.current), address)
    }

    /// Brings an environment to life under a checked context. Its number must be free.
    pub(crate) fn create(&mut self, number: usize, context: Context) -> Pid {
        let environment = &mut self.environments[number];
        environment.generation += 1;
        let pid = crate::name::pid::<M::Geometry>(number, environment.generation);
        environment.pid = Some(pid);
        self.replace_context(number, context);
        pid
    }

    /// Ends an environment: it loses every binding and every right.
    fn destroy(&mut self, number: usize) {
        self.flush(number);
        self.replace_context(number, Context::EMPTY);
        for frame in 0..self.frames.total() {
            // No binding of its own is left to be broken.
            if self.frames.has(number, frame, Right::Read) && self.frames.leave(number, frame) {
                self.machine.zero(frame);
            }
        }
        self.environments[number].pid = None;
        self.machine.set_block(number, None);
    }

    /// Gives environment `number` a new, checked context.
    fn replace_context(&mut self, number: usize, context: Context) {
        // First the new bindings, then the old: a frame that both name never looks unused.
        for frame in context.bound_frames() {
            self.frames.bind(frame);
        }
        let old = core::mem::replace(&mut self.environments[number].context, context);
        for frame in old.bound_frames() {
            self.frames.unbind(frame);
        }
        // What was cached for a page, on an old guarantee or before a new one, no longer holds. Guarantees are refilled.
        let new = &self.environments[number].context;
        let pages: heapless::Vec<u32, { 2 * GUARANTEED_MAPPINGS }> =
            old.guaranteed_pages().chain(new.guaranteed_pages()).collect();
        for page in pages {
            self.edit_range(number, page..page + 1, |_, _| Lo::INVALID);
        }
        self.set_block(number);
    }

    fn set_block(&self, number: usize) {
        self.machine.set_block(number, self.environments[number].block().as_ref());
    }

    /// Takes frame `n` from environment `number`, with every binding that rests on it.
    #[inline(never)]
    fn leave(&mut self, number: usize, n: u32) {
        if self.frames.bindings(n) > 0 {
            self.break_bindings(number, n);
        }
        if self.frames.leave(number, n) {
            self.machine.zero(n);
        }
    }

    /// Breaks every binding of environment `number` that names frame `n`.
    fn break_bindings(&mut self, number: usize, n: u32) {
        self.edit_all(number, |_, _, lo| if lo.v() && lo.pfn() == n { Lo::INVALID } else { lo });
        let context = &mut self.environments[number].context;
        let mut broken = 0;
        context.guaranteed.retain(|mapping| {
            let keep = mapping.lo.pfn() != n;
            broken += u32::from(!keep);
            keep
        });
        for save_area in [&mut context.tlbx, &mut context.genx] {
            if save_area.take_if(|address| *address >> PAGE_SHIFT == n).is_some() {
                broken += 1;
            }
        }
        for _ in 0..broken {
            self.frames.unbind(n);
        }
        self.set_block(number);
    }
}

// Not inlined: otherwise the short calls would pay for the stack frame of the long ones.
impl<M: Machine> Calls for Kernel<M> {
    #[inline(never)]
    fn pid(&mut self) -> Result<Pid, Error> {
        // Answered in assembly on hardware; the host tests come here.
        self.environment().pid.ok_or(Error::NotPermitted)
    }

    #[inline(never)]
    fn e_set(&mut self, env: UserPtr) -> Result<(), Error> {
        if !env.get().is_multiple_of(align_of::<Env>() as u32) {
            return Err(Error::Misaligned);
        }
        let source = self.user_range(env, size_of::<Env>() as u32)?;
        let mut given = Env::new_zeroed();
        self.read_user(&source, given.as_mut_bytes());
        let context = Context::check(&self.frames, self.current, &given)?;
        // Point of no return.
        self.replace_context(self.current, context);
        Ok(())
    }

    #[inline(never)]
    fn tlbwr(&mut self, va: UserVa, lo: Lo) -> Result<(), Error> {
        self.write_binding(va, lo)
    }

    #[inline(never)]
    fn tlbrprotn(&mut self, va: UserVa, pages: u32) -> Result<(), Error> {
        self.read_protect(va, pages)
    }

    #[inline(never)]
    fn unprotn(&mut self, va: UserVa, pages: u32) -> Result<(), Error> {
        self.unprotect(va, pages)
    }

    #[inline(never)]
    fn tlbdeleten(&mut self, va: UserVa, pages: u32) -> Result<(), Error> {
        self.delete(va, pages)
    }

    #[inline(never)]
    fn tlbflush(&mut self) -> Result<(), Error> {
        self.flush(self.current);
        Ok(())
    }

    #[inline(never)]
    fn p_alloc(&mut self, frame: u32) -> Result<u32, Error> {
        let n = self.frames.choose(Some(frame).filter(|&frame| frame != calls::ANY_FRAME))?;
        // Point of no return.
        if self.frames.give(self.current, n) {
            self.machine.zero(n);
        }
        Ok(n)
    }

    #[inline(never)]
    fn p_unref(&mut self, frame: u32) -> Result<(), Error> {
        self.frames.check_holder(self.current, frame)?;
        // Point of no return.
        self.leave(self.current, frame);
        Ok(())
    }

    #[inline(never)]
    fn console_write(&mut self, text: UserPtr, bytes: u32) -> Result<(), Error> {
        let source = self.user_range(text, bytes)?;
        self.write_to_console(&source);
        Ok(())
    }

    #[inline(never)]
    fn power_off(&mut self, status: u32) -> Result<(), Error> {
        if self.current != FIRST {
            return Err(Error::NotPermitted);
        }
        #[cfg(feature = "checked")]
        self.check_or_panic();
        self.machine.power_off(status as u8);
        Ok(())
    }
}

#[cfg(feature = "checked")]
impl<M: Machine> Kernel<M> {
    /// Calls between two checks of all invariants.
    const CHECK_INTERVAL: u32 = 1024;

    fn check_now_and_then(&mut self) {
        self.calls = self.calls.wrapping_add(1);
        if self.calls.is_multiple_of(Self::CHECK_INTERVAL) {
            self.check_or_panic();
        }
    }

    fn check_or_panic(&self) {
        if let Err(inconsistency) = self.check() {
            panic!("the kernel's tables are inconsistent: {inconsistency}");
        }
    }
}
