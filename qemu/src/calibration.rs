//! Is what an emulator counts the truth? A counted program runs loops whose length is known, and they must count exactly that.

use crate::counts::Counts;
use anyhow::{Result, ensure};
use exos_checks::markers::{CALIBRATION_TURNS, Span, calibration_length};

/// Refuses the counts of a run in which a loop of [`Span::Calibration`] did not count what it executed, or in which the loops did
/// not run, once or several times.
pub fn check(counts: &Counts) -> Result<()> {
    let loops = counts.spans(Span::Calibration.id()).count();
    ensure!(
        loops > 0 && loops.is_multiple_of(CALIBRATION_TURNS.len()),
        "the counts hold {loops} loops of known length, and the program is to run {} of them, once or several times: either \
         it did not, or their markers were missed",
        CALIBRATION_TURNS.len()
    );
    for (turns, counted) in CALIBRATION_TURNS.iter().cycle().zip(counts.spans(Span::Calibration.id())) {
        let executed = u64::from(calibration_length(*turns));
        ensure!(
            counted.kernel == 0,
            "the emulator counts {} instructions of the kernel in a loop, during which nothing should enter it (turns: {turns})",
            counted.kernel
        );
        ensure!(
            counted.user == executed,
            "the emulator counts {} instructions where {executed} were executed (turns of the loop: {turns}): none of \
             this run's counts can be trusted",
            counted.user
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Counts of a run with these lengths of its loops: user and kernel.
    fn counts(lengths: &[(u64, u64)]) -> Counts {
        let tally = |&(user, kernel): &(u64, u64)| json!({ "user": user, "kernel": kernel, "stays": {}, "nested": {} });
        let loops: Value = lengths.iter().map(|length| json!({ "times": 1, "tally": tally(length) })).collect();
        let id = Span::Calibration.id().to_string();
        let counts = json!({ "total": tally(&(1, 1)), "spans": { id: loops }, "unmatched": {}, "unfinished": null });
        serde_json::from_value(counts).unwrap()
    }

    fn truth() -> Vec<(u64, u64)> {
        CALIBRATION_TURNS.iter().map(|&turns| (calibration_length(turns).into(), 0)).collect()
    }

    fn error(lengths: &[(u64, u64)]) -> String {
        check(&counts(lengths)).unwrap_err().to_string()
    }

    #[test]
    fn true_counts_pass_also_when_the_loops_ran_twice() {
        check(&counts(&truth())).unwrap();
        check(&counts(&truth().repeat(2))).unwrap();
    }

    #[test]
    fn an_instruction_more_or_less_in_any_loop_is_refused() {
        for index in 0..CALIBRATION_TURNS.len() {
            for change in [-1, 1] {
                let mut lengths = truth();
                let executed = lengths[index].0;
                lengths[index].0 = executed.strict_add_signed(change);
                let error = error(&lengths);
                assert!(
                    error.contains(&format!("counts {} instructions where {executed} were", lengths[index].0)),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn the_kernel_within_a_loop_and_missing_loops_are_refused() {
        let mut lengths = truth();
        lengths[0].1 = 7;
        assert!(error(&lengths).contains("7 instructions of the kernel"));
        assert!(error(&[]).contains("0 loops"));
        assert!(error(&truth()[1..]).contains("loops of known length"));
    }
}
