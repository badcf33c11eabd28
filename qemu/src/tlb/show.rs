//! Misses for a terminal: a line each, and totals.

use crate::numbers::grouped;
use crate::tlb::record::{Access, Mapping, Miss, Path, Record};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Functions that are shown of the totals, those with the most misses first.
const FUNCTIONS: usize = 20;

/// What stands above the lines.
pub const HEADING: &str =
    "     n env access address    answered by         instructions  slot pc         where; what had to make room";

/// A miss in one line.
pub fn line(miss: &Miss) -> String {
    let access = match miss.access {
        Access::Fetch => "fetch",
        Access::Load => "load",
        Access::Store => "store",
    };
    // A miss in the handling of another comes before it, and stands further in.
    let nested = "+".repeat(miss.depth.min(3) as usize);
    let name = match miss.path {
        Path::Hit => "STLB",
        Path::Overflow => "overflow buffer",
        Path::Guaranteed => "guaranteed",
        Path::Upcall => "application",
        Path::Refused => "REFUSED",
    };
    let took = match (miss.path, miss.instructions) {
        (Path::Upcall, Some(all)) => format!("{} of {all}", miss.kernel),
        (_, Some(all)) => all.to_string(),
        (_, None) => format!("{} of ?", miss.kernel),
    };
    let mut line = format!(
        "{:>6} {:>3} {access:<6} {:#010x} {nested}{name:<width$} {took:>12} {:>5} {:#010x} {}",
        miss.n,
        miss.environment,
        miss.address,
        miss.slot,
        miss.pc,
        miss.symbol.as_deref().unwrap_or("?"),
        width = 19 - nested.len(),
    );
    if let Some((index, Mapping { environment, address, .. })) =
        miss.evicted.as_ref().and_then(|entry| Some((entry.index, entry.maps.as_ref()?)))
    {
        let _ = write!(line, "; TLB entry {index}: {environment}:{address:#010x}");
    }
    if let Some(context) = miss.displaced {
        let _ = write!(line, "; slot {} to the overflow buffer: Context {context:#010x}", miss.slot);
    }
    if let Some(context) = miss.dropped {
        let _ = write!(line, "; out of that: Context {context:#010x}");
    }
    line
}

/// Totals by path, environment and function.
pub fn summary(record: &Record) -> String {
    let mut words = String::new();
    let _ = writeln!(
        words,
        "{} on {}: {} instructions, {} TLB misses",
        record.program,
        record.machine,
        grouped(record.instructions),
        grouped(record.misses.len() as u64)
    );
    let _ = writeln!(words, "\n{:<28} {:>9} {:>28}", "answered by", "misses", "instructions: least, usual, most");
    for path in Path::ALL {
        let mut lengths: Vec<u64> = record
            .misses
            .iter()
            .filter(|miss| miss.path == path)
            .map(|miss| miss.instructions.unwrap_or(miss.kernel))
            .collect();
        lengths.sort_unstable();
        if let (Some(least), Some(most)) = (lengths.first(), lengths.last()) {
            let usual = lengths[lengths.len() / 2];
            let figures = format!("{}, {}, {}", grouped(*least), grouped(usual), grouped(*most));
            let _ = writeln!(words, "{:<28} {:>9} {figures:>33}", path.title(), grouped(lengths.len() as u64));
        }
    }
    let _ = writeln!(
        words,
        "\nUntil the access is repeated, everything meanwhile included; where it never is: in the kernel."
    );
    table(
        &mut words,
        "environment",
        record.misses.iter().map(|miss| (miss.environment.to_string(), miss.path)),
        usize::MAX,
    );
    let function = |miss: &Miss| {
        let name = miss.symbol.as_deref().map(|symbol| symbol.split(" (").next().unwrap_or(symbol));
        (name.unwrap_or("?").to_owned(), miss.path)
    };
    table(&mut words, "function", record.misses.iter().map(function), FUNCTIONS);
    words
}

/// How many of each kind were answered by whom, the most frequent first.
fn table(words: &mut String, title: &str, misses: impl Iterator<Item = (String, Path)>, most: usize) {
    let mut kinds = BTreeMap::<String, [u64; Path::ALL.len()]>::new();
    for (kind, path) in misses {
        kinds.entry(kind).or_default()[path as usize] += 1;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(kind, paths)| (std::cmp::Reverse(paths.iter().sum::<u64>()), kind.clone()));
    let _ = writeln!(
        words,
        "\n{:>9} {:>9} {:>9} {:>10} {:>11} {:>9} {title}",
        "misses", "STLB", "overflow", "guaranteed", "application", "refused"
    );
    let left = kinds.len().saturating_sub(most);
    for (kind, paths) in kinds.into_iter().take(most) {
        let [hit, overflow, guaranteed, upcall, refused] = paths.map(grouped);
        let sum = grouped(paths.iter().sum());
        let _ = writeln!(words, "{sum:>9} {hit:>9} {overflow:>9} {guaranteed:>10} {upcall:>11} {refused:>9} {kind}");
    }
    if left > 0 {
        let _ = writeln!(words, "{:>9} and {left} more", "...");
    }
}
