//! What the guest has printed, made into instructions. `bench/linux/src/bin/measure/count.rs` says what its lines mean.

use super::operations::{OPERATIONS, Operation, Source};
use super::{Figure, Peer};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;

/// Instructions for which CP0 Count goes up by one, under `-icount shift=0`: it counts at 160 MHz, and QEMU makes 6 ns of 6.25 ns.
const INSTRUCTIONS_PER_COUNT: f64 = 6.0;
/// What the identifiers of loops of known length begin with; then comes their length in instructions.
const CALIBRATION: &str = "calibration-";
/// Lengths of such loops that there must be, at least.
const CALIBRATIONS: usize = 3;
/// The Debian that the kernel is fetched from.
const DISTRIBUTION: &str = "Debian 12";

/// The identifier in the guest's line, if it is a figure.
pub fn identifier(line: &str) -> Option<&str> {
    line.strip_prefix("figure ")?.split(' ').next()
}

/// Makes figures of what the console has shown. That is refused if something has failed or is missing, or Count did not count instructions.
pub fn read(console: &str) -> Result<Peer> {
    let lines = || console.lines().map(str::trim_end);
    if let Some(line) = lines().find(|line| line.starts_with("failed: ")) {
        bail!("the program on Linux has {line}");
    }
    ensure!(
        lines().any(|line| line == "ended 0"),
        "the program on Linux has not come to its end; the last line is `{}`",
        lines().rfind(|line| !line.is_empty()).unwrap_or_default()
    );
    let name =
        lines().find_map(|line| line.strip_prefix("kernel ")).context("the program on Linux has named no kernel")?;
    let mut batches = BTreeMap::new();
    for line in lines().filter(|line| identifier(line).is_some()) {
        let (id, figure) = Batches::parse(line).with_context(|| format!("not a figure: `{line}`"))?;
        ensure!(batches.insert(id, figure).is_none(), "two figures of {id}");
    }
    check_calibration(&batches)?;
    let figures = OPERATIONS.iter().map(|operation| Ok((operation.id.to_owned(), figure(operation, &batches)?)));
    Ok(Peer { name: system_name(name), figures: figures.collect::<Result<_>>()? })
}

/// What a kernel is called that calls itself `6.1.0-50-4kc-malta #1 SMP Debian 6.1.176-1 (2026-07-02)`.
fn system_name(words: &str) -> String {
    let release = words.split(' ').next().unwrap_or_default();
    let release = release.strip_suffix("-4kc-malta").unwrap_or(release);
    match words.split_once("Debian ").and_then(|(_, version)| version.split(' ').next()) {
        Some(version) => format!("Linux {release} ({version}), {DISTRIBUTION}"),
        None => format!("Linux {release}"),
    }
}

/// Batches of an operation, as the guest has printed them.
#[derive(Clone, PartialEq, Debug)]
struct Batches {
    /// Operations in a batch.
    operations: u32,
    /// Instructions for each operation that do not belong to it.
    overhead: u32,
    /// Counts that batches took, in rising order, and how many took each.
    runs: Vec<(u32, u32)>,
}

impl Batches {
    fn parse(line: &str) -> Option<(&str, Batches)> {
        let mut words = line.split(' ').skip(1);
        let id = words.next()?;
        let (operations, overhead) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let run = |word: &str| {
            let (counts, times) = word.split_once('x')?;
            Some((counts.parse().ok()?, times.parse().ok().filter(|&times| times > 0)?))
        };
        let runs = words.map(run).collect::<Option<Vec<(u32, u32)>>>()?;
        let sound = operations > 0 && !runs.is_empty() && runs.is_sorted_by(|a, b| a.0 < b.0);
        sound.then_some((id, Batches { operations, overhead, runs }))
    }

    /// Instructions for an operation in a batch that took `counts`.
    fn instructions(&self, counts: u32) -> f64 {
        f64::from(counts) * INSTRUCTIONS_PER_COUNT / f64::from(self.operations) - f64::from(self.overhead)
    }

    /// Counts of the batch in the middle; of two, the cheaper.
    fn median_counts(&self) -> u32 {
        let mut left = self.runs.iter().map(|&(_, times)| times).sum::<u32>().div_ceil(2);
        let middle = self.runs.iter().find(|&&(_, times)| {
            left = left.saturating_sub(times);
            left == 0
        });
        middle.expect("there are batches").0
    }

    fn figure(&self, method: String) -> Figure {
        let (first, last) = (self.runs[0].0, self.runs[self.runs.len() - 1].0);
        let [minimum, median, maximum] = [first, self.median_counts(), last].map(|counts| self.instructions(counts));
        Figure { minimum, median, maximum, method }
    }
}

/// Loops of known length must have taken as many instructions, to the grain of Count: the cheapest batch, as a tick of the clock may fall
/// into others.
fn check_calibration(batches: &BTreeMap<&str, Batches>) -> Result<()> {
    let mut loops = 0;
    for (id, measured) in batches {
        let Some(length) = id.strip_prefix(CALIBRATION) else { continue };
        let length: f64 = length.parse().with_context(|| format!("{id} names no length"))?;
        let counted = f64::from(measured.runs[0].0) * INSTRUCTIONS_PER_COUNT;
        ensure!(
            (counted - length).abs() <= INSTRUCTIONS_PER_COUNT,
            "a loop of {length} instructions took {counted} by CP0 Count, so that nothing measured by it can be trusted: \
             does this QEMU take another period than 6 ns for it?"
        );
        loops += 1;
    }
    ensure!(
        loops >= CALIBRATIONS,
        "the program on Linux has measured {loops} loops of known length instead of {CALIBRATIONS}"
    );
    Ok(())
}

