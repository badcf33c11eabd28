//! What was counted in an emulator. `aegis_counter` says what each number means.

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Deserializer, de::Error};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Instructions executed in a whole run, or in a span between two markers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
pub struct Tally {
    /// In user mode.
    pub user: u64,
    /// In the kernel.
    pub kernel: u64,
    /// Stays in the kernel by vector: length in instructions, and how often it occurred.
    #[serde(deserialize_with = "by_vector")]
    pub stays: BTreeMap<u32, BTreeMap<u64, u64>>,
    /// Entries at a vector from within the kernel: there, a fault.
    #[serde(deserialize_with = "by_vector")]
    pub nested: BTreeMap<u32, u64>,
}

impl Tally {
    /// Instructions in user mode and in the kernel.
    pub fn all(&self) -> u64 {
        self.user + self.kernel
    }

    /// Stays that began at `vector`.
    pub fn stays_at(&self, vector: u32) -> u64 {
        self.lengths_at(vector).map(|(_, times)| times).sum()
    }

    /// Lengths of the stays that began at `vector`, shortest first, and how often each occurred.
    pub fn lengths_at(&self, vector: u32) -> impl Iterator<Item = (u64, u64)> {
        self.stays.get(&vector).into_iter().flatten().map(|(&length, &times)| (length, times))
    }

    /// Stays that began at `vector` and had exactly `length` instructions.
    pub fn stays_of(&self, vector: u32, length: u64) -> u64 {
        self.lengths_at(vector).filter(|&(other, _)| other == length).map(|(_, times)| times).sum()
    }

    /// The most frequent length of the stays that began at `vector`: what the path taken by far most often costs.
    pub fn usual_length(&self, vector: u32) -> Option<u64> {
        self.lengths_at(vector).max_by_key(|&(_, times)| times).map(|(length, _)| length)
    }
}

/// Spans that were the same, one after the other.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Span {
    /// How many.
    pub times: u64,
    /// What each of them counted.
    pub tally: Tally,
}

/// The stay in the kernel during which the guest ended.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Unfinished {
    /// Where it began.
    #[serde(deserialize_with = "vector")]
    pub vector: u32,
    /// Instructions up to the end.
    pub length: u64,
}

/// All counts of a run.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Counts {
    /// The whole run.
    pub total: Tally,
    /// The spans of each marker, in order.
    spans: BTreeMap<u16, Vec<Span>>,
    /// Markers that opened an open span or closed none, by their number.
    pub unmatched: BTreeMap<u16, u64>,
    /// The guest ended during this stay in the kernel.
    pub unfinished: Option<Unfinished>,
    /// The guest was ended at a limit, before the instruction at this address.
    #[serde(default, deserialize_with = "limit")]
    pub limit: Option<u32>,
}

impl Counts {
    /// Reads the file with the counts.
    pub fn read(path: &Path) -> Result<Counts> {
        let words =
            std::fs::read_to_string(path).with_context(|| format!("nobody left counts in {}", path.display()))?;
        serde_json::from_str(&words).with_context(|| format!("cannot read the counts in {}", path.display()))
    }

    /// What every span of marker `id` counted, in order.
    pub fn spans(&self, id: u16) -> impl Iterator<Item = &Tally> {
        let spans = self.spans.get(&id).into_iter().flatten();
        spans.flat_map(|span| (0..span.times).map(|_| &span.tally))
    }

    /// The one span of marker `id`; none, or several, are an error.
    pub fn span(&self, id: u16) -> Result<&Tally> {
        match self.spans.get(&id).map(Vec::as_slice) {
            Some([Span { times: 1, tally }]) => Ok(tally),
            _ => bail!("marker {id} has {} spans instead of one", self.spans(id).count()),
        }
    }

    /// The shortest span of marker `id`, counting user mode and kernel; none is an error.
    pub fn shortest(&self, id: u16) -> Result<&Tally> {
        self.spans(id).min_by_key(|tally| tally.all()).with_context(|| format!("marker {id} has no span"))
    }

