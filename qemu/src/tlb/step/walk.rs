//! A path of the guest's, instruction by instruction, with what changes at each.

use crate::listing::{GENERAL, Listing, disassemble};
use crate::machine::Machine;
use crate::symbols::Symbols;
use crate::tlb::record::{Memory, Source, Step, TlbEntry, Walk};
use crate::tlb::step::{Debugger, Executed, State, names};
use aegis_counter::{TLBWI, TLBWR};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;

/// Instructions after which a path is given up.
const LONGEST: usize = 20_000;
/// The major opcodes of loads and stores of the processor's own registers: the first store, the last store; the first load, the last load.
const STORES: (u32, u32) = (0x28, 0x2e);
const LOADS: (u32, u32) = (0x20, 0x26);
/// Number of the register `ra`.
const RA: usize = 31;

/// What explains instructions.
pub struct Explainer<'a> {
    /// The machine.
    pub machine: Machine,
    /// The project.
    pub root: &'a Path,
    /// The kernel's assembly.
    pub listing: &'a Listing,
    /// The functions of kernel and program.
    pub symbols: &'a Symbols,
}

/// Follows the guest from where it stands to where `is_end` says. `title`: see [`Walk`]; `loaded`: what the path writes to the hardware
/// TLB, where that is known.
///
/// # Errors
/// When the emulator does not answer, or the path does not end.
pub fn walk(
    debugger: &mut dyn Debugger,
    explainer: &Explainer<'_>,
    title: String,
    loaded: Option<&TlbEntry>,
    is_end: impl Fn(&State) -> bool,
) -> Result<Walk> {
    let mut before = debugger.state()?;
    let named = |state: &State| names().zip(state.registers).map(|(name, value)| (name.to_owned(), value)).collect();
    let cp0 = |state: &State| state.cp0.iter().map(|(&name, &value)| (name.to_owned(), value)).collect();
    let mut walk = Walk { title, miss: None, registers: named(&before), cp0: cp0(&before), steps: Vec::new() };
    loop {
        ensure!(walk.steps.len() < LONGEST, "the path has not ended after {LONGEST} instructions");
        let executed = debugger.step()?;
        let after = debugger.state()?;
        let changes = Changes::between(&before, &after);
        let last = executed.len().saturating_sub(1);
        for (index, instruction) in executed.iter().enumerate() {
            // Of a branch with its delay slot, all but the link is the latter's.
            let own = if index == last { changes.without(&walk.steps, index) } else { changes.link(instruction.word) };
            let mut step = explainer.explain(instruction, &before);
            (step.registers, step.cp0) = (own.registers, own.cp0);
            if matches!(instruction.word, TLBWR | TLBWI) {
                step.tlb = loaded.cloned();
            }
            walk.steps.push(step);
        }
        before = after;
        if is_end(&before) {
            return Ok(walk);
        }
    }
}

/// Registers that an instruction has changed, with their new values.
struct Changes {
    registers: BTreeMap<String, u32>,
    cp0: BTreeMap<String, u32>,
}

impl Changes {
    fn between(before: &State, after: &State) -> Changes {
        let both = names().zip(before.registers.iter().zip(after.registers));
        let registers =
            both.filter(|(_, (old, new))| *old != new).map(|(name, (_, new))| (name.to_owned(), new)).collect();
        let is_new = |(name, value): &(&&'static str, &u32)| before.cp0.get(**name) != Some(*value);
        let cp0 = after.cp0.iter().filter(is_new).map(|(&name, &value)| (name.to_owned(), value)).collect();
        Changes { registers, cp0 }
    }

    /// What a branch itself changes: the register in which it leaves the way back, if it does.
    fn link(&self, word: u32) -> Changes {
        let link = match word >> 26 {
            0 if word & 0x3f == 9 => (word >> 11 & 31) as usize,
            1 if word >> 16 & 0x10 != 0 => RA,
            3 => RA,
            _ => 0,
        };
        let changed = self.registers.get(GENERAL[link]).map(|&value| (GENERAL[link].to_owned(), value));
        Changes { registers: changed.into_iter().collect(), cp0: BTreeMap::new() }
    }

    /// All but what the instruction right before it, executed with it, has changed; `index`: how many those are.
    fn without(&self, steps: &[Step], index: usize) -> Changes {
        let before = steps.last().filter(|_| index > 0);
        let is_own = |name: &String| before.is_none_or(|step| !step.registers.contains_key(name));
        let registers =
            self.registers.iter().filter(|(name, _)| is_own(name)).map(|(name, &value)| (name.clone(), value));
        Changes { registers: registers.collect(), cp0: self.cp0.clone() }
    }
}

impl Explainer<'_> {
    /// All that can be said of an instruction before its effects are known.
    fn explain(&self, executed: &Executed, before: &State) -> Step {
        let Executed { address, word, in_delay_slot } = *executed;
        let label = self.listing.label(address).map(|(label, offset)| format!("{label}+{offset:#x}"));
        let described = self.symbols.describe(address);
        let function = described.as_deref().and_then(|words| words.lines().next()).map(str::to_owned);
        let source = self.listing.at(address).cloned().or_else(|| self.line_of(function.as_deref()?));
        Step {
            address,
            symbol: label.or_else(|| Some(function?.split(" (").next()?.to_owned())),
            word,
            text: disassemble(self.machine, word, address),
            kernel: address >= aegis_counter::KERNEL_START,
            delay_slot: in_delay_slot,
            source,
            registers: BTreeMap::new(),
            cp0: BTreeMap::new(),
            memory: self.memory(word, before),
            tlb: None,
        }
    }

