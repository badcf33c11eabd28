//! The kernel's state, and what happens on a call, a miss, and an exception that nobody handles.

use crate::account::Accounts;
use crate::budget::Budget;
#[cfg(feature = "checked")]
use crate::checked::Checking;
use crate::death::Numbers;
use crate::dispatch::dispatch;
use crate::environment::{Context, Environment};
use crate::exposed::Paged;
use crate::focus::Focus;
use crate::frame::{Frames, Owner, Right};
use crate::interrupt::{Due, Producer};
use crate::machine::{Machine, Refill};
use crate::marks::Marks;
use crate::name::{asid, number_of_tag};
use crate::revocation::Revocation;
use crate::schedule::Schedule;
use crate::slice::Slices;
use crate::withdrawal::{LINE_MARKS, Sweeps};
use aegis_abi::exposed::Environment as Record;
use aegis_abi::limits::{ENVS, GUARANTEED_MAPPINGS, PAGE_SHIFT};
use aegis_abi::{Error, Lo, Pid};
use stlb::Geometry;

/// The exception code of a TLB miss on a load or a fetch.
const TLB_LOAD: usize = 2;

/// Instructions that it takes to delete a page that is cached, about.
const PAGE_COST: usize = 250;

/// Number of the first environment: it alone may power the machine off.
pub const FIRST: usize = 0;

/// All that the kernel knows. The small fields come first, where an instruction's offset reaches
/// them, and then the frames, for the shortest calls.
#[repr(C)]
pub struct Kernel<M> {
    pub(crate) machine: M,
    pub(crate) schedule: Schedule,
    pub(crate) revocation: Revocation,
    /// The environment that has the console's input.
    pub(crate) input: Focus,
    /// The console's input waits in the device, which does not interrupt: there is no room for it.
    pub(crate) input_waits: bool,
    /// Why the running environment is to be called up when the interrupt that is being answered has
    /// been.
    pub(crate) due: Option<Due>,
    /// The environment whose registers are in the floating-point unit.
    pub(crate) fpu_user: Option<usize>,
    /// The environments that have ended, and of which something is left, a bit each.
    pub(crate) dying: u64,
    /// Those of them whose context and references have ended, a bit each.
    pub(crate) undone: u64,
    /// The numbers that are free.
    pub(crate) numbers: Numbers,
    /// The sweeps of lines that are due.
    pub(crate) sweeps: Sweeps,
    /// Where in the software TLB each environment may have lines.
    pub(crate) lines: Marks<LINE_MARKS>,
    #[cfg(feature = "checked")]
    pub(crate) checking: Checking,
    /// The context that has been checked last. It is large, and so is made here.
    pub(crate) draft: Context,
    pub(crate) slices: Slices,
    pub(crate) accounts: Accounts,
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
            dying: 0,
            undone: 0,
            numbers: Numbers::new(),
            sweeps: Sweeps::NONE,
            lines: Marks::NONE,
            #[cfg(feature = "checked")]
            checking: Checking::NEW,
            environments: Paged([const { Environment::NONE }; ENVS]),
            draft: Context::EMPTY,
            slices: Slices::new(),
            accounts: Accounts::new(),
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

    /// Answers a TLB miss of the running environment at `address` that the refill sequence could
    /// not answer: STLB, overflow buffer, guaranteed mapping, application, in this order (thesis
    /// 3.1.1).
    ///
    /// A hit in the STLB is possible here, after a reference to the invalid half of a live entry.
    /// An environment whose handler for misses is missing itself is destroyed: then this does not
    /// return on hardware.
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
                // Its handler misses itself: that would go on for ever, and GXemul would find no
                // moment for an interrupt in it.
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

