//! From events to misses.
//!
//! The recorder follows the STLB and the hardware TLB beside the guest, and compares: a miss that cannot be, or a hit that the table
//! does not explain, is an error of this tool, and is said.

use crate::machine::Machine;
use crate::tlb::event::{Current, Event, Exception, Point};
use crate::tlb::layout::Layout;
use crate::tlb::record::{Access, Environment, Miss, Path};
use crate::tlb::tables::{Tables, Written};
use aegis_counter::Tally;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

/// Codes of the exceptions that are TLB misses: on a load or a fetch, and on a store.
const TLB_LOAD: u32 = 2;
const TLB_STORE: u32 = 3;
/// Bytes of an instruction.
const INSTRUCTION: u32 = 4;

/// A stay in the kernel that goes on.
struct Stay {
    vector: u32,
    start: Tally,
    /// Its miss, as an index, if it is about one.
    miss: Option<usize>,
    points: Vec<Point>,
}

/// Takes events, makes misses.
pub struct Recorder {
    layout: Layout,
    refill: u32,
    tables: Tables,
    misses: Vec<Miss>,
    environments: BTreeMap<u32, Environment>,
    /// Misses that are with the application, the latest last, as indices.
    pending: Vec<usize>,
    /// Misses that have been settled, and not been asked for yet, as indices.
    settled: Vec<usize>,
    exception: Option<Exception>,
    stay: Option<Stay>,
    current: Current,
    spans: Vec<u16>,
}

impl Recorder {
    /// One that has seen nothing.
    pub fn new(machine: Machine) -> Recorder {
        Recorder {
            layout: Layout::of(machine),
            refill: machine.vectors().refill,
            tables: Tables::new(machine),
            misses: Vec::new(),
            environments: BTreeMap::new(),
            pending: Vec::new(),
            settled: Vec::new(),
            exception: None,
            stay: None,
            current: Current::default(),
            spans: Vec::new(),
        }
    }

    /// The tables as they are now.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The misses of which all has become known since this was last called.
    pub fn take_settled(&mut self) -> Vec<&mut Miss> {
        let mut settled = std::mem::take(&mut self.settled);
        settled.sort_unstable();
        let is_settled = |(index, _): &(usize, _)| settled.binary_search(index).is_ok();
        self.misses.iter_mut().enumerate().filter(is_settled).map(|(_, miss)| miss).collect()
    }

    /// How many misses have begun.
    pub fn count(&self) -> usize {
        self.misses.len()
    }

    /// The guest has ended: what is still with the application is refused.
    pub fn end(&mut self) {
        self.refuse_from(0);
    }

    /// All misses, and the environments that missed. One that the kernel was still about is left out.
    pub fn finish(mut self) -> (Vec<Miss>, BTreeMap<u32, Environment>) {
        if let Some(unfinished) = self.stay.and_then(|stay| stay.miss) {
            self.misses.truncate(unfinished);
        }
        (self.misses, self.environments)
    }

