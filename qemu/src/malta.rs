//! How QEMU is started as a Malta board.

use crate::cargo::Workspace;
use crate::session::{self, End, Errors, Patience};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The emulator.
pub const EMULATOR: &str = "qemu-system-mipsel";
/// The oldest version that is known to do.
const OLDEST: Version = Version(7, 2);
/// Longest time that it may take to tell its version.
const ANSWER: Duration = Duration::from_secs(10);
/// The first version that speaks another plugin interface than our counting plugin.
const NO_PLUGIN: Version = Version(9, 0);
/// The board hands over so many bytes of command line, and drops the rest.
const COMMAND_LINE_MAX: usize = 255;

/// A version of QEMU: major and minor number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version(u32, u32);

/// Asks the emulator for its version, and refuses one that is too old.
pub fn check_emulator() -> Result<Version> {
    let mut command = Command::new(EMULATOR);
    command.arg("--version");
    let patience = Patience { first_output: None, end: Some(ANSWER) };
    let mut output = Vec::new();
    let end =
        session::run(session::without_input(command), Errors::Taken, patience, |chunk| output.extend_from_slice(chunk))
            .context("install QEMU for MIPS (./x does on Debian)")?;
    if let End::TooLong(limit) = end {
        bail!("`{EMULATOR} --version` has not ended in {} s", limit.as_secs());
    }
    let words = String::from_utf8_lossy(&output);
    let version = parse_version(&words)
        .with_context(|| format!("`{EMULATOR} --version` shows no version: `{}`", words.trim_end()))?;
    let Version(major, minor) = version;
    ensure!(version >= OLDEST, "{EMULATOR} is version {major}.{minor}; Aegis needs {}.{} or newer", OLDEST.0, OLDEST.1);
    Ok(version)
}

