//! What was measured on a machine, and how it is taken from the counts of a run.

use crate::counts::{Counts, Tally};
use crate::machine::Machine;
use aegis_bench::{Measure, OPERATIONS, Operation};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What an operation costs, in instructions executed, over all times that it was performed.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// The cheapest time: all that can be warm is.
    pub minimum: f64,
    /// The median.
    pub median: f64,
    /// The dearest time: the first as a rule, when code and data are not in the TLB yet.
    pub maximum: f64,
    /// How many times.
    pub times: u64,
}

impl Figure {
    /// Of what each time cost; `None` if there was none.
    fn of(mut costs: Vec<f64>) -> Option<Figure> {
        costs.sort_by(f64::total_cmp);
        let (&minimum, &maximum) = (costs.first()?, costs.last()?);
        Some(Figure { minimum, median: costs[costs.len() / 2], maximum, times: costs.len() as u64 })
    }
}

/// What was measured on a machine.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Results {
    /// The machine.
    pub machine: String,
    /// What translated the code.
    pub toolchain: String,
    /// What each operation costs, by its short name.
    pub operations: BTreeMap<String, Figure>,
}

impl Results {
    /// Takes the figures of all operations from the counts of a run.
    pub fn take(machine: Machine, toolchain: &str, counts: &Counts) -> Result<Results> {
        let operations = OPERATIONS.iter().map(|operation| {
            let figure = figure(machine, operation, counts)
                .with_context(|| format!("cannot tell what {} costs", operation.name))?;
            Ok((operation.id.to_owned(), figure))
        });
        let operations = operations.collect::<Result<_>>()?;
        Ok(Results { machine: machine.name().to_owned(), toolchain: toolchain.to_owned(), operations })
    }

    /// Reads what was kept.
    pub fn read(path: &Path) -> Result<Results> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} does not hold results of ./x bench", path.display()))
    }
}

fn figure(machine: Machine, operation: &Operation, counts: &Counts) -> Result<Figure> {
    let spans = || counts.spans(operation.span.id());
    let costs = match operation.measure {
        Measure::Whole => spans().map(|tally| tally.all() as f64).collect(),
        Measure::Each(parts) => spans().map(|tally| tally.all() as f64 / f64::from(parts)).collect(),
        Measure::Kernel => spans().map(|tally| general_stay(machine, tally)).collect::<Result<_>>()?,
        Measure::Refill => spans().flat_map(|tally| stays(machine.vectors().refill, tally)).collect(),
    };
    Figure::of(costs).with_context(|| format!("the program has opened no span {}", operation.span.id()))
}

/// Length of the one stay at the general vector. What is not bound yet, the first time, misses before it at the other vector.
fn general_stay(machine: Machine, tally: &Tally) -> Result<f64> {
    let lengths = stays(machine.vectors().general, tally);
    ensure!(!lengths.is_empty(), "there is no stay at the general vector: {tally:?}");
    // Others, such as a miss of the code behind the instruction, are longer.
    Ok(lengths[0])
}

/// Lengths of all stays at a vector, the shortest first.
fn stays(vector: u32, tally: &Tally) -> Vec<f64> {
    tally.lengths_at(vector).flat_map(|(length, times)| (0..times).map(move |_| length as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_the_median_in_the_middle() {
        let figure = |costs: &[f64]| Figure::of(costs.to_vec()).unwrap();
        assert_eq!(figure(&[7.0]), Figure { minimum: 7.0, median: 7.0, maximum: 7.0, times: 1 });
        assert_eq!(figure(&[9.0, 1.0, 3.0]), Figure { minimum: 1.0, median: 3.0, maximum: 9.0, times: 3 });
        assert_eq!(Figure::of(vec![]), None);
    }
}
