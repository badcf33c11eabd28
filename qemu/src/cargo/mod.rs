//! Calls of cargo, and what they have built.

mod environment;
mod message;

pub use message::Artifact;

use crate::machine::Machine;
use crate::noise::Noise;
use crate::output::{self, errln};
use crate::progress::Progress;
use crate::session::Lines;
use anyhow::{Context, Result, bail};
use message::{Diagnostic, Line};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, ErrorKind, IsTerminal, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// What LLVM says for each crate that it compiles for the R3000, and nothing silences. The code is
/// audited: `./x audit`.
const NOISE: [&str; 1] = ["warning: MIPS-I support is experimental"];

/// The repository, and how we work in it.
pub struct Workspace {
    /// The repository's root.
    pub root: PathBuf,
    /// Where cargo puts what it builds.
    pub target: PathBuf,
    /// Show every command.
    pub verbose: bool,
    /// What the compiler has warned of in our own packages.
    warnings: Mutex<BTreeSet<String>>,
}

/// Something that could not be built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Name of the library, binary or test.
    pub name: String,
    /// It is a program.
    pub is_program: bool,
    /// What the compiler or the linker says.
    pub words: String,
}

/// Options of cargo for builds for the host: a dependency gets all features that any package of the
/// workspace asks of it. Otherwise each selection of packages has its own variants of dependencies,
/// and the host tool is compiled for each of them. `./x` gives the same options.
pub const FOR_HOST: [&str; 3] = ["-Zfeature-unification", "--config", "resolver.feature-unification=\"workspace\""];

/// What came of a build.
#[derive(Debug)]
pub struct Attempt {
    /// What was built.
    pub built: Vec<Artifact>,
    /// What was not. What needs it was not built either, and is not named.
    pub failures: Vec<Failure>,
}

impl Workspace {
    /// Finds the repository around the current directory.
    pub fn find(verbose: bool) -> Result<Workspace> {
        let here = std::env::current_dir().context("cannot tell the current directory")?;
        let root = here.ancestors().find(|directory| directory.join("rust-toolchain.toml").is_file());
        let root = root.with_context(|| format!("{} is not within the repository; use ./x", here.display()))?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| here.join(dir));
        Ok(Workspace { root: root.to_path_buf(), target, verbose, warnings: Mutex::default() })
    }

    /// Where figures are put that were drawn from what ran on a machine.
    pub fn figures(&self, machine: Machine) -> PathBuf {
        self.target.join("figures").join(machine.name())
    }

    /// A call of cargo in the repository's root, in an environment that does not change what it
    /// builds.
    pub fn cargo<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        environment::clean(&mut command);
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null());
        command
    }

    /// Shows a command where that was asked for.
    pub fn show(&self, command: &Command) {
        if self.verbose {
            errln!("+ {}", command_line(command));
        }
    }

    /// All that the compiler has warned of in our own packages, in the builds up to now.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Runs cargo to build something.
    ///
    /// # Errors
    /// When anything cannot be built.
    pub fn build<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        variables: &[(&str, &OsStr)],
    ) -> Result<Vec<Artifact>> {
        let mut command = self.cargo(arguments);
        command.envs(variables.iter().copied());
        let line = command_line(&command);
        let Attempt { built, failures } = self.attempt(command)?;
        if !failures.is_empty() {
            bail!("{}the build failed: {line}", words_of(&failures));
        }
        Ok(built)
    }

    /// Runs cargo to build what can be built. Progress shows on a terminal, elsewhere when it takes
    /// long.
    ///
    /// # Errors
    /// When cargo itself has failed, and not what was to be compiled or linked.
    pub fn attempt(&self, mut command: Command) -> Result<Attempt> {
        let terminal = std::io::stderr().is_terminal();
        let shown = self.verbose || terminal;
        let what = subject(&command);
        let format = if terminal { "json-diagnostic-rendered-ansi" } else { "json" };
        command.arg(format!("--message-format={format}"));
        if terminal {
            // It would take the pipe for no terminal.
            command.env("CARGO_TERM_COLOR", "always").env("CARGO_TERM_PROGRESS_WHEN", "always");
            command.env("CARGO_TERM_PROGRESS_WIDTH", "80");
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.show(&command);

        let progress = Arc::new(if shown { Progress::new(false) } else { Progress::besides_terminal() });
        progress.show(format_args!("building {what} ..."));
        let mut child = command.spawn().context("cannot start cargo")?;
        let stderr = child.stderr.take().expect("piped above");
        let words = std::thread::spawn({
            let (progress, what) = (Arc::clone(&progress), what.clone());
            move || pass_words(stderr, shown, |last| progress.show(format_args!("building {what}: {last} ...")))
        });
        let (mut built, mut errors) = (Vec::new(), BTreeMap::new());
        for line in BufReader::new(child.stdout.take().expect("piped above")).lines() {
            match message::parse(&line.context("cannot read what cargo says")?) {
                Some(Line::Artifact(artifact)) => built.push(artifact),
                Some(Line::Diagnostic(said)) => self.take(said, shown, &mut errors),
                None => {}
            }
        }
        let status = child.wait().context("cannot wait for cargo")?;
        let words = words.join().unwrap_or_default();
        let failures: Vec<Failure> =
            errors.into_iter().map(|((name, is_program), words)| Failure { name, is_program, words }).collect();
        if !status.success() && failures.is_empty() {
            bail!("{}the build failed ({status}): {}", String::from_utf8_lossy(&words), command_line(&command));
        }
        Ok(Attempt { built, failures })
    }

    /// Notes what the compiler says: errors by what they are about, and warnings of our own
    /// packages.
    fn take(&self, said: Diagnostic, shown: bool, errors: &mut BTreeMap<(String, bool), String>) {
        let Diagnostic { manifest, name, is_program, is_error, words } = said;
        if is_error {
            *errors.entry((name, is_program)).or_default() += &words;
            return;
        }
        if !manifest.starts_with(&self.root) {
            return;
        }
        if shown {
            output::tell_as_it_is(words.as_bytes());
        }
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).insert(words);
    }
}

