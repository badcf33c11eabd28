//! `./x audit`: is what was built for the R3000 fit for it? The emulator would not tell: it waits for every result, and executes
//! some instructions that came later.
//!
//! [`code`] reads an ELF file's instructions, [`instruction`] says what one does, [`rules`] what may not follow what; here is
//! what is audited, and how it is shown.

mod code;
mod instruction;
mod rules;

pub use code::Code;
pub use rules::{Audit, Finding, Kind, check};

use crate::cargo::Workspace;
use crate::cli;
use crate::file;
use crate::image::{self, Kernel};
use crate::machine::Machine;
use crate::output::{out, outln};
use crate::run::COUNTING;
use crate::symbols::Symbols;
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The machine with this processor.
pub const MACHINE: Machine = Machine::Decstation;

/// The compiler itself lets an instruction that writes HI or LO follow too early on one that reads them, in 64-bit arithmetic of
/// `core` and `compiler_builtins`, and no option cures it. So an image may have so many of these places, in compiled functions
/// alone; they are always listed. What there is today, and as many again for another version of the compiler.
pub const COMPILER_HAZARDS: usize = 8;

/// Variants of the kernel that are audited.
const KERNELS: [&[&str]; 3] = [&[], &[COUNTING], &["checked", "planted-fault"]];

/// Options of `./x audit`.
#[derive(Args)]
pub struct Options {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Audit these ELF files instead of kernel and programs
    #[arg(value_name = "IMAGE")]
    images: Vec<PathBuf>,
}

/// An image to be audited.
pub struct Image {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// Builds all kernels and programs for the R3000.
pub fn images(workspace: &Workspace) -> Result<Vec<Image>> {
    let programs = image::build_programs(workspace, MACHINE)?;
    programs.tell_broken();
    let programs = programs.built;
    let entries = image::entries(MACHINE, &programs)?;
    let mut images = Vec::new();
    for features in KERNELS {
        let path = Kernel { machine: MACHINE, features, archive: None }.build(workspace, &entries)?;
        let name = if features.is_empty() { "aegis".to_owned() } else { format!("aegis ({})", features.join(", ")) };
        images.push(Image { name, path });
    }
    images.extend(programs.into_iter().map(|program| Image { name: program.name, path: program.path }));
    Ok(images)
}

/// Audits one image.
pub fn audit(path: &Path) -> Result<Audit> {
    let bytes = file::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let code = Code::read(&bytes).with_context(|| format!("cannot audit {}", path.display()))?;
    Ok(check(&code))
}

/// Audits and shows what it found. The status is 0 if no rule is broken.
pub fn main(workspace: &Workspace, options: &Options) -> Result<u8> {
    let images = if options.images.is_empty() {
        images(workspace)?
    } else {
        let named = |path: &PathBuf| Image { name: path.display().to_string(), path: cli::from_caller(path) };
        options.images.iter().map(named).collect()
    };
    let mut passed = true;
    let mut results = Vec::new();
    for image in &images {
        let audit = audit(&image.path)?;
        passed &= audit.is_passed();
        let symbols = Symbols::read(&workspace.root, &image.path, Some(&image.path));
        if options.json {
            results.push(json_of(image, &audit, &symbols));
        } else {
            out!("{}", words_of(image, &audit, &symbols));
        }
    }
    if options.json {
        outln!("{:#}", json!({ "passed": passed, "images": results }));
    }
    Ok(u8::from(!passed))
}

/// As a test: the reason of a failure, or a note on what was found.
pub fn test(workspace: &Workspace, image: &Image) -> Result<Option<String>> {
    let audit = audit(&image.path)?;
    let symbols = Symbols::read(&workspace.root, &image.path, Some(&image.path));
    ensure!(audit.is_passed(), "{}", words_of(image, &audit, &symbols));
    Ok(match audit.hazards.len() {
        0 => None,
        hazards => Some(format!("{hazards} HI/LO hazards of the compiler's")),
    })
}

/// A line for the image, then one for each finding, and where it is.
fn words_of(image: &Image, audit: &Audit, symbols: &Symbols) -> String {
    let Audit { instructions, loads, nops, exempt, violations, hazards } = audit;
    let mut words = format!(
        "{}: {instructions} instructions, {loads} loads, {nops} nops, {exempt} exempt; {} violations, {} HI/LO hazards of the \
         compiler's, of {COMPILER_HAZARDS} allowed\n",
        image.name,
        violations.len(),
        hazards.len()
    );
    for (what, findings) in [("VIOLATION", violations), ("compiler", hazards)] {
        for finding in findings {
            words += &format!("  {what}: {}\n", finding.kind.text());
            for line in &finding.lines {
                words += &format!("      {line}\n");
            }
            if let Some(place) = symbols.describe(finding.address) {
                words += &format!("      in {place}\n");
            }
        }
    }
    words
}

fn json_of(image: &Image, audit: &Audit, symbols: &Symbols) -> serde_json::Value {
    let list = |findings: &[Finding]| -> Vec<serde_json::Value> {
        let value = |finding: &Finding| {
            json!({
                "kind": finding.kind.name(),
                "address": format!("{:#010x}", finding.address),
                "instructions": finding.lines,
                "place": symbols.describe(finding.address),
            })
        };
        findings.iter().map(value).collect()
    };
    json!({
        "image": image.name,
        "instructions": audit.instructions,
        "loads": audit.loads,
        "nops": audit.nops,
        "exempt": audit.exempt,
        "passed": audit.is_passed(),
        "violations": list(&audit.violations),
        "compiler_hazards": list(&audit.hazards),
    })
}
