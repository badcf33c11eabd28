//! What is made of the events: spans between markers, and stays in the kernel.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Instructions executed.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub user: u64,
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

/// Takes events and sums them up.
pub struct Counter {
    stay: Option<Stay>,
    /// Instructions executed when the last return from an exception was.
    returned: Option<Tally>,
    stays: Stays,
    open: BTreeMap<u16, Open>,
    spans: BTreeMap<u16, Vec<Span>>,
    unmatched: BTreeMap<u16, u64>,
}

impl Counter {
    pub const fn new() -> Counter {
        Counter {
            stay: None,
            returned: None,
            stays: Stays::new(),
            open: BTreeMap::new(),
            spans: BTreeMap::new(),
            unmatched: BTreeMap::new(),
        }
    }

    /// A return from an exception is about to be executed.
    pub fn about_to_return(&mut self, now: Tally) {
        self.returned = Some(Tally { kernel: now.kernel + 1, ..now });
    }

    /// The instruction at a vector is about to be executed.
    pub fn enter(&mut self, vector: u32, now: Tally) {
        if self.returned == Some(now) {
            // It led to user mode, which did not get as far as executing anything.
            self.leave(now);
        }
        match &mut self.stay {
            Some(stay) => *stay.nested.entry(vector).or_default() += 1,
            None => self.stay = Some(Stay { vector, start: now, nested: BTreeMap::new() }),
        }
    }

    /// User mode is about to execute.
    pub fn leave(&mut self, now: Tally) {
        let Some(stay) = self.stay.take() else { return };
        let length = now.kernel - stay.start.kernel;
        self.stays.add(&stay, length);
        for open in self.open.values_mut() {
            if open.within_stay {
                open.within_stay = false;
            } else {
                open.stays.add(&stay, length);
            }
        }
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

    /// All counts, as the crate's documentation describes them.
    pub fn finish(&mut self, now: Tally) -> Value {
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
        json!({
            "total": tally_value(now, &self.stays),
            "spans": spans,
            "unmatched": self.unmatched,
            "unfinished": unfinished,
        })
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
