//! The archive of programs: always the same, and nothing in it that is no program.

mod guest;

use aegis_host::archive::{Entry, pack};
use aegis_host::machine::Machine;
use guest::{Header, NOP, Segment, elf_file};
use object::elf;
use std::io::Read;

const START: u32 = 0x0100_0000;

fn program(bytes: &[u8]) -> anyhow::Result<Entry> {
    program_for(Machine::Malta, bytes)
}

fn program_for(machine: Machine, bytes: &[u8]) -> anyhow::Result<Entry> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    Entry::program("program", file.path(), machine)
}

fn refused(bytes: &[u8]) -> String {
    format!("{:#}", program(bytes).err().expect("this is no program"))
}

fn elf_at(header: Header, address: u32) -> Vec<u8> {
    elf_file(&header, &[Segment { address, words: vec![NOP; 4] }])
}

#[test]
fn a_program_keeps_its_segments() {
    let entry = program(&elf_at(Header::mips(START), START)).unwrap();
    assert_eq!(entry.bytes[..4], *b"\x7fELF");
}

#[test]
fn what_is_no_program_is_refused() {
    assert!(refused(b"#!/bin/sh\n").contains("not an ELF file"));
    assert!(refused(b"").contains("not an ELF file"));
    let arm = Header { machine: elf::EM_ARM, ..Header::mips(START) };
    assert!(refused(&elf_at(arm, START)).contains("made for Arm"));
    let relocatable = Header { kind: elf::ET_REL, ..Header::mips(START) };
    assert!(refused(&elf_at(relocatable, START)).contains("not a statically linked executable"));
    assert!(refused(&elf_at(Header::mips(START), 0x7fff_fff8)).contains("does not lie in user space"));
    assert!(refused(&elf_file(&Header::mips(START), &[])).contains("no segment"));
    let truncated = &elf_at(Header::mips(START), START)[..40];
    assert!(refused(truncated).contains("not an ELF file"));
    let ours = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(refused(&ours).contains("not for 32-bit MIPS"));
}

#[test]
fn a_program_for_a_later_processor_is_refused() {
    let later = elf_at(Header { flags: elf::EF_MIPS_ARCH_32R2, ..Header::mips(START) }, START);
    let mips1 = elf_at(Header { flags: elf::EF_MIPS_ARCH_1, ..Header::mips(START) }, START);
    let refused = format!("{:#}", program_for(Machine::Decstation, &later).err().expect("it is for MIPS32"));
    assert!(refused.contains("made for a later processor"), "{refused}");
    assert!(program_for(Machine::Decstation, &mips1).is_ok());
    assert!(program_for(Machine::Malta, &mips1).is_ok() && program_for(Machine::Malta, &later).is_ok());
}

#[test]
fn the_same_programs_give_the_same_archive() {
    let entry = |name: &str| Entry { name: name.to_owned(), bytes: name.as_bytes().to_vec() };
    let archive = pack(&[entry("tour"), entry("basic")]).unwrap();
    assert_eq!(archive, pack(&[entry("basic"), entry("tour")]).unwrap());

    let mut archive = tar::Archive::new(archive.as_slice());
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut contents = String::new();
        entry.read_to_string(&mut contents).unwrap();
        assert_eq!(entry.header().mtime().unwrap(), 0);
        assert_eq!((entry.header().uid().unwrap(), entry.header().gid().unwrap()), (0, 0));
        found.push((entry.path().unwrap().display().to_string(), contents));
    }
    assert_eq!(found, [("basic".to_owned(), "basic".to_owned()), ("tour".to_owned(), "tour".to_owned())]);
}
