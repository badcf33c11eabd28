//! `./x fuzz`: hostile environments beside a victim, on a kernel that checks all its invariants again and again. The program `fuzz` of
//! `exos/checks` does it; here its runs are started, watched and summed up.
//!
//! What decides is the exit status of the machine: 0 only if the program has looked at everything and found nothing. What hostile
//! environments print cannot change that.

use crate::annotate::Annotator;
use crate::board::{Board, Input};
use crate::cargo::Workspace;
use crate::image::{self, Kernel};
use crate::machine::Machine;
use crate::output::{errln, outln};
use crate::progress;
use crate::run::{BOOT, DETERMINISTIC_CLOCK};
use crate::session::{End, Errors, Patience};
use crate::symbols::Symbols;
use crate::terminal;
use crate::test::host::tail;
use crate::test::judge::describe_end;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The program.
pub const PROGRAM: &str = "fuzz";
/// The kernel's features for it.
pub const FEATURES: &[&str] = &["checked"];
/// Memory of the machine, in MB: enough for all that is asked for, little enough to run out of, and fast to check.
pub const MEMORY: u32 = 16;
/// A run that shows nothing for so long hangs: it says how far it is much more often.
const SILENCE: Duration = Duration::from_secs(120);
/// Besides that a run may take so long, and as many steps a second must come.
const OVERHEAD: Duration = Duration::from_secs(120);
const SLOWEST: u64 = 200;

/// Options of `./x fuzz`.
#[derive(Args)]
pub struct Options {
    /// What to run it on
    #[arg(long, value_name = "MACHINE", default_value_t)]
    machine: Machine,
    /// Only this seed: the same run each time
    #[arg(long, value_name = "N", conflicts_with = "seeds", value_parser = clap::value_parser!(u32).range(1..))]
    seed: Option<u32>,
    /// Seeds to run, from 1 on
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    seeds: u32,
    /// Steps of each seed
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=u32::MAX.into()))]
    steps: u64,
    /// Show the results as JSON
    #[arg(long)]
    json: bool,
}

/// What came of one seed.
struct Run {
    seed: u32,
    /// Why it has failed.
    fault: Option<String>,
    interrupted: bool,
    seconds: f64,
    output: String,
}

/// What the program tells of a run.
#[derive(Default)]
struct Sums {
    steps: u64,
    /// Calls by name: succeeded, made.
    calls: Vec<(String, u64, u64)>,
    /// The other lines, by what they are about: numbers are added up.
    others: Vec<String>,
}

/// The program's command line.
pub fn command_line(seed: u32, steps: u64) -> String {
    format!("{DETERMINISTIC_CLOCK} {PROGRAM} {seed} {steps}")
}

/// Runs the seeds. The status is 0 if nothing was found.
pub fn main(workspace: &Workspace, options: &Options) -> Result<u8> {
    let Options { machine, steps, .. } = *options;
    machine.emulator().check(false)?;
    let programs = image::build_programs(workspace, machine)?;
    let program = programs.find(PROGRAM)?.path.clone();
    let entries = image::entries(machine, &programs.built)?;
    let kernel = Kernel { machine, features: FEATURES, archive: None }.build(workspace, &entries)?;
    let symbols = Symbols::read(&workspace.root, &kernel, Some(&program));
    let seeds: Vec<u32> = options.seed.map_or_else(|| (1..=options.seeds).collect(), |seed| vec![seed]);
    terminal::catch_interrupts()?;

    let start = Instant::now();
    let show = Progress::new(&seeds, steps);
    let mut runs = run_all(&seeds, steps, |seed| board(machine, kernel.clone(), seed, steps), &show)?;
    show.clear();
    runs.sort_by_key(|run| run.seed);
    let mut failed = false;
    for run in &mut runs {
        if let Some(fault) = &run.fault {
            failed = true;
            let mut text = Vec::new();
            Annotator::new(|address| symbols.describe(address)).pass(run.output.as_bytes(), &mut text)?;
            let replay = format!("./x fuzz --machine {machine} --seed {} --steps {steps}", run.seed);
            errln!("{}\n", tail(&String::from_utf8_lossy(&text)));
            errln!("found at seed {}: {fault}; replay with {replay}", run.seed);
        }
    }
    if terminal::interrupted() {
        return Ok(130);
    }
    tell(options, &runs, start.elapsed())?;
    Ok(u8::from(failed))
}