    /// The line of Rust that a description such as `tour::main (exos/programs/src/bin/tour/main.rs:32)` names, if it is of the project.
    fn line_of(&self, described: &str) -> Option<Source> {
        let (_, place) = described.strip_suffix(')')?.rsplit_once(" (")?;
        let (file, line) = place.rsplit_once(':')?;
        let line: u32 = line.parse().ok()?;
        let text = std::fs::read_to_string(self.root.join(file)).ok()?;
        let text = text.lines().nth(line.checked_sub(1)? as usize)?.trim().to_owned();
        Some(Source { file: file.to_owned(), line, text, comment: None })
    }

    fn memory(&self, word: u32, before: &State) -> Option<Memory> {
        let opcode = word >> 26;
        let store = (STORES.0..=STORES.1).contains(&opcode);
        if !store && !(LOADS.0..=LOADS.1).contains(&opcode) {
            return None;
        }
        let base = before.registers[(word >> 21 & 31) as usize];
        let address = base.wrapping_add(word as u16 as i16 as u32);
        Some(Memory { address, what: self.name_of(address), store })
    }

    /// What stands in the kernel's memory at an address.
    fn name_of(&self, address: u32) -> Option<String> {
        let layout = crate::tlb::layout::Layout::of(self.machine);
        let offset = address.wrapping_sub(self.listing.symbol("stlb_table")?) as usize;
        let (place, word) = (offset / layout.entry_bytes, offset % layout.entry_bytes / 4);
        if place < stlb::SLOTS + stlb::OVERFLOW {
            let word = match (word, layout.pages) {
                (0, _) => "tag",
                (1, 1) => "lo",
                (1, _) => "lo0",
                (2, _) => "lo1",
                _ => "soft",
            };
            let (table, place) =
                if place < stlb::SLOTS { ("stlb_table", place) } else { ("overflow", place - stlb::SLOTS) };
            return Some(format!("{table}[{place}].{word}"));
        }
        (address >= aegis_counter::KERNEL_START).then(|| self.symbols.data(address)).flatten()
    }
}

/// A path for a terminal: each instruction, what it is for, and what it changes.
pub fn show(machine: Machine, walk: &Walk) -> String {
    use std::fmt::Write;
    let mut words = format!("{}\n", walk.title);
    let known: Vec<String> = walk.cp0.iter().map(|(name, value)| format!("{name} {value:#010x}")).collect();
    let _ = writeln!(words, "before: {}\n", known.join(", "));
    let _ = writeln!(words, "{:>4} {:<10}  {:<34} {:<44} changes", "", "address", "instruction", "what it is for");
    let mut mode = None;
    let mut section = None;
    for (index, step) in walk.steps.iter().enumerate() {
        if mode != Some(step.kernel) {
            let _ = writeln!(words, "     --- {}", if step.kernel { "kernel" } else { "program" });
            mode = Some(step.kernel);
        }
        let named = step.symbol.as_deref().map(|symbol| symbol.split(['+', '(']).next().unwrap_or(symbol).trim());
        if named != section {
            let _ = writeln!(words, "     {}:", named.unwrap_or("?"));
            section = named;
        }
        let text = if step.delay_slot { format!(" {}", step.text) } else { step.text.clone() };
        let source = step.source.as_ref();
        let purpose = source.map(|source| source.comment.as_deref().unwrap_or(&source.text)).unwrap_or_default();
        let mut changes: Vec<String> = Vec::new();
        changes.extend(step.registers.iter().map(|(name, value)| format!("${name} = {value:#010x}")));
        changes.extend(step.cp0.iter().map(|(name, value)| format!("{name} = {value:#010x}")));
        if let Some(memory) = &step.memory {
            let verb = if memory.store { "to" } else { "from" };
            let what = memory.what.as_deref().map(|what| format!(" {what}")).unwrap_or_default();
            changes.push(format!("{verb} {:#010x}{what}", memory.address));
        }
        if let Some(TlbEntry { index, .. }) = step.tlb {
            changes.push(format!("TLB entry {index}"));
        }
        let _ =
            writeln!(words, "{:>4} {:#010x}  {text:<34} {purpose:<44} {}", index + 1, step.address, changes.join(", "));
    }
    let _ = writeln!(words, "\n{} instructions, of which {} in the kernel ({machine})", walk.steps.len(), kernel(walk));
    words
}

/// Instructions of a path that are the kernel's.
pub fn kernel(walk: &Walk) -> usize {
    walk.steps.iter().filter(|step| step.kernel).count()
}
