//! Tests on the host: those of the packages that are built for it.

use super::Built;
use super::report::Report;
use crate::cargo::{Artifact, FOR_HOST, Workspace};
use crate::machine::Machine;
use crate::session::{self, End, Errors, Patience};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Packages with tests on the host.
pub const PACKAGES: [&str; 10] = [
    "stlb",
    "stlb-web",
    "unwind",
    "aegis-abi",
    "aegis-kernel",
    "exos",
    "exos-checks",
    "aegis-bench",
    "aegis-counter",
    "aegis-host",
];
/// Longest time that the tests of one file or library may take.
const LIMIT: Duration = Duration::from_secs(900);

/// Tests on the host that start a machine's emulator, by what their full names begin with.
const EMULATED: [(Machine, &[&str]); 2] = [
    (Machine::Malta, &["aegis-host::plugin::", "aegis-host::tlb::"]),
    (Machine::Decstation, &["aegis-host::trace::", "aegis-host::tlb::"]),
];

/// Runs the tests. Those that look at a kernel image find it by a variable for each machine; those that start an emulator that is
/// `absent`, for the reason that stands there, are missing.
pub fn run(workspace: &Workspace, images: &[Built], absent: &[(Machine, String)], report: &mut Report) -> Result<()> {
    report.progress("building the host tests");
    let packages: Vec<&str> = PACKAGES.iter().flat_map(|package| ["-p", package]).collect();
    let arguments = [&FOR_HOST[..], &["test", "--no-run", "--lib", "--tests"], &packages].concat();
    match workspace.build(&arguments, &[]) {
        Ok(mut built) => {
            built.retain(|built| built.is_test && built.executable.is_some());
            built.sort_by_key(|built| (PACKAGES.iter().position(|&name| name == built.package), built.name.clone()));
            for artifact in &built {
                run_binary(workspace, artifact, images, absent, report)?;
            }
        }
        Err(error) => report.always_failed("build::host", &format!("{error:#}")),
    }
    run_examples(workspace, &packages, report)
}

/// The variable with the path of the kernel image for a machine.
fn image_variable(machine: Machine) -> &'static str {
    match machine {
        Machine::Malta => "AEGIS_IMAGE",
        Machine::Decstation => "AEGIS_IMAGE_DECSTATION",
    }
}

/// Runs the wanted tests of one file or library.
pub fn run_binary(
    workspace: &Workspace,
    built: &Artifact,
    images: &[Built],
    absent: &[(Machine, String)],
    report: &mut Report,
) -> Result<()> {
    let group = if built.is_test_file { format!("{}::{}", built.package, built.name) } else { built.package.clone() };
    let executable = built.executable.as_ref().context("only programs are run")?;
    let mut command = Command::new(executable);
    command.current_dir(&built.directory).env("CARGO_MANIFEST_DIR", &built.directory).stdin(Stdio::null());
    for machine in Machine::ALL {
        match images.iter().find(|built| built.machine == machine) {
            Some(built) => command.env(image_variable(machine), &built.kernel),
            None => command.env_remove(image_variable(machine)),
        };
    }

    let mut list = Command::new(executable);
    let list = list.args(["--list", "--format", "terse"]).output();
    let list = list.with_context(|| format!("cannot start {}", executable.display()))?;
    ensure!(list.status.success(), "{} does not list its tests", executable.display());
    let full_name = |name: &str| format!("{group}::{name}");
    let listed = String::from_utf8_lossy(&list.stdout);
    let mut wanted: BTreeSet<&str> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let all = wanted.len();
    wanted.retain(|name| report.wants(&full_name(name)));
    wanted.retain(|name| match why_missing(&full_name(name), absent) {
        Some(why) => {
            report.missing(&full_name(name), why);
            false
        }
        None => true,
    });
    if wanted.is_empty() {
        return Ok(());
    }
    if wanted.len() < all {
        command.arg("--exact").args(&wanted);
    }
    workspace.show(&command);

    report.progress(&group);
    let mut output = Output::default();
    let end = session::run(command, Errors::Taken, Patience { end: Some(LIMIT), ..Patience::default() }, |chunk| {
        for line in output.take(chunk) {
            let Some((name, outcome)) = parse_result(&line) else { continue };
            if !wanted.remove(name) {
                continue;
            }
            match outcome {
                Outcome::Passed => report.result(&full_name(name), Ok(())),
                Outcome::Ignored => report.skipped(&full_name(name), "it is marked `ignore`"),
                // The reason comes at the end of the output.
                Outcome::Failed => output.failed.push(name.to_owned()),
            }
            report.progress(&group);
        }
    })?;
    for name in &output.failed {
        report.result(&full_name(name), Err(failure(&output.text, name)));
    }
    if end != End::Interrupted {
        for name in wanted {
            report.result(&full_name(name), Err(format!("no result ({end:?})\n{}", tail(&output.text))));
        }
    }
    if !matches!(
        (end, output.failed.is_empty()),
        (End::Exited(0), true) | (End::Exited(101), false) | (End::Interrupted, _)
    ) {
        report.always_failed(&group, &format!("the tests ended badly ({end:?})\n{}", tail(&output.text)));
    }
    Ok(())
}

