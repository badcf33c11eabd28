//! `./x run`: boots Aegis and runs a program.

use crate::annotate::Annotator;
use crate::archive::Entry;
use crate::board::{Board, Counting, Input};
use crate::cargo::{Workspace, command_line};
use crate::counts::Counts;
use crate::image::{self, Kernel};
use crate::machine::Machine;
use crate::output::{self, INTERRUPTED, errln, out, outln};
use crate::session::{End, Errors, Patience};
use crate::symbols::Symbols;
use crate::{cli, figure, terminal};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A boot that shows nothing for so long has failed.
pub const BOOT: Duration = Duration::from_secs(20);

/// What runs unless something else is asked for.
pub const DEFAULT_PROGRAM: &str = "tour";

/// Least importance of the kernel's messages that are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Level {
    /// None.
    Off,
    /// What failed.
    Error,
    /// What looks wrong.
    Warn,
    /// What is worth knowing.
    Info,
    /// What the kernel does.
    Debug,
    /// All of it.
    Trace,
}

/// The clock, which ends time slices. The kernel counts its ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Clock {
    /// In real time, 256 times a second
    Rtc,
    /// After so many instructions, the same in every run
    Deterministic,
    /// Never
    None,
}

/// Exit status of a run that `--timeout` has ended, as of timeout(1).
pub const TIMED_OUT: u8 = 124;
/// Exit status of a run that `--limit` has ended.
pub const LIMITED: u8 = 123;

/// How words begin that the kernel takes from the front of the command line.
pub const KERNEL_OPTION: &str = "aegis.";
/// The one for what the kernel tells.
const LOG_OPTION: &str = "aegis.log=";
/// The one for what ends the kernel's last line.
pub const NONCE_OPTION: &str = "aegis.nonce=";
/// The one for the clock.
pub const CLOCK_OPTION: &str = "aegis.clock=";
/// The one for none, where instructions are counted.
pub const NO_CLOCK: &str = "aegis.clock=none";
/// The one for a clock that counts instructions.
pub const DETERMINISTIC_CLOCK: &str = "aegis.clock=deterministic";

/// Options of `./x run`.
#[derive(Args)]
pub struct Options {
    /// What to run it on
    #[arg(long, value_name = "MACHINE", default_value_t)]
    machine: Machine,
    /// Run without semihosting: the guest's exit status is then read from its last line
    #[arg(long)]
    no_semihosting: bool,
    /// Count executed instructions, and show the spans between markers and the stays in the kernel
    #[arg(long)]
    count: bool,
    /// End it after so many seconds, with exit status 124
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// End it when it has executed so many instructions, with exit status 123 (on malta)
    #[arg(long, value_name = "INSTRUCTIONS", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Run this ELF file instead of a program of the repository; all words after the options are its arguments
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// What the kernel tells
    #[arg(long, value_name = "LEVEL")]
    log: Option<Level>,
    /// The clock that ends time slices [default: rtc; with --count: none]
    #[arg(long, value_name = "CLOCK")]
    clock: Option<Clock>,
    /// Lets the first tick of the deterministic clock come so many instructions earlier, and all others with it (on malta)
    #[arg(long, value_name = "INSTRUCTIONS", default_value_t = 0)]
    phase: u32,
    /// Moves each tick of the deterministic clock by up to 64 instructions, as follows from a seed; 0: none (on malta)
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    jitter: u32,
    /// Program and its arguments, separated by blanks for the program too [default: tour]
    #[arg(value_names = ["PROGRAM", "ARGS"], num_args = 0.., trailing_var_arg = true)]
    command: Vec<String>,
}

/// A program that is ready to boot.
pub struct Prepared {
    /// The kernel image.
    pub kernel: PathBuf,
    /// The program, with its symbols.
    pub program: PathBuf,
    /// Program and arguments.
    pub command_line: String,
}

/// What is to be prepared.
#[derive(Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// What it is to run on.
    pub machine: Machine,
    /// An ELF file to run instead of a program of the repository.
    pub file: Option<&'a Path>,
    /// Program and arguments, or just arguments if there is a file.
    pub command: &'a [String],
    /// What the kernel tells.
    pub log: Option<Level>,
    /// The clock that ends time slices; `None`: the kernel's choice.
    pub clock: Option<Clock>,
    /// Instructions by which the deterministic clock's ticks come earlier, and the seed of what moves each.
    pub course: (u32, u32),
    /// Instructions are to be counted.
    pub counting: bool,
    /// Further features of the kernel.
    pub features: &'a [&'a str],
}