fn parse_version(words: &str) -> Option<Version> {
    let mut numbers = words.split_once("version ")?.1.split(|c: char| !c.is_ascii_digit());
    Some(Version(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Where the guest's console goes.
#[derive(Clone, Debug, Default)]
pub enum Console {
    /// To QEMU's standard input and output.
    #[default]
    Standard,
    /// Output to a file, no input.
    File(PathBuf),
}

/// Counting of instructions by the plugin.
#[derive(Clone, Debug)]
pub struct Counting {
    /// The plugin's library.
    pub plugin: PathBuf,
    /// The file that it writes.
    pub out: PathBuf,
    /// Further addresses where a stay in the kernel may begin.
    pub vectors: Vec<u32>,
}

impl Counting {
    /// Counts with `plugin` into a file called `name`, which does not exist yet: old counts must not pass for new ones.
    pub fn new(workspace: &Workspace, plugin: &Path, name: &str) -> Result<Counting> {
        let directory = workspace.target.join("counts");
        std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let out = directory.join(format!("{name}.json"));
        if out.exists() {
            std::fs::remove_file(&out).with_context(|| format!("cannot remove {}", out.display()))?;
        }
        Ok(Counting { plugin: plugin.to_path_buf(), out, vectors: Vec::new() })
    }
}

/// What the kernel prints before its exit status when it stops and there is no semihosting to hand it over.
const STOPPED: &str = "aegis: stopped, exit status ";

/// Watches a board's output for the kernel's last line.
#[derive(Debug, Default)]
pub struct StopWatch {
    line: Vec<u8>,
}

impl StopWatch {
    /// The exit status, once the line that says it is complete.
    pub fn pass(&mut self, output: &[u8]) -> Option<i32> {
        for &byte in output {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = String::from_utf8_lossy(&self.line);
            let status = line.strip_prefix(STOPPED).and_then(|status| status.trim_end().parse().ok());
            self.line.clear();
            if status.is_some() {
                return status;
            }
        }
        None
    }
}

/// A board to be switched on.
#[derive(Clone, Debug, Default)]
pub struct Malta {
    /// The kernel image.
    pub kernel: PathBuf,
    /// Program and arguments.
    pub command_line: String,
    /// The guest can end QEMU with an exit status.
    pub semihosting: bool,
    /// The console.
    pub console: Console,
    /// Count instructions. Time then is a number of instructions, so that every run is the same.
    pub counting: Option<Counting>,
    /// Wait for gdb at this port.
    pub gdb_port: Option<u16>,
}

impl Malta {
    /// Arguments of the emulator.
    pub fn arguments(&self) -> Result<Vec<OsString>> {
        let length = self.command_line.len();
        ensure!(
            length <= COMMAND_LINE_MAX,
            "program and arguments have {length} bytes; the board hands over {COMMAND_LINE_MAX}, so shorten them"
        );
        let mut arguments: Vec<OsString> =
            "-M malta -cpu 24Kf -vga none -nic none -display none -monitor none -no-reboot -seed 1"
                .split(' ')
                .map(OsString::from)
                .collect();
        let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        add(
            "-serial",
            match &self.console {
                Console::Standard => "stdio".into(),
                Console::File(path) => format!("file:{}", doubled_commas(path)).into(),
            },
        );
        add("-kernel", self.kernel.clone().into());
        add("-append", self.command_line.clone().into());
        if self.semihosting {
            add("-semihosting-config", "enable=on,target=native".into());
        }
        if let Some(Counting { plugin, out, vectors }) = &self.counting {
            let vectors: String = vectors.iter().map(|vector| format!(",vector={vector:#010x}")).collect();
            add("-icount", "shift=4,sleep=off".into());
            add("-plugin", format!("{},out={}{vectors}", doubled_commas(plugin), doubled_commas(out)).into());
        }
        if let Some(port) = self.gdb_port {
            add("-gdb", format!("tcp:127.0.0.1:{port}").into());
            arguments.push("-S".into());
        }
        Ok(arguments)
    }
}

/// Refuses to count with an emulator that cannot load the plugin.
pub fn check_counting(version: Version) -> Result<()> {
    let Version(major, minor) = version;
    ensure!(version < NO_PLUGIN, "counting needs a {EMULATOR} from 7.2 to 8.2, and this one is {major}.{minor}");
    Ok(())
}

/// In QEMU's options a comma within a value is written twice.
fn doubled_commas(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(malta: &Malta) -> String {
        let words = malta.arguments().unwrap();
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_version_is_read_and_compared() {
        let words = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright (c) 2003-2022";
        assert_eq!(parse_version(words), Some(Version(7, 2)));
        assert_eq!(parse_version("QEMU emulator version 10.0.2"), Some(Version(10, 0)));
        assert_eq!(parse_version("bash: not found"), None);
        assert!(Version(6, 9) < OLDEST && Version(10, 0) > OLDEST);
        assert!(check_counting(Version(8, 2)).is_ok() && check_counting(Version(9, 0)).is_err());
    }

    #[test]
    fn the_kernels_last_line_is_found_wherever_it_is_cut() {
        let output = b"aegis: error: no\naegis: stopped, exit status 122\nmore";
        for cut in 0..output.len() - 5 {
            let mut watch = StopWatch::default();
            let (first, second) = output.split_at(cut);
            assert_eq!(watch.pass(first).or_else(|| watch.pass(second)), Some(122), "cut at {cut}");
        }
        assert_eq!(StopWatch::default().pass(b"say: aegis: stopped, exit status 1\n"), None);
        assert_eq!(StopWatch::default().pass(b"aegis: stopped, exit status 1"), None);
    }

    #[test]
    fn a_plain_board_has_no_semihosting_and_no_extras() {
        let malta = Malta { kernel: "k".into(), command_line: "tour".into(), ..Malta::default() };
        assert_eq!(
            words(&malta),
            "-M malta -cpu 24Kf -vga none -nic none -display none -monitor none -no-reboot -seed 1 \
             -serial stdio -kernel k -append tour"
        );
    }

    #[test]
    fn options_add_their_arguments() {
        let malta = Malta {
            semihosting: true,
            console: Console::File("a,b".into()),
            counting: Some(Counting { plugin: "p.so".into(), out: "o,1".into(), vectors: vec![0x8000_0100] }),
            gdb_port: Some(1234),
            ..Malta::default()
        };
        let words = words(&malta);
        for part in [
            "-semihosting-config enable=on,target=native",
            "-serial file:a,,b",
            "-icount shift=4,sleep=off -plugin p.so,out=o,,1,vector=0x80000100",
            "-gdb tcp:127.0.0.1:1234 -S",
        ] {
            assert!(words.contains(part), "{part} is not in {words}");
        }
    }

    #[test]
    fn a_command_line_that_the_board_would_cut_is_refused() {
        let malta = |length| Malta { command_line: "x".repeat(length), ..Malta::default() };
        assert!(malta(255).arguments().is_ok());
        assert!(malta(256).arguments().unwrap_err().to_string().contains("256 bytes"));
    }
}
