//! How `x` gets the programs that are missing: `qemu/tools.sh`, among programs that only pretend.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Programs that the script needs; no others are in its PATH.
const ORDINARY: [&str; 25] = [
    "awk", "basename", "cat", "chmod", "cp", "cut", "dirname", "du", "env", "find", "grep", "head", "ls", "mkdir",
    "mv", "printf", "readlink", "rm", "sed", "sh", "sleep", "tail", "timeout", "tr", "wc",
];
/// What a good QEMU says.
const GOOD: &str = "echo QEMU emulator version 7.2.0";
/// An apt-get that would remove another package, and of which a package can be downloaded all the same.
const HARMFUL: &str = r#"echo "$@" >>"$LOG"
case "$*" in
*"-s "*) for name in qemu-system-mips qemu-system-common libfdt1 libc6 zlib1g; do echo "Inst $name (2 Debian)"; done
    echo "Remv qemu-utils [1]" ;;
*" download "*) : >qemu.deb ;;
esac"#;
/// An apt-get that installs without harm.
const HARMLESS: &str = r#"echo "$@" >>"$LOG"
case "$*" in
*"-s "*) echo "Inst qemu-system-mips (1)" ;;
*" install -y"*) printf '#!/bin/sh\necho QEMU emulator version 7.2.0\n' >"$BIN/qemu-system-mipsel"; chmod +x "$BIN/qemu-system-mipsel" ;;
esac"#;
/// A dpkg-deb that unpacks a QEMU, whatever the package.
const UNPACKS: &str = r#"mkdir -p "$3/usr/bin"; printf '#!/bin/sh\necho QEMU emulator version 7.2.0 from $0\n' >"$3/usr/bin/qemu-system-mipsel"
chmod +x "$3/usr/bin/qemu-system-mipsel""#;

/// A machine that has some programs.
struct Host {
    directory: TempDir,
}

