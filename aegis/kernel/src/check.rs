//! The checker of the kernel's invariants. Compiled into the kernel with the feature `checked`; the host tests always have
//! it.

use crate::Kernel;
use crate::environment::{Accepted, Context, Environment};
use crate::frame::{Owner, Right};
use crate::interrupt::Producer;
use crate::kernel::FIRST;
use crate::machine::{Live, Machine};
use crate::name::number_of_tag;
use crate::set;
use crate::slice::Slice;
use crate::withdrawal::stretch;
use aegis_abi::Lo;
use aegis_abi::exposed::{Account, Environment as Record};
use aegis_abi::limits::{ACCOUNTS, ENVS, PAGE_SHIFT, SLICES};
use core::fmt;
use stlb::{Edit, Geometry, Line, SLOTS};

/// What does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inconsistency {
    /// A line of the STLB belongs to no living environment.
    OrphanLine {
        /// Its tag word.
        context: u32,
    },
    /// A line stands in a stretch that is not marked for its environment.
    NoMark {
        /// Its tag word.
        context: u32,
    },
    /// A binding names a frame to which its environment has no right.
    NoRight {
        /// The environment.
        environment: usize,
        /// The mapping.
        lo: Lo,
    },
    /// Of two guaranteed pages that share an entry, the STLB holds one.
    Half {
        /// The tag word of the line.
        context: u32,
    },
    /// A frame's count of bindings is wrong.
    Count {
        /// The frame.
        frame: u32,
        /// What the frame's record says.
        recorded: u16,
        /// What there is.
        found: u16,
    },
    /// A frame's owner has no right to it, a writer may not read it, or a free frame has a holder or a binding.
    Holders {
        /// The frame.
        frame: u32,
    },
    /// The free list does not hold just the free frames.
    FreeList,
    /// An environment lives without a reference or is dead with something left, names a dead one, owes too much, or
    /// does not have as many frames as its record says.
    Environment {
        /// Its number.
        number: usize,
    },
    /// An account has other members than its record says, or was cut out of none; or what all have and what is charged to
    /// them is not all there is.
    Account {
        /// Its number; beyond the last: none in particular.
        account: usize,
    },
    /// An allocated slice names a dead environment, or its owner is not on its list.
    Slice {
        /// Its number.
        slice: usize,
    },
    /// Who has the input, the current slice or the floating-point unit, was told of the end of the slice, or asked for frames, is dead; or
    /// the timers that are armed are not those noted.
    Schedule,
    /// A live entry of the hardware TLB is not what the STLB has for its pair.
    Live {
        /// The entry's place.
        index: u32,
    },
}

