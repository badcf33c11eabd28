//! How QEMU is started as a Malta board.

use crate::board::{Board, Console, Counting, Emulator, Ending, Filter, Unfiltered, Watching};
use crate::cargo::Workspace;
use crate::cli::from_caller;
use crate::image::{self, PluginInterface};
use crate::session::{self, End, Errors, Patience};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The emulator, if the variable [`VARIABLE`] names no other.
const EMULATOR: &str = "qemu-system-mipsel";
/// The environment variable that names another emulator: a program in `PATH`, or a path.
const VARIABLE: &str = "AEGIS_QEMU";
/// The oldest version that is known to do.
const OLDEST: Version = Version(7, 2);
/// Longest time that it may take to tell its version.
const ANSWER: Duration = Duration::from_secs(10);
/// From which version on QEMU loads plugins for which interface. Tried: 7.2, 8.2, 9.2, 10.0, 10.1, 10.2, 11.1; where another one has
/// moved on, QEMU refuses the plugin and says so. No plugin is made for the interface of 9.0.
const PLUGIN_INTERFACES: [(Version, Option<PluginInterface>); 4] = [
    (OLDEST, Some(PluginInterface::One)),
    (Version(9, 0), None),
    (Version(9, 1), Some(PluginInterface::Three)),
    (Version(11, 1), Some(PluginInterface::Seven)),
];
/// Arguments that make it the board, with nothing on it that Aegis does not use.
pub(crate) const BOARD: &str = "-M malta -cpu 24Kf -vga none -nic none -display none -monitor none -no-reboot -seed 1";
/// Memory that the board has by itself, in MB.
const MEMORY: u32 = 128;
/// The board hands over so many bytes of command line, and drops the rest.
const COMMAND_LINE_MAX: usize = 255;

/// A version of QEMU: major and minor number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Version(u32, u32);

/// What [`VARIABLE`] holds, if it is set.
fn named() -> Option<OsString> {
    std::env::var_os(VARIABLE).filter(|name| !name.is_empty())
}

/// The emulator's program: another one if the user has named it.
pub(crate) fn emulator() -> OsString {
    program(named())
}

fn program(named: Option<OsString>) -> OsString {
    match named {
        Some(name) if name.as_encoded_bytes().contains(&b'/') => from_caller(Path::new(&name)).into(),
        Some(name) => name,
        None => EMULATOR.into(),
    }
}

/// What to do where the emulator will not do.
fn remedy() -> String {
    match named() {
        Some(name) => format!("the variable {VARIABLE} names `{}`; name a {EMULATOR} there", name.to_string_lossy()),
        None => format!("install QEMU for MIPS (./x does on Debian), or name it in the variable {VARIABLE}"),
    }
}

/// Asks the emulator for its version, and refuses one that is too old.
fn version() -> Result<Version> {
    let program = emulator();
    let version = version_of(&program).with_context(remedy)?;
    let Version(major, minor) = version;
    ensure!(
        version >= OLDEST,
        "{} is version {major}.{minor}; Aegis needs {}.{} or newer",
        program.to_string_lossy(),
        OLDEST.0,
        OLDEST.1
    );
    Ok(version)
}

fn version_of(program: &OsStr) -> Result<Version> {
    let mut command = Command::new(program);
    command.arg("--version");
    let patience = Patience { end: Some(ANSWER), ..Patience::default() };
    let mut output = Vec::new();
    let end = session::run(session::without_input(command), Errors::Taken, patience, |chunk| {
        output.extend_from_slice(chunk)
    })?;
    let program = program.to_string_lossy();
    if let End::TooLong(limit) = end {
        bail!("`{program} --version` has not ended in {} s", limit.as_secs());
    }
    let words = String::from_utf8_lossy(&output);
    parse_version(&words).with_context(|| format!("`{program} --version` shows no version: `{}`", words.trim_end()))
}

