//! Clippy as a test: no warning, neither for the host nor for the machine.

use super::host::PACKAGES;
use super::report::Report;
use crate::cargo::{GUEST, Workspace};
use anyhow::Result;
use std::path::Path;

/// Packages that are built for the machine.
const MACHINE: [&str; 9] =
    ["stlb", "unwind", "aegis-abi", "aegis-kernel", "aegis-machine", "aegis", "exos", "exos-programs", "exos-checks"];

/// Runs clippy, where there is one.
pub fn run(workspace: &Workspace, report: &mut Report) -> Result<()> {
    let there = has_clippy(workspace);
    let archive = workspace.target.join("images/programs.tar").into_os_string();
    let host = [&PACKAGES[..], &["aegis-count"]].concat();
    let variants = [&GUEST[..], &["--features", "aegis/checked,aegis/faithful,aegis/planted-fault"]].concat();
    for (name, packages, arguments) in [
        ("clippy::host", &host[..], &["--lib", "--tests"][..]),
        ("clippy::mipsel", &MACHINE[..], &GUEST[..]),
        ("clippy::mipsel with all features", &MACHINE[..], &variants[..]),
    ] {
        if !report.wants(name) {
            continue;
        }
        if !there {
            report.skipped(name, "this toolchain has no clippy (rustup's has)");
            continue;
        }
        report.progress(name);
        let packages = packages.iter().flat_map(|package| ["-p", package]);
        let mut command = workspace.cargo(["clippy", "-q", "--color=never"].into_iter().chain(packages));
        command.args(arguments).args(["--", "-D", "warnings"]).env("AEGIS_ARCHIVE", &archive);
        workspace.show(&command);
        let output = command.output()?;
        let words = || String::from_utf8_lossy(&output.stderr).into_owned();
        report.result(name, if output.status.success() { Ok(()) } else { Err(words()) });
    }
    Ok(())
}

/// Clippy belongs to this toolchain: it stands beside cargo. (Cargo would also find that of another toolchain.)
fn has_clippy(workspace: &Workspace) -> bool {
    let mut command = workspace.cargo(["clippy", "--version"]);
    let beside = Path::new(command.get_program()).with_file_name("cargo-clippy");
    (beside.is_relative() || beside.is_file()) && command.output().is_ok_and(|output| output.status.success())
}
