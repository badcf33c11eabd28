//! Events from GXemul's trace, which says what it writes to the TLB and to registers of coprocessor 0, and where a store goes:
//!
//! ```text
//! 80104b04: 40815000        mtc0  at,entryhi [0000000000002000]
//! 80104a30: ac620000        sw    v0,0(v1)   [0x80520010 = stlb_table+0x10]
//! 80104b44: 42000006        tlbwr index=ffffffff80000000, random=00003f00, mask=..., hi=0000000000002000, lo0=00000000006fb600, lo1=...
//! [ exception TLBS <tlb> vaddr=0x00804000 pc=0x00009944 ]
//! ```
//!
//! What is stored it does not say. But the STLB is written in a stated order (tag off, halves, tag on), and what is inserted there goes to the
//! TLB too, in the same call.

use crate::machine::Machine;
use crate::tlb::event::{Current, Event, Exception, Point, TlbEvent};
use crate::tlb::hardware::{self, Size};
use crate::tlb::layout::Layout;
use crate::tlb::record::StlbEntry;
use crate::trace::{Line, Observer, hex};
use aegis_counter::{JR_K0, KERNEL_START, TLBWI, TLBWR, Tally, marker};
use std::collections::BTreeMap;

/// Names of exceptions, in the order of their codes.
const EXCEPTIONS: [&str; 13] =
    ["INT", "MOD", "TLBL", "TLBS", "ADEL", "ADES", "IBE", "DBE", "SYS", "BP", "RI", "CPU", "OV"];
/// `mtc0` under a mask, and the registers that it may write, as they stand in the word.
const MTC0: (u32, u32) = (0xffe0_0000, 0x4080_0000);
const ENTRY_LO: u32 = 2;
const CONTEXT: u32 = 4;
const ENTRY_HI: u32 = 10;
/// `sw`, as it stands in the word.
const SW: u32 = 0x2b;
/// The registers Index and Random hold a place from this bit on, of six.
const PLACE_SHIFT: u32 = 8;
const PLACE_MASK: u32 = 63;
/// Bytes of a word.
const WORD: u32 = 4;

/// Makes events of what a trace shows.
pub struct Watcher {
    layout: Layout,
    points: BTreeMap<u32, Point>,
    table: u32,
    events: Vec<Event>,
    current: Current,
    /// What was last written to EntryLo: the line of the STLB has its low bits too, which the register does not keep.
    entry_lo: u32,
    /// Process tags by environment, as far as they were seen.
    tags: BTreeMap<u32, u32>,
    /// The last instruction's address, and whether it stood in a delay slot.
    last: (u32, bool),
    /// How many instructions ago the program has jumped through k0.
    jumped: Option<u32>,
    /// The STLB as it follows from the stores: its lines.
    lines: Vec<Option<(u32, u32)>>,
    /// Stores to tag words of the STLB during this stay: how many to each place.
    tag_stores: BTreeMap<u32, u32>,
    /// What was written to the TLB during this stay: Context, and EntryLo.
    written: Vec<(u32, u32)>,
}

impl Watcher {
    /// For a kernel whose STLB stands at `table`.
    pub fn new(layout: Layout, points: BTreeMap<u32, Point>, table: u32) -> Watcher {
        Watcher {
            layout,
            points,
            table,
            events: Vec::new(),
            current: Current::default(),
            entry_lo: 0,
            tags: BTreeMap::new(),
            last: (0, false),
            jumped: None,
            lines: vec![None; stlb::SLOTS + stlb::OVERFLOW],
            tag_stores: BTreeMap::new(),
            written: Vec::new(),
        }
    }

    /// The events since this was last called.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Tells what the stay that ends has done to the STLB.
    fn end_stay(&mut self) {
        if self.tag_stores.is_empty() {
            return;
        }
        let stores = std::mem::take(&mut self.tag_stores);
        let written = std::mem::take(&mut self.written);
        let before = self.lines.clone();
        let inserted = written
            .iter()
            .map(|&line| (self.layout.slot(line.0), line))
            .find(|(slot, _)| stores.get(slot).is_some_and(|times| times.is_multiple_of(2)));
        for (&place, &times) in &stores {
            let is_empty = !times.is_multiple_of(2);
            let displaced = inserted.and_then(|(slot, line)| before[slot as usize].filter(|old| old.0 != line.0));
            let line = match inserted {
                _ if is_empty => None,
                Some((slot, line)) if slot == place => Some(line),
                // What stood in the slot has moved.
                Some(_) if place as usize >= stlb::SLOTS && displaced.is_some() => displaced,
                _ => before[place as usize],
            };
            self.lines[place as usize] = line;
            let entry = match line {
                Some((context, lo)) => StlbEntry { place, context: Some(context), lo: vec![lo] },
                None => StlbEntry { place, context: None, lo: Vec::new() },
            };
            self.events.push(Event::Stlb(entry));
        }
    }

