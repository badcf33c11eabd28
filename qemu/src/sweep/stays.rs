//! Who answered a miss shows in the length of the stay in the kernel: the paths that answer one differ in it.

use super::Point;
use crate::counts::Tally;
use crate::machine::Vectors;
use anyhow::{Result, ensure};

/// Lengths of stays in the kernel, in instructions.
pub struct Lengths {
    /// Where they begin.
    pub vectors: Vectors,
    /// A refill from the table.
    pub table_hit: u64,
    /// From the refill vector past table and overflow buffer to the program's handler.
    pub upcall: u64,
}

/// The length of an upcall, from a span in which one page missed that only the page table knew.
pub fn upcall_length(tally: &Tally, vectors: Vectors) -> Result<u64> {
    let stays: Vec<(u64, u64)> = tally.lengths_at(vectors.refill).collect();
    match stays[..] {
        [(length, 1)] => Ok(length),
        _ => anyhow::bail!("a miss that the program handles has one stay at the refill vector, not {stays:?}"),
    }
}

impl Lengths {
    /// Adds the misses of a span to those of a point.
    ///
    /// At the refill vector, a stay longer than a hit in the table and shorter than an upcall was a hit in the overflow buffer: an upcall has
    /// looked at all of it in vain, and does more. A longer one went through Rust, as misses in the guaranteed segment do. At the
    /// general vector, a stay shorter than an upcall was one without the look at the buffer, after a reference to an invalid half; all
    /// others are the program's calls, of which each upcall takes one.
    pub fn add(&self, tally: &Tally, point: &mut Point) -> Result<()> {
        ensure!(tally.nested.is_empty(), "a fault in the kernel: {:?}", tally.nested);
        for (length, times) in tally.lengths_at(self.vectors.refill) {
            point.misses += times;
            *match length {
                _ if length == self.table_hit => &mut point.table_hits,
                _ if length < self.table_hit => anyhow::bail!("a refill of {length} instructions is too short"),
                _ if length < self.upcall => &mut point.overflow_hits,
                _ if length == self.upcall => &mut point.upcalls,
                _ => &mut point.guaranteed_segment,
            } += times;
        }
        for (_, times) in tally.lengths_at(self.vectors.general).filter(|&(length, _)| length < self.upcall) {
            point.misses += times;
            point.upcalls += times;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    fn tally(text: &str) -> Tally {
        serde_json::from_str(&format!(r#"{{ "user": 9, "kernel": 9, {text}, "nested": {{}} }}"#)).unwrap()
    }

    #[test]
    fn misses_are_sorted_by_what_answering_them_took() {
        let vectors = Machine::Malta.vectors();
        let lengths = Lengths { vectors, table_hit: 18, upcall: 63 };
        let mut point = Point::default();
        let span = tally(
            r#""stays": { "0x80000000": { "18": 100, "42": 3, "45": 4, "63": 5, "312": 6 },
                          "0x80000180": { "33": 7, "282": 18 } }"#,
        );
        lengths.add(&span, &mut point).unwrap();
        let sorted = [point.table_hits, point.overflow_hits, point.upcalls, point.guaranteed_segment, point.misses];
        assert_eq!(sorted, [100, 7, 12, 6, 125]);
    }

    #[test]
    fn what_cannot_be_a_miss_is_refused() {
        let vectors = Machine::Malta.vectors();
        let lengths = Lengths { vectors, table_hit: 18, upcall: 63 };
        let short = tally(r#""stays": { "0x80000000": { "17": 1 } }"#);
        assert!(lengths.add(&short, &mut Point::default()).is_err());
        let two = tally(r#""stays": { "0x80000000": { "63": 2 } }"#);
        assert!(upcall_length(&two, vectors).is_err());
        let one = tally(r#""stays": { "0x80000000": { "63": 1 }, "0x80000180": { "282": 1 } }"#);
        assert_eq!(upcall_length(&one, vectors).unwrap(), 63);
    }
}