/// The feature of the kernel that leaves out what only an emulator needs.
pub const COUNTING: &str = "counting";

/// Builds all that is wanted.
pub fn prepare(workspace: &Workspace, wanted: Wanted<'_>) -> Result<Prepared> {
    let Wanted { machine, file, command, log, clock, course, counting, features } = wanted;
    let features: Vec<&str> = features.iter().copied().chain(counting.then_some(COUNTING)).collect();
    let kernel = Kernel { machine, features: &features, archive: None };
    let option = option_word(LOG_OPTION, log) + &clock_word(clock, course);
    let mut programs = image::build_programs(workspace, machine)?;
    let Some(path) = file else {
        let name = command.first().map_or(DEFAULT_PROGRAM, String::as_str);
        let program = programs.find(name)?.path.clone();
        programs.tell_broken();
        let kernel = kernel.build(workspace, &image::entries(machine, &programs.built)?)?;
        let command_line = if command.is_empty() { name.to_owned() } else { command.join(" ") };
        return Ok(Prepared { kernel, program, command_line: option + &command_line });
    };

    let path = cli::from_caller(path);
    let name = path.file_stem().with_context(|| format!("{} names no file", path.display()))?;
    let name = program_name(&name.to_string_lossy());
    let own = Entry::program(&name, &path, machine)?;
    programs.tell_broken();
    programs.built.retain(|program| program.name != name);
    let mut entries = image::entries(machine, &programs.built)?;
    entries.push(own);
    let archive = format!("file-{name}");
    let kernel = Kernel { archive: Some(&archive), ..kernel }.build(workspace, &entries)?;
    let words: Vec<&str> = std::iter::once(name.as_str()).chain(command.iter().map(String::as_str)).collect();
    Ok(Prepared { kernel, program: path, command_line: option + &words.join(" ") })
}

/// A file's name as that of a program: one word, in any archive, and no option of the kernel's.
fn program_name(stem: &str) -> String {
    /// As long as it may be.
    const LONGEST: usize = 64;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_+.".contains(c);
    let name: String = stem.chars().map(|c| if plain(c) { c } else { '-' }).take(LONGEST).collect();
    match name.strip_prefix(KERNEL_OPTION) {
        Some(rest) => format!("{}-{rest}", KERNEL_OPTION.trim_end_matches('.')),
        None => name,
    }
}

/// A word for the kernel, if there is a value, and the blank behind it.
fn option_word(name: &str, value: Option<impl ValueEnum>) -> String {
    let value = value.and_then(|value| value.to_possible_value());
    value.map_or_else(String::new, |value| format!("{name}{} ", value.get_name()))
}

/// The word for the clock, if one is named.
fn clock_word(clock: Option<Clock>, (phase, jitter): (u32, u32)) -> String {
    let word = option_word(CLOCK_OPTION, clock);
    match (phase, jitter) {
        (0, 0) => word,
        _ => format!("{},phase={phase},jitter={jitter} ", word.trim_end()),
    }
}

