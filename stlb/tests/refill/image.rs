//! The assembled refill sequence: out of the kernel's image, or built here.

use elf::ElfBytes;
use elf::abi::PT_LOAD;
use elf::endian::LittleEndian;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use stlb::interpreter::{Instruction, Isa};

/// Where the sequence that is built here is linked. Any will do: the kernel's image has others.
const CODE: u32 = 0x8000_0000;
const MISS: u32 = 0x8000_0180;
const TABLE: u32 = 0x8014_0000;

/// An image that holds the refill sequence.
pub struct Image {
    /// For messages.
    pub name: String,
    /// The instructions of `stlb_refill`.
    pub code: Vec<u32>,
    /// The addresses of `stlb_refill`, `stlb_miss` and `stlb_table`.
    pub start: u32,
    pub miss: u32,
    pub table: u32,
    /// Built with the feature `faithful`.
    pub faithful: bool,
}

impl Image {
    /// Instructions executed on a hit (DESIGN 6).
    pub fn hit_length(&self) -> u64 {
        if self.faithful { 18 } else { 16 }
    }

    /// Instructions executed on a miss, up to `stlb_miss`: through the delay slot of the branch.
    pub fn miss_length(&self) -> u64 {
        14
    }

    fn read(path: &Path, faithful: bool) -> Result<Image, String> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| format!("cannot read {name}: {error}"))?;
        let broken = |error: elf::ParseError| format!("{name} is no ELF file that can be read: {error}");
        let elf = ElfBytes::<LittleEndian>::minimal_parse(&bytes).map_err(broken)?;
        let (symbols, names) = elf.symbol_table().map_err(broken)?.ok_or(format!("{name} has no symbol table"))?;
        let symbol = |wanted: &str| {
            let found =
                symbols.iter().find(|symbol| names.get(symbol.st_name as usize).is_ok_and(|name| name == wanted));
            found.ok_or(format!("{name} has no symbol `{wanted}`: is it the kernel's image, with its symbols?"))
        };
        let refill = symbol("stlb_refill")?;
        let segments = elf.segments().ok_or(format!("{name} has no segments"))?;
        let in_memory = |segment: &elf::segment::ProgramHeader| {
            let (start, size) = (segment.p_vaddr, segment.p_filesz);
            segment.p_type == PT_LOAD && (start..start + size).contains(&refill.st_value)
        };
        let segment = segments.iter().find(in_memory).ok_or(format!("{name}: `stlb_refill` is in no segment"))?;
        let offset = (refill.st_value - segment.p_vaddr) as usize;
        let data = elf.segment_data(&segment).map_err(broken)?;
        let code = data.get(offset..offset + refill.st_size as usize).unwrap_or_default();
        let code = code.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect::<Vec<u32>>();
        let tlbwi = code.iter().any(|word| Instruction::decode(*word, Isa::Mips32r2) == Some(Instruction::Tlbwi));
        if code.is_empty() {
            return Err(format!("{name}: `stlb_refill` has no size or reaches out of its segment"));
        }
        if tlbwi != faithful {
            let with = |yes| if yes { "with" } else { "without" };
            let (image, test) = (with(tlbwi), with(faithful));
            return Err(format!(
                "{name} is built {image} the feature `faithful` and this test {test} it: do both alike"
            ));
        }
        let [start, miss, table] = [refill, symbol("stlb_miss")?, symbol("stlb_table")?].map(|it| it.st_value as u32);
        Ok(Image { name, code, start, miss, table, faithful })
    }

    /// Builds the program `refill-image`, which holds nothing but the sequence.
    fn build(faithful: bool) -> Result<Image, String> {
        let variant = if faithful { "faithful" } else { "plain" };
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("refill-image");
        let directory = target.join(variant);
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        // Flags from outside would take the place of these, and of those in `.cargo/config.toml`
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--release", "--bin", "refill-image"]);
        cargo.args(["--target", "mipsel-unknown-none"]);
        cargo.args(["-Zbuild-std=core", "-Zbuild-std-features=compiler-builtins-mem"]);
        cargo.args(["--features", if faithful { "refill-image,faithful" } else { "refill-image" }]);
        cargo.arg("--target-dir").arg(&target).args(["-Zunstable-options", "--artifact-dir"]).arg(&directory);
        let places = [format!("-Ttext={CODE:#x}"), format!("--defsym=stlb_miss={MISS:#x}")];
        let more = ["--entry=stlb_refill".to_owned(), format!("--defsym=stlb_table={TABLE:#x}")];
        let flags = places.into_iter().chain(more).map(|arg| format!("-Clink-arg={arg}")).collect::<Vec<_>>();
        cargo.arg("--config").arg(format!("target.mipsel-unknown-none.rustflags={flags:?}"));
        let output = cargo.output().map_err(|error| format!("cannot start {cargo:?}: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cannot build the refill sequence:\n{cargo:?}\n{said}"));
        }
        Image::read(&directory.join("refill-image"), faithful)
    }
}

/// What is to be tested: the kernel's image where `AEGIS_IMAGE` names one, else both variants of the sequence alone.
pub fn images() -> &'static [Image] {
    static IMAGES: OnceLock<Vec<Image>> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let images = match std::env::var_os("AEGIS_IMAGE") {
            Some(path) => Image::read(&PathBuf::from(path), cfg!(feature = "faithful")).map(|image| vec![image]),
            None => [false, true].into_iter().map(Image::build).collect(),
        };
        let advice = "build the kernel's image first and give its absolute path in AEGIS_IMAGE, as `./x test` does, \
                      or unset AEGIS_IMAGE and install what a build for mipsel-unknown-none needs (`rust-src`, `rust-lld`)";
        images.unwrap_or_else(|error| panic!("no refill sequence to test: {error}\n{advice}"))
    })
}
