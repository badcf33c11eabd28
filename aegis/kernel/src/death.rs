//! The end of environments, in two parts.
//!
//! At once an environment that ends loses its name, its slices, timer and input, and is entered by
//! nothing any more, and so do those to which only it held references. It is then among the
//! *dying*. Its lines, frames and references go piece by piece: whoever destroys it, whoever needs
//! its number or its frames, or the idle machine works on that.
//!
//! When all is gone, its number can be given to another environment, unless somebody still holds a
//! reference to it. Numbers come again in the order in which they became free.

use crate::Kernel;
use crate::budget::Budget;
use crate::environment::Environment;
use crate::kernel::FIRST;
use crate::machine::Machine;
use crate::name::number_of_tag;
use crate::set;
use aegis_abi::exposed::Environment as Record;
use aegis_abi::limits::{ENV_DATA_BYTES, ENVS};
use aegis_abi::{Error, Pid, status};

/// Instructions that it takes to end an environment's references and context, about; to look
/// through a stretch of frames; and to take one of them.
const ENVIRONMENT_COST: usize = 3000;
const STRETCH_COST: usize = 1600;
const FRAME_COST: usize = 150;
/// Passes in which those are looked for that end with others: each takes 1,400 instructions.
const CHAIN_PASSES: usize = 4;

/// Numbers that can be given to environments, in the order in which they became free. That of the
/// first environment is not among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Numbers {
    queue: [u8; ENVS],
    count: usize,
    /// The same, a bit each.
    set: u64,
}

impl Numbers {
    /// All but that of the first environment.
    pub const fn new() -> Numbers {
        let mut queue = [0; ENVS];
        let mut count = 0;
        while count < ENVS - 1 {
            queue[count] = (FIRST + 1 + count) as u8;
            count += 1;
        }
        Numbers { queue, count, set: !(1 << FIRST) }
    }

    /// Is this number free?
    pub fn contains(&self, number: usize) -> bool {
        self.set >> number & 1 != 0
    }

    /// The number that has been free for the longest time.
    pub fn first(&self) -> Option<usize> {
        self.queue[..self.count].first().map(|&number| number.into())
    }

    /// Takes a number out.
    pub fn take(&mut self, number: usize) {
        if let Some(place) = self.queue[..self.count].iter().position(|&free| usize::from(free) == number) {
            self.queue.copy_within(place + 1..self.count, place);
            self.count -= 1;
            self.set &= !(1 << number);
        }
    }

    /// Puts a number in, which is not there.
    fn put(&mut self, number: usize) {
        self.queue[self.count] = number as u8;
        self.count += 1;
        self.set |= 1 << number;
    }
}

/// A set of environments that are gone, with those to which only such hold references.
fn with_fallen<'a>(gone: u64, all: impl Iterator<Item = (usize, &'a Environment)>) -> u64 {
    all.fold(gone, |gone, (number, environment)| {
        let record = &environment.record;
        let falls = record.pid != 0 && record.references & !gone == 0;
        gone | u64::from(falls) << number
    })
}

impl<M: Machine> Kernel<M> {
    /// The number that a new environment gets: `wanted`, or the first.
    pub(crate) fn choose_number(&mut self, wanted: Option<u32>) -> Result<usize, Error> {
        match wanted {
            // There is a number for each environment that an account allows.
            None => self.numbers.first().ok_or(Error::NoAllowance),
            Some(n) if n as usize >= ENVS => Err(Error::NoSuchEnvironment),
            Some(n) if self.numbers.contains(n as usize) => Ok(n as usize),
            Some(n) if self.is_dying(n as usize) => Err(self.bury_first(Some(n as usize))),
            // The first environment has rights that nobody inherits.
            Some(_) => Err(Error::EnvironmentTaken),
        }
    }

    /// Passes the answer of an account on. Where it does not allow something, but the dead may give
    /// something back to it, works on what is left of them.
    pub(crate) fn unless_the_dead_pay(&mut self, answer: Result<(), Error>) -> Result<(), Error> {
        if answer.is_ok() || self.dying == 0 {
            return answer;
        }
        Err(self.bury_first(None))
    }

    /// Takes from the dying what is left of them, from `first` at first, before a call can be
    /// answered: what it answers meanwhile.
    pub(crate) fn bury_first(&mut self, first: Option<usize>) -> Error {
        self.bury(first, &mut Budget::new());
        self.go_on_if_alive();
        Error::Again
    }

    /// Where the running environment is gone, another one runs.
    pub(crate) fn go_on_if_alive(&mut self) {
        if !self.is_alive(self.current()) {
            self.reschedule();
        }
    }

    /// Has the environment with this number ended, with something of it left?
    pub(crate) fn is_dying(&self, number: usize) -> bool {
        self.dying >> number & 1 != 0
    }

    /// Number of the environment that has or had this name, while that is not free.
    pub(crate) fn lookup_even_dead(&self, pid: Pid) -> Result<usize, Error> {
        let number = number_of_tag(pid.0);
        let record = &self.environments[number].record;
        let is_it = crate::name::pid::<M::Geometry>(number, record.generation) == pid;
        let is_kept = self.is_alive(number) || self.is_dying(number) || record.references != 0;
        if is_it && is_kept { Ok(number) } else { Err(Error::NoSuchEnvironment) }
    }

