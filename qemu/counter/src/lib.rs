//! Counts executed instructions exactly, whichever emulator shows them: the plugin inside QEMU, and the host tool, which
//! reads GXemul's trace, tell a [`Counter`] what happens, and write to a file what it [finishes](Counter::finish) with.
//!
//! - User mode (addresses below [`KERNEL_START`]) and kernel are counted apart.
//! - `lui $zero, 2*id` opens a span and `lui $zero, 2*id+1` closes it: no compiler emits these, they change nothing, and
//!   they survive inlining. Markers are not counted.
//! - A *stay* in the kernel lasts from the first instruction at an exception vector to the last before user mode goes on.
//!   Where a return leads to user mode but its first instruction cannot be fetched, one stay ends and another begins.
//!   Any other entry at a vector meanwhile is a fault within the kernel: it belongs to the same stay, and is listed as
//!   *nested*.
//!
//! What is counted are starts of instructions: one that faults on its data, and is executed again later, counts twice.
//!
//! The file is JSON; lengths and numbers count instructions:
//!
//! ```text
//! { "total": TALLY,
//!   "spans": { "ID": [ { "times": how often in a row, "tally": TALLY }, ... ], ... },
//!   "unmatched": { "ID": markers without a partner, ... },
//!   "unfinished": null, or the stay in which the guest ended: { "vector": "0x80000180", "length": N },
//!   "limit": null, or, where the guest was ended at a limit, the next instruction: "0x80000180" }
//! TALLY: { "user": N, "kernel": N, "stays": { "0x80000180": { "LENGTH": how often, ... }, ... },
//!          "nested": { "0x80000180": how often, ... } }
//! ```
#![forbid(unsafe_code)]

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// First address that user mode cannot reach.
pub const KERNEL_START: u32 = 0x8000_0000;

/// The instruction `tlbwr`, of both processors.
pub const TLBWR: u32 = 0x4200_0006;
/// The instruction `tlbwi`, of both processors.
pub const TLBWI: u32 = 0x4200_0002;
/// The instruction `jr $k0`, by which a program resumes without the kernel.
pub const JR_K0: u32 = 0x0340_0008;

/// The number in a marker, `lui $zero, number`; none if `word` is another instruction.
pub const fn marker(word: u32) -> Option<u16> {
    const LUI_ZERO: u32 = 0x3c00;
    if word >> 16 == LUI_ZERO { Some(word as u16) } else { None }
}

/// Instructions executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// In user mode.
    pub user: u64,
    /// In the kernel.
    pub kernel: u64,
}

/// Finished stays in the kernel.
#[derive(Clone, PartialEq, Eq, Default)]
struct Stays {
    /// By vector: length, and how often it occurred.
    lengths: BTreeMap<u32, BTreeMap<u64, u64>>,
    /// Entries at a vector during a stay.
    nested: BTreeMap<u32, u64>,
}

impl Stays {
    const fn new() -> Stays {
        Stays { lengths: BTreeMap::new(), nested: BTreeMap::new() }
    }

    fn add(&mut self, stay: &Stay, length: u64) {
        *self.lengths.entry(stay.vector).or_default().entry(length).or_default() += 1;
        for (&vector, &times) in &stay.nested {
            *self.nested.entry(vector).or_default() += times;
        }
    }
}

/// The stay in the kernel that has begun.
struct Stay {
    vector: u32,
    start: Tally,
    nested: BTreeMap<u32, u64>,
}

/// A span whose first marker has been met.
struct Open {
    start: Tally,
    stays: Stays,
    /// It was opened during a stay that goes on, so that stay is not wholly inside.
    within_stay: bool,
}

/// A span between two markers, and how often the same occurred in a row.
#[derive(PartialEq, Eq)]
struct Span {
    length: Tally,
    stays: Stays,
    times: u64,
}

/// What an entry at a vector is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entered {
    /// A stay in the kernel begins; right after another, if that one's return led to what could not be fetched.
    Stay {
        /// See above.
        after_another: bool,
    },
    /// A fault within the kernel.
    Nested,
}

/// Takes events, each with what has been executed before it, and sums them up.
pub struct Counter {
    stay: Option<Stay>,
    /// Instructions executed when the last return from an exception was.
    returned: Option<Tally>,
    stays: Stays,
    open: BTreeMap<u16, Open>,
    spans: BTreeMap<u16, Vec<Span>>,
    unmatched: BTreeMap<u16, u64>,
    /// Where the guest was ended at a limit.
    limit: Option<u32>,
}

impl Default for Counter {
    fn default() -> Counter {
        Counter::new()
    }
}

impl Counter {
    /// A counter that has been told of nothing.
    pub const fn new() -> Counter {
        Counter {
            stay: None,
            returned: None,
            stays: Stays::new(),
            open: BTreeMap::new(),
            spans: BTreeMap::new(),
            unmatched: BTreeMap::new(),
            limit: None,
        }
    }

    /// A return from an exception is about to be executed.
    pub fn about_to_return(&mut self, now: Tally) {
        self.returned = Some(Tally { kernel: now.kernel + 1, ..now });
    }

    /// The instruction at a vector is about to be executed.
    pub fn enter(&mut self, vector: u32, now: Tally) -> Entered {
        // Did a return lead to user mode, which did not get as far as executing anything?
        let after_another = self.returned == Some(now) && self.leave(now);
        match &mut self.stay {
            Some(stay) => {
                *stay.nested.entry(vector).or_default() += 1;
                Entered::Nested
            }
            None => {
                self.stay = Some(Stay { vector, start: now, nested: BTreeMap::new() });
                Entered::Stay { after_another }
            }
        }
    }

