//! Small guests made by hand: instructions of MIPS32 and of the R3000 as words, and ELF files.
#![allow(dead_code, reason = "each test file uses a part of it")]

use object::elf::{self, FileHeader32, Ident, ProgramHeader32, SectionHeader32};
use object::endian::{LittleEndian, U16, U32};
use object::pod::bytes_of;

/// A stretch of words and where it lies.
pub struct Segment {
    pub address: u32,
    pub words: Vec<u32>,
}

/// What an ELF file says of itself.
pub struct Header {
    pub kind: elf::FileType,
    pub machine: elf::Machine,
    pub entry: u32,
    pub flags: elf::FileFlags,
}

impl Header {
    pub const fn mips(entry: u32) -> Header {
        Header { kind: elf::ET_EXEC, machine: elf::EM_MIPS, entry, flags: elf::FileFlags(0x7000_1000) }
    }
}

/// A little-endian 32-bit ELF file without sections.
pub fn elf_file(header: &Header, segments: &[Segment]) -> Vec<u8> {
    let e = LittleEndian;
    let header_size = size_of::<FileHeader32<LittleEndian>>();
    let segment_header_size = size_of::<ProgramHeader32<LittleEndian>>();
    let file_header = FileHeader32 {
        e_ident: Ident {
            magic: elf::ELFMAG,
            class: elf::ELFCLASS32,
            data: elf::ELFDATA2LSB,
            version: elf::EV_CURRENT,
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            padding: [0; 7],
        },
        e_type: U16::new(e, header.kind),
        e_machine: U16::new(e, header.machine),
        e_version: U32::new(e, elf::EV_CURRENT.0.into()),
        e_entry: U32::new(e, header.entry),
        e_phoff: U32::new(e, header_size as u32),
        e_shoff: U32::new(e, 0),
        e_flags: U32::new(e, header.flags),
        e_ehsize: U16::new(e, header_size as u16),
        e_phentsize: U16::new(e, segment_header_size as u16),
        e_phnum: U16::new(e, segments.len() as u16),
        // There is none, but GXemul insists.
        e_shentsize: U16::new(e, size_of::<SectionHeader32<LittleEndian>>() as u16),
        e_shnum: U16::new(e, 0),
        e_shstrndx: U16::new(e, elf::SymbolSection(0)),
    };
    let mut file = bytes_of(&file_header).to_vec();
    let mut offset = header_size + segment_header_size * segments.len();
    for segment in segments {
        let size = 4 * segment.words.len();
        let header = ProgramHeader32 {
            p_type: U32::new(e, elf::PT_LOAD),
            p_offset: U32::new(e, offset as u32),
            p_vaddr: U32::new(e, segment.address),
            p_paddr: U32::new(e, segment.address),
            p_filesz: U32::new(e, size as u32),
            p_memsz: U32::new(e, size as u32),
            p_flags: U32::new(e, elf::PF_R | elf::PF_X),
            p_align: U32::new(e, 4),
        };
        file.extend_from_slice(bytes_of(&header));
        offset += size;
    }
    file.extend(segments.iter().flat_map(|segment| &segment.words).flat_map(|word| word.to_le_bytes()));
    file
}

/// General registers.
pub const ZERO: u32 = 0;
pub const V0: u32 = 2;
pub const A0: u32 = 4;
pub const T0: u32 = 8;
pub const T1: u32 = 9;
pub const T2: u32 = 10;
pub const S0: u32 = 16;
pub const T9: u32 = 25;
pub const K0: u32 = 26;
pub const K1: u32 = 27;
pub const RA: u32 = 31;

/// Registers of coprocessor 0.
pub const ENTRYLO0: u32 = 2;
/// On the R3000, the only one.
pub const ENTRYLO: u32 = 2;
pub const ENTRYLO1: u32 = 3;
pub const CONTEXT: u32 = 4;
pub const PAGEMASK: u32 = 5;
pub const ENTRYHI: u32 = 10;
pub const STATUS: u32 = 12;
pub const EPC: u32 = 14;

pub const NOP: u32 = 0;
pub const SYSCALL: u32 = 0x0000_000c;
pub const EHB: u32 = 0x0000_00c0;
pub const TLBWR: u32 = 0x4200_0006;
pub const ERET: u32 = 0x4200_0018;
pub const RFE: u32 = 0x4200_0010;
/// A `break` in the kernel with which GXemul ends.
pub const HALT: u32 = 0x00c0_de0d;
/// `sdbbp 1`, a call of the semihosting.
pub const SDBBP_1: u32 = 0x7000_007f;

pub const fn lui(to: u32, value: u32) -> u32 {
    0x3c00_0000 | to << 16 | value
}

pub const fn addiu(to: u32, from: u32, value: i16) -> u32 {
    0x2400_0000 | from << 21 | to << 16 | value as u16 as u32
}

pub const fn ori(to: u32, from: u32, value: u32) -> u32 {
    0x3400_0000 | from << 21 | to << 16 | value
}

pub const fn sll(to: u32, from: u32, bits: u32) -> u32 {
    from << 16 | to << 11 | bits << 6
}

pub const fn lw(to: u32, offset: u32, base: u32) -> u32 {
    0x8c00_0000 | base << 21 | to << 16 | offset
}

pub const fn sh(from: u32, offset: u32, base: u32) -> u32 {
    0xa400_0000 | base << 21 | from << 16 | offset
}

pub const fn jr(to: u32) -> u32 {
    0x0000_0008 | to << 21
}

/// `jalr`, with the way back in `ra`.
pub const fn jalr(to: u32) -> u32 {
    0x0000_0009 | to << 21 | RA << 11
}

/// Branch over `words` counted from the delay slot.
pub const fn beq(a: u32, b: u32, words: i16) -> u32 {
    0x1000_0000 | a << 21 | b << 16 | words as u16 as u32
}

pub const fn bne(a: u32, b: u32, words: i16) -> u32 {
    0x1400_0000 | a << 21 | b << 16 | words as u16 as u32
}

pub const fn mfc0(to: u32, register: u32) -> u32 {
    0x4000_0000 | to << 16 | register << 11
}

pub const fn mtc0(from: u32, register: u32) -> u32 {
    0x4080_0000 | from << 16 | register << 11
}

/// Marker that opens a span.
pub const fn open(id: u32) -> u32 {
    lui(ZERO, 2 * id)
}

/// Marker that closes a span.
pub const fn close(id: u32) -> u32 {
    lui(ZERO, 2 * id + 1)
}