    /// Ends an environment, which lives, and those that live by references of its alone.
    pub(crate) fn destroy(&mut self, number: usize) {
        self.end_all(1 << number);
    }

    /// Ends the environments of a set, and those that live by references of theirs alone: all of
    /// these, unless they hang together in a long chain. The rest of that ends when those before it
    /// are buried.
    fn end_all(&mut self, ending: u64) {
        let mut gone = ending | self.dying;
        for pass in 0..CHAIN_PASSES {
            // To and fro, for chains of either direction.
            let all = self.environments.iter().enumerate();
            let more = if pass % 2 == 0 { with_fallen(gone, all) } else { with_fallen(gone, all.rev()) };
            if more == core::mem::replace(&mut gone, more) {
                break;
            }
        }
        let ended = gone & !self.dying;
        self.dying |= ended;
        for number in set::members(ended) {
            let environment = &mut self.environments[number];
            (environment.record.pid, environment.record.suspended, environment.timer) = (0, 0, None);
            self.machine.set_block(number, None);
        }
        self.forget(ended);
        self.revocation.forget(ended);
        self.input.forget(ended);
        self.resume_input();
        // Who has the number next is somebody else.
        self.fpu_user = self.fpu_user.filter(|&user| ended >> user & 1 == 0);
        if self.environments.iter().all(|environment| environment.pid().is_none()) {
            log::error!("no environment is left");
            self.power_off_with(status::NO_ENVIRONMENT);
        }
    }

    /// Takes from the dying what is left of them, from `first` at first, as far as the budget
    /// allows. Is nothing left of `first`, or, where it is `None`, of anybody?
    pub(crate) fn bury(&mut self, first: Option<usize>, budget: &mut Budget) -> bool {
        if let Some(number) = first.filter(|&first| self.is_dying(first))
            && !self.bury_part(number, budget)
        {
            return false;
        }
        while self.dying != 0 {
            if !self.bury_part(self.dying.trailing_zeros() as usize, budget) {
                return first.is_some();
            }
        }
        true
    }

    /// Takes from one of the dying what is left of it, as far as the budget allows. False where
    /// more is left.
    fn bury_part(&mut self, number: usize, budget: &mut Budget) -> bool {
        if budget.is_spent() {
            return false;
        }
        if self.undone >> number & 1 == 0 {
            self.undone |= 1 << number;
            budget.spend(ENVIRONMENT_COST);
            self.end_context(number);
            self.end_references(number);
        }
        if !self.flush(number, budget) {
            return false;
        }
        while let Some(stretch) = self.frames.first_stretch(number) {
            for n in stretch.clone() {
                if !self.frames.is_held(number, n) {
                    continue;
                }
                if budget.is_spent() || !self.end_grants(number, n, budget) {
                    return false;
                }
                // The share goes last, when nothing rests on what was granted.
                if !self.sweep_for(number, budget) {
                    return false;
                }
                budget.spend(FRAME_COST);
                self.frames.leave(number, n);
            }
            self.frames.leave_stretch(number, stretch.start);
            // Paid afterwards, so that the smallest budget gets on.
            budget.spend(STRETCH_COST);
            if budget.is_spent() {
                return false;
            }
        }
        self.leave_account(number);
        let Record { generation, references, paying, payer, .. } = self.environments[number].record;
        let record = Record { generation, references, paying, payer, ..Record::NONE };
        self.environments[number].record = record;
        self.environments[number].clear();
        self.sweeps.leave(number);
        self.machine.write_data(number, 0, &[0; ENV_DATA_BYTES]);
        self.dying &= !(1 << number);
        self.undone &= !(1 << number);
        self.free_number(number);
        true
    }

    /// Takes from environment `number` what its context binds.
    fn end_context(&mut self, number: usize) {
        let Kernel { environments, frames, .. } = self;
        let context = &mut environments[number].context;
        context.bound_frames().for_each(|frame| frames.unbind(frame));
        context.clear();
    }

    /// Takes environment `number` from all lists of writers and of references.
    fn end_references(&mut self, number: usize) {
        let mut orphans = 0;
        for other in 0..ENVS {
            let record = &mut self.environments[other].record;
            record.writers &= !(1 << number);
            if record.references >> number & 1 != 0 {
                self.take_reference(number, other);
                self.free_number(other);
                let is_orphan = self.environments[other].record.references & !self.dying == 0;
                orphans |= u64::from(is_orphan && self.is_alive(other)) << other;
            }
        }
        if orphans != 0 {
            self.end_all(orphans);
        }
    }

    /// Frees a number, unless its environment lives or is dying, or somebody holds a reference.
    pub(crate) fn free_number(&mut self, number: usize) {
        let is_free = !self.is_alive(number) && !self.is_dying(number);
        let was_given = self.environments[number].record.generation != 0 && number != FIRST;
        if is_free {
            self.refund_number(number);
        }
        if is_free && was_given && self.environments[number].record.references == 0 && !self.numbers.contains(number) {
            self.numbers.put(number);
        }
    }
}