    /// Destroys the running environment, which met an exception that it cannot handle. Does not
    /// return on hardware.
    pub fn unhandled(&mut self, exception: u32, pc: u32, address: u32) {
        let number = self.current();
        log::error!(
            "environment {number} destroyed: no handler or no save area for exception {exception} at pc {pc:#010x}, \
             BadVAddr {address:#010x}"
        );
        // Others bury it: the line on the console has taken its time.
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

    /// The process tag of environment `number`, also of a dying one, in the place that it has in
    /// Context.
    pub(crate) fn tag(&self, number: usize) -> u32 {
        let Record { pid, generation, .. } = self.environments[number].record;
        let pid = if pid != 0 { Pid(pid) } else { crate::name::pid::<M::Geometry>(number, generation) };
        pid.0 & M::Geometry::TAG_MASK
    }

    /// The Context register of a reference to `address` by the running environment.
    pub(crate) fn context_register(&self, address: u32) -> u32 {
        M::Geometry::context(self.environment().tag::<M::Geometry>(), address)
    }

    /// Brings an environment to life under the context that has been checked last, with a share of
    /// each frame that this names. Its number must be free. `creator` may change it, and holds the
    /// reference. It draws on `account`, where it is a member, and its number is charged to
    /// `payer`.
    pub(crate) fn create(&mut self, number: usize, creator: usize, [account, payer]: [u8; 2]) -> Pid {
        let Kernel { draft, frames, environments, .. } = self;
        for (frame, right) in draft.named() {
            if frames.owner(frame) == Owner::Kernel {
                continue;
            }
            // One that is named twice needs the greater right.
            let right = if frames.has(number, frame, Right::Write) { Right::Write } else { right };
            frames.share(number, frame, right);
        }
        draft.bound_frames().for_each(|frame| frames.bind(frame));
        let environment = &mut environments[number];
        let generation = environment.record.generation.wrapping_add(1);
        let pid = crate::name::pid::<M::Geometry>(number, generation);
        let set = 1 << creator;
        environment.record =
            Record { pid: pid.0, generation, writers: set, references: set, account, payer, ..Record::NONE };
        environment.context.clone_from(draft);
        self.numbers.take(number);
        self.set_block(number);
        pid
    }

    /// Gives environment `number` the context that has been checked last.
    pub(crate) fn replace_context(&mut self, number: usize) {
        let Kernel { draft: new, frames, environments, .. } = self;
        let Environment { context: old, producer, repossessed, unrecorded, .. } = &mut environments[number];
        // First the new bindings, then the old: a frame that both name never looks unused.
        new.bound_frames().for_each(|frame| frames.bind(frame));
        old.bound_frames().for_each(|frame| frames.unbind(frame));
        if new.queue != old.queue {
            // Into a new queue nothing was put.
            *producer = Producer::NEW;
        }
        if new.vector != old.vector {
            (*repossessed, *unrecorded) = (0, 0);
        }
        old.clone_from(new);
        self.set_block(number);
    }

    /// Deletes what environment `number` has cached for the pages that its context guarantees, and
    /// the one that has been checked last. (What was cached on an old guarantee, or before a new
    /// one, would no longer hold. Guarantees are refilled.)
    ///
    /// # Errors
    /// `Again`, where the budget does not suffice.
    pub(crate) fn delete_guaranteed(&mut self, number: usize, budget: &mut Budget) -> Result<(), Error> {
        let old = &self.environments[number].context;
        let pages: heapless::Vec<u32, { 2 * GUARANTEED_MAPPINGS }> =
            old.guaranteed_pages().chain(self.draft.guaranteed_pages()).collect();
        for page in pages {
            let mut deleted = 0;
            // Both pages of an entry at once: of two that are guaranteed one is not cached alone.
            let first = page - page % M::Geometry::PAGES as u32;
            self.edit_range(number, first..first + M::Geometry::PAGES as u32, |_, _| {
                deleted += 1;
                Lo::INVALID
            });
            budget.spend(deleted * PAGE_COST);
            if budget.is_spent() {
                return Err(Error::Again);
            }
        }
        Ok(())
    }

    pub(crate) fn set_block(&self, number: usize) {
        self.machine.set_block(number, self.environments[number].block().as_ref());
    }
}