    fn kernel_instruction(&mut self, word: u32, text: &[u8]) {
        if word & MTC0.0 == MTC0.1 {
            let register = word >> 11 & 0x1f;
            match (register, last_hex_in_brackets(text)) {
                (ENTRY_LO, Some(value)) => self.entry_lo = value,
                (CONTEXT, Some(value)) => self.current.tag = value & self.layout.tag_mask,
                (ENTRY_HI, Some(value)) => self.current.environment = self.layout.environment(value),
                _ => {}
            }
        } else if word >> 26 == SW {
            let bytes = (stlb::SLOTS + stlb::OVERFLOW) as u32 * self.layout.entry_bytes as u32;
            let offset =
                stored_to(text).map(|address| address.wrapping_sub(self.table)).filter(|&offset| offset < bytes);
            // The tag is an entry's first word.
            if let Some(offset) = offset.filter(|offset| offset % self.layout.entry_bytes as u32 / WORD == 0) {
                *self.tag_stores.entry(offset / self.layout.entry_bytes as u32).or_default() += 1;
            }
        } else if matches!(word, TLBWR | TLBWI) {
            let field = |name: &str| number_after(text, name);
            let place = if word == TLBWI { field("index=") } else { field("random=") };
            if let (Some(place), Some(entry_hi), Some(lo)) = (place, field("hi="), field("lo0=")) {
                let place = place >> PLACE_SHIFT & PLACE_MASK;
                let index = if word == TLBWI { place } else { next_random(place) };
                self.events.push(Event::Tlb(TlbEvent::Written { index, entry_hi, lo }));
                if lo != 0
                    && let Some(&tag) = self.tags.get(&self.layout.environment(entry_hi))
                {
                    self.written.push(((self.layout.context)(tag, entry_hi), self.entry_lo));
                }
            }
        }
    }
}

impl Observer for Watcher {
    fn said(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let Some(words) = text.strip_prefix("[ exception ") else { return };
        let name = words.split(' ').next().unwrap_or_default();
        let Some(code) = EXCEPTIONS.iter().position(|&known| known == name) else { return };
        let (Some(bad_vaddr), Some(pc)) = (number_after(line, "vaddr=0x"), number_after(line, "pc=0x")) else { return };
        let in_delay_slot = self.last == (pc, true);
        let epc = if in_delay_slot { pc - WORD } else { pc };
        self.events.push(Event::Exception(Exception { code: code as u32, epc, in_delay_slot, bad_vaddr }));
    }

    fn enter(&mut self, vector: u32, now: Tally) {
        self.tags.insert(self.current.environment, self.current.tag);
        self.events.push(Event::Enter { vector, now, current: self.current });
        self.tag_stores.clear();
        self.written.clear();
    }

    fn leave(&mut self, pc: Option<u32>, now: Tally) {
        self.end_stay();
        self.events.push(Event::Leave { pc: pc.unwrap_or_default(), now, current: self.current });
    }

    fn instruction(&mut self, address: u32, line: Option<Line<'_>>, now: Tally) {
        self.last = (address, line.is_some_and(|line| line.in_delay_slot));
        // Behind the jump stands its delay slot.
        self.jumped = self.jumped.map(|ago| ago + 1);
        if self.jumped == Some(2) {
            self.jumped = None;
            if address < KERNEL_START {
                self.events.push(Event::Resume { pc: address, now });
            }
        }
        if let Some(&point) = self.points.get(&address) {
            self.events.push(Event::At(point));
        }
        let Some(line) = line else { return };
        if address >= KERNEL_START {
            self.kernel_instruction(line.word, line.text);
        } else if line.word == JR_K0 {
            self.jumped = Some(0);
        }
        if let Some(number) = marker(line.word) {
            self.events.push(Event::Mark(number));
        }
    }
}

/// Where `tlbwr` writes when GXemul shows this value of Random, which it first counts down: from the last entry to the first that is not wired.
fn next_random(shown: u32) -> u32 {
    let Size { entries, wired } = hardware::size(Machine::Decstation);
    shown.checked_sub(1).filter(|&next| next >= wired).unwrap_or(entries - 1)
}

/// The number behind `name`, of as many hexadecimal digits as there are, the last eight of which count.
fn number_after(text: &[u8], name: &str) -> Option<u32> {
    let at = text.windows(name.len()).position(|window| window == name.as_bytes())? + name.len();
    let digits = text[at..].split(|byte| !byte.is_ascii_hexdigit()).next()?;
    hex(&digits[digits.len().saturating_sub(8)..])
}

/// The address in `[0x80520010 = stlb_table+0x10]`.
fn stored_to(text: &[u8]) -> Option<u32> {
    number_after(text, "[0x")
}

/// The value in `[0000000000002000]`.
fn last_hex_in_brackets(text: &[u8]) -> Option<u32> {
    number_after(text, "[")
}
