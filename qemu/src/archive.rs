//! The archive of programs that is linked into the kernel image: a tar archive, the same for the same programs.

use crate::file;
use crate::machine::Machine;
use crate::strip::strip;
use anyhow::{Context, Result, bail, ensure};
use object::elf::{EF_MIPS_ARCH, EF_MIPS_ARCH_1};
use object::read::elf::{ElfFile32, ProgramHeader};
use object::{Architecture, Endianness, FileFlags, Object, ObjectKind};
use std::path::Path;

/// First address that user mode cannot reach.
const USER_END: u32 = 0x8000_0000;

/// A file to be packed.
pub struct Entry {
    /// Name by which the kernel finds it.
    pub name: String,
    /// Contents.
    pub bytes: Vec<u8>,
}

impl Entry {
    /// Takes a program from an ELF file, without its debugging information. What is no program for our machines is refused.
    pub fn program(name: &str, path: &Path, machine: Machine) -> Result<Entry> {
        let bytes = file::read(path).with_context(|| format!("cannot read the program {}", path.display()))?;
        check_program(&bytes, machine).with_context(|| format!("{} is no program for Aegis", path.display()))?;
        let bytes = strip(&bytes).with_context(|| format!("cannot strip the program {}", path.display()))?;
        Ok(Entry { name: name.to_owned(), bytes })
    }
}

/// Packs the entries, in order of name, and with nothing in it that changes from one day or user to the next.
pub fn pack(entries: &[Entry]) -> Result<Vec<u8>> {
    let mut entries: Vec<&Entry> = entries.iter().collect();
    entries.sort_by_key(|entry| &entry.name);
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(entry.bytes.len() as u64);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        archive
            .append_data(&mut header, &entry.name, entry.bytes.as_slice())
            .with_context(|| format!("cannot pack {}", entry.name))?;
    }
    archive.into_inner().context("cannot finish the archive")
}

/// Checks that an ELF file can be a program on `machine`.
fn check_program(bytes: &[u8], machine: Machine) -> Result<()> {
    let file = object::File::parse(bytes).context("not an ELF file")?;
    ensure!(file.format() == object::BinaryFormat::Elf, "not an ELF file but {:?}", file.format());
    let architecture = file.architecture();
    ensure!(architecture == Architecture::Mips, "made for {architecture:?}, not for 32-bit MIPS");
    ensure!(file.is_little_endian(), "big-endian; our machines are little-endian");
    if let FileFlags::Elf { e_flags, .. } = file.flags() {
        let needs_more = machine.is_mips1() && e_flags.0 & EF_MIPS_ARCH != EF_MIPS_ARCH_1.0;
        ensure!(!needs_more, "made for a later processor than the R3000 of the {machine}, which has MIPS I alone");
    }
    ensure!(file.kind() == ObjectKind::Executable, "not a statically linked executable but {:?}", file.kind());
    let file = ElfFile32::<Endianness>::parse(bytes).context("not a 32-bit ELF file")?;
    let mut loaded = 0;
    for header in file.elf_program_headers() {
        let (start, length) = (header.p_vaddr(Endianness::Little), header.p_memsz(Endianness::Little));
        if header.p_type(Endianness::Little) != object::elf::PT_LOAD || length == 0 {
            continue;
        }
        loaded += 1;
        if start.checked_add(length).is_none_or(|end| end > USER_END) {
            bail!("a segment of {length} bytes at {start:#010x} does not lie in user space");
        }
    }
    ensure!(loaded > 0, "it has no segment to load");
    Ok(())
}