fn board(machine: Machine, kernel: PathBuf, seed: u32, steps: u64) -> Board {
    let command_line = command_line(seed, steps);
    Board { machine, kernel, command_line, semihosting: true, memory: Some(MEMORY), ..Board::default() }
}

/// Runs all seeds, as many at a time as there are processors, up to the first that fails.
fn run_all(seeds: &[u32], steps: u64, board: impl Fn(u32) -> Board + Sync, show: &Progress) -> Result<Vec<Run>> {
    let next = AtomicU32::new(0);
    let runs = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(seeds.len());
    let worker = || -> Result<()> {
        loop {
            let Some(&seed) = seeds.get(next.fetch_add(1, Relaxed) as usize) else { return Ok(()) };
            if terminal::interrupted() {
                return Ok(());
            }
            let run = run(seed, steps, &board(seed), show)?;
            if run.interrupted {
                return Ok(());
            }
            if run.fault.is_some() {
                // Those that run come to their end.
                next.store(u32::MAX / 2, Relaxed);
            }
            if let Ok(mut runs) = runs.lock() {
                runs.push(run);
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| anyhow::bail!("a thread panicked")))
    })?;
    runs.into_inner().context("a thread panicked")
}

fn run(seed: u32, steps: u64, board: &Board, show: &Progress) -> Result<Run> {
    let limit = OVERHEAD + Duration::from_secs(steps / SLOWEST);
    let patience = Patience { first_output: Some(BOOT), silence: Some(SILENCE), end: Some(limit) };
    let start = Instant::now();
    let mut output = Vec::new();
    let mut shown = 0;
    let end = board.run(Input::None, Errors::Taken, patience, |chunk| {
        output.extend_from_slice(chunk);
        show.update(seed, &output, &mut shown);
    })?;
    let output = String::from_utf8_lossy(&output).into_owned();
    let fault = describe_end(end, 0).map(|fault| words_of(&output).unwrap_or(fault));
    let seconds = start.elapsed().as_secs_f64();
    Ok(Run { seed, fault, interrupted: end == End::Interrupted, seconds, output })
}

/// What the program has found, or a panic of the kernel's: its own words, if there are any.
fn words_of(output: &str) -> Option<String> {
    let mut lines = output.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        if let Some((_, found)) = line.strip_prefix("fuzz: found at ").and_then(|found| found.split_once(", ")) {
            return Some(found.to_owned());
        }
        if let Some(panic) = line.strip_prefix("aegis: panic") {
            // Where, and in the next line why.
            return Some(format!("the kernel: panic{panic} {}", lines.next().unwrap_or_default()));
        }
    }
    None
}

