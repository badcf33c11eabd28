//! A run whose TLB misses are watched, from the building of the kernel to the record.

use crate::board::{Board, Console, Counting, Filter, Input, Watching};
use crate::cargo::{Workspace, command_line};
use crate::machine::{Machine, Vectors};
use crate::run::{self, BOOT, Clock, Prepared};
use crate::session::{End, Errors, Lines, Patience};
use crate::symbols::Symbols;
use crate::tlb::event::Event;
use crate::tlb::gxemul::Watcher;
use crate::tlb::labels::Labels;
use crate::tlb::layout::Layout;
use crate::tlb::qemu::{self, Log};
use crate::tlb::record::{FORMAT, Miss, Record};
use crate::tlb::recorder::Recorder;
use crate::trace::Trace;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// What is to be watched.
pub struct Wanted<'a> {
    /// On which machine.
    pub machine: Machine,
    /// With refills that show the hardware TLB's 16 entries, where the emulator would show more.
    pub faithful: bool,
    /// The clock.
    pub clock: Clock,
    /// Program and arguments.
    pub command: &'a [String],
    /// The run is over with the miss of this number.
    pub until: Option<u32>,
}

/// What was seen.
pub struct Watched {
    /// The misses.
    pub record: Record,
    /// How the run has ended; `None`: by our wish.
    pub end: Option<End>,
    /// What the guest has written.
    pub console: PathBuf,
    /// The kernel and the program.
    pub prepared: Prepared,
}

/// Runs a program, and shows each miss to `each` as soon as all is known of it.
///
/// # Errors
/// When something cannot be built or started, or what the emulator shows contradicts itself.
pub fn watch(workspace: &Workspace, wanted: &Wanted<'_>, each: &mut dyn FnMut(&Miss)) -> Result<Watched> {
    let Wanted { machine, faithful, clock, command, until } = *wanted;
    machine.emulator().check(true)?;
    let features: &[&str] = if faithful { &["faithful"] } else { &[] };
    let prepared = run::prepare(
        workspace,
        run::Wanted { machine, command, clock: Some(clock), counting: true, features, ..run::Wanted::default() },
    )?;
    let directory = workspace.target.join("tlb").join(machine.name());
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let program = command.first().map_or(run::DEFAULT_PROGRAM, String::as_str);
    let name = [&[program], features].concat().join("-");
    let console = directory.join(format!("{name}.txt"));
    std::fs::write(&console, "").with_context(|| format!("cannot write {}", console.display()))?;
    let labels = Labels::read(&prepared.kernel)?;
    let symbols = Symbols::read(&workspace.root, &prepared.kernel, Some(&prepared.program));
    let show = Show { symbols, first: None, each };
    let mut board = Board {
        machine,
        kernel: prepared.kernel.clone(),
        command_line: prepared.command_line.clone(),
        semihosting: true,
        counting: Some(Counting::new(workspace, machine, &format!("tlb-{name}"))?),
        ..Board::default()
    };
    let memory = tempfile::NamedTempFile::new_in(&directory).context("cannot make a file for the guest's memory")?;
    if machine == Machine::Malta {
        board.console = Console::File(console.clone());
        board.watching = Some(Watching {
            memory: memory.path().to_path_buf(),
            arguments: qemu::plugin_arguments(&labels, memory.path())?,
        });
    }
    let source = Source::new(machine, &labels, &board)?;
    let mut observed =
        Observed { source, recorder: Recorder::new(machine), show, until, failed: None, instructions: 0 };
    let shown = board.command()?;
    workspace.show(&shown);
    let patience = Patience { first_output: Some(BOOT), ..Patience::default() };
    let mut guest = Vec::new();
    let end = board.run_through(&mut observed, Input::None, Errors::Taken, patience, |chunk| {
        guest.extend_from_slice(chunk);
    })?;
    if machine != Machine::Malta {
        std::fs::write(&console, &guest).with_context(|| format!("cannot write {}", console.display()))?;
    }
    if let Some(error) = observed.failed.take() {
        return Err(error);
    }
    let has_enough = observed.has_enough();
    match end {
        _ if has_enough => {}
        End::Interrupted => {}
        End::Exited(_) if observed.recorder.count() > 0 => {}
        end => bail!(
            "the emulator has ended ({end:?}) without a miss: {}\n{}",
            observed.source.words().trim_end(),
            command_line(&shown)
        ),
    }
    if !has_enough {
        observed.recorder.end();
    }
    observed.show.settled(&mut observed.recorder);
    let instructions = observed.instructions;
    let (misses, environments) = observed.recorder.finish();
    let record = Record {
        format: FORMAT,
        machine: machine.name().to_owned(),
        program: if command.is_empty() { run::DEFAULT_PROGRAM.to_owned() } else { command.join(" ") },
        shape: Layout::of(machine).shape(),
        environments,
        instructions,
        misses,
        walk: None,
    };
    Ok(Watched { record, end: (!has_enough).then_some(end), console, prepared })
}

