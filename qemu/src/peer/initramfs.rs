//! What Linux finds as its file system: the program that measures, as `/init`, and what that needs. The same for the same programs.

use crate::cargo::Workspace;
use crate::machine::Machine;
use crate::strip::strip;
use anyhow::{Context, Result};
use cpio::newc::{self, ModeFileType};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Programs of the package: their names, and where Linux is to find them.
const PROGRAMS: [(&str, &str); 2] = [("measure", "init"), ("nothing", "nothing")];
/// Their package.
const PACKAGE: &str = "aegis-bench-linux";
/// Major and minor number of `/dev/console`: Documentation/admin-guide/devices.txt of Linux.
const CONSOLE: (u32, u32) = (5, 1);

/// Builds the programs, and packs them.
pub fn build(workspace: &Workspace, directory: &Path) -> Result<PathBuf> {
    let arguments = ["build", "--bins", "-p", PACKAGE].into_iter().chain(Machine::Malta.cargo_arguments());
    let built = workspace.build(arguments, &[])?;
    let mut entries = vec![
        Entry::new("dev", ModeFileType::Directory),
        Entry { device: CONSOLE, ..Entry::new("dev/console", ModeFileType::Char) },
        Entry::new("proc", ModeFileType::Directory),
    ];
    for (program, name) in PROGRAMS {
        let path = built.iter().filter(|built| built.name == program).find_map(|built| built.executable.as_deref());
        let path = path.with_context(|| format!("the package {PACKAGE} has no program {program}"))?;
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let bytes = strip(&bytes).with_context(|| format!("cannot strip {}", path.display()))?;
        entries.push(Entry { bytes, ..Entry::new(name, ModeFileType::Regular) });
    }
    let initramfs = directory.join("initramfs.cpio");
    let archive = pack(entries).context("cannot pack the initramfs")?;
    std::fs::write(&initramfs, archive).with_context(|| format!("cannot write {}", initramfs.display()))?;
    Ok(initramfs)
}

/// A file of the initramfs.
struct Entry {
    name: &'static str,
    kind: ModeFileType,
    device: (u32, u32),
    bytes: Vec<u8>,
}

impl Entry {
    fn new(name: &'static str, kind: ModeFileType) -> Entry {
        Entry { name, kind, device: (0, 0), bytes: Vec::new() }
    }
}

fn pack(entries: Vec<Entry>) -> std::io::Result<Vec<u8>> {
    let mut archive = Vec::new();
    for (number, entry) in (1..).zip(entries) {
        let header = newc::Builder::new(entry.name).ino(number).mode(0o755).set_mode_file_type(entry.kind);
        let header = header.rdev_major(entry.device.0).rdev_minor(entry.device.1);
        let mut file = header.write(archive, entry.bytes.len() as u32);
        file.write_all(&entry.bytes)?;
        archive = file.finish()?;
    }
    newc::trailer(archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_devices_are_packed() {
        let entries = vec![
            Entry { device: CONSOLE, ..Entry::new("dev/console", ModeFileType::Char) },
            Entry { bytes: b"abc".to_vec(), ..Entry::new("init", ModeFileType::Regular) },
        ];
        let archive = pack(entries).unwrap();
        let device = newc::Reader::new(archive.as_slice()).unwrap();
        let entry = device.entry();
        assert_eq!(
            (entry.name(), entry.mode(), entry.rdev_major(), entry.rdev_minor()),
            ("dev/console", 0o020755, 5, 1)
        );
        let file = newc::Reader::new(device.finish().unwrap()).unwrap();
        assert_eq!((file.entry().name(), file.entry().mode(), file.entry().file_size()), ("init", 0o100755, 3));
        let mut bytes = Vec::new();
        let rest = file.to_writer(&mut bytes).unwrap();
        assert_eq!(bytes, b"abc");
        assert!(newc::Reader::new(rest).unwrap().entry().is_trailer());
    }
}
