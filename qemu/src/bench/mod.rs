//! `./x bench`: what operations cost, in instructions executed, on both machines, beside the thesis and another system.
//!
//! The operations are those of `aegis_bench`, whose program performs them; the emulators count ([`crate::counts`]).

mod check;
mod plot;
pub(crate) mod report;
pub mod results;

use crate::cargo::Workspace;
use crate::counted::{self, Wanted};
use crate::machine::Machine;
use crate::output::{errln, outln};
use crate::peer::{self, Peer};
use crate::progress::Progress;
use crate::{calibration, sweep, terminal};
use anyhow::{Context, Result};
use check::{Change, Comparison};
use clap::{Args, ValueEnum};
use report::Report;
use results::Results;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest time that a machine's run may take.
const LIMIT: Duration = Duration::from_secs(600);
/// The program.
const PROGRAM: &str = "bench";

/// Systems to compare with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum PeerName {
    /// Debian's Linux for the Malta board
    Linux,
}

/// Options of `./x bench`.
#[derive(Args)]
pub struct Options {
    /// Measure on this machine alone
    #[arg(long, value_name = "MACHINE")]
    machine: Option<Machine>,
    /// Measure this system too, on the same board
    #[arg(long, value_name = "PEER")]
    peer: Option<PeerName>,
    /// Compare with the results in bench/results/, and fail when something costs more; nothing is written
    #[arg(long, conflicts_with = "peer")]
    check: bool,
    /// Measure instead how the software TLB answers, over working sets, patterns and sizes of its table
    #[arg(long, conflicts_with_all = ["peer", "check"])]
    stlb: bool,
    /// With --stlb: fewer sizes, fewer accesses
    #[arg(long, requires = "stlb")]
    quick: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures, reports, and writes the results to `bench/results/`; or compares with those. The status is 1 if something costs more.
pub fn main(workspace: &Workspace, options: &Options) -> Result<u8> {
    let machines = options.machine.map_or(Machine::ALL.to_vec(), |machine| vec![machine]);
    for machine in &machines {
        machine.emulator().check(true)?;
    }
    terminal::catch_interrupts()?;
    let directory = workspace.root.join("bench/results");
    if options.stlb {
        return sweep_stlb(workspace, &directory, &machines, options);
    }
    let toolchain = toolchain(workspace)?;
    let mut all = Vec::new();
    for machine in machines {
        let start = Instant::now();
        let progress = Progress::besides_terminal();
        progress.show(format_args!("measuring on {machine} ..."));
        errln!("measuring on {machine} ...");
        all.push(measure(workspace, machine, &toolchain)?);
        errln!("measuring on {machine}: {:.0} s", start.elapsed().as_secs_f64());
    }
    if options.check {
        return compare(&directory, &all, options.json);
    }

    let kept_peer = directory.join("linux.json");
    let peer = match options.peer {
        Some(PeerName::Linux) => {
            let progress = Progress::besides_terminal();
            let peer = peer::measure(workspace, &mut |what| {
                errln!("{what} ...");
                progress.show(format_args!("{what} ..."));
            })?;
            write(&kept_peer, &(serde_json::to_string_pretty(&peer)? + "\n"))?;
            Some(peer)
        }
        // What was measured before stands beside what is measured now.
        None => std::fs::read_to_string(&kept_peer).ok().map(|text| serde_json::from_str::<Peer>(&text)).transpose()?,
    };
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let mut written = Vec::new();
    for results in &all {
        let path = directory.join(format!("{}.json", results.machine));
        write(&path, &(serde_json::to_string_pretty(results)? + "\n"))?;
        written.push(path);
    }
    let known = known(&directory, &all);
    let report = Report { machines: &known, peer: peer.as_ref() };
    write(&directory.join("report.md"), &report.markdown())?;
    written.push(directory.join("report.md"));
    written.push(plot::draw(&known, peer.as_ref(), &directory)?);
    let readme = workspace.root.join("README.md");
    let text = std::fs::read_to_string(&readme).with_context(|| format!("cannot read {}", readme.display()))?;
    if let Some(text) = report.within(&text) {
        write(&readme, &text)?;
        written.push(readme);
    }
    if options.json {
        outln!("{}", serde_json::to_string_pretty(&json!({ "machines": all, "peer": peer }))?);
    } else {
        outln!("instructions executed, medians\n\n{}", report.text());
        written
            .iter()
            .for_each(|path| outln!("written: {}", path.strip_prefix(&workspace.root).unwrap_or(path).display()));
    }
    Ok(0)
}

/// Results of all machines: those of now, and of the others those that were kept.
fn known(directory: &Path, now: &[Results]) -> Vec<Results> {
    let of = |machine: Machine| {
        let name = machine.name();
        let result = now.iter().find(|results| results.machine == name).cloned();
        result.or_else(|| Results::read(&directory.join(format!("{name}.json"))).ok())
    };
    Machine::ALL.into_iter().filter_map(of).collect()
}

/// Measures how the software TLB behaves, and writes data and plots. A quick sweep is no result: it goes elsewhere.
fn sweep_stlb(workspace: &Workspace, results: &Path, machines: &[Machine], options: &Options) -> Result<u8> {
    let directory =
        if options.quick || options.machine.is_some() { workspace.target.join("sweep") } else { results.to_path_buf() };
    let progress = Progress::besides_terminal();
    let sweep = sweep::run(workspace, machines, options.quick, &mut |what| {
        errln!("{what}");
        progress.show(format_args!("{what} ..."));
    })?;
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let mut written = sweep::plot(&sweep, &directory)?;
    let data = directory.join("stlb.json");
    write(&data, &(serde_json::to_string(&sweep)? + "\n"))?;
    written.push(data);
    if options.json {
        outln!("{}", serde_json::to_string_pretty(&sweep)?);
    } else {
        written
            .iter()
            .for_each(|path| outln!("written: {}", path.strip_prefix(&workspace.root).unwrap_or(path).display()));
    }
    Ok(0)
}

/// Runs the program on a machine, counted, and takes the results.
fn measure(workspace: &Workspace, machine: Machine, toolchain: &str) -> Result<Results> {
    let wanted = Wanted { machine, features: &[], command_line: PROGRAM, limit: LIMIT };
    let (_, counts) = counted::run(workspace, &wanted, |line| {
        if let Some((_, done)) = line.strip_prefix("ok ").and_then(|rest| rest.split_once(" - ")) {
            errln!("    {done}");
        }
    })?;
    calibration::check(&counts)?;
    Results::take(machine, toolchain, &counts)
}

/// Compares with the results that were kept, and says what has changed.
fn compare(directory: &Path, all: &[Results], as_json: bool) -> Result<u8> {
    let mut grown = 0;
    let mut reports = Vec::new();
    for results in all {
        let path: PathBuf = directory.join(format!("{}.json", results.machine));
        let kept = Results::read(&path).context("there is nothing to compare with; ./x bench writes it")?;
        let Comparison { grown: more, shrunk, new, left_out } = check::compare(&kept, results);
        grown += more.len();
        let lines = |changes: &[Change]| -> Vec<String> {
            let line = |change: &Change| {
                format!("{} {}: {} instead of {}", change.id, change.which, change.now, change.before)
            };
            changes.iter().map(line).collect()
        };
        reports.push(json!({ "machine": results.machine, "grown": lines(&more), "shrunk": lines(&shrunk), "new": new, "left_out": left_out }));
        if as_json {
            continue;
        }
        lines(&more).iter().for_each(|line| outln!("{}: more: {line}", results.machine));
        lines(&shrunk).iter().for_each(|line| outln!("{}: less: {line}", results.machine));
        new.iter().for_each(|id| outln!("{}: new: {id}", results.machine));
        if !left_out.is_empty() {
            outln!(
                "{}: not compared, as another compiler made it ({}): {}",
                results.machine,
                kept.toolchain,
                left_out.join(", ")
            );
        }
        outln!("{}: {} figures grown, {} shrunk", results.machine, more.len(), shrunk.len());
    }
    if as_json {
        outln!("{}", serde_json::to_string_pretty(&reports)?);
    } else if grown > 0 {
        outln!("if that is as it should be, ./x bench writes the new results");
    }
    Ok(u8::from(grown > 0))
}

/// The compiler's version.
fn toolchain(workspace: &Workspace) -> Result<String> {
    let output = workspace.cargo(["--version"]).output().context("cannot start cargo")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().replace("cargo", "Rust"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_the_results_that_are_kept() {
        let root = Workspace::find(false).unwrap().root;
        let directory = root.join("bench/results");
        let results = known(&directory, &[]);
        assert_eq!(results.len(), Machine::ALL.len());
        let peer = std::fs::read_to_string(directory.join("linux.json")).unwrap();
        let peer: Peer = serde_json::from_str(&peer).unwrap();
        let report = Report { machines: &results, peer: Some(&peer) };
        let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
        assert_eq!(report.within(&readme).as_ref(), Some(&readme));
        assert_eq!(std::fs::read_to_string(directory.join("report.md")).unwrap(), report.markdown());
    }
}