/// Where events come from.
enum Source {
    Qemu { lines: Lines, log: Log },
    Gxemul { trace: Box<Trace<Watcher>>, guest: String },
}

impl Source {
    fn new(machine: Machine, labels: &Labels, board: &Board) -> Result<Source> {
        let layout = Layout::of(machine);
        let points = labels.points()?;
        Ok(match machine {
            Machine::Malta => Source::Qemu { lines: Lines::default(), log: Log::new(layout, points) },
            Machine::Decstation => {
                let Vectors { refill, general } = board.machine.vectors();
                let watcher = Watcher::new(layout, points, labels.get("stlb_table")?);
                let trace = Box::new(Trace::observed(vec![refill, general], watcher));
                Source::Gxemul { trace, guest: String::new() }
            }
        })
    }

    /// What the emulator has said that is neither an event nor the guest's.
    fn words(&self) -> String {
        match self {
            Source::Qemu { log, .. } => log.other.join("\n"),
            Source::Gxemul { guest, .. } => guest.clone(),
        }
    }
}

/// Shows misses.
struct Show<'a> {
    symbols: Symbols,
    /// The environment that the program was started in: of what others run, the symbols are not known.
    first: Option<u32>,
    each: &'a mut dyn FnMut(&Miss),
}

impl Show<'_> {
    fn settled(&mut self, recorder: &mut Recorder) {
        for miss in recorder.take_settled() {
            if *self.first.get_or_insert(miss.environment) == miss.environment {
                let described = self.symbols.describe(miss.pc);
                miss.symbol = described.and_then(|words| Some(words.lines().next()?.to_owned()));
            }
            (self.each)(miss);
        }
    }
}

/// What the emulator puts out, on its way to misses.
struct Observed<'a> {
    source: Source,
    recorder: Recorder,
    show: Show<'a>,
    until: Option<u32>,
    failed: Option<anyhow::Error>,
    instructions: u64,
}

impl Observed<'_> {
    fn take(&mut self, event: Event) -> Result<()> {
        if let Event::Enter { now, .. } | Event::Leave { now, .. } = &event {
            self.instructions = now.user + now.kernel;
        }
        self.recorder.take(event)?;
        self.show.settled(&mut self.recorder);
        Ok(())
    }

    fn read(&mut self, output: &[u8], guest: &mut Vec<u8>) -> Result<()> {
        let mut events = Vec::new();
        match &mut self.source {
            Source::Qemu { lines, log } => {
                let mut failed = None;
                lines.push(output, |line| match log.line(line) {
                    Ok(event) => events.extend(event),
                    Err(error) => failed = failed.take().or(Some(error)),
                });
                if let Some(error) = failed {
                    return Err(error);
                }
            }
            Source::Gxemul { trace, .. } => {
                trace.read(output, guest);
                events = trace.observer().take_events();
            }
        }
        events.into_iter().try_for_each(|event| self.take(event))
    }
}

impl Filter for Observed<'_> {
    fn pass(&mut self, output: &[u8], guest: &mut Vec<u8>) {
        if self.failed.is_none() && !self.has_enough() {
            self.failed = self.read(output, guest).err();
        }
    }

    fn finish(&mut self, guest: &mut Vec<u8>) -> Result<()> {
        if let Source::Gxemul { trace, guest: said } = &mut self.source {
            trace.finish(guest);
            *said = String::from_utf8_lossy(guest).into_owned();
        }
        Ok(())
    }

    fn has_enough(&self) -> bool {
        self.failed.is_some() || self.until.is_some_and(|until| self.recorder.count() > until as usize)
    }
}