    /// User mode is about to execute, be it after a stay in the kernel or not; says whether it is.
    pub fn leave(&mut self, now: Tally) -> bool {
        let Some(stay) = self.stay.take() else { return false };
        let length = now.kernel - stay.start.kernel;
        self.stays.add(&stay, length);
        for open in self.open.values_mut() {
            if open.within_stay {
                open.within_stay = false;
            } else {
                open.stays.add(&stay, length);
            }
        }
        true
    }

    /// A marker is about to be executed.
    pub fn mark(&mut self, number: u16, now: Tally) {
        let id = number / 2;
        if number.is_multiple_of(2) {
            let open = Open { start: now, stays: Stays::new(), within_stay: self.stay.is_some() };
            if self.open.insert(id, open).is_some() {
                *self.unmatched.entry(id).or_default() += 1;
            }
        } else if let Some(open) = self.open.remove(&id) {
            let length = Tally { user: now.user - open.start.user, kernel: now.kernel - open.start.kernel };
            let spans = self.spans.entry(id).or_default();
            match spans.last_mut() {
                Some(last) if last.length == length && last.stays == open.stays => last.times += 1,
                _ => spans.push(Span { length, stays: open.stays, times: 1 }),
            }
        } else {
            *self.unmatched.entry(id).or_default() += 1;
        }
    }

    /// The guest is ended at a limit, before the instruction at this address.
    pub fn limit(&mut self, address: u32) {
        self.limit = Some(address);
    }

    /// The guest has ended: the text of the file with all counts, as the crate's documentation describes it.
    pub fn finish(&mut self, now: Tally) -> String {
        for &id in self.open.keys() {
            *self.unmatched.entry(id).or_default() += 1;
        }
        let spans: Map<String, Value> = self
            .spans
            .iter()
            .map(|(id, spans)| (id.to_string(), spans.iter().map(span_value).collect::<Value>()))
            .collect();
        let unfinished = self
            .stay
            .as_ref()
            .map(|stay| json!({ "vector": hex(stay.vector), "length": now.kernel - stay.start.kernel }));
        let counts = json!({
            "total": tally_value(now, &self.stays),
            "spans": spans,
            "unmatched": self.unmatched,
            "unfinished": unfinished,
            "limit": self.limit.map(hex),
        });
        format!("{counts:#}\n")
    }
}

fn span_value(span: &Span) -> Value {
    json!({ "times": span.times, "tally": tally_value(span.length, &span.stays) })
}

fn tally_value(tally: Tally, stays: &Stays) -> Value {
    json!({
        "user": tally.user,
        "kernel": tally.kernel,
        "stays": by_vector(&stays.lengths, |lengths| json!(lengths)),
        "nested": by_vector(&stays.nested, |&times| times.into()),
    })
}

fn by_vector<T>(map: &BTreeMap<u32, T>, value: impl Fn(&T) -> Value) -> Value {
    map.iter().map(|(&vector, entry)| (hex(vector), value(entry))).collect::<Map<_, _>>().into()
}

fn hex(address: u32) -> String {
    format!("{address:#010x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERAL: u32 = 0x8000_0180;

    fn at(user: u64, kernel: u64) -> Tally {
        Tally { user, kernel }
    }

    fn finish(mut counter: Counter, now: Tally) -> Value {
        serde_json::from_str(&counter.finish(now)).unwrap()
    }

    #[test]
    fn markers_are_told_by_the_upper_half() {
        assert_eq!(marker(0x3c00_0007), Some(7));
        assert_eq!(marker(0x3c01_0007), None);
    }

    #[test]
    fn a_span_has_the_stays_that_are_wholly_inside() {
        let mut counter = Counter::new();
        counter.enter(GENERAL, at(5, 0));
        counter.mark(2, at(5, 3));
        counter.leave(at(5, 7));
        counter.enter(GENERAL, at(6, 7));
        counter.enter(GENERAL, at(6, 9));
        counter.leave(at(6, 12));
        counter.mark(3, at(8, 12));
        let counts = finish(counter, at(9, 12));
        let nested = json!({ "0x80000180": 1 });
        let inside = json!({ "user": 3, "kernel": 9, "stays": { "0x80000180": { "5": 1 } }, "nested": nested });
        let total = json!({ "user": 9, "kernel": 12, "stays": { "0x80000180": { "5": 1, "7": 1 } }, "nested": nested });
        assert_eq!(counts["spans"], json!({ "1": [{ "times": 1, "tally": inside }] }));
        assert_eq!(counts["total"], total);
        assert_eq!(counts["unfinished"], Value::Null);
    }

    #[test]
    fn a_return_straight_to_a_vector_ends_a_stay() {
        let mut counter = Counter::new();
        counter.enter(GENERAL, at(0, 0));
        counter.about_to_return(at(0, 4));
        counter.enter(GENERAL, at(0, 5));
        let counts = finish(counter, at(0, 8));
        assert_eq!(counts["total"]["stays"], json!({ "0x80000180": { "5": 1 } }));
        assert_eq!(counts["total"]["nested"], json!({}));
        assert_eq!(counts["unfinished"], json!({ "vector": "0x80000180", "length": 3 }));
    }

    #[test]
    fn the_same_span_again_is_listed_once_and_a_marker_without_partner_by_its_number() {
        let mut counter = Counter::new();
        for start in [0, 10] {
            counter.mark(2, at(start, 0));
            counter.mark(3, at(start + 4, 0));
        }
        counter.mark(5, at(15, 0));
        counter.mark(6, at(15, 0));
        let counts = finish(counter, at(16, 0));
        assert_eq!(counts["spans"]["1"][0]["times"], 2);
        assert_eq!(counts["unmatched"], json!({ "2": 1, "3": 1 }));
    }
}
