//! Programs without what only a debugger reads: with it they are many times as long, and they are all in memory.

use anyhow::{Context, Result};
use object::LittleEndian as Little;
use object::elf::{FileHeader32, PT_LOAD, SHF_ALLOC, SHT_NOBITS, SHT_STRTAB, SectionHeader32, SymbolSection};
use object::endian::{U16, U32};
use object::pod::{bytes_of, bytes_of_slice};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

/// Keeps headers, segments, and the sections that lie in memory, all at their places; drops other sections and symbols.
pub fn strip(file: &[u8]) -> Result<Vec<u8>> {
    let header = FileHeader32::<Little>::parse(file)?;
    let segments = header.program_headers(Little, file)?;
    let sections = header.sections(Little, file)?;
    // The first section is always the null section.
    let Some(null) = sections.iter().next().copied() else { return Ok(file.to_vec()) };

    let mut end = size_of_val(header) as u32;
    end = end.max(header.e_phoff(Little) + size_of_val(segments) as u32);
    for segment in segments.iter().filter(|segment| segment.p_type(Little) == PT_LOAD) {
        end = end.max(segment.p_offset(Little).saturating_add(segment.p_filesz(Little)));
    }
    let mut names = b"\0.shstrtab\0".to_vec();
    let mut kept = vec![null];
    for section in sections.iter().filter(|section| section.sh_flags(Little).contains(SHF_ALLOC)) {
        let mut section = *section;
        if section.sh_type(Little) != SHT_NOBITS {
            end = end.max(section.sh_offset(Little).saturating_add(section.sh_size(Little)));
        }
        let name = sections.section_name(Little, &section)?;
        section.sh_name = U32::new(Little, names.len() as u32);
        names.extend_from_slice(name);
        names.push(0);
        // They name sections by numbers that change; what is loaded needs none.
        section.sh_link = U32::new(Little, 0);
        section.sh_info = U32::new(Little, 0);
        kept.push(section);
    }
    let mut stripped = file.get(..end as usize).context("a segment or section reaches beyond the file's end")?.to_vec();

    kept.push(SectionHeader32 {
        sh_name: U32::new(Little, 1),
        sh_type: U32::new(Little, SHT_STRTAB),
        sh_offset: U32::new(Little, end),
        sh_size: U32::new(Little, names.len() as u32),
        sh_addralign: U32::new(Little, 1),
        ..null
    });
    stripped.extend_from_slice(&names);
    stripped.resize(stripped.len().next_multiple_of(4), 0);
    let new_header = FileHeader32 {
        e_shoff: U32::new(Little, stripped.len() as u32),
        e_shnum: U16::new(Little, kept.len() as u16),
        e_shstrndx: U16::new(Little, SymbolSection(kept.len() as u16 - 1)),
        ..*header
    };
    stripped.extend_from_slice(bytes_of_slice(&kept));
    stripped[..size_of_val(&new_header)].copy_from_slice(bytes_of(&new_header));
    Ok(stripped)
}
