//! Miri as a test: host tests of the software TLB and of the kernel, run by an interpreter that knows what Rust leaves undefined.

use super::report::Report;
use crate::cargo::{Workspace, without_noise};
use anyhow::Result;

/// What is run: name, package, and which of its tests. (Miri is some hundred times slower than the processor: those that take all of the
/// kernel's tables through many steps are left out.)
const RUNS: [(&str, &str, &[&str]); 2] = [
    ("miri::stlb", "stlb", &["table::"]),
    ("miri::aegis-kernel", "aegis-kernel", &["frames::a_frame", "bindings::a_page", "revocation::errors"]),
];

/// Runs them, where the toolchain has Miri.
pub fn run(workspace: &Workspace, report: &mut Report) -> Result<()> {
    for (name, package, filters) in RUNS.into_iter().filter(|(name, ..)| report.wants(name)).collect::<Vec<_>>() {
        if !has_miri(workspace) {
            // Debian packages no Miri.
            if std::env::var_os("RUSTUP_TOOLCHAIN").is_some() {
                report.missing(name, "this toolchain lacks its component Miri (rustup component add miri)");
            } else {
                report.skipped(name, "Debian's toolchain has no Miri (rustup's has)");
            }
            continue;
        }
        report.progress(name);
        let mut command = workspace.cargo(["miri", "test", "-q", "--color=never", "-p", package, "--lib", "--"]);
        command.args(filters).env("MIRIFLAGS", "-Zmiri-disable-isolation");
        workspace.show(&command);
        let output = command.output()?;
        let words = || {
            let errors = String::from_utf8_lossy(&without_noise(&output.stderr[..], false)).into_owned();
            format!("{}{errors}", String::from_utf8_lossy(&output.stdout))
        };
        report.result(name, if output.status.success() { Ok(()) } else { Err(words()) });
    }
    Ok(())
}

fn has_miri(workspace: &Workspace) -> bool {
    let mut command = workspace.cargo(["miri", "--version"]);
    let beside = std::path::Path::new(command.get_program()).with_file_name("cargo-miri");
    (beside.is_relative() || beside.is_file()) && command.output().is_ok_and(|output| output.status.success())
}
