//! What is booted: the programs, packed into an archive, and the kernel image that holds it.

use crate::archive::{self, Entry};
use crate::cargo::{Attempt, Failure, Workspace, words_of};
use crate::machine::Machine;
use crate::output::errln;
use crate::progress;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A program that can be run on Aegis.
#[derive(Clone, Debug)]
pub struct Program {
    /// What it is called.
    pub name: String,
    /// Its ELF file, with symbols.
    pub path: PathBuf,
    /// It is one of the test programs.
    pub is_check: bool,
}

/// Package of the test programs.
const CHECKS: &str = "exos-checks";

/// The programs of the repository, as far as they can be built: one that cannot stops none but
/// itself.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Those that were built, in order of name.
    pub built: Vec<Program>,
    /// Those that were not, and libraries without which others were not.
    pub broken: Vec<Failure>,
}

impl Programs {
    /// The program of that name. The error says why it was not built, or lists those that exist.
    pub fn find(&self, name: &str) -> Result<&Program> {
        if let Some(program) = self.built.iter().find(|program| program.name == name) {
            return Ok(program);
        }
        let about_it = |failure: &&Failure| failure.name == name && failure.is_program;
        if let Some(failure) = self.broken.iter().find(about_it) {
            bail!("{}", words_of([failure]).trim_end());
        }
        // Whether it is one of those that need these libraries is not known.
        let libraries: Vec<&Failure> = self.broken.iter().filter(|failure| !failure.is_program).collect();
        if !libraries.is_empty() {
            bail!("{name} was not built: {}", words_of(libraries).trim_end());
        }
        let names = |is_check| {
            let names = self.built.iter().filter(|program| program.is_check == is_check);
            names.map(|program| program.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        bail!("there is no program {name}\nprograms: {}\nof the tests: {}", names(false), names(true));
    }

    /// Names those that were not built, in a line on standard error.
    pub fn tell_broken(&self) {
        let names: Vec<&str> = self.broken.iter().map(|failure| failure.name.as_str()).collect();
        if let Some(first) = names.first() {
            errln!("x: not built, and so not in the image: {}; ./x run {first} says why", names.join(", "));
        }
    }
}

/// Builds all programs of the repository for a machine that can be built.
pub fn build_programs(workspace: &Workspace, machine: Machine) -> Result<Programs> {
    let mut arguments =
        vec!["build", "--keep-going", "--bins", "-p", "exos-programs", "-p", "aegis-bench", "-p", CHECKS];
    arguments.extend(machine.cargo_arguments());
    let Attempt { built, failures } = workspace.attempt(workspace.cargo(&arguments))?;
    let mut programs: Vec<Program> = built
        .into_iter()
        .filter_map(|built| {
            Some(Program { name: built.name, path: built.executable?, is_check: built.package == CHECKS })
        })
        .collect();
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Programs { built: programs, broken: failures })
}

/// The programs as entries of an archive.
pub fn entries(machine: Machine, programs: &[Program]) -> Result<Vec<Entry>> {
    programs.iter().map(|program| Entry::program(&program.name, &program.path, machine)).collect()
}

/// Where the images for a machine go.
pub fn images(workspace: &Workspace, machine: Machine) -> PathBuf {
    workspace.target.join("images").join(machine.name())
}

/// A kernel image to be built. Different ones do not overwrite each other.
#[derive(Default)]
pub struct Kernel<'a> {
    /// What it runs on.
    pub machine: Machine,
    /// Features of the package `aegis`.
    pub features: &'a [&'a str],
    /// Tells an archive apart from the usual one, if it holds something else.
    pub archive: Option<&'a str>,
}

impl Kernel<'_> {
    /// Builds the image with these entries in its archive, and says where it is.
    pub fn build(&self, workspace: &Workspace, entries: &[Entry]) -> Result<PathBuf> {
        let directory = images(workspace, self.machine);
        std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        // The archive must stay ours until the image that holds it has a name of its own.
        let lock = directory.join("lock");
        let lock = std::fs::File::create(&lock).with_context(|| format!("cannot create {}", lock.display()))?;
        let what = format!("builds an image for {}", self.machine);
        progress::lock(&lock, &what).context("cannot lock the directory of images")?;
        let archive =
            directory.join(self.archive.map_or("programs.tar".to_owned(), |name| format!("programs-{name}.tar")));
        write_if_changed(&archive, &archive::pack(entries)?)?;

        let features = self.features.join(",");
        let mut arguments = vec!["build", "-p", "aegis"];
        if !features.is_empty() {
            arguments.extend(["--features", &features]);
        }
        arguments.extend(self.machine.cargo_arguments());
        let built = workspace.build(&arguments, &[("AEGIS_ARCHIVE", archive.as_os_str())])?;
        let kernel = built.into_iter().find_map(|built| (built.package == "aegis").then_some(built.executable?));
        let kernel = kernel.context("the package aegis has no program, so there is no kernel to boot")?;

        // Cargo gives every variant the same name.
        let name: Vec<&str> = ["aegis"].iter().chain(self.features).copied().chain(self.archive).collect();
        let image = directory.join(name.join("-"));
        let bytes = std::fs::read(&kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
        write_if_changed(&image, &bytes)?;
        Ok(image)
    }
}

/// A version of QEMU's plugin interface that the counting plugin is made for; `qemu/plugin/src/api.rs` says how they differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PluginInterface {
    /// Version 1.
    One,
    /// Version 3.
    Three,
    /// Version 7.
    Seven,
}

impl PluginInterface {
    /// All of them.
    pub const ALL: [PluginInterface; 3] = [PluginInterface::One, PluginInterface::Three, PluginInterface::Seven];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            PluginInterface::One => "interface-1",
            PluginInterface::Three => "interface-3",
            PluginInterface::Seven => "interface-7",
        }
    }

    /// The plugin's feature for it; version 1 needs none.
    pub fn feature(self) -> Option<&'static str> {
        (self != PluginInterface::One).then_some(self.name())
    }
}

/// Builds the plugin that counts instructions, and says where it is.
pub fn build_plugin(workspace: &Workspace, interface: PluginInterface) -> Result<PathBuf> {
    // Cargo gives every variant the same name, and a plugin must stay as it is while a QEMU is to load it.
    let directory = workspace.target.join("plugin").join(interface.name());
    let mut arguments: Vec<&OsStr> = ["build", "--release", "-p", "aegis-count"].map(OsStr::new).to_vec();
    arguments.extend(["--features", interface.feature().unwrap_or_default(), "--target-dir"].map(OsStr::new));
    arguments.push(directory.as_os_str());
    let built = workspace.build(arguments, &[])?;
    let mut files = built.into_iter().filter(|built| built.package == "aegis-count").flat_map(|built| built.files);
    files
        .find(|file| file.extension().is_some_and(|extension| extension == OsStr::new(std::env::consts::DLL_EXTENSION)))
        .context("the package aegis-count has made no library")
}

/// Writes a file, but leaves one alone that is the same already, so that nothing is built again for its sake.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    // Whoever has the old file open, or mapped, keeps it whole: the new one takes its name, not its place.
    let new = path.with_extension(format!("{}.new", std::process::id()));
    std::fs::write(&new, bytes).with_context(|| format!("cannot write {}", new.display()))?;
    std::fs::rename(&new, path).with_context(|| format!("cannot write {}", path.display()))
}