fn figure(operation: &Operation, batches: &BTreeMap<&str, Batches>) -> Result<Figure> {
    let figure = |id: &str, method: String| {
        batches
            .get(id)
            .map(|batches| batches.figure(method))
            .with_context(|| format!("the program on Linux has not measured {id}"))
    };
    let method = operation.method;
    match operation.source {
        Source::Guest => figure(operation.id, method.to_owned()),
        Source::HalfOf(whole) => {
            let Figure { minimum, median, maximum, method } = figure(whole, method.to_owned())?;
            Ok(Figure { minimum: minimum / 2.0, median: median / 2.0, maximum: maximum / 2.0, method })
        }
        Source::Cheapest(kinds) => {
            let figures = kinds.iter().map(|(id, words)| figure(id, format!("{method} {words}")));
            let figures = figures.collect::<Result<Vec<_>>>()?;
            let cheapest = figures.into_iter().min_by(|a, b| a.median.total_cmp(&b.median));
            cheapest.context("nothing to choose from")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALIBRATIONS: &str = "figure calibration-3000 1000 0 500x40 501x20\r\nfigure calibration-30000 10000 0 5000x60\r\n\
                                figure calibration-300000 100000 0 50000x37 50811x23\r\n";

    /// A console on which all is measured: each operation takes 100 instructions, but what `special` says.
    fn console(special: &[(&str, &str)]) -> String {
        let ids = OPERATIONS.iter().flat_map(|operation| match operation.source {
            Source::Guest => vec![operation.id],
            Source::HalfOf(_) => vec![],
            Source::Cheapest(kinds) => kinds.iter().map(|&(id, _)| id).collect(),
        });
        let figures: String = ids
            .map(|id| match special.iter().find(|(name, _)| *name == id) {
                Some((_, words)) => format!("figure {id} {words}\r\n"),
                None => format!("figure {id} 60 0 1000x60\r\n"),
            })
            .collect();
        let kernel = "kernel 6.1.0-50-4kc-malta #1 SMP Debian 6.1.176-1 (2026-07-02)\r\n";
        format!("[    0.402755] noise\r\n{kernel}{CALIBRATIONS}{figures}ended 0\r\n")
    }

    #[test]
    fn counts_become_instructions() {
        let words = "10000 2 306667x24 306668x10 307471x26";
        let peer = read(&console(&[("null-call", words)])).unwrap();
        assert_eq!(peer.name, "Linux 6.1.0-50 (6.1.176-1), Debian 12");
        assert_eq!(peer.figures.len(), OPERATIONS.len());
        let Figure { minimum, median, maximum, .. } = &peer.figures["null-call"];
        assert_eq!([minimum, median, maximum].map(|x| (x * 1000.0).round() / 1000.0), [182.0, 182.001, 182.483]);
    }

    #[test]
    fn the_median_of_an_even_number_is_the_cheaper_in_the_middle() {
        let median = |line| Batches::parse(line).unwrap().1.median_counts();
        assert_eq!(median("figure a 1 0 5x1 6x1 7x2"), 6);
        assert_eq!(median("figure a 1 0 5x1 6x1 7x3"), 7);
        assert_eq!(median("figure a 1 0 5x1"), 5);
    }

    #[test]
    fn half_and_the_cheapest_are_taken() {
        let special =
            [("transfer-round-trip", "1 0 1000x59 2000x1"), ("rpc-unix", "1 0 500x60"), ("rpc-udp", "1 0 400x60")];
        let peer = read(&console(&special)).unwrap();
        let half = &peer.figures["transfer"];
        assert_eq!((half.minimum, half.median, half.maximum), (3000.0, 3000.0, 6000.0));
        assert_eq!(peer.figures["rpc"].median, 2400.0);
        assert!(peer.figures["rpc"].method.ends_with("UDP sockets, loopback"));
        assert!(read(&console(&[])).unwrap().figures["rpc"].method.ends_with("Unix stream sockets"));
    }

    #[test]
    fn a_wrong_calibration_is_refused() {
        let refused = |from, to| read(&console(&[]).replace(from, to)).unwrap_err().to_string();
        // Count at its nominal period: 6.25 instructions.
        assert!(refused("50000x37 50811x23", "48000x60").contains("took 288000 by CP0 Count"));
        assert!(refused("5000x60", "5002x60").contains("30000"));
        assert!(refused("figure calibration-30000 10000 0 5000x60\r\n", "").contains("2 loops"));
    }

    #[test]
    fn what_has_failed_or_is_missing_or_makes_no_sense_is_refused() {
        let refused = |from, to| format!("{:#}", read(&console(&[]).replace(from, to)).unwrap_err());
        assert!(refused("ended 0", "failed: spawn").contains("failed: spawn"));
        assert!(refused("ended 0", "ended 256").contains("`ended 256`"));
        assert!(refused("figure spawn 60 0 1000x60\r\n", "").contains("not measured spawn"));
        assert!(refused("figure spawn 60 0 1000x60", "figure spawn 60 0 100x").contains("figure spawn 60 0 100x"));
        assert!(refused("figure spawn 60 0 1000x60", "figure spawn 0 0 1000x60").contains("not a figure"));
        assert!(refused("figure spawn ", "figure yield ").contains("two figures of yield"));
    }
}
