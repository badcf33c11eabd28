//! `./x debug`: boots Aegis under gdb.

use crate::board::{Board, Console};
use crate::cargo::{Workspace, command_line};
use crate::image;
use crate::machine::Machine;
use crate::output::outln;
use crate::run::{self, Level, Prepared, Wanted};
use crate::session::Killed;
use crate::{session, terminal};
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::io::IsTerminal;
use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};

/// Debuggers that know MIPS, the better known first.
const DEBUGGERS: [&str; 2] = ["gdb-multiarch", "gdb"];

/// Options of `./x debug`.
#[derive(Args)]
pub struct Options {
    /// What to run it on
    #[arg(long, value_name = "MACHINE", default_value_t)]
    machine: Machine,
    /// What the kernel tells
    #[arg(long, value_name = "LEVEL")]
    log: Option<Level>,
    /// Program and its arguments [default: tour]
    #[arg(value_names = ["PROGRAM", "ARGS"], num_args = 0.., allow_hyphen_values = true)]
    command: Vec<String>,
    /// Arguments for gdb, such as `-batch -ex 'hbreak *0x80000180' -ex continue`
    #[arg(last = true)]
    gdb_args: Vec<String>,
}

impl Options {
    /// The words for the program and those for gdb. Among the program's the first `--` ends them,
    /// whatever they begin with.
    fn words(&self) -> (&[String], &[String]) {
        match self.command.iter().position(|word| word == "--") {
            Some(end) => (&self.command[..end], &self.command[end + 1..]),
            None => (&self.command, &self.gdb_args),
        }
    }
}

/// Runs the emulator, halted at its first instruction, and gdb in the foreground; with gdb the emulator ends too.
pub fn main(workspace: &Workspace, options: &Options) -> Result<u8> {
    let machine = options.machine;
    let emulator = machine.emulator();
    emulator.check(false)?;
    let (command, gdb_args) = options.words();
    let wanted = Wanted { machine, command, log: options.log, ..Wanted::default() };
    let mut board = Board { machine, semihosting: true, ..Board::default() };
    if emulator.debugger(&board).is_some() {
        return with_own_debugger(workspace, board, &run::prepare(workspace, wanted)?, gdb_args);
    }
    let gdb = find_debugger()?;
    let prepared = run::prepare(workspace, wanted)?;
    let console = image::images(workspace, machine).join("console.txt");
    std::fs::write(&console, "").with_context(|| format!("cannot write {}", console.display()))?;
    let port = free_port()?;
    board.kernel = prepared.kernel.clone();
    board.command_line = prepared.command_line.clone();
    board.console = Console::File(console.clone());
    board.gdb_port = Some(port);

    // Ctrl-C is gdb's: it interrupts the guest, and neither us nor the emulator.
    terminal::catch_interrupts()?;
    let words = emulator.command(&board)?;
    let mut emulator = session::tied_to_us(&words[0]);
    emulator.args(&words[1..]).stdin(Stdio::null()).process_group(0);
    workspace.show(&emulator);
    let mut emulator = Killed(emulator.spawn().with_context(|| format!("cannot start {}", words[0].display()))?);

    outln!("The guest's console goes to {0}; in another terminal: tail -f {0}", console.display());
    outln!("Breakpoints to start with: hbreak *0x80000000 (TLB refill), hbreak *0x80000180 (exceptions),");
    outln!("hbreak FUNCTION; then `continue`. `stepi` steps over exceptions, so break at the vectors instead.");
    let mut command = Command::new(gdb);
    command.args(gdb_arguments(&prepared, port)).args(gdb_args).current_dir(&workspace.root);
    workspace.show(&command);
    let status = command.status().with_context(|| format!("cannot start {}", command_line(&command)))?;
    emulator.kill();
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()) as u8)
}