impl fmt::Display for Inconsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl<M: Machine> Kernel<M> {
    /// Checks every invariant.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), Inconsistency> {
        self.check_rights()?;
        self.check_frames()?;
        self.check_environments()?;
        self.check_accounts()?;
        self.check_schedule()?;
        self.check_live()
    }

    fn check_rights(&self) -> Result<(), Inconsistency> {
        let mut result = Ok(());
        self.machine.stlb().scan(0, 0, |line| {
            result = result.and(self.check_line(&line));
            Edit::Keep
        });
        self.machine.stlb().scan_slots(0..SLOTS, 0, 0, |line| {
            let stretch = stretch::<M::Geometry>(line.context);
            if !self.lines.is_marked(number_of_tag(line.context), stretch) {
                result = result.and(Err(Inconsistency::NoMark { context: line.context }));
            }
            Edit::Keep
        });
        result?;
        for (number, environment) in self.environments.iter().enumerate() {
            for mapping in &environment.context.guaranteed {
                self.check_right(number, mapping.lo)?;
            }
        }
        Ok(())
    }

    fn check_line(&self, line: &Line) -> Result<(), Inconsistency> {
        let environment = number_of_tag(line.context);
        let is_somebodys = self.is_alive(environment) || self.is_dying(environment);
        if !is_somebodys || line.context & M::Geometry::TAG_MASK != self.tag(environment) {
            return Err(Inconsistency::OrphanLine { context: line.context });
        }
        if self.sweeps.is_due(environment) || self.is_dying(environment) {
            return Ok(());
        }
        line.lo.iter().try_for_each(|&lo| self.check_right(environment, lo))?;
        self.check_guaranteed(environment, line)
    }

    fn check_right(&self, environment: usize, lo: Lo) -> Result<(), Inconsistency> {
        let has = |right| self.frames.has(environment, lo.pfn(), right);
        let needed = if lo.w() || lo.d() { Right::Write } else { Right::Read };
        let allowed = !lo.v() || (has(needed) && !lo.g());
        if allowed { Ok(()) } else { Err(Inconsistency::NoRight { environment, lo }) }
    }

    /// Of the guaranteed pages of a line, all are there, or none.
    fn check_guaranteed(&self, environment: usize, line: &Line) -> Result<(), Inconsistency> {
        let first = M::Geometry::va(line.context) >> PAGE_SHIFT;
        let context = &self.environments[environment].context;
        let mut guaranteed = (0..M::Geometry::PAGES).filter(|&half| context.guaranteed(first + half as u32).is_some());
        let one = guaranteed.next();
        let whole = guaranteed.all(|half| one.is_none_or(|one| line.lo[one].v() == line.lo[half].v()));
        if whole { Ok(()) } else { Err(Inconsistency::Half { context: line.context }) }
    }

    fn check_frames(&self) -> Result<(), Inconsistency> {
        let frames = &self.frames;
        for frame in 0..frames.total() {
            let (sharers, writers) = (frames.sharers(frame), frames.writers(frame));
            let consistent = match frames.owner(frame) {
                Owner::Nobody => frames.holders(frame) == 0,
                Owner::Kernel => sharers == 0,
                Owner::Environment(number) => {
                    // A share that is being given up goes last, after the rights.
                    let holders = frames.holders(frame);
                    let is_whole = !sharers.is_power_of_two() || writers & sharers != 0 || holders & sharers == 0;
                    frames.shares(number, frame) && is_whole && self.is_marked(frame)
                }
            };
            if !consistent || writers & !frames.holders(frame) != 0 {
                return Err(Inconsistency::Holders { frame });
            }
        }
        let is_free = |frame: u32| frames.owner(frame) == Owner::Nobody && frames.bindings(frame) == 0;
        let is_parting = |frame: u32| frames.owner(frame) == Owner::Nobody && frames.bindings(frame) != 0;
        let on_list = frames.free_list().take(frames.total() as usize);
        let (listed, all_free) = on_list.fold((0, true), |(n, free), frame| (n + 1, free && is_free(frame)));
        let free = (0..frames.total()).filter(|&frame| is_free(frame)).count();
        let parting = (0..frames.total()).filter(|&frame| is_parting(frame)).count();
        if !all_free || listed != free || (free as u32, parting as u32) != (frames.free(), frames.parting()) {
            return Err(Inconsistency::FreeList);
        }
        self.check_counts()
    }

    /// Is the stretch of frame `n` marked for all of its holders?
    fn is_marked(&self, n: u32) -> bool {
        set::members(self.frames.holders(n) | self.frames.sharers(n)).all(|holder| self.frames.is_marked(holder, n))
    }

    /// Recounts the bindings of every frame.
    fn check_counts(&self) -> Result<(), Inconsistency> {
        // One pass over all bindings: each takes one from its frame's record; in the end nothing may be left. The counts
        // are too many to hold twice, so sums stand for them: the bindings and their frame numbers, squared ones too.
        let mut found = Sums::default();
        self.machine.stlb().scan(0, 0, |line| {
            line.lo.iter().filter(|lo| lo.v()).for_each(|lo| found.add(lo.pfn(), 1));
            Edit::Keep
        });
        for environment in self.environments.iter() {
            environment.context.bound_frames().for_each(|frame| found.add(frame, 1));
        }
        let mut recorded = Sums::default();
        for frame in 0..self.frames.total() {
            recorded.add(frame, self.frames.bindings(frame));
        }
        if recorded == found { Ok(()) } else { Err(self.miscounted_frame()) }
    }

    /// The frame whose count is wrong, found by counting for each.
    fn miscounted_frame(&self) -> Inconsistency {
        for frame in 0..self.frames.total() {
            let recorded = self.frames.bindings(frame);
            let mut found = 0;
            self.machine.stlb().scan(0, 0, |line| {
                found += line.lo.iter().filter(|lo| lo.v() && lo.pfn() == frame).count() as u16;
                Edit::Keep
            });
            for environment in self.environments.iter() {
                found += environment.context.bound_frames().filter(|&bound| bound == frame).count() as u16;
            }
            if recorded != found {
                return Inconsistency::Count { frame, recorded, found };
            }
        }
        Inconsistency::FreeList
    }

    fn check_environments(&self) -> Result<(), Inconsistency> {
        let (mut shares, mut held) = ([0; ENVS], 0);
        for frame in (0..self.frames.total()).filter(|&frame| self.frames.owner(frame) != Owner::Kernel) {
            held |= self.frames.holders(frame) | self.frames.sharers(frame);
            set::members(self.frames.sharers(frame)).for_each(|sharer| shares[sharer] += 1);
        }
        let living = self.living();
        for (number, environment) in self.environments.iter().enumerate() {
            let &Record { writers, references, .. } = &environment.record;
            let consistent = match environment.pid() {
                // A long chain falls when those before it are buried.
                Some(pid) => number_of_tag(pid.0) == number && references != 0 && !self.is_dying(number),
                None => self.is_dying(number) || (self.is_nothing_left(number) && held >> number & 1 == 0),
            };
            let may_be_new = !self.is_alive(number) && !self.is_dying(number) && references == 0 && number != FIRST;
            if !consistent
                || (writers | references) & !(living | self.dying) != 0
                || self.frames.owned(number) != shares[number]
                || self.numbers.contains(number) != may_be_new
            {
                return Err(Inconsistency::Environment { number });
            }
        }
        Ok(())
    }

    /// Of an environment that has ended, and is not dying, is nothing left but its name?
    fn is_nothing_left(&self, number: usize) -> bool {
        let Environment { record, context, timer, producer, repossessed, unrecorded, accepted, destroying } =
            &self.environments[number];
        let &Record { generation, references, paying, payer, .. } = record;
        let rest = (*timer, *producer, *repossessed, *unrecorded, *accepted, *destroying);
        *record == Record { generation, references, paying, payer, ..Record::NONE }
            && rest == (None, Producer::NEW, 0, 0, Accepted::NONE, None)
            && *context == Context::EMPTY
    }

    /// What is left in all accounts, and what is charged to them, is all there is.
    fn check_accounts(&self) -> Result<(), Inconsistency> {
        let mut members = [0; ACCOUNTS];
        let (mut environments, mut slices) = (0, 0);
        for (number, environment) in self.environments.iter().enumerate() {
            let Record { account, payer, references, paying, .. } = environment.record;
            let exists = |account: u8| account == Account::NONE || self.accounts.get(account).is_some();
            if paying & !references != 0 || !exists(account) || !exists(payer) {
                return Err(Inconsistency::Environment { number });
            }
            if account != Account::NONE {
                members[usize::from(account)] += 1;
            }
            environments += u32::from(payer != Account::NONE) + paying.count_ones();
        }
        for slice in 0..SLICES {
            let payer = self.slices.payer(slice);
            if (payer != Account::NONE) != self.slices.get(slice).is_some() {
                return Err(Inconsistency::Slice { slice });
            }
            slices += u32::from(payer != Account::NONE);
        }
        for (n, account) in self.accounts.table.iter().enumerate() {
            let has_one = account.from == Account::NONE || self.accounts.get(account.from).is_some();
            if account.members != members[n] || !has_one {
                return Err(Inconsistency::Account { account: n });
            }
            environments += u32::from(account.environments);
            slices += u32::from(account.slices);
        }
        // The number of the first environment is nobody's to give.
        if (environments as usize, slices as usize) == (ENVS - 1, SLICES) {
            Ok(())
        } else {
            Err(Inconsistency::Account { account: ACCOUNTS })
        }
    }

    fn check_schedule(&self) -> Result<(), Inconsistency> {
        let living = self.living();
        for slice in 0..SLICES {
            if self.slices.is_waited_for(slice) != self.slices.late(slice).is_some() {
                return Err(Inconsistency::Slice { slice });
            }
            if self.slices.owes(slice) != (self.slices.table[slice].owed != 0) {
                return Err(Inconsistency::Slice { slice });
            }
            let Some(Slice { owner, holder, access }) = self.slices.get(slice) else { continue };
            if access & !living != 0 || access >> owner & 1 == 0 || living >> holder & 1 == 0 {
                return Err(Inconsistency::Slice { slice });
            }
        }
        let armed = |number: &usize| self.environments[*number].timer.is_some();
        if set::of((0..ENVS).filter(armed)) != self.schedule.timers {
            return Err(Inconsistency::Schedule);
        }
        if self.revocation.waiting & !living != 0 {
            return Err(Inconsistency::Schedule);
        }
        let named = [self.revocation.asked(), self.machine.holder(), self.fpu_user];
        if named.into_iter().flatten().chain(self.input.named()).all(|number| self.is_alive(number)) {
            Ok(())
        } else {
            Err(Inconsistency::Schedule)
        }
    }

    /// The living environments, a bit each.
    fn living(&self) -> u64 {
        set::of((0..ENVS).filter(|&number| self.is_alive(number)))
    }

    fn check_live(&self) -> Result<(), Inconsistency> {
        for index in 0.. {
            match self.machine.live(index) {
                None => break,
                Some(Live::Unused) => {}
                Some(Live::Pair { asid, context, registers }) => {
                    let number = (asid >> M::Geometry::ASID_SHIFT) as usize % self.environments.len();
                    let line = self.machine.stlb().registers(context | self.tag(number));
                    if registers != line.map(|lo| lo & M::Geometry::ENTRY_LO) {
                        return Err(Inconsistency::Live { index });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Stands for how many bindings name each frame: different counts give different sums, but for contrived ones.
#[derive(PartialEq, Eq, Default)]
struct Sums {
    count: u64,
    frames: u64,
    squares: u64,
}

impl Sums {
    fn add(&mut self, frame: u32, times: u16) {
        let (frame, times) = (u64::from(frame), u64::from(times));
        self.count += times;
        self.frames += times * frame;
        self.squares += times * frame * frame;
    }
}