/// The reason why the test `name` cannot be run, if it starts one of the `absent` emulators.
fn why_missing<'a>(name: &str, absent: &'a [(Machine, String)]) -> Option<&'a str> {
    let starts = |machine| {
        let (_, tests) = EMULATED.iter().find(|(other, _)| *other == machine)?;
        tests.iter().find(|test| name.starts_with(**test))
    };
    absent.iter().find(|(machine, _)| starts(*machine).is_some()).map(|(_, why)| why.as_str())
}

/// Runs the examples in the documentation.
fn run_examples(workspace: &Workspace, packages: &[&str], report: &mut Report) -> Result<()> {
    const GROUP: &str = "examples";
    if !report.may_want(GROUP) {
        return Ok(());
    }
    report.progress(GROUP);
    let mut command =
        workspace.cargo([&FOR_HOST[..], &["test", "-q", "--doc"], packages, &["--", "--format", "pretty"]].concat());
    command.env("RUST_TEST_THREADS", "2");
    workspace.show(&command);
    let mut output = Output::default();
    let mut failed = Vec::new();
    let end = session::run(command, Errors::Taken, Patience { end: Some(LIMIT), ..Patience::default() }, |chunk| {
        for line in output.take(chunk) {
            match parse_result(&line) {
                Some((name, Outcome::Passed)) => report.result(&format!("{GROUP}::{name}"), Ok(())),
                Some((name, Outcome::Failed)) => failed.push(name.to_owned()),
                _ => {}
            }
        }
    })?;
    for name in &failed {
        report.result(&format!("{GROUP}::{name}"), Err(failure(&output.text, name)));
    }
    if failed.is_empty() && !matches!(end, End::Exited(0) | End::Interrupted) {
        report.always_failed(GROUP, &format!("the examples ended badly ({end:?})\n{}", tail(&output.text)));
    }
    Ok(())
}

/// Output of tests, cut into lines as it comes.
#[derive(Default)]
struct Output {
    text: String,
    started: Vec<u8>,
    failed: Vec<String>,
}

impl Output {
    /// Adds a chunk; gives the lines that it completes.
    fn take(&mut self, chunk: &[u8]) -> Vec<String> {
        self.started.extend_from_slice(chunk);
        let mut lines = Vec::new();
        while let Some(end) = self.started.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.started.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            self.text.push_str(&line);
            lines.push(line.trim_end().to_owned());
        }
        lines
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Ignored,
}

/// Takes `test NAME ... ok` apart.
fn parse_result(line: &str) -> Option<(&str, Outcome)> {
    let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let outcome = match result.split(',').next()? {
        "ok" => Outcome::Passed,
        "FAILED" => Outcome::Failed,
        "ignored" => Outcome::Ignored,
        _ => return None,
    };
    Some((name.strip_suffix(" - should panic").unwrap_or(name), outcome))
}

/// What a failed test has said.
fn failure(output: &str, name: &str) -> String {
    let start = format!("---- {name} stdout ----\n");
    match output.find(&start) {
        Some(at) => {
            let words = &output[at + start.len()..];
            let end = words.find("\n---- ").or_else(|| words.find("\nfailures:\n")).unwrap_or(words.len());
            words[..end].trim().to_owned()
        }
        None => "it said nothing".to_owned(),
    }
}

/// The last lines of an output.
pub fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.trim_end().lines().map(str::trim_end).collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read() {
        assert_eq!(parse_result("test table::hit ... ok"), Some(("table::hit", Outcome::Passed)));
        assert_eq!(parse_result("test a - should panic ... ok"), Some(("a", Outcome::Passed)));
        assert_eq!(parse_result("test a ... FAILED"), Some(("a", Outcome::Failed)));
        assert_eq!(parse_result("test a ... ignored, too slow"), Some(("a", Outcome::Ignored)));
        assert_eq!(parse_result("test result: ok. 1 passed; 0 failed"), None);
        assert_eq!(parse_result("running 2 tests"), None);
    }

    #[test]
    fn lines_are_put_together_from_chunks() {
        let mut output = Output::default();
        assert_eq!(output.take(b"test a ..."), [""; 0]);
        assert_eq!(output.take(b" ok\ntest b ... ok\nte"), ["test a ... ok", "test b ... ok"]);
        assert_eq!(output.text, "test a ... ok\ntest b ... ok\n");
    }

    #[test]
    fn the_reason_of_a_failure_is_found() {
        let output = "test a ... FAILED\n\nfailures:\n\n---- a stdout ----\nleft: 1\n\n---- b stdout ----\nx\n\n\nfailures:\n    a\n";
        assert_eq!(failure(output, "a"), "left: 1");
        assert_eq!(failure(output, "b"), "x");
        assert_eq!(failure(output, "c"), "it said nothing");
    }

    #[test]
    fn a_tail_has_the_last_lines() {
        let text: String = (0..100).map(|n| format!("{n}\r\n")).collect();
        assert!(tail(&text).starts_with("75\n76\n") && tail(&text).ends_with("\n99"));
        assert_eq!(tail("a\n"), "a");
    }
}