/// Runs the emulator with its own debugger, in the foreground, where it has no stub for gdb.
fn with_own_debugger(workspace: &Workspace, mut board: Board, prepared: &Prepared, gdb_args: &[String]) -> Result<u8> {
    ensure!(
        gdb_args.is_empty(),
        "this emulator has no stub for gdb; its own debugger takes its commands from the terminal"
    );
    ensure!(
        std::io::stdin().is_terminal(),
        "the emulator's own debugger takes its commands from a terminal, and this is none"
    );
    board.kernel = prepared.kernel.clone();
    board.command_line = prepared.command_line.clone();
    let words = board.machine.emulator().debugger(&board).context("it has a debugger, as was checked")?;
    outln!("The emulator's own debugger, which knows the kernel's symbols. To start with: breakpoint add vec_general;");
    outln!("continue; step 10; reg; reg ,0; tlbdump; help; quit.");
    terminal::catch_interrupts()?;
    let _saved = terminal::Saved::new();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    workspace.show(&command);
    let status = command.status().with_context(|| format!("cannot start {}", command_line(&command)))?;
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()) as u8)
}

/// What gdb has to know: the machine, the symbols of kernel and program, and where the guest is.
fn gdb_arguments(prepared: &Prepared, port: u16) -> Vec<String> {
    let quoted = |path: &Path| format!("\"{}\"", path.display().to_string().replace('\\', r"\\").replace('"', "\\\""));
    let mut arguments = vec!["-q".to_owned()];
    for command in [
        "set confirm off".to_owned(),
        "set pagination off".to_owned(),
        "set architecture mips:isa32r2".to_owned(),
        "set endian little".to_owned(),
        format!("file {}", quoted(&prepared.kernel)),
        format!("add-symbol-file {}", quoted(&prepared.program)),
        format!("target remote 127.0.0.1:{port}"),
    ] {
        arguments.extend(["-ex".to_owned(), command]);
    }
    arguments
}

/// A port of this machine where nobody listens at this moment.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot find a free port for gdb")?;
    Ok(listener.local_addr().context("cannot tell the port for gdb")?.port())
}

/// A gdb that knows MIPS.
pub fn find_debugger() -> Result<&'static str> {
    let works = |name: &&str| {
        let test = Command::new(name).args(["-nx", "-batch", "-ex", "set architecture mips:isa32r2"]).output();
        test.is_ok_and(|output| {
            output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("Undefined")
        })
    };
    DEBUGGERS.into_iter().find(works).context("no gdb that knows MIPS: install gdb-multiarch (./x does on Debian)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gdb_gets_machine_symbols_and_port() {
        let prepared =
            Prepared { kernel: "/a b/aegis".into(), program: "/t/tour".into(), command_line: "tour".to_owned() };
        let arguments = gdb_arguments(&prepared, 4242);
        for command in
            ["set endian little", "file \"/a b/aegis\"", "add-symbol-file \"/t/tour\"", "target remote 127.0.0.1:4242"]
        {
            assert!(arguments.windows(2).any(|pair| pair == ["-ex", command]), "{command} is missing: {arguments:?}");
        }
    }

    #[test]
    fn the_program_gets_its_arguments_and_gdb_gets_its_own() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            options: Options,
        }
        let parse = |words: &[&str]| {
            let line = <Line as clap::Parser>::try_parse_from(["debug"].iter().chain(words)).unwrap();
            let (command, gdb_args) = line.options.words();
            (command.join(" "), gdb_args.join(" "))
        };
        let of = |command: &str, gdb: &str| (command.to_owned(), gdb.to_owned());
        assert_eq!(parse(&[]), of("", ""));
        assert_eq!(parse(&["--log", "debug", "echo", "one", "-n", "--", "-batch"]), of("echo one -n", "-batch"));
        assert_eq!(parse(&["--", "-batch", "-ex", "continue"]), of("", "-batch -ex continue"));
        assert_eq!(parse(&["tour", "--", "-nx", "--", "x"]), of("tour", "-nx -- x"));
    }

    #[test]
    fn a_free_port_can_be_taken() {
        assert!(TcpListener::bind(("127.0.0.1", free_port().unwrap())).is_ok());
    }
}
