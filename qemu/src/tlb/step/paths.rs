//! The paths that are stepped through: of a TLB miss, of an exception, of a protected control transfer.

use crate::cargo::Workspace;
use crate::listing::Listing;
use crate::machine::{Machine, Vectors};
use crate::progress::Progress;
use crate::run::Prepared;
use crate::symbols::Symbols;
use crate::terminal;
use crate::tlb::layout::Layout;
use crate::tlb::record::{Miss, Record, Walk};
use crate::tlb::step::walk::{Explainer, walk};
use crate::tlb::step::{self, Debugger, State};
use aegis_counter::KERNEL_START;
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use exos_checks::markers::{Span, TIMES};
use object::{Object, ObjectSection, SectionKind};
use std::path::Path;

/// The program that performs what is traced.
pub const PROGRAM: &str = "watched";
/// Bytes of an instruction.
const INSTRUCTION: u32 = 4;
/// Cause: the code, and the two that are TLB misses.
const CODE: u32 = 0x7c;
const MISSES: [u32; 2] = [2 << 2, 3 << 2];

/// How many refills pass between two times that progress is shown.
const PROGRESS: usize = 64;

/// What `./x trace` steps through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Traced {
    /// An integer overflow, to the program's handler, and back without the kernel
    Exception,
    /// A synchronous protected control transfer to another environment, and back
    Transfer,
}

impl Traced {
    fn span(self) -> Span {
        match self {
            Traced::Exception => Span::ExceptionOverflow,
            Traced::Transfer => Span::RoundTrip,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Traced::Exception => "An integer overflow, to the program's handler and back",
            Traced::Transfer => "A synchronous protected control transfer, to the callee's gate and back",
        }
    }
}

/// Runs the recorded program once more, and steps through a miss, from the vector to the first instruction of a program's.
///
/// # Errors
/// When there is no such miss, or the emulator or its debugger fails.
pub fn miss(workspace: &Workspace, machine: Machine, prepared: &Prepared, record: &Record, n: u32) -> Result<Walk> {
    let Vectors { refill, general } = machine.vectors();
    let index = (n as usize).wrapping_sub(1);
    let miss = record.misses.get(index).with_context(|| {
        let all = record.misses.len();
        format!("there is no miss {n}: {} on {machine} has misses 1 to {all}", record.program)
    })?;
    let mut debugger = step::start(workspace, machine, prepared)?;
    let debugger = &mut *debugger;
    debugger.break_at(refill)?;
    let upto = &record.misses[..=index];
    let refills = upto.iter().filter(|miss| miss.vector == refill).count();
    let progress = Progress::new(true);
    for done in 0..refills {
        if done.is_multiple_of(PROGRESS) {
            progress.show(format_args!("on the way to miss {n}: {done} of {refills} refills ..."));
        }
        go_on(debugger)?;
    }
    drop(progress);
    if miss.vector != refill {
        // Those behind the last refill came by the general vector.
        debugger.break_at(general)?;
        for _ in upto.iter().rev().take_while(|miss| miss.vector != refill) {
            loop {
                go_on(debugger)?;
                let state = debugger.state()?;
                if state.pc == general && state.cp0.get("Cause").is_some_and(|cause| MISSES.contains(&(cause & CODE))) {
                    break;
                }
            }
        }
    }
    let layout = Layout::of(machine);
    let state = debugger.state()?;
    let bad_vaddr = state.cp0.get("BadVAddr").copied().unwrap_or_default();
    ensure!(
        state.pc == miss.vector && bad_vaddr == miss.address,
        "the second run differs from the first: miss {n} was of {:#010x} at {:#010x}, and is of {bad_vaddr:#010x} at {:#010x}",
        miss.address,
        miss.vector,
        state.pc
    );
    debugger.assume(miss.pc, miss.context, layout.entry_hi(miss.address, miss.environment));
    let title = format!("Miss {n}: {}, {:#010x} at {:#010x}", miss.path.title(), miss.address, miss.pc);
    let walk = explained(workspace, machine, prepared, debugger, title, Some(miss), |state| state.pc < KERNEL_START)?;
    Ok(Walk { miss: Some(n), ..walk })
}

/// Runs the program [`PROGRAM`], and steps through an exception or a transfer, from the instruction behind the marker that opens its span to the one
/// that closes it. Of several the last, when nothing misses in the TLB any more.
///
/// # Errors
/// When the emulator or its debugger fails.
pub fn trace(workspace: &Workspace, machine: Machine, prepared: &Prepared, traced: Traced) -> Result<Walk> {
    let (opens, closes) =
        (markers(&prepared.program, traced.span().open())?, markers(&prepared.program, traced.span().close())?);
    // Where the compiler has unrolled a loop, there are several.
    let last =
        opens.last().with_context(|| format!("{PROGRAM} does not have the marker of `{}`", traced.span().name()))?;
    let mut debugger = step::start(workspace, machine, prepared)?;
    let debugger = &mut *debugger;
    debugger.break_at(last + INSTRUCTION)?;
    for _ in 0..TIMES as usize / opens.len() {
        go_on(debugger)?;
    }
    let title = traced.title().to_owned();
    explained(workspace, machine, prepared, debugger, title, None, |state| closes.contains(&state.pc))
}

fn go_on(debugger: &mut dyn Debugger) -> Result<()> {
    ensure!(!terminal::interrupted(), "interrupted");
    debugger.go_on()
}

fn explained(
    workspace: &Workspace,
    machine: Machine,
    prepared: &Prepared,
    debugger: &mut dyn Debugger,
    title: String,
    miss: Option<&Miss>,
    is_end: impl Fn(&State) -> bool,
) -> Result<Walk> {
    let listing = Listing::read(&workspace.root, machine, &prepared.kernel)?;
    let symbols = Symbols::read(&workspace.root, &prepared.kernel, Some(&prepared.program));
    let explainer = Explainer { machine, root: &workspace.root, listing: &listing, symbols: &symbols };
    walk(debugger, &explainer, title, miss.and_then(|miss| miss.loaded.as_ref()), is_end)
}

/// The places in a program of a marker.
fn markers(program: &Path, marker: u32) -> Result<Vec<u32>> {
    let bytes = std::fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let file = object::File::parse(&*bytes).with_context(|| format!("{} is no ELF file", program.display()))?;
    let mut places = Vec::new();
    for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
        let data = section.data().context("a section without contents")?;
        for (index, word) in data.chunks_exact(INSTRUCTION as usize).enumerate() {
            if word == marker.to_le_bytes() {
                places.push(section.address() as u32 + index as u32 * INSTRUCTION);
            }
        }
    }
    Ok(places)
}
