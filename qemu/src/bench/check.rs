//! Compares results with those that were kept.

use super::results::{Figure, Results};
use aegis_bench::{Maker, OPERATIONS};

/// What has become of an operation's cost.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// The operation's short name.
    pub id: &'static str,
    /// What it cost.
    pub before: f64,
    /// What it costs.
    pub now: f64,
    /// Its minimum, or its median.
    pub which: &'static str,
}

/// What a comparison has found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Comparison {
    /// What costs more.
    pub grown: Vec<Change>,
    /// What costs less.
    pub shrunk: Vec<Change>,
    /// What was not kept.
    pub new: Vec<&'static str>,
    /// What is not compared, since another compiler made it.
    pub left_out: Vec<&'static str>,
}

/// By which part of itself a figure may change without being worth a word. Counts are the same in every run of the same program, so for assembly
/// there is no margin. Around what the compiler made, a change anywhere moves code to other pages, and so a refill of the hardware TLB from one
/// operation to another.
fn margin(maker: Maker) -> f64 {
    match maker {
        Maker::Assembly => 0.0,
        Maker::Compiler => 0.01,
    }
}

/// Compares. What the compiler made is compared where the compiler is the same. The maximum, of what was cold, is not: it moves with where the
/// linker puts things.
pub fn compare(kept: &Results, now: &Results) -> Comparison {
    let mut found = Comparison::default();
    for operation in OPERATIONS {
        let Some(&Figure { minimum, median, .. }) = now.operations.get(operation.id) else { continue };
        let Some(before) = kept.operations.get(operation.id) else {
            found.new.push(operation.id);
            continue;
        };
        if operation.maker == Maker::Compiler && kept.toolchain != now.toolchain {
            found.left_out.push(operation.id);
            continue;
        }
        for (which, before, now) in [("minimum", before.minimum, minimum), ("median", before.median, median)] {
            let change = Change { id: operation.id, before, now, which };
            let margin = before * margin(operation.maker);
            if now > before + margin {
                found.grown.push(change);
            } else if now < before - margin {
                found.shrunk.push(change);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(toolchain: &str, cost: f64) -> Results {
        let figure = Figure { minimum: cost, median: cost, maximum: 9.0 * cost, times: 3 };
        let operations = OPERATIONS.iter().map(|operation| (operation.id.to_owned(), figure)).collect();
        Results { machine: "malta".into(), toolchain: toolchain.into(), operations }
    }

    #[test]
    fn one_instruction_more_is_found() {
        assert_eq!(compare(&results("a", 5.0), &results("a", 5.0)), Comparison::default());
        let found = compare(&results("a", 5.0), &results("a", 6.0));
        assert_eq!((found.grown.len(), found.shrunk.len()), (2 * OPERATIONS.len(), 0));
        let found = compare(&results("a", 5.0), &results("a", 4.0));
        assert_eq!((found.grown.len(), found.shrunk.len()), (0, 2 * OPERATIONS.len()));
    }

    #[test]
    fn assembly_has_no_margin_and_compiled_code_a_small_one() {
        let found = compare(&results("a", 1000.0), &results("a", 1001.0));
        let assembly = OPERATIONS.iter().filter(|operation| operation.maker == Maker::Assembly).count();
        assert_eq!(found.grown.len(), 2 * assembly);
        let found = compare(&results("a", 1000.0), &results("a", 1011.0));
        assert_eq!(found.grown.len(), 2 * OPERATIONS.len());
    }

    #[test]
    fn another_compilers_code_is_left_out_but_assembly_is_not() {
        let found = compare(&results("a", 5.0), &results("b", 6.0));
        let compiled = OPERATIONS.iter().filter(|operation| operation.maker == Maker::Compiler).count();
        assert_eq!((found.left_out.len(), found.grown.len()), (compiled, 2 * (OPERATIONS.len() - compiled)));
    }

    #[test]
    fn what_was_not_kept_is_new() {
        let mut kept = results("a", 5.0);
        kept.operations.remove("null-call");
        assert_eq!(compare(&kept, &results("a", 6.0)).new, ["null-call"]);
    }
}
