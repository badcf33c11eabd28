//! What `./x tlb` shows, against the kernel's own counters, the benchmarks' results, and what the emulators say when asked in other ways.

use aegis_host::bench::results::Results;
use aegis_host::board::{Board, Console};
use aegis_host::cargo::Workspace;
use aegis_host::listing::Listing;
use aegis_host::machine::Machine;
use aegis_host::run::{Clock, NO_CLOCK};
use aegis_host::session::{self, End, Errors, Lines, Patience};
use aegis_host::tlb::record::{Miss, Path, Record, StlbEntry, TlbEntry, Walk};
use aegis_host::tlb::step::gxemul::{CP0, Dialogue, STATUS_CM};
use aegis_host::tlb::step::{Debugger, names, paths, start};
use aegis_host::tlb::watch::{Wanted, Watched, watch};
use aegis_host::trace::Instruction;
use exos_checks::markers::Span;
use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

/// Longest time that an emulator's log may take to reach a miss.
const LIMIT: Duration = Duration::from_secs(300);

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

/// The first miss that the STLB answers.
fn first_hit(record: &Record) -> &Miss {
    record.misses.iter().find(|miss| miss.path == Path::Hit).unwrap()
}

/// A hit, stepped through: and the registers before each step, by name.
fn stepped(machine: Machine) -> (&'static Miss, Walk, Vec<BTreeMap<String, u32>>) {
    let Watched { record, prepared, .. } = watched(machine);
    let workspace = Workspace::find(false).unwrap();
    let miss = first_hit(record);
    let walk = paths::miss(&workspace, machine, prepared, record, miss.n).unwrap();
    let mut state: BTreeMap<String, u32> =
        walk.registers.iter().chain(&walk.cp0).map(|(k, v)| (k.clone(), *v)).collect();
    let mut states = Vec::new();
    for step in &walk.steps {
        states.push(state.clone());
        state.extend(step.registers.iter().chain(&step.cp0).map(|(name, value)| (name.clone(), *value)));
    }

    // Every instruction of the sequence, in order, each with its comment.
    let listing = Listing::read(&workspace.root, machine, &prepared.kernel).unwrap();
    let sequence = listing.between("stlb_refill", "stlb_refill_end").unwrap();
    assert_eq!(walk.steps.len(), sequence.len());
    assert_eq!(miss.instructions, Some(sequence.len() as u64));
    for (step, expected) in walk.steps.iter().zip(sequence) {
        assert_eq!((step.address, step.word), (expected.address, expected.word));
        assert!(step.source.as_ref().is_some_and(|source| source.comment.is_some()), "{step:?}");
    }
    (miss, walk, states)
}

/// The lines of a command's output, up to where `is_enough` says so.
fn lines(mut command: Command, mut is_enough: impl FnMut(&str) -> bool) {
    command.stdin(std::process::Stdio::piped());
    let mut seen = Lines::default();
    let mut enough = false;
    let patience = Patience { end: Some(LIMIT), ..Patience::default() };
    let end = session::run_until(command, Errors::Taken, patience, |chunk| {
        seen.push(chunk, |line| enough = enough || is_enough(line));
        enough.then_some(0)
    });
    assert!(enough, "{:?}: {}", end.unwrap(), seen.text().chars().take(2000).collect::<String>());
}

/// How the registers are named in an emulator's log, and how in a record.
fn compare(step: usize, shown: &BTreeMap<String, u32>, state: &BTreeMap<String, u32>, least: usize) {
    let common: Vec<&String> = state.keys().filter(|name| shown.contains_key(*name)).collect();
    assert!(common.len() >= least, "the log shows just {common:?}");
    for name in common {
        assert_eq!(state[name], shown[name], "{name} before step {}", step + 1);
    }
}

