//! The report: a table for a terminal, and one in Markdown.

use super::results::{Figure, Results};
use crate::numbers::grouped;
use crate::peer::Peer;
use aegis_bench::{OPERATIONS, Operation};
use std::fmt::Write;

/// What is reported: results of one machine or more, and perhaps a peer's.
pub struct Report<'a> {
    /// Of each machine.
    pub machines: &'a [Results],
    /// Of another system.
    pub peer: Option<&'a Peer>,
}

/// A number of instructions as people write it: no digits behind the point where there is nothing to say, and commas between thousands.
pub fn instructions(value: f64) -> String {
    if value < 100.0 && value.fract() != 0.0 {
        return format!("{value:.1}");
    }
    grouped(value.round_ties_even() as u64)
}

impl Report<'_> {
    /// The names of the columns.
    fn head(&self) -> Vec<String> {
        let mut head = vec!["operation".to_owned(), "thesis".to_owned()];
        head.extend(self.machines.iter().map(|results| results.machine.clone()));
        if let Some(peer) = self.peer {
            head.extend([peer.name.clone(), "ratio".to_owned()]);
        }
        head
    }

    /// The columns of an operation. A machine's figure is the median.
    fn row(&self, operation: &Operation) -> Vec<String> {
        let mut row = vec![operation.name.to_owned()];
        row.push(operation.thesis.map_or_else(String::new, |thesis| thesis.instructions.to_string()));
        let medians: Vec<Option<f64>> = self
            .machines
            .iter()
            .map(|results| results.operations.get(operation.id).map(|figure| figure.median))
            .collect();
        row.extend(medians.iter().map(|median| median.map_or_else(String::new, instructions)));
        if let Some(peer) = self.peer {
            let theirs = peer.figures.get(operation.id).map(|figure| figure.median);
            row.push(theirs.map_or_else(String::new, instructions));
            let ratio = theirs.zip(self.of_the_peers_machine(operation)).map(|(theirs, ours)| theirs / ours);
            row.push(ratio.map_or_else(String::new, |ratio| {
                if ratio < 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.0}") }
            }));
        }
        row
    }

    /// Our median on the machine that the peer runs on, which is Malta.
    fn of_the_peers_machine(&self, operation: &Operation) -> Option<f64> {
        let results = self.machines.iter().find(|results| results.machine == "malta")?;
        results.operations.get(operation.id).map(|figure| figure.median)
    }

    /// The table for a terminal.
    pub fn text(&self) -> String {
        let rows: Vec<Vec<String>> =
            std::iter::once(self.head()).chain(OPERATIONS.iter().map(|operation| self.row(operation))).collect();
        let widths: Vec<usize> = (0..rows[0].len())
            .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in rows {
            for (column, (word, &width)) in row.iter().zip(&widths).enumerate() {
                let _ = if column == 0 { write!(text, "{word:<width$}") } else { write!(text, "  {word:>width$}") };
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }

    /// The table in Markdown.
    pub fn table(&self) -> String {
        let head = self.head();
        let mut text = format!("| {} |\n|{}|\n", head.join(" | "), vec!["---"; head.len()].join("|"));
        for operation in OPERATIONS {
            let _ = writeln!(text, "| {} |", self.row(operation).join(" | "));
        }
        text
    }

    /// A text with the table between its two marks, in place of what was there; `None` where the marks are not.
    pub fn within(&self, text: &str) -> Option<String> {
        let (before, rest) = text.split_once(BEGIN)?;
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{BEGIN}\n{}{END}{after}", self.table()))
    }

    /// Is it as much cheaper than the peer as it is meant to be?
    fn aims(&self) -> String {
        let mut text = String::new();
        let Some(peer) = self.peer else { return text };
        text.push('\n');
        for (id, aim) in AIMS {
            let Some(operation) = OPERATIONS.iter().find(|operation| operation.id == id) else { continue };
            let theirs = peer.figures.get(id).map(|figure| figure.median);
            let Some((theirs, ours)) = theirs.zip(self.of_the_peers_machine(operation)) else { continue };
            let ratio = theirs / ours;
            let verdict = if ratio >= aim { "as it should be" } else { "**less than it should be**" };
            let _ = writeln!(
                text,
                "- {}: {ratio:.0} times cheaper than with the peer; at least {aim:.0} times is {verdict}.",
                operation.name
            );
        }
        text
    }

    /// The report in Markdown, with minimum and maximum, and how each operation is measured.
    pub fn markdown(&self) -> String {
        let mut text = String::from(HEAD);
        for results in self.machines {
            let _ = writeln!(text, "- {}: {}", results.machine, results.toolchain);
        }
        if let Some(peer) = self.peer {
            let _ =
                writeln!(text, "- {}: on malta's board, under QEMU; the ratio is its median to ours there", peer.name);
        }
        let _ = writeln!(text, "\n{}", self.table().trim_end());
        text.push_str(&self.aims());
        text.push_str("\n## How each is measured\n\nMinimum, median and maximum, over so many times; the maximum is that of the first, cold time as a rule.\n");
        for operation in OPERATIONS {
            let _ = writeln!(text, "\n**{}** (`{}`): {}.", operation.name, operation.id, operation.method);
            if let Some(thesis) = operation.thesis {
                let _ = writeln!(text, "The thesis has {} instructions ({}).", thesis.instructions, thesis.source);
            }
            for results in self.machines {
                if let Some(&Figure { minimum, median, maximum, times }) = results.operations.get(operation.id) {
                    let [minimum, median, maximum] = [minimum, median, maximum].map(instructions);
                    let _ = writeln!(text, "{}: {minimum} / {median} / {maximum}, {times} times.", results.machine);
                }
            }
            if let Some((peer, figure)) = self.peer.and_then(|peer| Some((peer, peer.figures.get(operation.id)?))) {
                let [minimum, median, maximum] = [figure.minimum, figure.median, figure.maximum].map(instructions);
                let _ = writeln!(
                    text,
                    "{}: {minimum} / {median} / {maximum}; {}.",
                    peer.name,
                    figure.method.trim_end_matches('.')
                );
            }
        }
        text
    }
}

/// How many times cheaper than with the peer operations are meant to be.
const AIMS: [(&str, f64); 2] = [("exception-overflow-in", 150.0), ("transfer-round-trip", 200.0)];
/// What stands before the table in a text that is kept up to date, and behind it.
const BEGIN: &str = "<!-- written by ./x bench -->";
const END: &str = "<!-- end -->";
const HEAD: &str = "# What operations cost\n\nWritten by `./x bench`. All figures are instructions executed, user mode and kernel together, medians; \
    they are not cycles: the emulators model no cache and no pipeline. The thesis' figures are instructions, too.\n\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (value, text) in [
            (18.0, "18"),
            (18.5, "18.5"),
            (999.0, "999"),
            (1000.0, "1,000"),
            (23_807_380.0, "23,807,380"),
            (1158.9, "1,159"),
        ] {
            assert_eq!(instructions(value), text);
        }
    }
}
