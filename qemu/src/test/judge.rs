//! Judges what a program in the emulator has shown.

use crate::case::Expect;
use crate::session::End;
use std::collections::BTreeMap;

/// What came of one test of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// The machine cannot show it; the program says why.
    Skipped(String),
    /// It failed; the program says why.
    Failed(String),
}

/// What is to be said of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Tests by name.
    pub points: Vec<(String, Outcome)>,
    /// What is wrong with the run as a whole.
    pub fault: Option<String>,
}

/// Judges a run by its end and its output.
pub fn judge(expect: &Expect, end: End, output: &str) -> Verdict {
    match expect {
        Expect::Tap => judge_tap(end, output),
        Expect::Output { status, shows, never } => Verdict {
            points: Vec::new(),
            fault: describe_end(end, *status).or_else(|| find_shown(output, shows)).or_else(|| {
                let found = never.iter().find(|words| output.contains(**words))?;
                Some(format!("the output contains `{found}`"))
            }),
        },
    }
}

pub fn describe_end(end: End, expected: i32) -> Option<String> {
    match end {
        End::Exited(status) if status == expected => None,
        End::Exited(status) => Some(format!("exit status {status} instead of {expected}")),
        End::Signalled(signal) => Some(format!("the emulator was ended by signal {signal}")),
        End::Silent(limit) => Some(format!("no sign of life in {} s", limit.as_secs())),
        End::TooLong(limit) => Some(format!("it did not end within {} s", limit.as_secs())),
        End::Interrupted => Some("interrupted".to_owned()),
        End::Lost => Some("the emulator ended without a last line of the kernel's".to_owned()),
    }
}

/// What is missing of the words that should follow each other.
fn find_shown(output: &str, shows: &[&str]) -> Option<String> {
    let mut rest = output;
    for (index, words) in shows.iter().enumerate() {
        match rest.find(words) {
            Some(at) => rest = &rest[at + words.len()..],
            None if index == 0 => return Some(format!("the output does not contain `{words}`")),
            None => return Some(format!("the output does not contain `{words}` after `{}`", shows[index - 1])),
        }
    }
    None
}

fn judge_tap(end: End, output: &str) -> Verdict {
    let mut plan = None;
    let mut faults: Vec<String> = Vec::new();
    let mut points: BTreeMap<usize, (String, Outcome)> = BTreeMap::new();
    for line in output.lines().map(str::trim_end) {
        if let Some(count) = line.strip_prefix("1..").and_then(|count| count.parse::<usize>().ok()) {
            if plan.replace(count).is_some() {
                faults.push(format!("a second plan: {line}"));
            }
        } else if let Some((number, name, outcome)) = parse_point(line) {
            if plan.is_none_or(|count| number == 0 || number > count) {
                faults.push(format!("outside the plan: {line}"));
            }
            if points.insert(number, (name, outcome)).is_some() {
                faults.push(format!("a second time: {line}"));
            }
        }
    }
    match plan {
        None => faults.push("no plan `1..N` in the output".to_owned()),
        Some(0) => faults.push("the plan has no test".to_owned()),
        Some(count) => {
            let missing: Vec<String> =
                (1..=count).filter(|number| !points.contains_key(number)).map(|number| number.to_string()).collect();
            if !missing.is_empty() {
                faults.push(format!("of {count} tests, these gave no result: {}", missing.join(" ")));
            }
        }
    }
    // A program with a failed test ends with status 1, which is no news.
    let failed = points.values().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)));
    if !(failed && end == End::Exited(1)) {
        faults.splice(0..0, describe_end(end, 0));
    }
    Verdict { points: points.into_values().collect(), fault: (!faults.is_empty()).then(|| faults.join("; ")) }
}

