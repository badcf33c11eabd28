//! The guest's software TLB and hardware TLB, followed from outside.

use crate::machine::Machine;
use crate::tlb::event::{Current, TlbEvent};
use crate::tlb::hardware::HardwareTlb;
use crate::tlb::layout::Layout;
use crate::tlb::record::{Mapping, StlbEntry, TlbEntry};
use anyhow::{Context, Result};
use stlb::{OVERFLOW, SLOTS};

/// What was inserted into the STLB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inserted {
    /// The line, by its Context register.
    pub context: u32,
    /// The line that stood in its slot.
    pub displaced: Option<u32>,
    /// The line that the overflow buffer dropped.
    pub dropped: Option<u32>,
}

/// A write to the hardware TLB.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// What stands there now.
    pub loaded: TlbEntry,
    /// What was there, if it was valid and of another page.
    pub evicted: Option<TlbEntry>,
}

/// What a stay in the kernel has done to the tables.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Done {
    /// The line that was inserted, or changed, in the table.
    pub inserted: Option<Inserted>,
    /// What was written to the hardware TLB, if that was not told before.
    pub written: Option<Written>,
}

/// Both tables.
pub struct Tables {
    layout: Layout,
    /// Entries of the STLB's table and, behind them, of its overflow buffer.
    stlb: Vec<StlbEntry>,
    tlb: HardwareTlb,
    /// The emulator shows what is written to the hardware TLB.
    is_shown: bool,
    /// Entries of the STLB that have changed since they were last asked for.
    changes: Vec<StlbEntry>,
    /// In this stay: entries that changed, each with the line that stood there before.
    changed: Vec<(u32, Option<u32>)>,
    /// In this stay: the place that was read from Random, and not written yet.
    random: Option<u32>,
    /// In this stay: the place that was written by `tlbwr`, of what is not known yet.
    written: Option<u32>,
}

impl Tables {
    /// Empty tables.
    pub fn new(machine: Machine) -> Tables {
        let empty = |place| StlbEntry { place, context: None, lo: Vec::new() };
        Tables {
            layout: Layout::of(machine),
            stlb: (0..(SLOTS + OVERFLOW) as u32).map(empty).collect(),
            tlb: HardwareTlb::new(machine),
            is_shown: machine == Machine::Decstation,
            changes: Vec::new(),
            changed: Vec::new(),
            random: None,
            written: None,
        }
    }

    /// All entries of the STLB: table and overflow buffer.
    pub fn stlb(&self) -> &[StlbEntry] {
        &self.stlb
    }

    /// The hardware TLB.
    pub fn tlb(&self) -> &HardwareTlb {
        &self.tlb
    }

    /// The STLB's entry for a Context register.
    pub fn find(&self, context: u32) -> Option<&StlbEntry> {
        let slot = &self.stlb[self.layout.slot(context) as usize];
        let overflow = &self.stlb[SLOTS..];
        std::iter::once(slot).chain(overflow).find(|entry| entry.context == Some(context))
    }

    /// Entries of both that have changed since this was last called, as they are now.
    pub fn take_changes(&mut self) -> (Vec<StlbEntry>, Vec<TlbEntry>) {
        let mut places: Vec<u32> = std::mem::take(&mut self.changes).into_iter().map(|entry| entry.place).collect();
        places.sort_unstable();
        places.dedup();
        let stlb = places.into_iter().map(|place| self.stlb[place as usize].clone()).collect();
        (stlb, self.tlb.take_changes())
    }

    /// An entry of the STLB is now this.
    pub fn changed(&mut self, entry: StlbEntry) {
        let place = &mut self.stlb[entry.place as usize];
        if *place != entry {
            self.changed.push((entry.place, place.context));
            self.changes.push(entry.clone());
            *place = entry;
        }
    }

