//! The kernel's assembly, instruction by instruction: where each stands in the source, and what is said of it there.
//!
//! `global_asm!` leaves no lines of source in the image. So this reads the sources: [`source`] takes them apart, [`macros`] expands what the
//! assembly is made with, [`assembly`] reads it line by line, and [`align`] lays it beside the machine code of the built kernel, where [`agree`]
//! compares each instruction with what [`disassemble()`] finds there. Where the two do not agree, that is an error, and nothing is guessed.

mod agree;
mod align;
mod assembly;
mod disassemble;
mod image;
mod macros;
mod source;

pub use disassemble::{GENERAL, cp0_register, disassemble, has_delay_slot, target};

use crate::machine::Machine;
use crate::tlb::record::Source;
use anyhow::{Context, Result, bail, ensure};
use image::Image;
use macros::Macros;
use std::collections::BTreeMap;
use std::path::Path;

/// The source of the refill sequences.
const REFILL: &str = "stlb/src/refill.rs";
/// What holds all other assembly of the kernel's.
const MACHINE: &str = "aegis/machine/src";

/// The assembly of a kernel.
pub struct Listing {
    image: Image,
    lines: BTreeMap<u32, Source>,
    labels: BTreeMap<u32, Vec<String>>,
}

/// An instruction of the kernel's assembly.
#[derive(Clone, Copy, Debug)]
pub struct Instruction<'a> {
    /// Where it stands.
    pub address: u32,
    /// Its word.
    pub word: u32,
    /// The labels in front of it.
    pub labels: &'a [String],
    /// Where it stands in the source, and what is said of it there.
    pub source: &'a Source,
    /// It stands in the delay slot of the instruction before it.
    pub delay_slot: bool,
}

impl Listing {
    /// Reads the sources under `root`, the project's, and the image of `machine` that was built from them.
    pub fn read(root: &Path, machine: Machine, kernel: &Path) -> Result<Listing> {
        let image = Image::read(kernel)?;
        let mut sources = Vec::new();
        let mut macros = Macros::default();
        for file in files(root, machine)? {
            let tokens = source::read(root, &file)?;
            macros.collect(&tokens);
            sources.push(tokens);
        }
        let mut listing = Listing { image, lines: BTreeMap::new(), labels: BTreeMap::new() };
        for tokens in &sources {
            for block in assembly::blocks(tokens, &macros)? {
                let aligned = align::align(machine, &block, &listing.image)
                    .with_context(|| format!("the sources are not those of {}", kernel.display()))?;
                listing.add(aligned)?;
            }
        }
        ensure!(!listing.lines.is_empty(), "no assembly under {}", root.display());
        Ok(listing)
    }

    fn add(&mut self, aligned: align::Aligned) -> Result<()> {
        for (address, line) in aligned.lines {
            if let Some(other) = self.lines.insert(address, line.clone()) {
                bail!("{}:{} and {}:{} both stand at {address:#010x}", line.file, line.line, other.file, other.line);
            }
        }
        for (address, label) in aligned.labels {
            self.labels.entry(address).or_default().push(label);
        }
        Ok(())
    }

    /// The line of source that the instruction at `address` stands in; `None` if it is not of the kernel's assembly.
    pub fn at(&self, address: u32) -> Option<&Source> {
        self.lines.get(&address)
    }

    /// The last label with a name at or before an instruction of the kernel's assembly, and how far behind it that stands.
    pub fn label(&self, address: u32) -> Option<(&str, u32)> {
        self.at(address)?;
        let (start, labels) = self.labels.range(..=address).next_back()?;
        Some((labels.last()?, address - start))
    }

    /// Where a label stands.
    pub fn address(&self, label: &str) -> Option<u32> {
        self.labels.iter().find_map(|(address, labels)| labels.iter().any(|own| own == label).then_some(*address))
    }

    /// Where a symbol of the kernel's stands, whatever it names.
    pub fn symbol(&self, name: &str) -> Option<u32> {
        self.image.symbol(name)
    }

    /// All instructions from one label to another, which is behind the last of them.
    pub fn between(&self, from: &str, to: &str) -> Result<Vec<Instruction<'_>>> {
        let [start, end] =
            [from, to].map(|name| self.address(name).with_context(|| format!("there is no label `{name}`")));
        let (start, end) = (start?, end?);
        ensure!(start < end, "`{from}` does not stand before `{to}`");
        (start..end).step_by(4).map(|address| self.instruction(address)).collect()
    }

    /// So many instructions from a label on.
    pub fn from(&self, label: &str, count: u32) -> Result<Vec<Instruction<'_>>> {
        let start = self.address(label).with_context(|| format!("there is no label `{label}`"))?;
        (start..).step_by(4).take(count as usize).map(|address| self.instruction(address)).collect()
    }

    fn instruction(&self, address: u32) -> Result<Instruction<'_>> {
        let source = self.at(address).with_context(|| format!("no instruction of the assembly at {address:#010x}"))?;
        let word = *self.image.words.get(&address).expect("it was compared");
        let labels = self.labels.get(&address).map(Vec::as_slice).unwrap_or_default();
        let delay_slot = self.image.words.get(&(address - 4)).is_some_and(|word| has_delay_slot(*word));
        Ok(Instruction { address, word, labels, source, delay_slot: delay_slot && self.at(address - 4).is_some() })
    }

    /// All instructions, by address.
    pub fn instructions(&self) -> impl Iterator<Item = Instruction<'_>> {
        self.lines.keys().map(|address| self.instruction(*address).expect("it is one of them"))
    }
}

/// The sources with assembly for a machine, and with the macros that it is made with.
fn files(root: &Path, machine: Machine) -> Result<Vec<String>> {
    let processor = if machine.is_mips1() { "r3000" } else { "mips32" };
    let mut files = vec![REFILL.to_owned()];
    for directory in ["cpu".to_owned(), format!("cpu/{processor}"), "board".to_owned(), format!("board/{machine}")] {
        let directory = format!("{MACHINE}/{directory}");
        let entries = std::fs::read_dir(root.join(&directory)).with_context(|| format!("cannot read {directory}"))?;
        for entry in entries {
            let name = entry.with_context(|| format!("cannot read {directory}"))?.file_name();
            if let Some(name) = name.to_str().filter(|name| name.ends_with(".rs")) {
                files.push(format!("{directory}/{name}"));
            }
        }
    }
    files.sort();
    Ok(files)
}
