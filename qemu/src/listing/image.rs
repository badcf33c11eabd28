//! The kernel image: its words and its labels.

use anyhow::{Context, Result, ensure};
use object::elf::SHF_EXECINSTR;
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What an image holds.
#[derive(Default)]
pub struct Image {
    /// The words in sections that hold instructions, by address.
    pub words: BTreeMap<u32, u32>,
    /// Where each symbol stands.
    symbols: BTreeMap<String, BTreeSet<u32>>,
}

impl Image {
    /// Reads an ELF file.
    pub fn read(path: &Path) -> Result<Image> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Image::parse(&bytes).with_context(|| format!("cannot read the instructions of {}", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Image> {
        let file = object::File::parse(bytes).context("not an ELF file")?;
        let is_ours = file.architecture() == object::Architecture::Mips && file.is_little_endian();
        ensure!(is_ours, "not for a MIPS processor, little-endian");
        let mut image = Image::default();
        for section in file.sections() {
            if matches!(section.flags(), SectionFlags::Elf { sh_flags, .. } if sh_flags.contains(SHF_EXECINSTR)) {
                let data = section.data().context("a section reaches out of the file")?;
                let words = data.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word));
                image.words.extend((section.address() as u32..).step_by(4).zip(words));
            }
        }
        for symbol in file.symbols().filter(|symbol| symbol.is_definition()) {
            let name = symbol.name().context("a symbol without a name")?;
            image.add_symbol(name, symbol.address() as u32);
        }
        Ok(image)
    }

    /// Adds a symbol.
    pub fn add_symbol(&mut self, name: &str, address: u32) {
        self.symbols.entry(name.to_owned()).or_default().insert(address);
    }

    /// Where a symbol stands; `None` if there is none, or more than one of this name.
    pub fn symbol(&self, name: &str) -> Option<u32> {
        let addresses = self.symbols.get(name)?;
        addresses.first().filter(|_| addresses.len() == 1).copied()
    }
}
