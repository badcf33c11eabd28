//! The command line of `./x`.

use crate::cargo::Workspace;
use crate::output::{self, INTERRUPTED, errln};
use crate::terminal;
use crate::{audit, bench, debug, docs, fuzz, run, test, tlb};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Aegis, an exokernel, and ExOS, its library operating system: build, run, test, debug.
#[derive(Parser)]
#[command(name = "./x", bin_name = "./x", disable_version_flag = true)]
struct Arguments {
    /// Show the commands that are executed
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Fetch nothing; ./x setup has fetched everything once
    #[arg(long, global = true)]
    offline: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Get all that is needed, so that --offline works: emulators, debugger, browser, toolchain, crates
    Setup,
    /// Boot Aegis in the emulator and run a program
    Run(run::Options),
    /// Run all tests, or those whose name contains FILTER
    Test(test::Options),
    /// Check what is built for the R3000 for instructions that it does not have or does not wait for
    Audit(audit::Options),
    /// Measure what operations cost, in instructions executed, on both machines
    Bench(bench::Options),
    /// Show a program's TLB misses as they happen: who answers them, at what cost, and what has to make room
    Tlb(tlb::Options),
    /// Step through an exception or a protected control transfer, instruction by instruction
    Trace(tlb::TraceOptions),
    /// Let hostile environments do what they can beside a victim, on a kernel that checks all its invariants
    Fuzz(fuzz::Options),
    /// Write into docs/ what it shows of sources, machine code and results
    Docs(docs::Options),
    /// Boot Aegis under gdb, with the symbols of the kernel and of a program
    Debug(debug::Options),
}

/// Does what the command line says. Wrong arguments end with status 2, other errors with 1.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help is no error, and comes this way too.
        Err(error) => {
            output::note(error.print());
            return ExitCode::from(output::status(error.exit_code() as u8));
        }
    };
    let result = Workspace::find(arguments.verbose).and_then(|workspace| match arguments.verb {
        Verb::Setup => anyhow::bail!("the script ./x does that itself"),
        Verb::Run(options) => run::main(&workspace, &options),
        Verb::Test(options) => test::main(&workspace, &options),
        Verb::Audit(options) => audit::main(&workspace, &options),
        Verb::Bench(options) => bench::main(&workspace, &options),
        Verb::Tlb(options) => tlb::main(&workspace, &options),
        Verb::Trace(options) => tlb::trace(&workspace, &options),
        Verb::Fuzz(options) => fuzz::main(&workspace, &options),
        Verb::Docs(options) => docs::main(&workspace, &options),
        Verb::Debug(options) => debug::main(&workspace, &options),
    });
    let status = match result {
        Ok(status) => status,
        // What has failed for that reason is no news.
        Err(_) if terminal::interrupted() => INTERRUPTED,
        Err(error) => {
            errln!("x: {error:#}");
            1
        }
    };
    ExitCode::from(output::status(status))
}

/// `path` as the caller of `./x` meant it, who may stand in another directory than we do.
pub fn from_caller(path: &std::path::Path) -> PathBuf {
    match std::env::var_os("AEGIS_CALLER_DIR") {
        Some(directory) => PathBuf::from(directory).join(path),
        None => path.to_path_buf(),
    }
}
