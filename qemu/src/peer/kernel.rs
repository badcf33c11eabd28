//! Debian's kernel: its package is fetched with apt, which checks Debian's signature, and unpacked, not installed; root's rights are
//! not needed.
//!
//! What is there already is used as it is: a kernel, or else a package.

use crate::cargo::Workspace;
use crate::session::{self, End, Errors, Patience};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Debian 12's name, the last that was made for `mipsel`. [`super::figures`] tells users its number.
const SUITE: &str = "bookworm";
/// Its newest kernel for the board is what this package depends on.
const NEWEST: &str = "linux-image-4kc-malta";
/// What all names of its kernels' packages begin with, and the architecture with which names of files end.
const PACKAGE: (&str, &str) = ("linux-image-", "_mipsel.deb");
/// What the kernel's file is called in the package, before its version.
const KERNEL: &str = "vmlinuz-";
/// Longest time that apt may take.
const DOWNLOAD: Duration = Duration::from_secs(20 * 60);

/// The kernel's file. Fetches it if need be.
pub fn find_or_fetch(
    workspace: &Workspace,
    directory: &Path,
    report_progress: &mut dyn FnMut(&str),
) -> Result<PathBuf> {
    if let Some(kernel) = find(directory, (KERNEL, ""))? {
        return Ok(kernel);
    }
    let package = match find(directory, PACKAGE)? {
        Some(package) => package,
        None => fetch(workspace, directory, report_progress).with_context(|| {
            format!(
                "cannot fetch Linux from Debian, and no copy is here. With a network, run this again; or bring along the package that \
                 {NEWEST} of {SUITE} for mipsel depends on (packages.debian.org), and put its .deb into {}",
                directory.display()
            )
        })?,
    };
    report_progress("Linux: unpacking the kernel");
    unpack(workspace, &package, directory).with_context(|| {
        format!("cannot unpack {}; if the file is damaged, delete it and run this again", package.display())
    })
}

/// The newest file in a directory whose name begins and ends so.
fn find(directory: &Path, (start, end): (&str, &str)) -> Result<Option<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", directory.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(start) && name.ends_with(end) {
            found.push(path);
        }
    }
    Ok(found.into_iter().max_by_key(|path| fs::metadata(path).and_then(|data| data.modified()).ok()))
}

/// Fetches the newest package into `directory`.
fn fetch(workspace: &Workspace, directory: &Path, report_progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    ensure!(std::env::var_os("AEGIS_OFFLINE").is_none(), "--offline fetches nothing");
    let apt = Apt::new(workspace, directory)?;
    report_progress("Linux: reading Debian's list of packages");
    apt.run("apt-get", &["update"])?;
    let words = apt.run("apt-cache", &["depends", NEWEST])?;
    let package = newest(&words).with_context(|| format!("{NEWEST} depends on no kernel; apt says: {words}"))?;
    report_progress(&format!("Linux: fetching {package}, 45 MB"));
    let words = apt.run("apt-get", &["download", package])?;
    find(directory, PACKAGE)?.with_context(|| format!("apt-get has not left {package}; it says: {words}"))
}

/// The kernel in what apt says of [`NEWEST`].
fn newest(dependencies: &str) -> Option<&str> {
    dependencies
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with(PACKAGE.0))
}

/// Apt for another architecture, with lists of its own. What the system says of proxies is heeded.
struct Apt<'a> {
    workspace: &'a Workspace,
    /// Where packages go.
    directory: &'a Path,
    configuration: PathBuf,
}

