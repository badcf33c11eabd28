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