    /// Every marker must have met its partner.
    pub fn check_markers(&self) -> Result<()> {
        ensure!(self.unmatched.is_empty(), "markers without a partner: {:?}", self.unmatched);
        Ok(())
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>24} {:>12} {:>12} {:>12}", "instructions executed", "times", "user", "kernel")?;
        writeln!(f, "{:>24} {:>12} {:>12} {:>12}", "whole run", 1, self.total.user, self.total.kernel)?;
        for (id, spans) in &self.spans {
            // The same spans together, whenever they came.
            let mut kinds = BTreeMap::<(u64, u64), u64>::new();
            spans.iter().for_each(|span| *kinds.entry((span.tally.user, span.tally.kernel)).or_default() += span.times);
            for ((user, kernel), times) in kinds {
                writeln!(f, "{:>24} {times:>12} {user:>12} {kernel:>12}", format!("marker {id}"))?;
            }
        }
        writeln!(f, "stays in the kernel, by vector: length x times")?;
        for (vector, lengths) in &self.total.stays {
            let mut usual: Vec<(u64, u64)> = lengths.iter().map(|(&length, &times)| (length, times)).collect();
            usual.sort_by_key(|&(length, times)| (std::cmp::Reverse(times), length));
            let words: Vec<String> =
                usual.iter().take(SHOWN).map(|(length, times)| format!("{length} x {times}")).collect();
            let more = if usual.len() > SHOWN { ", ..." } else { "" };
            writeln!(f, "{vector:>#24x} {}{more}", words.join(", "))?;
        }
        Ok(())
    }
}

/// Lengths of stays that are shown for a vector, the most frequent first.
const SHOWN: usize = 8;

fn parse_vector<E: Error>(text: &str) -> Result<u32, E> {
    let digits = text.strip_prefix("0x").ok_or_else(|| E::custom(format!("{text} is no address")))?;
    u32::from_str_radix(digits, 16).map_err(E::custom)
}

fn vector<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    parse_vector(&String::deserialize(from)?)
}

fn limit<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    Option::<String>::deserialize(from)?.map(|address| parse_vector(&address)).transpose()
}

fn by_vector<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<BTreeMap<u32, T>, D::Error> {
    let map = BTreeMap::<String, T>::deserialize(from)?;
    map.into_iter().map(|(vector, value)| Ok((parse_vector(&vector)?, value))).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const REFILL: u32 = 0x8000_0000;
    const GENERAL: u32 = 0x8000_0180;

    pub(crate) const EXAMPLE: &str = r#"{
        "total": { "user": 100, "kernel": 60,
            "stays": { "0x80000180": { "14": 3, "20": 1 } }, "nested": { "0x80000000": 2 } },
        "spans": { "5": [
            { "times": 2, "tally": { "user": 4, "kernel": 14, "stays": { "0x80000180": { "14": 1 } }, "nested": {} } },
            { "times": 1, "tally": { "user": 3, "kernel": 0, "stays": {}, "nested": {} } } ],
          "6": [ { "times": 1, "tally": { "user": 9, "kernel": 0, "stays": {}, "nested": {} } } ] },
        "unmatched": {}, "unfinished": { "vector": "0x80000180", "length": 4 } }"#;

    #[test]
    fn counts_are_read() {
        let counts: Counts = serde_json::from_str(EXAMPLE).unwrap();
        assert_eq!((counts.total.user, counts.total.kernel, counts.total.all()), (100, 60, 160));
        assert_eq!((counts.total.stays_at(GENERAL), counts.total.stays_at(REFILL)), (4, 0));
        assert_eq!((counts.total.stays_of(GENERAL, 14), counts.total.stays_of(GENERAL, 15)), (3, 0));
        assert_eq!((counts.total.usual_length(GENERAL), counts.total.usual_length(REFILL)), (Some(14), None));
        assert_eq!(counts.total.nested[&REFILL], 2);
        assert_eq!(counts.spans(5).map(Tally::all).collect::<Vec<_>>(), [18, 18, 3]);
        assert_eq!(counts.shortest(5).unwrap().all(), 3);
        assert_eq!(counts.span(6).unwrap().user, 9);
        assert_eq!(counts.unfinished, Some(Unfinished { vector: GENERAL, length: 4 }));
        counts.check_markers().unwrap();
    }

    #[test]
    fn missing_spans_and_partners_are_errors() {
        let counts: Counts =
            serde_json::from_str(&EXAMPLE.replace(r#""unmatched": {}"#, r#""unmatched": {"7": 1}"#)).unwrap();
        assert!(counts.span(5).is_err() && counts.span(8).is_err() && counts.shortest(8).is_err());
        assert!(counts.check_markers().unwrap_err().to_string().contains('7'));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(serde_json::from_str::<Counts>(&EXAMPLE.replace("0x80000180", "80000180")).is_err());
    }
}
