//! The lines that `./x test` shows, and the sum at their end.

use crate::output;
use std::io::IsTerminal;

/// Takes results and shows them as they come.
pub struct Report {
    filter: String,
    /// Parts of the tests, in order, and how many tests of each have passed. The last one goes on.
    passed: Vec<(String, usize)>,
    failed: Vec<String>,
    /// Left out, since a machine cannot show them.
    skipped: usize,
    /// Left out for want of something that can be installed.
    missing: Vec<String>,
    terminal: bool,
}

impl Report {
    /// For tests whose name contains `filter`.
    pub fn new(filter: String) -> Report {
        let terminal = std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Report { filter, passed: Vec::new(), failed: Vec::new(), skipped: 0, missing: Vec::new(), terminal }
    }

    /// What follows belongs to the part `name`, whose tests are summed up apart.
    pub fn section(&mut self, name: &str) {
        self.passed.push((name.to_owned(), 0));
    }

    fn passed(&self) -> usize {
        self.passed.iter().map(|(_, passed)| passed).sum()
    }

    /// What a test's name must contain.
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// The user wants to know of this test.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    /// A test of the group `group`, which is not known by name yet, may be wanted.
    pub fn may_want(&self, group: &str) -> bool {
        // The filter may begin anywhere in the group's name, and end in a test's.
        !self.filter.contains("::")
            || group.contains(&self.filter)
            || self.filter.match_indices("::").any(|(at, _)| group.ends_with(&self.filter[..at]))
    }

    /// Shows on a terminal what is going on.
    pub fn progress(&self, what: &str) {
        if self.terminal {
            let done = self.total();
            say(format_args!("\r\x1b[K[{done} done, {} failed] {what} ...", self.failed.len()));
        }
    }

    /// Takes the progress away.
    pub fn clear(&self) {
        if self.terminal {
            say(format_args!("\r\x1b[K"));
        }
    }

    /// Notes how a test ended, if it is wanted.
    pub fn result(&mut self, name: &str, result: Result<(), String>) {
        self.result_with_note(name, result.map(|()| None));
    }

    /// Notes how a test ended, if it is wanted, and what it found.
    pub fn result_with_note(&mut self, name: &str, result: Result<Option<String>, String>) {
        if !self.wants(name) {
            return;
        }
        match result {
            Ok(note) => {
                if let Some((_, passed)) = self.passed.last_mut() {
                    *passed += 1;
                }
                let note = note.map_or_else(String::new, |note| format!(": {note}"));
                self.line(&format!("ok    {name}{note}"));
            }
            Err(why) => self.always_failed(name, &why),
        }
    }

    /// Notes a failure that concerns everyone.
    pub fn always_failed(&mut self, name: &str, why: &str) {
        let why = why.trim_end().replace('\n', "\n      ");
        self.line(&format!("FAIL  {name}: {why}"));
        self.failed.push(name.to_owned());
    }

    /// Notes that a wanted test is left out for want of something that can be installed.
    pub fn missing(&mut self, name: &str, why: &str) {
        if self.wants(name) {
            self.always_missing(name, why);
        }
    }

    /// Notes that tests are left out, of which one may be wanted, for want of something that can be installed.
    pub fn always_missing(&mut self, name: &str, why: &str) {
        self.line(&format!("MISS  {name}: {why}"));
        self.missing.push(name.to_owned());
    }

    /// Notes that a wanted test is left out, since the machine or the toolchain has no such thing.
    pub fn skipped(&mut self, name: &str, why: &str) {
        if self.wants(name) {
            self.skipped += 1;
            self.line(&format!("skip  {name}: {why}"));
        }
    }

    /// Tests that have been run, or were left out for a reason.
    pub fn total(&self) -> usize {
        self.passed() + self.failed.len() + self.skipped + self.missing.len()
    }

    /// Shows the sum; true if nothing failed, and nothing was missing unless that is allowed.
    pub fn finish(&self, allow_missing: bool) -> bool {
        self.clear();
        for (what, names) in [("failed", &self.failed), ("missing", &self.missing)] {
            if !names.is_empty() {
                say(format_args!("\n{what}:\n"));
                names.iter().for_each(|name| say(format_args!("  {name}\n")));
            }
        }
        if !self.missing.is_empty() && !allow_missing {
            say(format_args!("Install what is missing (./x setup), or leave it out with --allow-missing.\n"));
        }
        let parts: Vec<String> = self.passed.iter().map(|(name, passed)| format!("{name} {passed}")).collect();
        let (passed, failed, skipped) = (self.passed(), self.failed.len(), self.skipped);
        let missing = match self.missing.len() {
            0 => String::new(),
            missing => format!(", {missing} missing"),
        };
        let parts = parts.join(", ");
        say(format_args!("{passed} passed, {failed} failed, {skipped} skipped{missing} (passed: {parts})\n"));
        self.failed.is_empty() && (self.missing.is_empty() || allow_missing)
    }

    fn line(&self, line: &str) {
        self.clear();
        say(format_args!("{line}\n"));
    }
}

/// Shows text. Where nobody reads any more (`| head`), the tests go on, and the exit status tells of them.
fn say(text: std::fmt::Arguments<'_>) {
    output::print(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_filtered_and_summed() {
        let mut report = Report::new("tlb::".to_owned());
        report.section("host");
        report.result("stlb::a", Ok(()));
        report.result("stlb::b", Err("broken".to_owned()));
        report.result("kernel::a", Err("not wanted".to_owned()));
        assert_eq!((report.passed(), report.failed.len(), report.total()), (1, 1, 2));
        assert!(!report.finish(true));
    }

    #[test]
    fn what_is_missing_has_not_passed() {
        let mut report = Report::new(String::new());
        report.section("host");
        report.result("stlb::a", Ok(()));
        report.skipped("stlb::b", "the machine has no such thing");
        assert!(report.finish(false));
        report.missing("miri::stlb", "it is not installed");
        assert!(!report.finish(false) && report.finish(true));
        assert_eq!(report.total(), 3);
    }

    #[test]
    fn what_is_missing_counts_only_where_it_is_wanted() {
        let mut report = Report::new("stlb::a".to_owned());
        report.missing("aegis-browser::page", "there is no browser");
        assert_eq!(report.total(), 0);
    }

    #[test]
    fn a_group_is_run_if_a_test_in_it_may_be_wanted() {
        let may_want = |filter: &str, group| Report::new(filter.to_owned()).may_want(group);
        assert!(may_want("", "basic") && may_want("overflow", "basic"));
        assert!(may_want("sic::overflow", "basic") && may_want("basic::", "basic"));
        assert!(!may_want("stlb::overflow", "basic") && !may_want("basic2::x", "basic"));
        assert!(may_want("malta::basic::over", "malta::basic") && may_want("basic::over", "malta::basic"));
        assert!(!may_want("decstation::basic::over", "malta::basic"));
    }
}