#[test]
fn steps_are_those_of_qemus_log() {
    let machine = Machine::Malta;
    let (miss, walk, states) = stepped(machine);
    let Watched { record, prepared, .. } = watched(machine);
    let before = record.misses[..miss.n as usize - 1].iter().filter(|earlier| earlier.vector == miss.vector).count();

    // QEMU's log of what the processor holds before each instruction of the sequence, each time that it runs.
    let board = Board {
        kernel: prepared.kernel.clone(),
        command_line: prepared.command_line.clone(),
        semihosting: true,
        exact: true,
        console: Console::File("/dev/null".into()),
        ..Board::default()
    };
    let mut command = board.command().unwrap();
    let length = walk.steps.len() * 4;
    command.args(["-singlestep", "-d", "cpu,exec,nochain", "-dfilter", &format!("0x80000000+{length:#x}")]);
    let mut shown: Vec<BTreeMap<String, u32>> = Vec::new();
    let mut runs = 0;
    lines(command, |line| {
        if let Some(words) = line.strip_prefix("pc=0x") {
            let pc = u32::from_str_radix(&words[..8], 16).unwrap();
            if pc == miss.vector {
                runs += 1;
            }
            if runs == before + 1 {
                shown.push(BTreeMap::from([("pc".to_owned(), pc)]));
            }
        }
        let is_dump = line.starts_with("GPR") || line.starts_with("CP0 Status");
        if let Some(last) = shown.last_mut().filter(|_| is_dump && runs == before + 1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            for pair in words.windows(2) {
                if let Ok(value) = u32::from_str_radix(pair[1].trim_start_matches("0x"), 16) {
                    let name = if pair[0] == "s8" { "fp" } else { pair[0] };
                    last.insert(name.to_owned(), value);
                }
            }
        }
        runs > before + 1
    });
    assert_eq!(shown.len(), walk.steps.len());
    for (step, (shown, state)) in shown.iter().zip(&states).enumerate() {
        assert_eq!(shown["pc"], walk.steps[step].address);
        // 31 general registers, Status, Cause and EPC.
        compare(step, shown, state, 34);
    }
}

#[test]
fn steps_are_those_of_gxemuls_register_dumps() {
    let machine = Machine::Decstation;
    let (miss, walk, states) = stepped(machine);
    let Watched { record, prepared, .. } = watched(machine);
    let before = record.misses[..miss.n as usize - 1].len();

    // GXemul dumps all registers before each instruction (a branch together with its delay slot).
    let mut command = Command::new("gxemul");
    command.args(["-i", "-r", "-v", "-E", "dec", "-e", "5000/200", "-o", &prepared.command_line]).arg(&prepared.kernel);
    assert!(prepared.command_line.contains(NO_CLOCK));
    let mut dump: BTreeMap<String, u32> = BTreeMap::new();
    let mut shown: Vec<(u32, BTreeMap<String, u32>)> = Vec::new();
    let mut runs = 0;
    lines(command, |line| {
        runs += usize::from(line.contains("[ exception TLB"));
        // The guest may have written a byte before it.
        let at = line.find("cpu0: ").filter(|at| *at <= 1);
        if let Some(line) = at.map(|at| &line[at..]) {
            if line.contains(" pc = ") {
                dump.clear();
            }
            if runs > before {
                dump.extend(registers(line));
            }
            return false;
        }
        let instruction = Instruction::parse(line.as_bytes())
            .or_else(|| Instruction::parse(line.get(1..).unwrap_or_default().as_bytes()));
        if let Some(Instruction { address, .. }) = instruction.filter(|_| runs == before + 1) {
            shown.push((address, dump.clone()));
        }
        runs > before + 1 || shown.len() > walk.steps.len()
    });
    for (step, (expected, state)) in walk.steps.iter().zip(&states).enumerate() {
        let (address, shown) = &shown[step];
        assert_eq!(*address, expected.address);
        // What stands in a delay slot was dumped with its branch, before both. 31 general registers, HI, LO, and nine of coprocessor 0.
        compare(step, shown, state, 42);
    }
}

/// The registers in a line of GXemul's, under the names of a record.
fn registers(line: &str) -> Vec<(String, u32)> {
    let spread = line.replace('=', " = ");
    let words: Vec<&str> = spread.split_whitespace().collect();
    let name_of = |name: &str| {
        let general = names().find(|general| *general == name);
        general.or_else(|| CP0.iter().find(|(gxemuls, _)| *gxemuls == name).map(|(_, own)| *own))
    };
    let field = |window: &[&str]| {
        let value = u32::from_str_radix(window[2], 16).ok().filter(|_| window[1] == "=")?;
        let name = name_of(window[0])?;
        Some((name.to_owned(), if name == "Status" { value & !STATUS_CM } else { value }))
    };
    words.windows(3).filter_map(field).collect()
}

/// The tables as they are when a miss is met: what has changed up to it, in order.
fn replayed(record: &Record, n: u32) -> (BTreeMap<u32, StlbEntry>, BTreeMap<u32, TlbEntry>) {
    let upto = &record.misses[..n as usize];
    let stlb = upto.iter().flat_map(|miss| miss.stlb_before.clone()).map(|entry| (entry.place, entry)).collect();
    let tlb = upto.iter().flat_map(|miss| miss.tlb_before.clone()).map(|entry| (entry.index, entry)).collect();
    (stlb, tlb)
}

