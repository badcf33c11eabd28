//! Calls of cargo, and what they have built.

use crate::machine::Machine;
use crate::noise::Noise;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, ErrorKind, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What LLVM says for each crate that it compiles for the R3000, and nothing silences. The code is audited: `./x audit`.
const NOISE: [&str; 1] = ["warning: MIPS-I support is experimental"];

/// The repository, and how we work in it.
pub struct Workspace {
    /// The repository's root.
    pub root: PathBuf,
    /// Where cargo puts what it builds.
    pub target: PathBuf,
    /// Show every command.
    pub verbose: bool,
}

/// Something that cargo has built.
#[derive(Debug)]
pub struct Artifact {
    /// Name of the package.
    pub package: String,
    /// Directory of the package.
    pub directory: PathBuf,
    /// Name of the library, binary or test.
    pub name: String,
    /// It is built to run its tests.
    pub is_test: bool,
    /// It is a file in the package's `tests/`.
    pub is_test_file: bool,
    /// The program, if it is one.
    pub executable: Option<PathBuf>,
    /// All files built.
    pub files: Vec<PathBuf>,
}

impl Workspace {
    /// Finds the repository around the current directory.
    pub fn find(verbose: bool) -> Result<Workspace> {
        let here = std::env::current_dir().context("cannot tell the current directory")?;
        let root = here.ancestors().find(|directory| directory.join("rust-toolchain.toml").is_file());
        let root = root.with_context(|| format!("{} is not within the repository; use ./x", here.display()))?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| here.join(dir));
        Ok(Workspace { root: root.to_path_buf(), target, verbose })
    }

    /// Where figures are put that were drawn from what ran on a machine.
    pub fn figures(&self, machine: Machine) -> PathBuf {
        self.target.join("figures").join(machine.name())
    }

    /// A call of cargo in the repository's root.
    pub fn cargo<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null());
        command
    }

    /// Shows a command where that was asked for.
    pub fn show(&self, command: &Command) {
        if self.verbose {
            eprintln!("+ {}", command_line(command));
        }
    }

    /// Runs cargo to build something. Progress shows on a terminal; elsewhere cargo's words show only on failure.
    pub fn build<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        variables: &[(&str, &OsStr)],
    ) -> Result<Vec<Artifact>> {
        let mut command = self.cargo(arguments);
        command.arg("--message-format=json-render-diagnostics").envs(variables.iter().copied());
        let terminal = std::io::stderr().is_terminal();
        let shown = self.verbose || terminal;
        if terminal {
            // It would take the pipe for no terminal.
            command.env("CARGO_TERM_COLOR", "always").env("CARGO_TERM_PROGRESS_WHEN", "always");
            command.env("CARGO_TERM_PROGRESS_WIDTH", "80");
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.show(&command);

        let mut child = command.spawn().context("cannot start cargo")?;
        let stderr = child.stderr.take().expect("piped above");
        let words = std::thread::spawn(move || without_noise(stderr, shown));
        let mut artifacts = Vec::new();
        for line in BufReader::new(child.stdout.take().expect("piped above")).lines() {
            artifacts.extend(parse_message(&line.context("cannot read what cargo says")?));
        }
        let status = child.wait().context("cannot wait for cargo")?;
        let words = words.join().unwrap_or_default();
        if !status.success() {
            bail!("{}the build failed ({status}): {}", String::from_utf8_lossy(&words), command_line(&command));
        }
        Ok(artifacts)
    }
}

/// Reads to the end what cargo says, and shows it as it comes if that is wanted; else it is the result.
pub fn without_noise(mut from: impl Read, shown: bool) -> Vec<u8> {
    let mut noise = Noise::new(&NOISE);
    let (mut buffer, mut words) = ([0; 4096], Vec::new());
    loop {
        match from.read(&mut buffer) {
            Ok(0) => {
                noise.finish(&mut words);
                return words;
            }
            Ok(length) => noise.pass(&buffer[..length], &mut words),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return words,
        }
        if shown {
            // Where nobody reads, the build goes on.
            let _ = std::io::stderr().write_all(&words);
            words.clear();
        }
    }
}

/// A command as one would type it into a shell.
pub fn command_line(command: &Command) -> String {
    let variables =
        command.get_envs().filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), quote(value?))));
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(quote);
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./,:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A line of cargo's JSON, as far as it interests us.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

fn parse_message(line: &str) -> Option<Artifact> {
    let message: Message = serde_json::from_str(line).ok()?;
    if message.reason != "compiler-artifact" {
        return None;
    }
    let directory = message.manifest_path?.parent()?.to_path_buf();
    let target = message.target?;
    Some(Artifact {
        package: package_name(&message.package_id?, &directory),
        directory,
        name: target.name,
        is_test: message.profile.is_some_and(|profile| profile.test),
        is_test_file: target.kind.iter().any(|kind| kind == "test"),
        executable: message.executable,
        files: message.filenames,
    })
}

/// The name in an identifier like `path+file:///a/b#0.1.0` (the directory's) or `path+file:///a/b#name@0.1.0`.
fn package_name(id: &str, directory: &Path) -> String {
    match id.rsplit_once('#').and_then(|(_, name)| name.split_once('@')) {
        Some((name, _)) => name.to_owned(),
        None => directory.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_are_read_from_cargos_messages() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///r/aegis/abi#aegis-abi@0.1.0",
            "manifest_path":"/r/aegis/abi/Cargo.toml","target":{"kind":["test"],"name":"layout","src_path":"x"},
            "profile":{"opt_level":"0","test":true},
            "filenames":["/r/t/layout-1"],"executable":"/r/t/layout-1","fresh":true}"#;
        let artifact = parse_message(line).unwrap();
        assert_eq!((artifact.package.as_str(), artifact.name.as_str()), ("aegis-abi", "layout"));
        assert!(artifact.is_test && artifact.is_test_file);
        assert_eq!(artifact.executable.as_deref(), Some(Path::new("/r/t/layout-1")));
        assert!(parse_message(r#"{"reason":"build-finished","success":true}"#).is_none());
        assert!(parse_message("warning: not JSON").is_none());
    }

    #[test]
    fn a_package_without_a_name_in_its_id_is_named_after_its_directory() {
        assert_eq!(package_name("path+file:///r/stlb#0.1.0", Path::new("/r/stlb")), "stlb");
    }

    #[test]
    fn command_lines_can_be_pasted_into_a_shell() {
        let mut command = Command::new("qemu");
        command.args(["-append", "tour it's", ""]).env("A", "1 2");
        assert_eq!(command_line(&command), r"A='1 2' qemu -append 'tour it'\''s' ''");
    }
}