/// What the compiler says of all that could not be built.
pub fn words_of<'a>(failures: impl IntoIterator<Item = &'a Failure>) -> String {
    failures.into_iter().map(|failure| format!("{} does not build:\n{}", failure.name, failure.words)).collect()
}

/// What a call of cargo builds, in a few words: its packages, and the target.
fn subject(command: &Command) -> String {
    let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let after = |name: &str| {
        let pairs = words.windows(2).filter(move |pair| pair[0] == name);
        pairs.map(|pair| pair[1].trim_end_matches(".json").to_owned()).collect::<Vec<_>>()
    };
    let packages = after("-p");
    let packages = if packages.len() > 4 { format!("{} packages", packages.len()) } else { packages.join(", ") };
    match after("--target").first() {
        Some(target) => format!("{packages} for {target}"),
        None => packages,
    }
}

/// Reads to the end what cargo says, and shows it as it comes if that is wanted; else it is the
/// result.
pub fn without_noise(from: impl Read, shown: bool) -> Vec<u8> {
    pass_words(from, shown, |_| ())
}

/// As [`without_noise`], and tells `each` of each line.
fn pass_words(mut from: impl Read, shown: bool, mut each: impl FnMut(&str)) -> Vec<u8> {
    let mut noise = Noise::new(&NOISE);
    let (mut buffer, mut words, mut lines) = ([0; 4096], Vec::new(), Lines::default());
    loop {
        let seen = words.len();
        match from.read(&mut buffer) {
            Ok(0) => {
                noise.finish(&mut words);
                return words;
            }
            Ok(length) => noise.pass(&buffer[..length], &mut words),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return words,
        }
        lines.push(&words[seen..], |line| each(line.trim()));
        if shown {
            output::tell_as_it_is(&words);
            words.clear();
        }
    }
}

/// A command as one would type it into a shell.
pub fn command_line(command: &Command) -> String {
    let removed: Vec<&OsStr> = command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
    let without = removed.iter().flat_map(|name| ["-u".to_owned(), quote(name)]);
    let without = (!removed.is_empty()).then(|| "env".to_owned()).into_iter().chain(without);
    let variables =
        command.get_envs().filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), quote(value?))));
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(quote);
    without.chain(variables).chain(words).collect::<Vec<_>>().join(" ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_can_be_pasted_into_a_shell() {
        let mut command = Command::new("qemu");
        command.args(["-append", "tour it's", ""]).env("A", "1 2");
        assert_eq!(command_line(&command), r"A='1 2' qemu -append 'tour it'\''s' ''");
        command.env_remove("B");
        assert_eq!(command_line(&command), r"env -u B A='1 2' qemu -append 'tour it'\''s' ''");
    }

    #[test]
    fn a_build_is_named_by_its_packages_and_target() {
        let mut command = Command::new("cargo");
        command.args(["build", "-p", "exos-programs", "-p", "aegis-bench", "--target", "mipsel-dec-none.json"]);
        assert_eq!(subject(&command), "exos-programs, aegis-bench for mipsel-dec-none");
    }

    #[test]
    fn the_lines_of_cargo_are_told() {
        let mut told = Vec::new();
        let words = pass_words(&b"   Compiling a v1\n    Blocking waiting for file lock\n"[..], false, |line| {
            told.push(line.to_owned());
        });
        assert_eq!(told, ["Compiling a v1", "Blocking waiting for file lock"]);
        assert!(words.starts_with(b"   Compiling a"));
    }
}
