//! The instructions of an ELF file.

use anyhow::{Context, Result, ensure};
use object::elf::{EF_MIPS_ARCH, EF_MIPS_ARCH_1, SHF_EXECINSTR};
use object::{FileFlags, Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind};
use std::collections::{BTreeMap, BTreeSet};

/// The section with the addresses of instructions that are against the rules on purpose: `exos::against_the_rules!`.
const EXEMPT: &str = ".audit.exempt";
/// First address that is the kernel's.
const KERNEL_START: u32 = 0x8000_0000;

/// What is to be audited.
#[derive(Debug, Default)]
pub struct Code {
    /// The words in sections that hold instructions, by address.
    pub words: BTreeMap<u32, u32>,
    /// Names by address.
    pub symbols: BTreeMap<u32, String>,
    /// Addresses of words that may be anything.
    pub exempt: BTreeSet<u32>,
}

impl Code {
    /// Reads a file.
    pub fn read(bytes: &[u8]) -> Result<Code> {
        let file = object::File::parse(bytes).context("not an ELF file")?;
        let is_mips1 = match file.flags() {
            FileFlags::Elf { e_flags, .. } => e_flags.0 & EF_MIPS_ARCH == EF_MIPS_ARCH_1.0,
            _ => false,
        };
        let is_ours = file.architecture() == object::Architecture::Mips && file.is_little_endian();
        ensure!(is_ours && is_mips1, "not for the R3000: that is MIPS I, little-endian");
        let mut code = Code::default();
        for section in file.sections() {
            let data = section.data().context("a section reaches out of the file")?;
            let words = data.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word));
            let address = section.address() as u32;
            if section.name() == Ok(EXEMPT) {
                code.exempt.extend(words);
            } else if matches!(section.flags(), SectionFlags::Elf { sh_flags, .. } if sh_flags.contains(SHF_EXECINSTR))
            {
                code.words.extend((address..).step_by(4).zip(words));
            }
        }
        ensure!(!code.words.is_empty(), "it holds no instructions");
        for symbol in file.symbols().filter(|symbol| symbol.is_definition()) {
            let name = symbol.name().context("a symbol without a name")?;
            // Functions, and labels of assembly. Those with underscores in front are the linker scripts', and name no code.
            let is_label = symbol.kind() == SymbolKind::Label || symbol.kind() == SymbolKind::Unknown;
            if symbol.kind() == SymbolKind::Text || is_label && !name.starts_with(['$', '.', '_']) {
                code.symbols.insert(symbol.address() as u32, name.to_owned());
            }
        }
        Ok(code)
    }

    /// The symbol at or before an address.
    pub fn symbol(&self, address: u32) -> Option<&str> {
        self.symbols.range(..=address).next_back().map(|(_, name)| name.as_str())
    }

    /// Does a program run it, and not the kernel?
    pub fn is_program(&self) -> bool {
        self.words.keys().all(|address| *address < KERNEL_START)
    }
}
