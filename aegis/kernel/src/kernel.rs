//! The kernel's state, and what happens on a call, a miss, and an exception that nobody handles.

#[cfg(feature = "checked")]
use crate::checked::Checking;
use crate::dispatch::dispatch;
use crate::environment::{Context, Environment};
use crate::exposed::Paged;
use crate::focus::Focus;
use crate::frame::{Frames, Owner, Right};
use crate::interrupt::{Due, Producer};
use crate::machine::{Machine, Refill};
use crate::name::{asid, number_of_tag};
use crate::revocation::Revocation;
use crate::schedule::Schedule;
use crate::slice::Slices;
use aegis_abi::exposed::Environment as Record;
use aegis_abi::limits::{ENV_DATA_BYTES, ENVS, GUARANTEED_MAPPINGS, PAGE_SHIFT};
use aegis_abi::{Error, Lo, Pid, status};
use stlb::Geometry;

/// The exception code of a TLB miss on a load or a fetch.
const TLB_LOAD: usize = 2;

/// Number of the first environment: it alone may power the machine off.
pub const FIRST: usize = 0;

/// All that the kernel knows. The small fields come first, where an instruction's offset reaches them, and then the frames, for the
/// shortest calls.
#[repr(C)]
pub struct Kernel<M> {
    pub(crate) machine: M,
    pub(crate) schedule: Schedule,
    pub(crate) revocation: Revocation,
    /// The environment that has the console's input.
    pub(crate) input: Focus,
    /// The console's input waits in the device, which does not interrupt: there is no room for it.
    pub(crate) input_waits: bool,
    /// Why the running environment is to be called up when the interrupt that is being answered has been.
    pub(crate) due: Option<Due>,
    /// The environment whose registers are in the floating-point unit.
    pub(crate) fpu_user: Option<usize>,
    #[cfg(feature = "checked")]
    pub(crate) checking: Checking,
    pub(crate) slices: Slices,
    pub(crate) frames: Frames,
    pub(crate) environments: Paged<[Environment; ENVS]>,
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
            schedule: Schedule::new(),
            revocation: Revocation::new(),
            input: Focus::new(),
            input_waits: false,
            due: None,
            fpu_user: None,
            #[cfg(feature = "checked")]
            checking: Checking::NEW,
            environments: Paged([const { Environment::NONE }; ENVS]),
            slices: Slices::new(),
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
    /// A hit in the STLB is possible here, after a reference to the invalid half of a live entry. An environment whose handler for misses
    /// is missing itself is destroyed: then this does not return on hardware.
    pub fn miss(&mut self, address: u32) -> Miss {
        let context = self.context_register(address);
        let half = M::Geometry::half(address);
        let stlb = self.machine.stlb();
        if let Some(line) = stlb.probe(context).filter(|line| line.lo[half].v()) {
            if stlb.is_in_overflow(context) {
                self.machine.count(Refill::Overflow);
            }
            let registers = line.lo.map(M::Geometry::entry_lo);
            self.machine.tlb_write(asid::<M::Geometry>(self.current()), context, registers);
            return Miss::Refilled;
        }
        match self.environment().context.guaranteed(address >> PAGE_SHIFT) {
            Some(lo) => {
                self.bind_guaranteed(context, half, lo);
                self.machine.count(Refill::Guaranteed);
                Miss::Refilled
            }
            None => {
                // Its handler misses itself: that would go on for ever, and GXemul would find no moment for an interrupt in it.
                if address != 0 && address == self.environment().context.xh[TLB_LOAD] {
                    self.unhandled(TLB_LOAD as u32, address, address);
                }
                Miss::Upcall
            }
        }
    }

    /// Where the running environment, which was interrupted at `pc`, goes on.
    #[inline]
    pub fn restart(&self, pc: u32) -> u32 {
        self.environment().context.windows.restart(pc)
    }

    /// Destroys the running environment, which met an exception that it cannot handle. Does not return on hardware.
    pub fn unhandled(&mut self, exception: u32, pc: u32, address: u32) {
        let number = self.current();
        log::error!(
            "environment {number} destroyed: no handler or no save area for exception {exception} at pc {pc:#010x}, \
             BadVAddr {address:#010x}"
        );
        self.destroy(number);
        self.reschedule();
    }

    /// Lets the first environment run. Does not return on hardware.
    pub fn begin(&mut self) {
        self.reschedule();
    }

    /// Stops the machine.
    pub(crate) fn power_off_with(&mut self, status: u8) {
        #[cfg(feature = "checked")]
        self.check_or_panic();
        self.machine.power_off(status);
    }

    /// Number of the environment that runs.
    pub(crate) fn current(&self) -> usize {
        self.machine.current()
    }

