//! The assembled refill sequences: out of the kernels' images, or built here.

use crate::processor::isa;
use elf::ElfBytes;
use elf::abi::{EF_MIPS_ARCH, EF_MIPS_ARCH_1, EF_MIPS_ARCH_32R2, EM_MIPS, PT_LOAD};
use elf::endian::LittleEndian;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use stlb::SLOTS;
use stlb::interpreter::Instruction;
use stlb::model::Machine;

/// Where a sequence that is built here is linked. Any will do: the kernels' images have others.
const CODE: u32 = 0x8000_0000;
const MISS: u32 = 0x8000_0180;
const TABLE: u32 = 0x8014_0000;
/// Slots of the table unless a feature says otherwise.
const THESIS_SLOTS: usize = 8192;

/// An image that holds the refill sequence.
pub struct Image {
    /// For messages.
    pub name: String,
    /// For which machine.
    pub machine: Machine,
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
        match self.machine {
            Machine::Malta if self.faithful => 18,
            Machine::Malta => 16,
            Machine::Decstation => 18,
        }
    }

    /// Instructions executed on a miss, up to `stlb_miss`: through the delay slot of the branch.
    pub fn miss_length(&self) -> u64 {
        match self.machine {
            Machine::Malta => 14,
            Machine::Decstation => 15,
        }
    }

    fn read(path: &Path, machine: Machine, faithful: bool) -> Result<Image, String> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| format!("cannot read {name}: {error}"))?;
        let broken = |error: elf::ParseError| format!("{name} is no ELF file that can be read: {error}");
        let elf = ElfBytes::<LittleEndian>::minimal_parse(&bytes).map_err(broken)?;
        let architecture = match machine {
            Machine::Malta => EF_MIPS_ARCH_32R2,
            Machine::Decstation => EF_MIPS_ARCH_1,
        };
        if elf.ehdr.e_machine != EM_MIPS || elf.ehdr.e_flags & EF_MIPS_ARCH != architecture {
            return Err(format!("{name} is no program for the processor of the machine {machine:?}"));
        }
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
        let tlbwi = code.iter().any(|word| Instruction::decode(*word, isa(machine)) == Some(Instruction::Tlbwi));
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
        Ok(Image { name, machine, code, start, miss, table, faithful })
    }

    /// Builds the program `refill-image`, which holds nothing but the sequence.
    fn build(machine: Machine, faithful: bool) -> Result<Image, String> {
        let target = target(machine);
        let mut features = vec!["refill-image".to_owned()];
        features.extend(faithful.then(|| "faithful".to_owned()));
        // This test's table is the sequence's.
        features.extend((SLOTS != THESIS_SLOTS).then(|| format!("slots-{SLOTS}")));
        let variant = [&[target.to_owned()], &features[1..]].concat().join("-");
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("refill-image");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        // Flags from outside would take the place of these, and of those in `.cargo/config.toml`
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--release", "--bin", "refill-image"]);
        match machine {
            Machine::Malta => cargo.args(["--target", target]),
            Machine::Decstation => cargo.args(["-Zjson-target-spec", "--target", &format!("../{target}.json")]),
        };
        cargo.args(["-Zbuild-std=core", "-Zbuild-std-features=compiler-builtins-mem"]);
        cargo.args(["--features", &features.join(",")]);
        let image = directory.join(variant);
        cargo.arg("--target-dir").arg(&directory).args(["-Zunstable-options", "--artifact-dir"]).arg(&image);
        let places = [format!("-Ttext={CODE:#x}"), format!("--defsym=stlb_miss={MISS:#x}")];
        let more = ["--entry=stlb_refill".to_owned(), format!("--defsym=stlb_table={TABLE:#x}")];
        let flags = places.into_iter().chain(more).map(|arg| format!("-Clink-arg={arg}")).collect::<Vec<_>>();
        cargo.arg("--config").arg(format!("target.{target}.rustflags={flags:?}"));
        let output = cargo.output().map_err(|error| format!("cannot start {cargo:?}: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cannot build the refill sequence:\n{cargo:?}\n{said}"));
        }
        Image::read(&image.join("refill-image"), machine, faithful)
    }
}

/// The name of the target that a machine's kernel is built for.
fn target(machine: Machine) -> &'static str {
    match machine {
        Machine::Malta => "mipsel-unknown-none",
        Machine::Decstation => "mipsel-dec-none",
    }
}

/// The environment variable that names a machine's kernel image.
fn variable(machine: Machine) -> &'static str {
    match machine {
        Machine::Malta => "AEGIS_IMAGE",
        Machine::Decstation => "AEGIS_IMAGE_DECSTATION",
    }
}

/// What is to be tested: the machine's kernel image where its variable names one, else the sequence alone, in all its
/// variants.
pub fn images(machine: Machine) -> &'static [Image] {
    static IMAGES: [OnceLock<Vec<Image>>; 2] = [const { OnceLock::new() }; 2];
    IMAGES[machine as usize].get_or_init(|| {
        let (variable, target) = (variable(machine), target(machine));
        let (variants, faithful): (&[bool], bool) = match machine {
            Machine::Malta => (&[false, true], cfg!(feature = "faithful")),
            Machine::Decstation => (&[false], false),
        };
        let images = match std::env::var_os(variable) {
            Some(path) => Image::read(Path::new(&path), machine, faithful).map(|image| vec![image]),
            None => variants.iter().map(|faithful| Image::build(machine, *faithful)).collect(),
        };
        let advice = format!(
            "build the kernel's image first and give its absolute path in {variable}, as `./x test` does, or unset \
             {variable} and install what a build for {target} needs (`rust-src`, `rust-lld`)"
        );
        images.unwrap_or_else(|error| panic!("no refill sequence to test: {error}\n{advice}"))
    })
}