/// The STLB in the guest's memory, when miss `n` is met, is the one that was followed.
fn tables(machine: Machine, n: u32, debugger: &mut dyn Debugger) -> BTreeMap<u32, TlbEntry> {
    let Watched { record, prepared, .. } = watched(machine);
    let upto = &record.misses[..n as usize];
    let vector = machine.vectors().refill;
    assert_eq!(upto.last().unwrap().vector, vector);
    debugger.break_at(vector).unwrap();
    for _ in upto.iter().filter(|miss| miss.vector == vector) {
        debugger.go_on().unwrap();
    }
    let listing = Listing::read(&Workspace::find(false).unwrap().root, machine, &prepared.kernel).unwrap();
    let words = record.shape.entry_bytes as usize / 4;
    let entries = (record.shape.slots + record.shape.overflow) as usize;
    let memory = debugger.words(listing.symbol("stlb_table").unwrap(), entries * words).unwrap();
    let (stlb, tlb) = replayed(record, n);
    let mut lines = 0;
    for (place, words) in memory.chunks_exact(words).enumerate() {
        let followed = stlb.get(&(place as u32)).and_then(|entry| Some((entry.context?, entry.lo.clone())));
        let there = (words[0] != 1).then(|| (words[0], words[1..=record.shape.pages_per_entry as usize].to_vec()));
        assert_eq!(followed, there, "place {place} of the STLB at miss {n}");
        lines += usize::from(there.is_some());
    }
    assert!(lines > 50, "{lines} lines in the STLB");
    tlb
}

/// A miss when much stands in the table, after it was flushed and lines were displaced: the last of those that the table alone answers.
fn late(record: &Record) -> u32 {
    of_span(record, Span::StlbHits).filter(|miss| miss.path == Path::Hit).last().unwrap().n
}

#[test]
fn the_tables_on_malta_are_those_that_were_followed() {
    let Watched { record, prepared, .. } = watched(Machine::Malta);
    let mut debugger = start(&Workspace::find(false).unwrap(), Machine::Malta, prepared).unwrap();
    tables(Machine::Malta, late(record), &mut *debugger);
}

