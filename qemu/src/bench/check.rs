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

/// Compares. There is no margin: counts are the same in every run. What the compiler made is compared where the compiler is the same. The
/// maximum, of what was cold, is not: it moves with where the linker puts things.
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
            if now > before {
                found.grown.push(change);
            } else if now < before {
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
