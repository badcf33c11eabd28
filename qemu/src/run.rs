//! `./x run`: boots Aegis and runs a program.

use crate::annotate::Annotator;
use crate::archive::Entry;
use crate::board::{Board, Counting, Input};
use crate::cargo::{Workspace, command_line};
use crate::counts::Counts;
use crate::image::{self, Kernel, Program};
use crate::machine::Machine;
use crate::session::{End, Errors, Patience};
use crate::symbols::Symbols;
use crate::{cli, figure, terminal};
use anyhow::{Context, Result, bail};
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

/// How words begin that the kernel takes from the front of the command line.
pub const KERNEL_OPTION: &str = "aegis.";
/// The one for what the kernel tells.
const LOG_OPTION: &str = "aegis.log=";
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
    /// Run this ELF file instead of a program of the repository; all words after the options are its arguments
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// What the kernel tells
    #[arg(long, value_name = "LEVEL")]
    log: Option<Level>,
    /// The clock that ends time slices [default: rtc; with --count: none]
    #[arg(long, value_name = "CLOCK")]
    clock: Option<Clock>,
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
    /// Instructions are to be counted.
    pub counting: bool,
    /// Further features of the kernel.
    pub features: &'a [&'a str],
}

/// The feature of the kernel that leaves out what only an emulator needs.
pub const COUNTING: &str = "counting";

/// Builds all that is wanted.
pub fn prepare(workspace: &Workspace, wanted: Wanted<'_>) -> Result<Prepared> {
    let Wanted { machine, file, command, log, clock, counting, features } = wanted;
    let features: Vec<&str> = features.iter().copied().chain(counting.then_some(COUNTING)).collect();
    let kernel = Kernel { machine, features: &features, archive: None };
    let option = option_word(LOG_OPTION, log) + &option_word(CLOCK_OPTION, clock);
    let mut programs = image::build_programs(workspace, machine)?;
    let Some(path) = file else {
        let name = command.first().map_or(DEFAULT_PROGRAM, String::as_str);
        let program = find(&programs, name)?.path.clone();
        let kernel = kernel.build(workspace, &image::entries(machine, &programs)?)?;
        let command_line = if command.is_empty() { name.to_owned() } else { command.join(" ") };
        return Ok(Prepared { kernel, program, command_line: option + &command_line });
    };

    let path = cli::from_caller(path);
    let name = path.file_stem().with_context(|| format!("{} names no file", path.display()))?;
    let name = name.to_string_lossy().replace(char::is_whitespace, "-");
    let own = Entry::program(&name, &path, machine)?;
    programs.retain(|program| program.name != name);
    let mut entries = image::entries(machine, &programs)?;
    entries.push(own);
    let archive = format!("file-{name}");
    let kernel = Kernel { archive: Some(&archive), ..kernel }.build(workspace, &entries)?;
    let words: Vec<&str> = std::iter::once(name.as_str()).chain(command.iter().map(String::as_str)).collect();
    Ok(Prepared { kernel, program: path, command_line: option + &words.join(" ") })
}

/// A word for the kernel, if there is a value, and the blank behind it.
fn option_word(name: &str, value: Option<impl ValueEnum>) -> String {
    let value = value.and_then(|value| value.to_possible_value());
    value.map_or_else(String::new, |value| format!("{name}{} ", value.get_name()))
}

/// The program of that name; the error lists those that exist.
pub fn find<'a>(programs: &'a [Program], name: &str) -> Result<&'a Program> {
    if let Some(program) = programs.iter().find(|program| program.name == name) {
        return Ok(program);
    }
    let names = |is_check| {
        let names = programs.iter().filter(|program| program.is_check == is_check).map(|program| program.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    bail!("there is no program {name}\nprograms: {}\nof the tests: {}", names(false), names(true));
}

/// Runs a program and gives its exit status.
pub fn main(workspace: &Workspace, options: &Options) -> Result<u8> {
    let Options { machine, count, .. } = *options;
    machine.emulator().check(count)?;
    let counting = count.then(|| Counting::new(workspace, machine, "run")).transpose()?;
    let wanted = Wanted {
        machine,
        file: options.file.as_deref(),
        command: &options.command,
        log: options.log,
        clock: options.clock.or(count.then_some(Clock::None)),
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
        ..Board::default()
    };
    let symbols = Symbols::read(&workspace.root, &prepared.kernel, Some(&prepared.program));
    let mut figures = figure::Collector::default();
    let status = boot(workspace, &board, &symbols, &mut figures)?;
    for figure in figures.figures()? {
        println!("figure: {}", figure.draw(&workspace.figures(machine))?.display());
    }
    if let Some(Counting { out, .. }) = counting {
        print!("\n{}", Counts::read(&out)?);
        println!("all of it: {}", out.display());
    }
    Ok(status)
}

/// Boots, and collects the figures in what is shown.
fn boot(workspace: &Workspace, board: &Board, symbols: &Symbols, figures: &mut figure::Collector) -> Result<u8> {
    let command = board.command()?;
    workspace.show(&command);
    let command = command_line(&command);

    terminal::catch_interrupts()?;
    let mut annotator = Annotator::new(|address| symbols.describe(address));
    let end = {
        let _saved = terminal::Saved::new();
        let patience = Patience { first_output: Some(BOOT), ..Patience::default() };
        board.run(Input::Ours, Errors::Inherited, patience, |chunk| {
            figures.push(chunk);
            let mut out = std::io::stdout().lock();
            // Where nobody reads any more, the guest goes on.
            let _ = annotator.pass(chunk, &mut out).and_then(|()| out.flush());
        })?
    };
    match end {
        End::Exited(status) => Ok(status as u8),
        End::Signalled(signal) => {
            eprintln!("x: the emulator was ended by signal {signal}: {command}");
            Ok(128 + signal as u8)
        }
        End::Interrupted => Ok(130),
        End::Silent(limit) | End::TooLong(limit) => {
            bail!("no sign of life in {} s, so the emulator was ended: {command}", limit.as_secs())
        }
        End::Lost => bail!("the emulator ended without a last line of the kernel's: {command}"),
    }
}
