//! `./x debug`: boots Aegis under gdb.

use crate::cargo::{Workspace, command_line};
use crate::malta::{self, Console, Malta};
use crate::run::{self, Level, Prepared};
use crate::session::Killed;
use crate::{session, terminal};
use anyhow::{Context, Result};
use clap::Args;
use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};

/// Debuggers that know MIPS, the better known first.
const DEBUGGERS: [&str; 2] = ["gdb-multiarch", "gdb"];

/// Options of `./x debug`.
#[derive(Args)]
pub struct Options {
    /// What the kernel tells
    #[arg(long, value_name = "LEVEL")]
    log: Option<Level>,
    /// The program
    #[arg(default_value = run::DEFAULT_PROGRAM)]
    program: String,
    /// Arguments for gdb, such as `-batch -ex 'hbreak *0x80000180' -ex continue`
    #[arg(last = true)]
    gdb_args: Vec<String>,
}

/// Runs the emulator, halted at its first instruction, and gdb in the foreground; with gdb the emulator ends too.
pub fn main(workspace: &Workspace, options: &Options) -> Result<u8> {
    malta::check_emulator()?;
    let gdb = find_debugger()?;
    let prepared = run::prepare(workspace, None, std::slice::from_ref(&options.program), options.log)?;
    let console = workspace.target.join("images/console.txt");
    std::fs::write(&console, "").with_context(|| format!("cannot write {}", console.display()))?;
    let port = free_port()?;
    let malta = Malta {
        kernel: prepared.kernel.clone(),
        command_line: prepared.command_line.clone(),
        semihosting: true,
        console: Console::File(console.clone()),
        gdb_port: Some(port),
        ..Malta::default()
    };

    // Ctrl-C is gdb's: it interrupts the guest, and neither us nor the emulator.
    terminal::catch_interrupts()?;
    let mut emulator = session::tied_to_us(malta::EMULATOR);
    emulator.args(malta.arguments()?).stdin(Stdio::null()).process_group(0);
    workspace.show(&emulator);
    let mut emulator = Killed(emulator.spawn().with_context(|| format!("cannot start {}", malta::EMULATOR))?);

    println!("The guest's console goes to {0}; in another terminal: tail -f {0}", console.display());
    println!("Breakpoints to start with: hbreak *0x80000000 (TLB refill), hbreak *0x80000180 (exceptions),");
    println!("hbreak FUNCTION; then `continue`. `stepi` steps over exceptions, so break at the vectors instead.");
    let mut command = Command::new(gdb);
    command.args(gdb_arguments(&prepared, port)).args(&options.gdb_args).current_dir(&workspace.root);
    workspace.show(&command);
    let status = command.status().with_context(|| format!("cannot start {}", command_line(&command)))?;
    emulator.kill();
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
    fn a_free_port_can_be_taken() {
        assert!(TcpListener::bind(("127.0.0.1", free_port().unwrap())).is_ok());
    }
}