#[test]
fn the_tables_on_decstation_are_those_that_were_followed() {
    let Watched { record, prepared, .. } = watched(Machine::Decstation);
    let board = Board {
        machine: Machine::Decstation,
        kernel: prepared.kernel.clone(),
        command_line: prepared.command_line.clone(),
        ..Board::default()
    };
    let mut dialogue = Dialogue::start(&Workspace::find(false).unwrap(), &board).unwrap();
    // Each stop takes some hundredths of a second.
    let n = record.misses.iter().find(|miss| miss.path == Path::Hit && miss.n > 150).unwrap().n;
    let tlb = tables(Machine::Decstation, n, &mut dialogue);
    let shown = dialogue.ask(&["tlbdump"]).unwrap().concat();
    let mut live = 0;
    for line in shown.lines().filter(|line| line.contains(": ") && !line.contains("cpu0")) {
        let (index, entry) = line.trim().split_once(": ").unwrap();
        let index = u32::from_str_radix(index, 16).unwrap();
        let followed = tlb.get(&index).and_then(|entry| entry.maps.clone());
        let field = |name: &str| {
            let at = entry.find(name)? + name.len();
            let digits: String = entry[at..].chars().take_while(char::is_ascii_hexdigit).collect();
            u32::from_str_radix(&digits, 16).ok()
        };
        let there = field("vaddr=0x").filter(|_| !entry.contains("invalid"));
        assert_eq!(followed.as_ref().map(|maps| maps.address), there, "TLB entry {index} at miss {n}: {line}");
        live += usize::from(there.is_some());
        if let Some(maps) = followed {
            assert_eq!(Some(maps.lo[0] & 0xffff_f000), field("paddr=0x"), "TLB entry {index}: {line}");
        }
    }
    assert!(live > 20, "{live} live entries: {shown}");
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

/// What `./x ARGUMENTS` says and how it ends, with another emulator if one is named.
fn x(arguments: &[&str], qemu: Option<&FilePath>) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aegis-host"));
    command.args(arguments).envs(qemu.map(|qemu| ("AEGIS_QEMU", qemu)));
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

fn check(arguments: &[&str], qemu: Option<&FilePath>, status: i32, shows: &[&str]) {
    let (got, words) = x(arguments, qemu);
    assert_eq!(got, status, "{arguments:?}: {words}");
    for part in shows {
        assert!(words.contains(part), "{arguments:?} does not say `{part}`: {words}");
    }
    assert!(!words.contains("panicked"), "{words}");
}

#[test]
fn bad_input_is_a_line_and_a_status() {
    check(&["tlb", "nosuch"], None, 1, &["there is no program nosuch", "programs: "]);
    check(&["tlb", "--step", "many"], None, 2, &["invalid value 'many'"]);
    check(&["tlb", "--clock", "rtc", "--step", "1"], None, 1, &["leave out --clock"]);
    check(&["tlb", "--clock", "rtc", "--machine", "decstation"], None, 1, &["leave out --clock"]);
    check(&["trace", "frob"], None, 2, &["possible values: exception, transfer"]);
    check(
        &["tlb", "endings", "status", "--step", "0"],
        None,
        1,
        &["there is no miss 0: endings status on malta has misses 1 to "],
    );
    check(&["tlb", "endings", "status", "--step", "99999"], None, 1, &["there is no miss 99999"]);
    for file in ["/nonexistent/page.html", env!("CARGO_MANIFEST_DIR")] {
        for arguments in [&["tlb", "--html", file][..], &["trace", "transfer", "--html", file]] {
            check(arguments, None, 1, &["cannot write the page", file]);
        }
    }
}

#[test]
fn an_emulator_without_plugins_is_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let emulator = |name: &str, script: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path
    };
    let old = emulator("old", "echo QEMU emulator version 9.0.1");
    check(&["tlb"], Some(&old), 1, &["cannot count in QEMU 9.0"]);
    let bare =
        "[ \"$1\" = --version ] && echo QEMU emulator version 7.2.1 || { echo '-plugin: invalid option' >&2; exit 1; }";
    check(&["tlb"], Some(&emulator("bare", bare)), 1, &["without a miss", "-plugin: invalid option"]);
    check(&["tlb"], Some(FilePath::new("/nonexistent/qemu")), 1, &["/nonexistent/qemu"]);
}

#[test]
fn the_programs_status_is_ours_and_json_is_nothing_but_json() {
    check(
        &["tlb", "endings", "status", "--summary"],
        None,
        7,
        &["endings status on malta: ", "upcall to the application"],
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_aegis-host"));
    let output = command.args(["tlb", "endings", "status", "--json"]).output().unwrap();
    let record: Record = serde_json::from_slice(&output.stdout).unwrap();
    assert!(record.misses.iter().enumerate().all(|(index, miss)| miss.n as usize == index + 1));
    // A segmentation fault is an access that is never repeated.
    let command = ["endings".to_owned(), "null".to_owned()];
    let wanted =
        Wanted { machine: Machine::Malta, faithful: false, clock: Clock::None, command: &command, until: None };
    let seen = watch(&Workspace::find(false).unwrap(), &wanted, &mut |_| ()).unwrap();
    let refused: Vec<&Miss> = seen.record.misses.iter().filter(|miss| miss.path == Path::Refused).collect();
    assert!(refused.iter().any(|miss| miss.address == 8 && miss.instructions.is_none()), "{refused:#?}");
}

#[test]
fn an_exception_and_a_transfer_are_stepped_through_there_and_back() {
    for machine in Machine::ALL {
        let kept =
            Results::read(&Workspace::find(false).unwrap().root.join(format!("bench/results/{machine}.json"))).unwrap();
        for (what, name) in [("exception", "exception-overflow"), ("transfer", "transfer-round-trip")] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_aegis-host"));
            let output = command.args(["trace", what, "--json", "--machine", machine.name()]).output().unwrap();
            let record: Record = serde_json::from_slice(&output.stdout).unwrap();
            let steps = record.walk.unwrap().steps;
            assert_eq!(steps.len() as f64, kept.operations[name].minimum, "{what} on {machine}");
            // From the program into the kernel, and back into a program.
            assert!(
                !steps[0].kernel
                    && steps[1].kernel
                    && steps.iter().any(|step| !step.kernel && step.address != steps[0].address)
            );
            for step in steps.iter().filter(|step| step.kernel) {
                assert!(step.source.as_ref().is_some_and(|source| source.comment.is_some()), "{step:?} has no comment");
            }
        }
    }
}
