//! `./x tlb`: the TLB misses of a program as they happen, observed from outside the guest.
//!
//! [`watch`] boots the program with an emulator that shows what it does: QEMU in its log ([`qemu`]), GXemul in its trace (`gxemul`). Both
//! become [`event`]s, of which a [`recorder`] makes a [`record`], following the software TLB and the hardware TLB beside the guest
//! ([`tables`], [`hardware`]). [`show`] is the terminal's.

pub mod event;
mod gxemul;
pub mod hardware;
pub mod labels;
pub mod layout;
pub mod qemu;
pub mod record;
pub mod recorder;
pub mod show;
pub mod step;
pub mod tables;
pub mod watch;

use crate::cargo::Workspace;
use crate::machine::Machine;
use crate::run::Clock;
use crate::session::End;
use crate::terminal;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::io::Write;
use watch::{Wanted, Watched};

/// Options of `./x tlb`.
#[derive(Args)]
pub struct Options {
    /// What to run it on
    #[arg(long, value_name = "MACHINE", default_value_t)]
    machine: Machine,
    /// Refill so that the TLB has no more entries than the processor's (Malta: two instructions more; QEMU would keep what is replaced)
    #[arg(long)]
    faithful: bool,
    /// The clock that ends time slices
    #[arg(long, value_name = "CLOCK", default_value = "none")]
    clock: Clock,
    /// Show totals by path, environment and function, and not each miss
    #[arg(long)]
    summary: bool,
    /// Print everything as JSON, and nothing else
    #[arg(long)]
    json: bool,
    /// Program and its arguments [default: tour]
    #[arg(value_names = ["PROGRAM", "ARGS"], num_args = 0.., trailing_var_arg = true)]
    command: Vec<String>,
}

/// Watches a program, and gives its exit status.
pub fn main(workspace: &Workspace, options: &Options) -> Result<u8> {
    let Options { machine, faithful, clock, summary, json, .. } = *options;
    let wanted = Wanted { machine, faithful, clock, command: &options.command, until: None };
    terminal::catch_interrupts()?;
    let lines = !summary && !json;
    if lines {
        println!("{}", show::HEADING);
    }
    let watched = watch::watch(workspace, &wanted, &mut |miss| {
        if lines {
            // Where nobody reads any more, the guest goes on.
            let _ = writeln!(std::io::stdout(), "{}", show::line(miss));
        }
    })?;
    if json {
        let words = serde_json::to_string_pretty(&watched.record).context("a record is JSON")?;
        let _ = writeln!(std::io::stdout(), "{words}");
    } else {
        if lines {
            println!();
        }
        print!("{}", show::summary(&watched.record));
        println!("\nWhat the program has written: {}", watched.console.display());
    }
    status(&watched)
}

/// The program's exit status.
fn status(watched: &Watched) -> Result<u8> {
    match watched.end {
        None => Ok(0),
        Some(End::Exited(status)) => Ok(status as u8),
        Some(End::Interrupted) => Ok(130),
        Some(end) => bail!(
            "the emulator has not ended as it should ({end:?}); the guest's last words stand in {}",
            watched.console.display()
        ),
    }
}