    /// Something is done to the hardware TLB; `answer`: it is the refill of a miss of this Context, answered by the STLB. Gives what
    /// was written, where that is known at once.
    ///
    /// # Errors
    /// When the STLB should not have that.
    pub fn tlb_event(&mut self, event: TlbEvent, current: Current, answer: Option<u32>) -> Result<Option<Written>> {
        let index = match event {
            TlbEvent::ReadRandom => {
                self.random = Some(self.tlb.random());
                return Ok(None);
            }
            TlbEvent::WriteRandom => self.tlb.random(),
            TlbEvent::WriteIndexed => match self.random.take() {
                Some(index) => index,
                // It rewrites what it has found, as the end of the stay shows.
                None => return Ok(None),
            },
            TlbEvent::Written { index, entry_hi, lo } => {
                let is_valid = lo != 0 && entry_hi < aegis_counter::KERNEL_START;
                let maps = is_valid.then(|| Mapping {
                    environment: self.layout.environment(entry_hi),
                    address: self.layout.first_address(entry_hi),
                    lo: vec![lo],
                });
                return Ok(self.replace(index, maps));
            }
        };
        let Some(context) = answer else {
            self.written = Some(index);
            return Ok(None);
        };
        let line = self.find(context).with_context(|| {
            format!(
                "the STLB has answered for Context {context:#010x}, which should not be there: ./x tlb has lost track"
            )
        })?;
        let maps =
            Mapping { environment: current.environment, address: (self.layout.va)(context), lo: line.lo.clone() };
        Ok(self.replace(index, Some(maps)))
    }

    /// The stay ends. What was written to the hardware TLB, if that was not seen, is the line that was inserted, or else `wanted`.
    pub fn end_stay(&mut self, current: Current, wanted: Option<u32>) -> Done {
        let inserted = self.inserted(current);
        let mut done = Done { inserted, written: None };
        if let Some(index) = self.written.take() {
            let context = inserted.map(|inserted| inserted.context).or(wanted);
            let line = context.and_then(|context| self.find(context)).cloned();
            let maps = line.and_then(|StlbEntry { context, lo, .. }| {
                Some(Mapping { environment: current.environment, address: (self.layout.va)(context?), lo })
            });
            done.written = self.replace(index, maps);
        } else if let Some(Inserted { context, .. }) = inserted.filter(|_| !self.is_shown) {
            // A live entry is rewritten.
            let address = (self.layout.va)(context);
            let line = self.find(context).map(|line| line.lo.clone());
            if let (Some(index), Some(lo)) = (self.tlb.find(current.environment, address), line) {
                let maps = Mapping { environment: current.environment, address, lo };
                done.written = self.replace(index, Some(maps));
            }
        }
        self.changed.clear();
        self.random = None;
        done
    }

    /// The kernel keeps live entries equal to the STLB's lines. `tags`: the process tag of an environment.
    pub fn agree(&mut self, tags: impl Fn(u32) -> Option<u32>) {
        if self.is_shown {
            return;
        }
        let Tables { layout, stlb, tlb, .. } = self;
        tlb.revise(|maps| {
            let context = (layout.context)(tags(maps.environment)?, maps.address);
            let slot = &stlb[layout.slot(context) as usize];
            let mut places = std::iter::once(slot).chain(&stlb[SLOTS..]);
            Some(places.find(|entry| entry.context == Some(context))?.lo.clone())
        });
    }

    /// The line that has come to the table in this stay, and what had to make room for it.
    fn inserted(&self, current: Current) -> Option<Inserted> {
        let is_own = |context: u32| context & self.layout.tag_mask == current.tag;
        let now = |place: u32| self.stlb[place as usize].context;
        let (place, before) =
            *self.changed.iter().find(|(place, _)| (*place as usize) < SLOTS && now(*place).is_some_and(is_own))?;
        let context = now(place)?;
        let displaced = before.filter(|&before| before != context);
        let dropped = displaced.and_then(|displaced| {
            let took =
                self.changed.iter().find(|(place, _)| *place as usize >= SLOTS && now(*place) == Some(displaced));
            took?.1.filter(|&line| line != context && self.find(line).is_none())
        });
        Some(Inserted { context, displaced, dropped })
    }

    /// Replaces an entry of the hardware TLB; `None`: by one that maps nothing.
    fn replace(&mut self, index: u32, maps: Option<Mapping>) -> Option<Written> {
        let names = |maps: &Mapping| (maps.environment, maps.address);
        let old = self.tlb.write(index, maps.clone());
        let new = maps.as_ref().map(names)?;
        let evicted = Some(old).filter(|old| old.maps.as_ref().is_some_and(|old| names(old) != new));
        Some(Written { loaded: TlbEntry { index, maps }, evicted })
    }
}