/// Runs a program and gives its exit status.
pub fn main(workspace: &Workspace, options: &Options) -> Result<u8> {
    let Options { machine, count, limit, timeout, .. } = *options;
    machine.emulator().check(count || limit.is_some())?;
    ensure!(
        limit.is_none() || machine == Machine::Malta,
        "GXemul cannot be ended at an instruction, so --limit is for malta; --timeout ends a run on both machines"
    );
    ensure!(
        (options.phase, options.jitter) == (0, 0)
            || (machine == Machine::Malta && options.clock == Some(Clock::Deterministic)),
        "--phase and --jitter are for --clock deterministic on malta: no other clock has them"
    );
    let counting = (count || limit.is_some()).then(|| Counting::new(workspace, machine, "run")).transpose()?;
    let wanted = Wanted {
        machine,
        file: options.file.as_deref(),
        command: &options.command,
        log: options.log,
        clock: options.clock.or(count.then_some(Clock::None)),
        course: (options.phase, options.jitter),
        counting: count,
        features: &[],
    };
    let prepared = prepare(workspace, wanted)?;
    let board = Board {
        machine,
        kernel: prepared.kernel.clone(),
        command_line: prepared.command_line,
        semihosting: !options.no_semihosting,
        counting: counting.clone(),
        limit,
        ..Board::default()
    };
    let symbols = Symbols::read(&workspace.root, &prepared.kernel, Some(&prepared.program));
    let mut figures = figure::Collector::default();
    let status = boot(workspace, &board, timeout, &symbols, &mut figures)?;
    // Of a run that was cut off, figures and counts may be incomplete or missing, and its status
    // tells that.
    let is_cut_off = [LIMITED, TIMED_OUT, INTERRUPTED].contains(&status);
    for figure in if is_cut_off { Vec::new() } else { figures.figures()? } {
        outln!("figure: {}", figure.draw(&workspace.figures(machine))?.display());
    }
    if let Some(Counting { out, .. }) = counting.filter(|_| count && (!is_cut_off || status == LIMITED)) {
        out!("\n{}", Counts::read(&out)?);
        outln!("all of it: {}", out.display());
    }
    Ok(status)
}

/// A time in seconds, for the command line.
fn seconds(words: &str) -> Result<Duration, String> {
    let time = words.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| !time.is_zero()).ok_or_else(|| "this is no time in seconds".to_owned())
}

/// Boots, and collects the figures in what is shown.
fn boot(
    workspace: &Workspace,
    board: &Board,
    timeout: Option<Duration>,
    symbols: &Symbols,
    figures: &mut figure::Collector,
) -> Result<u8> {
    let command = board.command()?;
    workspace.show(&command);
    let command = command_line(&command);

    terminal::catch_interrupts()?;
    let mut annotator = Annotator::new(|address| symbols.describe(address));
    let end = {
        let _saved = terminal::Saved::new();
        let patience = Patience { first_output: Some(BOOT), end: timeout, ..Patience::default() };
        board.run(Input::Ours, Errors::Inherited, patience, |chunk| {
            figures.push(chunk);
            let mut out = std::io::stdout().lock();
            output::note(annotator.pass(chunk, &mut out).and_then(|()| out.flush()));
            // It runs to be seen.
            if output::is_closed() {
                terminal::interrupt();
            }
        })?
    };
    if let (Some(limit), End::Exited(_), Some(Counting { out, .. })) = (board.limit, end, &board.counting)
        && let Some(address) = Counts::read(out)?.limit
    {
        let function = symbols.describe(address).and_then(|words| words.lines().next().map(str::to_owned));
        let place = function.map_or_else(String::new, |function| format!(" in {function}"));
        errln!(
            "x: ended by --limit: {limit} instructions are executed, and the next would be that at {address:#010x}{place}; \
             with a greater limit it goes on"
        );
        return Ok(LIMITED);
    }
    match end {
        End::Exited(status) => Ok(status as u8),
        End::Signalled(signal) => {
            errln!("x: the emulator was ended by signal {signal}: {command}");
            Ok(128 + signal as u8)
        }
        End::Interrupted => Ok(INTERRUPTED),
        End::TooLong(limit) => {
            let seconds = limit.as_secs_f64();
            errln!("x: ended by --timeout: it has run for {seconds} s; with a longer time it goes on: {command}");
            Ok(TIMED_OUT)
        }
        End::Silent(limit) => {
            bail!("no sign of life in {} s, so the emulator was ended: {command}", limit.as_secs())
        }
        End::Lost => bail!("the emulator ended without a last line of the kernel's: {command}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_is_one_word_and_no_option_of_the_kernels() {
        assert_eq!(program_name("hello"), "hello");
        assert_eq!(program_name("two words\tand ünore,x"), "two-words-and--nore-x");
        assert_eq!(program_name("aegis.clock=none"), "aegis-clock-none");
        assert_eq!(program_name("aegis.nonce=1 tour"), "aegis-nonce-1-tour");
        assert_eq!(program_name(&"x".repeat(300)).len(), 64);
        assert!(!program_name("aegis.").starts_with(KERNEL_OPTION));
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        assert!(["0", "-1", "x", "", "inf", "NaN", "1e300"].iter().all(|words| seconds(words).is_err()));
    }
}