/// Shows the sums of all runs.
fn tell(options: &Options, runs: &[Run], elapsed: Duration) -> Result<()> {
    let Options { machine, steps, json, .. } = options;
    let sums = sums(runs.iter().map(|run| run.output.as_str()));
    let seconds = elapsed.as_secs_f64();
    if *json {
        let calls: BTreeMap<_, _> =
            sums.calls.iter().map(|(name, ok, made)| (name, json!({ "made": made, "ok": ok }))).collect();
        let seeds: Vec<_> =
            runs.iter().map(|run| json!({ "seed": run.seed, "found": run.fault, "seconds": run.seconds })).collect();
        let all = json!({
            "machine": machine.name(), "steps_each": steps, "steps": sums.steps, "seconds": seconds, "seeds": seeds,
            "calls": calls
        });
        outln!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    for run in runs.iter().filter(|run| run.fault.is_none()) {
        outln!("seed {:3}: nothing found in {:.1} s", run.seed, run.seconds);
    }
    for (name, ok, made) in &sums.calls {
        outln!("{name:<14} {ok:>9} ok of {made}");
    }
    sums.others.iter().for_each(|line| outln!("{line}"));
    outln!("{machine}: {} steps in {seconds:.0} s", sums.steps);
    if options.seed.is_none() && runs.iter().all(|run| run.fault.is_none()) {
        outln!("For more: --seeds COUNT --steps N; for one again: --seed N");
    }
    Ok(())
}

/// Adds up what the program tells in its last lines.
fn sums<'a>(outputs: impl Iterator<Item = &'a str>) -> Sums {
    let mut sums = Sums::default();
    let mut others: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in outputs.flat_map(str::lines) {
        if let Some(call) = line.strip_prefix("# call ") {
            let Some((name, [ok, made])) = call.split_once(": ").and_then(|(name, rest)| {
                let mut numbers = rest.trim_end().split(" ok of ").map_while(|word| word.parse().ok());
                Some((name, [numbers.next()?, numbers.next()?]))
            }) else {
                continue;
            };
            match sums.calls.iter_mut().find(|(known, ..)| known == name) {
                Some((_, all_ok, all_made)) => (*all_ok, *all_made) = (*all_ok + ok, *all_made + made),
                None => sums.calls.push((name.to_owned(), ok, made)),
            }
        } else if let Some(steps) = line.strip_prefix("# steps: ").and_then(|word| word.trim_end().parse::<u64>().ok())
        {
            sums.steps += steps;
        } else if let Some(other) = line.strip_prefix("# sum ").and_then(|other| other.trim_end().split_once(": ")) {
            let numbers: Vec<u64> = other.1.split(' ').filter_map(|word| word.parse().ok()).collect();
            let all = others.entry(other.0.to_owned()).or_default();
            all.resize(all.len().max(numbers.len()), 0);
            all.iter_mut().zip(numbers).for_each(|(all, number)| *all += number);
        }
    }
    sums.others = others
        .into_iter()
        .map(|(name, numbers)| {
            let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
            format!("{name}: {}", numbers.join(" "))
        })
        .collect();
    sums
}

/// Shows on a terminal how far the runs are.
struct Progress {
    line: progress::Progress,
    steps: u64,
    seeds: usize,
    at: Mutex<BTreeMap<u32, u64>>,
}

impl Progress {
    fn new(seeds: &[u32], steps: u64) -> Progress {
        Progress { line: progress::Progress::new(true), steps, seeds: seeds.len(), at: Mutex::new(BTreeMap::new()) }
    }

    /// Looks for news in the output behind the first `shown` bytes.
    fn update(&self, seed: u32, output: &[u8], shown: &mut usize) {
        let Some(end) = output[*shown..].iter().rposition(|&byte| byte == b'\n').map(|end| *shown + end) else {
            return;
        };
        let news = String::from_utf8_lossy(&output[*shown..end]);
        *shown = end + 1;
        let far =
            news.lines().filter_map(|line| line.strip_prefix("fuzz: ")?.split_once(" of ")?.0.parse().ok()).next_back();
        let (Some(far), Ok(mut at)) = (far, self.at.lock()) else { return };
        at.insert(seed, far);
        let done: u64 = at.values().sum();
        self.line.show(format_args!("{done} of {} steps ...", self.steps * self.seeds as u64));
    }

    fn clear(&self) {
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_tell_is_added_up() {
        let sums = sums(
            ["# call pid: 2 ok of 3\nnoise\n# steps: 10\n# sum ticks: 5", "# call pid: 1 ok of 7\r\n# steps: 1"]
                .into_iter(),
        );
        assert_eq!(sums.calls, [("pid".to_owned(), 3, 10)]);
        assert_eq!((sums.steps, sums.others), (11, vec!["ticks: 5".to_owned()]));
    }

    #[test]
    fn the_words_of_what_was_found_are_found() {
        assert_eq!(words_of("noise\nfuzz: found at seed 1, step 5: x\r\n").as_deref(), Some("step 5: x"));
        let panic = words_of("aegis: panicked at a.rs:1:2:\r\nbecause\n");
        assert_eq!(panic.as_deref(), Some("the kernel: panicked at a.rs:1:2: because"));
        assert_eq!(words_of("fuzz: 10 of 20 steps"), None);
    }

    #[test]
    fn a_line_that_is_not_the_programs_is_passed_over() {
        let sums = sums(["# call\n# call x\n# call x: y\n# steps: many\n# sum"].into_iter());
        assert!(sums.calls.is_empty() && sums.others.is_empty() && sums.steps == 0);
    }
}
