//! Names of addresses: function, file and line.

use addr2line::{Loader, demangle_auto};
use object::elf::SHF_ALLOC;
use object::{Object, ObjectSection, SectionFlags};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// First address that belongs to the kernel.
const KERNEL_START: u32 = 0x8000_0000;

/// The symbols of what is running.
pub struct Symbols {
    root: PathBuf,
    kernel: Option<Image>,
    program: Option<Image>,
}

/// The symbols of an image, and where they mean something: debug information tells of functions too
/// that the linker has dropped, as if they were at address 0, and the last symbol seems to go on
/// for ever.
struct Image {
    loader: Loader,
    /// What is loaded.
    sections: Vec<Range<u64>>,
}

impl Image {
    fn read(path: &Path) -> Option<Image> {
        let bytes = std::fs::read(path).ok()?;
        let file = object::File::parse(&*bytes).ok()?;
        let loaded = |section: &object::Section<'_, '_>| match section.flags() {
            SectionFlags::Elf { sh_flags, .. } => sh_flags.contains(SHF_ALLOC),
            _ => false,
        };
        let sections =
            file.sections().filter(loaded).map(|section| section.address()..section.address() + section.size());
        Some(Image { loader: Loader::new(path).ok()?, sections: sections.collect() })
    }

    /// The symbols, if the address is one of the image.
    fn at(&self, address: u32) -> Option<&Loader> {
        self.sections.iter().any(|section| section.contains(&address.into())).then_some(&self.loader)
    }
}

impl Symbols {
    /// Reads the symbols of a kernel and a program. Without them, addresses stay without names.
    pub fn read(root: &Path, kernel: &Path, program: Option<&Path>) -> Symbols {
        Symbols { root: root.to_path_buf(), kernel: Image::read(kernel), program: program.and_then(Image::read) }
    }

    /// Function, file and line at an address, then, one a line, the functions into which that one was inlined.
    pub fn describe(&self, address: u32) -> Option<String> {
        let image = if address >= KERNEL_START { &self.kernel } else { &self.program };
        let loader = image.as_ref()?.at(address)?;
        let mut lines = Vec::new();
        if let Ok(mut frames) = loader.find_frames(address.into()) {
            while let Ok(Some(frame)) = frames.next() {
                let name = frame.function.as_ref().and_then(|function| Some(function.demangle().ok()?.into_owned()));
                let place = frame.location.and_then(|location| Some((location.file?.to_owned(), location.line)));
                let place = place.map(|(file, line)| {
                    let file = short_path(&self.root, &file);
                    line.map_or(file.clone(), |line| format!("{file}:{line}"))
                });
                lines.extend(join(name, place));
            }
        }
        if lines.is_empty() {
            // Assembly has a symbol, if nothing else.
            let symbol = loader.find_symbol_info(address.into())?;
            let offset = u64::from(address) - symbol.address();
            lines.push(format!("{}+{offset:#x}", demangle_auto(symbol.name().into(), None)));
        }
        Some(lines.join("\n                   inlined into "))
    }
}

impl Symbols {
    /// The object of the kernel's that an address lies in or behind, and the offset.
    pub fn data(&self, address: u32) -> Option<String> {
        let symbol = self.kernel.as_ref()?.at(address)?.find_symbol_info(address.into())?;
        let name = demangle_auto(symbol.name().into(), None);
        let name = without_hash(&name);
        let name = name.rsplit("::").next().unwrap_or(name);
        let offset = u64::from(address) - symbol.address();
        Some(if offset == 0 { name.to_owned() } else { format!("{name}+{offset:#x}") })
    }
}

fn join(name: Option<String>, place: Option<String>) -> Option<String> {
    match (name, place) {
        (Some(name), Some(place)) => Some(format!("{} ({place})", without_hash(&name))),
        (Some(only), None) => Some(without_hash(&only).to_owned()),
        (None, only) => only,
    }
}

/// A function's name without the hash at its end, such as `::h0123456789abcdef`.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()) => name,
        _ => name,
    }
}

/// A source file as one would name it: within the repository, the standard library or a crate.
fn short_path(root: &Path, file: &str) -> String {
    if let Ok(path) = Path::new(file).strip_prefix(root) {
        return path.display().to_string();
    }
    if let Some((_, path)) = file.rsplit_once("/library/") {
        return format!("library/{path}");
    }
    match file.split_once("/registry/src/").and_then(|(_, path)| path.split_once('/')) {
        Some((_, path)) => path.to_owned(),
        None => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_short() {
        let short = |file| short_path(Path::new("/r"), file);
        assert_eq!(short("/r/aegis/src/main.rs"), "aegis/src/main.rs");
        assert_eq!(short("/t/lib/rustlib/src/rust/library/core/src/fmt/mod.rs"), "library/core/src/fmt/mod.rs");
        assert_eq!(short("/c/registry/src/index.example-1/log-0.4.0/src/lib.rs"), "log-0.4.0/src/lib.rs");
        assert_eq!(short("build/x.rs"), "build/x.rs");
    }

    #[test]
    fn names_lose_their_hash() {
        assert_eq!(without_hash("core::fmt::write::h0123456789abcdef"), "core::fmt::write");
        assert_eq!(without_hash("core::hash"), "core::hash");
    }

    #[test]
    fn our_own_symbols_are_found() {
        let exe = std::env::current_exe().unwrap();
        let symbols = Symbols::read(Path::new("/"), &exe, None);
        assert_eq!(symbols.describe(0x1000), None, "there is no program");
        let loader = symbols.kernel.as_ref().expect("the test's own file has symbols");
        assert!(loader.loader.find_symbol(0).is_none() && loader.at(0).is_none());
        assert!(Symbols::read(Path::new("/"), Path::new("/nonexistent"), None).describe(KERNEL_START).is_none());
    }
}
