//! Booting from archives and files that are not what they should be.

use super::model::*;
use crate::Kernel;
use crate::boot::BootError;
use aegis_abi::ImageError;
use stlb::Mips32;

/// A tar archive with one file.
fn archive(name: &str, data: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", data.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend(data);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

fn boot(archive: &[u8], command_line: &str) -> Result<(), BootError> {
    let mut kernel = Box::new(Kernel::new(Model::<Mips32>::new()));
    kernel.take_over(|frame| frame < KERNEL_FRAMES, [PUBLIC_FRAME].into_iter());
    kernel.boot(archive, command_line)
}

#[test]
fn what_cannot_be_booted_is_said() {
    let junk = archive("tour", b"#!/bin/sh");
    assert_eq!(boot(&junk, ""), Err(BootError::NoName));
    assert_eq!(boot(&[], "tour"), Err(BootError::NoArchive));
    assert_eq!(boot(&junk, "tower"), Err(BootError::NoProgram));
    assert_eq!(boot(&junk, "  tour with arguments"), Err(BootError::Image(ImageError::NotExecutable)));
    assert_eq!(boot(&archive("tour", &[]), "tour"), Err(BootError::Image(ImageError::NotExecutable)));
}

#[test]
fn a_truncated_or_foreign_elf_file_is_refused() {
    let mut elf = vec![0u8; 52];
    elf[..7].copy_from_slice(b"\x7fELF\x01\x01\x01");
    elf[16] = 2; // ET_EXEC
    elf[18] = 8; // EM_MIPS
    elf[20] = 1;
    elf[40] = 52;
    elf[42] = 32;
    elf[46] = 40;
    for end in 0..elf.len() {
        assert!(boot(&archive("tour", &elf[..end]), "tour").is_err(), "{end} bytes");
    }
    assert_eq!(boot(&archive("tour", &elf), "tour"), Err(BootError::Image(ImageError::NoContext)));
    let mut foreign = elf.clone();
    foreign[18] = 62; // EM_X86_64
    assert_eq!(boot(&archive("tour", &foreign), "tour"), Err(BootError::Image(ImageError::NotExecutable)));
}