    /// Takes an event.
    ///
    /// # Errors
    /// When it contradicts what was seen before.
    pub fn take(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Exception(exception) => self.exception = Some(exception),
            Event::Enter { vector, now, current } => {
                self.current = current;
                self.stay = Some(Stay { vector, start: now, miss: None, points: Vec::new() });
                if vector == self.refill {
                    self.begin_miss()?;
                }
            }
            Event::At(point) => {
                if let Some(stay) = &mut self.stay {
                    stay.points.push(point);
                    // From the general vector comes a reference to the invalid half of a live entry.
                    if point == Point::NotInStlb && stay.miss.is_none() {
                        self.begin_miss()?;
                    }
                }
            }
            Event::Tlb(event) => {
                let stay = self.stay.as_ref();
                let miss = stay.and_then(|stay| stay.miss);
                let answer = miss.filter(|_| stay.is_some_and(|stay| !stay.points.contains(&Point::NotInStlb)));
                let answer = answer.map(|miss| self.misses[miss].context);
                let written = self.tables.tlb_event(event, self.current, answer)?;
                self.note(miss.or(self.pending.last().copied()), written);
            }
            Event::Stlb(entry) => self.tables.changed(entry),
            Event::Leave { pc, now, current } => self.leave(pc, now, current),
            Event::Resume { pc, now } => self.resumed(pc, now),
            Event::Mark(number) if number.is_multiple_of(2) => self.spans.push(number / 2),
            Event::Mark(number) => self.spans.retain(|&span| span != number / 2),
        }
        Ok(())
    }

    fn begin_miss(&mut self) -> Result<()> {
        let Recorder { layout, current, .. } = *self;
        let stay = self.stay.as_mut().context("a miss begins in the kernel")?;
        let exception = self.exception.take().context("the emulator has told of no exception before a miss")?;
        let Exception { code, epc, in_delay_slot, bad_vaddr } = exception;
        ensure!(matches!(code, TLB_LOAD | TLB_STORE), "an exception of code {code} is no TLB miss");
        let n = self.misses.len() as u32 + 1;
        let first = layout.first_address(bad_vaddr);
        ensure!(
            stay.vector != self.refill || self.tables.tlb().find(current.environment, first).is_none(),
            "miss {n} is of {bad_vaddr:#010x}, which should stand in the hardware TLB: ./x tlb has lost track of it"
        );
        let instruction = if in_delay_slot { epc + INSTRUCTION } else { epc };
        let access = match code {
            TLB_STORE => Access::Store,
            _ if instruction == bad_vaddr => Access::Fetch,
            _ => Access::Load,
        };
        let of_same = |&&index: &&usize| self.misses[index].environment == current.environment;
        let depth = self.pending.iter().filter(of_same).count() as u32;
        let (stlb_before, tlb_before) = self.tables.take_changes();
        let context = (layout.context)(current.tag, bad_vaddr);
        self.environments.insert(current.environment, Environment { tag: current.tag });
        stay.miss = Some(self.misses.len());
        self.misses.push(Miss {
            n,
            at: stay.start.user + stay.start.kernel,
            pc: epc,
            symbol: None,
            address: bad_vaddr,
            access,
            environment: current.environment,
            context,
            slot: layout.slot(context),
            vector: stay.vector,
            path: Path::Hit,
            kernel: 0,
            instructions: None,
            depth,
            spans: self.spans.clone(),
            loaded: None,
            evicted: None,
            displaced: None,
            dropped: None,
            stlb_before,
            tlb_before,
        });
        Ok(())
    }

    /// Notes what was written to the hardware TLB for a miss, if it was for that.
    fn note(&mut self, miss: Option<usize>, written: Option<Written>) {
        let (Some(index), Some(Written { loaded, evicted })) = (miss, written) else { return };
        let miss = &mut self.misses[index];
        let first = self.layout.first_address(miss.address);
        if loaded.maps.as_ref().is_some_and(|maps| maps.environment == miss.environment && maps.address == first) {
            miss.loaded = Some(loaded);
            miss.evicted = miss.evicted.take().or(evicted);
        }
    }

    fn leave(&mut self, pc: u32, now: Tally, current: Current) {
        let Some(stay) = self.stay.take() else { return };
        // Whose miss this stay is about, its own or one that the application is handling.
        let about = stay.miss.or(self.pending.last().copied());
        let done = self.tables.end_stay(self.current, about.map(|index| self.misses[index].context));
        let environments = &self.environments;
        self.tables.agree(|number| environments.get(&number).map(|environment| environment.tag));
        self.note(about, done.written);
        if let Some(inserted) = done.inserted {
            let candidates = stay.miss.iter().chain(self.pending.iter().rev());
            if let Some(&index) = candidates.into_iter().find(|&&index| self.misses[index].context == inserted.context)
            {
                self.misses[index].displaced = inserted.displaced;
                self.misses[index].dropped = inserted.dropped;
            }
        }
        if let Some(index) = stay.miss {
            let has = |point| stay.points.contains(&point);
            let miss = &mut self.misses[index];
            miss.kernel = now.kernel - stay.start.kernel;
            miss.path = match () {
                () if has(Point::Unhandled) => Path::Refused,
                () if has(Point::Upcall) => Path::Upcall,
                () if has(Point::Overflow) => Path::Overflow,
                () if has(Point::Guaranteed) => Path::Guaranteed,
                () => Path::Hit,
            };
            match miss.path {
                Path::Upcall => self.pending.push(index),
                Path::Refused => self.settled.push(index),
                _ => {
                    miss.instructions = Some(miss.kernel);
                    self.settled.push(index);
                }
            }
        }
        self.current = current;
        self.resumed(pc, now);
    }

    /// User mode goes on at `pc`: is that an access repeated that missed, or the instruction behind it?
    fn resumed(&mut self, pc: u32, now: Tally) {
        let is = |index: usize, at: u32| {
            let miss = &self.misses[index];
            miss.environment == self.current.environment && at == pc
        };
        let repeated = self.pending.iter().rposition(|&index| is(index, self.misses[index].pc));
        if let Some(position) = repeated {
            self.refuse_from(position + 1);
            let index = self.pending.pop().expect("it is the last now");
            let miss = &mut self.misses[index];
            miss.instructions = Some(now.user + now.kernel - miss.at);
            self.settled.push(index);
        } else if let Some(&last) = self.pending.last()
            && is(last, self.misses[last].pc + INSTRUCTION)
        {
            self.refuse_from(self.pending.len() - 1);
        }
    }

    /// The applications will not repeat these accesses, from this position of the pending ones on.
    fn refuse_from(&mut self, position: usize) {
        for index in self.pending.drain(position..).rev() {
            self.misses[index].path = Path::Refused;
            self.settled.push(index);
        }
    }
}