impl Host {
    fn new(programs: &[(&str, &str)]) -> Host {
        let host = Host { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(host.bin()).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for name in ORDINARY {
            let mut files = std::env::split_paths(&path).map(|directory| directory.join(name));
            symlink(files.find(|file| file.is_file()).unwrap(), host.bin().join(name)).unwrap();
        }
        // One library is installed, and the base of another QEMU.
        host.add("dpkg-query", "echo 'Have zlib1g (2'; echo 'Have qemu-system-common (1'; echo 'Have libfdt1 (1'");
        // Of its two users, one may do anything.
        for (name, script) in [("id", "echo ${USER_ID:-1000}")].iter().chain(programs) {
            host.add(name, script);
        }
        host
    }

    fn bin(&self) -> PathBuf {
        self.directory.path().join("bin")
    }

    fn add(&self, name: &str, script: &str) {
        let path = self.bin().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Asks for QEMU, and gives the status, what was said, with the version of what is found at the end.
    fn provide(&self, user: u32, offline: bool) -> (i32, String) {
        self.provide_with(user, offline, &[])
    }

    /// As [`Host::provide`], with these variables.
    fn provide_with(&self, user: u32, offline: bool, variables: &[(&str, &str)]) -> (i32, String) {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools.sh");
        let script = format!(
            r#"say() {{ echo "x: $*"; }}; have() {{ command -v "$1" >/dev/null; }}; DEBIAN_RUST= DEBIAN_RUST_TOOLS=
            offline={}; . {}; provide qemu-system-mipsel; status=$?; qemu-system-mipsel --version; exit $status"#,
            if offline { "1" } else { "" },
            tools.display()
        );
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]).current_dir(self.directory.path()).env_clear();
        command.env("PATH", self.bin()).env("BIN", self.bin()).env("LOG", self.directory.path().join("log"));
        command.env("USER_ID", user.to_string()).envs(variables.iter().copied()).stdin(std::process::Stdio::null());
        let output = command.output().unwrap();
        let words = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&words).into_owned())
    }

    /// What apt-get was asked for.
    fn asked(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

const ROOT: u32 = 0;
const USER: u32 = 1000;

#[test]
fn a_good_one_in_path_is_taken() {
    let host = Host::new(&[("qemu-system-mipsel", GOOD), ("apt-get", HARMLESS)]);
    let (status, words) = host.provide(ROOT, false);
    assert_eq!((status, words.as_str(), host.asked().as_str()), (0, "QEMU emulator version 7.2.0\n", ""));
}

#[test]
fn one_that_the_user_names_is_taken() {
    let host = Host::new(&[("apt-get", HARMLESS)]);
    let (_, words) = host.provide_with(ROOT, false, &[("AEGIS_QEMU", "/opt/qemu")]);
    assert!(host.asked().is_empty() && !words.contains("x: "), "{words}");
}

#[test]
fn apt_installs_where_it_removes_nothing() {
    let host = Host::new(&[("apt-get", HARMLESS)]);
    let (status, words) = host.provide(ROOT, false);
    assert_eq!(status, 0, "{words}");
    assert!(host.asked().contains("install -y --no-install-recommends --no-remove qemu-system-mips"), "{words}");
    assert!(!host.asked().contains("download"));
}

#[test]
fn apt_that_would_remove_something_only_downloads() {
    let host = Host::new(&[("apt-get", HARMFUL), ("dpkg-deb", UNPACKS)]);
    let (status, words) = host.provide(ROOT, false);
    assert_eq!(status, 0, "{words}");
    assert!(
        words.contains("apt-get would remove qemu-utils to install qemu-system-mips, so it is not used"),
        "{words}"
    );
    assert!(words.contains("target/tools/qemu-system-mipsel/root/usr/bin/qemu-system-mipsel"), "{words}");
    assert!(!host.asked().contains("install -y"), "{}", host.asked());
    assert!(host.asked().contains("download qemu-system-mips=2 qemu-system-common=2\n"), "{}", host.asked());

    // It is there now, and nothing is asked of apt again.
    fs::remove_file(host.bin().join("apt-get")).unwrap();
    let (status, words) = host.provide(USER, true);
    assert_eq!(status, 0, "{words}");
    assert!(words.contains("from ") && words.contains("unpacked in"), "{words}");
}

#[test]
fn a_user_without_sudo_gets_it_too() {
    let host = Host::new(&[("apt-get", HARMFUL), ("dpkg-deb", UNPACKS)]);
    let (status, words) = host.provide(USER, false);
    assert_eq!(status, 0, "{words}");
    assert!(!host.asked().contains("install -y"), "{}", host.asked());
}

#[test]
fn one_that_is_too_old_is_not_taken() {
    let host = Host::new(&[
        ("qemu-system-mipsel", "echo QEMU emulator version 6.2.0"),
        ("apt-get", HARMFUL),
        ("dpkg-deb", UNPACKS),
    ]);
    let (status, words) = host.provide(USER, false);
    assert!(status == 0 && words.contains("version 7.2.0 from"), "{words}");
}

#[test]
fn without_a_network_or_apt_the_package_is_named() {
    let (status, words) = Host::new(&[("apt-get", HARMLESS)]).provide(ROOT, true);
    assert!(status == 1 && words.contains("--offline fetches nothing; run ./x setup once"), "{words}");
    let (status, words) = Host::new(&[]).provide(ROOT, false);
    assert!(status == 1 && words.contains("missing: qemu-system-mipsel (Debian: qemu-system-mips)"), "{words}");
    let host = Host::new(&[("apt-get", "exit 100"), ("dpkg-deb", UNPACKS)]);
    let (status, words) = host.provide(USER, false);
    assert!(status == 1 && words.contains("is there a network?"), "{words}");
    assert!(!host.directory.path().join("target/tools/qemu-system-mipsel").exists());
}

#[test]
fn what_does_not_start_is_not_kept_in_path() {
    let broken = "mkdir -p \"$3/usr/bin\"";
    let (status, words) = Host::new(&[("apt-get", HARMFUL), ("dpkg-deb", broken)]).provide(USER, false);
    assert!(status == 1 && words.contains("what was unpacked does not start"), "{words}");
}
