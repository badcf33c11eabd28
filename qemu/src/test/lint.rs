//! Clippy as a test: no warning, neither for the host nor for a machine.

use super::host::PACKAGES;
use super::report::Report;
use crate::cargo::{FOR_HOST, Workspace, without_noise};
use crate::image::{self, PluginInterface};
use crate::machine::Machine;
use crate::tlb::page;
use anyhow::Result;
use std::path::Path;

/// Packages that are built for a machine.
const MACHINE: [&str; 9] =
    ["stlb", "unwind", "aegis-abi", "aegis-kernel", "aegis-machine", "aegis", "exos", "exos-programs", "exos-checks"];

/// A package that is built for Malta's processor alone, where Linux runs it.
const LINUX: &str = "aegis-bench-linux";

/// Features of the kernel that are compiled in for a second look.
const FEATURES: &str =
    "aegis/checked,aegis/counting,aegis/faithful,aegis/planted-fault,aegis/slots-512,aegis/overflow-2";

/// Runs clippy, where there is one, on what is built for the host.
pub fn host(workspace: &Workspace, report: &mut Report) -> Result<()> {
    let arguments = [&FOR_HOST[..], &["--lib", "--tests"]].concat();
    check(workspace, "clippy::host", &PACKAGES, &arguments, None, report)?;
    if crate::browser::find().is_some() {
        check(workspace, "clippy::browser", &[super::browser::PACKAGE], &arguments, None, report)?;
    }
    check(workspace, "clippy::web", &["stlb-web"], &page::CARGO_ARGUMENTS, None, report)?;
    for interface in PluginInterface::ALL {
        let arguments = ["--features", interface.feature().unwrap_or_default()];
        check(workspace, &format!("clippy::plugin, {}", interface.name()), &["aegis-count"], &arguments, None, report)?;
    }
    Ok(())
}

/// Runs clippy, where there is one, on what is built for `machine`.
pub fn machine(workspace: &Workspace, machine: Machine, report: &mut Report) -> Result<()> {
    let arguments: Vec<&str> = machine.cargo_arguments().collect();
    let variants = [&arguments[..], &["--features", FEATURES]].concat();
    let archive = image::images(workspace, machine).join("programs.tar");
    let plain = if machine == Machine::Malta { [&MACHINE[..], &[LINUX]].concat() } else { MACHINE.to_vec() };
    check(workspace, &format!("{machine}::clippy::plain"), &plain, &arguments, Some(&archive), report)?;
    check(workspace, &format!("{machine}::clippy::all features"), &MACHINE, &variants, Some(&archive), report)
}

fn check(
    workspace: &Workspace,
    name: &str,
    packages: &[&str],
    arguments: &[&str],
    archive: Option<&Path>,
    report: &mut Report,
) -> Result<()> {
    if !report.wants(name) {
        return Ok(());
    }
    if !has_clippy(workspace) {
        report.missing(name, "this toolchain lacks clippy (rustup component add clippy; Debian: rust-web-clippy)");
        return Ok(());
    }
    report.progress(name);
    let packages = packages.iter().flat_map(|package| ["-p", package]);
    let mut command = workspace.cargo(["clippy", "-q", "--color=never"].into_iter().chain(packages));
    command.args(arguments).args(["--", "-D", "warnings"]);
    command.envs(archive.map(|archive| ("AEGIS_ARCHIVE", archive)));
    workspace.show(&command);
    let output = command.output()?;
    let words = || String::from_utf8_lossy(&without_noise(&output.stderr[..], false)).into_owned();
    report.result(name, if output.status.success() { Ok(()) } else { Err(words()) });
    Ok(())
}

/// Clippy belongs to this toolchain: it stands beside cargo. (Cargo would also find that of another toolchain.)
fn has_clippy(workspace: &Workspace) -> bool {
    let mut command = workspace.cargo(["clippy", "--version"]);
    let beside = Path::new(command.get_program()).with_file_name("cargo-clippy");
    (beside.is_relative() || beside.is_file()) && command.output().is_ok_and(|output| output.status.success())
}