/// Takes `ok K - name`, `ok K - name # SKIP why` or `not ok K - name: why` apart.
fn parse_point(line: &str) -> Option<(usize, String, Outcome)> {
    let (passed, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok ")?),
    };
    let (number, rest) = rest.split_once(" - ")?;
    let number = number.parse().ok()?;
    let (name, outcome) = if !passed {
        let (name, why) = rest.split_once(": ").unwrap_or((rest, "no reason given"));
        (name, Outcome::Failed(why.to_owned()))
    } else if let Some((name, why)) = rest.split_once(" # SKIP ") {
        (name, Outcome::Skipped(why.to_owned()))
    } else {
        (rest, Outcome::Passed)
    };
    Some((number, name.to_owned(), outcome))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn tap(end: End, output: &str) -> Verdict {
        judge(&Expect::Tap, end, output)
    }

    fn fault(end: End, output: &str) -> String {
        tap(end, output).fault.unwrap_or_default()
    }

    const GOOD: End = End::Exited(0);

    #[test]
    fn each_point_is_a_test() {
        let output =
            "Aegis\r\n1..3\r\nfree\r\nok 1 - map\r\nnot ok 2 - unmap: still: there\r\nok 3 - x # SKIP no: x\r\n";
        let verdict = tap(GOOD, output);
        assert_eq!(verdict.fault, None);
        let expected = [
            ("map", Outcome::Passed),
            ("unmap", Outcome::Failed("still: there".to_owned())),
            ("x", Outcome::Skipped("no: x".to_owned())),
        ];
        assert_eq!(verdict.points, expected.map(|(name, outcome)| (name.to_owned(), outcome)));
    }

    #[test]
    fn missing_lines_are_a_fault() {
        assert!(fault(GOOD, "1..3\nok 1 - a\nok 3 - c\n").ends_with("no result: 2"));
        assert!(fault(GOOD, "ok 1 - a\n").contains("no plan"));
        assert!(fault(GOOD, "").contains("no plan"));
        assert!(fault(GOOD, "1..0\n").contains("no test"));
    }

    #[test]
    fn a_line_too_many_is_a_fault() {
        assert!(fault(GOOD, "1..1\nok 1 - a\nok 2 - b\n").contains("outside the plan: ok 2"));
        assert!(fault(GOOD, "1..1\nok 1 - a\nok 1 - a\n").contains("a second time"));
        assert!(fault(GOOD, "1..1\nok 1 - a\n1..1\n").contains("a second plan"));
        assert!(fault(GOOD, "1..1\nok 0 - a\nok 1 - a\n").contains("outside the plan: ok 0"));
        assert!(fault(GOOD, "ok 1 - a\n1..1\n").contains("outside the plan: ok 1"));
    }

    #[test]
    fn a_bad_end_is_a_fault_even_if_all_tests_passed() {
        let output = "1..1\nok 1 - a\n";
        assert_eq!(fault(GOOD, output), "");
        assert_eq!(fault(End::Exited(1), output), "exit status 1 instead of 0");
        assert_eq!(fault(End::Exited(1), "1..1\nnot ok 1 - a: why\n"), "", "the test's failure says it");
        assert_eq!(fault(End::Exited(2), "1..1\nnot ok 1 - a: why\n"), "exit status 2 instead of 0");
        assert_eq!(fault(End::Exited(1), "1..1\nok 1 - a # SKIP why\n"), "exit status 1 instead of 0");
        assert!(fault(End::Lost, output).contains("without a last line"));
        assert!(fault(End::Signalled(6), output).contains("signal 6"));
        assert!(fault(End::TooLong(Duration::from_secs(60)), output).contains("60 s"));
        assert!(fault(End::Silent(Duration::from_secs(20)), "").contains("no sign of life in 20 s"));
    }

    #[test]
    fn output_is_judged_by_status_and_words() {
        let expect = Expect::Output { status: 101, shows: vec!["panic", "at 0x"], never: vec!["handler"] };
        let fault = |status, output| judge(&expect, End::Exited(status), output).fault.unwrap_or_default();
        assert_eq!(fault(101, "a panic\n  at 0x80000000"), "");
        assert!(fault(0, "a panic\n  at 0x80000000").contains("exit status 0 instead of 101"));
        assert!(fault(101, "at 0x80000000: panic").contains("`at 0x` after `panic`"));
        assert!(fault(101, "at 0x80000000").contains("does not contain `panic`"));
        assert!(fault(101, "panic at 0x1, handler").contains("contains `handler`"));
    }
}