impl Apt<'_> {
    fn new<'a>(workspace: &'a Workspace, directory: &'a Path) -> Result<Apt<'a>> {
        let own = directory.join("apt");
        let configuration = own.join("apt.conf");
        let write = |path: &Path, words: &str| {
            fs::write(path, words).with_context(|| format!("cannot write {}", path.display()))
        };
        for part in ["state/lists/partial", "cache/archives/partial"] {
            let part = own.join(part);
            fs::create_dir_all(&part).with_context(|| format!("cannot create {}", part.display()))?;
        }
        // Nothing is installed.
        write(&own.join("state/status"), "")?;
        // Security updates are not made for mipsel: the kernel's come with point releases.
        write(
            &own.join("sources.list"),
            &format!(
                "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian {SUITE} main\n"
            ),
        )?;
        write(
            &configuration,
            &format!(
                r#"#clear APT::Architectures;
#clear APT::Update;
APT::Architecture "mipsel";
APT::Architectures {{ "mipsel"; }};
APT::Update::Error-Mode "any";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Dir::State "{own}/state/";
Dir::State::status "{own}/state/status";
Dir::Cache "{own}/cache/";
Dir::Etc::sourcelist "{own}/sources.list";
Dir::Etc::sourceparts "/dev/null";
"#,
                own = own.display()
            ),
        )?;
        Ok(Apt { workspace, directory, configuration })
    }

    /// Runs one of apt's programs to its end. Returns what it has said.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = session::tied_to_us(program);
        command.arg("-c").arg(&self.configuration).arg("-q").args(arguments);
        command.current_dir(self.directory).env("LC_ALL", "C");
        self.workspace.show(&command);
        let patience = Patience { end: Some(DOWNLOAD), ..Patience::default() };
        let mut words = Vec::new();
        let end = session::run(session::without_input(command), Errors::Taken, patience, |chunk| {
            words.extend_from_slice(chunk)
        })
        .with_context(|| format!("this needs {program} of Debian"))?;
        let words = String::from_utf8_lossy(&words).into_owned();
        ensure!(
            end == End::Exited(0),
            "{program} {} has not succeeded ({end:?}): {}",
            arguments.join(" "),
            words.trim_end()
        );
        Ok(words)
    }
}

/// Takes the kernel alone out of a package.
fn unpack(workspace: &Workspace, package: &Path, directory: &Path) -> Result<PathBuf> {
    let mut command = Command::new("dpkg-deb");
    command.arg("--fsys-tarfile").arg(package).stdin(Stdio::null()).stdout(Stdio::piped());
    workspace.show(&command);
    let child = command.spawn().context("cannot start dpkg-deb; install the package dpkg")?;
    let mut child = session::Killed(child);
    let mut archive = tar::Archive::new(child.0.stdout.take().expect("piped above"));
    for entry in archive.entries().context("no package of Debian")? {
        let mut entry = entry.context("the package ends early")?;
        let path = entry.path().context("a name in it is no path")?.into_owned();
        let name = path.file_name().unwrap_or_default();
        if path.parent().and_then(Path::file_name) != Some(OsStr::new("boot"))
            || !name.to_string_lossy().starts_with(KERNEL)
        {
            continue;
        }
        let (kernel, new) = (directory.join(name), directory.join("kernel.new"));
        entry.unpack(&new).with_context(|| format!("cannot unpack {}", path.display()))?;
        fs::rename(&new, &kernel).with_context(|| format!("cannot write {}", kernel.display()))?;
        return Ok(kernel);
    }
    bail!("it holds no file boot/{KERNEL}*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_kernel_is_what_the_meta_package_depends_on() {
        let words = "linux-image-4kc-malta\n  Depends: linux-image-6.1.0-50-4kc-malta\n  Suggests: linux-doc\n";
        assert_eq!(newest(words), Some("linux-image-6.1.0-50-4kc-malta"));
        assert_eq!(newest("linux-image-4kc-malta\n  Suggests: linux-image-doc\n"), None);
    }

    #[test]
    fn a_kernel_that_is_there_is_found_and_other_files_are_not() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("linux-image-6.1_mipsel.deb.partial"), "").unwrap();
        assert_eq!(find(directory.path(), PACKAGE).unwrap(), None);
        let package = directory.path().join("linux-image-6.1_mipsel.deb");
        fs::write(&package, "").unwrap();
        assert_eq!(find(directory.path(), PACKAGE).unwrap(), Some(package));
        assert_eq!(find(directory.path(), (KERNEL, "")).unwrap(), None);
    }
}
