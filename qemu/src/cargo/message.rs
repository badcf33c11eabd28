//! What cargo and the compiler say, in JSON, a line each.

use serde::Deserialize;
use std::path::{Path, PathBuf};

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

/// What the compiler, or the linker, says of something that is built.
#[derive(Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Manifest of the package.
    pub manifest: PathBuf,
    /// Name of the library, binary or test.
    pub name: String,
    /// It is a program.
    pub is_program: bool,
    /// It is an error, and no warning.
    pub is_error: bool,
    /// The words, with what they point at.
    pub words: String,
}

/// A line that interests us.
#[derive(Debug)]
pub enum Line {
    Artifact(Artifact),
    Diagnostic(Diagnostic),
}

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
    message: Option<Words>,
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

#[derive(Deserialize)]
struct Words {
    level: String,
    message: String,
    rendered: Option<String>,
}

impl Target {
    fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|other| other == kind)
    }
}

/// Takes a line apart; none is what does not interest us.
pub fn parse(line: &str) -> Option<Line> {
    let message: Message = serde_json::from_str(line).ok()?;
    match message.reason.as_str() {
        "compiler-artifact" => artifact(message).map(Line::Artifact),
        "compiler-message" => diagnostic(message).map(Line::Diagnostic),
        _ => None,
    }
}

fn artifact(message: Message) -> Option<Artifact> {
    let directory = message.manifest_path?.parent()?.to_path_buf();
    let target = message.target?;
    Some(Artifact {
        package: package_name(&message.package_id?, &directory),
        directory,
        is_test: message.profile.is_some_and(|profile| profile.test),
        is_test_file: target.is("test"),
        name: target.name,
        executable: message.executable,
        files: message.filenames,
    })
}

fn diagnostic(message: Message) -> Option<Diagnostic> {
    let Words { level, message: words, rendered } = message.message?;
    // The compiler's own sum at the end.
    let is_sum = words.starts_with("aborting due to")
        || words.ends_with("warning emitted")
        || words.ends_with("warnings emitted");
    let is_error = level.starts_with("error");
    if is_sum || !(is_error || level == "warning") {
        return None;
    }
    let target = message.target?;
    Some(Diagnostic {
        manifest: message.manifest_path?,
        is_program: target.is("bin"),
        name: target.name,
        is_error,
        words: rendered.unwrap_or(words),
    })
}

/// The name in an identifier like `path+file:///a/b#0.1.0` (the directory's) or
/// `path+file:///a/b#name@0.1.0`.
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
        let Some(Line::Artifact(artifact)) = parse(line) else { panic!("no artifact") };
        assert_eq!((artifact.package.as_str(), artifact.name.as_str()), ("aegis-abi", "layout"));
        assert!(artifact.is_test && artifact.is_test_file);
        assert_eq!(artifact.executable.as_deref(), Some(Path::new("/r/t/layout-1")));
        assert!(parse(r#"{"reason":"build-finished","success":true}"#).is_none());
        assert!(parse("warning: not JSON").is_none());
    }

    #[test]
    fn errors_and_warnings_are_those_of_what_is_built() {
        let said = |level: &str, words: &str| {
            let line = format!(
                r#"{{"reason":"compiler-message","package_id":"path+file:///r/p#p@0.1.0","manifest_path":"/r/p/Cargo.toml",
                "target":{{"kind":["bin"],"name":"hello"}},
                "message":{{"level":"{level}","message":"{words}","rendered":"{level}: {words}\n"}}}}"#
            );
            match parse(&line) {
                Some(Line::Diagnostic(said)) => Some((said.name, said.is_program, said.is_error, said.words)),
                _ => None,
            }
        };
        let hello = |is_error, words: &str| Some(("hello".to_owned(), true, is_error, words.to_owned()));
        assert_eq!(said("error", "no such name"), hello(true, "error: no such name\n"));
        assert_eq!(said("warning", "unused import"), hello(false, "warning: unused import\n"));
        assert_eq!(said("error", "aborting due to 1 previous error"), None);
        assert_eq!(said("warning", "2 warnings emitted"), None);
        assert_eq!(said("failure-note", "For more information"), None);
    }

    #[test]
    fn a_package_without_a_name_in_its_id_is_named_after_its_directory() {
        assert_eq!(package_name("path+file:///r/stlb#0.1.0", Path::new("/r/stlb")), "stlb");
    }
}