fn parse_version(words: &str) -> Option<Version> {
    let mut numbers = words.split_once("version ")?.1.split(|c: char| !c.is_ascii_digit());
    Some(Version(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// QEMU's `-M malta`.
pub struct Qemu;

impl Emulator for Qemu {
    fn check(&self, counting: bool) -> Result<()> {
        let version = version()?;
        if counting { plugin_interface(version).map(drop) } else { Ok(()) }
    }

    fn command(&self, board: &Board) -> Result<Vec<OsString>> {
        let length = board.command_line.len();
        ensure!(
            length <= COMMAND_LINE_MAX,
            "program and arguments have {length} bytes; the board hands over {COMMAND_LINE_MAX}, so shorten them"
        );
        let mut words = vec![emulator()];
        words.extend(BOARD.split(' ').map(OsString::from));
        let mut add = |name: &str, value: OsString| words.extend([name.into(), value]);
        add(
            "-serial",
            match &board.console {
                Console::Standard => "stdio".into(),
                Console::File(path) => format!("file:{}", doubled_commas(path)).into(),
            },
        );
        if let Some(memory) = board.memory {
            add("-m", memory.to_string().into());
        }
        add("-kernel", board.kernel.clone().into());
        add("-append", board.command_line.clone().into());
        if board.semihosting {
            add("-semihosting-config", "enable=on,target=native".into());
        }
        if board.is_deterministic() {
            // Time then is a number of instructions.
            add("-icount", "shift=4,sleep=off".into());
        }
        ensure!(board.limit.is_none() || board.counting.is_some(), "the plugin that counts ends a run at a limit");
        if let Some(Counting { plugin, out, vectors }) = &board.counting {
            let plugin = plugin.as_ref().context("QEMU counts with a plugin")?;
            let vectors: String = vectors.iter().map(|vector| format!(",vector={vector:#010x}")).collect();
            let limit = board.limit.map_or_else(String::new, |limit| format!(",limit={limit}"));
            let mut plugin = format!("{},out={}{vectors}{limit}", doubled_commas(plugin), doubled_commas(out));
            if let Some(Watching { memory, arguments }) = &board.watching {
                for (name, value) in arguments {
                    plugin += &format!(",{name}={}", value.replace(',', ",,"));
                }
                let megabytes = board.memory.unwrap_or(MEMORY);
                let file = doubled_commas(memory);
                add("-object", format!("memory-backend-file,id=ram,size={megabytes}M,mem-path={file},share=on").into());
                add("-machine", "memory-backend=ram".into());
                // Exceptions, and what the plugin says, go to QEMU's log.
                add("-d", "int,plugin".into());
            }
            add("-plugin", plugin.into());
        }
        if let Some(port) = board.gdb_port {
            add("-gdb", format!("tcp:127.0.0.1:{port}").into());
            words.push("-S".into());
        }
        Ok(words)
    }

    fn needs_endless_input(&self) -> bool {
        false
    }

    fn ending(&self, board: &Board) -> Ending {
        if board.semihosting { Ending::Status } else { Ending::LastLine }
    }

    fn filter(&self, _: &Board) -> Box<dyn Filter> {
        Box::new(Unfiltered)
    }

    fn plugin(&self, workspace: &Workspace) -> Result<Option<PathBuf>> {
        image::build_plugin(workspace, plugin_interface(version()?)?).map(Some)
    }

    fn debugger(&self, _: &Board) -> Option<Vec<OsString>> {
        None
    }
}

/// The interface of the plugin that counts in a version of QEMU.
fn plugin_interface(version: Version) -> Result<PluginInterface> {
    let Version(major, minor) = version;
    let since = PLUGIN_INTERFACES.iter().rfind(|&&(since, _)| since <= version);
    since
        .and_then(|&(_, interface)| interface)
        .with_context(|| format!("cannot count in QEMU {major}.{minor}; take one from 7.2 to 8.2, or from 9.1 on"))
}

/// In QEMU's options a comma within a value is written twice.
fn doubled_commas(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(board: &Board) -> String {
        let words = Qemu.command(board).unwrap();
        words[1..].iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_version_is_read_and_compared() {
        let words = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright (c) 2003-2022";
        assert_eq!(parse_version(words), Some(Version(7, 2)));
        assert_eq!(parse_version("QEMU emulator version 10.0.2"), Some(Version(10, 0)));
        assert_eq!(parse_version("bash: not found"), None);
        assert!(Version(6, 9) < OLDEST && Version(10, 0) > OLDEST);
    }

    #[test]
    fn each_version_gets_the_plugin_for_its_interface() {
        let interface = |major, minor| plugin_interface(Version(major, minor)).ok();
        for (versions, expected) in [
            (&[(7, 1), (9, 0)][..], None),
            (&[(7, 2), (8, 0), (8, 2)], Some(PluginInterface::One)),
            (&[(9, 1), (9, 2), (10, 0), (10, 2), (11, 0)], Some(PluginInterface::Three)),
            (&[(11, 1), (11, 2), (12, 0)], Some(PluginInterface::Seven)),
        ] {
            for &(major, minor) in versions {
                assert_eq!(interface(major, minor), expected, "QEMU {major}.{minor}");
            }
        }
        assert!(plugin_interface(Version(9, 0)).unwrap_err().to_string().contains("QEMU 9.0"));
    }

    #[test]
    fn another_emulator_can_be_named() {
        assert_eq!(program(None), EMULATOR);
        assert_eq!(program(Some("qemu-10".into())), "qemu-10");
        assert_eq!(program(Some("/opt/qemu/bin/qemu".into())), "/opt/qemu/bin/qemu");
        assert_eq!(PathBuf::from(program(Some("./qemu".into()))), from_caller(Path::new("./qemu")));
    }

    #[test]
    fn an_emulator_that_is_not_there_or_shows_no_version_is_refused() {
        assert!(version_of("/nonexistent/qemu".as_ref()).unwrap_err().to_string().contains("/nonexistent/qemu"));
        assert!(version_of("true".as_ref()).unwrap_err().to_string().contains("`true --version`"));
    }

    #[test]
    fn a_plain_board_has_no_semihosting_and_no_extras() {
        let board = Board { kernel: "k".into(), command_line: "tour".into(), ..Board::default() };
        assert_eq!(
            words(&board),
            "-M malta -cpu 24Kf -vga none -nic none -display none -monitor none -no-reboot -seed 1 \
             -serial stdio -kernel k -append tour"
        );
    }

    #[test]
    fn options_add_their_arguments() {
        let board = Board {
            semihosting: true,
            console: Console::File("a,b".into()),
            counting: Some(Counting { plugin: Some("p.so".into()), out: "o,1".into(), vectors: vec![0x8000_0100] }),
            gdb_port: Some(1234),
            memory: Some(16),
            ..Board::default()
        };
        let words = words(&board);
        for part in [
            "-semihosting-config enable=on,target=native",
            "-serial file:a,,b",
            "-icount shift=4,sleep=off -plugin p.so,out=o,,1,vector=0x80000100",
            "-gdb tcp:127.0.0.1:1234 -S",
            "-m 16 ",
        ] {
            assert!(words.contains(part), "{part} is not in {words}");
        }
    }

    #[test]
    fn a_command_line_that_the_board_would_cut_is_refused() {
        let board = |length| Board { command_line: "x".repeat(length), ..Board::default() };
        assert!(Qemu.command(&board(255)).is_ok());
        assert!(Qemu.command(&board(256)).unwrap_err().to_string().contains("256 bytes"));
    }
}
