//! Interrupts: what can cause one, and what one reports. A board supplies the rest.
//!
//! All are off until they are enabled. They are taken while a program runs, never in the kernel.

use core::fmt;
use core::str::FromStr;

pub use super::this::interrupts::{LINES, enable, handle};

/// A device that can interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// A clock that ticks in real time.
    RealTimeClock,
    /// A clock that ticks whenever so many instructions were executed, so that each run of a program is like the last.
    InstructionClock,
    /// Input on the console.
    Input,
}

impl FromStr for Source {
    type Err = ();

    /// The name of a clock on the kernel's command line.
    fn from_str(name: &str) -> Result<Source, ()> {
        match name {
            "rtc" => Ok(Source::RealTimeClock),
            "deterministic" => Ok(Source::InstructionClock),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Source::RealTimeClock => "real-time clock",
            Source::InstructionClock => "clock that counts instructions",
            Source::Input => "interrupt for input",
        })
    }
}

/// The board has no such device, or no driver for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Missing;

/// What an interrupt reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The clock has ticked.
    Tick,
    /// A byte has arrived on the console.
    Input(u8),
}
