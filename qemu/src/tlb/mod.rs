//! `./x tlb`: the TLB misses of a program as they happen, observed from outside the guest.
//!
//! [`watch`] boots the program with an emulator that shows what it does: QEMU in its log ([`qemu`]), GXemul in its trace (`gxemul`). Both
//! become [`event`]s, of which a [`recorder`] makes a [`record`], following the software TLB and the hardware TLB beside the guest
//! ([`tables`], [`hardware`]). [`show`] is the terminal's.

pub mod event;
mod gxemul;
pub mod hardware;
pub mod labels;
pub mod layout;
pub mod page;
pub mod qemu;
pub mod record;
pub mod recorder;
pub mod show;
pub mod step;
pub mod tables;
pub mod watch;

use crate::cargo::Workspace;
use crate::cli;
use crate::machine::Machine;
use crate::output::{self, outln};
use crate::progress::Progress;
use crate::run::{self, Clock};
use crate::session::End;
use crate::terminal;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use layout::Layout;
use record::{Path, Record};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path as FilePath, PathBuf};
use step::paths::{self, Traced};
use step::walk;
use watch::{Wanted, Watched};

/// How many misses pass between two times that progress is shown.
const PROGRESS: u32 = 64;

/// Options of `./x tlb`.
#[derive(Args)]
pub struct Options {
    /// What to run it on
    #[arg(long, value_name = "MACHINE", default_value_t)]
    machine: Machine,
    /// Refill so that the TLB has no more entries than the processor's (Malta: two instructions more; QEMU would keep what is replaced)
    #[arg(long)]
    faithful: bool,
    /// The clock that ends time slices: a program that waits for that needs one (on malta, and without --step)
    #[arg(long, value_name = "CLOCK", default_value = "none")]
    clock: Clock,
    /// Explain the miss of this number instruction by instruction: what each is for, and what it changes
    #[arg(long, value_name = "N")]
    step: Option<u32>,
    /// Show totals by path, environment and function, and not each miss
    #[arg(long)]
    summary: bool,
    /// Print everything as JSON, and nothing else
    #[arg(long)]
    json: bool,
    /// Write a page that shows the run in a browser, without network or server; with the miss of --step, or else the first STLB hit, step by step
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Program and its arguments [default: tour]; behind `--` where these begin with a hyphen
    #[arg(value_names = ["PROGRAM", "ARGS"], num_args = 0..)]
    command: Vec<String>,
}

/// Watches a program, and gives its exit status.
pub fn main(workspace: &Workspace, options: &Options) -> Result<u8> {
    let Options { machine, faithful, clock, step, summary, json, .. } = *options;
    ensure!(
        clock == Clock::None || machine == Machine::Malta,
        "GXemul's clocks run too fast while it shows each instruction: leave out --clock"
    );
    ensure!(
        clock == Clock::None || step.is_none(),
        "--step runs the program twice, which must be the same: leave out --clock"
    );
    let page = options.html.as_deref().map(Page::create).transpose()?;
    // Where nothing else is asked for, the run may end with the miss that is to be explained.
    let until = step.filter(|_| !summary && !json && page.is_none());
    let wanted = Wanted { machine, faithful, clock, command: &options.command, until };
    terminal::catch_interrupts()?;
    let lines = step.is_none() && !summary && !json;
    if lines {
        say(show::HEADING);
    }
    let progress = Progress::new(!lines);
    let watched = watch::watch(workspace, &wanted, &mut |miss| {
        if lines {
            say(&show::line(miss));
        }
        if miss.n.is_multiple_of(PROGRESS) {
            progress.show(format_args!("{} misses, {} instructions ...", miss.n, miss.at));
        }
    });
    drop(progress);
    let mut watched = watched?;
    let interrupted = watched.end == Some(End::Interrupted);
    let first_hit = || watched.record.misses.iter().find(|miss| miss.path == Path::Hit).map(|miss| miss.n);
    let stepped = step.or_else(|| first_hit().filter(|_| page.is_some() && clock == Clock::None));
    if let Some(n) = stepped.filter(|_| !interrupted) {
        watched.record.walk = Some(paths::miss(workspace, machine, &watched.prepared, &watched.record, n)?);
    }
    if let Some(page) = page {
        page.write(workspace, &watched.record, json)?;
    }
    if json {
        say(&serde_json::to_string_pretty(&watched.record).context("a record is JSON")?);
        return status(&watched);
    }
    if lines || summary {
        say(&format!("{}{}", if lines { "\n" } else { "" }, show::summary(&watched.record)));
        say(&format!("What the program has written: {}", watched.console.display()));
    }
    if let Some(walk) = watched.record.walk.as_ref().filter(|_| step.is_some()) {
        say(&walk::show(machine, walk));
    }
    status(&watched)
}

/// Options of `./x trace`.
#[derive(Args)]
pub struct TraceOptions {
    /// What to step through
    what: Traced,
    /// What to run it on
    #[arg(long, value_name = "MACHINE", default_value_t)]
    machine: Machine,
    /// Print everything as JSON, and nothing else
    #[arg(long)]
    json: bool,
    /// Write a page that shows it in a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Steps through an exception or a protected control transfer.
pub fn trace(workspace: &Workspace, options: &TraceOptions) -> Result<u8> {
    let TraceOptions { what, machine, json, .. } = *options;
    let page = options.html.as_deref().map(Page::create).transpose()?;
    machine.emulator().check(false)?;
    terminal::catch_interrupts()?;
    let command = [paths::PROGRAM.to_owned()];
    let wanted =
        run::Wanted { machine, command: &command, clock: Some(Clock::None), counting: true, ..run::Wanted::default() };
    let prepared = run::prepare(workspace, wanted)?;
    let walk = paths::trace(workspace, machine, &prepared, what)?;
    let words = walk::show(machine, &walk);
    let record = Record::of_walk(machine.name(), paths::PROGRAM, Layout::of(machine).shape(), walk);
    if let Some(page) = page {
        page.write(workspace, &record, json)?;
    }
    say(&if json { serde_json::to_string_pretty(&record).context("a record is JSON")? } else { words });
    Ok(0)
}

/// The file of a page, which can be written.
struct Page {
    path: PathBuf,
    file: File,
}

impl Page {
    /// Makes sure that it can be written, before a run that may take minutes. What stands there stays until the page is ready.
    fn create(path: &FilePath) -> Result<Page> {
        let path = cli::from_caller(path);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.with_context(|| format!("cannot write the page {}", path.display()))?;
        Ok(Page { path, file })
    }

    fn write(mut self, workspace: &Workspace, record: &Record, quietly: bool) -> Result<()> {
        let words = page::page(workspace, record)?;
        let written = self.file.set_len(0).and_then(|()| self.file.write_all(words.as_bytes()));
        written.with_context(|| format!("cannot write the page {}", self.path.display()))?;
        if !quietly {
            say(&format!("written: {}; open it in a browser", self.path.display()));
        }
        Ok(())
    }
}

/// Writes a line. Where nobody reads any more, the run ends.
fn say(words: &str) {
    outln!("{}", words.trim_end_matches('\n'));
    if output::is_closed() {
        terminal::interrupt();
    }
}

/// The program's exit status.
fn status(watched: &Watched) -> Result<u8> {
    match watched.end {
        None => Ok(0),
        Some(End::Exited(status)) => Ok(status as u8),
        Some(End::Interrupted) => Ok(130),
        Some(end) => bail!(
            "the emulator has not ended as it should ({end:?}); the guest's last words stand in {}",
            watched.console.display()
        ),
    }
}
