//! A plain model of lookup: table and overflow buffer in the most obvious way, for both machines.
//!
//! It is written from the definitions (thesis figures 9-6 to 9-8; for Malta, the manual of MIPS32) in plain arithmetic and
//! shares no code with the table: only the sizes, and [`Line`], [`Lo`] and [`Edit`], the data that both are spoken to in. So a
//! mistake in one is a difference between the two.
//!
//! Besides the tests, it serves to replay a trace of addresses on the host.

use crate::{Edit, Line, Lo, OVERFLOW, SLOTS};
use std::collections::BTreeMap;
use std::vec::Vec;

/// Which machine's software TLB is modelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Machine {
    /// MIPS32: pairs of pages, 9 bits of process tag.
    Malta,
    /// R3000: single pages, 11 bits of process tag.
    Decstation,
}

impl Machine {
    /// Pages that a line maps.
    pub fn pages(self) -> usize {
        match self {
            Machine::Malta => 2,
            Machine::Decstation => 1,
        }
    }

    /// How many process tags there are; they are numbered from 0.
    pub fn tags(self) -> u32 {
        match self {
            Machine::Malta => 512,
            Machine::Decstation => 2048,
        }
    }

    /// The Context register when `va` misses in the process with tag number `tag`: the tag on top, below it the number of
    /// the page (pair), below that zeros, four or two.
    pub fn context(self, tag: u32, va: u32) -> u32 {
        assert!(tag < self.tags() && va < 0x8000_0000, "no reference of a user's: process tag {tag}, address {va:#x}");
        match self {
            Machine::Malta => tag * 0x80_0000 + va / 8192 * 16,
            Machine::Decstation => tag * 0x20_0000 + va / 4096 * 4,
        }
    }

    /// Which of its line's pages is `va` in?
    pub fn half(self, va: u32) -> usize {
        (va / 4096) as usize % self.pages()
    }

    /// The slot of the table in which a Context register is looked for.
    pub fn slot(self, context: u32) -> usize {
        let (context, slots) = (u64::from(context), SLOTS as u64);
        let slot = match self {
            // The number of the pair, and as many bits on top of the register as a slot has: 13, unless the table is smaller
            Machine::Malta => ((context / 16) ^ (context / (4_294_967_296 / slots))) % slots,
            // (((c0_tlbcxt << 17 ^ c0_tlbcxt) >> 16) & STLB_MASK & ~7), in 32 bits, is the offset of an entry of 8 bytes
            Machine::Decstation => {
                let moved_up = context * 131_072 % 4_294_967_296;
                let offset = (moved_up ^ context) / 65_536 % (slots * 8);
                offset / 8
            }
        };
        slot as usize
    }

    /// The EntryLo register for a page.
    pub fn entry_lo(self, lo: Lo) -> u32 {
        let (pfn, dirty, uncached) = (lo.0 / 4096, lo.0 / 1024 % 2, lo.0 / 2048 % 2);
        match self {
            _ if !is_valid(lo) => 0,
            // PFN from bit 6, cache attribute from bit 3 (2: uncached, 3: cached), D, V, G
            Machine::Malta => pfn * 64 + (3 - uncached) * 8 + dirty * 4 + 2,
            // The word of the interface, without G
            Machine::Decstation => pfn * 4096 + uncached * 2048 + dirty * 1024 + 512 + lo.0 % 256,
        }
    }
}

/// The bit V.
fn is_valid(lo: Lo) -> bool {
    lo.0 / 512 % 2 == 1
}

/// What is left of a half once it has been stored: an invalid one is just invalid, and none is global.
fn stored(lo: Lo) -> Lo {
    match (is_valid(lo), lo.0 / 256 % 2 == 1) {
        (false, _) => Lo(0),
        (true, true) => Lo(lo.0 - 256),
        (true, false) => lo,
    }
}

/// Where a line stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// In this slot of the table: the refill sequence finds it.
    Slot(usize),
    /// At this place of the overflow buffer: the kernel finds it.
    Overflow(usize),
}

/// The model of an STLB.
#[derive(Clone, Debug)]
pub struct Model {
    machine: Machine,
    table: BTreeMap<usize, Line>,
    overflow: [Option<Line>; OVERFLOW],
    /// The place of the overflow buffer that is given up next, when none is free.
    turn: usize,
}

impl Model {
    /// An empty one.
    pub fn new(machine: Machine) -> Model {
        Model { machine, table: BTreeMap::new(), overflow: [None; OVERFLOW], turn: 0 }
    }

    /// Every line, and where it stands.
    pub fn lines(&self) -> Vec<(Place, Line)> {
        let table = self.table.iter().map(|(slot, line)| (Place::Slot(*slot), *line));
        let overflow = self.overflow.iter().enumerate();
        table.chain(overflow.filter_map(|(i, line)| Some((Place::Overflow(i), (*line)?)))).collect()
    }

    /// The line for a Context register, and where it stands.
    pub fn find(&self, context: u32) -> Option<(Place, Line)> {
        self.lines().into_iter().find(|(_, line)| line.context == context)
    }

    /// Binds one page of a line and keeps the other. Returns the line that had to leave, if any.
    pub fn insert(&mut self, context: u32, half: usize, lo: Lo) -> Option<Line> {
        let mut halves = [Lo(0); 2];
        if let Some((place, line)) = self.find(context) {
            halves = line.lo;
            self.put(place, None);
        }
        halves[half] = stored(lo);
        if !halves.into_iter().any(is_valid) {
            return None;
        }
        let occupant = self.table.insert(self.machine.slot(context), Line { context, lo: halves })?;
        match self.overflow.iter().position(Option::is_none) {
            Some(free) => {
                self.overflow[free] = Some(occupant);
                None
            }
            None => {
                let turn = self.turn;
                self.turn = (turn + 1) % OVERFLOW;
                self.overflow[turn].replace(occupant)
            }
        }
    }

    /// Replaces the halves of a line where it stands.
    pub fn replace(&mut self, context: u32, lo: [Lo; 2]) {
        if let Some((place, _)) = self.find(context) {
            self.put(place, Some(Line { context, lo: lo.map(stored) }));
        }
    }

    /// Shows every line that `select` wants to `edit`, and does to it what that says.
    pub fn scan(&mut self, select: impl Fn(u32) -> bool, mut edit: impl FnMut(Line) -> Edit) {
        for (_, line) in self.lines() {
            if select(line.context)
                && let Edit::Replace(lo) = edit(line)
            {
                self.replace(line.context, lo);
            }
        }
    }

    /// Puts a line somewhere, or takes it away; a line without a valid half is none.
    fn put(&mut self, place: Place, line: Option<Line>) {
        let line = line.filter(|line| line.lo.into_iter().any(is_valid));
        match (place, line) {
            (Place::Overflow(i), line) => self.overflow[i] = line,
            (Place::Slot(slot), Some(line)) => drop(self.table.insert(slot, line)),
            (Place::Slot(slot), None) => drop(self.table.remove(&slot)),
        }
    }
}
