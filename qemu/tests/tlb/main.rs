//! What `./x tlb` shows, against the kernel's own counters, the benchmarks' results, and what the emulators say when asked in other ways.

mod commands;
mod logs;
mod tables;

use aegis_host::bench::results::Results;
use aegis_host::cargo::Workspace;
use aegis_host::machine::Machine;
use aegis_host::run::Clock;
use aegis_host::session::End;
use aegis_host::tlb::record::{Miss, Path, Record};
use aegis_host::tlb::watch::{Wanted, Watched, watch};
use exos_checks::markers::Span;
use std::sync::OnceLock;

/// The program `watched` on a machine, watched to its end.
fn watched(machine: Machine) -> &'static Watched {
    static SEEN: [OnceLock<Watched>; 2] = [OnceLock::new(), OnceLock::new()];
    SEEN[machine as usize].get_or_init(|| {
        let command = ["watched".to_owned()];
        let wanted = Wanted { machine, faithful: false, clock: Clock::None, command: &command, until: None };
        let seen = watch(&Workspace::find(false).unwrap(), &wanted, &mut |_| ()).unwrap();
        assert_eq!(seen.end, Some(End::Exited(0)));
        seen
    })
}

/// The misses of a span that are not within another's handling.
fn of_span(record: &Record, span: Span) -> impl Iterator<Item = &Miss> {
    record.misses.iter().filter(move |miss| miss.spans.contains(&span.id()) && miss.depth == 0)
}

fn paths_and_counts(machine: Machine) {
    let Watched { record, console, .. } = watched(machine);
    let answered = |path: &[Path]| of_all(record, Span::Watched, path);

    // The kernel's counters, as the program has read them at both ends of the span.
    let console = std::fs::read_to_string(console).unwrap();
    let counters = console.lines().find(|line| line.starts_with("counters: ")).unwrap_or_else(|| panic!("{console}"));
    let seen = format!(
        "counters: overflow {} guaranteed {} upcalls {}",
        answered(&[Path::Overflow]),
        answered(&[Path::Guaranteed]),
        answered(&[Path::Upcall, Path::Refused])
    );
    assert_eq!(counters.trim_end(), seen);
    assert!(answered(&[Path::Hit]) > 1000 && answered(&[Path::Overflow]) > 10, "{seen}");

    // The figures that were kept. A span counts the load itself too, each time that it begins.
    let root = Workspace::find(false).unwrap().root;
    let kept = Results::read(&root.join(format!("bench/results/{machine}.json"))).unwrap();
    let loads = 2;
    let figures = [
        ("stlb-hit", Span::StlbHits, Path::Hit, 0, 0.0),
        ("overflow-hit", Span::OverflowHit, Path::Overflow, loads, 0.01),
        ("guaranteed-hit", Span::GuaranteedHit, Path::Guaranteed, loads, 0.01),
        ("miss", Span::Miss, Path::Upcall, loads, 0.01),
    ];
    for (name, span, path, own, margin) in figures {
        let mut took: Vec<u64> = of_span(record, span)
            .filter(|miss| miss.path == path)
            .map(|miss| miss.instructions.unwrap() + own)
            .collect();
        took.sort_unstable();
        let figure = &kept.operations[name];
        for (what, seen, kept) in [("least", took[0], figure.minimum), ("median", took[took.len() / 2], figure.median)]
        {
            let difference = (seen as f64 - kept).abs();
            assert!(difference <= kept * margin, "{name} on {machine}: {what} {seen}, and {kept} was kept");
        }
    }
}

/// How many misses of a span were answered so.
fn of_all(record: &Record, span: Span, paths: &[Path]) -> usize {
    record.misses.iter().filter(|miss| miss.spans.contains(&span.id()) && paths.contains(&miss.path)).count()
}

#[test]
fn paths_and_counts_are_the_kernels_and_the_benchmarks_on_malta() {
    paths_and_counts(Machine::Malta);
}

#[test]
fn paths_and_counts_are_the_kernels_and_the_benchmarks_on_decstation() {
    paths_and_counts(Machine::Decstation);
}

#[test]
fn refills_with_the_tlbs_own_size_are_followed_too() {
    let command = ["watched".to_owned()];
    let wanted =
        Wanted { machine: Machine::Malta, faithful: true, clock: Clock::None, command: &command, until: Some(3000) };
    let seen = watch(&Workspace::find(false).unwrap(), &wanted, &mut |_| ()).unwrap();
    let hits: Vec<&Miss> = seen.record.misses.iter().filter(|miss| miss.path == Path::Hit).collect();
    assert!(hits.len() > 300, "{} hits", hits.len());
    assert!(hits.iter().all(|miss| miss.instructions == Some(18) && miss.loaded.is_some()));
}

#[test]
fn whatever_a_program_does_is_followed() {
    // Instructions that only the kernel may execute, exceptions of all kinds; rights withdrawn, frames taken away; a clock.
    for (program, clock) in [
        ("exceptions", Clock::None),
        ("revocation", Clock::None),
        ("memory", Clock::None),
        ("stride", Clock::Deterministic),
    ] {
        let command = [program.to_owned()];
        let wanted = Wanted { machine: Machine::Malta, faithful: false, clock, command: &command, until: None };
        let seen = watch(&Workspace::find(false).unwrap(), &wanted, &mut |_| ());
        let seen = seen.unwrap_or_else(|error| panic!("{program}: {error:#}"));
        assert_eq!(seen.end, Some(End::Exited(0)), "{program}");
        assert!(seen.record.misses.len() > 100, "{program}");
    }
}

#[test]
fn another_environments_misses_are_its_own() {
    let command = ["pingpong".to_owned()];
    let wanted =
        Wanted { machine: Machine::Malta, faithful: false, clock: Clock::None, command: &command, until: Some(4000) };
    let seen = watch(&Workspace::find(false).unwrap(), &wanted, &mut |_| ()).unwrap();
    let environments = &seen.record.environments;
    assert!(environments.len() > 1, "{environments:?}");
    for miss in &seen.record.misses {
        let tag = environments[&miss.environment].tag;
        assert_eq!(miss.context & seen.record.shape.tag_mask, tag, "{miss:?}");
        // The symbols are those of the program that was started, and of no other's.
        assert_eq!(miss.symbol.is_some(), miss.environment == seen.record.misses[0].environment, "{miss:?}");
    }
}
