//! Stepping, against what the emulators log of the same instructions.

use super::watched;
use aegis_host::board::{Board, Console};
use aegis_host::cargo::Workspace;
use aegis_host::listing::Listing;
use aegis_host::machine::Machine;
use aegis_host::run::NO_CLOCK;
use aegis_host::session::{self, Errors, Lines, Patience};
use aegis_host::tlb::record::{Miss, Path, Record, Walk};
use aegis_host::tlb::step::gxemul::{CP0, STATUS_CM};
use aegis_host::tlb::step::{names, paths};
use aegis_host::tlb::watch::Watched;
use aegis_host::trace::Instruction;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

/// Longest time that an emulator's log may take to reach a miss.
const LIMIT: Duration = Duration::from_secs(300);

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
    let help = Command::new(command.get_program()).arg("-help").output().unwrap().stdout;
    let is_new = String::from_utf8_lossy(&help).contains("one-insn-per-tb");
    command.args(if is_new { &["-accel", "tcg,one-insn-per-tb=on"][..] } else { &["-singlestep"] });
    command.args(["-d", "cpu,exec,nochain", "-dfilter", &format!("0x80000000+{length:#x}")]);
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