    /// The environment that runs.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environments[self.current()]
    }

    /// Does the environment with this number live?
    pub(crate) fn is_alive(&self, number: usize) -> bool {
        self.environments[number].pid().is_some()
    }

    /// Number of the environment of this name.
    pub(crate) fn lookup(&self, pid: Pid) -> Result<usize, Error> {
        let number = number_of_tag(pid.0);
        if self.environments[number].pid() == Some(pid) { Ok(number) } else { Err(Error::NoSuchEnvironment) }
    }

    /// May the running environment change environment `number`?
    pub(crate) fn may_write(&self, number: usize) -> bool {
        let current = self.current();
        number == current || self.environments[number].record.writers >> current & 1 != 0
    }

    /// Number of the environment of this name, which the running one may change.
    pub(crate) fn lookup_to_write(&self, pid: Pid) -> Result<usize, Error> {
        let number = self.lookup(pid)?;
        if self.may_write(number) { Ok(number) } else { Err(Error::NotPermitted) }
    }

    /// The process tag of environment `number`, in the place that it has in Context.
    pub(crate) fn tag(&self, number: usize) -> u32 {
        self.environments[number].pid().map_or(0, |pid| pid.0) & M::Geometry::TAG_MASK
    }

    /// The Context register of a reference to `address` by the running environment.
    pub(crate) fn context_register(&self, address: u32) -> u32 {
        M::Geometry::context(self.tag(self.current()), address)
    }

    /// Brings an environment to life under a checked context, with the rights that this needs. Its number must be free. `creator`
    /// may change it, and holds the reference.
    pub(crate) fn create(&mut self, number: usize, context: Context, creator: usize) -> Pid {
        for (frame, right) in context.bound() {
            self.frames.add(number, frame, right);
        }
        let generation = self.environments[number].record.generation.wrapping_add(1);
        let pid = crate::name::pid::<M::Geometry>(number, generation);
        let set = 1 << creator;
        let record = Record { pid: pid.0, generation, writers: set, references: set, ..Record::NONE };
        self.environments[number] = Environment { record, ..Environment::NONE };
        self.replace_context(number, context);
        pid
    }

    /// Ends an environment: it loses every binding, right, slice and reference. Those to which nobody else holds one end with it.
    pub(crate) fn destroy(&mut self, number: usize) {
        let mut doomed = 1u64 << number;
        while doomed != 0 {
            let number = doomed.trailing_zeros() as usize;
            doomed &= !(1 << number);
            self.end(number);
            for (other, environment) in self.environments.iter_mut().enumerate().filter(|(_, e)| e.pid().is_some()) {
                environment.record.writers &= !(1 << number);
                environment.record.references &= !(1 << number);
                if environment.record.references == 0 {
                    doomed |= 1 << other;
                }
            }
        }
        if self.environments.iter().all(|environment| environment.pid().is_none()) {
            log::error!("no environment is left");
            self.power_off_with(status::NO_ENVIRONMENT);
        }
    }

    /// Takes everything from one environment.
    fn end(&mut self, number: usize) {
        self.flush(number);
        self.replace_context(number, Context::EMPTY);
        for frame in 0..self.frames.total() {
            if self.frames.held(number) == 0 {
                break;
            }
            // No binding of its own is left to be broken.
            let has = self.frames.owner(frame) != Owner::Kernel && self.frames.has(number, frame, Right::Read);
            if has && self.frames.leave(number, frame) {
                self.machine.zero(frame);
            }
        }
        let generation = self.environments[number].record.generation;
        self.environments[number] = Environment { record: Record { generation, ..Record::NONE }, ..Environment::NONE };
        self.machine.set_block(number, None);
        self.machine.write_data(number, 0, &[0; ENV_DATA_BYTES]);
        self.forget(number);
        self.revocation.forget(number);
        self.input.forget(number);
        self.resume_input();
        // Who has the number next is somebody else.
        self.fpu_user = self.fpu_user.filter(|&user| user != number);
    }

    /// Gives environment `number` a new, checked context.
    pub(crate) fn replace_context(&mut self, number: usize, context: Context) {
        // First the new bindings, then the old: a frame that both name never looks unused.
        for frame in context.bound_frames() {
            self.frames.bind(frame);
        }
        let old = core::mem::replace(&mut self.environments[number].context, context);
        for frame in old.bound_frames() {
            self.frames.unbind(frame);
        }
        let Environment { context: new, producer, repossessed, unrecorded, .. } = &mut self.environments[number];
        if new.queue != old.queue {
            // Into a new queue nothing was put.
            *producer = Producer::NEW;
        }
        if new.vector != old.vector {
            (*repossessed, *unrecorded) = (0, 0);
        }
        // What was cached for a page, on an old guarantee or before a new one, no longer holds. Guarantees are refilled.
        let pages: heapless::Vec<u32, { 2 * GUARANTEED_MAPPINGS }> =
            old.guaranteed_pages().chain(new.guaranteed_pages()).collect();
        for page in pages {
            self.edit_range(number, page..page + 1, |_, _| Lo::INVALID);
        }
        self.set_block(number);
    }

    pub(crate) fn set_block(&self, number: usize) {
        self.machine.set_block(number, self.environments[number].block().as_ref());
    }

    /// Takes frame `n` from environment `number`, with every binding that rests on it. Is it free now?
    #[inline(never)]
    pub(crate) fn leave(&mut self, number: usize, n: u32) -> bool {
        if self.frames.bindings(n) > 0 {
            self.break_bindings(number, n, Right::Read);
        }
        let free = self.frames.leave(number, n);
        if free {
            self.machine.zero(n);
        }
        free
    }

    /// Breaks every binding of environment `number` that names frame `n` and rests on `right`, or on any if that is to read.
    pub(crate) fn break_bindings(&mut self, number: usize, n: u32, right: Right) {
        let breaks = |lo: Lo| lo.pfn() == n && (right == Right::Read || lo.w());
        self.edit_all(number, |_, _, lo| if lo.v() && breaks(lo) { Lo::INVALID } else { lo });
        let context = &mut self.environments[number].context;
        let mut broken = 0;
        context.guaranteed.retain(|mapping| {
            let keep = !breaks(mapping.lo);
            broken += u32::from(!keep);
            keep
        });
        for place in context.places() {
            broken += u32::from(place.take_if(|address| *address >> PAGE_SHIFT == n).is_some());
        }
        for _ in 0..broken {
            self.frames.unbind(n);
        }
        self.set_block(number);
    }
}
