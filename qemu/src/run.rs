//! `./x run`: boots Aegis and runs a program.

use crate::annotate::Annotator;
use crate::archive::Entry;
use crate::cargo::{Workspace, command_line};
use crate::counts::Counts;
use crate::image::{self, Kernel, Program};
use crate::malta::{self, Counting, Malta, StopWatch};
use crate::session::{self, End, Errors, Patience};
use crate::symbols::Symbols;
use crate::{cli, terminal};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
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

/// What the kernel takes from the front of the command line.
pub const LOG_OPTION: &str = "aegis.log=";

/// Options of `./x run`.
#[derive(Args)]
pub struct Options {
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

/// Builds everything for `command`, whose program may come from `file`.
pub fn prepare(workspace: &Workspace, file: Option<&Path>, command: &[String], log: Option<Level>) -> Result<Prepared> {
    let option = log.and_then(|level| Some(format!("{LOG_OPTION}{} ", level.to_possible_value()?.get_name())));
    let option = option.unwrap_or_default();
    let mut programs = image::build_programs(workspace)?;
    let Some(path) = file else {
        let name = command.first().map_or(DEFAULT_PROGRAM, String::as_str);
        let program = find(&programs, name)?.path.clone();
        let kernel = Kernel::default().build(workspace, &image::entries(&programs)?)?;
        let command_line = if command.is_empty() { name.to_owned() } else { command.join(" ") };
        return Ok(Prepared { kernel, program, command_line: option + &command_line });
    };

    let path = cli::from_caller(path);
    let name = path.file_stem().with_context(|| format!("{} names no file", path.display()))?;
    let name = name.to_string_lossy().replace(char::is_whitespace, "-");
    let own = Entry::program(&name, &path)?;
    programs.retain(|program| program.name != name);
    let mut entries = image::entries(&programs)?;
    entries.push(own);
    let archive = format!("file-{name}");
    let kernel = Kernel { archive: Some(&archive), ..Kernel::default() }.build(workspace, &entries)?;
    let words: Vec<&str> = std::iter::once(name.as_str()).chain(command.iter().map(String::as_str)).collect();
    Ok(Prepared { kernel, program: path, command_line: option + &words.join(" ") })
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
    let version = malta::check_emulator()?;
    let counting = if options.count {
        malta::check_counting(version)?;
        Some(Counting::new(workspace, &image::build_plugin(workspace)?, "run")?)
    } else {
        None
    };
    let prepared = prepare(workspace, options.file.as_deref(), &options.command, options.log)?;
    let malta = Malta {
        kernel: prepared.kernel.clone(),
        command_line: prepared.command_line,
        semihosting: !options.no_semihosting,
        counting: counting.clone(),
        ..Malta::default()
    };
    let symbols = Symbols::read(&workspace.root, &prepared.kernel, Some(&prepared.program));
    let status = boot(workspace, &malta, &symbols)?;
    if let Some(Counting { out, .. }) = counting {
        print!("\n{}", Counts::read(&out)?);
        println!("all of it: {}", out.display());
    }
    Ok(status)
}

fn boot(workspace: &Workspace, malta: &Malta, symbols: &Symbols) -> Result<u8> {
    let arguments = malta.arguments()?;
    let mut plain = Command::new(malta::EMULATOR);
    plain.args(&arguments);
    workspace.show(&plain);
    let plain = command_line(&plain);
    let mut command = session::tied_to_us(malta::EMULATOR);
    command.args(&arguments);

    terminal::catch_interrupts()?;
    let mut annotator = Annotator::new(|address| symbols.describe(address));
    let end = {
        let _saved = terminal::Saved::new();
        let mut watch = StopWatch::default();
        session::run_until(command, Errors::Inherited, Patience { first_output: Some(BOOT), end: None }, |chunk| {
            let mut out = std::io::stdout().lock();
            // Where nobody reads any more, the guest goes on.
            let _ = annotator.pass(chunk, &mut out).and_then(|()| out.flush());
            watch.pass(chunk)
        })?
    };
    match end {
        End::Exited(status) => Ok(status as u8),
        End::Signalled(signal) => {
            eprintln!("x: the emulator was ended by signal {signal}: {plain}");
            Ok(128 + signal as u8)
        }
        End::Interrupted => Ok(130),
        End::Silent(limit) | End::TooLong(limit) => {
            bail!("no sign of life in {} s, so the emulator was ended: {plain}", limit.as_secs())
        }
    }
}
